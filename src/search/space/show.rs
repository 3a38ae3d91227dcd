//! What is said of a space and of its architectures: to people, and to `hogback train`.

use std::fmt;

use super::Space;
use crate::data::{BITS, Hashing};
use crate::model::configuration::Kind;
use crate::report::format::{count, number, sizes, skips};
use crate::train::Settings;

impl fmt::Display for Space {
    /// `mlp: 12 decisions, 1.91 million architectures`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decisions = number(self.decisions.len() as u64, "decision");
        write!(f, "{}: {decisions}, {} architectures", self.name, in_words(self.size()))
    }
}

/// A number to three figures, with the name of its unit.
fn in_words(number: u128) -> String {
    let units = ["", " thousand", " million", " billion", " trillion"];
    if number < 100_000 {
        return count(number as u64);
    }
    let (mut scaled, mut at) = (number as f64, 0);
    while scaled >= 999.5 && at + 1 < units.len() {
        scaled /= 1000.0;
        at += 1;
    }
    if scaled >= 999.5 {
        // As far as sizes are counted.
        return if number == u128::MAX { "over 1e38".to_owned() } else { format!("{:.1e}", number as f64) };
    }
    let decimals = [2, 1, 0][usize::from(scaled >= 9.995) + usize::from(scaled >= 99.95)];
    format!("{scaled:.decimals$}{}", units[at])
}

/// A model in one line: `2 layers of 64 and 32, relu, dropout 0.1, adam at 0.002, batch 32`; what is not said is left out.
pub fn sentence(settings: &Settings, hashing: Option<&Hashing>) -> String {
    let mut parts = Vec::new();
    let kind = settings.kind.unwrap_or_default();
    let named = settings.kind.is_some() && kind != Kind::Mlp || settings.hidden.is_none();
    match settings.rank {
        Some(rank) => parts.push(format!("{} of rank {rank}", kind.name())),
        None if named => parts.push(kind.name().to_owned()),
        None => {}
    }
    parts.extend(settings.wide.then(|| "wide".to_owned()));
    parts.extend(settings.hidden.as_deref().map(layers));
    parts.extend(settings.skips.as_deref().map(|list| format!("skips {}", skips(list))));
    parts.extend(settings.activation.map(|activation| activation.name().to_owned()));
    parts.extend(settings.dropout.map(|share| format!("dropout {share}")));
    parts.extend(match (settings.optimizer, settings.lr) {
        (Some(optimizer), Some(lr)) => Some(format!("{} at {}", optimizer.name(), short(lr))),
        (Some(optimizer), None) => Some(optimizer.name().to_owned()),
        (None, Some(lr)) => Some(format!("rate {}", short(lr))),
        (None, None) => None,
    });
    parts.extend(settings.batch.map(|rows| format!("batch {rows}")));
    parts.extend(settings.loss.map(|loss| format!("{} loss", loss.name())));
    parts.extend(settings.schedule.map(|schedule| format!("{} schedule", schedule.name())));
    parts.extend(settings.l1.map(|l1| format!("l1 {}", short(l1))));
    parts.extend(settings.l2.map(|l2| format!("l2 {}", short(l2))));
    if let Some(Hashing { bits, interactions, .. }) = hashing {
        if !interactions.is_empty() {
            let products: Vec<_> = interactions.iter().map(ToString::to_string).collect();
            parts.push(format!("products {}", products.join(" ")));
        }
        parts.push(format!("{bits} bits"));
    }
    parts.join(", ")
}

fn layers(hidden: &[usize]) -> String {
    match hidden {
        [] => "no hidden layer".to_owned(),
        [one] => format!("1 layer of {one}"),
        [same, rest @ ..] if rest.iter().all(|size| size == same) => format!("{} layers of {same}", hidden.len()),
        [first @ .., last] => format!("{} layers of {} and {last}", hidden.len(), sizes(first).replace(',', ", ")),
    }
}

/// The flags of `hogback train` that train a model, a word each: `--hidden`, `64,32`.
pub fn flags(settings: &Settings, hashing: Option<&Hashing>) -> Vec<String> {
    let mut flags = Vec::new();
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            flags.extend([format!("--{name}"), value]);
        }
    };
    let rank = if settings.kind == Some(Kind::Text) { "dim" } else { "rank" };
    flag("kind", settings.kind.map(|kind| kind.name().to_owned()));
    flag(rank, settings.rank.map(|rank| rank.to_string()));
    flag(
        "hidden",
        settings.hidden.as_deref().map(|hidden| if hidden.is_empty() { "none".to_owned() } else { sizes(hidden) }),
    );
    flag("skips", settings.skips.as_deref().map(skips));
    flag("activation", settings.activation.map(|activation| activation.name().to_owned()));
    flag("dropout", settings.dropout.map(short));
    flag("batch", settings.batch.map(|rows| rows.to_string()));
    flag("loss", settings.loss.map(|loss| loss.name().to_owned()));
    flag("optimizer", settings.optimizer.map(|optimizer| optimizer.name().to_owned()));
    flag("lr", settings.lr.map(short));
    flag("passes", settings.passes.map(|passes| passes.to_string()));
    flag("l1", settings.l1.map(short));
    flag("l2", settings.l2.map(short));
    flag("schedule", settings.schedule.map(|schedule| schedule.name().to_owned()));
    if let Some(Hashing { bits, interactions, .. }) = hashing {
        let products: Vec<_> = interactions.iter().map(ToString::to_string).collect();
        flag("interact", (!products.is_empty()).then(|| products.join(",")));
        flag("bits", (products.is_empty() || *bits != BITS).then(|| bits.to_string()));
    }
    flags.extend(settings.wide.then(|| "--wide".to_owned()));
    flags
}

/// The shortest decimal that is this number.
fn short(number: f32) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
