//! [`Repeats`]: whether an id stands twice in a row.

/// A table that rows are checked with, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// Ids, each beside the number of the row that it was seen in; a power of two of them.
    slots: Vec<u64>,
    row: u32,
}

impl Repeats {
    /// True where an id stands in `ids` more than once.
    pub(crate) fn any(&mut self, ids: &[u32]) -> bool {
        let room = (2 * ids.len()).next_power_of_two();
        if room > self.slots.len() || self.row == u32::MAX {
            self.slots.clear();
            self.slots.resize(room.max(256), 0);
            self.row = 0;
        }
        self.row += 1;
        let mask = self.slots.len() - 1;
        for &id in ids {
            // Fibonacci hashing: neighbours go far apart.
            let mut at = (u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & mask;
            let entry = u64::from(self.row) << 32 | u64::from(id);
            while self.slots[at] >> 32 == u64::from(self.row) {
                if self.slots[at] == entry {
                    return true;
                }
                at = (at + 1) & mask;
            }
            self.slots[at] = entry;
        }
        false
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
