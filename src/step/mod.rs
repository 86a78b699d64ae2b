//! The contract between a state type and the machine: what a step reads ([`Frame`]), and what it
//! says happens next ([`Transition`]). Steps are rows of a flat table; they name each other by index.
//!
//! How Parallel and Map will sit here: a state that runs branches answers `enter` with a transition
//! that forks, naming the first step of each branch and its input; the machine gives each branch an
//! entry of `Execution`'s list of threads (each has its own step, phase, call number and roots, and
//! the index of its parent), runs them in the same loop, and answers the forking step's `resume`
//! with the array of their results once the last has ended. Replies and timers already carry the
//! call number that tells whose they are. Variables will be one more root of a thread.

mod task;

use std::fmt;

pub use task::{Resume, TaskRequest};

use crate::expr::Scope;
use crate::fault::StateError;
use crate::value::Value;

/// The index of a step in its program's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub u32);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// The index of a task resource in its program's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResourceId(pub u32);

/// Where a state leads: its `Next`, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// `"Next": "..."`
    Next(StepId),
    /// `"End": true`, and Succeed.
    End,
}

/// What a step reads and writes: all that expressions may see, of which `input` is the state's input
/// as it came, and the time.
pub struct Frame<'a> {
    /// What expressions see.
    pub scope: Scope<'a>,
    /// Milliseconds since 1970, the same throughout one call of the machine.
    pub now_ms: i64,
}

impl Frame<'_> {
    /// Runs `read` with another `$`.
    #[inline]
    pub fn with_input<T>(&mut self, input: Value, read: impl FnOnce(&mut Self) -> T) -> T {
        let raw = std::mem::replace(&mut self.scope.input, input);
        let result = read(self);
        self.scope.input = raw;
        result
    }
}

/// What happens next.
#[derive(Debug)]
pub enum Transition {
    /// The state is over, with this output.
    Exit(Exit, Value),
    /// A task is to be called; `resume` gets its result.
    Call(TaskRequest),
    /// Nothing until then (milliseconds since 1970); `resume` gets `null`.
    Wait(i64),
    /// The Fail state: its error, which no Retry or Catch of its own state sees.
    Fail(StateError),
}
