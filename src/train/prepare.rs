//! From data files to a run that is ready to begin: one corpus, its scales, Θ, held-out rows.

use std::borrow::Cow;

use hogback_kernels::LearnerSpec;

use super::arranged::Arranged;
use super::configure::{Content, Penalties};
use super::corpus::{BATCH, Corpus};
use super::head::{distance, exceeds_cache, head, in_batches, way};
use super::held_out::{HeldOut, hold_out};
use super::job::Learner;
use super::material::{Material, Read};
use super::position::{Fingerprint, Position};
use super::resume::Resumed;
use super::saved::{self, Words};
use super::target::LabelFacts;
use super::{Consistency, Request};
use crate::data::order::Holdout;
use crate::data::{Dictionary, OwnedBlock};
use crate::engine::plan::Plan;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind};
use crate::model::factors::Fresh;
use crate::model::layered::Layered;
use crate::model::network::Network;
use crate::model::sparse::Sparse;
use crate::model::tally::Scorer;
use crate::report::format::{memory, number};
use crate::sys::memory::available;
use crate::theta::exchange::hogwild::{Head, View};
use crate::theta::{Snapshot, Theta};

/// Parameters of a perceptron that are said to be many.
const MANY: usize = 4_000_000;

/// Everything a run needs.
pub(super) struct Prepared<'d> {
    pub(super) configuration: Configuration,
    pub(super) dictionary: Cow<'d, Dictionary>,
    pub(super) facts: LabelFacts,
    pub(super) corpus: Corpus<'d>,
    pub(super) held_out: HeldOut<'d>,
    pub(super) holdout: Option<Holdout>,
    /// The rows that are not held out, where they are ratings that are learned in place.
    pub(super) arranged: Option<Arranged>,
    pub(super) theta: Theta,
    pub(super) best: Option<Snapshot>,
    pub(super) penalties: Penalties,
    /// What rows with factors begin with.
    pub(super) fresh: Option<Fresh>,
    pub(super) head: Head,
    /// How far apart the cores of the children are, in seconds, where that was looked at.
    pub(super) distance: Option<f64>,
    pub(super) learner: Learner,
    pub(super) scorer: Scorer,
    pub(super) position: Position,
    pub(super) nonzeros: u64,
    /// Θ came from a model.
    pub(super) resumed: bool,
}

/// What was read.
pub(super) struct Data<'d> {
    pub(super) read: Read<'d>,
    /// The rows of `--valid`, if there are any.
    pub(super) valid: &'d [OwnedBlock],
}

/// Lays out a run.
///
/// # Errors
/// Data and settings that do not go together, or too little memory.
pub(super) fn prepare<'d>(
    request: &Request,
    topology: &Topology,
    plan: &Plan,
    data: Data<'d>,
    facts: LabelFacts,
    resumed: Option<&'d Resumed>,
    notice: &dyn Fn(&str),
) -> Result<Prepared<'d>> {
    let Data { read, valid } = data;
    let files = read.files;
    let old = resumed.map(|resumed| &resumed.configuration);
    let kind = old.map_or(request.settings.kind, |old| Some(old.kind)).unwrap_or_default();
    let material = Material::new(kind, read, facts, old, notice)?;
    let configuration = material.configuration(&request.settings, request.valid.is_some(), old)?;
    let (penalties, fresh) = material.begin(&configuration, &material.uses(&configuration)?);
    let Material { corpus, dictionary, facts, content: Content { nonzeros, .. }, .. } = material;
    let limit = corpus.limit();

    let share = if request.valid.is_some() { 0.0 } else { configuration.holdout };
    let holdout = (share > 0.0).then(|| Holdout::new(share, configuration.seed));
    let held_out = hold_out(&corpus, holdout, request, valid, &configuration, limit, &dictionary);
    let (rule, objective) = (configuration.rule(), configuration.objective());
    let layout = configuration.layout();
    let (rows, backend) = (dictionary.len(), request.backend);
    let layered = Layered::new(backend, &configuration, rows);
    let network = layered.as_ref().map(Layered::network);
    fits_memory(&configuration, rows, network, plan.children(), available())?;
    if let Some(network) = network.filter(|network| kind == Kind::Mlp && network.parameters() > MANY) {
        let weights = number(network.parameters() as u64, "weight");
        notice(&format!(
            "note: each batch moves all {weights} of the layers: where most features are absent from most rows, --kind text \
             --dim {} learns far faster",
            network.sizes()[1]
        ));
    }
    let data = Fingerprint {
        rows: corpus.rows(),
        nonzeros,
        // Sums of labels and values tell files of equal shape apart.
        sums: files.iter().map(|file| file.labels().mean + file.sum_squares()).sum(),
        seed: configuration.seed,
        holdout: share,
        held_out: held_out.rows.len() as u64,
    };
    let (theta, best, position) = match resumed {
        None => {
            let specs = saved::specs(&configuration, rows, network);
            let theta = Theta::reserve(specs, plan.shards, backend).map_err(saved::out_of_memory)?;
            (theta, None, Position::beginning(data, 0, &configuration))
        }
        Some(resumed) => {
            let position = resumed.position.go_on(data, &request.settings, &configuration);
            let (rate, bias_rate) = configuration.rates(position.factor(&configuration));
            let step = penalties.step(rate, bias_rate);
            let (dictionary, configuration, fresh) = (&*dictionary, &configuration, fresh.as_ref());
            let words = Words { fresh, rule, layout, network, step, dictionary, configuration };
            let load = |which| saved::theta(&resumed.loaded, which, rows, plan.shards, backend, &words);
            let theta = load("")?.ok_or_else(|| Error::model(&request.model, "holds no weights"))?;
            let best = load("best.")?.map(|theta| theta.snapshot());
            (theta, best, position)
        }
    };
    let in_place = request.consistency == Consistency::Hogwild;
    let ratings = in_place && layout.outputs() == 1 && configuration.kind == Kind::Fm && corpus.has_pairs();
    let arranged =
        if ratings { Some(Arranged::new(&corpus, holdout, 4 * layout.width(), configuration.seed)?) } else { None };
    let distance = distance(request, plan);
    let (mut head, said) = head(
        request,
        plan,
        topology,
        &theta,
        (rule, layout, (nonzeros / corpus.rows().max(1)) as usize),
        (configuration.floor, way(&configuration)),
        (distance, arranged.is_some()),
    );
    match &configuration.layers {
        Some(layers) => head = in_batches(head, request, plan.children(), layers.batch),
        None => said.iter().for_each(|text| notice(text)),
    }
    let scorer = Scorer { backend, objective, constant: facts.constant.clone() };
    let spec = LearnerSpec {
        objective,
        rule,
        head: request.consistency == Consistency::Hogwild && View::has_head(&theta, head),
        // Rows that children share are as far away as memory: in another core's cache.
        ahead: exceeds_cache(&theta, topology) || plan.children() > 1 && head.rows < rows,
        ones: corpus.ones(),
        decay: !penalties.decays.is_empty(),
        factors: layout.factors(),
    };
    let learner = match layered {
        Some(layered) => Learner::Layered(Box::new(layered)),
        None => Learner::Sparse(Sparse::new(spec, scorer.clone())),
    };
    let resumed = resumed.is_some();
    Ok(Prepared {
        configuration,
        dictionary,
        facts,
        corpus,
        held_out,
        holdout,
        arranged,
        theta,
        best,
        penalties,
        fresh,
        head,
        distance,
        learner,
        scorer,
        position,
        nonzeros,
        resumed,
    })
}

