//! Landscapes by a formula: what decisions are worth alone and in pairs, and noise.

use hogback::random::Random;
use hogback::search::space::{Decision, Space, Value};
use hogback::search::table::Worth;

use crate::table::{SEEDS, Table};

/// How many values each decision has, and whether they have an order: 23,040 architectures.
const DECISIONS: [(usize, bool); 8] =
    [(5, true), (4, true), (4, true), (4, false), (4, true), (3, false), (3, true), (2, false)];
/// How accuracies spread, in points.
const SPREAD: f64 = 0.03;
/// The share of it that pairs of decisions make, in variance.
const PAIRS: f64 = 0.35;
/// How training the same again spreads.
const NOISE: f64 = 0.005;

/// The landscape of a seed.
pub(crate) fn landscape(seed: u64) -> Table {
    let mut random = Random::new(seed);
    let space = space();
    let sizes: Vec<usize> = DECISIONS.iter().map(|(size, _)| *size).collect();
    let alone: Vec<Vec<f64>> =
        DECISIONS.iter().map(|&(size, is_ordered)| effects(size, is_ordered, &mut random)).collect();
    let mut pairs = Vec::new();
    for (a, &rows) in sizes.iter().enumerate() {
        for (b, &columns) in sizes.iter().enumerate().skip(a + 1) {
            pairs.push((a, b, (0..rows * columns).map(|_| random.normal()).collect::<Vec<_>>()));
        }
    }
    let architectures = space.all().collect::<Vec<_>>();
    let worth = |choices: &[u8]| {
        let choice = |nth: usize| usize::from(choices[nth]);
        let alone: f64 = alone.iter().enumerate().map(|(nth, effects)| effects[choice(nth)]).sum();
        let pairs_sum: f64 = pairs.iter().map(|(a, b, effects)| effects[choice(*a) * sizes[*b] + choice(*b)]).sum();
        alone * ((1.0 - PAIRS) / sizes.len() as f64).sqrt() + pairs_sum * (PAIRS / pairs.len() as f64).sqrt()
    };
    let worths: Vec<f64> = architectures.iter().map(|architecture| worth(architecture.choices())).collect();
    let highest = worths.iter().copied().fold(f64::MIN, f64::max);
    let noisy = |worth: f64, random: &mut Random| {
        // Noise of mean 0 over the seeds, so that their mean is what the formula says.
        let noise: [f64; SEEDS] = std::array::from_fn(|_| random.normal());
        let mean = noise.iter().sum::<f64>() / SEEDS as f64;
        let scale = NOISE * (SEEDS as f64 / (SEEDS - 1) as f64).sqrt();
        noise.map(|noise| {
            let valid = (0.98 + (worth - highest) * SPREAD + (noise - mean) * scale).clamp(0.0, 1.0);
            Worth { valid, test: valid }
        })
    };
    let all =
        architectures.into_iter().zip(worths).map(|(architecture, worth)| (architecture, noisy(worth, &mut random)));
    Table::new(space, all.collect())
}

fn space() -> Space {
    let decision = |(nth, &(size, is_ordered)): (usize, &(usize, bool))| Decision {
        name: format!("d{nth}"),
        values: (0..size).map(|value| Value::Number(value as f64)).collect(),
        is_ordered,
        when: None,
        skip: None,
    };
    Space::new("synthetic".into(), DECISIONS.iter().enumerate().map(decision).collect())
}

/// What the values of a decision are worth, of mean 0 and variance 1: a parabola for those with an order.
fn effects(size: usize, is_ordered: bool, random: &mut Random) -> Vec<f64> {
    let top = random.share() * (size - 1) as f64;
    let effect = |value: usize| if is_ordered { -(value as f64 - top).powi(2) } else { 0.0 };
    let mut effects: Vec<f64> = (0..size).map(effect).collect();
    if !is_ordered {
        effects.iter_mut().for_each(|effect| *effect = random.normal());
    }
    let mean = effects.iter().sum::<f64>() / size as f64;
    let spread = (effects.iter().map(|effect| (effect - mean).powi(2)).sum::<f64>() / size as f64).sqrt().max(1e-9);
    effects.iter().map(|effect| (effect - mean) / spread).collect()
}
