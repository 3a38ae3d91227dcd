//! Parts of a space: fewer values, and what becomes of the decisions that hang on them.

use super::{Decision, Space, When};

/// What becomes of a decision.
enum Part {
    /// It is this one of the part, and its values are these of that.
    Decision(usize, Vec<Option<u8>>),
    /// It has this value alone, where it is made.
    Fixed(u8, Option<When>),
    /// It is never made.
    Gone,
}

impl Space {
    /// The part of it with those values that `keeps`, told the numbers of decision and value, says yes to. A decision of one value is none
    /// any more: what hangs on it hangs on what it hung on. One that has no values left, or hangs on such values, is gone.
    pub(super) fn narrowed(&self, keeps: impl Fn(usize, usize) -> bool) -> Self {
        let mut part = Self::new(self.name.clone(), Vec::new());
        let mut parts: Vec<Part> = Vec::with_capacity(self.decisions.len());
        for (nth, decision) in self.decisions.iter().enumerate() {
            let kept: Vec<u8> = (0..decision.values.len()).filter(|&at| keeps(nth, at)).map(|at| at as u8).collect();
            let becomes = match (condition(decision.when.as_ref(), &parts), &kept[..]) {
                (None, _) | (_, []) => Part::Gone,
                (Some(when), &[value]) => {
                    part.fixed.push(with(decision, &kept, when.clone()));
                    Part::Fixed(value, when)
                }
                (Some(when), _) => {
                    let number = |at| kept.iter().position(|&kept| kept == at).map(|number| number as u8);
                    let numbers = (0..decision.values.len()).map(|at| number(at as u8)).collect();
                    part.decisions.push(with(decision, &kept, when));
                    Part::Decision(part.decisions.len() - 1, numbers)
                }
            };
            parts.push(becomes);
        }
        let fixed =
            |fixed: &Decision| Some(Decision { when: condition(fixed.when.as_ref(), &parts)?, ..fixed.clone() });
        part.fixed.splice(..0, self.fixed.iter().filter_map(fixed).collect::<Vec<_>>());
        part
    }
}

/// The decision with the values `kept`.
fn with(decision: &Decision, kept: &[u8], when: Option<When>) -> Decision {
    let values = kept.iter().map(|&at| decision.values[usize::from(at)].clone()).collect();
    Decision { values, when, ..decision.clone() }
}

/// The condition as the part has it; none if it never holds.
fn condition(when: Option<&When>, parts: &[Part]) -> Option<Option<When>> {
    let Some(When { decision, choices }) = when else { return Some(None) };
    match &parts[*decision] {
        Part::Decision(decision, numbers) => {
            let choices: Vec<u8> = choices.iter().filter_map(|&choice| numbers[usize::from(choice)]).collect();
            (!choices.is_empty()).then_some(Some(When { decision: *decision, choices }))
        }
        Part::Fixed(value, when) => choices.contains(value).then(|| when.clone()),
        Part::Gone => None,
    }
}
