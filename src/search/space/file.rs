//! A space from a file: TOML, a key a decision, in the order in which they are made.
//!
//! What flows in: text. What flows out: [`Item`]s, of which `resolve` makes a space; or, with its place, what is wrong with it.
//!
//! ```toml
//! kind = "mlp"                                             # always so
//! layers = [1, 2, 3]                                       # one of these
//! width = { log = [16, 256], steps = 5 }                   # evenly spaced by their logarithms: 16, 32, 64, 128, 256
//! batch = { integer = [16, 64], step = 16 }                # 16, 32, 48, 64
//! dropout = { choice = [0, 0.1], when = { layers = 3 } }   # only where there are three layers
//! ```

use toml::de::{DeArray, DeTable, DeValue};

use super::Value;
use super::key::Key;
use super::settings::{Said, figures};
use crate::keyed::{self, Wrong, nearest};
use crate::report::format::count;

/// The most values of a decision.
const MOST: usize = 250;
/// Figures that values of `log` have.
const FIGURES: usize = 3;
/// What stands in the table of a decision.
const PARTS: [&str; 6] = ["choice", "integer", "log", "step", "steps", "when"];

/// A decision as it is written.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) name: String,
    /// Where it stands, from 1.
    pub(super) line: usize,
    /// What may be chosen; one value is none to choose.
    pub(super) values: Vec<Value>,
    pub(super) is_ordered: bool,
    pub(super) when: Option<Condition>,
}

/// A condition as it is written.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) line: usize,
    /// What it hangs on.
    pub(super) name: String,
    pub(super) values: Vec<Value>,
}

/// The name that the space of `text` gives itself, if it does, and its decisions.
pub(super) fn read(text: &str) -> Result<(Option<String>, Vec<Item>), Wrong> {
    let table = keyed::parse(text)?;
    let (mut own_name, mut items) = (None, Vec::new());
    for (name, value, line) in keyed::entries(text, table.get_ref()) {
        let wrong = |what: String| (line.to_string(), what);
        if name == "name" {
            let text = value.get_ref().as_str().filter(|name| !name.trim().is_empty());
            own_name =
                Some(text.ok_or_else(|| wrong("`name` must be text, what the space is called".to_owned()))?.to_owned());
            continue;
        }
        let key = Key::named(name).ok_or_else(|| wrong(Key::unknown(name)))?;
        let about = |what: String| wrong(format!("`{name}` {what}"));
        let (mut values, when) = match value.get_ref() {
            DeValue::Array(list) => (choices(list).map_err(about)?, None),
            DeValue::Table(table) => decision(text, table, (key, name, line))?,
            value => (vec![scalar(value).map_err(about)?], None),
        };
        for (nth, value) in values.iter().enumerate() {
            Said::default().say(key, value).map_err(|must| about(format!("is {}: {must}", shown(value))))?;
            if values[..nth].contains(value) {
                return Err(about(format!("has {} twice: each value once", shown(value))));
            }
        }
        if values.len() > MOST {
            let many = count(values.len() as u64);
            return Err(about(format!("has {many} values, more than {MOST}: leave some out, or take larger steps")));
        }
        if values.contains(&Value::Word("yes".to_owned())) {
            // No before yes, whatever was written first.
            values.sort_by_key(shown);
        }
        let is_ordered = rises(&values) || values.iter().rev().is_sorted_by(|one, other| less(one, other));
        items.push(Item { key, name: name.to_owned(), line, values, is_ordered, when });
    }
    Ok((own_name, items))
}

/// What stands in the table of the decision `key`.
fn decision(
    text: &str,
    table: &DeTable<'_>,
    (key, name, line): (Key, &str, usize),
) -> Result<(Vec<Value>, Option<Condition>), Wrong> {
    let parts = keyed::entries(text, table);
    let wrong = |line: usize, what: String| (line.to_string(), format!("`{name}` {what}"));
    if let Some((part, _, line)) = parts.iter().find(|(part, ..)| !PARTS.contains(part)) {
        let near = nearest(part, PARTS).map_or(String::new(), |near| format!("did you mean `{near}`? "));
        return Err(wrong(*line, format!("has no `{part}`: {near}It may have {}", PARTS.join(", "))));
    }
    let part =
        |wanted: &str| parts.iter().find(|(part, ..)| *part == wanted).map(|(_, value, line)| (value.get_ref(), *line));
    let kinds: Vec<_> =
        PARTS[..3].iter().filter_map(|&kind| part(kind).map(|(value, line)| (kind, value, line))).collect();
    let (kind, range, at) = match kinds[..] {
        [kind] => kind,
        [] => {
            let what = "does not say what may be chosen: choice = [...], integer = [FROM, TO] or log = [FROM, TO]";
            return Err(wrong(line, what.to_owned()));
        }
        [(one, ..), (other, _, line), ..] => {
            return Err(wrong(line, format!("has `{one}` and `{other}`: leave one out")));
        }
    };
    for (step, of) in [("step", "integer"), ("steps", "log")] {
        if let Some((_, line)) = part(step).filter(|_| kind != of) {
            return Err(wrong(line, format!("has `{step}`, which is for `{of}`, not for `{kind}`")));
        }
    }
    let step = part("step").or(part("steps")).map(|(value, line)| (number(value), line));
    let values = match (kind, range) {
        ("choice", DeValue::Array(list)) => choices(list),
        ("choice", _) => Err("must have a list of values as its `choice`, such as [1, 2]".to_owned()),
        ("integer", range) => ends(range).and_then(|ends| integers(ends, step.map(|(step, _)| step))),
        (_, range) => ends(range).and_then(|ends| logarithmic(ends, step.map(|(steps, _)| steps), key.is_whole())),
    };
    let values = values.map_err(|what| wrong(at, what))?;
    let when =
        part("when").map(|(value, line)| condition(value, line).map_err(|what| wrong(line, what))).transpose()?;
    Ok((values, when))
}

