//! The contract between a state type and the machine: what a step reads ([`Frame`]), and what it
//! says happens next ([`Transition`]). Steps are rows of a flat table; they name each other by index.
//!
//! A state that runs others (Parallel, Map) answers `enter` with [`Transition::Fork`]; the machine
//! gives each branch or iteration a thread of its own, runs all in the same loop, and answers the
//! forking step's `resume` with the array of their results.

mod fork;
mod glance;
mod stage;
mod task;

use std::fmt;

pub use fork::{Batches, Fork, Terms, Tolerance};
pub use glance::Glance;
pub use stage::{Stage, Stages};
pub use task::{CallNumber, CallSite, Resume, TaskRequest};

use crate::expr::Scope;
use crate::fault::StateError;
use crate::jsonata::{Limits, Memory};
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
    /// What `$states` shows to JSONata.
    pub states: States,
    /// Working memory of JSONata's evaluations.
    pub queries: &'a mut Memory,
    /// What one of them may take.
    pub query_limits: Limits,
    /// What `Assign` made, `null` for nothing: it counts once the state is left.
    pub assigned: &'a mut Value,
    /// Who is told what each stage of input and output processing made; mostly nobody.
    pub stages: Option<&'a mut dyn Stages>,
}

/// What `$states` shows, beside the context object.
#[derive(Clone, Copy, Debug)]
pub struct States {
    /// `$states.input`: the state's input, as it came.
    pub input: Value,
    /// `$states.result`: of a task, branches or iterations.
    pub result: Option<Value>,
    /// `$states.errorOutput`, in a catcher.
    pub error_output: Option<Value>,
}

impl States {
    /// Only an input so far.
    pub fn of(input: Value) -> States {
        States { input, result: None, error_output: None }
    }
}

impl Frame<'_> {
    /// Tells who watches what a stage made.
    #[inline]
    pub fn made(&mut self, stage: Stage, value: Value) {
        if let Some(stages) = &mut self.stages {
            stages.made(stage, value, self.scope.scratch);
        }
    }

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
    /// Others are to run first; `resume` gets the array of their results.
    Fork(Fork),
    /// The Fail state: its error, which no Retry or Catch of its own state sees.
    Fail(StateError),
}
