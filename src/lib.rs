//! A lock-free, shared-memory trainer for one machine.
pub mod error;
pub mod sys;
