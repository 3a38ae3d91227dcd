//! A lock-free, shared-memory trainer for one machine.
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod engine;
pub mod error;
pub mod fault;
pub mod generate;
pub mod model;
pub mod report;
pub mod store;
pub mod sys;
pub mod theta;
pub mod train;
