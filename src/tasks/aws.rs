//! What the integrations with AWS services have in common: one client a shard, settings that say
//! where calls go, and a driver that runs each call as a future on the shard.
//!
//! An integration is a function from a [`Job`] to an answer; [`optimized`] is the one of most.

mod batches;
pub(super) mod failure;
pub(super) mod idempotency;
pub(super) mod metadata;
pub(super) mod optimized;

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use self::batches::Batches;
pub use self::batches::Coalesced;
use self::idempotency::Names;
use super::line::{self, Line};
use super::objects::Limits;
use super::{Call, CallId, Driver, OpenError, Place, Take, eventbridge};
use crate::asl::resource::Resource;
use crate::aws::{self, Client, Endpoint};
use crate::fault::StateError;
use crate::step::CallSite;
use crate::targets::Held;

/// What the integrations with AWS services need to know.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The client's.
    pub client: aws::Settings,
    /// Where a service's calls go, by its name as `aws-sdk:` resources have it.
    pub services: BTreeMap<String, Target>,
    /// Where a state's calls go; it wins.
    pub states: BTreeMap<String, Target>,
    /// Functions that are not Lambda's: by name, the URL that an event is posted to.
    pub functions: BTreeMap<String, String>,
    /// Results have `SdkHttpMetadata` and `SdkResponseMetadata`, as AWS's have.
    pub has_metadata: bool,
    /// Fields that make calls idempotent are filled in where definitions leave them out.
    pub fills_in: bool,
    /// Calls that share requests.
    pub coalesced: Coalesced,
    /// Of objects that are read for Maps.
    pub object_limits: Limits,
}

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `"aws"`, or a URL.
    Endpoint(Endpoint),
    /// `"mock"`: nowhere; what no mock answers is refused when the definition is read.
    Mock,
}

impl Settings {
    /// Where a call of this state to this service goes, if something is set for it.
    fn target(&self, state: &str, service: &str) -> Option<&Target> {
        self.states.get(state).or_else(|| self.services.get(service))
    }

    /// Must a mock answer this state?
    pub(super) fn is_mocked(&self, state: &str, resource: &Resource) -> bool {
        let service = service_name(resource);
        let target = self.target(state, service.unwrap_or_default());
        service.is_some() && target == Some(&Target::Mock)
    }
}

/// The service that a resource calls, by its name as `aws-sdk:` resources have it.
pub(super) fn service_name(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Lambda { .. } => Some("lambda"),
        Resource::AwsSdk(call) => Some(&call.service),
        Resource::Integration(call) => match call.service.as_str() {
            "events" => Some("eventbridge"),
            "states" => Some("sfn"),
            "http" | "kafka" => None,
            service => Some(service),
        },
        Resource::Activity { .. } | Resource::Other(_) => None,
    }
}

/// What is missing where nobody said where AWS is.
pub(super) fn lacks(settings: &super::Settings) -> Option<&'static str> {
    let why = "calls AWS, and nothing says where that is: name it (exec --aws URL, or --aws aws), or \
               add a mock for the state";
    settings.aws.is_none().then_some(why)
}

/// What all calls of a driver have in common.
#[derive(Clone)]
pub(super) struct End {
    client: Client,
    settings: Rc<Settings>,
    /// Told where calls wait for targets that are down.
    pub(super) held: Held,
    batches: Rc<Batches>,
}

impl End {
    pub(super) fn open(settings: &super::Settings, place: &Place) -> Result<End, OpenError> {
        let settings = settings.aws.clone().unwrap_or_default();
        Ok(End {
            client: place.aws_client(&settings.client)?,
            batches: Rc::new(Batches::new(settings.coalesced.clone())),
            settings: Rc::new(settings),
            held: Held::default(),
        })
    }
}

/// A call as a future has it.
pub(super) struct Job {
    pub(super) client: Client,
    pub(super) settings: Rc<Settings>,
    pub(super) held: Held,
    /// Who calls, as far as targets tell callers apart.
    pub(super) whose: u64,
    batches: Rc<Batches>,
    pub(super) resource: Resource,
    pub(super) state: String,
    /// The role to assume, `Credentials.RoleArn`.
    pub(super) role: Option<String>,
    /// JSON text.
    pub(super) arguments: Vec<u8>,
    /// The state machine's ARN and the execution's, where the service is told them.
    pub(super) caller: Option<[String; 2]>,
    execution: String,
    site: CallSite,
}

