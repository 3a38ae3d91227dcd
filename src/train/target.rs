//! From labels to targets: which loss they call for, what the classes are, where the intercept begins.

use crate::data::Labels;
use crate::error::{Error, Result};
use crate::model::configuration::{LossKind, Target};
use crate::model::linear::Constant;

use super::corpus::LabelMap;

/// What the labels of all data files together say.
#[derive(Debug)]
pub(super) struct LabelFacts {
    /// What a label means.
    pub(super) target: Target,
    /// What is minimised.
    pub(super) loss: LossKind,
    /// The best constant prediction.
    pub(super) constant: Constant,
    /// How many different labels there are, if few.
    pub(super) classes: Option<usize>,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

/// Reads the facts off the labels of all files, each with its number of rows; `wanted` is the loss the user asked for, `old` what labels
/// mean to the model that is resumed.
///
/// # Errors
/// [`Error::Data`] where labels and loss, or labels and model, do not go together.
pub(super) fn learn(
    labels: &[(&Labels, u64)],
    wanted: Option<LossKind>,
    old: Option<&Target>,
    data: &str,
) -> Result<LabelFacts> {
    let in_words = !labels[0].0.names.is_empty();
    if labels.iter().any(|(file, _)| file.names.is_empty() == in_words) {
        return Err(Error::data(data, "some files have words as labels and others numbers"));
    }
    let wrong = |what: String| Err(Error::data(data, what));
    let classes = classes(labels);
    let how_many = classes.as_ref().map(Vec::len);
    match (old, wanted, &classes) {
        (Some(Target::Classes { negative, positive, words }), ..) => {
            let known = |name: &String| name == negative || name == positive;
            match classes.as_ref().filter(|classes| *words == in_words && classes.iter().all(|(name, _)| known(name))) {
                None => {
                    wrong(format!("has other labels than {negative} and {positive}, which the model was trained on"))
                }
                Some(classes) => {
                    let count = |wanted: &String| {
                        classes.iter().find(|(name, _)| name == wanted).map_or(0, |&(_, count)| count)
                    };
                    let two = [(negative.clone(), count(negative)), (positive.clone(), count(positive))];
                    Ok(of_two(two, wanted, in_words, how_many))
                }
            }
        }
        (_, Some(LossKind::Squared), _) if in_words => {
            wrong("the labels are words; --loss squared needs numbers".into())
        }
        (Some(Target::Number { exponent }), ..) if !in_words => Ok(numbers(labels, how_many, Some(*exponent))),
        (_, Some(LossKind::Squared), _) => Ok(numbers(labels, how_many, None)),
        (_, _, Some(classes)) if classes.len() <= 2 => Ok(two_classes(classes, wanted, in_words)),
        (_, Some(loss), _) => wrong(format!(
            "has {}; --loss {} needs two classes{}",
            different(how_many),
            loss.name(),
            if in_words { "" } else { " (--loss squared learns them as numbers)" }
        )),
        _ if in_words => {
            let many = how_many.map_or("more than 1024".to_owned(), |classes| classes.to_string());
            wrong(format!("has {many} classes; linear models learn two classes or numbers so far"))
        }
        _ => {
            let notice = format!("the data has {}: learning them as numbers (--loss squared)", different(how_many));
            let facts = numbers(labels, how_many, None);
            Ok(LabelFacts { notices: [vec![notice], facts.notices].concat(), ..facts })
        }
    }
}

/// The two classes where labels are words, the negative one first.
pub(super) fn names(target: &Target) -> Vec<String> {
    match target {
        Target::Classes { negative, positive, words: true } => vec![negative.clone(), positive.clone()],
        _ => Vec::new(),
    }
}

/// Whether a label, as data read with [`names`] gives it, means something to the model.
pub(super) fn is_known(target: &Target, label: f32) -> bool {
    let is = |name: &String| name.parse() == Ok(label);
    match target {
        Target::Classes { negative, positive, words: false } => is(negative) || is(positive),
        _ => !label.is_nan(),
    }
}

/// The mapping from labels of data read with [`names`] to targets.
pub(super) fn map_known(target: &Target) -> LabelMap {
    match target {
        Target::Number { exponent } => LabelMap::Times(power(-exponent)),
        Target::Classes { words: true, .. } => LabelMap::Positive(1.0),
        Target::Classes { positive, .. } => LabelMap::Positive(positive.parse().unwrap_or(f32::NAN)),
    }
}

/// The mapping from the labels of one file to targets.
pub(super) fn map(labels: &Labels, target: &Target) -> LabelMap {
    match target {
        Target::Classes { positive, words: true, .. } => {
            // A file without a row of the positive class has no label for it.
            let at = labels.names.iter().position(|name| name == positive);
            LabelMap::Positive(at.map_or(f32::NAN, |at| at as f32))
        }
        other => map_known(other),
    }
}

/// 2^exponent.
pub(super) fn power(exponent: i32) -> f32 {
    2.0f32.powi(exponent.clamp(-126, 127))
}

/// Each class and its count, the smaller (by number or by alphabet) first; none where labels are too many to be classes.
fn classes(labels: &[(&Labels, u64)]) -> Option<Vec<(String, u64)>> {
    let mut all: Vec<(f32, String, u64)> = Vec::new();
    for (labels, _) in labels {
        for &(label, count, _) in labels.distinct.as_ref()? {
            let name = labels.names.get(label as usize).filter(|_| !labels.names.is_empty());
            let name = name.cloned().unwrap_or_else(|| label.to_string());
            match all.iter_mut().find(|(_, known, _)| *known == name) {
                Some((_, _, total)) => *total += count,
                None => all.push((label, name, count)),
            }
        }
    }
    if labels[0].0.names.is_empty() {
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
    } else {
        all.sort_by(|a, b| a.1.cmp(&b.1));
    }
    Some(all.into_iter().map(|(_, name, count)| (name, count)).collect())
}

fn different(classes: Option<usize>) -> String {
    classes.map_or("more than 1024 different labels".to_owned(), |classes| format!("{classes} different labels"))
}

fn two_classes(classes: &[(String, u64)], wanted: Option<LossKind>, words: bool) -> LabelFacts {
    if let [negative, positive] = classes {
        return of_two([negative.clone(), positive.clone()], wanted, words, Some(2));
    }
    let (name, count) = classes.first().cloned().unwrap_or_default();
    let notice = format!("every row has the label {name}: there is nothing to tell apart");
    let is_positive = words || name.parse::<f32>().is_ok_and(|label| label > 0.0);
    let other = (if name == "0" || name == "-1" { "1" } else { "0" }.to_owned(), 0);
    let two = if is_positive { [other, (name, count)] } else { [(name, count), other] };
    LabelFacts { notices: vec![notice], ..of_two(two, wanted, words, Some(1)) }
}

fn of_two(
    [negative, positive]: [(String, u64); 2],
    wanted: Option<LossKind>,
    words: bool,
    classes: Option<usize>,
) -> LabelFacts {
    // Half a row of each class keeps the odds finite.
    let (n, p) = (negative.1 as f64 + 0.5, positive.1 as f64 + 0.5);
    let loss = wanted.unwrap_or(LossKind::Logistic);
    let share = p / (n + p);
    let (margin, loss_per_row) = match loss {
        LossKind::Hinge => (if p > n { 1.0 } else { -1.0 }, 2.0 * share.min(1.0 - share)),
        _ => ((p / n).ln(), -share * share.ln() - (1.0 - share) * (1.0 - share).ln()),
    };
    LabelFacts {
        target: Target::Classes { negative: negative.0, positive: positive.0, words },
        loss,
        constant: Constant { margin: margin as f32, loss: loss_per_row },
        classes,
        notices: Vec::new(),
    }
}

/// `unit` is the exponent of a model that is resumed.
fn numbers(labels: &[(&Labels, u64)], classes: Option<usize>, unit: Option<i32>) -> LabelFacts {
    let mut notices = Vec::new();
    let total: f64 = labels.iter().map(|&(_, rows)| rows as f64).sum();
    let mean = labels.iter().map(|&(labels, rows)| rows as f64 * labels.mean).sum::<f64>() / total;
    let squares = |labels: &Labels| labels.deviation.powi(2) + (labels.mean - mean).powi(2);
    let variance = labels.iter().map(|&(labels, rows)| rows as f64 * squares(labels)).sum::<f64>() / total;
    let deviation = variance.sqrt();
    if deviation == 0.0 {
        notices.push(format!("every row has the label {mean}: there is nothing to learn"));
    }
    let nearest = if deviation > 0.0 { deviation.log2().round().clamp(-100.0, 100.0) as i32 } else { 0 };
    let exponent = unit.unwrap_or(nearest);
    let unit = f64::from(power(exponent));
    LabelFacts {
        target: Target::Number { exponent },
        loss: LossKind::Squared,
        constant: Constant { margin: (mean / unit) as f32, loss: 0.5 * (deviation / unit).powi(2) },
        classes,
        notices,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(distinct: &[(f32, u64)]) -> Labels {
        let n: u64 = distinct.iter().map(|&(_, count)| count).sum();
        let mean = distinct.iter().map(|&(label, count)| f64::from(label) * count as f64).sum::<f64>() / n as f64;
        let variance =
            distinct.iter().map(|&(label, c)| (f64::from(label) - mean).powi(2) * c as f64).sum::<f64>() / n as f64;
        Labels {
            names: Vec::new(),
            distinct: Some(distinct.iter().map(|&(label, count)| (label, count, count as f64)).collect()),
            least: distinct[0].0,
            most: distinct[distinct.len() - 1].0,
            weight: n as f64,
            mean,
            deviation: variance.sqrt(),
            missing: 0,
            whole: true,
            rounded: None,
        }
    }

    #[test]
    fn two_numbers_are_classes_the_larger_one_positive() {
        for (low, high) in [(-1.0, 1.0), (0.0, 1.0), (1.0, 2.0)] {
            let labels = numeric(&[(low, 300), (high, 100)]);
            let facts = learn(&[(&labels, 15)], None, None, "x").unwrap();
            assert_eq!(facts.loss, LossKind::Logistic);
            assert!(
                (facts.constant.margin - (1.0f32 / 3.0).ln()).abs() < 1e-2
                    && (facts.constant.loss - 0.5623).abs() < 1e-3
            );
            let LabelMap::Positive(label) = map(&labels, &facts.target) else { panic!("not classes") };
            assert_eq!(label, high);
        }
    }

    #[test]
    fn one_class_is_learned_with_a_warning() {
        let facts = learn(&[(&numeric(&[(1.0, 10)]), 10)], None, None, "x").unwrap();
        let expected = Target::Classes { negative: "0".into(), positive: "1".into(), words: false };
        assert_eq!((facts.target, facts.notices.len()), (expected, 1));
        assert!(facts.constant.margin.is_finite() && facts.constant.margin > 0.0);
    }

    #[test]
    fn many_numbers_are_learned_as_numbers_in_units_near_their_spread() {
        let labels = numeric(&[(1000.0, 5), (3000.0, 5), (5000.0, 5)]);
        let facts = learn(&[(&labels, 15)], None, None, "x").unwrap();
        assert_eq!((facts.loss, &facts.target), (LossKind::Squared, &Target::Number { exponent: 11 }));
        assert!((facts.constant.margin - 3000.0 / 2048.0).abs() < 1e-6);
        assert!(
            learn(&[(&labels, 15)], Some(LossKind::Logistic), None, "x")
                .unwrap_err()
                .to_string()
                .contains("3 different labels")
        );
    }

    #[test]
    fn a_model_that_is_resumed_keeps_its_classes() {
        let model = Target::Classes { negative: "-1".into(), positive: "1".into(), words: false };
        let one = numeric(&[(1.0, 10)]);
        let facts = learn(&[(&one, 10)], None, Some(&model), "x").unwrap();
        assert_eq!((&facts.target, facts.notices.len()), (&model, 0));
        let other = numeric(&[(1.0, 10), (2.0, 10)]);
        assert!(learn(&[(&other, 20)], None, Some(&model), "x").unwrap_err().to_string().contains("other labels"));
    }

    #[test]
    fn words_of_several_files_are_one_set_of_classes() {
        let words =
            |names: [&str; 2]| Labels { names: names.map(str::to_owned).to_vec(), ..numeric(&[(0.0, 5), (1.0, 5)]) };
        let (a, b) = (words(["yes", "no"]), words(["no", "yes"]));
        let facts = learn(&[(&a, 10), (&b, 10)], None, None, "x").unwrap();
        assert_eq!(facts.target, Target::Classes { negative: "no".into(), positive: "yes".into(), words: true });
        for (labels, yes) in [(&a, 0.0), (&b, 1.0)] {
            assert!(matches!(map(labels, &facts.target), LabelMap::Positive(label) if label == yes));
        }
    }
}
