//! `arn:aws:states:::aws-sdk:service:action`: any operation of the services that the client knows,
//! with parameters in Pascal case and results as they come, without metadata.

use serde_json::Value as Json;

use super::aws::idempotency::is_given;
use super::aws::optimized::operation_of;
use super::aws::{Answer, Job, failure, lacks, open};
use super::{Integration, step_functions};
use crate::asl::resource::{Pattern, Resource};
use crate::aws::{ErrorKind, Service};

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| {
        resource.pattern() == Pattern::RequestResponse && service_of(resource).is_some()
    },
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(call(job))),
};

fn service_of(resource: &Resource) -> Option<&'static Service> {
    let Resource::AwsSdk(call) = resource else { return None };
    Service::find(&call.service)
}

async fn call(job: Job) -> Answer {
    let mut members = job.members()?;
    let Some(service) = service_of(&job.resource) else {
        return Err(job.refused("the service is not known here"));
    };
    let operation = operation_of(&job.resource);
    let is_named = is_given("Name", &members);
    job.fill_in(&service.name(), &operation, &mut members);
    let members = Json::Object(members);
    let mut answer = job.send(&job.call(service, &operation), &members).await;
    // The record was run before: what it started then, under the name that was filled in, is the answer.
    if let (Err(error), Some(members)) = (&answer, members.as_object())
        && (service.name() == "sfn" && error.code == "ExecutionAlreadyExists" && !is_named)
        && let Some(name) = members.get("Name").and_then(Json::as_str)
        && let Some(found) = step_functions::found(&job, members, name).await
    {
        answer = found;
    }
    let answer = answer.map_err(|error| match error.kind {
        ErrorKind::Input => job.refused(&error.message),
        _ => failure::sdk(&error, service),
    })?;
    Ok(answer.members.to_string().into_bytes())
}
