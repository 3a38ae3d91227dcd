//! The job `search`: controllers that learn which model to train (Zoph & Le, "Neural Architecture Search with Reinforcement Learning",
//! ICLR 2017).
//!
//! What flows in: a [`Request`]. What flows out: the best model, trained on all that was not kept to test by, a log of trials, and a
//! [`Summary`]. The way: `space` says what may be chosen; a `strategy` proposes, the `policy` among them; `job` has controllers deal
//! proposals and hear of R, `child` is what a child does with one, `board` where both write; `log` keeps trials for a resume; `run` leads
//! through all of it.

pub mod archive;
mod board;
mod child;
mod halving;
mod job;
pub mod log;
pub mod policy;
pub mod space;
pub mod strategy;
pub mod table;
