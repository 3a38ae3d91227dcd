//! What the values of flags may be, with a message for what they may not.

use std::time::Duration;

use crate::data::Input;
use crate::train::ClassWeights;

/// A DATA argument.
pub(super) fn input(text: &str) -> Result<Input, String> {
    Input::parse(text).map_err(|error| error.to_string())
}

/// A whole number.
pub(super) fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    within(text, 0)
}

/// A whole number above 0.
pub(super) fn count<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    within(text, 1)
}

fn within<T: TryFrom<u64>>(text: &str, least: u64) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|&number| number >= least);
    let number = number.ok_or_else(|| format!("must be a whole number, {least} or more"))?;
    T::try_from(number).map_err(|_| "is too large".to_owned())
}

/// A skip from a layer to a layer.
pub(super) fn skip(text: &str) -> Result<(usize, usize), String> {
    let skip = text.split_once('-').and_then(|(from, to)| Some((whole(from).ok()?, whole(to).ok()?)));
    skip.ok_or_else(|| "must be the numbers of two layers with - between, such as 0-2".to_owned())
}

/// A number above 0.
pub(super) fn positive(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a number above 0".to_owned()),
    }
}

/// A number that is not below 0.
pub(super) fn not_negative(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a number, 0 or more".to_owned()),
    }
}

/// A time in seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "must be a number of seconds above 0".to_owned())
}

/// A power that accuracies are raised to.
pub(super) fn power(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(power) if power > 0.0 && power <= 100.0 => Ok(power),
        _ => Err("must be a number above 0, up to 100".to_owned()),
    }
}

/// A share that leaves something when it is taken twice.
pub(super) fn inside_half(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 0.5 => Ok(share),
        _ => Err("must be a share of the rows between 0 and 0.5".to_owned()),
    }
}

/// An exponent of Zipf's law.
pub(super) fn exponent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(exponent) if (0.0..=10.0).contains(&exponent) => Ok(exponent),
        _ => Err("must be a number from 0 to 10".to_owned()),
    }
}

/// A share of the rows.
pub(super) fn share(text: &str) -> Result<f64, String> {
    share_of("rows", text)
}

/// A share of the units of a layer.
pub(super) fn share_of_units(text: &str) -> Result<f32, String> {
    // Below 1 as it will be used: a number just below it is not.
    share_of("units", text)
        .map(|share| share as f32)
        .and_then(|share| share_of("units", &share.to_string()).map(|_| share))
}

fn share_of(what: &str, text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err(format!("must be a share of the {what}: 0 or more, below 1")),
    }
}

/// A number between 0 and 1, neither of them.
pub(super) fn inside(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number > 0.0 && number < 1.0 => Ok(number),
        _ => Err("must be a number between 0 and 1".to_owned()),
    }
}

/// What the rows of classes weigh.
pub(super) fn class_weights(text: &str) -> Result<ClassWeights, String> {
    if text == "balanced" {
        return Ok(ClassWeights::Balanced);
    }
    let factor = |part: &str| {
        let (name, weight) = part.rsplit_once(':')?;
        Some((name.to_owned(), not_negative(weight).ok()?))
    };
    let factors: Option<Vec<_>> = text.split(',').map(factor).collect();
    let factors = factors.ok_or_else(|| "must be `balanced`, or NAME:FACTOR with commas between".to_owned())?;
    let twice =
        factors.iter().enumerate().find(|(at, (name, _))| factors[..*at].iter().any(|(other, _)| other == name));
    match twice {
        Some((_, (name, _))) => Err(format!("names the class {name} twice")),
        None => Ok(ClassWeights::Named(factors)),
    }
}
