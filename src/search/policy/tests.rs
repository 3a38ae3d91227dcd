//! The laws of the policy: a second, plain implementation in doubles is its reference, for values and for slopes.

use super::layout::{GATE_ROW, GATES, SEEN};
use super::*;
use crate::search::space::{Decision, UNMADE, When};

/// Without optimisation, of so many things one is tried.
const EVERY: usize = if cfg!(debug_assertions) { 41 } else { 1 };

/// A decision of `count` numbers from 1 on.
pub(in crate::search) fn decision(name: &str, count: usize, when: Option<(usize, &[u8])>) -> Decision {
    Decision {
        name: name.into(),
        values: (1..=count).map(|value| Value::Number(value as f64)).collect(),
        is_ordered: true,
        when: when.map(|(decision, choices)| When { decision, choices: choices.to_vec() }),
        skip: None,
    }
}

/// A skip connection.
pub(in crate::search) fn skip(from: usize, to: usize, when: Option<(usize, &[u8])>) -> Decision {
    Decision { skip: Some((from, to)), ..decision(&format!("skip_{from}_{to}"), 2, when) }
}

/// Perceptrons of up to three layers, with all that a policy can meet: conditions, anchor points, a decision between two of them, one that
/// hangs on a skip connection.
pub(in crate::search) fn space() -> Space {
    let decisions = vec![
        decision("layers", 3, None),
        decision("width_1", 5, None),
        decision("width_2", 4, Some((0, &[1, 2]))),
        skip(0, 2, Some((0, &[1, 2]))),
        decision("width_3", 3, Some((0, &[2]))),
        skip(0, 3, Some((0, &[2]))),
        skip(1, 3, Some((0, &[2]))),
        skip(2, 3, Some((3, &[1]))),
        decision("activation", 2, None),
    ];
    Space::new("toy".into(), decisions)
}

/// Weights that are as large as learned ones.
fn large(policy: &Policy<'_>, seed: u64) -> Vec<f32> {
    let mut weights = vec![0.0; policy.words()];
    policy.begin(&mut weights, seed);
    weights.iter_mut().for_each(|word| *word *= 5.0);
    weights
}

fn policies(space: &Space) -> impl Iterator<Item = Policy<'_>> {
    Backend::all().map(|backend| Policy::new(space, backend))
}

/// Every architecture of a small space.
fn all(space: &Space) -> Vec<Architecture> {
    let mut random = Random::new(0);
    let mut found = std::collections::BTreeSet::new();
    while (found.len() as u128) < space.size() {
        found.insert(space.draw(&mut random));
    }
    found.into_iter().collect()
}

