//! Expressway runs Amazon States Language state machines, Express style, straight off a stream.
//!
//! ```text
//! Source::poll -> Record -> Tracker::track -> shard inbox -> value index -> Execution
//!   -> machine::run -> Outcome -> Sink::write -> Receipt -> Tracker::settle -> Source::commit
//! ```
//!
//! Storeys; a module may import the ones below it (held by `tests/storeys.rs`):
//!
//! ```text
//! 6 engine < load < api < cli
//! 5 config, shard
//! 4 tasks, sources, sinks
//! 3 step < states < program < machine
//! 2 expr < asl
//! 1 intrinsics, jsonata, kafka, aws
//! 0 value, fault, record, ack, targets, metrics
//! ```
#![warn(missing_docs)]

pub mod ack;
pub mod api;
pub mod asl;
pub mod aws;
pub mod cli;
pub mod config;
pub mod engine;
pub mod expr;
pub mod fault;
pub mod intrinsics;
pub mod jsonata;
pub mod kafka;
pub mod load;
pub mod machine;
pub mod metrics;
pub mod program;
pub mod record;
pub mod shard;
pub mod sinks;
pub mod sources;
pub mod states;
pub mod step;
pub mod targets;
pub mod tasks;
pub mod value;
