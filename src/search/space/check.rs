//! Which architectures of a space train would refuse whatever the data is.

use super::file::Item;
use super::key::Key;
use super::settings::Said;
use super::{Decision, Space, Value};
use crate::data::hashed_have_none;
use crate::model::configuration::Kind;

/// The most architectures that are looked at.
const MOST: usize = 50_000;

/// The number of the item that an architecture of the space is refused for, and what is said to it; none if all are fine.
///
/// Not all are looked at: those that differ only in values that train minds as much, or as little, are one.
pub(super) fn refused(space: &Space, items: &[Item]) -> Option<(usize, String)> {
    let part = representatives(space);
    for architecture in part.all().take(MOST) {
        let said: Vec<(&str, &Value)> = part.said(&architecture).collect();
        let Some(what) = wrong(said.iter().copied()) else { continue };
        // Whose fault it is: that without which all is well, the last if there are several.
        let place = |name: &str| items.iter().position(|item| item.name == name);
        let fault = |name: &str| wrong(said.iter().copied().filter(|(other, _)| *other != name)).is_none();
        let at = said.iter().filter(|(name, _)| fault(name)).filter_map(|(name, _)| place(name)).max();
        let at = at.or(place("kind")).unwrap_or_default();
        let hint = match &items[at].when {
            None if !space.decisions.is_empty() => {
                format!("; `when` with `{}` says where it is chosen", items[at].name)
            }
            _ => String::new(),
        };
        return Some((at, format!("{what}{hint}")));
    }
    None
}

/// The part of the space that has, of the values of each decision that are alike, the last: train minds them alike, and what hangs on one
/// hangs on all.
fn representatives(space: &Space) -> Space {
    let conditions = || space.decisions.iter().chain(&space.fixed).filter_map(|decision| decision.when.as_ref());
    let of = |(nth, decision): (usize, &Decision)| {
        let hanging: Vec<_> = conditions().filter(|when| when.decision == nth).collect();
        let hangs = |at| hanging.iter().map(|when| when.choices.contains(&at)).collect::<Vec<_>>();
        let classes: Vec<_> = (0..decision.values.len()).map(|at| (minded(decision, at), hangs(at as u8))).collect();
        (0..classes.len()).map(|at| !classes[at + 1..].contains(&classes[at])).collect()
    };
    let kept: Vec<Vec<bool>> = space.decisions.iter().enumerate().map(of).collect();
    space.narrowed(|nth, at| kept[nth][at])
}

/// What train minds about value number `at` of a decision: the same of those it minds alike.
fn minded(decision: &Decision, at: usize) -> usize {
    match (Key::named(&decision.name), &decision.values[at]) {
        (Some(Key::Kind | Key::Loss | Key::Optimizer | Key::Schedule | Key::Layers | Key::Hidden | Key::Wide), _) => at,
        (Some(Key::L1), Value::Number(number)) => usize::from(*number > 0.0),
        (Some(Key::Bits | Key::Interact), value) => usize::from(*value == Value::Word("none".to_owned())),
        _ => 0,
    }
}

/// What train says to a model of which this is said.
fn wrong<'s>(said: impl Iterator<Item = (&'s str, &'s Value)>) -> Option<String> {
    let mut all = Said::default();
    for (name, value) in said {
        all.say(Key::named(name)?, value).ok()?;
    }
    let settings = all.settings(1);
    if let Err(error) = settings.check(None) {
        return Some(error.to_string());
    }
    if let (Some(kind @ (Kind::Ffm | Kind::Deep)), Some(_)) = (settings.kind, all.hashing(&[])) {
        return Some(hashed_have_none(kind.name()).to_string());
    }
    all.lacks_width().then(|| "layer 1 has no width: say `width`, or `width1`, `width2` and so on".to_owned())
}
