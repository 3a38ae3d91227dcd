//! The board, and what of it a resume takes for known.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use super::*;
use crate::search::board::PIECE;
use crate::search::strategy::Update;

#[test]
fn a_trial_has_one_proposal_and_one_outcome() {
    let (space, board) = (space(9), Board::new());
    assert_eq!((board.dealt(), board.done(0).count()), (0, 0));
    board.propose(3, proposal(model(&space, 1)));
    board.propose(3, proposal(model(&space, 2)));
    assert_eq!(board.slot(3).proposal.get().unwrap().architecture, model(&space, 1));
    // Numbers below may be still to come; what is not done is not told.
    assert_eq!((board.dealt(), board.done(0).count()), (4, 0));
    put(&board, 1, proposal(model(&space, 4)), outcome(0.5, 1.0));
    board.slot(3).outcome.set(outcome(0.25, 1.0)).unwrap();
    let done: Vec<_> = board.done(0).map(|(number, _, outcome)| (number, outcome.reward)).collect();
    assert_eq!(done, [(1, 0.5), (3, 0.25)]);
    assert_eq!(board.done(2).count(), 1);
    assert_eq!(board.dealt(), 4);
}

#[test]
fn pieces_of_the_board_hang_together() {
    let (space, board) = (space(9), Board::new());
    let numbers = [0, PIECE - 1, PIECE, 3 * PIECE + 5];
    for (nth, &number) in numbers.iter().enumerate() {
        put(&board, number, proposal(model(&space, nth)), outcome(0.1, 1.0));
    }
    assert_eq!(board.done(0).map(|(number, ..)| number).collect::<Vec<_>>(), numbers);
    assert_eq!(board.dealt(), 3 * PIECE + 6);
}

#[test]
fn controllers_and_children_may_write_at_once() {
    let (space, board) = (space(200), Board::new());
    let all: Vec<Architecture> = space.all().collect();
    thread::scope(|scope| {
        for controller in 0..4 {
            let (board, all) = (&board, &all);
            scope.spawn(move || {
                for number in (controller..2000).step_by(4) {
                    let architecture = all[number % 200].clone();
                    put(board, number, Proposal { controller, ..proposal(architecture) }, outcome(0.5, number as f64));
                    // Whoever sees that it was dealt sees what.
                    for (number, proposal, outcome) in board.done(number.saturating_sub(40)) {
                        assert_eq!((proposal.controller, outcome.loss), (number % 4, number as f64));
                        assert_eq!(proposal.architecture, all[number % 200]);
                    }
                }
            });
        }
    });
    assert_eq!((board.dealt(), board.done(0).count()), (2000, 2000));
}

#[test]
fn staleness_is_of_the_updates_there_were() {
    let (space, board) = (space(9), Board::new());
    for (number, staleness) in [(0, Some(3)), (1, None), (2, Some(5))] {
        put(&board, number, proposal(model(&space, number)), outcome(0.5, 1.0));
        if let Some(staleness) = staleness {
            board.slot(number).update.set(Update { staleness, baseline: 0.0, entropy: 0.0 }).unwrap();
        }
    }
    let told = serde_json::to_value(board.staleness()).unwrap();
    assert!((3..=5).contains(&told["p50"].as_u64().unwrap()) && told["p99"].as_u64().unwrap() >= 5, "{told}");
}

#[test]
fn without_a_policy_all_that_is_there_has_been_heard_of() {
    let (space, board) = (space(9), Board::new());
    (0..4).for_each(|number| put(&board, number, proposal(model(&space, number)), outcome(0.5, 1.0)));
    let marks = || -> Vec<(bool, bool)> {
        let slots = (0..4).map(|number| board.slot(number));
        slots.map(|slot| (slot.heard.load(Relaxed), slot.learned.load(Relaxed))).collect()
    };
    board.mark(|_| true);
    assert_eq!(marks(), [(true, true); 4]);
    // A fresh Θ knows nothing.
    board.mark(|_| false);
    assert_eq!(marks(), [(false, false); 4]);
}
