use std::sync::Barrier;

use hogback_kernels::Backend;

use super::*;
use crate::search::policy::Policy;
use crate::search::policy::tests::{decision, space};
use crate::search::space::Space;

/// What the toy space is learned with in 2,000 updates of a trial each: at a rate of 0.002.
const TOY: Setting =
    Setting { rate: 0.002, entropy: 6.0, half_life: 600.0, normalise: true, depth: None, ..Setting::PAPER };

/// How often what hangs on chance and races is done.
const TIMES: u64 = if cfg!(debug_assertions) { 1 } else { 5 };

/// The best answer of the toy space of the tests of policies. It has all connections: as those into one layer share v and W_curr, the
/// policy of the paper settles beside an answer that has one and not its neighbour once in twenty times.
fn best(space: &Space) -> Architecture {
    space.settle(vec![2, 3, 1, 1, 2, 1, 1, 1, 0], &mut Random::new(0))
}

/// The share of decisions that are those of `best`, cubed as R is.
fn likeness(architecture: &Architecture, best: &Architecture) -> f32 {
    let pairs = architecture.choices().iter().zip(best.choices());
    let alike = pairs.filter(|(a, b)| a == b).count();
    (alike as f32 / best.choices().len() as f32).powi(3)
}

fn shared(space: &Space, shards: usize, seed: u64) -> SharedPolicy<'_> {
    SharedPolicy::new(Policy::new(space, Backend::best()), shards, seed).unwrap()
}

fn weights(shared: &SharedPolicy<'_>) -> Vec<f32> {
    let mut weights = vec![0.0; shared.policy().words()];
    shared.pull(&mut weights);
    weights
}

fn probability(shared: &SharedPolicy<'_>, architecture: &Architecture) -> f32 {
    let policy = shared.policy();
    policy.follow(&weights(shared), &policy.allowed(None), architecture, &mut policy.walk()).log_probability.exp()
}

/// `controllers` threads search until there have been so many updates, `reward` saying what comes of a trial.
fn search(
    shared: &SharedPolicy<'_>,
    (setting, controllers, updates): (Setting, usize, u64),
    seed: u64,
    reward: impl Fn(&Architecture) -> f32 + Sync,
) {
    let barrier = Barrier::new(controllers);
    std::thread::scope(|scope| {
        for controller in 0..controllers as u64 {
            let (barrier, reward) = (&barrier, &reward);
            scope.spawn(move || {
                let mut strategy = Reinforce::new(shared, setting);
                let mut random = Random::new(seed << 8 | controller);
                let archive = Archive::default();
                barrier.wait();
                while shared.updates() < updates {
                    let architecture = strategy.propose(&archive, &mut random);
                    strategy.learn(&architecture, reward(&architecture), true);
                    std::thread::yield_now();
                }
            });
        }
    });
}

#[test]
fn the_best_of_a_toy_space_becomes_all_but_certain_whoever_learns() {
    let space = space();
    let best = best(&space);
    for controllers in [1, 2, 4] {
        for seed in 0..TIMES {
            let shared = shared(&space, 2, seed);
            let before = probability(&shared, &best);
            search(&shared, (TOY, controllers, 2000), seed, |architecture| likeness(architecture, &best));
            let after = probability(&shared, &best);
            assert!(before < 0.001 && after > 0.9, "K = {controllers}, seed {seed}: from {before} to {after}");
            assert!(shared.theta().is_finite() && shared.updates() < 2000 + controllers as u64);
        }
    }
}

/// What the test above sees is the policy gradient: with the same baseline, entropy and updates, but without it, nothing is learned.
#[test]
fn without_the_policy_gradient_the_best_stays_improbable() {
    let space = space();
    let best = best(&space);
    // Within a ratio of 1 ± 0 no trial may pull, and a controller by itself follows with the weights it drew with.
    let zeroed = Setting { clip: Some(0.0), ..TOY };
    let kept = shared(&space, 2, 1);
    search(&kept, (zeroed, 1, 2000), 1, |architecture| likeness(architecture, &best));
    // Where R is always the same it is what the baseline is.
    let (two, four) = (shared(&space, 2, 2), shared(&space, 2, 3));
    search(&two, (TOY, 2, 2000), 2, |_| 0.7);
    search(&four, (TOY, 4, 2000), 3, |_| 0.7);
    for shared in [kept, two, four] {
        let after = probability(&shared, &best);
        assert!(after < 0.01 && shared.updates() >= 2000, "{after}");
    }
}

