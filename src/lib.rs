//! A lock-free, shared-memory trainer for one machine.
pub mod data;
pub mod error;
pub mod store;
pub mod sys;
