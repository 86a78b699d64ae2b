//! An execution that another one has started.

use std::fmt::Write;
use std::rc::Rc;

use super::LocalMachine;
use crate::fault::{StateError, names};
use crate::machine::{Decision, Execution, Identity, Machine, Outcome, Suspension};
use crate::shard::plan::Issuer;
use crate::step::{CallNumber, CallSite, Resume};
use crate::tasks::callbacks::{RecordId, Token};
use crate::tasks::{Call, CallId, Caller, Form};
use crate::value::{Kind, Scratch, Value, hash, hash_on};

/// Step Functions' limit on an execution's name.
const NAME_CHARS_MAX: usize = 80;
/// Where local machines are.
const NOWHERE: &str = "arn:aws:states:local:000000000000";

/// Who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A call of the shard's.
    Task(CallId),
    /// A call of another child.
    Child(u64, CallNumber),
}

/// What starts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    pub(super) owner: Owner,
    /// How deep that is itself: 0 for a record's execution.
    pub(super) depth: u32,
    /// Where that stands among the record's executions.
    nest: u64,
}

impl Parent {
    /// A record's execution.
    pub(super) fn root(call: CallId) -> Parent {
        Parent { owner: Owner::Task(call), depth: 0, nest: 0 }
    }
}

pub(super) struct Child {
    pub(super) owner: Owner,
    depth: u32,
    /// Where it stands among the record's executions: the same whenever the record is run.
    nest: u64,
    /// The record that it is run for in the end.
    pub(super) record: Option<RecordId>,
    /// What it runs, by its index.
    pub(super) machine: usize,
    /// What it may start, by their indexes.
    pub(super) set: Rc<[usize]>,
    pub(super) execution: Execution,
    pub(super) scratch: Scratch,
    pub(super) name: String,
    pub(super) wake_ms: i64,
    form: Form,
    /// JSON text.
    input: String,
    started_ms: i64,
}

/// Who it is.
pub(super) struct Who<'a> {
    definition: &'a LocalMachine,
    name: &'a str,
    place: Place,
}

/// Which record an execution is run for, and where it stands among those that are.
#[derive(Clone, Copy)]
struct Place {
    record: Option<RecordId>,
    nest: u64,
}

impl Place {
    /// The token of a call there; those of the record's own execution, and of others, have other
    /// scopes.
    fn token_at(self, site: &CallSite) -> Option<Token> {
        let scope = hash_on(self.nest, site.scope.to_le_bytes());
        Some(Token { record: self.record?, site: CallSite { scope, ..*site } })
    }
}

impl Identity for Who<'_> {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn machine_name(&self) -> String {
        self.definition.name.to_string()
    }

    fn seed(&self) -> u64 {
        hash_on(hash([]) ^ self.definition.program.version, self.name.bytes())
    }

    fn id(&self) -> String {
        format!("{NOWHERE}:execution:{}:{}", self.definition.name, self.name)
    }

    fn token(&self, site: &CallSite) -> String {
        let token = self.place.token_at(site);
        token.map(|token| self.definition.issuer.key.write(&token)).unwrap_or_default()
    }

    fn link(&self, site: &CallSite, decision: Decision, now_ms: i64) -> Option<String> {
        let Issuer { key, links } = &self.definition.issuer;
        let token = self.place.token_at(site)?;
        Some(links.as_ref()?.write(key, &token, &decision.to_string(), now_ms))
    }
}

impl Caller for Who<'_> {
    fn machine_id(&self) -> String {
        Identity::machine_id(self)
    }

    fn execution_id(&self) -> String {
        Identity::id(self)
    }
}

impl Child {
    /// Makes it ready to run on the call's `Input`.
    pub(super) fn begin(
        parent: Parent,
        (machine, set): (usize, Rc<[usize]>),
        definition: &LocalMachine,
        call: &Call<'_>,
        form: Form,
    ) -> Result<Child, StateError> {
        let mut scratch = definition.program.scratch();
        let unreadable = |why: &dyn std::fmt::Display| {
            let cause = format!("Invalid State Machine Execution Input: '{why}'");
            StateError::new("StepFunctions.InvalidExecutionInputException", cause)
        };
        let arguments = scratch.parse(call.arguments).map_err(|why| unreadable(&why))?;
        let input = scratch.member(arguments, "Input").filter(|input| !input.is_null());
        let input = match input {
            None => scratch.parse(b"{}"),
            Some(text) if text.kind() == Kind::String => {
                let text = scratch.str(text).into_owned();
                scratch.parse(text.as_bytes())
            }
            Some(value) => Ok(value),
        };
        let input = input.map_err(|why| unreadable(&why))?;
        let name = scratch.member(arguments, "Name").filter(|name| name.kind() == Kind::String);
        let name = match name {
            Some(name) => scratch.str(name).into_owned(),
            None => derived_name(call.execution, &call.site),
        };
        let mut child = Child {
            owner: parent.owner,
            depth: parent.depth + 1,
            nest: nest_of(parent.nest, &call.site, definition.program.version),
            record: call.record,
            machine,
            set,
            execution: Execution::default(),
            input: text_of(&scratch, input),
            scratch,
            name,
            wake_ms: 0,
            form,
            started_ms: call.now_ms,
        };
        let who = Who { definition, name: &child.name, place: child.place() };
        let seed = who.seed();
        of(definition, &who, call.now_ms).start(&mut child.execution, input, seed);
        Ok(child)
    }

