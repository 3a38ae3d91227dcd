//! The classes that labels are, and what their rows weigh.
//!
//! What flows in: what is known of the labels of each file. What flows out: the classes in their order, and factors of weights by
//! class.

use super::ClassWeights;
use crate::data::Labels;
use crate::error::{Error, Result};

/// Whole numbers are classes by themselves where there are no more different ones than this …
const FEW: usize = 100;
/// … and at least as many rows of each, on average.
const ROWS_OF_EACH: u64 = 10;

/// A class of the data: its name and the weights of its rows together.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) weight: f64,
}

/// The classes, by number or by alphabet; none where labels are too many to be classes.
pub(super) fn classes(labels: &[(&Labels, u64)]) -> Option<Vec<Class>> {
    let mut all: Vec<(f32, Class)> = Vec::new();
    for (labels, _) in labels {
        for &(label, rows, weight) in labels.distinct.as_ref()? {
            let name = labels.names.get(label as usize).filter(|_| !labels.names.is_empty());
            let name = name.cloned().unwrap_or_else(|| label.to_string());
            match all.iter_mut().find(|(_, known)| known.name == name) {
                Some((_, known)) => {
                    known.rows += rows;
                    known.weight += weight;
                }
                None => all.push((label, Class { name, rows, weight })),
            }
        }
    }
    if labels[0].0.names.is_empty() {
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
    } else {
        all.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    }
    Some(all.into_iter().map(|(_, class)| class).collect())
}

/// The model's classes with what the data has of them; a class of the data that the model has not, or nothing where it is not
/// to be named.
pub(super) fn of_model(
    names: &[String],
    same_kind: bool,
    found: Option<Vec<Class>>,
) -> Result<Vec<Class>, Option<String>> {
    let found = found.filter(|_| same_kind).ok_or(None)?;
    if let Some(odd) = found.iter().find(|class| !names.contains(&class.name)) {
        return Err(Some(odd.name.clone()));
    }
    let class = |name: &String| {
        let here = found.iter().find(|class| class.name == *name).cloned();
        here.unwrap_or_else(|| Class { name: name.clone(), rows: 0, weight: 0.0 })
    };
    Ok(names.iter().map(class).collect())
}

/// Whole numbers, few of them, and rows enough of each: codes of classes rather than quantities.
pub(super) fn look_like_classes(labels: &[(&Labels, u64)], classes: &[Class]) -> bool {
    let whole = |(labels, _): &(&Labels, u64)| labels.distinct.iter().flatten().all(|(label, ..)| label.fract() == 0.0);
    let rows: u64 = classes.iter().map(|class| class.rows).sum();
    classes.len() <= FEW && labels.iter().all(whole) && rows >= ROWS_OF_EACH * classes.len() as u64
}

/// By class, what `wanted` says.
pub(super) fn weights_of(wanted: &ClassWeights, classes: &[Class]) -> Result<Vec<f32>> {
    match wanted {
        ClassWeights::Balanced => {
            let present = || classes.iter().map(|class| class.weight).filter(|&weight| weight > 0.0);
            let mean = present().sum::<f64>() / present().count().max(1) as f64;
            let weight = |class: &Class| if class.weight > 0.0 { (mean / class.weight) as f32 } else { 1.0 };
            Ok(classes.iter().map(weight).collect())
        }
        ClassWeights::Named(named) => {
            let mut weights = vec![1.0; classes.len()];
            for (name, weight) in named {
                let number = |name: &str| name.parse::<f32>().ok();
                let same = |class: &Class| {
                    class.name == *name || number(name).is_some_and(|label| number(&class.name) == Some(label))
                };
                let at = classes.iter().position(same).ok_or_else(|| {
                    let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
                    Error::Usage(format!("--class-weight {name}: there is no such class; there are {}", list(&names)))
                })?;
                weights[at] = *weight;
            }
            Ok(weights)
        }
    }
}

/// Names for a message, the first of them where they are many.
pub(super) fn list(names: &[String]) -> String {
    const MOST: usize = 12;
    match names.len() {
        2 => format!("{} and {}", names[0], names[1]),
        n if n <= MOST => names.join(", "),
        n => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
    }
}
