//! `arn:aws:states:::sns:publish`: `Message` (text, or JSON that becomes text), `TopicArn` or
//! `TargetArn` or `PhoneNumber`, `Subject`, `MessageStructure`, `MessageAttributes`,
//! `MessageGroupId`, `MessageDeduplicationId`.

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| SNS.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(optimized::call(job, &SNS))),
};

pub(super) const SNS: Optimized = Optimized {
    resource: "sns",
    actions: &["publish"],
    service: "sns",
    prefix: "SNS",
    client: "AmazonSNS",
    ..Optimized::PLAIN
};