impl Job {
    /// A call of this resource.
    pub(super) fn new(end: &End, call: &Call<'_>, called: &Resource) -> Job {
        let End { client, settings, held, batches } = end.clone();
        let is_told = eventbridge::EVENTBRIDGE.takes(called);
        Job {
            client,
            settings,
            held,
            batches,
            whose: call.whose(),
            resource: called.clone(),
            state: call.state.to_owned(),
            role: call.role.map(str::to_owned),
            arguments: call.arguments.to_vec(),
            caller: is_told.then(|| [call.caller.machine_id(), call.caller.execution_id()]),
            execution: call.execution.to_owned(),
            site: call.site,
        }
    }

    /// Names that are the same whenever the call is made again.
    pub(super) fn names(&self) -> Names<'_> {
        Names { execution: &self.execution, site: self.site }
    }

    /// The arguments; they must be an object.
    pub(super) fn members(&self) -> Result<Map<String, Json>, StateError> {
        match serde_json::from_slice(&self.arguments) {
            Ok(Json::Object(members)) => Ok(members),
            Ok(_) => Err(self.refused("they must be an object")),
            Err(e) => Err(self.refused(&e.to_string())),
        }
    }

    /// `States.Runtime`, in the service's words.
    pub(super) fn refused(&self, why: &str) -> StateError {
        let arguments = String::from_utf8_lossy(&self.arguments);
        StateError::runtime(format!(
            "The Parameters '{arguments}' could not be used to start the Task: [{why}]"
        ))
    }

    /// The call to an operation, where the settings say and as whom the state says.
    pub(super) fn call<'a>(
        &'a self,
        service: &'static aws::Service,
        operation: &'a str,
    ) -> aws::Call<'a> {
        let target = self.settings.target(&self.state, &service.name());
        let endpoint = match target {
            Some(Target::Endpoint(endpoint)) => Some(endpoint),
            _ => None,
        };
        let (role, held, caller) = (self.role.as_deref(), Some(&self.held), self.whose);
        aws::Call { endpoint, role, held, caller, ..aws::Call::new(service, operation) }
    }

    /// Fills in the field that makes a call idempotent, where that is wanted.
    pub(super) fn fill_in(&self, service: &str, operation: &str, members: &mut Map<String, Json>) {
        if self.settings.fills_in {
            // Another try is the same call once more.
            let site = CallSite { attempt: 0, ..self.site };
            Names { site, ..self.names() }.fill_in(service, operation, members);
        }
    }

    /// Makes a call; perhaps in a request that it shares with others.
    pub(super) async fn send(
        &self,
        call: &aws::Call<'_>,
        members: &Json,
    ) -> Result<aws::Answer, aws::Error> {
        match self.batches.join(&self.client, call, members).await {
            Some(told) => told,
            None => self.client.call(call, members).await,
        }
    }
}

/// JSON text, or an error.
pub(super) type Answer = Result<Vec<u8>, StateError>;
pub(super) type Work = line::Work<Answer>;
/// What an integration is.
pub(super) type Run = fn(Job) -> Work;

/// One shard's end of an integration.
pub(super) fn open(
    settings: &super::Settings,
    place: &Place,
    run: Run,
) -> Result<Box<dyn Driver>, OpenError> {
    let end = End::open(settings, place)?;
    // As many as fill all requests.
    let begun_max = end.settings.client.calls_max.saturating_mul(end.batches.calls_max());
    let line = Line::new(place, end.held.clone(), begun_max, move |job: Box<Job>| run(*job));
    Ok(Box::new(Services { end, line }))
}

/// The driver of them all.
struct Services {
    end: End,
    line: Line<Box<Job>, Answer>,
}

impl Driver for Services {
    fn call(&mut self, call: &Call<'_>, called: &Resource) {
        self.line.join(call.id, Box::new(Job::new(&self.end, call, called)));
    }

    fn poll(&mut self, take: &mut Take<'_>) {
        self.line.hand_over(take);
    }

    fn cancel(&mut self, id: CallId) {
        self.line.cancel(id);
    }

    fn is_due(&self) -> bool {
        self.line.is_due()
    }

    fn held(&self) -> Option<&Held> {
        Some(self.line.held())
    }

    fn waiting(&self) -> usize {
        self.line.waiting()
    }

    fn in_flight(&self) -> usize {
        self.line.len()
    }
}

#[cfg(test)]
pub(super) mod tests;
