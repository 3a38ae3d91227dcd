//! [`Spaces`]: the namespaces of a chunk.

use rustc_hash::FxHashMap;

use crate::data::hashing::seed;
use crate::data::names::Prefix;

/// The namespaces of a chunk, numbered as they appear.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    all: Vec<Space>,
    numbers: FxHashMap<Vec<u8>, usize>,
    last: usize,
    /// Those that the row at hand is the first to have.
    fresh: Vec<usize>,
}

/// A namespace.
#[derive(Debug, Default)]
pub(super) struct Space {
    name: Vec<u8>,
    /// What its features' names begin with.
    pub(super) prefix: Prefix,
    /// What its features' hashes begin with.
    pub(super) seed: u64,
    /// Whether its features are left out.
    pub(super) ignored: bool,
    /// Whether the text has it.
    seen: bool,
    /// The one that came after it last time.
    next: usize,
}

impl Spaces {
    /// Those of `ignored` are left out.
    pub(super) fn new(ignored: [&[String]; 2]) -> Self {
        let mut spaces = Self::default();
        ignored.into_iter().flatten().for_each(|name| {
            let at = spaces.number(name.as_bytes());
            spaces.all[at].ignored = true;
        });
        spaces
    }

    /// The number of the namespace `name`.
    pub(super) fn number(&mut self, name: &[u8]) -> usize {
        if let Some(&at) = self.numbers.get(name) {
            return at;
        }
        let (at, mut prefix) = (self.all.len(), Prefix::default());
        prefix.set(name);
        self.all.push(Space { name: name.to_vec(), prefix, seed: seed(name), ..Space::default() });
        self.numbers.insert(name.to_vec(), at);
        at
    }

    /// The number of the namespace `name`, which the text has next.
    #[inline(always)]
    pub(super) fn next(&mut self, name: &[u8]) -> usize {
        // Most texts have their namespaces in one order.
        let next = self.all.get(self.last).map_or(0, |last| last.next);
        let at = if self.all.get(next).is_some_and(|space| space.name == name) { next } else { self.number(name) };
        let last = self.last;
        self.all[last].next = at;
        if !std::mem::replace(&mut self.all[at].seen, true) {
            self.fresh.push(at);
        }
        self.last = at;
        at
    }

    /// Begins a row.
    pub(super) fn begin_row(&mut self) {
        self.fresh.clear();
    }

    /// Forgets that the text has the namespaces that the row at hand, which is bad, is the first to have.
    pub(super) fn forget_row(&mut self) {
        self.fresh.drain(..).for_each(|at| self.all[at].seen = false);
    }

    /// The namespace of this number.
    #[inline(always)]
    pub(super) fn at(&self, number: usize) -> &Space {
        &self.all[number]
    }

    /// The names of those that the text has.
    pub(super) fn seen(self) -> Vec<String> {
        let seen = self.all.into_iter().filter(|space| space.seen);
        seen.map(|space| String::from_utf8_lossy(&space.name).into_owned()).collect()
    }
}
