//! How a model was trained, as a file that `hogback train --spec` reads: every flag that has a say in the model, with what it came to.
//!
//! What flows in: the request, the plan, the configuration. What flows out: the text of `spec.toml`. A new flag of a kind of model has
//! its line in [`written`].

use std::path::Path;

use toml::Value;

use super::{CHECKPOINT_EVERY, ClassWeights, Consistency, Request, Settings};
use crate::data::{BITS, CachePolicy, Column, ColumnKind, Grams, Hashing, Input, LabelFile};
use crate::engine::plan::Plan;
use crate::model::configuration::{Configuration, Kind, Layers, LossKind, Optimizer, Target};
use crate::report::format;

const HEAD: &str = "\
# How this model was trained. To train it again:
#
#     hogback train --spec latest/spec.toml DATA
#
# The keys are the flags of hogback train, whose --help tells what they mean. What nobody had said is marked: chosen.
# Change a copy: the file in the model is checked against its checksum.
";

/// The spec of a run with this `configuration`, which goes on with a model if it is `resumed`.
pub(super) fn written(request: &Request, plan: &Plan, configuration: &Configuration, resumed: bool) -> String {
    let (said, read, machine) = (&request.settings, &request.read, &request.machine);
    let Configuration { loss, optimizer, .. } = *configuration;
    let mut sheet = Sheet { text: HEAD.to_owned(), heading: None };
    if resumed {
        sheet
            .text
            .push_str("# The run went on with a model that was there: this trains one like it from the beginning.\n");
    }

    sheet.heading(&format!("hogback {}, {} kernels", env!("CARGO_PKG_VERSION"), request.backend.name()));
    sheet.note("data", request.data.iter().map(|input| lossy(typed(input))).collect::<Vec<_>>());
    sheet.note("model", lossy(&request.model));

    sheet.heading("Model");
    sheet.line("kind", configuration.kind.name(), said.kind.is_some());
    if configuration.kind.has_factors() {
        let key = if configuration.kind == Kind::Text { "dim" } else { "rank" };
        sheet.line(key, whole(configuration.rank as u64), said.rank.is_some());
    }
    if let Some(layers) = &configuration.layers {
        layers_of(&mut sheet, layers, said);
        if configuration.kind == Kind::Deep && !layers.meets {
            sheet.line("wide", true, true);
        }
    }
    sheet.line("loss", loss.name(), said.loss.is_some());
    if loss == LossKind::Quantile {
        sheet.line("quantile", short(configuration.quantile), said.quantile.is_some());
    }
    sheet.line("optimizer", optimizer.name(), said.optimizer.is_some());
    sheet.line("lr", short(configuration.lr), said.lr.is_some());
    if optimizer == Optimizer::Ftrl {
        sheet.line("l1", short(configuration.l1), said.l1.is_some());
    }
    sheet.line("l2", short(configuration.l2), said.l2.is_some());
    if let Some(weights) = class_weights(said.class_weights.as_ref(), configuration) {
        sheet.line("class-weight", weights, true);
    }
    sheet.line("seed", whole(configuration.seed), said.seed.is_some());

    sheet.heading("Passes");
    sheet.line("passes", whole(configuration.passes.into()), said.passes.is_some());
    match &request.valid {
        Some(valid) => sheet.path("valid", typed(valid)),
        None => sheet.line("holdout", configuration.holdout, said.holdout.is_some()),
    }
    sheet.line("early-stop", whole(configuration.early_stop.into()), said.early_stop.is_some());
    sheet.line("schedule", configuration.schedule.name(), said.schedule.is_some());

    sheet.heading("Reading");
    if let Some(format) = read.format {
        sheet.line("format", format.name(), true);
    }
    if let Some(column) = label(configuration.columns.as_deref()) {
        sheet.line("label", column, read.label.is_some());
    }
    if let Some(text) = configuration.text {
        let said_grams = |what: fn(&Grams) -> bool| read.grams.as_ref().is_some_and(what);
        sheet.line("ngrams", i64::from(text.grams.words), said_grams(|grams| grams.words > 1));
        if let Some(chars) = text.grams.chars {
            sheet.line("chars", chars.to_string(), said_grams(|grams| grams.chars.is_some()));
        }
        sheet.line("min-count", i64::from(text.min_count), said.min_count.is_some());
    }
    if !read.categorical.is_empty() {
        sheet.line("categorical", read.categorical.clone(), true);
    }
    let hashing = configuration.hashing.as_ref();
    let ignored = hashing.map_or(&read.ignore, |Hashing { ignored, .. }| ignored);
    if !ignored.is_empty() {
        sheet.line("ignore", ignored.clone(), true);
    }
    if let Some(Hashing { bits, interactions, .. }) = hashing {
        if !interactions.is_empty() {
            sheet.line("interact", interactions.iter().map(ToString::to_string).collect::<Vec<_>>(), true);
        }
        sheet.line("bits", i64::from(*bits), *bits != BITS);
    }
    if read.skip_bad_rows {
        sheet.line("skip-bad-rows", true, true);
    }
    if let LabelFile::At(labels) = &read.labels {
        sheet.path("labels", labels);
    }
    match &read.cache {
        CachePolicy::Dir(directory) => sheet.path("cache", directory),
        CachePolicy::Off => sheet.line("no-cache", true, true),
        CachePolicy::Beside => {}
    }

    sheet.heading("Machine");
    sheet.line("consistency", request.consistency.name(), request.consistency != Consistency::default());
    // Who works where decides the bits of a model that is repeatable; of another it is better chosen anew, by the next machine.
    let repeatable = request.consistency == Consistency::Sync || plan.children() == 1;
    let mut counted = |key, said: Option<usize>, chosen: Option<usize>| match (said, chosen) {
        (Some(said), _) => sheet.line(key, whole(said as u64), true),
        (None, Some(chosen)) if repeatable => sheet.line(key, whole(chosen as u64), false),
        (None, Some(chosen)) => sheet.note(key, whole(chosen as u64)),
        (None, None) => {}
    };
    let each = plan.controllers[0].children.len();
    let even = plan.controllers.iter().all(|controller| controller.children.len() == each);
    counted("shards", machine.shards, Some(plan.shards));
    counted("controllers", machine.controllers, Some(plan.controllers.len()));
    counted("children", machine.children, even.then_some(each));
    counted("nodes", machine.nodes, None);
    counted("head", request.head, None);
    counted("merge", request.merge, None);
    let every = request.checkpoint_every;
    if every.as_secs() > 0 {
        sheet.line("checkpoint-every", whole(every.as_secs()), every != CHECKPOINT_EVERY);
    }
    sheet.text
}

