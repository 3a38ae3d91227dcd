//! Merges of a private copy into shared words, against f64.

use hogback_kernels::{Backend, Factors, Layout, MergeRule};

use crate::ground::{Rng, Words, bits, close, lengths};

const FLOOR: f32 = 1e-3;

/// A bound on the error of `master + (mine - base)`, three roundings, where the terms are of this size; 2⁻²¹.
const BOUND: f64 = 4.8e-7;

/// The strides of the rows that are merged by the scaled rule; 0 for the sum.
const STRIDES: [usize; 4] = [0, 1, 8, 16];

fn rule(stride: usize) -> MergeRule {
    if stride == 0 { MergeRule::Sum } else { MergeRule::Scaled { floor: FLOOR, layout: Layout::new(stride, 1) } }
}

/// True for the places of weights in rows of a stride of weights before a stride of slots.
fn is_weight(stride: usize, at: usize) -> bool {
    at % (2 * stride) < stride
}

/// What `mine - base` makes of `master`.
fn merged(master: &[f32], mine: &[f32], base: &[f32], stride: usize) -> Vec<f64> {
    let at = |values: &[f32], i: usize| f64::from(values[i]);
    let sum = |i: usize| at(master, i) + at(mine, i) - at(base, i);
    (0..master.len())
        .map(|i| {
            if stride > 0 && is_weight(stride, i) {
                let (floor, slot) = (f64::from(FLOOR), i + stride);
                let scale = ((floor + at(mine, slot)) / (floor + sum(slot))).sqrt();
                at(master, i) + scale * (at(mine, i) - at(base, i))
            } else {
                sum(i)
            }
        })
        .collect()
}

/// Rows as one child left them, another (the master) did, and both had begun with.
fn stretches(rng: &mut Rng, len: usize, stride: usize) -> [Vec<f32>; 3] {
    let weight = |i| is_weight(stride.max(1), i);
    let base: Vec<f32> =
        (0..len).map(|i| if weight(i) { rng.within(-1.0, 1.0) } else { rng.within(0.0, 2.0) }).collect();
    let moved = |rng: &mut Rng| {
        base.iter().enumerate().map(|(i, x)| x + rng.within(if weight(i) { -0.1 } else { 0.0 }, 0.1)).collect()
    };
    [moved(rng), moved(rng), base]
}

#[test]
fn a_merge_is_the_sum_or_the_scaled_sum_and_all_three_agree_after_it() {
    let mut rng = Rng(4);
    for (backend, stride) in Backend::all().flat_map(|backend| STRIDES.map(|stride| (backend, stride))) {
        let rows = |len: &usize| stride == 0 || len.is_multiple_of(2 * stride);
        for len in lengths().chain([160, 4096]).filter(rows) {
            for offset in 0..4 {
                let [master, mine, base] = stretches(&mut rng, len, stride);
                let want = merged(&master, &mine, &base, stride);
                let words = [(&master, 0), (&mine, 1), (&base, 3)].map(|(from, by)| Words::new(from, offset + by));
                backend.merge(words[0].cells(), words[1].cells(), words[2].cells(), rule(stride));
                let [master, mine, base] = words.map(|words| words.values());
                for (i, (&got, &want)) in master.iter().zip(&want).enumerate() {
                    close(got, want, BOUND * (1.0 + want.abs()), || {
                        format!("{} stride {stride} {i} of {len}", backend.name())
                    });
                }
                assert_eq!(bits(&mine), bits(&master), "{} stride {stride} len {len}", backend.name());
                assert_eq!(bits(&base), bits(&master), "{} stride {stride} len {len}", backend.name());
            }
        }
    }
}

#[test]
fn a_child_alone_merges_what_it_has_and_one_that_changed_nothing_changes_nothing() {
    let mut rng = Rng(5);
    for (backend, len) in Backend::all().flat_map(|backend| [32, 96, 160].map(|len| (backend, len))) {
        for stride in STRIDES {
            let [changed, mine, base] = stretches(&mut rng, len, stride);
            let [theirs, own, before] = [&base, &mine, &base].map(|values| Words::new(values, 0));
            backend.merge(theirs.cells(), own.cells(), before.cells(), rule(stride));
            for (&got, &want) in theirs.values().iter().zip(&mine) {
                close(got, want.into(), BOUND * 2.0, || format!("{} stride {stride} alone, len {len}", backend.name()));
            }
            let [theirs, own, before] = [&changed, &base, &base].map(|values| Words::new(values, 0));
            backend.merge(theirs.cells(), own.cells(), before.cells(), rule(stride));
            assert_eq!(bits(&own.values()), bits(&changed), "{} stride {stride} idle, len {len}", backend.name());
        }
    }
}

#[test]
fn of_every_change_such_a_part_is_merged() {
    let mut rng = Rng(6);
    for (backend, part) in Backend::all().flat_map(|backend| [0.0, 0.25, 0.7, 1.0].map(|part| (backend, part))) {
        for len in lengths().chain([160]) {
            let [master, mine, base] = stretches(&mut rng, len, 0);
            let words = [&master, &mine, &base].map(|from| Words::new(from, 1));
            backend.merge(words[0].cells(), words[1].cells(), words[2].cells(), MergeRule::Part(part));
            let values = words.map(|words| words.values());
            for i in 0..len {
                let change = f64::from(mine[i]) - f64::from(base[i]);
                let want = f64::from(master[i]) + f64::from(part) * change;
                close(values[0][i], want, BOUND * (1.0 + want.abs()), || {
                    format!("{} {part} {i} of {len}", backend.name())
                });
            }
            assert!(values[1..].iter().all(|other| bits(other) == bits(&values[0])), "{} {part}", backend.name());
        }
    }
}

