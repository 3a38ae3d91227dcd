//! A lock-free, shared-memory trainer for one machine.
pub mod engine;
pub mod error;
pub mod fault;
pub mod report;
pub mod sys;
pub mod theta;
