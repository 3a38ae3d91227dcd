//! From data files to a run that is ready to begin: one corpus, its scales, Θ, held-out rows.

use std::borrow::Cow;

use hogback_kernels::LearnerSpec;

use super::arranged::Arranged;
use super::configure::{Content, Penalties, configuration, penalties};
use super::corpus::{BATCH, Corpus, Part, Source};
use super::head::{distance, exceeds_cache, head, in_batches, way};
use super::held_out::{HeldOut, hold_out};
use super::job::Learner;
use super::keys::Keys;
use super::position::{Fingerprint, Position};
use super::resume::Resumed;
use super::saved::{self, Words};
use super::target::{self, LabelFacts};
use super::{Consistency, Request, pairs, scale};
use crate::data::order::Holdout;
use crate::data::{Column, ColumnKind, DataFile, Dictionary, FieldSource, OwnedBlock};
use crate::engine::plan::Plan;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind};
use crate::model::factors::Fresh;
use crate::model::layered::Layered;
use crate::model::network::Network;
use crate::model::sparse::Sparse;
use crate::model::tally::Scorer;
use crate::model::weighting::Text;
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
pub(super) struct Read<'d> {
    pub(super) files: &'d [DataFile],
    /// The rows of `--valid`, if there are any.
    pub(super) valid: &'d [OwnedBlock],
    pub(super) keys: Keys<'d>,
    /// What is made of it, if it is text.
    pub(super) text: Option<Text>,
    /// The size of the images, if it is images.
    pub(super) images: Option<Vec<u32>>,
}

/// Lays out a run.
///
/// # Errors
/// Data and settings that do not go together, or too little memory.
pub(super) fn prepare<'d>(
    request: &Request,
    topology: &Topology,
    plan: &Plan,
    data: Read<'d>,
    facts: LabelFacts,
    resumed: Option<&'d Resumed>,
    notice: &dyn Fn(&str),
) -> Result<Prepared<'d>> {
    let Read { files, valid, keys: Keys { mut dictionary, maps, nonzeros, .. }, text, images } = data;
    facts.notices.iter().for_each(|text| notice(text));
    let old = resumed.map(|resumed| &resumed.configuration);
    let columns = columns(files, old)?;
    let kind = old.map_or(request.settings.kind, |old| Some(old.kind)).unwrap_or_default();
    if matches!(kind, Kind::Fm | Kind::Ffm) {
        for file in files {
            pairs::lone(file)?.iter().for_each(|text| notice(text));
        }
    }

    let limit = u32::try_from(dictionary.len()).map_err(|_| Error::Engine("more than 2^32 keys".to_owned()))?;
    let parts = files.iter().zip(maps).map(|(file, map)| Part {
        source: Source::Table(file.table()),
        rows: file.rows(),
        ones: file.all_ones(),
        pairs: file.longest_row() == 2 && file.nonzeros() == 2 * file.rows(),
        map,
        labels: target::map(file.labels(), &facts.target, facts.outputs()),
    });
    let mut corpus = Corpus::new(parts.collect(), limit);
    corpus.weigh(&facts.class_weights, facts.mean_weight);
    if let Some(text) = &text {
        corpus.weigh_counts(text.weighting, dictionary.idf.clone().unwrap_or_default());
    }
    let mut standard = None;
    let centres = match old {
        Some(old) => old.centres.clone(),
        None if kind == Kind::Mlp => {
            let found = scale::standard(&corpus)?;
            dictionary.to_mut().scales = Some(found.exponents.clone());
            standard = Some(found);
            Vec::new()
        }
        None if text.is_some() => Vec::new(),
        None => scale::centres(&corpus)?,
    };
    corpus.centre(&centres);
    if standard.is_none() && (text.is_none() || old.is_some()) {
        scale_columns(&mut corpus, &mut dictionary, files, old.map(|old| old.kind), notice)?;
    }
    let factors = dictionary.scales.clone();
    if let Some(exponents) = &factors {
        corpus.scale(exponents.iter().map(|&exponent| scale::power(i32::from(exponent))).collect());
    }
    let mean_square = match (old, &standard) {
        (Some(old), _) => old.mean_square,
        (_, Some(standard)) => standard.mean_square,
        _ if text.is_some() || factors.is_some() || !centres.is_empty() => scale::mean_square(&corpus)?,
        _ => files.iter().map(DataFile::sum_squares).sum::<f64>() / corpus.rows().max(1) as f64,
    };
    let source = fields(request, old, files, &dictionary)?;
    let size = (mean_square, nonzeros, corpus.rows());
    let content = Content { columns, fields: source, text, images };
    let configuration = configuration(request, old, &facts, content, (centres, standard), size)?;

    let share = if request.valid.is_some() { 0.0 } else { configuration.holdout };
    let holdout = (share > 0.0).then(|| Holdout::new(share, configuration.seed));
    let held_out = hold_out(&corpus, holdout, request, valid, &configuration, limit, &dictionary);
    let mut penalties = penalties(&configuration, &corpus)?;
    let (rule, objective) = (configuration.rule(), configuration.objective());
    let layout = configuration.layout();
    let (rows, backend) = (dictionary.len(), request.backend);
    let layered = Layered::new(backend, &configuration, rows);
    let network = layered.as_ref().map(Layered::network);
    let fresh = match &configuration.fields {
        _ if layout.factors().is_none() => None,
        None => Some(Fresh::new(&configuration, std::mem::take(&mut penalties.decays), Vec::new())),
        Some(source) => {
            let fields = source.fields(&dictionary).map_err(|what| Error::data(files[0].name(), what))?;
            Some(Fresh::new(&configuration, std::mem::take(&mut penalties.decays), fields.of))
        }
    };
    fits_memory(&configuration, rows, network, plan.children())?;
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

