//! Strategies under trial.
use hogback::search::space::Space;
use hogback::search::strategy::Strategy;

pub fn named<'s>(_kind: &str, _numbers: &[f64], _space: &'s Space) -> Option<Box<dyn Strategy + 's>> {
    None
}
