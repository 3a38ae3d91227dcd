//! [`KnownLabels`]: what a label of new data means to a model.

use super::configuration::{LossKind, Target};

/// The labels that mean something to a model. Labels are those of data that was read for it ([`crate::data::Known`]).
#[derive(Clone, Debug)]
pub enum KnownLabels {
    /// Any number that is not below this.
    Numbers(f32),
    /// Words: a label is the number of its class.
    Words,
    /// Classes that are numbers: each with its place among them; labels rise.
    Classes(Vec<(f32, usize)>),
}

impl KnownLabels {
    /// Those of a model with this target and loss.
    pub fn of(target: &Target, loss: LossKind) -> Self {
        match target {
            Target::Number { .. } if loss == LossKind::Poisson => Self::Numbers(0.0),
            Target::Number { .. } => Self::Numbers(f32::NEG_INFINITY),
            Target::Classes { words: true, .. } => Self::Words,
            Target::Classes { names, .. } => {
                let label = |(at, name): (usize, &String)| Some((name.parse().ok()?, at));
                let mut labels: Vec<(f32, usize)> = names.iter().enumerate().filter_map(label).collect();
                labels.sort_by(|a, b| a.0.total_cmp(&b.0));
                Self::Classes(labels)
            }
        }
    }

    /// The number of a label's class, or the label itself where labels are numbers; none where it is missing or means nothing.
    pub fn find(&self, label: f32) -> Option<f32> {
        match self {
            _ if label.is_nan() => None,
            Self::Numbers(least) => (label >= *least).then_some(label),
            Self::Words => Some(label),
            Self::Classes(labels) => {
                // Adding 0 makes -0 and 0 the same label.
                let at = labels.binary_search_by(|(known, _)| known.total_cmp(&(label + 0.0))).ok()?;
                Some(labels[at].1 as f32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_whatever_the_order_of_their_classes() {
        let names = ["10", "-1", "0"].map(str::to_owned).to_vec();
        let known = KnownLabels::of(&Target::Classes { names, words: false }, LossKind::Softmax);
        assert_eq!(
            [10.0, -1.0, -0.0, 0.5, f32::NAN].map(|label| known.find(label)),
            [Some(0.0), Some(1.0), Some(2.0), None, None]
        );
        let counts = KnownLabels::of(&Target::Number { exponent: 0 }, LossKind::Poisson);
        assert_eq!([3.5, 0.0, -1.0].map(|label| counts.find(label)), [Some(3.5), Some(0.0), None]);
        let numbers = KnownLabels::of(&Target::Number { exponent: 0 }, LossKind::Squared);
        assert_eq!(numbers.find(-1.0), Some(-1.0));
    }
}
