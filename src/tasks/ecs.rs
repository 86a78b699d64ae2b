//! `arn:aws:states:::ecs:runTask`: ECS's own parameters in Pascal case. `Failures` in the answer do
//! not fail the task. A `ClientToken` that derives from the execution goes along: a record that is run
//! again starts no second task.

use serde_json::{Map, Value as Json};

use super::Integration;
use super::aws::idempotency::Names;
use super::aws::optimized::{self, Optimized};
use super::aws::{Job, lacks, open};

/// What the service puts there.
const STARTED_BY: &str = "AWS Step Functions";

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| ECS.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(optimized::call(job, &ECS))),
};

pub(super) const ECS: Optimized = Optimized {
    resource: "ecs",
    actions: &["runTask"],
    service: "ecs",
    prefix: "ECS",
    client: "AmazonECS",
    shape: |job: &Job, members| prepare(members, &job.names()),
    ..Optimized::PLAIN
};

/// What goes along besides what the definition says.
pub(super) fn prepare(members: &mut Map<String, Json>, names: &Names<'_>) {
    names.fill("ClientToken", members);
    members.entry("StartedBy").or_insert_with(|| STARTED_BY.into());
}
