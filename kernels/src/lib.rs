//! Every instruction of hogback that touches shared parameters.
#![no_std]
mod cells;
mod rows;

pub use cells::Cells;
pub use rows::{Ids, Row};