/// log p and the mean entropy, as the paper has them: one number after the other, in doubles.
fn reference(policy: &Policy<'_>, weights: &[f64], allowed: &Allowed, architecture: &Architecture) -> [f64; 2] {
    let layout = &policy.layout;
    let rows = |from: usize, vector: &[f64], columns: usize, stride: usize| -> Vec<f64> {
        let sum = |column| vector.iter().enumerate().map(|(row, x)| x * weights[from + row * stride + column]).sum();
        (0..columns).map(sum).collect()
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut log, mut entropies, mut made) = (0.0, 0.0, 0);
    let mut choose = |logits: &[f64], allowed: &[bool], choice: u8| {
        let sum: f64 = logits.iter().zip(allowed).filter(|(_, a)| **a).map(|(x, _)| x.exp()).sum();
        let logs = logits.iter().map(|x| x - sum.ln());
        entropies -= logs.clone().zip(allowed).filter(|(_, a)| **a).map(|(x, _)| x * x.exp()).sum::<f64>();
        log += logs.clone().nth(usize::from(choice)).unwrap();
        made += 1;
    };
    let (mut h, mut c) = ([vec![0.0; UNITS], vec![0.0; UNITS]], [vec![0.0; UNITS], vec![0.0; UNITS]]);
    let mut input = weights[layout.start..][..UNITS].to_vec();
    let mut anchors: Vec<Option<Vec<f64>>> = vec![None; 9];
    let choices = architecture.choices();
    let mut nth = 0;
    while nth < choices.len() {
        let skip = link(&policy.space.decisions()[nth]);
        let same = |other: &Decision| skip.is_some() && link(other).map(|s| s.1) == skip.map(|s| s.1);
        let end = nth + policy.space.decisions()[nth..].iter().take_while(|other| same(other)).count().max(1);
        let here: Vec<usize> = (nth..end).filter(|&at| choices[at] != UNMADE).collect();
        nth = end;
        if here.is_empty() {
            continue;
        }
        let mut x = input;
        for layer in 0..2 {
            let all: Vec<f64> = x.iter().chain(&h[layer]).copied().chain([1.0]).collect();
            let z = rows(layout.cells[layer], &all, GATES, GATE_ROW);
            for at in 0..UNITS {
                let [i, f, o] = [0, 1, 2].map(|gate| sigmoid(z[gate * UNITS + at]));
                c[layer][at] = f * c[layer][at] + i * z[3 * UNITS + at].tanh();
                h[layer][at] = o * c[layer][at].tanh();
            }
            x = h[layer].clone();
        }
        input = vec![0.0; UNITS];
        for &at in &here {
            let values = layout.values[at]..layout.values[at + 1];
            match link(&policy.space.decisions()[at]) {
                None => {
                    let seen: Vec<f64> = x.iter().copied().chain([1.0]).collect();
                    let dot = |value| (0..SEEN).map(|k| seen[k] * weights[layout.heads[at] + value * SEEN + k]).sum();
                    let logits: Vec<f64> = (0..values.len()).map(dot).collect();
                    choose(&logits, &allowed.0[values], choices[at]);
                }
                Some((from, _)) => {
                    let skips = layout.skips.unwrap();
                    let learned = || weights[skips.states + from * UNITS..][..UNITS].to_vec();
                    let state = anchors[from].clone().unwrap_or_else(learned);
                    let (previous, current) =
                        (rows(skips.previous, &state, UNITS, UNITS), rows(skips.current, &x, UNITS, UNITS));
                    let logit = (0..UNITS).map(|k| weights[skips.judge + k] * (previous[k] + current[k]).tanh()).sum();
                    choose(&[0.0, logit], &[true; 2], choices[at]);
                }
            }
            let row = &weights[layout.embedding(at, choices[at])];
            input.iter_mut().zip(row).for_each(|(sum, word)| *sum += word);
        }
        if let Some((_, to)) = skip {
            anchors[to] = Some(x);
        }
    }
    [log, entropies / f64::from(made)]
}

#[test]
fn the_presets_are_walked_and_a_connection_that_is_always_there_is_no_anchor() {
    let mut decisions = space().decisions().to_vec();
    decisions[3].values.truncate(1);
    decisions[7].when = None;
    let spaces = [Space::named("mlp").unwrap(), Space::named("sparse").unwrap(), Space::new("fixed".into(), decisions)];
    for space in &spaces {
        let policy = Policy::new(space, Backend::best());
        let weights = large(&policy, 14);
        let (mut walk, mut random) = (policy.walk(), Random::new(15));
        let allowed = policy.allowed(None);
        for _ in 0..100 {
            let architecture = policy.sample(&weights, &allowed, &mut random, &mut walk);
            let odds = policy.follow(&weights, &allowed, &architecture, &mut walk);
            let [log, entropy] = reference(&policy, &doubles(&weights), &allowed, &architecture);
            assert!(
                (f64::from(odds.log_probability) - log).abs() < 1e-4
                    && (f64::from(odds.entropy) - entropy).abs() < 1e-4
            );
            let mut gradient = vec![0.0; policy.words()];
            policy.gradient(&weights, &mut walk, 1.0, 1.0, &mut gradient);
            assert!(gradient.iter().all(|word| word.is_finite()));
        }
    }
}

fn doubles(words: &[f32]) -> Vec<f64> {
    words.iter().map(|&word| f64::from(word)).collect()
}

#[test]
fn weights_lie_at_first_within_0_08_and_fill_what_they_lie_in() {
    let space = space();
    let policy = Policy::new(&space, Backend::best());
    let mut weights = vec![1.0; policy.words()];
    policy.begin(&mut weights, 1);
    let used: Vec<f32> = policy.layout.parts.iter().flat_map(|part| part.words()).map(|at| weights[at]).collect();
    assert!(weights.iter().all(|word| word.abs() <= FIRST_WITHIN));
    assert!(used.iter().all(|&word| word != 0.0));
    let mean = used.iter().sum::<f32>() / used.len() as f32;
    let square = used.iter().map(|word| word * word).sum::<f32>() / used.len() as f32;
    assert!(mean.abs() < 1e-3 && (square / (FIRST_WITHIN * FIRST_WITHIN / 3.0) - 1.0).abs() < 0.03, "{mean}, {square}");
    assert!(policy.layout.parts.iter().all(|part| part.from % 16 == 0));
    let mut again = vec![0.0; policy.words()];
    policy.begin(&mut again, 1);
    assert_eq!(weights, again);
    policy.begin(&mut again, 2);
    assert_ne!(weights, again);
}

