//! From labels to targets: which loss they call for, and what each of them is to it.
//!
//! What flows in: what is known of the labels of each file, and what was said of the loss. What flows out: [`LabelFacts`]; by its
//! target, the map from labels to targets.

use super::Settings;
use super::classes::{Class, classes, list, look_like_classes, of_model, weights_of};
use super::constant::{self, Moments};
use super::corpus::LabelMap;
use super::scale::power;
use crate::data::{DataFile, Labels};
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, LossKind, Target};
use crate::model::tally::Constant;

/// What the labels of all data files together say.
#[derive(Debug)]
pub(super) struct LabelFacts {
    /// What a label means.
    pub(super) target: Target,
    /// What is minimised.
    pub(super) loss: LossKind,
    /// By class, what the weights of its rows are multiplied with; empty for 1.
    pub(super) class_weights: Vec<f32>,
    /// The mean weight of the rows, that of their classes included; above 0.
    pub(super) mean_weight: f64,
    /// The best constant prediction.
    pub(super) constant: Constant,
    /// How many different labels there are, if few.
    pub(super) classes: Option<usize>,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

impl LabelFacts {
    /// How many outputs a model of these labels has.
    pub(super) fn outputs(&self) -> usize {
        self.constant.margins.len()
    }
}

/// What the labels of the data mean: by themselves, or to the model that is resumed, `old`.
///
/// # Errors
/// [`Error::Data`] where labels and loss, or labels and model, do not go together; [`Error::Line`] for a class that is not exact;
/// [`Error::Usage`] for weights of classes there are not.
pub(super) fn of_files(settings: &Settings, files: &[DataFile], old: Option<&Configuration>) -> Result<LabelFacts> {
    let labels: Vec<_> = files.iter().map(|file| (file.labels(), file.rows())).collect();
    let facts = learn(&labels, settings, old, &files[0].name())?;
    // As numbers they may be rounded, but two classes must not become one.
    let rounded = files.iter().find_map(|file| Some((file, file.labels().rounded.as_ref()?)));
    match (&facts.target, rounded) {
        (Target::Classes { .. }, Some((file, (line, label)))) => {
            let what = format!(
                "the label {label} is a class, but not exact in 32 bits: number the classes within ±16777216, or learn \
                 numbers (--loss squared)"
            );
            Err(Error::Line { path: file.name().into(), line: *line, what })
        }
        _ => Ok(facts),
    }
}

/// Reads the facts off the labels of all files, each with its number of rows; `old` is the model that is resumed.
fn learn(
    labels: &[(&Labels, u64)],
    settings: &Settings,
    old: Option<&Configuration>,
    data: &str,
) -> Result<LabelFacts> {
    let in_words = !labels[0].0.names.is_empty();
    if labels.iter().any(|(file, _)| file.names.is_empty() == in_words) {
        return Err(Error::data(data, "some files have words as labels and others numbers"));
    }
    let wrong = |what: String| Err(Error::data(data, what));
    let found = classes(labels);
    let wanted = settings.loss.or(old.map(|old| old.loss));
    let facts = match (old.map(|old| &old.target), wanted) {
        (Some(Target::Classes { names, words }), Some(loss)) => match of_model(names, *words == in_words, found) {
            Ok(classes) => of_classes(classes, loss, in_words, settings, old)?,
            Err(Some(odd)) => {
                return wrong(format!(
                    "has rows of class {odd}, which the model was not trained on: it knows {}",
                    list(names)
                ));
            }
            Err(None) => {
                return wrong(format!("has other labels than {}, which the model was trained on", list(names)));
            }
        },
        (_, Some(loss)) if loss.is_of_numbers() => {
            if in_words {
                return wrong(format!("the labels are words; --loss {} needs numbers", loss.name()));
            }
            let least = labels.iter().map(|(labels, _)| labels.least).fold(f32::MAX, f32::min);
            if loss == LossKind::Poisson && least < 0.0 {
                return wrong(format!("has a label of {least}; --loss poisson needs counts, which are not below 0"));
            }
            of_numbers(labels, loss, settings, old)
        }
        (_, Some(loss @ (LossKind::Softmax | LossKind::Hinge))) => match found {
            Some(classes) => of_classes(classes, loss, in_words, settings, old)?,
            None => return wrong(format!("has {}, too many to be classes", different(None))),
        },
        (_, Some(loss)) => match found {
            Some(classes) if classes.len() <= 2 => of_classes(classes, loss, in_words, settings, old)?,
            found => {
                let found = different(found.as_ref().map(Vec::len));
                let advice = if in_words { "" } else { ", --loss squared learns them as numbers" };
                return wrong(format!(
                    "has {found}; --loss {} needs two classes (--loss softmax learns several{advice})",
                    loss.name()
                ));
            }
        },
        (_, None) => match found {
            Some(classes) if classes.len() <= 2 => of_classes(classes, LossKind::Logistic, in_words, settings, old)?,
            Some(classes) if in_words => of_classes(classes, LossKind::Softmax, in_words, settings, old)?,
            Some(classes) if look_like_classes(labels, &classes) => {
                let notice = format!(
                    "note: the labels are {} whole numbers: learned as classes (--loss squared learns them as numbers)",
                    classes.len()
                );
                let facts = of_classes(classes, LossKind::Softmax, in_words, settings, old)?;
                LabelFacts { notices: [vec![notice], facts.notices].concat(), ..facts }
            }
            found if !in_words => {
                let different = different(found.as_ref().map(Vec::len));
                let notice = format!("note: the data has {different}: learning them as numbers (--loss squared)");
                let facts = of_numbers(labels, LossKind::Squared, settings, old);
                LabelFacts { notices: [vec![notice], facts.notices].concat(), ..facts }
            }
            _ => return wrong(format!("has {}, too many to be classes", different(None))),
        },
    };
    if facts.mean_weight <= 0.0 {
        return wrong("has no row that weighs anything: every importance, or the weight of its class, is 0".to_owned());
    }
    if matches!(facts.target, Target::Number { .. }) && settings.class_weights.is_some() {
        return Err(no_classes(facts.loss));
    }
    Ok(facts)
}

/// What is said to weights of classes where there are none.
pub(super) fn no_classes(loss: LossKind) -> Error {
    Error::Usage(format!("--class-weight is for classes, and --loss {} learns numbers", loss.name()))
}

/// The names of the classes where labels are words.
pub(super) fn names(target: &Target) -> Vec<String> {
    match target {
        Target::Classes { names, words: true } => names.clone(),
        _ => Vec::new(),
    }
}

/// The mapping from labels of data read with [`names`] to the targets of `outputs` outputs.
pub(super) fn map_known(target: &Target, outputs: usize) -> LabelMap {
    match target {
        Target::Number { exponent } => LabelMap::Times(power(-exponent)),
        Target::Classes { names, words } => {
            let number = |(at, name): (usize, &String)| {
                let label = if *words { Some(at as f32) } else { name.parse().ok() };
                (label.unwrap_or(f32::NAN), at)
            };
            LabelMap::classes(names.iter().enumerate().map(number), outputs)
        }
    }
}

/// The mapping from the labels of one file to the targets of `outputs` outputs.
pub(super) fn map(labels: &Labels, target: &Target, outputs: usize) -> LabelMap {
    match target {
        Target::Classes { names, words: true } => {
            let class = |name: &String| names.iter().position(|known| known == name);
            let here = labels.names.iter().enumerate();
            LabelMap::classes(here.filter_map(|(at, name)| Some((at as f32, class(name)?))), outputs)
        }
        other => map_known(other, outputs),
    }
}

fn different(classes: Option<usize>) -> String {
    classes.map_or("more than 1024 different labels".to_owned(), |classes| format!("{classes} different labels"))
}

/// Facts of labels that are classes.
fn of_classes(
    mut classes: Vec<Class>,
    loss: LossKind,
    words: bool,
    settings: &Settings,
    old: Option<&Configuration>,
) -> Result<LabelFacts> {
    let how_many = classes.iter().filter(|class| class.rows > 0 || old.is_some()).count();
    let mut notices = Vec::new();
    if let [only] = &classes[..] {
        notices.push(format!("warning: every row has the label {}: there is nothing to tell apart", only.name));
        let is_positive = words || only.name.parse::<f32>().is_ok_and(|label| label > 0.0);
        let name = match &*only.name {
            only if words => format!("not {only}"),
            "0" | "-1" => "1".to_owned(),
            _ => "0".to_owned(),
        };
        classes.insert(if is_positive { 0 } else { 1 }, Class { name, rows: 0, weight: 0.0 });
    }
    let class_weights = match &settings.class_weights {
        Some(wanted) => weights_of(wanted, &classes)?,
        None => old.map(|old| old.class_weights.clone()).unwrap_or_default(),
    };
    let factor = |at: usize| class_weights.get(at).map_or(1.0, |&weight| f64::from(weight));
    let weighed: Vec<f64> = classes.iter().enumerate().map(|(at, class)| factor(at) * class.weight).collect();
    let rows: u64 = classes.iter().map(|class| class.rows).sum();
    let mean_weight = weighed.iter().sum::<f64>() / rows.max(1) as f64;
    // Half a row of each class keeps the odds finite.
    let shares: Vec<f64> = {
        let some: Vec<f64> = weighed.iter().map(|weight| weight + 0.5 * mean_weight).collect();
        let total: f64 = some.iter().sum();
        some.iter().map(|weight| weight / total).collect()
    };
    let names = classes.into_iter().map(|class| class.name).collect();
    Ok(LabelFacts {
        target: Target::Classes { names, words },
        loss,
        class_weights,
        mean_weight,
        constant: constant::of_classes(loss, &shares),
        classes: Some(how_many),
        notices,
    })
}

/// Facts of labels that are numbers.
fn of_numbers(
    labels: &[(&Labels, u64)],
    loss: LossKind,
    settings: &Settings,
    old: Option<&Configuration>,
) -> LabelFacts {
    let mut notices = Vec::new();
    let moments = Moments::of(labels);
    let Moments { mean, deviation, .. } = moments;
    if deviation == 0.0 {
        notices.push(format!("warning: every row has the label {mean}: there is nothing to learn"));
    }
    // Counts are learned in units of their mean, for that is their curvature; other numbers in units of their spread.
    let size = if loss == LossKind::Poisson { mean } else { deviation };
    let nearest = if size > 0.0 { size.log2().round().clamp(-100.0, 100.0) as i32 } else { 0 };
    let exponent = match old.map(|old| &old.target) {
        Some(Target::Number { exponent }) => *exponent,
        _ => nearest,
    };
    let unit = f64::from(power(exponent));
    let quantile = settings.quantile.or(old.map(|old| old.quantile)).unwrap_or(0.5);
    let distinct = labels.iter().map(|(labels, _)| labels.distinct.as_ref().map(Vec::len));
    let rows: u64 = labels.iter().map(|(labels, rows)| rows - labels.missing).sum();
    LabelFacts {
        target: Target::Number { exponent },
        loss,
        class_weights: Vec::new(),
        mean_weight: moments.weight / rows.max(1) as f64,
        constant: constant::of_numbers(loss, quantile, labels, moments, unit),
        classes: distinct.max().flatten().filter(|_| classes(labels).is_some()),
        notices,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ClassWeights;
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

    fn facts(labels: &[&Labels], loss: Option<LossKind>) -> Result<LabelFacts> {
        let labels: Vec<_> = labels.iter().map(|&labels| (labels, labels.weight as u64)).collect();
        learn(&labels, &Settings { loss, ..Settings::default() }, None, "x")
    }

    fn classes(names: &[&str], words: bool) -> Target {
        Target::Classes { names: names.iter().map(|&name| name.to_owned()).collect(), words }
    }

    #[test]
    fn two_numbers_are_classes_the_larger_one_positive() {
        for (low, high) in [(-1.0, 1.0), (0.0, 1.0), (1.0, 2.0)] {
            let labels = numeric(&[(low, 300), (high, 100)]);
            let facts = facts(&[&labels], None).unwrap();
            assert_eq!(facts.loss, LossKind::Logistic);
            let near = |a: f32, b: f32| (a - b).abs() < 1e-2;
            assert!(near(facts.constant.margins[0], (1.0f32 / 3.0).ln()) && near(facts.constant.loss as f32, 0.5623));
            let map = map(&labels, &facts.target, 1);
            assert_eq!([low, high].map(|label| map.target(label)), [-1.0, 1.0]);
        }
    }

    #[test]
    fn one_class_is_learned_with_a_warning() {
        let facts = facts(&[&numeric(&[(1.0, 10)])], None).unwrap();
        assert_eq!((facts.target, facts.notices.len(), facts.classes), (classes(&["0", "1"], false), 1, Some(1)));
        assert!(facts.constant.margins[0].is_finite() && facts.constant.margins[0] > 0.0);
    }

    #[test]
    fn many_numbers_are_learned_as_numbers_in_units_near_their_spread() {
        let labels = numeric(&[(1000.5, 5), (3000.5, 5), (5000.5, 5)]);
        let numbers = facts(&[&labels], None).unwrap();
        assert_eq!((numbers.loss, &numbers.target), (LossKind::Squared, &Target::Number { exponent: 11 }));
        assert!((numbers.constant.margins[0] - 3000.5 / 2048.0).abs() < 1e-6);
        let error = facts(&[&labels], Some(LossKind::Logistic)).unwrap_err().to_string();
        assert!(error.contains("3 different labels") && error.contains("--loss softmax"), "{error}");
    }

    #[test]
    fn few_whole_numbers_with_rows_enough_are_classes() {
        let few = numeric(&[(1.0, 50), (2.0, 30), (7.0, 20)]);
        let found = facts(&[&few], None).unwrap();
        assert_eq!((found.loss, &found.target), (LossKind::Softmax, &classes(&["1", "2", "7"], false)));
        assert!(found.notices[0].contains("3 whole numbers: learned as classes"), "{:?}", found.notices);
        let map = map(&few, &found.target, 3);
        assert_eq!([1.0, 2.0, 7.0].map(|label| map.target(label)), [0.0, 1.0, 2.0]);
        for other in [numeric(&[(1.0, 5), (2.0, 5), (7.0, 5)]), numeric(&[(1.0, 50), (2.5, 50), (7.0, 50)])] {
            assert_eq!(facts(&[&other], None).unwrap().loss, LossKind::Squared);
        }
    }

    #[test]
    fn counts_are_learned_in_units_near_their_mean_and_are_not_below_0() {
        let counts = facts(&[&numeric(&[(1.0, 600), (2.0, 300), (3.0, 100)])], Some(LossKind::Poisson)).unwrap();
        assert_eq!(counts.target, Target::Number { exponent: 1 });
        let below = facts(&[&numeric(&[(-1.0, 5), (2.0, 5)])], Some(LossKind::Poisson)).unwrap_err().to_string();
        assert!(below.contains("-1"), "{below}");
    }

    #[test]
    fn classes_weigh_what_is_asked() {
        let labels = numeric(&[(0.0, 300), (1.0, 100)]);
        let with = |class_weights| {
            let settings = Settings { class_weights: Some(class_weights), ..Settings::default() };
            learn(&[(&labels, 400)], &settings, None, "x")
        };
        let balanced = with(ClassWeights::Balanced).unwrap();
        assert_eq!(balanced.class_weights, [200.0 / 300.0, 2.0]);
        assert!(balanced.constant.margins[0].abs() < 1e-2);
        let named = with(ClassWeights::Named(vec![("1.0".into(), 5.0)])).unwrap();
        assert_eq!(named.class_weights, [1.0, 5.0]);
        let error = with(ClassWeights::Named(vec![("yes".into(), 5.0)])).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("there are 0 and 1"), "{error}");
    }

    #[test]
    fn words_of_several_files_are_one_set_of_classes() {
        let words = |names: &[&str]| {
            let counts: Vec<_> = (0..names.len()).map(|at| (at as f32, 5)).collect();
            Labels { names: names.iter().map(|&name| name.to_owned()).collect(), ..numeric(&counts) }
        };
        let (a, b) = (words(&["yes", "no"]), words(&["no", "yes"]));
        let two = facts(&[&a, &b], None).unwrap();
        assert_eq!(two.target, classes(&["no", "yes"], true));
        for labels in [&a, &b] {
            let map = map(labels, &two.target, 1);
            for (at, name) in labels.names.iter().enumerate() {
                assert_eq!(map.target(at as f32), if name == "yes" { 1.0 } else { -1.0 });
            }
        }
        let c = words(&["perhaps", "no"]);
        let three = facts(&[&a, &c], None).unwrap();
        assert_eq!((three.loss, &three.target), (LossKind::Softmax, &classes(&["no", "perhaps", "yes"], true)));
        assert_eq!([0.0, 1.0].map(|label| map(&c, &three.target, 3).target(label)), [1.0, 0.0]);
    }
}