fn condition(value: &DeValue<'_>, line: usize) -> Result<Condition, String> {
    let form = "must have as its `when` an earlier decision and its values, such as when = { layers = [2, 3] }";
    let DeValue::Table(table) = value else { return Err(form.to_owned()) };
    let mut entries = table.iter();
    let (Some((name, value)), more) = (entries.next(), entries.next()) else { return Err(form.to_owned()) };
    let name = AsRef::<str>::as_ref(name.get_ref()).to_owned();
    if let Some((other, _)) = more {
        let other: &str = AsRef::<str>::as_ref(other.get_ref());
        return Err(format!(
            "hangs on `{name}` and on `{other}`, and a decision may hang on one: name the later one here, and hang that on the earlier"
        ));
    }
    let values = match value.get_ref() {
        DeValue::Array(list) => list.iter().map(|value| scalar(value.get_ref())).collect::<Result<Vec<_>, _>>(),
        value => scalar(value).map(|value| vec![value]),
    };
    let values = values.map_err(|what| format!("has a `when` whose `{name}` {what}"))?;
    if values.is_empty() {
        return Err(format!("is never chosen: its `when` has no values of `{name}`"));
    }
    Ok(Condition { line, name, values })
}

/// Values that are written out.
fn choices(list: &DeArray<'_>) -> Result<Vec<Value>, String> {
    if list.is_empty() {
        return Err("has no values: name those that may be chosen, such as [1, 2]".to_owned());
    }
    list.iter().map(|value| scalar(value.get_ref())).collect()
}

/// One value.
fn scalar(value: &DeValue<'_>) -> Result<Value, String> {
    match value {
        DeValue::String(text) => Ok(Value::Word(text.to_string())),
        DeValue::Boolean(yes) => Ok(Value::Word(if *yes { "yes" } else { "no" }.to_owned())),
        value => number(value)
            .map(Value::Number)
            .ok_or_else(|| "must have numbers, text, true or false as values".to_owned()),
    }
}

/// A finite number.
fn number(value: &DeValue<'_>) -> Option<f64> {
    let is_number = matches!(value, DeValue::Integer(_) | DeValue::Float(_));
    keyed::typed(value).filter(|_| is_number)?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The ends of a range.
fn ends(range: &DeValue<'_>) -> Result<[f64; 2], String> {
    let form = || "must have two numbers as its range, such as [1, 4]".to_owned();
    let DeValue::Array(list) = range else { return Err(form()) };
    let ends: Vec<f64> = list.iter().filter_map(|end| number(end.get_ref())).collect();
    match ends[..] {
        [from, to] if list.len() == 2 && from > to => {
            Err(format!("has a range from {from} to {to}: write the smaller one first, [{to}, {from}]"))
        }
        [from, to] if list.len() == 2 => Ok([from, to]),
        _ => Err(form()),
    }
}

/// Whole numbers, `step` apart; a step that is no number is none inside.
fn integers([from, to]: [f64; 2], step: Option<Option<f64>>) -> Result<Vec<Value>, String> {
    if from.fract() != 0.0 || to.fract() != 0.0 {
        return Err(format!("is from {from} to {to}: the ends of `integer` must be whole numbers"));
    }
    let step = step.unwrap_or(Some(1.0)).filter(|step| step.fract() == 0.0 && *step >= 1.0);
    let step = step.ok_or("has a `step` that is no whole number, 1 or more")?;
    let steps = ((to - from) / step).floor();
    if steps >= MOST as f64 {
        let (many, apart) = (count(steps as u64 + 1), ((to - from) / (MOST - 1) as f64).ceil());
        return Err(format!("has {many} values, more than {MOST}: take a step, such as step = {apart}, or `log`"));
    }
    Ok((0..=steps as u32).map(|nth| Value::Number(from + step * f64::from(nth))).collect())
}

/// Numbers evenly spaced by their logarithms, both ends among them; without `steps` two to ten times as much.
fn logarithmic([from, to]: [f64; 2], steps: Option<Option<f64>>, whole: bool) -> Result<Vec<Value>, String> {
    if from <= 0.0 {
        return Err(format!("is from {from} on: the ends of `log` must be above 0"));
    }
    let decades = (to / from).log10();
    let steps = steps.unwrap_or(Some((2.0 * decades).round().max(1.0) + 1.0));
    let steps = steps.filter(|steps| steps.fract() == 0.0 && *steps >= 2.0);
    let steps = steps.ok_or("has `steps` that are no whole number, 2 or more: so many values, both ends among them")?;
    if steps > MOST as f64 {
        return Err(format!("has {} values, more than {MOST}: take fewer steps", count(steps as u64)));
    }
    let value = |nth: u32| {
        let value = from * (decades * f64::from(nth) / (steps - 1.0) * std::f64::consts::LN_10).exp();
        if whole { value.round() } else { figures(value, FIGURES) }
    };
    let values: Vec<Value> = (0..steps as u32).map(|nth| Value::Number(value(nth))).collect();
    match values.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(format!("has {} twice in {steps} steps from {from} to {to}: take fewer steps", shown(&pair[0])))
        }
        None => Ok(values),
    }
}

/// A value as it is written.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) if *number != 0.0 && !(1e-3..1e9).contains(&number.abs()) => format!("{number:e}"),
        Value::Number(number) => number.to_string(),
        Value::Word(word) => word.clone(),
    }
}

fn rises(values: &[Value]) -> bool {
    values.is_sorted_by(less)
}

fn less(one: &Value, other: &Value) -> bool {
    matches!((one, other), (Value::Number(one), Value::Number(other)) if one < other)
}
