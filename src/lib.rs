//! A lock-free, shared-memory trainer for one machine.
pub mod checkpoint;
pub mod error;
pub mod store;
pub mod sys;
