//! `arn:aws:states:::states:startExecution`: `StateMachineArn`, `Input` (text, or JSON that becomes
//! text), `Name`. Waiting for a synchronous Express execution is `aws-sdk:sfn:startSyncExecution`.

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| STEP_FUNCTIONS.takes(resource),
    lacks,
    open: |settings, place| {
        open(settings, place, |job| Box::pin(optimized::call(job, &STEP_FUNCTIONS)))
    },
};

pub(super) const STEP_FUNCTIONS: Optimized = Optimized {
    resource: "states",
    actions: &["startExecution"],
    service: "sfn",
    prefix: "StepFunctions",
    client: "AWSStepFunctions",
    ..Optimized::PLAIN
};
