//! The contract between [`Tasks`](super::Tasks) and an integration's driver.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;

use super::OpenError;
use super::callbacks::{RecordId, Token};
use crate::asl::resource::Resource;
use crate::aws;
use crate::fault::StateError;
use crate::record::Wake;
use crate::step::CallSite;
use crate::targets::{Held, Targets};
use crate::value::hash;

/// Names a call; the shard chooses it (slot and generation, say) and never uses it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64, pub u64);

impl CallId {
    /// The low half of the first part of calls that nested executions make: of others it is a slot's
    /// index, and slots are fewer.
    pub const NESTED: u32 = u32::MAX;

    /// Is it a nested execution's?
    #[inline]
    pub fn is_nested(self) -> bool {
        self.0 as u32 == CallId::NESTED
    }
}

/// Who calls. Asked only by integrations that tell it, so that ARNs cost nothing otherwise.
pub trait Caller {
    /// `$$.StateMachine.Id`
    fn machine_id(&self) -> String;
    /// `$$.Execution.Id`
    fn execution_id(&self) -> String;
}

impl fmt::Debug for dyn Caller + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.execution_id())
    }
}

/// A task to call; what it borrows is copied where it is needed longer.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Comes back with the answer.
    pub id: CallId,
    /// The definition's plan, by its number of [`Tasks::add`](super::Tasks::add).
    pub plan: usize,
    /// The resource, by its index in the program's table.
    pub resource: usize,
    /// The state's name, which mocks go by.
    pub state: &'a str,
    /// Which try of this visit of the state: 0 first, as `$$.State.RetryCount`.
    pub attempt: u32,
    /// JSON text.
    pub arguments: &'a [u8],
    /// What is left of the state's or the machine's time, whichever ends first. A hint: the shard
    /// ends the call itself with [`Tasks::cancel`](super::Tasks::cancel).
    pub timeout: Option<Duration>,
    /// The ARN of a role to assume for it, `Credentials.RoleArn`.
    pub role: Option<&'a str>,
    /// Where in its execution the call is made: for names that are the same whenever it is.
    pub site: CallSite,
    /// What an answer from outside brings along, where one is waited for.
    pub token: Option<&'a Token>,
    /// The record, where the call may start an execution of this process: for its tokens.
    pub record: Option<RecordId>,
    /// The execution's name, the same on redelivery: for idempotency keys.
    pub execution: &'a str,
    /// Who that execution is.
    pub caller: &'a dyn Caller,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

impl Call<'_> {
    /// Whose call it is, as far as targets tell callers apart: one execution's retries are one caller's.
    pub(super) fn whose(&self) -> u64 {
        hash(self.execution.bytes())
    }
}

/// A task's result as JSON text, or its error.
pub type Answer<'a> = Result<&'a [u8], StateError>;

/// Takes answers.
pub type Take<'a> = dyn FnMut(CallId, Answer<'_>) + 'a;

/// What a driver finds on its shard.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where its futures run: the shard's own thread.
    pub local: Rc<LocalSet>,
    /// To be called when an answer has come.
    pub wake: Wake,
    /// What is known of the targets that calls go to; all shards share it.
    pub targets: Targets,
    aws: Rc<OnceCell<aws::Client>>,
}

impl Place {
    /// A shard's.
    pub fn new(local: Rc<LocalSet>, wake: Wake, targets: Targets) -> Place {
        Place { local, wake, targets, aws: Rc::default() }
    }

    /// The shard's client for AWS, which all its integrations share.
    pub(super) fn aws_client(&self, settings: &aws::Settings) -> Result<aws::Client, OpenError> {
        if let Some(client) = self.aws.get() {
            return Ok(client.clone());
        }
        let client = aws::Client::open_among(settings.clone(), self.targets.clone());
        let client = client.map_err(|error| OpenError { message: error.message })?;
        // Nobody else is on this thread.
        let _ = self.aws.set(client.clone());
        Ok(client)
    }
}

/// One integration on one shard. Nothing here may block.
pub trait Driver {
    /// Takes a call of this resource. Calls above the driver's bound wait inside it.
    fn call(&mut self, call: &Call<'_>, called: &Resource);

    /// Hands over the answers that have come.
    fn poll(&mut self, take: &mut Take<'_>);

    /// Forgets a call, if it is one of this driver's.
    fn cancel(&mut self, id: CallId);

    /// Forgets a call that is made again elsewhere: what it has set off is to go on.
    fn leave(&mut self, id: CallId) {
        self.cancel(id);
    }

    /// Is there something that only a poll brings forward?
    fn is_due(&self) -> bool {
        false
    }

    /// Which targets keep its calls waiting; `None` for what calls none that could.
    fn held(&self) -> Option<&Held> {
        None
    }

    /// Calls that wait for their turn.
    fn waiting(&self) -> usize {
        0
    }

    /// Calls taken and not yet answered or cancelled.
    fn in_flight(&self) -> usize;
}
