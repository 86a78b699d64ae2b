//! `arn:aws:states:::events:putEvents`: `Entries` of `Source`, `DetailType`, `Detail` (an object
//! becomes text), `EventBusName`, `Resources`, `Time`, `TraceHeader`.
//!
//! One entry that the bus refused fails the task with `EventBridge.FailedEntry`; a retry sends all
//! of them again.

use serde_json::Value as Json;

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};
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
    accept: all_taken,
    ..Optimized::PLAIN
};

fn all_taken(answer: &Json) -> Result<(), StateError> {
    match answer["FailedEntryCount"].as_u64() {
        None | Some(0) => Ok(()),
        Some(_) => Err(StateError::new("EventBridge.FailedEntry", answer.to_string())),
    }
}
