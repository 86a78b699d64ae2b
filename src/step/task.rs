//! Work leaving the machine and coming back.

use std::time::Duration;

use super::{ResourceId, StepId};
use crate::fault::StateError;
use crate::value::{Kind, Scratch, Value};

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

impl TaskRequest {
    /// Appends the role to assume, `Credentials.RoleArn`; nothing where there is none. What is no
    /// name of a role is written as it is: it must not pass for none.
    pub fn write_role(&self, scratch: &Scratch, out: &mut String) {
        let Some(credentials) = self.credentials else { return };
        let role = scratch.member(credentials, "RoleArn").unwrap_or(Value::NULL);
        if role.kind() == Kind::String && !scratch.str(role).is_empty() {
            return out.push_str(&scratch.str(role));
        }
        let mut json = Vec::new();
        scratch.write(role, &mut json);
        out.push_str(&String::from_utf8_lossy(&json));
    }
}

/// Names a call of an execution: an answer to another one is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallNumber {
    /// The thread that called.
    pub thread: u32,
    /// Counts the execution's suspensions.
    pub number: u32,
}

impl CallNumber {
    /// As one number, for whoever carries the call.
    pub fn to_bits(self) -> u64 {
        u64::from(self.thread) << 32 | u64::from(self.number)
    }

    /// From [`CallNumber::to_bits`].
    pub fn from_bits(bits: u64) -> CallNumber {
        CallNumber { thread: (bits >> 32) as u32, number: bits as u32 }
    }
}

/// Where in an execution a call is made: the same whenever its record is run, whatever ran beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallSite {
    /// The branches and iterations around it, as one number; 0 outside of all.
    pub scope: u64,
    /// The state that calls.
    pub step: StepId,
    /// Which visit of the state within the scope, from 1.
    pub visit: u32,
    /// Which try of this visit, from 0.
    pub attempt: u32,
}

/// What came back to an execution, so that it may go on.
#[derive(Debug)]
pub enum Resume<'a> {
    /// Nothing: it has not run yet, had spent its budget, or its call was made.
    Continue,
    /// A time that it waited for may have come.
    Timer,
    /// A call that takes long is still worked on, or is only now: `HeartbeatSeconds` starts again.
    Heartbeat(CallNumber),
    /// A task's answer: JSON text, or an error.
    Reply(CallNumber, Result<&'a [u8], StateError>),
}
