//! The job `search`: controllers that learn which model to train (Zoph & Le, "Neural Architecture Search with Reinforcement Learning",
//! ICLR 2017).

pub mod archive;
pub mod policy;
pub mod space;
pub mod strategy;
