//! `arn:aws:states:::batch:submitJob`: `JobName`, `JobQueue`, `JobDefinition`, and Batch's other
//! parameters in Pascal case. Batch has no idempotency field: a record that is processed again
//! submits again.

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| BATCH.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(optimized::call(job, &BATCH))),
};

pub(super) const BATCH: Optimized = Optimized {
    resource: "batch",
    actions: &["submitJob"],
    service: "batch",
    prefix: "Batch",
    client: "AWSBatch",
    ..Optimized::PLAIN
};