/// Refuses what memory, of which `free` bytes are left, where that is known, has no room for, before any of it is touched.
pub(super) fn fits_memory(
    configuration: &Configuration,
    rows: usize,
    network: Option<&Network>,
    children: usize,
    free: Option<u64>,
) -> Result<()> {
    let Some(free) = free else { return Ok(()) };
    let table = configuration.table_rows(rows) as u128 * configuration.layout().width() as u128;
    let (planes, children) = (1 + configuration.slots() as u128, children as u128);
    let layers = network.map_or(0, Network::words) as u128;
    let batch = configuration.layers.as_ref().map_or(0, |layers| layers.batch.max(BATCH)) as u128;
    // What a batch is to the layers, before and behind each of them, and the slopes by what goes in.
    let row = network.map_or(0, |network| network.between() as u128 + 2 * network.inputs() as u128);
    let between = children * batch * row;
    // Θ and the best of it so far; and of layers what each child has: its planes, what they were, a gradient, and a copy to score by.
    let (table, layers) = (2 * table, layers * (2 * planes + children * (2 * planes + 2)));
    let needed = u64::try_from(4 * (table + layers + between)).unwrap_or(u64::MAX);
    if needed <= free || configuration.kind == Kind::Linear {
        return Ok(());
    }
    let fields = match configuration.factors() {
        Some(factors) if factors.fields > 1 => format!(" and {}", number(factors.fields as u64, "field")),
        _ => String::new(),
    };
    let features = number(rows as u64, "feature");
    let (needed, free) = (memory(needed), memory(free));
    let (what, advice) = match configuration.factors() {
        Some(factors) if table > layers.max(between) => {
            let flag = if configuration.kind == Kind::Text { "--dim" } else { "--rank" };
            (format!("{flag} {}", factors.rank), format!("choose a smaller {flag}"))
        }
        _ if between > layers && batch > BATCH as u128 => {
            let batch = number(batch as u64, "row");
            (format!("a batch of {batch}"), "choose a smaller --batch, or smaller --hidden layers".to_owned())
        }
        _ => {
            let weights = number(network.map_or(0, Network::words) as u64, "weight");
            let skips = configuration.layers.as_ref().is_some_and(|layers| !layers.skips.is_empty());
            let fewer = if skips { "--skips or --bits" } else { "--bits" };
            (format!("a network of {weights}"), format!("choose smaller --hidden layers, or fewer {fewer}"))
        }
    };
    Err(Error::Usage(format!(
        "{what} needs {needed} for {features}{fields} and the best pass so far, and {free} are free: {advice}"
    )))
}