#[test]
fn odds_are_those_of_the_paper_whatever_is_chosen() {
    let space = space();
    for policy in policies(&space) {
        let weights = large(&policy, 3);
        let exact = doubles(&weights);
        let mut walk = policy.walk();
        for depth in [None, Some(2)] {
            let allowed = policy.allowed(depth);
            for architecture in all(&space).into_iter().step_by(EVERY) {
                let odds = policy.follow(&weights, &allowed, &architecture, &mut walk);
                if depth.is_some() && architecture.choices()[0] == 2 {
                    assert_eq!(odds.log_probability, f32::NEG_INFINITY);
                    continue;
                }
                let [log, entropy] = reference(&policy, &exact, &allowed, &architecture);
                assert!((f64::from(odds.log_probability) - log).abs() < 2e-5, "{odds:?} is to be {log}");
                assert!((f64::from(odds.entropy) - entropy).abs() < 1e-5, "{odds:?} is to be of entropy {entropy}");
            }
        }
    }
}

#[test]
fn probabilities_of_all_architectures_sum_to_one() {
    let space = space();
    let policy = Policy::new(&space, Backend::best());
    let weights = large(&policy, 4);
    let mut walk = policy.walk();
    for depth in [None, Some(0), Some(2)] {
        let allowed = policy.allowed(depth);
        let p = |a: &Architecture| f64::from(policy.follow(&weights, &allowed, a, &mut walk).log_probability).exp();
        let sum: f64 = all(&space).iter().map(p).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum} at depth {depth:?}");
    }
}

#[test]
fn what_is_sampled_is_followed_to_the_same_bits() {
    let space = space();
    for policy in policies(&space) {
        let weights = large(&policy, 5);
        let (mut walk, mut random) = (policy.walk(), Random::new(6));
        let allowed = policy.allowed(None);
        for _ in 0..200 {
            let architecture = policy.sample(&weights, &allowed, &mut random, &mut walk);
            let sampled = walk.odds();
            assert_eq!(policy.follow(&weights, &allowed, &architecture, &mut walk), sampled);
        }
    }
}

#[test]
fn architectures_are_sampled_as_often_as_is_probable() {
    let space = space();
    let policy = Policy::new(&space, Backend::best());
    let weights = large(&policy, 7);
    let (mut walk, mut random) = (policy.walk(), Random::new(8));
    for depth in [None, Some(2)] {
        let allowed = policy.allowed(depth);
        let count = if cfg!(debug_assertions) { 2_000 } else { 40_000 };
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..count {
            *counts.entry(policy.sample(&weights, &allowed, &mut random, &mut walk)).or_insert(0u32) += 1;
        }
        // χ² over what is to be expected five times and more, the rest taken together.
        let (mut chi, mut cells, mut rest) = (0.0, 0, [0.0; 2]);
        for architecture in all(&space) {
            let odds = policy.follow(&weights, &allowed, &architecture, &mut walk);
            let expected = f64::from(odds.log_probability).exp() * f64::from(count);
            let seen = f64::from(counts.get(&architecture).copied().unwrap_or(0));
            assert!(expected > 0.0 || seen == 0.0, "{architecture:?} is not allowed");
            if expected < 5.0 {
                rest = [rest[0] + seen, rest[1] + expected];
            } else {
                chi += (seen - expected).powi(2) / expected;
                cells += 1;
            }
        }
        chi += (rest[0] - rest[1]).powi(2) / rest[1].max(1.0);
        let freedom = f64::from(cells);
        assert!(chi < freedom + 4.0 * (2.0 * freedom).sqrt(), "χ² = {chi} with {freedom} degrees of freedom");
    }
}

/// An architecture of three layers with all connections, one of one layer, and with which scales.
fn cases(space: &Space) -> Vec<(Architecture, Option<u32>, [f32; 2])> {
    let mut random = Random::new(9);
    let deep = space.settle(vec![2, 3, 1, 1, 2, 0, 1, 1, 0], &mut random);
    let other = space.settle(vec![2, 0, 3, 0, 0, 1, 0, UNMADE, 1], &mut random);
    let middle = space.settle(vec![1, 4, 2, 1, UNMADE, UNMADE, UNMADE, UNMADE, 1], &mut random);
    let flat = space.settle(vec![0, 2], &mut random);
    vec![
        (deep.clone(), None, [1.0, 0.0]),
        (deep.clone(), None, [0.0, 1.0]),
        (deep, None, [-0.7, 0.3]),
        (other, None, [0.5, -2.0]),
        (middle.clone(), Some(2), [1.0, 1.0]),
        (middle, Some(1), [0.0, 1.0]),
        (flat, Some(1), [1.0, -1.0]),
    ]
}

