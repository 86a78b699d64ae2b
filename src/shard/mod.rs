//! One core and all it owns: its timers.

mod timers;

pub use timers::{TimerId, Timers};