#[test]
fn the_setting_of_the_paper_does_better_and_better() {
    let space = space();
    let best = best(&space);
    let shared = shared(&space, 1, 4);
    let rewards = std::sync::Mutex::new(Vec::new());
    search(&shared, (Setting::PAPER, 1, 2000), 4, |architecture| {
        let reward = likeness(architecture, &best);
        rewards.lock().unwrap().push(reward);
        reward
    });
    let rewards = rewards.into_inner().unwrap();
    let mean = |of: &[f32]| of.iter().sum::<f32>() / of.len() as f32;
    let (first, last) = (mean(&rewards[..200]), mean(&rewards[1800..]));
    assert!(last > 3.0 * first, "from {first} to {last}");
}

#[test]
fn what_fails_becomes_improbable() {
    let space = Space::new("fails".into(), vec![decision("a", 4, None), decision("b", 3, None)]);
    for setting in [Setting { entropy: 0.5, ..TOY }, Setting { rate: 0.003, ..Setting::PAPER }] {
        for seed in 0..4 * TIMES {
            let shared = shared(&space, 2, seed);
            // One value in four fails, and nothing else matters.
            let reward = |architecture: &Architecture| if architecture.choices()[0] == 1 { 0.0 } else { 0.8 };
            search(&shared, (setting, 2, 600), seed, reward);
            let failing = |b| probability(&shared, &space.settle(vec![1, b], &mut Random::new(0)));
            let failing = (0..3).map(failing).sum::<f32>();
            assert!(failing < 0.05, "{failing} with {setting:?}, seed {seed}");
        }
    }
}

#[test]
fn theta_stays_finite_whatever_comes() {
    let space = space();
    let wild = Setting { rate: 0.5, clip: Some(0.3), updates: 3, batch: 2, ..TOY };
    for setting in [wild, Setting { clip: None, normalise: false, ..wild }] {
        let shared = shared(&space, 2, 6);
        let count = std::sync::atomic::AtomicU64::new(0);
        search(&shared, (setting, 2, 1000), 6, |_| {
            let nth = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            [0.0, 1.0, f32::NAN, 1e-30, f32::INFINITY, 0.5, 0.0][nth as usize % 7]
        });
        assert!(shared.theta().is_finite());
    }
}

