//! `arn:aws:states:::dynamodb:getItem`, `putItem`, `updateItem` and `deleteItem`, with DynamoDB's own
//! parameters; everything else it has is `aws-sdk:dynamodb`.

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| DYNAMODB.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(optimized::call(job, &DYNAMODB))),
};

pub(super) const DYNAMODB: Optimized = Optimized {
    resource: "dynamodb",
    actions: &["getItem", "putItem", "updateItem", "deleteItem"],
    service: "dynamodb",
    prefix: "DynamoDB",
    client: "AmazonDynamoDBv2",
    general: Some("AmazonDynamoDB"),
    ..Optimized::PLAIN
};
