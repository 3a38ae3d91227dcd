//! [`Repeats`]: what stands twice in a row.

/// A table that rows are checked with, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// Ids, each beside the number of the row that it was seen in; a power of two of them.
    slots: Vec<u64>,
    /// By slot, the place of the id in its row.
    places: Vec<u32>,
    row: u32,
}

impl Repeats {
    /// True where an id stands in `ids` more than once.
    pub(crate) fn any(&mut self, ids: &[u32]) -> bool {
        self.begin_row(ids.len());
        ids.iter().any(|&id| self.find(id).1)
    }

    /// Adds up the values of ids that stand more than once, each at its first place, and moves those that stay to the front, in
    /// their order; how many they are.
    pub(crate) fn fold(&mut self, ids: &mut [u32], values: &mut [f32]) -> usize {
        self.begin_row(ids.len());
        let mut kept = 0;
        for at in 0..ids.len().min(values.len()) {
            let (id, value) = (ids[at], values[at]);
            let (slot, known) = self.find(id);
            if known {
                values[self.places[slot] as usize] += value;
            } else {
                self.places[slot] = kept as u32;
                (ids[kept], values[kept]) = (id, value);
                kept += 1;
            }
        }
        kept
    }

    /// Begins a row of so many ids.
    fn begin_row(&mut self, ids: usize) {
        let room = (2 * ids).next_power_of_two();
        if room > self.slots.len() || self.row == u32::MAX {
            self.slots.clear();
            self.slots.resize(room.max(256), 0);
            self.places.resize(self.slots.len(), 0);
            self.row = 0;
        }
        self.row += 1;
    }

    /// The slot of `id`, and whether the row had it before.
    #[inline(always)]
    fn find(&mut self, id: u32) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        // Fibonacci hashing: neighbours go far apart.
        let mut at = (u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & mask;
        let entry = u64::from(self.row) << 32 | u64::from(id);
        while self.slots[at] >> 32 == u64::from(self.row) {
            if self.slots[at] == entry {
                return (at, true);
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = entry;
        (at, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_twice_in_one_row_is_told() {
        let mut repeats = Repeats::default();
        assert!(!repeats.any(&[]) && !repeats.any(&[0, 7, u32::MAX]) && !repeats.any(&[7, 0]));
        assert!(repeats.any(&[3, 7, 3]) && repeats.any(&[0, 0]) && !repeats.any(&[3]));
        let mut many: Vec<u32> = (0..10_000).map(|i| i * 4096).collect();
        assert!(!repeats.any(&many));
        many.push(4096 * 77);
        assert!(repeats.any(&many) && !repeats.any(&many[5000..]));
    }
}