/// The fields of a model to which they matter: those of all files, which must be known to the model that is resumed.
fn fields(
    request: &Request,
    old: Option<&Configuration>,
    files: &[DataFile],
    dictionary: &Dictionary,
) -> Result<Option<FieldSource>> {
    match old {
        Some(old) => {
            old.fields.as_ref().map_or(Ok(()), |fields| fields.check(old.kind.name(), files))?;
            Ok(old.fields.clone())
        }
        None => match request.settings.kind {
            Some(kind @ (Kind::Ffm | Kind::Deep)) => FieldSource::of_files(kind.name(), files, dictionary).map(Some),
            _ => Ok(None),
        },
    }
}

/// Refuses what memory has no room for, before any of it is touched.
fn fits_memory(configuration: &Configuration, rows: usize, network: Option<&Network>, children: usize) -> Result<()> {
    let Some(free) = available() else { return Ok(()) };
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

/// The columns of all files, which must be the same, and those of the model that is resumed.
fn columns(files: &[DataFile], old: Option<&Configuration>) -> Result<Option<Vec<Column>>> {
    let first = files[0].columns();
    if let Some(other) = files.iter().find(|file| file.columns() != first) {
        let which = difference(first, other.columns(), false);
        let what = format!("has other columns than {}, or other kinds of them: look at {which}", files[0].name());
        return Err(Error::data(other.name(), what));
    }
    if let Some(old) = old
        && old.columns.as_deref() != first
    {
        let which = difference(old.columns.as_deref(), first, true);
        let what = format!("has other columns than the model was trained on, or other kinds of them: look at {which}");
        return Err(Error::data(files[0].name(), what));
    }
    Ok(first.map(<[Column]>::to_vec))
}

/// A column that `then` and `now` do not both have, and what may be said for it, unless what was then is `fixed`.
fn difference(then: Option<&[Column]>, now: Option<&[Column]>, fixed: bool) -> String {
    let (then, now) = (then.unwrap_or_default(), now.unwrap_or_default());
    let odd = then.iter().find(|column| !now.contains(column)).or(now.iter().find(|column| !then.contains(column)));
    let Some(Column { name, .. }) = odd else { return "their order".to_owned() };
    let kind = |columns: &[Column]| columns.iter().find(|column| column.name == *name).map(|column| column.kind);
    match (kind(then), kind(now)) {
        (Some(ColumnKind::Words), Some(ColumnKind::Number)) => {
            format!("column {name}, all numbers here: --categorical {name} makes them words")
        }
        (Some(ColumnKind::Number), Some(ColumnKind::Words)) if !fixed => {
            format!("column {name}, all numbers there: --categorical {name} makes them words")
        }
        _ => format!("column {name}"),
    }
}

/// Gives the dictionary column scales, if the data needs them and the model has no say yet.
fn scale_columns(
    corpus: &mut Corpus<'_>,
    dictionary: &mut Cow<'_, Dictionary>,
    files: &[DataFile],
    resumed: Option<Kind>,
    notice: &dyn Fn(&str),
) -> Result<()> {
    if let Some(kind) = resumed {
        let rows = dictionary.len();
        if dictionary.scales.as_ref().is_some_and(|scales| scales.len() < rows)
            && let Some(scales) = &mut dictionary.to_mut().scales
        {
            // New inputs of a perceptron are brought to a size; new columns of other models with scales are taken as they are.
            let found = if kind == Kind::Mlp { scale::sizes(corpus)? } else { Vec::new() };
            scales.extend(found.into_iter().skip(scales.len()));
            scales.resize(rows, 0);
        }
        return Ok(());
    }
    let least = files.iter().map(DataFile::least_value).filter(|&least| least > 0.0).fold(f32::MAX, f32::min);
    let most = files.iter().map(DataFile::most_value).fold(0.0, f32::max);
    // What is far from 0 may be near it, once centred.
    if (corpus.is_centred() || scale::may_need_scales(least, most))
        && let Some(scales) = scale::exponents(corpus)?
    {
        dictionary.to_mut().scales = Some(scales);
        notice("note: columns differ widely in scale: each is learned in units of its own size");
    }
    Ok(())
}
