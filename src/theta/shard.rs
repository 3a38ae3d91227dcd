//! [`Shard`]: one parameter server. It owns every S-th block of every tensor; who wants to exchange a block claims its shard.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam::utils::{Backoff, CachePadded};

/// One parameter server.
///
/// **The claim.** `taken` is set by an exchange with Acquire and cleared by the [`Claim`]'s drop with Release, so of two exchanges of
/// one shard the second sees all that the first wrote, and no sum is lost. Drop runs on unwinding too: a child that panics
/// while merging leaves the shard free. Readers and in-place updates take no claim: they race with an exchange by relaxed
/// accesses, as with each other.
#[derive(Debug, Default)]
pub struct Shard {
    taken: CachePadded<AtomicBool>,
    exchanges: CachePadded<AtomicU64>,
}

impl Shard {
    /// The shard for the caller alone, if nobody exchanges with it now.
    pub fn try_claim(&self) -> Option<Claim<'_>> {
        // A look first: a failed swap would take the cache line from the holder.
        if self.taken.load(Ordering::Relaxed) || self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Claim(self))
    }

    /// The shard for the caller alone. The holder is never blocked and holds it for about a microsecond, but may have been
    /// descheduled, so after a short spin the caller gives its processor away.
    pub fn claim(&self) -> Claim<'_> {
        let backoff = Backoff::new();
        loop {
            if let Some(claim) = self.try_claim() {
                return claim;
            }
            backoff.snooze();
        }
    }

    /// How many claims have been given back.
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }
}

/// The right to exchange the blocks of a shard; given back when dropped.
#[derive(Debug)]
pub struct Claim<'a>(&'a Shard);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Only the holder writes the counter, so a load and a store will do.
        self.0.exchanges.store(self.0.exchanges.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.0.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn claims_exclude_each_other_and_lose_nothing() {
        let shard = Shard::default();
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let _claim = shard.claim();
                        word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(word.into_inner(), 80_000);
        assert_eq!(shard.exchanges(), 80_000);
    }

    #[test]
    fn a_panic_gives_the_claim_back() {
        let shard = Shard::default();
        let result = std::panic::catch_unwind(|| {
            let _claim = shard.try_claim().unwrap();
            assert!(shard.try_claim().is_none());
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(result.is_err() && shard.try_claim().is_some());
    }
}
