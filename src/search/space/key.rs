//! [`Key`]: what a decision is about, by its name: a flag of `train`, or what is made into one.

use crate::keyed::nearest;
use crate::model::configuration::Kind;

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Kind,
    Rank,
    Dim,
    /// The sizes of all hidden layers in one word.
    Hidden,
    /// How many hidden layers there are.
    Layers,
    /// How wide those are that have no width of their own.
    Width,
    /// How wide this one is, from 1.
    WidthOf(usize),
    /// Whether the second layer also sees what comes out of the first, see [`super::Decision::skip`].
    Skip(usize, usize),
    Activation,
    Dropout,
    Batch,
    Wide,
    Loss,
    Optimizer,
    Lr,
    /// The learning rate, as a multiple of what train takes where nobody says.
    LrFactor,
    L1,
    L2,
    /// The L2 penalty, in rows: what so many rows of the data say.
    L2Rows,
    Schedule,
    Bits,
    Interact,
}

const NAMES: [(&str, Key); 20] = [
    ("kind", Key::Kind),
    ("rank", Key::Rank),
    ("dim", Key::Dim),
    ("hidden", Key::Hidden),
    ("layers", Key::Layers),
    ("width", Key::Width),
    ("activation", Key::Activation),
    ("dropout", Key::Dropout),
    ("batch", Key::Batch),
    ("wide", Key::Wide),
    ("loss", Key::Loss),
    ("optimizer", Key::Optimizer),
    ("lr", Key::Lr),
    ("lr-factor", Key::LrFactor),
    ("l1", Key::L1),
    ("l2", Key::L2),
    ("l2-rows", Key::L2Rows),
    ("schedule", Key::Schedule),
    ("bits", Key::Bits),
    ("interact", Key::Interact),
];
/// Flags of train that are no keys, for a run says them.
const OF_RUNS: [&str; 12] = [
    "passes",
    "seed",
    "holdout",
    "valid",
    "early-stop",
    "model",
    "data",
    "class-weight",
    "quantile",
    "format",
    "label",
    "children",
];

const LAYERED: &[Kind] = &[Kind::Mlp, Kind::Deep, Kind::Text];
const WITH_VECTORS: &[Kind] = &[Kind::Fm, Kind::Ffm, Kind::Deep];
/// Kinds that need no fields, which hashed keys have not.
const WITHOUT_FIELDS: &[Kind] = &[Kind::Linear, Kind::Fm, Kind::Mlp, Kind::Text];

impl Key {
    /// The key called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        // As it would be written: 2, not 02 or +2.
        let whole = |text: &str| text.parse().ok().filter(|number: &usize| number.to_string() == text);
        if let Some((_, key)) = NAMES.iter().find(|(other, _)| *other == name) {
            return Some(*key);
        }
        if let Some(layer) = name.strip_prefix("width") {
            return whole(layer).filter(|&layer| layer > 0).map(Self::WidthOf);
        }
        let (from, to) = name.strip_prefix("skip")?.split_once('-')?;
        let (from, to) = (whole(from)?, whole(to)?);
        (from.checked_add(1)? < to).then_some(Self::Skip(from, to))
    }

    /// What to say to a name that is no key.
    pub(super) fn unknown(name: &str) -> String {
        if OF_RUNS.contains(&name) {
            return format!("`{name}` is said of a run, not of a model: leave it out");
        }
        let layers = ["width1", "width2", "skip0-2", "skip1-3"];
        match nearest(name, NAMES.iter().map(|(name, _)| *name).chain(layers)) {
            Some(nearest) => format!("unknown key `{name}`: did you mean `{nearest}`?"),
            None => {
                let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
                format!("unknown key `{name}`: keys are name, {}, width1, skip0-2 and so on", names.join(", "))
            }
        }
    }

    /// The other way to say the same, which it does not go with.
    pub(super) fn rival(self) -> Option<Self> {
        match self {
            Self::Hidden => Some(Self::Layers),
            Self::Lr => Some(Self::LrFactor),
            Self::L2 => Some(Self::L2Rows),
            _ => None,
        }
    }

    /// Whether its values are whole numbers.
    pub(super) fn is_whole(self) -> bool {
        use Key::{Batch, Bits, Dim, Layers, Rank, Width, WidthOf};
        matches!(self, Rank | Dim | Layers | Width | WidthOf(_) | Batch | Bits)
    }

    /// How many hidden layers a model must have for it to say anything.
    pub(super) fn layers(self) -> Option<usize> {
        match self {
            Self::Width | Self::Activation | Self::Dropout => Some(1),
            Self::WidthOf(layer) => Some(layer),
            // The last layer, which may be skipped to, stands behind all hidden ones.
            Self::Skip(_, to) => Some(to - 1),
            _ => None,
        }
    }

    /// Of which kinds a model must be for it to say anything.
    pub(super) fn kinds(self) -> Option<&'static [Kind]> {
        match self {
            Self::Hidden | Self::Layers | Self::Batch => Some(LAYERED),
            Self::Rank => Some(WITH_VECTORS),
            Self::Dim => Some(&[Kind::Text]),
            Self::Wide => Some(&[Kind::Deep]),
            Self::L1 => Some(&[Kind::Linear]),
            Self::Bits | Self::Interact => Some(WITHOUT_FIELDS),
            key => key.layers().map(|_| LAYERED),
        }
    }
}
