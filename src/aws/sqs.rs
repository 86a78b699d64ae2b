//! A queue of SQS: where it is, and the calls that sources and sinks of it have in common.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Call, Client, Endpoint, Error, Service, Settings};

/// Entries that one batch call takes at most.
pub const BATCH_MAX: usize = 10;

/// One queue.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    service: &'static Service,
    url: String,
    name: String,
    endpoint: Endpoint,
    region: Option<String>,
}

/// An entry of a batch that was refused while others were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its place in the batch.
    pub place: usize,
    /// SQS's code: `ReceiptHandleIsInvalid`
    pub code: String,
    /// SQS's message.
    pub message: String,
    /// Trying again can't help.
    pub is_final: bool,
}

impl Queue {
    /// The queue at this URL. Calls go where `settings` say; where they say nothing, a URL that is
    /// not AWS's own (an emulator's) is its own endpoint, and one of AWS's tells the region.
    pub fn open(settings: Settings, url: &str) -> Result<Queue, String> {
        let parsed = reqwest::Url::parse(url).ok();
        let parsed = parsed.filter(|it| matches!(it.scheme(), "http" | "https") && it.has_host());
        let name = parsed.as_ref().and_then(|it| it.path_segments()?.next_back());
        let (Some(parsed), Some(name)) = (&parsed, name.filter(|name| !name.is_empty())) else {
            return Err(format!(
                "{url:?} is no queue's URL: it looks like \
                 https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
            ));
        };
        let host = parsed.host_str().unwrap_or_default();
        let is_awss = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
        let region = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next());
        let is_elsewhere =
            settings.endpoint != Endpoint::Default || settings.endpoints.contains_key("sqs");
        let endpoint = match !is_elsewhere && !is_awss {
            true => Endpoint::Url(parsed.origin().ascii_serialization()),
            false => Endpoint::Default,
        };
        let region = region.filter(|_| is_awss && settings.region.is_none()).map(str::to_owned);
        let name = name.to_owned();
        let service = Service::find("sqs").ok_or("SQS is not in the table of services")?;
        let client = Client::open(settings).map_err(|e| e.message)?;
        let url = url.to_owned();
        Ok(Queue(Arc::new(Inner { client, service, url, name, endpoint, region })))
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Its name: the last part of its URL.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// First in, first out, group by group?
    pub fn is_fifo(&self) -> bool {
        self.0.name.ends_with(".fifo")
    }

    /// Calls an operation on it.
    pub async fn call(&self, operation: &str, mut members: Json) -> Result<Json, Error> {
        let Inner { client, service, url, endpoint, region, .. } = &*self.0;
        members["QueueUrl"] = json!(url);
        let mut call = Call::new(service, operation);
        call.endpoint = Some(endpoint);
        call.region = region.as_deref();
        Ok(client.call(&call, &members).await?.members)
    }

    /// Calls an operation for at most [`BATCH_MAX`] entries, and says which were refused. Entries'
    /// `Id`s are written here.
    pub async fn batch(
        &self,
        operation: &str,
        mut entries: Vec<Json>,
    ) -> Result<Vec<Failure>, Error> {
        for (place, entry) in entries.iter_mut().enumerate() {
            entry["Id"] = json!(place.to_string());
        }
        let answer = self.call(operation, json!({ "Entries": entries })).await?;
        let failed = answer["Failed"].as_array().map_or(&[][..], Vec::as_slice);
        let failure = |it: &Json| {
            Some(Failure {
                place: it["Id"].as_str()?.parse().ok()?,
                code: it["Code"].as_str().unwrap_or_default().to_owned(),
                message: it["Message"].as_str().unwrap_or_default().to_owned(),
                is_final: it["SenderFault"].as_bool().unwrap_or(false),
            })
        };
        Ok(failed.iter().filter_map(failure).collect())
    }
}

