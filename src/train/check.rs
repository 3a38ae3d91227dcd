//! Which settings do not go together, said once: of the flags before any data is read, and of all that the run has come to.

use super::{Settings, target};
use crate::engine::schedule::Schedule;
use crate::error::{Error, Result};
use crate::model::configuration::{Kind, LossKind, Optimizer};
use crate::report::format::number;

/// What a run is to learn by, as far as it is known.
pub(super) struct Choice {
    pub(super) kind: Kind,
    /// How many hidden layers, where the kind has layers.
    pub(super) hidden: usize,
    pub(super) optimizer: Option<Optimizer>,
    pub(super) loss: Option<LossKind>,
    pub(super) schedule: Option<Schedule>,
    pub(super) l1: f32,
}

/// Refuses what was said, or has been chosen, and does not go with the rest.
///
/// # Errors
/// [`Error::Usage`], with what to leave out, or what to say instead.
pub(super) fn check(said: &Settings, choice: &Choice) -> Result<()> {
    let Choice { kind, hidden, optimizer, loss, schedule, l1 } = *choice;
    let refused = [
        of_kind(said, kind),
        said.skips.as_ref().and_then(|skips| of_skips(skips, hidden)),
        (l1 > 0.0).then(|| of_l1(kind, optimizer)).flatten(),
        optimizer.and_then(|optimizer| of_optimizer(kind, optimizer, schedule)),
        loss.and_then(|loss| of_loss(said, kind, loss)),
    ];
    if let Some(what) = refused.into_iter().flatten().next() {
        return Err(Error::Usage(what));
    }
    match loss {
        Some(loss) if said.class_weights.is_some() && loss.is_of_numbers() => Err(target::no_classes(loss)),
        _ => Ok(()),
    }
}

/// Flags of other kinds.
fn of_kind(said: &Settings, kind: Kind) -> Option<String> {
    let name = kind.name();
    let layers = [
        ("--hidden", said.hidden.is_some()),
        ("--skips", said.skips.is_some()),
        ("--activation", said.activation.is_some()),
        ("--dropout", said.dropout.is_some()),
        ("--batch", said.batch.is_some()),
    ];
    if said.rank.is_some() && !kind.has_factors() {
        return Some(format!("--rank is for --kind fm, ffm and deep, --dim for text; this is {name}"));
    }
    if said.wide && kind != Kind::Deep {
        return Some(format!("--wide is for --kind deep; this is {name}"));
    }
    let flag = layers.into_iter().find(|&(_, said)| said && !kind.has_layers());
    flag.map(|(flag, _)| format!("{flag} is for --kind mlp, deep and text; this is {name}"))
}

/// Skips that lead nowhere, of a network of so many hidden layers.
fn of_skips(skips: &[(usize, usize)], hidden: usize) -> Option<String> {
    let last = hidden + 1;
    let wrong = |(nth, &(from, to)): (usize, &(usize, usize))| {
        let what = match to.checked_sub(from) {
            _ if hidden == 0 => "there is no hidden layer to skip: make some by --hidden".to_owned(),
            None | Some(0) => "a skip leads from a layer to a later one, such as 0-2".to_owned(),
            _ if to > last => {
                let behind = number(hidden as u64, "hidden layer");
                format!("there is no layer {to}: the last one is {last}, the output, behind {behind}")
            }
            Some(1) => format!("layer {to} sees what comes out of {from} as it is: leave this one out"),
            _ if skips[..nth].contains(&(from, to)) => "is said twice: once will do".to_owned(),
            _ => return None,
        };
        Some(format!("--skips {from}-{to}: {what}"))
    };
    skips.iter().enumerate().find_map(wrong)
}

fn of_l1(kind: Kind, optimizer: Option<Optimizer>) -> Option<String> {
    if kind != Kind::Linear {
        let name = kind.name();
        return Some(format!("--l1 keeps the weights of linear models at 0; this is --kind {name}, which --l2 is for"));
    }
    let other = optimizer.filter(|&optimizer| optimizer != Optimizer::Ftrl)?.name();
    Some(format!("--l1 needs --optimizer ftrl, which can keep weights at 0; this is {other}"))
}

fn of_optimizer(kind: Kind, optimizer: Optimizer, schedule: Option<Schedule>) -> Option<String> {
    let name = optimizer.name();
    match (kind, optimizer) {
        (Kind::Linear, Optimizer::Momentum | Optimizer::Adam) => {
            Some(format!("--optimizer {name} is for layers; --kind linear is learned by adagrad, sgd or ftrl"))
        }
        (Kind::Linear, Optimizer::Ftrl) if schedule.is_some_and(|schedule| schedule != Schedule::Constant) => {
            Some("--optimizer ftrl has a rate of its own for each weight: leave out --schedule".to_owned())
        }
        (Kind::Fm | Kind::Ffm, other) if other != Optimizer::Adagrad => {
            Some(format!("--kind {} is learned by adagrad; this is --optimizer {name}", kind.name()))
        }
        (Kind::Mlp | Kind::Deep | Kind::Text, Optimizer::Ftrl) => Some(format!(
            "--optimizer ftrl is for linear models; the layers of --kind {} are learned by adam, momentum, adagrad or sgd",
            kind.name()
        )),
        _ => None,
    }
}

fn of_loss(said: &Settings, kind: Kind, loss: LossKind) -> Option<String> {
    let name = loss.name();
    match loss {
        LossKind::Logistic | LossKind::Softmax | LossKind::Squared => {}
        _ if kind == Kind::Linear => {}
        _ => {
            let kind = kind.name();
            return Some(format!("--kind {kind} learns by --loss logistic, softmax or squared; this is {name}"));
        }
    }
    let wrong = said.quantile.is_some() && loss != LossKind::Quantile;
    wrong.then(|| format!("--quantile is for --loss quantile; this is {name}"))
}
