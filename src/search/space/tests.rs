mod written;

use std::collections::HashSet;

use super::*;

/// A decision of `values` numbers from 0 on.
fn decision(name: &str, values: usize, when: Option<(usize, &[u8])>) -> Decision {
    let when = when.map(|(decision, choices)| When { decision, choices: choices.to_vec() });
    let values = (0..values).map(|value| Value::Number(value as f64)).collect();
    Decision { name: name.to_owned(), values, is_ordered: true, when, skip: None }
}

/// Spaces with conditions of every form: none, several on one decision, on one that itself has one.
pub(super) fn spaces() -> Vec<Space> {
    let layers = [
        decision("layers", 4, None),
        decision("width1", 3, Some((0, &[1, 2, 3]))),
        decision("width2", 3, Some((0, &[2, 3]))),
        decision("skip", 2, Some((2, &[1]))),
        decision("lr", 5, None),
        decision("deeper", 2, Some((3, &[0, 1]))),
    ];
    let plain = [decision("a", 2, None), decision("b", 1, None), decision("c", 3, None)];
    let hanging = [decision("a", 1, None), decision("b", 2, Some((0, &[0]))), decision("c", 7, Some((1, &[0])))];
    let space = |decisions: &[Decision]| Space::new("tested".to_owned(), decisions.to_vec());
    vec![space(&layers), space(&plain), space(&hanging)]
}

#[test]
fn a_space_is_as_large_as_the_architectures_in_it_are_many() {
    for (space, size) in spaces().iter().zip([200, 6, 8]) {
        let all: Vec<_> = space.all().collect();
        assert_eq!((space.size(), all.len()), (size, size as usize));
        assert!(all.is_sorted_by(|one, other| one < other));
    }
}

#[test]
fn what_is_drawn_is_in_the_space_and_all_of_it_is_drawn() {
    for space in spaces() {
        let (all, mut random) = (space.all().collect::<HashSet<_>>(), Random::new(5));
        let drawn: HashSet<_> = (0..60_000).map(|_| space.draw(&mut random)).collect();
        assert!(drawn == all);
    }
}

#[test]
fn a_decision_is_unmade_where_and_only_where_its_condition_fails() {
    for space in spaces() {
        for architecture in space.all() {
            for (nth, &choice) in architecture.choices().iter().enumerate() {
                assert_eq!(choice != UNMADE, space.is_made(nth, architecture.choices()));
            }
        }
    }
}

#[test]
fn what_is_settled_stays_and_what_is_told_is_found() {
    let mut random = Random::new(7);
    for space in spaces() {
        for architecture in space.all() {
            let settled = space.settle(architecture.choices().to_vec(), &mut random);
            assert_eq!(settled, architecture);
            assert_eq!(space.find(&space.told(&architecture)), Some(architecture));
        }
    }
}

#[test]
fn settling_keeps_what_may_be_kept_and_draws_the_rest() {
    let (space, mut random) = (&spaces()[0], Random::new(1));
    for _ in 0..100 {
        let settled = space.settle(vec![1, 2, 1, 1, UNMADE, 0], &mut random);
        assert_eq!(settled.choices()[..4], [1, 2, UNMADE, UNMADE]);
        assert!(settled.choices()[4] < 5);
        assert_eq!(settled.choices()[5], UNMADE);
    }
}

#[test]
fn what_another_space_tells_is_not_found() {
    let spaces = spaces();
    let mut told = spaces[1].told(&spaces[1].all().next().unwrap());
    assert_eq!(spaces[0].find(&told), None);
    told.insert("d".to_owned(), 0.into());
    assert_eq!(spaces[1].find(&told), None);
    told.remove("d");
    told.insert("c".to_owned(), 3.into());
    assert_eq!(spaces[1].find(&told), None);
}

#[test]
fn it_is_known_by_which_edit_a_neighbour_came() {
    for name in ["mlp", "sparse"] {
        let (space, mut random) = (Space::named(name).unwrap(), Random::new(9));
        for _ in 0..50 {
            let parent = space.draw(&mut random);
            assert_eq!(space.edit(&parent, &parent), None);
            for edit in space.neighbours(&parent, &mut random) {
                assert_eq!(space.edit(&parent, &edit.child), Some((edit.decision, edit.choice)));
            }
            // Two edits are none, unless one made the other.
            let grandchild = space.mutate(&space.mutate(&parent, &mut random), &mut random);
            if let Some((decision, choice)) = space.edit(&parent, &grandchild) {
                assert_eq!(grandchild.choices()[decision], choice);
                assert_ne!(parent.choices()[decision], choice);
            }
        }
    }
}
