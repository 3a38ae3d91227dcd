//! From decisions as they are written to a space: what hangs on what.
//!
//! A decision hangs on what its `when` names. One without hangs on what it needs: on `layers`, where it is about a layer that not all
//! models have, or else on `kind`, where it is about what not all kinds have.

use super::check;
use super::file::{Condition, Item, shown};
use super::key::Key;
use super::{Decision, Space, Value, When};
use crate::keyed::{Wrong, nearest};
use crate::model::configuration::Kind;

/// The space called `name` of these decisions.
pub(super) fn space(name: &str, items: &[Item]) -> Result<Space, Wrong> {
    let at = |line: usize, what: String| (line.to_string(), what);
    let mut decisions: Vec<Decision> = Vec::with_capacity(items.len());
    for (nth, item) in items.iter().enumerate() {
        if let Some(what) = misplaced(items, item) {
            return Err(at(item.line, what));
        }
        let when = match &item.when {
            Some(condition) => Some(said(items, nth, condition).map_err(|what| at(condition.line, what))?),
            None => implied(items, nth, &decisions).map_err(|what| at(item.line, what))?,
        };
        let skip = if let Key::Skip(from, to) = item.key { Some((from, to)) } else { None };
        let (name, values) = (item.name.clone(), item.values.clone());
        decisions.push(Decision { name, values, is_ordered: item.is_ordered, when, skip });
    }
    let space = Space::new(name.to_owned(), decisions).narrowed(|_, _| true);
    if let Some((nth, what)) = check::refused(&space, items) {
        return Err(at(items[nth].line, what));
    }
    if space.size() < 2 {
        let what =
            "this is one model, and there is nothing to search: name several values, such as lr-factor = [0.5, 1, 2]";
        return Err(at(items.last().map_or(1, |item| item.line), what.to_owned()));
    }
    Ok(space)
}

/// What is wrong about `item` standing beside the others.
fn misplaced(items: &[Item], item: &Item) -> Option<String> {
    let name = &item.name;
    let there = |key: Key| items.iter().find(|item| item.key == key);
    if let Some(rival) = item.key.rival().and_then(there) {
        return Some(format!("`{name}` and `{}` (line {}) say the same: leave one out", rival.name, rival.line));
    }
    if item.key == Key::Loss && (item.values.len() > 1 || item.when.is_some()) {
        return Some("`loss` is the same for all models, which are compared by what they predict: name one".to_owned());
    }
    let is_width = matches!(item.key, Key::Width | Key::WidthOf(_));
    (is_width && there(Key::Layers).is_none()).then(|| {
        format!("`{name}` needs `layers`, how many hidden layers there are, such as layers = [1, 2, 3], before it")
    })
}

/// What the condition of decision number `nth` says.
fn said(items: &[Item], nth: usize, condition: &Condition) -> Result<When, String> {
    let (name, on) = (&items[nth].name, &condition.name);
    let Some(decision) = find(items, on) else {
        let near = nearest(on, items[..nth].iter().map(|item| item.name.as_str()));
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(format!("`{name}` hangs on `{on}`, which this space does not have{near}"));
    };
    if decision >= nth {
        let circle = circle(items, nth);
        return Err(match circle {
            Some(circle) => format!("{circle}, in a circle: nothing could be chosen first; leave one `when` out"),
            None => {
                format!("`{name}` hangs on `{on}`, which comes later (line {}): move `{on}` up", items[decision].line)
            }
        });
    }
    let parent = &items[decision];
    if let ([value], None) = (&parent.values[..], &parent.when) {
        let value = shown(value);
        return Err(format!(
            "`{name}` hangs on `{on}`, which is always {value}: leave `when` out, or let `{on}` be chosen"
        ));
    }
    let mut choices = Vec::with_capacity(condition.values.len());
    for value in &condition.values {
        let Some(choice) = parent.values.iter().position(|other| other == value) else {
            return Err(format!(
                "`{name}` hangs on `{on}` being {}, which it never is: it is {}",
                shown(value),
                any(&parent.values)
            ));
        };
        choices.push(choice as u8);
    }
    if let (Key::Layers, Some(least)) = (parent.key, items[nth].key.layers())
        && let Some(few) = condition.values.iter().find(|value| layers(value) < least)
    {
        let few = shown(few);
        return Err(format!("`{name}` is for {least} layers or more, and its `when` says {few}: leave {few} out"));
    }
    Ok(When { decision, choices })
}