    fn place(&self) -> Place {
        Place { record: self.record, nest: self.nest }
    }

    /// Who it is.
    pub(super) fn who<'a>(&'a self, definition: &'a LocalMachine) -> Who<'a> {
        Who { definition, name: &self.name, place: self.place() }
    }

    /// What an answer from outside to a call of it must bring along.
    pub(super) fn token_at(&self, site: &CallSite) -> Option<Token> {
        self.place().token_at(site)
    }

    /// What it is to those that it starts.
    pub(super) fn parent_of(&self, owner: Owner) -> Parent {
        Parent { owner, depth: self.depth, nest: self.nest }
    }

    /// Runs on, until it must wait or is over.
    pub(super) fn run(
        &mut self,
        definition: &LocalMachine,
        now_ms: i64,
        resume: Resume<'_>,
    ) -> Suspension {
        let place = self.place();
        let Child { execution, scratch, name, .. } = self;
        let who = Who { definition, name, place };
        of(definition, &who, now_ms).run(execution, scratch, resume, &mut ())
    }

    /// What its caller gets: members in the order of the service's answers.
    pub(super) fn answer(
        &self,
        definition: &LocalMachine,
        outcome: &Outcome,
        now_ms: i64,
    ) -> Result<Vec<u8>, StateError> {
        let (status, output, error) = match outcome {
            Outcome::Succeeded(output) => {
                ("SUCCEEDED", Some(text_of(&self.scratch, *output)), (None, None))
            }
            Outcome::Failed(error) => ("FAILED", None, (error.name(), error.cause())),
            Outcome::TimedOut => ("TIMED_OUT", None, (Some(names::TIMEOUT), None)),
        };
        let arn = self.who(definition).id();
        if self.form == Form::Start {
            let started = self.started_ms;
            let text = format!("{{\"ExecutionArn\":{},\"StartDate\":{started}}}", quoted(&arn));
            return Ok(text.into_bytes());
        }
        let data = |text: &str| match self.form {
            Form::Sync2 => text.to_owned(),
            _ => quoted(text),
        };
        let machine = format!("{NOWHERE}:stateMachine:{}", definition.name);
        let members = [
            ("Cause", error.1.map(quoted)),
            ("Error", error.0.map(quoted)),
            ("ExecutionArn", Some(quoted(&arn))),
            ("Input", Some(data(&self.input))),
            ("InputDetails", Some("{\"Included\":true}".to_owned())),
            ("Name", Some(quoted(&self.name))),
            ("Output", output.as_deref().map(data)),
            ("OutputDetails", output.as_ref().map(|_| "{\"Included\":true}".to_owned())),
            ("StartDate", Some(self.started_ms.to_string())),
            ("StateMachineArn", Some(quoted(&machine))),
            ("Status", Some(quoted(status))),
            ("StopDate", Some(now_ms.to_string())),
        ];
        let mut text = String::from("{");
        for (name, value) in members {
            let Some(value) = value else { continue };
            let comma = if text.len() > 1 { "," } else { "" };
            // Writing to a String can't fail.
            let _ = write!(text, "{comma}\"{name}\":{value}");
        }
        text.push('}');
        match (status, self.form) {
            ("SUCCEEDED", _) | (_, Form::Express) => Ok(text.into_bytes()),
            _ => Err(StateError::new(names::TASK_FAILED, text)),
        }
    }
}

/// Where the execution stands that this call starts of this version.
fn nest_of(parent: u64, site: &CallSite, version: u64) -> u64 {
    let CallSite { scope, step, visit, attempt } = *site;
    let numbers = [parent, scope, step.0.into(), visit.into(), attempt.into(), version];
    hash(numbers.into_iter().flat_map(u64::to_le_bytes))
}

fn of<'a>(definition: &'a LocalMachine, who: &'a Who<'a>, now_ms: i64) -> Machine<'a> {
    let LocalMachine { program, limits, .. } = definition;
    Machine { program, limits, identity: who, now_ms }
}

/// A name that is the same whenever the call is made again.
fn derived_name(execution: &str, site: &CallSite) -> String {
    let CallSite { scope, step, visit, attempt } = *site;
    let numbers = [scope, step.0.into(), visit.into(), attempt.into()];
    let site = hash(numbers.into_iter().flat_map(u64::to_le_bytes));
    match execution.len() + 17 <= NAME_CHARS_MAX {
        true => format!("{execution}-{site:016x}"),
        false => format!("{:016x}-{site:016x}", hash(execution.bytes())),
    }
}

fn text_of(scratch: &Scratch, value: Value) -> String {
    let mut text = Vec::new();
    scratch.write(value, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// As a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
