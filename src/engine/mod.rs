//! The machine and who works where on it.

pub mod plan;
pub mod topology;