#[test]
fn one_controller_repeats_itself_to_the_bit() {
    let space = space();
    let best = best(&space);
    let setting = Setting { batch: 2, updates: 2, clip: Some(0.2), ..TOY };
    let run = |seed| {
        let shared = shared(&space, 2, 7);
        search(&shared, (setting, 1, 200), seed, |architecture| likeness(architecture, &best));
        weights(&shared)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn staleness_counts_the_updates_of_others_and_none_of_its_own() {
    let space = space();
    let shared = shared(&space, 2, 8);
    let (mut one, mut other) = (Reinforce::new(&shared, TOY), Reinforce::new(&shared, TOY));
    let (mut random, archive) = (Random::new(9), Archive::default());
    let [first, second] = [(); 2].map(|()| one.propose(&archive, &mut random));
    for _ in 0..3 {
        let tried = other.propose(&archive, &mut random);
        assert_eq!(one.learn(&tried, 0.5, false), None, "that was not its own");
        assert_eq!(other.learn(&tried, 0.5, true).unwrap().staleness, 0);
    }
    // Answers come in any order.
    assert_eq!(one.learn(&second, 0.2, true).unwrap().staleness, 3);
    let update = one.learn(&first, 0.4, true).unwrap();
    assert_eq!((update.staleness, update.baseline), (3, 0.2));
    assert!(update.entropy > 0.9 && update.entropy < 1.2, "{update:?}");
    let third = one.propose(&archive, &mut random);
    assert_eq!(one.learn(&third, 0.4, true).unwrap().staleness, 0);
    assert_eq!((shared.updates(), shared.samples()), (6, 6));
    assert_eq!(one.learn(&third, 0.4, true), None, "it was answered");
}

/// By which ratio the probability of the second of two architectures changes, which is better or worse than the first.
fn moved(setting: Setting, rewards: [f32; 2]) -> f32 {
    let space = space();
    let shared = shared(&space, 2, 10);
    let mut strategy = Reinforce::new(&shared, setting);
    let (mut random, archive) = (Random::new(11), Archive::default());
    let [first, second] = [(); 2].map(|()| strategy.propose(&archive, &mut random));
    strategy.learn(&first, rewards[0], true);
    let before = probability(&shared, &second);
    strategy.learn(&second, rewards[1], true);
    probability(&shared, &second) / before
}

#[test]
fn several_updates_go_on_to_where_the_ratio_is_clipped() {
    let many = Setting { rate: 0.001, entropy: 0.0, updates: 40, ..TOY };
    let clipped = Setting { clip: Some(0.2), ..many };
    for (rewards, is_up) in [([0.2, 0.6], true), ([0.6, 0.2], false)] {
        let one = moved(Setting { updates: 1, ..many }, rewards);
        let (free, held) = (moved(many, rewards), moved(clipped, rewards));
        let away = |ratio: f32| if is_up { ratio } else { 1.0 / ratio };
        assert!(away(one) > 1.0 && away(held) > 1.2, "{one}, {held}");
        // Adam's averages carry it past.
        assert!(away(held) < away(free) / 3.0, "{held} is to be nearer than {free}");
    }
}

#[test]
fn a_batch_is_one_update_of_the_mean() {
    let space = space();
    let shared = shared(&space, 2, 12);
    let mut strategy = Reinforce::new(&shared, Setting { batch: 3, ..TOY });
    let (mut random, archive) = (Random::new(13), Archive::default());
    for nth in 1..=9 {
        let tried = strategy.propose(&archive, &mut random);
        assert_eq!(strategy.learn(&tried, nth as f32 / 9.0, true).is_some(), nth % 3 == 0);
        assert_eq!(shared.updates(), nth / 3);
    }
}

#[test]
fn the_baseline_averages_and_advantages_have_one_deviation() {
    let setting = Setting { decay: 0.9, ..Setting::PAPER };
    let normalised = Setting { normalise: true, ..setting };
    let (mut plain, mut even) = (Baseline::default(), Baseline::default());
    assert_eq!(plain.compare(0.5, &setting), (0.5, 0.0));
    let (baseline, better) = plain.compare(0.7, &setting);
    assert!((baseline - 0.5).abs() < 1e-6 && (better - 0.2).abs() < 1e-6);
    // Weights 0.09 and 0.1 of 0.19.
    let (baseline, _) = plain.compare(0.6, &setting);
    assert!((baseline - (0.09 * 0.5 + 0.1 * 0.7) / 0.19).abs() < 1e-6);
    let mut random = Random::new(14);
    let mut square = 0.0;
    for nth in 0..2200 {
        let (_, better) = even.compare(0.3 + 0.001 * random.normal() as f32, &normalised);
        square += if nth < 200 { 0.0 } else { better * better / 2000.0 };
    }
    assert!((square - 1.0).abs() < 0.15, "{square}");
    let mut same = Baseline::default();
    assert!((0..50).all(|_| same.compare(0.4, &normalised).1 == 0.0));
}

#[test]
fn models_become_deeper_as_samples_are_drawn() {
    let space = Space::new("deep".into(), vec![decision("layers", 9, None), decision("width", 2, None)]);
    let shared = shared(&space, 2, 15);
    let depth = Some(Depth { first: 2, more: 2, every: 100 });
    let mut strategy = Reinforce::new(&shared, Setting { depth, ..Setting::PAPER });
    let (mut random, archive) = (Random::new(16), Archive::default());
    for most in [2, 4, 6, 8, 9] {
        let layers = (0..100).map(|_| 1 + strategy.propose(&archive, &mut random).choices()[0]);
        assert_eq!(layers.max(), Some(most));
    }
    assert_eq!(Setting::PAPER.depth.map(|depth| [0, 1599, 1600, 4800].map(|n| depth.after(n))), Some([6, 6, 8, 12]));
}
