//! The optimized integrations: `arn:aws:states:::sqs:sendMessage` and its kin. They call one
//! operation, and differ from it in what their files say.

use serde_json::{Map, Value as Json};

use super::{Answer, Job, failure, metadata};
use crate::asl::resource::{Pattern, Resource};
use crate::aws::{self, Endpoint, Service};
use crate::fault::StateError;

/// How one service is integrated.
pub(in crate::tasks) struct Optimized {
    /// As in resources: `events`
    pub(in crate::tasks) resource: &'static str,
    /// As in resources: `putEvents`
    pub(in crate::tasks) actions: &'static [&'static str],
    /// As the client has it: `eventbridge`
    pub(in crate::tasks) service: &'static str,
    /// What error names start with: `EventBridge`
    pub(in crate::tasks) prefix: &'static str,
    /// The service as causes name it: `AmazonEventBridge`; with `Exception`, the error of codes that
    /// its model does not have.
    pub(in crate::tasks) client: &'static str,
    /// The same where errors call it otherwise.
    pub(in crate::tasks) general: Option<&'static str>,
    /// Do its results have metadata?
    pub(in crate::tasks) has_metadata: bool,
    /// Changes what is sent.
    pub(in crate::tasks) shape: fn(&Job, &mut Map<String, Json>),
    /// Where it goes by what is sent, unless the settings say so.
    pub(in crate::tasks) place: fn(&Map<String, Json>) -> Option<Endpoint>,
    /// Looks into what came back.
    pub(in crate::tasks) accept: fn(&Json) -> Result<(), StateError>,
}

impl Optimized {
    /// An integration that changes nothing.
    pub(in crate::tasks) const PLAIN: Optimized = Optimized {
        resource: "",
        actions: &[],
        service: "",
        prefix: "",
        client: "",
        general: None,
        has_metadata: true,
        shape: |_, _| {},
        place: |_| None,
        accept: |_| Ok(()),
    };

    /// Is it one of its resources?
    pub(in crate::tasks) fn takes(&self, resource: &Resource) -> bool {
        let Resource::Integration(call) = resource else { return false };
        call.service == self.resource
            && call.pattern == Pattern::RequestResponse
            && self.actions.contains(&call.action.as_str())
    }

    /// The service.
    pub(in crate::tasks) fn api(&self) -> &'static Service {
        Service::find(self.service).expect("the table has every service that is integrated")
    }

    /// The name and cause of an error of a call.
    pub(in crate::tasks) fn failure(&self, error: &aws::Error) -> StateError {
        failure::optimized(error, self)
    }
}

/// The operation that an action calls: `sendMessage`, `SendMessage`.
pub(in crate::tasks) fn operation_of(resource: &Resource) -> String {
    let action = match resource {
        Resource::Integration(call) | Resource::AwsSdk(call) => call.action.as_str(),
        _ => "",
    };
    let mut letters = action.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Calls the operation that the resource names.
pub(in crate::tasks) async fn call(job: Job, integration: &'static Optimized) -> Answer {
    call_for(&job, integration).await
}

/// The same, where more may be to do with the job.
pub(in crate::tasks) async fn call_for(job: &Job, integration: &'static Optimized) -> Answer {
    let mut members = job.members()?;
    (integration.shape)(job, &mut members);
    let operation = operation_of(&job.resource);
    job.fill_in(integration.service, &operation, &mut members);
    let place = (integration.place)(&members);
    let mut call = job.call(integration.api(), &operation);
    let is_set = call.endpoint.is_some() || job.client.has_endpoint(call.service);
    if !is_set {
        call.endpoint = place.as_ref();
    }
    let answer = job.send(&call, &Json::Object(members)).await;
    let mut answer = answer.map_err(|error| match error.kind {
        aws::ErrorKind::Input => job.refused(&error.message),
        _ => integration.failure(&error),
    })?;
    (integration.accept)(&answer.members)?;
    if job.settings.has_metadata && integration.has_metadata {
        metadata::add(&mut answer.members, &answer.reply);
    }
    Ok(answer.members.to_string().into_bytes())
}
