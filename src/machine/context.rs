//! The context object, `$$`: made from what the machine knows, and only when something reads it.

use super::Machine;
use super::execution::History;
use super::thread::{Item, NONE, Thread};
use crate::asl::resource::Pattern;
use crate::expr::{Context, Timestamp};
use crate::states::Step;
use crate::step::CallSite;
use crate::value::{Scratch, Value};

/// What a person decides with a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// `approve`: the task succeeds with `{"Status": "Approved"}`.
    Approve,
    /// `reject`: the task succeeds with `{"Status": "Rejected"}`.
    Reject,
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Decision::Approve => "approve",
            Decision::Reject => "reject",
        })
    }
}

/// Who an execution is. Asked only by expressions that read `$$`, so that names cost nothing
/// otherwise.
pub trait Identity {
    /// `$$.Execution.Name`
    fn name(&self) -> String;
    /// `$$.StateMachine.Name`
    fn machine_name(&self) -> String;
    /// What all randomness of the execution derives from.
    fn seed(&self) -> u64;
    /// `$$.Execution.Id`: an ARN in an account of no meaning.
    fn id(&self) -> String {
        let (machine, name, seed) = (self.machine_name(), self.name(), self.seed());
        format!("arn:aws:states:local:000000000000:express:{machine}:{name}:{seed:016x}")
    }
    /// `$$.Execution.RoleArn`
    fn role_arn(&self) -> String {
        "arn:aws:iam::000000000000:role/expressway".to_owned()
    }
    /// `$$.StateMachine.Id`
    fn machine_id(&self) -> String {
        format!("arn:aws:states:local:000000000000:stateMachine:{}", self.machine_name())
    }
    /// `$$.Execution.RedriveCount`, which Standard executions have.
    fn redrive_count(&self) -> Option<i64> {
        None
    }
    /// `$$.Task.Token`: what an answer to the call at this site must bring along.
    fn token(&self, site: &CallSite) -> String {
        let CallSite { scope, step, visit, attempt } = *site;
        format!("{}.{scope:x}.{}.{visit}.{attempt}", self.name(), step.0)
    }
    /// `$$.Task.ApproveUrl`, `$$.Task.RejectUrl`: where a person answers that call with a click.
    /// `None` where nobody serves such pages.
    fn link(&self, site: &CallSite, decision: Decision, now_ms: i64) -> Option<String> {
        let _ = (site, decision, now_ms);
        None
    }
    /// `$$.Source`: where the record stood. `None` without a stream.
    fn source(&self, scratch: &mut Scratch) -> Option<Value> {
        let _ = scratch;
        None
    }
}

pub(super) struct ContextObject<'a> {
    pub machine: &'a Machine<'a>,
    pub history: &'a History,
    pub started_ms: i64,
    /// Whose state, and whose variables.
    pub thread: &'a Thread,
    /// The innermost Map's, if any.
    pub item: &'a Item,
    /// Where that Map's items come from.
    pub sources: &'a [(u32, Value)],
}

/// `$$.Map.Item.Source` of items that are in the state's own data.
const STATE_DATA: &str = "STATE_DATA";

/// The groups of the object and their fields, in the order in which it is written.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Execution", &["Id", "Input", "StartTime", "Name", "RoleArn", "RedriveCount"]),
    ("StateMachine", &["Id", "Name"]),
    ("State", &["Name", "EnteredTime", "RetryCount"]),
    ("Task", &["Token", "ApproveUrl", "RejectUrl"]),
    ("Map", &["Item"]),
];

