//! `arn:aws:states:::sqs:sendMessage`: `QueueUrl`, `MessageBody` (text, or JSON that becomes text),
//! `MessageAttributes`, `DelaySeconds`, `MessageGroupId`, `MessageDeduplicationId`.
//!
//! The call goes to the queue's own host, where that is one of AWS's, unless an endpoint is set.

use serde_json::{Map, Value as Json};

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};
use crate::aws::Endpoint;

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| SQS.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(optimized::call(job, &SQS))),
};

pub(super) const SQS: Optimized = Optimized {
    resource: "sqs",
    actions: &["sendMessage"],
    service: "sqs",
    prefix: "SQS",
    client: "AmazonSQS",
    place: host_of_queue,
    ..Optimized::PLAIN
};

/// `https://sqs.eu-west-1.amazonaws.com/123456789012/orders` is at its own region's host. Other hosts
/// are not followed: an event could name any.
fn host_of_queue(members: &Map<String, Json>) -> Option<Endpoint> {
    let rest = members.get("QueueUrl")?.as_str()?.strip_prefix("https://")?;
    let host = rest.split('/').next()?;
    let is_aws = [".amazonaws.com", ".amazonaws.com.cn"].iter().any(|end| host.ends_with(end));
    is_aws.then(|| Endpoint::Url(format!("https://{host}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_knows_its_host() {
        let of = |queue: &str| host_of_queue(json!({ "QueueUrl": queue }).as_object()?);
        let url = "https://sqs.eu-west-1.amazonaws.com".to_owned();
        let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        assert_eq!(of(queue), Some(Endpoint::Url(url)));
        for other in ["http://127.0.0.1:9324/0/orders", "https://evil.example/.amazonaws.com", "q"]
        {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