/// The lines of layers.
fn layers_of(sheet: &mut Sheet, layers: &Layers, said: &Settings) {
    if layers.hidden.is_empty() {
        sheet.line("hidden", "none", said.hidden.is_some());
    } else {
        let sizes: Vec<Value> = layers.hidden.iter().map(|&size| whole(size as u64)).collect();
        sheet.line("hidden", sizes, said.hidden.is_some());
        if !layers.skips.is_empty() {
            let skips: Vec<String> = layers.skips.iter().map(|&skip| format::skips(&[skip])).collect();
            sheet.line("skips", skips, said.skips.is_some());
        }
        sheet.line("activation", layers.activation.name(), said.activation.is_some());
        sheet.line("dropout", short(layers.dropout), said.dropout.is_some());
    }
    sheet.line("batch", whole(layers.batch as u64), said.batch.is_some());
}

/// The text so far, and what the next lines are about.
struct Sheet {
    text: String,
    heading: Option<String>,
}

impl Sheet {
    /// Begins another part, which is not written if nothing is in it.
    fn heading(&mut self, name: &str) {
        self.heading = Some(name.to_owned());
    }

    fn push(&mut self, line: &str) {
        if let Some(heading) = self.heading.take() {
            self.text.push_str(&format!("\n# {heading}\n"));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A key that is read.
    fn line(&mut self, key: &str, value: impl Into<Value>, said: bool) {
        let mark = if said { "" } else { " # chosen" };
        self.push(&format!("{key} = {}{mark}", value.into()));
    }

    /// A key that is only to be looked at, whatever stands in it.
    fn note(&mut self, key: &str, value: impl Into<Value>) {
        let text = format!("{key} = {}", value.into());
        text.lines().for_each(|line| self.push(&format!("# {line}")));
    }

    /// A file; one whose name is not UTF-8, which TOML does not hold, can only be looked at.
    fn path(&mut self, key: &str, path: &Path) {
        match path.to_str() {
            Some(path) => self.line(key, path, true),
            None => self.note(key, lossy(path)),
        }
    }
}

/// The shortest number that is read as this one.
fn short(number: f32) -> f64 {
    format!("{number:?}").parse().unwrap_or(f64::from(number))
}

/// A whole number; as text where it is more than TOML has, which is read all the same.
fn whole(number: u64) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number.to_string()), Value::from)
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// An input as it is typed.
fn typed(input: &Input) -> &Path {
    match input {
        Input::Stdin => Path::new("-"),
        Input::Path(path) => path,
        Input::Builtin(name) => Path::new(name),
    }
}

