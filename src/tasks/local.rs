//! State machines that run in this process: what `states:startExecution` starts, where the name that
//! it gives is one of theirs. Who runs them is the shard's to say.

use super::{Call, CallId, Take};
use crate::asl::resource::{Pattern, Resource};

/// How an execution is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `states:startExecution`: the answer names the execution.
    Start,
    /// `.sync`: what came of it, input and output as text.
    Sync,
    /// `.sync:2`: what came of it, input and output as JSON.
    Sync2,
    /// `aws-sdk:sfn:startSyncExecution`: what came of it, whatever that is.
    Express,
}

impl Form {
    /// The form that a resource, without a token, asks for.
    pub fn of(resource: &Resource) -> Option<Form> {
        let is_start = resource.is_integration("states", "startExecution");
        match (resource, resource.pattern()) {
            (_, Pattern::RequestResponse) if is_start => Some(Form::Start),
            (_, Pattern::Sync) if is_start => Some(Form::Sync),
            (_, Pattern::Sync2) if is_start => Some(Form::Sync2),
            (Resource::AwsSdk(call), _)
                if call.service == "sfn" && call.action == "startSyncExecution" =>
            {
                Some(Form::Express)
            }
            _ => None,
        }
    }
}

/// Runs state machines of this process.
pub trait Local {
    /// Is it one of these that the call starts?
    fn takes(&mut self, call: &Call<'_>) -> bool;

    /// Starts it.
    fn call(&mut self, call: &Call<'_>, form: Form);

    /// Goes on with all of them, and hands over what came of those that are over.
    fn poll(&mut self, now_ms: i64, take: &mut Take<'_>);

    /// Ends what a call has started, if it is one of these.
    fn cancel(&mut self, id: CallId);

    /// The same, for a call that is made again elsewhere.
    fn leave(&mut self, id: CallId);

    /// Do calls wait for a target that is down, in executions that calls of this plan may start?
    fn is_held(&self, plan: usize) -> bool;

    /// Is such a target down that they have waited for?
    fn is_held_up(&self, plan: usize) -> bool;

    /// Is such a target not even reached?
    fn is_cut_off(&self, plan: usize) -> bool;

    /// Calls that wait for their turn in such executions.
    fn waiting(&self, plan: usize) -> usize;

    /// When a poll is wanted at the latest, in milliseconds since 1970.
    fn next_due_ms(&self) -> Option<i64>;

    /// How many there are.
    fn in_flight(&self) -> usize;
}
