//! From an architecture to what `train` knows it by: [`Settings`], and how its data is read.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::key::Key;
use super::{Architecture, Decision, Space, UNMADE, Value};
use crate::data::{BITS, Hashing, Interaction};
use crate::keyed::nearest;
use crate::model::configuration::Kind;
use crate::train::Settings;

/// How wide layers are where nothing says it.
const WIDTH: usize = 64;
/// The most hidden layers.
const MOST_LAYERS: u64 = 100;
/// The most buckets are 2 to the power of this.
const MOST_BITS: u64 = 31;

impl Space {
    /// What train is to make of an architecture of this space, on data of `rows` rows.
    ///
    /// Where `layers` says how many there are, a layer without a width of its own is as wide as `width` says, else as the one before. The
    /// rate that `lr-factor` multiplies is that of the kind and optimizer for classes; `l2-rows` is divided by `rows`, as train's own
    /// default is.
    pub fn settings(&self, architecture: &Architecture, rows: u64) -> Settings {
        self.all_said(architecture).settings(rows)
    }

    /// How the keys of the data are hashed for an architecture, if they are; `ignored` are the namespaces that are left out whatever it
    /// is. Architectures for which this is the same learn from the same rows.
    pub fn reading(&self, architecture: &Architecture, ignored: &[String]) -> Option<Hashing> {
        self.all_said(architecture).hashing(ignored)
    }

    /// All ways in which the architectures want data read, each with the kinds that want it so; see [`Space::reading`].
    pub fn readings(&self, ignored: &[String]) -> Vec<(Option<Hashing>, Vec<Kind>)> {
        // Of decisions that have no say in it, nor in whether one that has is made, one value stands for all.
        let has_say =
            |decision: &Decision| matches!(Key::named(&decision.name), Some(Key::Kind | Key::Bits | Key::Interact));
        let mut wanted: Vec<bool> = self.decisions.iter().map(has_say).collect();
        let fixed = self.fixed.iter().filter(|fixed| has_say(fixed));
        fixed.filter_map(|fixed| fixed.when.as_ref()).for_each(|when| wanted[when.decision] = true);
        for (nth, decision) in self.decisions.iter().enumerate().rev() {
            if let Some(when) = decision.when.as_ref().filter(|_| wanted[nth]) {
                wanted[when.decision] = true;
            }
        }
        let part = self.narrowed(|nth, at| wanted[nth] || at == 0);

        let mut readings: Vec<(Option<Hashing>, Vec<Kind>)> = Vec::new();
        for architecture in part.all() {
            let said = part.all_said(&architecture);
            let (reading, kind) = (said.hashing(ignored), said.settings.kind.unwrap_or_default());
            match readings.iter_mut().find(|(other, _)| *other == reading) {
                Some((_, kinds)) if kinds.contains(&kind) => {}
                Some((_, kinds)) => kinds.push(kind),
                None => readings.push((reading, vec![kind])),
            }
        }
        readings
    }

    /// What is said of an architecture by name, what is always said first.
    pub(super) fn said<'s>(&'s self, architecture: &'s Architecture) -> impl Iterator<Item = (&'s str, &'s Value)> {
        let choices = architecture.choices();
        let holds = move |fixed: &&Decision| fixed.when.as_ref().is_none_or(|when| when.holds(choices));
        let fixed = self.fixed.iter().filter(holds).map(|fixed| (fixed, 0));
        let made = self.decisions.iter().zip(choices).filter(|(_, choice)| **choice != UNMADE);
        let made = made.map(|(decision, choice)| (decision, usize::from(*choice)));
        fixed.chain(made).map(|(decision, choice)| (decision.name.as_str(), &decision.values[choice]))
    }

    fn all_said(&self, architecture: &Architecture) -> Said {
        let mut said = Said::default();
        for (name, value) in self.said(architecture) {
            if let Some(key) = Key::named(name) {
                // What a file may not say was refused when it was read.
                let _ = said.say(key, value);
            }
        }
        said
    }
}

/// What an architecture says.
#[derive(Debug, Default)]
pub(super) struct Said {
    settings: Settings,
    layers: Option<usize>,
    width: Option<usize>,
    widths: BTreeMap<usize, usize>,
    skips: Vec<(usize, usize)>,
    lr_factor: Option<f64>,
    l2_rows: Option<f64>,
    bits: Option<u8>,
    interactions: Vec<Interaction>,
}

