//! Who is in the finals, and who wins them.

use super::*;
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::finals::{Again, Standing, TIMES, finalists, standings, wanted, winner};
use crate::search::strategy::Strategy;

/// A board of trials: the model, its rung, whether it is of the finals, and what it came to.
fn board(space: &Space, trials: &[(usize, usize, bool, Outcome)]) -> Board {
    let board = Board::new();
    for (number, (nth, rung, finals, outcome)) in trials.iter().enumerate() {
        let proposal = Proposal { rung: *rung, finals: *finals, ..proposal(model(space, *nth)) };
        put(&board, number, proposal, outcome.clone());
    }
    board
}

fn numbers(space: &Space, standings: &[Standing]) -> Vec<usize> {
    let number = |standing: &Standing| space.all().position(|other| other == standing.architecture).unwrap();
    standings.iter().map(number).collect()
}

#[test]
fn the_best_stand_first_by_rung_by_r_by_loss() {
    let space = space(9);
    let trials = [
        (0, 0, false, outcome(0.5, 1.0)),
        (1, 0, false, outcome(0.9, 1.0)),
        (2, 0, false, outcome(0.5, 0.8)),
        (3, 0, false, failed("it is bad")),
        (4, 0, false, outcome(0.6, 1.0)),
        (4, 1, false, outcome(0.3, 2.0)),
        // Of one seed good, of another bad.
        (5, 0, false, outcome(0.9, 0.1)),
        (5, 0, false, failed("it ran away")),
        (0, 0, true, outcome(1.0, 0.0)),
    ];
    let standings = standings(&board(&space, &trials));
    assert_eq!(numbers(&space, &standings), [4, 1, 2, 0, 5]);
    let [first, .., last] = &standings[..] else { unreachable!() };
    assert_eq!((first.rung, first.trials, first.good, first.reward), (1, 1, 1, f64::from(0.3f32)));
    assert_eq!((last.trials, last.good, last.loss, last.seconds), (2, 1, 0.1, 0.5));
    assert!((last.reward - f64::from(0.9f32) / 2.0).abs() < 1e-9);
}

#[test]
fn seeds_count_by_their_mean() {
    let space = space(3);
    let trials = [0.2, 0.4, 0.9].map(|reward| (1, 0, false, outcome(reward, reward.into())));
    let standings = standings(&board(&space, &trials));
    assert_eq!(standings.len(), 1);
    assert!((standings[0].reward - 0.5).abs() < 1e-6 && (standings[0].loss - 0.5).abs() < 1e-6);
}

#[test]
fn finals_are_a_tenth_of_trials_and_of_time_and_of_ten_models_at_most() {
    let space = space(50);
    let trials: Vec<_> = (0..50).map(|nth| (nth, 0, false, outcome(nth as f32 / 50.0, 1.0))).collect();
    let standings = standings(&board(&space, &trials));
    let many = |trials, seconds, children| finalists(&standings, trials, seconds, children).len();
    assert_eq!([40, 79, 80, 119, 120, 400, 4000].map(|trials| many(Some(trials), None, 2)), [0, 0, 2, 2, 3, 10, 10]);
    // Each takes four times half a second of one of two children.
    assert_eq!([10.0, 20.0, 50.0, 1000.0].map(|seconds| many(None, Some(seconds), 2)), [0, 2, 5, 10]);
    assert_eq!((many(Some(80), Some(1000.0), 2), many(Some(4000), Some(20.0), 2)), (2, 2));
    assert_eq!(finalists(&standings, Some(80), None, 1), [49, 48].map(|nth| model(&space, nth)));
    assert!(finalists(&[], Some(1000), None, 1).is_empty());
}

#[test]
fn finals_decide_by_what_they_have_shown_alone() {
    let space = space(9);
    let mut trials =
        vec![(0, 0, false, outcome(0.9, 1.0)), (1, 0, false, outcome(0.8, 1.0)), (2, 0, false, outcome(0.7, 1.0))];
    let finals = [model(&space, 0), model(&space, 1)];
    let won = |trials: &[_]| {
        let winner = winner(&board(&space, trials), &finals);
        winner.map(|winner| (numbers(&space, std::slice::from_ref(&winner))[0], winner.trials))
    };
    // Before they have begun the best of all wins.
    assert_eq!(won(&trials), Some((0, 1)));
    trials.extend([(0, 0, true, outcome(0.5, 1.0)), (0, 0, true, outcome(0.95, 1.0))]);
    assert_eq!(won(&trials), Some((0, 1)), "no round is whole");
    trials.push((1, 0, true, outcome(0.6, 1.0)));
    assert_eq!(won(&trials), Some((1, 1)), "a round that only one was in does not count");
    trials.push((1, 0, true, failed("it took too long")));
    assert_eq!(won(&trials), Some((0, 2)), "what fails counts nothing");
    assert_eq!(wanted(&board(&space, &trials), &finals), 2 * (TIMES - 2));
    // Where all finals failed, what was known before counts.
    let lost = [0, 1].map(|nth| (nth, 0, true, failed("the disk is full")));
    assert_eq!(won(&[&trials[..3], &lost].concat()), Some((0, 1)));
    assert_eq!(winner(&Board::new(), &[]), None);
    assert_eq!(winner(&board(&space, &[(0, 0, false, failed("no"))]), &[]), None);
}

#[test]
fn finalists_take_turns_until_each_has_had_its_trials() {
    let space = space(9);
    let finals = [3, 5, 7].map(|nth| model(&space, nth));
    let (mut again, mut archive, mut random) = (Again::new(&finals), Archive::default(), Random::new(1));
    // One has had trials in an earlier run.
    (0..3).for_each(|_| archive.put(finals[1].clone(), 0.5));
    let mut turns = Vec::new();
    while finals.iter().any(|finalist| archive.times(finalist) < TIMES) {
        let next = again.propose(&archive, &mut random);
        archive.put(next.clone(), 0.5);
        turns.push(finals.iter().position(|finalist| *finalist == next).unwrap());
    }
    assert_eq!(turns, [0, 1, 2, 0, 2, 0, 2, 0, 2]);
}
