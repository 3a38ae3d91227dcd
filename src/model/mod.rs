//! Models: what they are, how they learn, how they predict. They know views of Θ, not the engine.

mod chance;
pub mod configuration;
pub mod export;
pub mod factors;
pub mod inspect;
pub mod labels;
pub mod layered;
mod most;
pub mod nearest;
pub mod network;
pub mod predictor;
pub mod sparse;
pub mod tally;
pub mod weighting;
