//! A lock-free, shared-memory trainer for one machine.
//!
//! [`Trainer`] makes model directories, [`Model`] opens them to predict. The modules are the parts that the command `hogback` is
//! made of; ARCHITECTURE.md leads through them.

pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod engine;
pub mod error;
pub mod fault;
pub mod generate;
mod keyed;
pub mod model;
pub mod random;
pub mod report;
pub mod search;
pub mod store;
pub mod sys;
pub mod theta;
pub mod train;
mod trainer;

pub use data::{CachePolicy, ReadOptions};
pub use error::Error;
pub use model::predictor::Model;
pub use train::{ClassWeights, Consistency, Settings, Summary};
pub use trainer::Trainer;
