//! `arn:aws:states:::s3:getObject`, `s3:listObjectsV2` and `s3:putObject`, which a Map's `ItemReader`
//! and `ResultWriter` name, in S3 itself or what speaks like it. Where a folder stands for buckets
//! (`objects`), that is asked instead. All else of S3 is `aws-sdk:s3`.
//!
//! `getObject` answers an object's bytes as they are; `listObjectsV2` the listing with the contents
//! of all its pages.

use serde_json::{Map, Value as Json, json};

use super::Integration;
use super::aws::optimized::{Optimized, operation_of};
use super::aws::{Answer, Job, lacks, open};
use crate::aws::{self, ErrorKind};
use crate::fault::StateError;

/// Bytes of an object that is read: what the index of a document can hold.
const OBJECT_BYTES_MAX: usize = 64 << 20;
/// Keys that are listed at most; leaving some out would lose items.
const KEYS_MAX: usize = 1_000_000;

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| S3.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(call(job))),
};

const S3: Optimized = Optimized {
    resource: "s3",
    actions: &["getObject", "listObjectsV2", "putObject"],
    service: "s3",
    prefix: "S3",
    client: "AmazonS3",
    ..Optimized::PLAIN
};

async fn call(job: Job) -> Answer {
    let members = job.members()?;
    match operation_of(&job.resource).as_str() {
        "ListObjectsV2" => list(&job, members).await,
        operation => {
            let call = job.call(S3.api(), operation);
            let call = aws::Call { response_bytes_max: Some(OBJECT_BYTES_MAX), ..call };
            let reply = job.client.fetch(&call, &Json::Object(members)).await;
            let reply = reply.map_err(|error| failed(&job, &error))?;
            Ok(if operation == "GetObject" { reply.body } else { b"{}".to_vec() })
        }
    }
}

async fn list(job: &Job, mut members: Map<String, Json>) -> Answer {
    let call = job.call(S3.api(), "ListObjectsV2");
    let mut contents = Vec::new();
    loop {
        let page = job.client.call(&call, &Json::Object(members.clone())).await;
        let mut page = page.map_err(|error| failed(job, &error))?.members;
        if let Json::Array(more) = page["Contents"].take() {
            contents.extend(more);
        }
        if contents.len() > KEYS_MAX {
            let cause = format!("The listing has more than {KEYS_MAX} keys; narrow its Prefix.");
            return Err(StateError::new("S3.TooManyKeys", cause));
        }
        match page["NextContinuationToken"].take() {
            token @ Json::String(_) => members.insert("ContinuationToken".to_owned(), token),
            _ => break,
        };
    }
    Ok(json!({ "Contents": contents }).to_string().into_bytes())
}

fn failed(job: &Job, error: &aws::Error) -> StateError {
    match error.kind {
        ErrorKind::Input => job.refused(&error.message),
        _ => S3.failure(error),
    }
}
