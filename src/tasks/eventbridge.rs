//! `arn:aws:states:::events:putEvents`: `Entries` of `Source`, `DetailType`, `Detail` (an object
//! becomes text), `EventBusName`, `Resources`, `Time`, `TraceHeader`.
//!
//! Each entry's `Resources` get the ARNs of the state machine and of the execution appended, as Step
//! Functions does. One entry that the bus refused fails the task with `EventBridge.FailedEntry`; a retry sends all
//! of them again.

use serde_json::{Map, Value as Json};

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{Job, lacks, open};
use crate::fault::StateError;

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| EVENTBRIDGE.takes(resource),
    lacks,
    open: |settings, place| {
        open(settings, place, |job| Box::pin(optimized::call(job, &EVENTBRIDGE)))
    },
};

pub(super) const EVENTBRIDGE: Optimized = Optimized {
    resource: "events",
    actions: &["putEvents"],
    service: "eventbridge",
    prefix: "EventBridge",
    client: "AmazonEventBridge",
    has_metadata: false,
    shape: tell_caller,
    accept: all_taken,
    ..Optimized::PLAIN
};

fn tell_caller(job: &Job, members: &mut Map<String, Json>) {
    let Some(Json::Array(entries)) = members.get_mut("Entries") else { return };
    for entry in entries.iter_mut().filter_map(Json::as_object_mut) {
        let resources = entry.entry("Resources").or_insert(Json::Null);
        if resources.is_null() {
            *resources = Json::Array(Vec::new());
        }
        if let Json::Array(named) = resources {
            named.extend(job.caller.iter().flatten().map(|arn| Json::from(arn.as_str())));
        }
    }
}

fn all_taken(answer: &Json) -> Result<(), StateError> {
    match answer["FailedEntryCount"].as_u64() {
        None | Some(0) => Ok(()),
        Some(_) => Err(StateError::new("EventBridge.FailedEntry", answer.to_string())),
    }
}
