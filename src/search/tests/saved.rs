//! Θ of a search, saved and restored.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tempfile::tempdir;

use super::*;
use crate::search::policy::{Policy, SharedPolicy};
use crate::search::saved::{Keeper, restore};

const SEARCH: u64 = 0xdead_beef_dead_beef;
const NEVER: Duration = Duration::from_secs(3600);

fn policy(space: &Space, shards: usize, seed: u64) -> SharedPolicy<'_> {
    SharedPolicy::new(Policy::new(space, Backend::best()), shards, seed).unwrap()
}

/// All words of Θ: weights and both averages.
fn words(policy: &SharedPolicy<'_>) -> Vec<u32> {
    let snapshot = policy.theta().snapshot();
    (0..3).flat_map(|plane| snapshot.plane(0, plane).iter().map(|word| word.to_bits()).collect::<Vec<_>>()).collect()
}

#[test]
fn a_policy_comes_back_as_it_was_whatever_its_shards() {
    let folder = tempdir().unwrap();
    let (directory, space, board) = (folder.path().join("m.policy"), Space::named("mlp").unwrap(), Board::new());
    let first = policy(&space, 2, 1);
    for step in 0..5 {
        let gradient: Vec<f32> = (0..first.policy().words()).map(|at| ((at * 7 + step) % 13) as f32 - 6.0).collect();
        first.push(&gradient, 0.01);
        first.count_sample();
    }
    // Of five trials the policy has learned from all but two, one of which is not done.
    let toy = super::space(9);
    for number in 0..5 {
        board.propose(number, proposal(model(&toy, number)));
        board.slot(number).learned.store(number != 1 && number != 3, Relaxed);
    }
    let mut keeper = Keeper::new(&Disk, &directory, (NEVER, 2), false, SEARCH).unwrap();
    assert!(!keeper.is_due());
    assert_eq!(keeper.commit(&first, &board).unwrap(), 1);
    drop(keeper);
    for shards in [1, 2, 3] {
        let second = policy(&space, shards, 99);
        assert_ne!(words(&second), words(&first));
        let known = restore(&directory, &second, SEARCH).unwrap().unwrap();
        assert!(words(&second) == words(&first), "{shards} shards");
        assert_eq!((second.updates(), second.samples()), (5, 5));
        assert_eq!(
            (0..7).map(|number| known.has(number)).collect::<Vec<_>>(),
            [true, false, true, false, true, false, false]
        );
    }
}

#[test]
fn a_policy_of_another_search_is_left_alone_and_a_damaged_one_is_named() {
    let folder = tempdir().unwrap();
    let (directory, space, board) = (folder.path().join("m.policy"), Space::named("mlp").unwrap(), Board::new());
    let first = policy(&space, 1, 1);
    Keeper::new(&Disk, &directory, (NEVER, 1), false, SEARCH).unwrap().commit(&first, &board).unwrap();
    let second = policy(&space, 1, 2);
    let before = words(&second);
    assert!(restore(&directory, &second, SEARCH + 1).unwrap().is_none());
    assert!(words(&second) == before);
    // The same search, as somebody says, and another space.
    let toy = super::space(9);
    let error = restore(&directory, &policy(&toy, 1, 1), SEARCH).map(|known| known.is_some()).unwrap_err();
    assert!(error.to_string().contains("holds no policy of this space"), "{error}");
    let weights = fs::read_dir(directory.join("latest")).unwrap().map(|entry| entry.unwrap().path());
    let weights = weights.into_iter().find(|path| path.to_string_lossy().contains("weights")).unwrap();
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert!(restore(&directory, &second, SEARCH).is_err());
    assert!(words(&second) == before);
    assert!(restore(&folder.path().join("none"), &second, SEARCH).is_err());
}

#[test]
fn a_policy_that_is_no_number_is_not_saved() {
    let folder = tempdir().unwrap();
    let (directory, space, board) = (folder.path().join("m.policy"), Space::named("mlp").unwrap(), Board::new());
    let first = policy(&space, 1, 1);
    let mut keeper = Keeper::new(&Disk, &directory, (Duration::ZERO, 1), false, SEARCH).unwrap();
    assert!(keeper.is_due());
    keeper.commit(&first, &board).unwrap();
    let good = words(&first);
    first.theta().tensors()[0].cells().set(3, f32::NAN);
    assert!(keeper.commit(&first, &board).unwrap_err().to_string().contains("not a finite number"));
    drop(keeper);
    let second = policy(&space, 1, 2);
    restore(&directory, &second, SEARCH).unwrap().unwrap();
    assert!(words(&second) == good);
}