impl Said {
    /// Takes in what `key` says.
    ///
    /// # Errors
    /// What its values must be, where `value` is none of them: the flag of train would refuse it too.
    pub(super) fn say(&mut self, key: Key, value: &Value) -> Result<(), String> {
        let settings = &mut self.settings;
        match key {
            Key::Kind => settings.kind = Some(word(value)?),
            Key::Rank | Key::Dim => settings.rank = Some(whole(value, 1, u16::MAX.into())?),
            Key::Hidden => settings.hidden = Some(hidden(value)?),
            Key::Layers => self.layers = Some(whole(value, 0, MOST_LAYERS)?),
            Key::Width => self.width = Some(whole(value, 1, u32::MAX.into())?),
            Key::WidthOf(layer) => drop(self.widths.insert(layer, whole(value, 1, u32::MAX.into())?)),
            Key::Skip(from, to) => self.skips.extend(truth(value)?.then_some((from, to))),
            Key::Activation => settings.activation = Some(word(value)?),
            Key::Dropout => settings.dropout = Some(share(value)?),
            Key::Batch => settings.batch = Some(whole(value, 1, u16::MAX.into())?),
            Key::Wide => settings.wide = truth(value)?,
            Key::Loss => settings.loss = Some(word(value)?),
            Key::Optimizer => settings.optimizer = Some(word(value)?),
            Key::Lr => settings.lr = Some(positive(value)? as f32),
            Key::LrFactor => self.lr_factor = Some(positive(value)?),
            Key::L1 => settings.l1 = Some(not_negative(value)? as f32),
            Key::L2 => settings.l2 = Some(not_negative(value)? as f32),
            Key::L2Rows => self.l2_rows = Some(not_negative(value)?),
            Key::Schedule => settings.schedule = Some(word(value)?),
            Key::Bits if is_none(value) => self.bits = None,
            Key::Bits => {
                let bits = whole(value, 1, MOST_BITS).map_err(|must| format!("{must}, or \"none\""))?;
                self.bits = Some(bits as u8);
            }
            Key::Interact => self.interactions = interactions(value)?,
        }
        Ok(())
    }

    /// See [`Space::settings`].
    pub(super) fn settings(&self, rows: u64) -> Settings {
        let mut settings = self.settings.clone();
        if let Some(layers) = self.layers {
            let mut before = WIDTH;
            let width = |layer: usize| {
                before = self.widths.get(&layer).copied().or(self.width).unwrap_or(before);
                before
            };
            settings.hidden = Some((1..=layers).map(width).collect());
        }
        settings.skips = (!self.skips.is_empty()).then(|| self.skips.clone());
        if let Some(factor) = self.lr_factor {
            settings.lr = Some(figures(factor * exactly(settings.default_rate()), 4) as f32);
        }
        if let Some(worth) = self.l2_rows {
            settings.l2 = Some(figures(worth / rows.max(1) as f64, 4) as f32);
        }
        settings
    }

    /// Whether there are layers, and nothing says how wide the first is.
    pub(super) fn lacks_width(&self) -> bool {
        self.layers.is_some_and(|layers| layers > 0) && self.width.is_none() && !self.widths.contains_key(&1)
    }

    /// See [`Space::reading`].
    pub(super) fn hashing(&self, ignored: &[String]) -> Option<Hashing> {
        let wanted = self.bits.is_some() || !self.interactions.is_empty();
        let (bits, interactions) = (self.bits.unwrap_or(BITS), self.interactions.clone());
        wanted.then(|| Hashing { bits, interactions, ignored: ignored.to_vec() })
    }
}

/// `number` to so many figures.
pub(super) fn figures(number: f64, figures: usize) -> f64 {
    format!("{number:.*e}", figures - 1).parse().unwrap_or(number)
}

/// The number that the shortest decimal of `number` says.
fn exactly(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

fn word<T: ValueEnum>(value: &Value) -> Result<T, String> {
    let possible = T::value_variants().iter().filter_map(T::to_possible_value);
    let names: Vec<String> = possible.map(|value| value.get_name().to_owned()).collect();
    let must = format!("must be one of {}", names.join(", "));
    let Value::Word(word) = value else { return Err(must) };
    T::from_str(word, false).map_err(|_| match nearest(word, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}? It {must}"),
        None => must,
    })
}

fn whole(value: &Value, least: u64, most: u64) -> Result<usize, String> {
    match value {
        Value::Number(number) if number.fract() == 0.0 && (least as f64..=most as f64).contains(number) => {
            Ok(*number as usize)
        }
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

fn positive(value: &Value) -> Result<f64, String> {
    match value {
        // As train will take it: a number just above 0 is 0 there.
        Value::Number(number) if *number as f32 > 0.0 && (*number as f32).is_finite() => Ok(*number),
        _ => Err("must be a number above 0".to_owned()),
    }
}

fn not_negative(value: &Value) -> Result<f64, String> {
    match value {
        Value::Number(number) if *number >= 0.0 && (*number as f32).is_finite() => Ok(*number),
        _ => Err("must be a number, 0 or more".to_owned()),
    }
}

fn share(value: &Value) -> Result<f32, String> {
    match value {
        Value::Number(number) if (0.0..1.0).contains(&(*number as f32)) => Ok(*number as f32),
        _ => Err("must be a share of the units: 0 or more, below 1".to_owned()),
    }
}

fn truth(value: &Value) -> Result<bool, String> {
    match value {
        Value::Word(word) if word == "yes" => Ok(true),
        Value::Word(word) if word == "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

fn is_none(value: &Value) -> bool {
    matches!(value, Value::Word(word) if word == "none")
}

fn hidden(value: &Value) -> Result<Vec<usize>, String> {
    let size = |text: &str| text.trim().parse().ok().filter(|&size: &usize| size > 0 && u32::try_from(size).is_ok());
    let sizes = match value {
        _ if is_none(value) => Some(Vec::new()),
        Value::Word(word) => word.split(',').map(size).collect(),
        Value::Number(_) => None,
    };
    sizes.ok_or_else(|| "must be the sizes of all layers in one text, such as \"64,32\", or \"none\"".to_owned())
}

fn interactions(value: &Value) -> Result<Vec<Interaction>, String> {
    match value {
        _ if is_none(value) => Ok(Vec::new()),
        Value::Word(word) => word.split(',').map(str::parse).collect(),
        Value::Number(_) => Err("must be A:B, two namespaces or columns, or :: for any two, or none".to_owned()),
    }
}