/// Layouts of rows with factors: with a field or several, padding within vectors and behind them, one output and more.
fn factored() -> [Layout; 6] {
    [(1, 4, 1), (1, 5, 1), (3, 16, 1), (1, 4, 3), (1, 3, 7), (2, 8, 24)]
        .map(|(outputs, rank, fields)| Layout::factored(outputs, Factors { rank, fields }))
}

/// By word of a row with factors, the place of the accumulator that it is of; none for accumulators, and for what never changes.
fn accumulators(layout: Layout) -> Vec<Option<usize>> {
    let part = |at: usize| match (at % layout.part()).checked_sub(layout.tail()) {
        None => Some(layout.tail() + Layout::FACTOR_SQUARES),
        Some(Layout::WEIGHT) => Some(layout.tail() + Layout::WEIGHT_SQUARES),
        Some(_) => None,
    };
    (0..layout.width()).map(|at| part(at).map(|of| at / layout.part() * layout.part() + of)).collect()
}

/// Rows with factors as a child left them, as others did, and as both had begun with; what never changes is the same in all.
fn rows_with_factors(rng: &mut Rng, layout: Layout, rows: usize) -> [Vec<f32>; 3] {
    let fields = layout.factors().is_some_and(|factors| factors.fields > 1);
    let squares = |at: usize| match (at % layout.part()).checked_sub(layout.tail()) {
        Some(Layout::WEIGHT_SQUARES | Layout::FACTOR_SQUARES) => true,
        Some(Layout::OWN_SQUARES) => fields,
        _ => false,
    };
    let of = accumulators(layout);
    let words = rows * layout.width();
    let base: Vec<f32> = (0..words).map(|at| rng.within(if squares(at) { 0.0 } else { -1.0 }, 1.0)).collect();
    let mut moved = || {
        let mut change = |at: usize| match of[at % layout.width()] {
            Some(_) => rng.within(-0.1, 0.1),
            None if squares(at) => rng.within(0.0, 1.0),
            None => 0.0,
        };
        base.iter().enumerate().map(|(at, word)| word + change(at)).collect()
    };
    [moved(), moved(), base]
}

#[test]
fn rows_with_factors_are_merged_by_the_accumulators_of_their_parts() {
    let mut rng = Rng(7);
    for (backend, layout) in Backend::all().flat_map(|backend| factored().map(|layout| (backend, layout))) {
        let of = accumulators(layout);
        for (rows, floor) in [0, 1, 5].into_iter().flat_map(|rows| [None, Some(FLOOR)].map(|floor| (rows, floor))) {
            let [master, mine, base] = rows_with_factors(&mut rng, layout, rows);
            let at = |values: &[f32], i: usize| f64::from(values[i]);
            let want: Vec<f64> = (0..master.len())
                .map(|i| {
                    let slot = of[i % layout.width()].map(|slot| i - i % layout.width() + slot);
                    let scale = slot.zip(floor).map_or(1.0, |(slot, floor)| {
                        let (floor, seen) = (f64::from(floor), at(&mine, slot));
                        ((floor + seen) / (floor + at(&master, slot) + seen - at(&base, slot))).sqrt()
                    });
                    at(&master, i) + scale * (at(&mine, i) - at(&base, i))
                })
                .collect();
            let rule = floor.map_or(MergeRule::Sum, |floor| MergeRule::Scaled { floor, layout });
            // By itself, and row by row as rounds do.
            let words = [&master, &mine, &base].map(|words| Words::new(words, 1));
            backend.merge(words[0].cells(), words[1].cells(), words[2].cells(), rule);
            let [merged, own, before] = words.map(|words| words.values());
            assert!(bits(&own) == bits(&merged) && bits(&before) == bits(&merged), "{} {layout:?}", backend.name());
            let joined = Words::new(&master, 2);
            for from in (0..master.len()).step_by(layout.width()) {
                let row = joined.cells().slice(from..from + layout.width());
                rule.join_row(layout, row, |at| base[from + at], |at| mine[from + at]);
            }
            for (how, got) in [("merged", merged), ("joined", joined.values())] {
                for (i, (&got, &want)) in got.iter().zip(&want).enumerate() {
                    close(got, want, BOUND * (1.0 + want.abs()), || {
                        format!("{} {layout:?} {rule:?} {how}, word {i}", backend.name())
                    });
                    let fixed = i % layout.part() == layout.tail() + Layout::DECAY
                        || i % layout.part() == layout.tail() + Layout::FIELD;
                    assert!(!fixed || got.to_bits() == master[i].to_bits(), "{how}, word {i} is never to change");
                }
            }
        }
    }
}

#[test]
fn a_row_is_joined_as_rows_are_merged() {
    let mut rng = Rng(8);
    for stride in STRIDES {
        let [master, mine, base] = stretches(&mut rng, 480, stride);
        let layout = Layout::new(stride.max(1), usize::from(stride > 0));
        let merged = [&master, &mine, &base].map(|words| Words::new(words, 0));
        Backend::best().merge(merged[0].cells(), merged[1].cells(), merged[2].cells(), rule(stride));
        let joined = Words::new(&master, 0);
        for from in (0..master.len()).step_by(layout.width()) {
            let row = joined.cells().slice(from..from + layout.width());
            rule(stride).join_row(layout, row, |at| base[from + at], |at| mine[from + at]);
        }
        for (i, (joined, merged)) in joined.values().into_iter().zip(merged[0].values()).enumerate() {
            close(joined, merged.into(), BOUND * (1.0 + f64::from(merged.abs())), || {
                format!("stride {stride}, word {i}")
            });
        }
    }
}
