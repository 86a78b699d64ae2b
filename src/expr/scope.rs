//! What an expression may read.

use crate::intrinsics::Random;
use crate::value::{Scratch, Value};

/// The context object, asked only by expressions that read `$$`. It hands out handles, so that
/// `$$.Execution.Input` copies nothing.
pub trait Context {
    /// The whole object.
    fn object(&mut self, scratch: &mut Scratch) -> Value;

    /// `$$.group.field`; answer without making the whole object where that is cheaper.
    fn field(&mut self, scratch: &mut Scratch, group: &str, field: &str) -> Option<Value> {
        let object = self.object(scratch);
        scratch.member(scratch.member(object, group)?, field)
    }

    /// `$name`; `None` where no such variable was assigned.
    fn variable(&mut self, _scratch: &mut Scratch, _name: &str) -> Option<Value> {
        None
    }

    /// All variables, an object; `null` where none was assigned.
    fn variables(&self) -> Value {
        Value::NULL
    }
}

/// A context object that lies ready.
impl Context for Value {
    fn object(&mut self, _scratch: &mut Scratch) -> Value {
        *self
    }
}

/// What an expression may read, and the memory it builds in.
pub struct Scope<'a> {
    /// Where all values lie.
    pub scratch: &'a mut Scratch,
    /// `$`
    pub input: Value,
    /// `$$`, and the variables.
    pub context: &'a mut dyn Context,
    /// For `States.UUID` and `States.MathRandom`.
    pub random: &'a mut Random,
}
