//! `"Type": "Task"` (specification, "Task State").

use super::ending::Ending;
use super::given::Seconds;
use super::io::InputOutput;
use super::lowering::Payload;
use super::{Listing, Lowering, StateType};
use crate::asl::fields::Fields;
use crate::asl::{codes, names};
use crate::fault::StateError;
use crate::step::{Exit, Frame, ResourceId, Stage, TaskRequest, Transition};
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
    ending: Ending,
}

impl Task {
    /// Whom it calls.
    pub fn resource(&self) -> ResourceId {
        self.resource
    }
}

impl StateType for Task {
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Task> {
        let io = InputOutput::parse(fields, lowering);
        let resource = lowering.resource(fields, names::RESOURCE);
        let parameters = lowering.either(fields, names::PARAMETERS, names::ARGUMENTS);
        let credentials = parse_credentials(fields, lowering);
        let (timeout, heartbeat) = parse_times(fields, lowering);
        let ending = Ending::parse(fields, lowering);
        let resource = resource?;
        let arn = lowering.resources[resource.0 as usize].arn.as_str().into();
        Some(Task { io, resource, arn, parameters, credentials, timeout, heartbeat, ending })
    }

    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
        let input = self.io.enter(frame)?;
        frame.with_input(input, |frame| {
            let arguments = match &self.parameters {
                Some(template) => template.make(frame, Stage::Parameters)?,
                None => input,
            };
            let credentials = match &self.credentials {
                Some(template) => Some(template.evaluate(frame)?),
                None => None,
            };
            let timeout = self.timeout.as_ref().map(|time| time.evaluate(frame)).transpose()?;
            let heartbeat = self.heartbeat.as_ref().map(|time| time.evaluate(frame)).transpose()?;
            let resource = self.resource;
            let request = TaskRequest { resource, arguments, credentials, timeout, heartbeat };
            Ok(Transition::Call(request))
        })
    }

    fn resume(&self, frame: &mut Frame<'_>, result: Value) -> Result<Transition, StateError> {
        self.ending.leave(&self.io, frame, result)
    }

    fn ending(&self) -> Option<&Ending> {
        Some(&self.ending)
    }

    fn resources(&self, resources: &mut Vec<ResourceId>) {
        resources.push(self.resource);
    }

    fn exits(&self, exits: &mut Vec<Exit>) {
        exits.push(self.ending.exit);
    }

    fn list(&self, out: &mut Listing) {
        self.io.list_input(out);
        if let Some(template) = &self.parameters {
            template.list("parameters", out);
        }
        for (name, seconds) in [("timeout", &self.timeout), ("heartbeat", &self.heartbeat)] {
            if let Some(seconds) = seconds {
                seconds.list(name, out);
            }
        }
        out.line("call", &self.arn);
        self.ending.list(&self.io, out);
    }
}

fn parse_credentials(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Payload> {
    let place = fields.place(names::CREDENTIALS)?;
    if ["RoleArn", "RoleArn.$"].iter().all(|name| place.node.get(name).is_none()) {
        let subject = fields.subject(names::CREDENTIALS);
        let message = format!(
            "{subject} has no field \"RoleArn\"; it is required, or \"RoleArn.$\" with a path."
        );
        lowering.diagnostics.error(codes::MISSING_FIELD, message, place.location());
        return None;
    }
    lowering.template(fields, names::CREDENTIALS)
}

type Times = (Option<Seconds>, Option<Seconds>);

fn parse_times(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Times {
    let pair = (names::TIMEOUT_SECONDS, names::TIMEOUT_SECONDS_PATH);
    let timeout = Seconds::parse(fields, lowering, pair);
    let pair = (names::HEARTBEAT_SECONDS, names::HEARTBEAT_SECONDS_PATH);
    let heartbeat = Seconds::parse(fields, lowering, pair);
    let fixed = |time: &Option<Seconds>| time.as_ref().and_then(Seconds::fixed);
    if let (Some(timeout), Some(heartbeat)) = (fixed(&timeout), fixed(&heartbeat))
        && heartbeat >= timeout
    {
        let complaint = "must be smaller than \"TimeoutSeconds\".";
        fields.invalid(names::HEARTBEAT_SECONDS, codes::OUT_OF_RANGE, complaint);
    }
    (timeout, heartbeat)
}
