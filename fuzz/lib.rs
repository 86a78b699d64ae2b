//! The value model alone, without the crate's other dependencies.

#[path = "../src/value/mod.rs"]
pub mod value;
