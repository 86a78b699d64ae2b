//! `"Type": "Task"` (specification, "Task State").

use std::time::Duration;

use super::io::{InputOutput, ResultPath, Seconds, exit_of};
use super::lowering::Payload;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::retry::{Catcher, ErrorEquals, Retrier};
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::step::{Exit, Frame, ResourceId, StepId, TaskRequest, Transition};
use crate::value::Value;

/// Calls a resource.
#[derive(Debug)]
pub struct Task {
    io: InputOutput,
    resource: ResourceId,
    arn: Box<str>,
    parameters: Option<Payload>,
    credentials: Option<Payload>,
    timeout: Option<Seconds>,
    heartbeat: Option<Seconds>,
    result_selector: Option<Payload>,
    result_path: ResultPath,
    retriers: Vec<Retrier>,
    catchers: Vec<Catch>,
    exit: Exit,
}

/// `{"ErrorEquals": [...], "Next": "...", "ResultPath": "$.error"}`
#[derive(Debug)]
pub struct Catch {
    /// Which errors it takes.
    pub errors: ErrorEquals,
    /// Where it leads.
    pub next: StepId,
    result_path: ResultPath,
}

impl Task {
    /// Whom it calls.
    pub fn resource(&self) -> ResourceId {
        self.resource
    }
}

impl Catch {
    /// Reads `Catch`.
    pub(super) fn parse_all(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Vec<Catch> {
        let read = Catcher::parse_all(fields, |rest| {
            rest.comment();
            refuse_assign(rest);
            let why = "belongs to JSONata states, which are not in this version yet.";
            rest.refuse(names::OUTPUT, codes::NOT_IMPLEMENTED, why);
            ResultPath::parse(rest, lowering)
        });
        let lower = |(catcher, result_path): (Catcher, ResultPath)| {
            let next = lowering.step(&catcher.next)?;
            Some(Catch { errors: catcher.errors, next, result_path })
        };
        read.into_iter().filter_map(lower).collect()
    }

    /// The next state's input: the failed one's, with the error output put where it says.
    pub fn output(&self, frame: &mut Frame<'_>, error: Value) -> Result<Value, StateError> {
        self.result_path.put(frame, error)
    }

    pub(super) fn list(&self, out: &mut Listing) {
        let errors: Vec<_> = self.errors.names().collect();
        let at = match &self.result_path {
            ResultPath::Whole => "$",
            ResultPath::Discard => "nowhere",
            ResultPath::At(path) => path.text(),
        };
        out.line("catch", format_args!("{} at {at} -> {}", errors.join(", "), self.next));
    }
}

/// `Assign` comes with variables.
pub(super) fn refuse_assign(fields: &mut Fields<'_>) {
    let why = "is not supported yet: variables are not in this version.";
    fields.refuse(names::ASSIGN, codes::NOT_IMPLEMENTED, why);
}

impl StateType for Task {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Task> {
        let io = InputOutput::parse(fields, lowering);
        let resource = lowering.resource(fields, names::RESOURCE);
        let parameters = lowering.template(fields, names::PARAMETERS);
        let credentials = parse_credentials(fields, lowering);
        let (timeout, heartbeat) = parse_times(fields, lowering);
        let result_selector = lowering.template(fields, names::RESULT_SELECTOR);
        let result_path = ResultPath::parse(fields, lowering);
        let retriers = Retrier::parse_all(fields);
        let catchers = Catch::parse_all(fields, lowering);
        let exit = exit_of(fields, lowering);
        let resource = resource?;
        let arn = lowering.resources[resource.0 as usize].arn.as_str().into();
        Some(Task {
            io,
            resource,
            arn,
            parameters,
            credentials,
            timeout,
            heartbeat,
            result_selector,
            result_path,
            retriers,
            catchers,
            exit,
        })
    }

    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        frame.with_input(input, |frame| {
            let arguments = match &self.parameters {
                Some(template) => template.evaluate(frame)?,
                None => input,
            };
            let credentials = match &self.credentials {
                Some(template) => Some(template.evaluate(frame)?),
                None => None,
            };
            let timeout = seconds(&self.timeout, "TimeoutSecondsPath", frame)?;
            let heartbeat = seconds(&self.heartbeat, "HeartbeatSecondsPath", frame)?;
            let resource = self.resource;
            let request = TaskRequest { resource, arguments, credentials, timeout, heartbeat };
            Ok(Transition::Call(request))
        })
    }

    fn resume(&self, frame: &mut Frame<'_>, result: Value) -> Result<Transition, StateError> {
        let result = match &self.result_selector {
            Some(template) => frame.with_input(result, |frame| template.evaluate(frame))?,
            None => result,
        };
        let output = self.result_path.put(frame, result)?;
        Ok(Transition::Exit(self.exit, self.io.leave(frame, output)?))
    }

    fn retriers(&self) -> &[Retrier] {
        &self.retriers
    }

    fn catchers(&self) -> &[Catch] {
        &self.catchers
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(self.exit);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        if let Some(template) = &self.parameters {
            out.line("parameters", template);
        }
        for (name, seconds) in [("timeout", &self.timeout), ("heartbeat", &self.heartbeat)] {
            if let Some(seconds) = seconds {
                seconds.list(name, out);
            }
        }
        out.line("call", &self.arn);
        if let Some(template) = &self.result_selector {
            out.line("select", template);
        }
        self.result_path.list(out);
        self.io.list_output(out);
        self.retriers.iter().for_each(|retrier| list_retrier(retrier, out));
        self.catchers.iter().for_each(|catch| catch.list(out));
    }
}

fn parse_credentials(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Payload> {
    let place = fields.place(names::CREDENTIALS)?;
    if ["RoleArn", "RoleArn.$"].iter().all(|name| place.node.get(name).is_none()) {
        let complaint = "must be an object with \"RoleArn\", or \"RoleArn.$\" and a path.";
        fields.invalid(names::CREDENTIALS, codes::MISSING_FIELD, complaint);
        return None;
    }
    lowering.template(fields, names::CREDENTIALS)
}

type Times = (Option<Seconds>, Option<Seconds>);

fn parse_times(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Times {
    let timeout =
        Seconds::parse(fields, lowering, names::TIMEOUT_SECONDS, names::TIMEOUT_SECONDS_PATH);
    let heartbeat =
        Seconds::parse(fields, lowering, names::HEARTBEAT_SECONDS, names::HEARTBEAT_SECONDS_PATH);
    if let (Some(Seconds::Fixed(timeout)), Some(Seconds::Fixed(heartbeat))) = (&timeout, &heartbeat)
        && heartbeat >= timeout
    {
        let complaint = "must be smaller than \"TimeoutSeconds\".";
        fields.invalid(names::HEARTBEAT_SECONDS, codes::OUT_OF_RANGE, complaint);
    }
    (timeout, heartbeat)
}

fn seconds(
    seconds: &Option<Seconds>,
    name: &str,
    frame: &mut Frame<'_>,
) -> Result<Option<Duration>, StateError> {
    seconds.as_ref().map(|seconds| seconds.evaluate(name, frame)).transpose()
}

fn list_retrier(retrier: &Retrier, out: &mut Listing) {
    let names: Vec<_> = retrier.errors.names().collect();
    let mut text = format!(
        "{} after {} s x{}, {} times",
        names.join(", "),
        retrier.interval.as_secs(),
        retrier.backoff_rate,
        retrier.max_attempts
    );
    if let Some(max) = retrier.max_delay {
        text.push_str(&format!(", at most {} s", max.as_secs()));
    }
    if retrier.full_jitter {
        text.push_str(", full jitter");
    }
    out.line("retry", text);
}
