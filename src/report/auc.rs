//! The area under the ROC curve, exact.

use rayon::slice::ParallelSliceMut;

/// The chance that a positive row scores above a negative one, ties counting half: the area under the ROC curve.
///
/// None where the rows are of one class only, or where a score is not a number. Takes 8 bytes a row and the rayon pool
/// it is called in.
///
/// # Panics
/// Where `scores` and `positive` differ in length.
pub fn auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "scores and labels differ in number");
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut rows: Vec<u64> = scores
        .iter()
        .zip(positive)
        .map(|(&score, &label)| u64::from(rank_bits(score)) << 1 | u64::from(label))
        .collect();
    rows.par_sort_unstable();

    // Twice the number of pairs a positive wins, so that half pairs are whole.
    let mut won: u128 = 0;
    let (mut positives, mut negatives) = (0, 0);
    for tied in rows.chunk_by(|a, b| a >> 1 == b >> 1) {
        let above = tied.iter().map(|row| row & 1).sum::<u64>();
        let below = tied.len() as u64 - above;
        won += u128::from(above) * u128::from(2 * negatives + below);
        positives += above;
        negatives += below;
    }
    let pairs = u128::from(positives) * u128::from(negatives);
    (pairs > 0).then(|| won as f64 / (2.0 * pairs as f64))
}

/// Bits that order as the scores do, both zeros being one.
fn rank_bits(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: every pair of a positive and a negative row, counted.
    fn counted(scores: &[f32], positive: &[bool]) -> Option<f64> {
        let of = |label| scores.iter().zip(positive).filter(move |row| *row.1 == label).map(|row| *row.0);
        let (mut won, mut pairs) = (0.0, 0.0);
        for p in of(true) {
            for n in of(false) {
                won += if p > n { 1.0 } else { f64::from(u8::from(p == n)) / 2.0 };
                pairs += 1.0;
            }
        }
        (pairs > 0.0).then(|| won / pairs)
    }

    /// Numbers that look random (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014).
    fn splitmix(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    #[test]
    fn it_is_the_count_of_pairs_with_many_ties_and_few() {
        let mut state = 7;
        for values in [1, 2, 5, 30, 1_000_000] {
            for rows in [2, 3, 50, 400] {
                let scores: Vec<f32> =
                    (0..rows).map(|_| (splitmix(&mut state) % values) as f32 - values as f32 / 2.0).collect();
                let positive: Vec<bool> = (0..rows).map(|_| splitmix(&mut state).is_multiple_of(3)).collect();
                assert_eq!(auc(&scores, &positive), counted(&scores, &positive), "{rows} rows of {values} values");
            }
        }
    }

    #[test]
    fn order_alone_counts() {
        let labels = [false, true, false, true];
        assert_eq!(auc(&[-2.0, 3.0, 0.5, 1.0], &labels), Some(1.0));
        assert_eq!(auc(&[3.0, -2.0, 1.0, 0.5], &labels), Some(0.0));
        assert_eq!(auc(&[0.0, -0.0, -0.0, 0.0], &labels), Some(0.5));
        assert_eq!(auc(&[f32::NEG_INFINITY, f32::INFINITY, f32::MIN, f32::MAX], &labels), Some(1.0));
        assert_eq!(auc(&[0.0, 1e-45, -1e-45, 1e-40], &labels), Some(1.0));
    }

    #[test]
    fn there_is_none_of_one_class_or_of_scores_that_are_no_numbers() {
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auc(&[1.0, 2.0], &[false, false]), None);
        assert_eq!(auc(&[1.0, f32::NAN], &[false, true]), None);
    }
}
