//! [`Preset`]: the sets that figures are given for.

use clap::ValueEnum;

use super::{Data, Kind};

/// A set with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// A million sparse rows over 2¹⁶ features
    P16,
    /// A million sparse rows over 2²⁰ features
    P20,
    /// Two million sparse rows over 2²⁴ features
    P24,
    /// A million rows of 24 columns of categories
    Pctr,
    /// Ten million ratings
    Prat,
}

impl Preset {
    /// What it holds.
    pub fn data(self) -> Data {
        let sparse = |features| Kind::Sparse { features, nonzeros: 60, zipf: 1.1 };
        let million = Data { kind: sparse(1 << 16), rows: 1_000_000, test_rows: 100_000, seed: 1 };
        match self {
            Self::P16 => million,
            Self::P20 => Data { kind: sparse(1 << 20), ..million },
            Self::P24 => Data { kind: sparse(1 << 24), rows: 2_000_000, ..million },
            Self::Pctr => Data { kind: Kind::Ctr { zipf: 1.1 }, seed: 2, ..million },
            Self::Prat => {
                let kind = Kind::Ratings { users: 100_000, items: 20_000 };
                Data { kind, rows: 10_000_000, test_rows: 500_000, seed: 3 }
            }
        }
    }
}
