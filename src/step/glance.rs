//! What is enough for most states.

use crate::jsonata::{Limits, Memory};
use crate::value::{Scratch, Value};

/// What a state reads and makes that is left at a glance, beside its input.
#[derive(Debug)]
pub struct Glance<'a> {
    /// Where all values lie.
    pub scratch: &'a mut Scratch,
    /// All variables, an object; `null` where none was assigned.
    pub variables: &'a mut Value,
    /// What `Assign` made, `null` for nothing: it counts once the state is left.
    pub assigned: Value,
    /// Working memory of JSONata's evaluations.
    pub queries: &'a mut Memory,
    /// What one of them may take.
    pub query_limits: &'a Limits,
}