impl ContextObject<'_> {
    /// `$$.State.RetryCount`, which states that can be retried have.
    fn retry_count(&self) -> Option<u32> {
        let step = self.machine.program.step(self.thread.step);
        step.is_retried().then_some(self.thread.attempt)
    }

    /// Where the call is made, in tasks that wait for their token.
    fn site(&self) -> Option<CallSite> {
        let Step::Task(task) = self.machine.program.step(self.thread.step) else { return None };
        let pattern = self.machine.program.resource(task.resource()).parsed.pattern();
        (pattern == Pattern::WaitForTaskToken).then(|| self.thread.site())
    }

    /// Where a person answers the call with a click.
    fn link(&self, decision: Decision) -> Option<String> {
        self.machine.identity.link(&self.site()?, decision, self.machine.now_ms)
    }

    /// `$$.Map.Item`
    fn item(&self, scratch: &mut Scratch) -> Option<Value> {
        let Item { index, value, key } = *self.item;
        if index == NONE {
            return None;
        }
        let at = self.sources.partition_point(|(end, _)| *end <= index);
        let source = match self.sources.get(at) {
            Some((_, place)) => *place,
            None => scratch.string(STATE_DATA),
        };
        let index = scratch.integer(index.into());
        let mark = scratch.mark();
        let members = [("Index", index), ("Key", key), ("Value", value), ("Source", source)];
        for (name, value) in members {
            if name != "Key" || !key.is_null() {
                scratch.push_member(name, value);
            }
        }
        scratch.object(mark).ok()
    }

    fn make(&self, scratch: &mut Scratch, group: &str, field: &str) -> Option<Value> {
        let text = match (group, field) {
            ("Execution", "Input") => return Some(self.history.input),
            ("Execution", "Id") => self.machine.identity.id(),
            ("Execution", "StartTime") => Timestamp::from_ms(self.started_ms).to_string(),
            ("Execution", "Name") => self.machine.identity.name(),
            ("Execution", "RoleArn") => self.machine.identity.role_arn(),
            ("Execution", "RedriveCount") => {
                return self.machine.identity.redrive_count().map(|count| scratch.integer(count));
            }
            ("StateMachine", "Id") => self.machine.identity.machine_id(),
            ("StateMachine", "Name") => self.machine.identity.machine_name(),
            ("State", "Name") => {
                return Some(scratch.string(self.machine.program.state_name(self.thread.step)));
            }
            ("State", "EnteredTime") => Timestamp::from_ms(self.thread.entered_ms).to_string(),
            ("State", "RetryCount") => {
                return self.retry_count().map(|count| scratch.integer(count.into()));
            }
            ("Task", "Token") => self.machine.identity.token(&self.site()?),
            ("Task", "ApproveUrl") => self.link(Decision::Approve)?,
            ("Task", "RejectUrl") => self.link(Decision::Reject)?,
            ("Map", "Item") => return self.item(scratch),
            _ => return None,
        };
        Some(scratch.string(&text))
    }

    fn group(&self, scratch: &mut Scratch, name: &str, fields: &[&str]) -> Option<Value> {
        if (name == "Task" && self.site().is_none()) || (name == "Map" && self.item.index == NONE) {
            return None;
        }
        let mark = scratch.mark();
        for field in fields {
            if let Some(value) = self.make(scratch, name, field) {
                scratch.push_member(field, value);
            }
        }
        scratch.object(mark).ok()
    }
}

impl Context for ContextObject<'_> {
    fn object(&mut self, scratch: &mut Scratch) -> Value {
        let mark = scratch.mark();
        let groups = GROUPS.map(|(name, fields)| (name, self.group(scratch, name, fields)));
        let source = [("Source", self.machine.identity.source(scratch))];
        for (name, value) in groups.into_iter().chain(source) {
            if let Some(value) = value {
                scratch.push_member(name, value);
            }
        }
        scratch.object(mark).unwrap_or(Value::NULL)
    }

    fn field(&mut self, scratch: &mut Scratch, group: &str, field: &str) -> Option<Value> {
        if group == "Source" {
            let source = self.machine.identity.source(scratch)?;
            return scratch.member(source, field);
        }
        self.make(scratch, group, field)
    }

    fn variable(&mut self, scratch: &mut Scratch, name: &str) -> Option<Value> {
        scratch.member(self.thread.variables, name)
    }

    fn variables(&self) -> Value {
        self.thread.variables
    }
}