fn label(columns: Option<&[Column]>) -> Option<&str> {
    let column = columns?.iter().find(|column| column.kind == ColumnKind::Label)?;
    Some(&column.name)
}

/// What classes weigh: as it was said, or as the model that is resumed has it.
fn class_weights(said: Option<&ClassWeights>, configuration: &Configuration) -> Option<String> {
    let list = |factors: &mut dyn Iterator<Item = (&String, &f32)>| {
        factors.map(|(name, factor)| format!("{name}:{factor:?}")).collect::<Vec<_>>().join(",")
    };
    match (said, &configuration.target) {
        (Some(ClassWeights::Balanced), _) => Some("balanced".to_owned()),
        (Some(ClassWeights::Named(named)), _) => Some(list(&mut named.iter().map(|(name, factor)| (name, factor)))),
        (None, Target::Classes { names, .. }) if !configuration.class_weights.is_empty() => {
            Some(list(&mut names.iter().zip(&configuration.class_weights)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    #[test]
    fn numbers_come_back_to_the_last_bit() {
        for bits in (1..0x7f80_0000_u32).step_by(65_521) {
            let number = f32::from_bits(bits);
            let text = Value::from(short(number)).to_string();
            assert_eq!(text.parse::<f32>().unwrap().to_bits(), bits, "{text}");
            assert!(Value::from(short(number)).to_string().len() < 60, "{text}");
            DeTable::parse(&format!("lr = {text}")).unwrap();
        }
        assert_eq!(Value::from(short(0.1)).to_string(), "0.1");
        assert_eq!(
            (whole(7).to_string(), whole(u64::MAX).to_string()),
            ("7".into(), "\"18446744073709551615\"".into())
        );
    }

    #[test]
    fn no_name_of_a_file_gets_out_of_its_comment() {
        for name in ["a\nlr = 3", "a\r\nlr = 3", "\"", "'\"\u{7f}", "#", "a\u{0}b"] {
            let mut sheet = Sheet { text: String::new(), heading: None };
            sheet.note("model", name);
            assert!(DeTable::parse(&sheet.text).unwrap().get_ref().is_empty(), "{:?}", sheet.text);
            let mut sheet = Sheet { text: String::new(), heading: None };
            sheet.path("cache", Path::new(name));
            let table = DeTable::parse(&sheet.text).unwrap();
            assert_eq!(table.get_ref()["cache"].get_ref().as_str(), Some(name));
        }
    }
}
