//! [`Space`]: which models a search chooses among, as decisions that are made one after the other.
//!
//! What flows in: names and values, from a preset or a file. What flows out: [`Architecture`]s, drawn, changed and told, and the settings
//! that `train` knows them by.

mod all;
mod check;
mod file;
mod key;
mod named;
mod narrow;
mod neighbours;
mod resolve;
mod settings;
mod show;
#[cfg(test)]
mod tests;

pub use all::All;
pub use neighbours::Edit;
pub use show::{flags, sentence};

use serde_json::{Map, Value as Json};

use crate::random::Random;

/// Stands for a decision that is not made.
pub const UNMADE: u8 = u8::MAX;

/// What may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Any other word.
    Word(String),
}

/// Under which choices of an earlier decision another one is made.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// The number of the earlier decision.
    pub decision: usize,
    /// Which of its values.
    pub choices: Vec<u8>,
}

impl When {
    /// Whether it is so where decisions were made as `choices` says.
    fn holds(&self, choices: &[u8]) -> bool {
        self.choices.contains(&choices[self.decision])
    }
}

/// One decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Its name, as it stands in logs and files.
    pub name: String,
    /// What may be chosen, at most 255 values.
    pub values: Vec<Value>,
    /// Values rise or fall: neighbours are alike.
    pub is_ordered: bool,
    /// When it is made; always where this is none. Only by earlier decisions, and it is not made where that one is not.
    pub when: Option<When>,
    /// Whether layer `.1` also sees what comes out of layer `.0`, layers from 1 and 0 for the input; of the values the second is yes. The
    /// layer behind the last hidden one is the output.
    pub skip: Option<(usize, usize)>,
}

/// One model of a space: by decision, which value was chosen, [`UNMADE`] where it is not made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Architecture(Box<[u8]>);

impl Architecture {
    /// By decision, which value was chosen.
    pub fn choices(&self) -> &[u8] {
        &self.0
    }
}

/// All models that a search chooses among.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    name: String,
    /// See [`Space::fixed`].
    fixed: Vec<Decision>,
    decisions: Vec<Decision>,
}

impl Space {
    /// The space of `decisions`, which are not empty, have values, and hang on earlier ones only.
    pub fn new(name: String, decisions: Vec<Decision>) -> Self {
        Self { name, fixed: Vec::new(), decisions }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is not chosen: decisions of one value, which is said of every architecture, or of those where the condition holds.
    pub fn fixed(&self) -> &[Decision] {
        &self.fixed
    }

    /// The decisions, in the order in which they are made.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Whether decision number `decision` is made where those before it were made as `choices` says.
    pub fn is_made(&self, decision: usize, choices: &[u8]) -> bool {
        self.decisions[decision].when.as_ref().is_none_or(|when| when.holds(choices))
    }

    /// How many architectures there are.
    pub fn size(&self) -> u128 {
        // How many there are of each choice and all that hangs on it, from the last decision to the first.
        let mut under: Vec<Vec<u128>> = self.decisions.iter().map(|decision| vec![1; decision.values.len()]).collect();
        let mut all = 1u128;
        for nth in (0..self.decisions.len()).rev() {
            let here = under[nth].iter().fold(0u128, |sum, &count| sum.saturating_add(count));
            match &self.decisions[nth].when {
                None => all = all.saturating_mul(here),
                Some(When { decision, choices }) => {
                    for &choice in choices {
                        let count = &mut under[*decision][usize::from(choice)];
                        *count = count.saturating_mul(here);
                    }
                }
            }
        }
        all
    }

    /// The architecture of some choices: those that are not to be made are left out, and those that are missing are drawn.
    pub fn settle(&self, mut choices: Vec<u8>, random: &mut Random) -> Architecture {
        choices.resize(self.decisions.len(), UNMADE);
        for nth in 0..choices.len() {
            if !self.is_made(nth, &choices) {
                choices[nth] = UNMADE;
            } else if choices[nth] == UNMADE {
                choices[nth] = random.below(self.decisions[nth].values.len()) as u8;
            }
        }
        Architecture(choices.into())
    }

    /// An architecture, each decision drawn evenly.
    pub fn draw(&self, random: &mut Random) -> Architecture {
        self.settle(Vec::new(), random)
    }

    /// What was chosen, by name.
    pub fn told(&self, architecture: &Architecture) -> Map<String, Json> {
        let made = self.decisions.iter().zip(&architecture.0).filter(|(_, choice)| **choice != UNMADE);
        let told = |(decision, &choice): (&Decision, &u8)| {
            let value = match &decision.values[usize::from(choice)] {
                Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => Json::from(*number as i64),
                Value::Number(number) => Json::from(*number),
                Value::Word(word) => Json::from(word.as_str()),
            };
            (decision.name.clone(), value)
        };
        made.map(told).collect()
    }

    /// The architecture that [`Space::told`] tells; none where it is of another space.
    pub fn find(&self, told: &Map<String, Json>) -> Option<Architecture> {
        let mut choices = vec![UNMADE; self.decisions.len()];
        let mut found = 0;
        for nth in 0..choices.len() {
            if !self.is_made(nth, &choices) {
                continue;
            }
            let Decision { name, values, .. } = &self.decisions[nth];
            let wanted = told.get(name)?;
            let is_it = |value: &Value| match value {
                Value::Number(number) => wanted.as_f64() == Some(*number),
                Value::Word(word) => wanted.as_str() == Some(word),
            };
            choices[nth] = values.iter().position(is_it)? as u8;
            found += 1;
        }
        (found == told.len()).then(|| Architecture(choices.into()))
    }
}
