use hogback_kernels::Backend;

use super::*;
use crate::search::policy::Policy;
use crate::search::space::{Decision, Value, When};

fn decision(nth: usize, values: usize, when: Option<When>) -> Decision {
    let values = (0..values).map(|value| Value::Number(value as f64)).collect();
    Decision { name: format!("d{nth}"), values, is_ordered: nth.is_multiple_of(2), when, skip: None }
}

/// 4⁸ architectures.
fn large() -> Space {
    Space::new("large".to_owned(), (0..8).map(|nth| decision(nth, 4, None)).collect())
}

/// 22 architectures: the third decision hangs on the first.
fn small() -> Space {
    let when = Some(When { decision: 0, choices: vec![0] });
    Space::new("small".to_owned(), vec![decision(0, 2, None), decision(1, 2, None), decision(2, 10, when)])
}

/// From 0 to 1, the nearer the choices of an architecture are to 2.
fn worth(architecture: &Architecture) -> f32 {
    let off: u8 = architecture.choices().iter().map(|choice| choice.abs_diff(2)).sum();
    1.0 - f32::from(off) / (2 * architecture.choices().len()) as f32
}

/// Has `play` play each strategy in `space`.
fn with_each(space: &Space, mut play: impl FnMut(Strategies, &mut dyn Strategy)) {
    for by in [Strategies::Thompson, Strategies::Reinforce, Strategies::Evolution, Strategies::Local] {
        let shared = SharedPolicy::new(Policy::new(space, Backend::best()), 1, 1).unwrap();
        play(by, &mut *begin(by, None, space, Some(&shared)));
    }
}

/// Trials until one is worth 1, at most 2,000.
fn trials(strategy: &mut dyn Strategy, seed: u64) -> usize {
    let (mut archive, mut random) = (Archive::default(), Random::new(seed));
    let mut trials = 0;
    while trials < 2000 {
        trials += 1;
        let next = strategy.propose(&archive, &mut random);
        let reward = worth(&next);
        strategy.learn(&next, reward, true);
        archive.put(next, reward);
        if reward == 1.0 {
            break;
        }
    }
    trials
}

#[test]
fn the_best_is_found_in_few_trials_and_in_fewest_by_what_is_learned_of_all() {
    let space = large();
    let mut means = Vec::new();
    for by in [Strategies::Thompson, Strategies::Local, Strategies::Evolution] {
        let sum: usize = (0..20).map(|seed| trials(&mut *begin(by, None, &space, None), seed)).sum();
        means.push(sum / 20);
    }
    assert!(means[0] < 60 && means[0] < means[1] && means[1] < means[2] && means[2] < 400, "{means:?}");
}

#[test]
fn what_others_have_tried_is_gone_on_from() {
    let space = large();
    with_each(&space, |by, strategy| {
        let (mut archive, mut random) = (Archive::default(), Random::new(3));
        for _ in 0..50 {
            let other = space.draw(&mut random);
            strategy.learn(&other, 0.1, false);
            archive.put(other, 0.1);
        }
        let best = space.settle(vec![2; 8], &mut random);
        strategy.learn(&best, 0.9, false);
        archive.put(best.clone(), 0.9);
        let near = (0..10).filter(|_| {
            let next = strategy.propose(&archive, &mut random);
            next.choices().iter().zip(best.choices()).filter(|(one, other)| one != other).count() == 1
        });
        assert!(near.count() >= 5, "{by:?}");
    });
}

#[test]
fn what_is_under_way_is_not_proposed_again() {
    let space = large();
    with_each(&space, |by, strategy| {
        if by == Strategies::Evolution {
            return;
        }
        let (mut archive, mut random) = (Archive::default(), Random::new(4));
        while archive.different() < STARTS {
            let next = strategy.propose(&archive, &mut random);
            strategy.learn(&next, worth(&next), true);
            archive.put(next.clone(), worth(&next));
        }
        // More than the best has neighbours.
        let mut proposed: Vec<_> = (0..60).map(|_| strategy.propose(&archive, &mut random)).collect();
        proposed.sort();
        proposed.dedup();
        assert_eq!(proposed.len(), 60, "{by:?}");
    });
}

#[test]
fn a_small_space_is_gone_through_to_its_end_and_beyond() {
    let space = small();
    with_each(&space, |by, strategy| {
        let (mut archive, mut random) = (Archive::default(), Random::new(5));
        for trial in 0..400 {
            let next = strategy.propose(&archive, &mut random);
            let reward = archive.reward(&next).unwrap_or(if trial % 3 == 0 { 0.0 } else { worth(&next) });
            strategy.learn(&next, reward, true);
            archive.put(next, reward);
        }
        assert_eq!(archive.different() as u128, space.size(), "{by:?}");
    });
}

#[test]
fn strategies_repeat_themselves_by_the_seed_and_mind_no_failures() {
    let space = large();
    for reward in [0.0, 1.0] {
        let mut all = Vec::new();
        for _ in 0..2 {
            with_each(&space, |_, strategy| {
                let (mut archive, mut random) = (Archive::default(), Random::new(6));
                let mut proposed = Vec::new();
                for _ in 0..100 {
                    let next = strategy.propose(&archive, &mut random);
                    strategy.learn(&next, reward, true);
                    archive.put(next.clone(), reward);
                    proposed.push(next);
                }
                all.push(proposed);
            });
        }
        assert_eq!(all[..4], all[4..]);
    }
}

#[test]
fn in_evolution_the_oldest_dies_however_good_it_is() {
    let space = large();
    let (mut strategy, archive, mut random) = (Evolution::new(&space, 5, 50), Archive::default(), Random::new(7));
    let best = space.settle(vec![2; 8], &mut random);
    let far = space.settle(vec![0; 8], &mut random);
    let near = |strategy: &mut Evolution<'_>, random: &mut Random| {
        let child = strategy.propose(&archive, random);
        child.choices().iter().filter(|choice| **choice == 2).count() == 7
    };
    strategy.learn(&best, 0.9, true);
    for _ in 0..4 {
        let _ = strategy.learn(&far, 0.1, true);
    }
    assert!((0..20).all(|_| near(&mut strategy, &mut random)));
    strategy.learn(&far, 0.1, true);
    assert!(!(0..20).any(|_| near(&mut strategy, &mut random)));
}