fn gradient_of(policy: &Policy<'_>, weights: &[f32], case: &(Architecture, Option<u32>, [f32; 2])) -> Vec<f32> {
    let (architecture, depth, [by_log, by_entropy]) = case;
    let (mut walk, mut gradient) = (policy.walk(), vec![0.0; policy.words()]);
    policy.follow(weights, &policy.allowed(*depth), architecture, &mut walk);
    policy.gradient(weights, &mut walk, *by_log, *by_entropy, &mut gradient);
    gradient
}

#[test]
fn the_gradient_of_each_part_is_that_of_central_differences() {
    let space = space();
    for policy in policies(&space) {
        let weights = large(&policy, 10);
        let exact = doubles(&weights);
        let mut random = Random::new(11);
        for case in cases(&space).iter().filter(|case| case.1 != Some(1)) {
            let gradient = gradient_of(&policy, &weights, case);
            let (architecture, depth, [by_log, by_entropy]) = case;
            let allowed = policy.allowed(*depth);
            let value = |weights: &[f64]| {
                let [log, entropy] = reference(&policy, weights, &allowed, architecture);
                f64::from(*by_log) * log + f64::from(*by_entropy) * entropy
            };
            for part in &policy.layout.parts {
                for _ in 0..2 {
                    // Along a way that all words of the part take together.
                    let mut way = vec![0.0; policy.words()];
                    part.words().for_each(|at| way[at] = random.normal());
                    let step = 1e-4;
                    let at = |step: f64| -> Vec<f64> { exact.iter().zip(&way).map(|(w, d)| w + step * d).collect() };
                    let slope = (value(&at(step)) - value(&at(-step))) / (2.0 * step);
                    let found: f64 = gradient.iter().zip(&way).map(|(&g, d)| f64::from(g) * d).sum();
                    let size =
                        (gradient.iter().zip(&way).map(|(&g, d)| (f64::from(g) * d).powi(2)).sum::<f64>()).sqrt();
                    assert!(
                        (slope - found).abs() < 1e-5 + 1e-4 * size,
                        "{part:?} of {case:?}: {found} is to be {slope}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_gradient_by_every_single_word_is_that_of_central_differences() {
    let space = space();
    let policy = Policy::new(&space, Backend::best());
    let mut weights = large(&policy, 12);
    let mut walk = policy.walk();
    // All scales at once, another way, and behind a mask.
    for case in [2, 3, 6].map(|nth| cases(&space).swap_remove(nth)) {
        let gradient = gradient_of(&policy, &weights, &case);
        let (architecture, depth, [by_log, by_entropy]) = &case;
        let allowed = policy.allowed(*depth);
        let mut between = gradient.clone();
        policy.layout.parts.iter().flat_map(|part| part.words()).for_each(|at| between[at] = 0.0);
        assert!(between.iter().all(|&word| word == 0.0), "what lies between the parts stands still");
        for at in policy.layout.parts.iter().flat_map(|part| part.words()).step_by(EVERY) {
            let was = weights[at];
            let mut value = |word: f32| {
                weights[at] = word;
                let odds = policy.follow(&weights, &allowed, architecture, &mut walk);
                by_log * odds.log_probability + by_entropy * odds.entropy
            };
            // Floats have 1e-6 of noise here; of a third slope of 1 the step leaves 7e-5.
            let (up, down) = (was + 0.02, was - 0.02);
            let slope = (value(up) - value(down)) / (up - down);
            weights[at] = was;
            assert!((slope - gradient[at]).abs() < 3e-4, "word {at} of {case:?}: {} is to be {slope}", gradient[at]);
        }
    }
}

#[test]
fn gradients_add_up() {
    let space = space();
    let policy = Policy::new(&space, Backend::best());
    let weights = large(&policy, 13);
    let cases = cases(&space);
    let (first, second) = (gradient_of(&policy, &weights, &cases[0]), gradient_of(&policy, &weights, &cases[3]));
    let (mut walk, mut both) = (policy.walk(), vec![0.0; policy.words()]);
    for (architecture, depth, [by_log, by_entropy]) in [&cases[0], &cases[3]] {
        policy.follow(&weights, &policy.allowed(*depth), architecture, &mut walk);
        policy.gradient(&weights, &mut walk, *by_log, *by_entropy, &mut both);
    }
    let off = both.iter().zip(first.iter().zip(&second)).map(|(both, (a, b))| (both - a - b).abs());
    assert!(off.fold(0.0, f32::max) < 1e-5);
}