/// The ARN of the queue at this URL, and its region: `region`, where the URL does not tell it.
pub fn arn_of(url: &str, region: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let name = parts.next().unwrap_or_default();
    let is_account = |it: &&str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    let account = parts.next().filter(is_account).unwrap_or("000000000000");
    let partition = if host.ends_with(".amazonaws.com.cn") { "aws-cn" } else { "aws" };
    let own = host.strip_prefix("sqs.").and_then(|it| it.split_once(".amazonaws.com"));
    let region = own.map_or(region, |(region, _)| region);
    (format!("arn:{partition}:sqs:{region}:{account}:{name}"), region.to_owned())
}

/// What to do about an error that no waiting mends, for the operator.
pub fn advice(queue: &Queue, error: &Error) -> String {
    let mut text = format!("queue {:?}: {error}. ", queue.0.url);
    let what = match error.code.as_str() {
        "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "com.amazonaws.sqs#QueueDoesNotExist" => "Create it, or correct queue_url",
        "AccessDenied" | "AccessDeniedException" => {
            "Grant sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and \
             sqs:GetQueueAttributes to read it, sqs:SendMessage to write to it"
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            "Check the credentials"
        }
        _ => "Check the queue, its rights and the settings under [aws]",
    };
    // Writing to a String can't fail.
    let _ = write!(text, "{what}.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted::{Server, json as answer};

    #[test]
    fn a_url_tells_name_region_and_endpoint() {
        let of = |url: &str| Queue::open(Settings::default(), url);
        let queue = of("https://sqs.eu-west-1.amazonaws.com/1/orders.fifo").expect("a queue");
        assert_eq!((queue.name(), queue.is_fifo()), ("orders.fifo", true));
        assert_eq!(queue.0.region.as_deref(), Some("eu-west-1"));
        assert_eq!(queue.0.endpoint, Endpoint::Default);
        let local = of("http://127.0.0.1:9324/000000000000/orders").expect("a queue");
        assert_eq!(local.0.endpoint, Endpoint::Url("http://127.0.0.1:9324".to_owned()));
        for bad in ["orders", "https://sqs.eu-west-1.amazonaws.com/", "ftp://a/b", "arn:aws:sqs:a"]
        {
            let error = of(bad).expect_err("no URL of a queue");
            assert!(error.contains("is no queue's URL"), "{error}");
        }
    }

    #[test]
    fn a_url_tells_the_arn() {
        let arn = |url: &str| arn_of(url, "eu-north-1");
        let of = |arn: &str, region: &str| (arn.to_owned(), region.to_owned());
        assert_eq!(
            arn("https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"),
            of("arn:aws:sqs:eu-west-1:123456789012:orders.fifo", "eu-west-1")
        );
        assert_eq!(
            arn("https://sqs.cn-north-1.amazonaws.com.cn/1/a"),
            of("arn:aws-cn:sqs:cn-north-1:1:a", "cn-north-1")
        );
        for path in ["000000000000/a", "queue/a", "a"] {
            let url = format!("http://127.0.0.1:9324/{path}");
            assert_eq!(arn(&url), of("arn:aws:sqs:eu-north-1:000000000000:a", "eu-north-1"));
        }
    }

    #[tokio::test]
    async fn refused_entries_are_told_from_those_that_were_taken() {
        let failed = r#"{"Successful":[{"Id":"0"}],"Failed":[
            {"Id":"1","SenderFault":true,"Code":"ReceiptHandleIsInvalid","Message":"old"},
            {"Id":"2","SenderFault":false,"Code":"InternalError"}]}"#;
        let server = Server::start(vec![answer(200, failed)]);
        let settings = Settings::default().with_keys("a", "b");
        let queue = Queue::open(settings, &format!("{}/1/q", server.url)).expect("a queue");
        let entries = vec![json!({ "ReceiptHandle": "r" }); 3];
        let failures = queue.batch("DeleteMessageBatch", entries).await.expect("an answer");
        let kept: Vec<_> = failures.iter().map(|it| (it.place, it.is_final)).collect();
        assert_eq!(kept, [(1, true), (2, false)]);
        let asked = &server.asked()[0];
        assert_eq!(asked.header("x-amz-target"), "AmazonSQS.DeleteMessageBatch");
        assert_eq!(asked.json()["Entries"][2]["Id"], "2");
    }
}