/// What decision number `nth` hangs on by itself, those before it being `decisions`.
fn implied(items: &[Item], nth: usize, decisions: &[Decision]) -> Result<Option<When>, String> {
    let Item { key, name, .. } = &items[nth];
    if let (Some(least), Some(on)) = (key.layers(), items.iter().position(|item| item.key == Key::Layers)) {
        let most = items[on].values.iter().map(layers).max().unwrap_or_default();
        return match hanging(items, (nth, on), decisions, |value| layers(value) >= least) {
            Err(()) => Err(format!("`{name}` is for {least} layers or more, and `layers` is {most} at most")),
            Ok(when) => when,
        };
    }
    if let Some(kinds) = key.kinds() {
        let names = kinds.iter().copied().map(Kind::name).collect::<Vec<_>>().join(", ");
        let Some(on) = items.iter().position(|item| item.key == Key::Kind) else {
            let is_default = kinds.contains(&Kind::default());
            let (name_of_default, first) = (Kind::default().name(), kinds[0].name());
            return if is_default {
                Ok(None)
            } else {
                Err(format!(
                    "`{name}` is for kind {names}, and without `kind` all are {name_of_default}: begin with kind = {first:?}"
                ))
            };
        };
        let has = |value: &Value| matches!(value, Value::Word(word) if kinds.iter().any(|kind| kind.name() == word));
        return match hanging(items, (nth, on), decisions, has) {
            Err(()) => {
                let kind = any(&items[on].values);
                Err(format!("`{name}` is for kind {names}, and `kind` is {kind}: leave it out"))
            }
            Ok(when) => when,
        };
    }
    Ok(None)
}

/// The condition that item `on` has one of the values that `suits` says yes to; an error if it never has.
fn hanging(
    items: &[Item],
    (nth, on): (usize, usize),
    decisions: &[Decision],
    suits: impl Fn(&Value) -> bool,
) -> Result<Result<Option<When>, String>, ()> {
    let parent = &items[on];
    let choices: Vec<u8> = (0..).zip(&parent.values).filter(|(_, value)| suits(value)).map(|(at, _)| at).collect();
    if choices.is_empty() {
        return Err(());
    }
    let is_always = choices.len() == parent.values.len();
    Ok(match decisions.get(on) {
        Some(decision) if is_always && decision.when.is_none() => Ok(None),
        Some(_) => Ok(Some(When { decision: on, choices })),
        None if is_always && parent.when.is_none() => Ok(None),
        None => {
            let (name, before, line) = (&items[nth].name, &parent.name, parent.line);
            Err(format!("`{name}` hangs on `{before}`, which comes later (line {line}): move `{before}` up"))
        }
    })
}

/// How decision number `nth` hangs on itself, if it does.
fn circle(items: &[Item], nth: usize) -> Option<String> {
    let (mut at, mut path) = (nth, Vec::new());
    for _ in items {
        let on = &items[at].when.as_ref()?.name;
        path.push(format!("`{}` hangs on `{on}`", items[at].name));
        at = find(items, on)?;
        if at == nth {
            return Some(path.join(", "));
        }
    }
    None
}

fn find(items: &[Item], name: &str) -> Option<usize> {
    items.iter().position(|item| item.name == name)
}

/// How many layers a value of `layers` says.
fn layers(value: &Value) -> usize {
    if let Value::Number(number) = value { *number as usize } else { 0 }
}

/// Values in words.
fn any(values: &[Value]) -> String {
    values.iter().map(shown).collect::<Vec<_>>().join(" or ")
}
