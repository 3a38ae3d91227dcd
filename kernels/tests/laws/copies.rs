//! Copies out and in, and sums: exact to the bit, at every length and alignment.

use hogback_kernels::Backend;

use crate::ground::{Floats, Rng, Words, bits, lengths};

/// Pairs of offsets from a cache line: both on it, each off it by an odd and by an even number of words, both off.
const OFFSETS: [(usize, usize); 7] = [(0, 0), (1, 0), (0, 1), (4, 15), (15, 4), (8, 8), (7, 9)];

fn any_bits(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| f32::from_bits(rng.next() as u32)).collect()
}

#[test]
fn a_copy_out_is_the_words_whatever_their_bits() {
    let mut rng = Rng(1);
    for backend in Backend::all() {
        for (len, (from_at, to_at)) in lengths().flat_map(|len| OFFSETS.map(|at| (len, at))) {
            let values = any_bits(&mut rng, len);
            let (from, mut to) = (Words::new(&values, from_at), Floats::new(&vec![0.0; len], to_at));
            backend.copy_out(from.cells(), to.slice());
            assert_eq!(bits(to.values()), bits(&values), "{} len {len}", backend.name());
            assert_eq!(bits(&from.values()), bits(&values), "{} len {len}", backend.name());
        }
    }
}

#[test]
fn a_copy_in_is_the_floats_whatever_their_bits() {
    let mut rng = Rng(2);
    for backend in Backend::all() {
        for (len, (from_at, to_at)) in lengths().flat_map(|len| OFFSETS.map(|at| (len, at))) {
            let values = any_bits(&mut rng, len);
            let (mut from, to) = (Floats::new(&values, from_at), Words::new(&vec![0.0; len], to_at));
            backend.copy_in(from.slice(), to.cells());
            assert_eq!(bits(&to.values()), bits(&values), "{} len {len}", backend.name());
        }
    }
}

#[test]
fn a_delta_is_added_with_one_rounding() {
    let mut rng = Rng(3);
    for backend in Backend::all() {
        for (len, (from_at, to_at)) in lengths().flat_map(|len| OFFSETS.map(|at| (len, at))) {
            let (words, delta) = (rng.floats(len, -9.0, 9.0), rng.floats(len, -1e-3, 1e-3));
            let (mut from, to) = (Floats::new(&delta, from_at), Words::new(&words, to_at));
            backend.add_delta(from.slice(), to.cells());
            let sums: Vec<f32> = words.iter().zip(&delta).map(|(word, by)| word + by).collect();
            assert_eq!(bits(&to.values()), bits(&sums), "{} len {len}", backend.name());
        }
    }
}
