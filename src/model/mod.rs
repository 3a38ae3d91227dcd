//! Models: what they are, how they learn, how they predict. They know views of Θ, not the engine.

pub mod configuration;
pub mod export;
pub mod factors;
pub mod inspect;
pub mod labels;
mod most;
pub mod nearest;
pub mod predictor;
pub mod sparse;
pub mod tally;
pub mod weighting;
