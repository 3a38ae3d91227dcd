//! Merges of a private copy into shared words, against f64.

use hogback_kernels::{Backend, MergeRule};

use crate::ground::{Rng, Words, bits, close, lengths};

const FLOOR: f32 = 1e-3;

/// A bound on the error of `master + (mine - base)`, three roundings, where the terms are of this size; 2⁻²¹.
const BOUND: f64 = 4.8e-7;

/// What `mine - base` makes of `master`, pair by pair where `scaled`.
fn merged(master: &[f32], mine: &[f32], base: &[f32], scaled: bool) -> Vec<f64> {
    let at = |values: &[f32], i: usize| f64::from(values[i]);
    let sum = |i: usize| at(master, i) + at(mine, i) - at(base, i);
    (0..master.len())
        .map(|i| {
            if scaled && i % 2 == 0 {
                let floor = f64::from(FLOOR);
                let scale = ((floor + at(mine, i + 1)) / (floor + sum(i + 1))).sqrt();
                at(master, i) + scale * (at(mine, i) - at(base, i))
            } else {
                sum(i)
            }
        })
        .collect()
}

/// Pairs [w, n] as one child left them, another (the master) did, and both had begun with.
fn stretches(rng: &mut Rng, len: usize) -> [Vec<f32>; 3] {
    let base: Vec<f32> =
        (0..len).map(|i| if i % 2 == 0 { rng.within(-1.0, 1.0) } else { rng.within(0.0, 2.0) }).collect();
    let moved = |rng: &mut Rng| {
        base.iter().enumerate().map(|(i, x)| x + rng.within(if i % 2 == 0 { -0.1 } else { 0.0 }, 0.1)).collect()
    };
    [moved(rng), moved(rng), base]
}

#[test]
fn a_merge_is_the_sum_or_the_scaled_sum_and_all_three_agree_after_it() {
    let mut rng = Rng(4);
    for (backend, scaled) in Backend::all().flat_map(|backend| [(backend, false), (backend, true)]) {
        let rule = if scaled { MergeRule::Scaled { floor: FLOOR } } else { MergeRule::Sum };
        for len in lengths().filter(|len| !scaled || len.is_multiple_of(2)) {
            for offset in 0..4 {
                let [master, mine, base] = stretches(&mut rng, len);
                let want = merged(&master, &mine, &base, scaled);
                let words = [(&master, 0), (&mine, 1), (&base, 3)].map(|(from, by)| Words::new(from, offset + by));
                backend.merge(words[0].cells(), words[1].cells(), words[2].cells(), rule);
                let [master, mine, base] = words.map(|words| words.values());
                for (i, (&got, &want)) in master.iter().zip(&want).enumerate() {
                    close(got, want, BOUND * (1.0 + want.abs()), || {
                        format!("{} {rule:?} {i} of {len}", backend.name())
                    });
                }
                assert_eq!(bits(&mine), bits(&master), "{} {rule:?} len {len}", backend.name());
                assert_eq!(bits(&base), bits(&master), "{} {rule:?} len {len}", backend.name());
            }
        }
    }
}

#[test]
fn a_child_alone_merges_what_it_has_and_one_that_changed_nothing_changes_nothing() {
    let mut rng = Rng(5);
    for (backend, len) in Backend::all().flat_map(|backend| [2, 14, 16, 18, 70].map(|len| (backend, len))) {
        let [changed, mine, base] = stretches(&mut rng, len);
        for rule in [MergeRule::Sum, MergeRule::Scaled { floor: FLOOR }] {
            let [theirs, own, before] = [&base, &mine, &base].map(|values| Words::new(values, 0));
            backend.merge(theirs.cells(), own.cells(), before.cells(), rule);
            for (&got, &want) in theirs.values().iter().zip(&mine) {
                close(got, want.into(), BOUND * 2.0, || format!("{} {rule:?} alone, len {len}", backend.name()));
            }
            let [theirs, own, before] = [&changed, &base, &base].map(|values| Words::new(values, 0));
            backend.merge(theirs.cells(), own.cells(), before.cells(), rule);
            assert_eq!(bits(&own.values()), bits(&changed), "{} {rule:?} idle, len {len}", backend.name());
        }
    }
}
