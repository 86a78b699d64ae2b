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
use super::objects::Limits;
use crate::aws::{self, ErrorKind};
use crate::fault::StateError;

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
            let limit = (job.settings.object_limits.size_max, Limits::SIZE_SETTING);
            let call = aws::Call { response_bytes_max: Some(limit), ..call };
            let reply = job.client.fetch(&call, &Json::Object(members)).await;
            let reply = reply.map_err(|error| failed(&job, &error))?;
            Ok(if operation == "GetObject" { reply.body } else { b"{}".to_vec() })
        }
    }
}

async fn list(job: &Job, mut members: Map<String, Json>) -> Answer {
    let call = job.call(S3.api(), "ListObjectsV2");
    let limits = &job.settings.object_limits;
    let mut contents = Vec::new();
    loop {
        let page = job.client.call(&call, &Json::Object(members.clone())).await;
        let mut page = page.map_err(|error| failed(job, &error))?.members;
        if let Json::Array(more) = page["Contents"].take() {
            contents.extend(more);
        }
        if contents.len() > limits.keys_max {
            let prefix = members.get("Prefix").and_then(Json::as_str);
            return Err(limits.too_many_keys(prefix.unwrap_or_default()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted::{Server, json as says};
    use crate::tasks::aws::tests::{settings, shard};

    #[test]
    fn what_exceeds_a_limit_is_told_which() {
        let key = |key: &str| json!({ "Bucket": "b", "Key": key });
        let page = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <Contents><Key>a/1</Key></Contents><Contents><Key>a/2</Key></Contents>\
                    <IsTruncated>false</IsTruncated></ListBucketResult>";
        for (resource, arguments, answer, name, setting) in [
            ("getObject", key("a"), "[12]", "States.DataLimitExceeded", "engine.object_size_max"),
            (
                "listObjectsV2",
                json!({ "Bucket": "b", "Prefix": "a/" }),
                page,
                "S3.TooManyKeys",
                "engine.object_keys_max",
            ),
        ] {
            let server = Server::start(vec![says(200, answer)]);
            let asked = |object_limits| {
                let settings = crate::tasks::AwsSettings { object_limits, ..settings(&server) };
                shard(&format!("arn:aws:states:::s3:{resource}"), settings)
            };
            let small = Limits { size_max: 3, keys_max: 1, ..Limits::default() };
            asked(small).fails(&arguments, name, setting);
            asked(Limits::default()).answer(&arguments).expect("it is within the default");
        }
    }
}
