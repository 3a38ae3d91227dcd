//! What a search is: the first line of its log. One that is gone on with must be the same.

use serde::Serialize;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::Request;
use super::space::{Decision, Space, Value as Choice};
use crate::data::DataFile;
use crate::error::{Error, Result};
use crate::train::ClassWeights;

/// The head of a log.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    event: &'static str,
    space: Value,
    data: Value,
    strategy: &'static str,
    policy: Option<&'static str>,
    seed: u64,
    holdout: f64,
    passes: Vec<u32>,
    reward_power: f64,
    seeds: usize,
    training: Value,
}

/// What the fields of a head are called where two differ, and what to say to it.
const TOLD: [(&str, &str); 9] = [
    ("data", "the data is another"),
    ("strategy", "--strategy was another"),
    ("policy", "--policy was another"),
    ("seed", "--seed was another"),
    ("holdout", "--holdout was another"),
    ("passes", "--child-passes or --halving was another"),
    ("reward_power", "--reward-power was another"),
    ("seeds", "--seeds was another"),
    ("training", "--loss, --quantile, --class-weight or --min-count was another"),
];

impl Head {
    /// What tells this search from others.
    pub(super) fn hash(&self) -> u64 {
        xxh3_64(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The head of a search for `request` on `files`, whose trials have these passes.
    pub(super) fn new(request: &Request, space: &Space, files: &[DataFile], holdout: f64, passes: &[u32]) -> Self {
        let decision = |decision: &Decision| {
            let values = decision.values.iter().map(|value| match value {
                Choice::Number(number) => json!(number),
                Choice::Word(word) => json!(word),
            });
            let when = decision.when.as_ref().map(|when| json!([space.decisions()[when.decision].name, when.choices]));
            json!({ "name": decision.name, "values": values.collect::<Vec<_>>(), "when": when })
        };
        let told = &request.train.settings;
        let class_weight = told.class_weights.as_ref().map(|weights| match weights {
            ClassWeights::Balanced => json!("balanced"),
            ClassWeights::Named(weights) => json!(weights),
        });
        let of_files = |sum: fn(&DataFile) -> f64| files.iter().map(sum).sum::<f64>();
        Self {
            event: "search",
            space: json!({
                "name": space.name(),
                "decisions": space.fixed().iter().chain(space.decisions()).map(decision).collect::<Vec<_>>(),
            }),
            data: json!({
                "rows": files.iter().map(DataFile::rows).sum::<u64>(),
                "nonzeros": files.iter().map(DataFile::nonzeros).sum::<u64>(),
                "first": of_files(first),
                "sums": of_files(|file| file.labels().mean + file.sum_squares()),
            }),
            strategy: request.strategy.name(),
            policy: request.policy.map(super::Policies::name),
            seed: request.train.settings.seed.unwrap_or(0),
            holdout,
            passes: passes.to_vec(),
            reward_power: request.power,
            seeds: request.seeds,
            training: json!({
                "loss": told.loss,
                "quantile": told.quantile,
                "class_weight": class_weight,
                "min_count": told.min_count,
            }),
        }
    }

    /// Refuses to go on with a log that begins with `written` where that is another search, and says in what.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(super) fn check(&self, path: &std::path::Path, written: &Map<String, Value>) -> Result<()> {
        let now = serde_json::to_value(self).unwrap_or_default();
        let refuse = |what: &str| {
            Err(Error::Usage(format!(
                "{} is the log of another search: {what}; say what it said, or begin anew without --resume",
                path.display()
            )))
        };
        if written.get("event") != Some(&json!("search")) {
            return refuse("its first line is no search's");
        }
        let decisions = |head: &Value| head["space"]["decisions"].as_array().cloned().unwrap_or_default();
        let (then, here) = (decisions(&Value::Object(written.clone())), decisions(&now));
        if then != here {
            let name = |decision: &Value| decision["name"].as_str().unwrap_or_default().to_owned();
            let odd = |from: &[Value], of: &[Value]| from.iter().find(|one| !of.contains(one)).map(name);
            return match odd(&here, &then).or_else(|| odd(&then, &here)) {
                Some(name) => refuse(&format!("the space is another, look at `{name}`")),
                None => refuse("the space is another: its decisions come in another order"),
            };
        }
        match TOLD.iter().find(|(field, _)| written.get(*field) != now.get(*field)) {
            Some((_, what)) => refuse(what),
            None => Ok(()),
        }
    }
}

/// What the first rows of a file are, by their labels and features: it tells rows in another order from these.
fn first(file: &DataFile) -> f64 {
    let table = file.table();
    let Ok(block) = table.block(0) else { return 0.0 };
    let rows = 0..block.rows().min(1000);
    let row = |row: usize| {
        let ids = block.ids(row).as_slice().iter().map(|&id| f64::from(id)).sum::<f64>();
        (row + 1) as f64 * (f64::from(block.label(row)) + ids)
    };
    rows.map(row).sum()
}
