//! Work leaving the machine and coming back.

use std::time::Duration;

use super::ResourceId;
use crate::fault::StateError;
use crate::value::Value;

/// A task to call. Its arguments live in the execution's scratch memory: the host writes them out
/// before it parks the execution.
#[derive(Clone, Copy, Debug)]
pub struct TaskRequest {
    /// Whom to call.
    pub resource: ResourceId,
    /// What with: `Parameters`, or the state's input.
    pub arguments: Value,
    /// `Credentials`
    pub credentials: Option<Value>,
    /// `TimeoutSeconds`
    pub timeout: Option<Duration>,
    /// `HeartbeatSeconds`
    pub heartbeat: Option<Duration>,
}

/// What came back to an execution, so that it may go on.
#[derive(Debug)]
pub enum Resume<'a> {
    /// It has not run yet, or had spent its budget.
    Continue,
    /// The time it waited for has come.
    Timer,
    /// A task's answer: JSON text, or an error.
    Reply(Result<&'a [u8], StateError>),
}
