//! Every driver that calls over HTTP, through the wire, against a server that answers, refuses,
//! throttles, is silent, hangs up and talks nonsense, as each service's protocol has it: what its
//! state sees. Kafka's is in its own tests.

mod cases;

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value as Json, json};

use self::cases::{CASES, Case, Told};
use super::aws::Target;
use super::harness::Shard;
use super::{AwsSettings, HttpSettings, JobSettings, Settings};
use crate::aws::scripted::{Asked, Say, Server};
use crate::aws::{self, Endpoint};

/// The function that is not Lambda's.
const NEAR: &str = "near";
/// Attempts of a call that is tried again.
const ATTEMPTS: usize = 4;
/// What no protocol can read.
const NONSENSE: &str = "<nonsense {";

/// A result, or an error's name and cause.
type Found = Result<Json, (String, String)>;

impl Case {
    /// A shard whose calls go to this URL.
    fn shard(&self, url: &str, request_timeout: Duration, attempts: usize) -> Shard {
        let here = || Endpoint::Url(url.to_owned());
        let client = aws::Settings {
            region: Some("us-east-1".to_owned()),
            endpoint: here(),
            backoff: Duration::from_millis(1),
            attempts_max: attempts as u32,
            request_timeout,
            ..aws::Settings::default()
        };
        let aws = AwsSettings {
            client: client.with_keys("AKIDEXAMPLE", "open-sesame"),
            services: [("apigateway".to_owned(), Target::Endpoint(here()))].into(),
            functions: [(NEAR.to_owned(), format!("{url}/near"))].into(),
            ..AwsSettings::default()
        };
        let http = HttpSettings { request_timeout, ..HttpSettings::default() };
        let pause = Duration::from_millis(1);
        let jobs = JobSettings { poll_interval: pause, poll_interval_max: pause };
        let resource = format!("arn:aws:states:::{}", self.resource);
        Shard::new(&resource, Settings { aws: Some(aws), http, jobs, ..Settings::default() }, None)
    }

    /// HTTP Tasks leave trying again to the definition, as in Step Functions.
    fn attempts(&self, attempts: usize) -> usize {
        if self.resource == "http:invoke" { 1 } else { attempts }
    }

    /// The arguments, with the server's URL where they need one.
    fn arguments(&self, url: &str) -> Json {
        let mut arguments: Json = serde_json::from_str(self.arguments).expect("JSON");
        if let Some(path) = arguments["ApiEndpoint"].as_str().filter(|it| it.starts_with('/')) {
            arguments["ApiEndpoint"] = format!("{url}{path}").into();
        }
        arguments
    }

    /// What comes of a call, and what the server was asked.
    fn told(&self, script: &[Say]) -> (Found, Vec<Asked>) {
        let server = Server::start(script.to_vec());
        let found = self.comes(&server.url, Duration::from_secs(20), ATTEMPTS);
        (found, server.asked())
    }

    fn comes(&self, url: &str, patience: Duration, attempts: usize) -> Found {
        let mut shard = self.shard(url, patience, attempts);
        shard.answer(&self.arguments(url)).map_err(|error| {
            let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
            (text(error.name()), text(error.cause()))
        })
    }

    #[track_caller]
    fn fails(&self, found: Found, name: &str, part: &str) {
        let (found, cause) = found.expect_err(self.resource);
        assert_eq!(found, name, "{}: {cause}", self.resource);
        assert!(cause.contains(part), "{}: {part:?} is not in {cause:?}", self.resource);
    }
}

fn says((status, headers, body): Told) -> Say {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
    Say::Answer(status, headers.collect(), body.to_owned())
}

/// `POST / AmazonSQS.SendMessage`, `POST / Publish`, `GET /b/k`
fn operation_of(asked: &Asked) -> String {
    let action = asked.body.strip_prefix("Action=").and_then(|form| form.split('&').next());
    let operation = action.unwrap_or_else(|| asked.header("x-amz-target"));
    format!("{} {operation}", asked.line).trim_end().to_owned()
}

#[test]
fn a_good_answer_is_the_result() {
    for case in CASES {
        let (found, asked) = case.told(&[says(case.good)]);
        let (pointer, value) = case.result;
        let (found, value) =
            (found.expect(case.resource), serde_json::from_str(value).expect("JSON"));
        assert_eq!(found.pointer(pointer), Some(&value), "{}: {found}", case.resource);
        let asked: Vec<_> = asked.iter().map(operation_of).collect();
        assert_eq!(asked, case.asks, "{}", case.resource);
    }
}

#[test]
fn what_the_service_refuses_has_its_name() {
    for case in CASES {
        let (found, asked) = case.told(&[says(case.refusal)]);
        case.fails(found, case.refused, "m");
        assert_eq!(asked.len(), 1, "{}: it was tried again", case.resource);
    }
}

#[test]
fn throttling_is_tried_again_and_has_its_name_in_the_end() {
    for case in CASES {
        let throttle = says(case.throttle);
        let (found, asked) = case.told(&[throttle.clone(), throttle.clone(), says(case.good)]);
        match case.attempts(ATTEMPTS) {
            1 => case.fails(found, case.throttled, ""),
            _ => {
                let count = 2 + case.asks.len();
                assert!(found.is_ok() && asked.len() == count, "{}: {found:?}", case.resource);
            }
        }
        let (found, asked) = case.told(&[throttle]);
        case.fails(found, case.throttled, "");
        assert_eq!(asked.len(), case.attempts(ATTEMPTS), "{}", case.resource);
    }
}

#[test]
fn a_server_that_is_not_there_is_the_clients_error() {
    // A port that was somebody's, and is nobody's now.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    for case in CASES {
        let url = format!("http://{port}");
        case.fails(case.comes(&url, Duration::from_secs(20), 2), case.unanswered, "refused");
    }
}

#[test]
fn silence_is_the_clients_error() {
    for case in CASES {
        let server = Server::start(vec![Say::Nothing]);
        let found = case.comes(&server.url, Duration::from_millis(300), 2);
        case.fails(found, case.unanswered, "took");
        assert_eq!(server.asked().len(), case.attempts(2), "{}", case.resource);
    }
}

#[test]
fn half_an_answer_is_the_clients_error() {
    for case in CASES {
        let (found, asked) = case.told(&[Say::Half]);
        case.fails(found, case.unanswered, "");
        assert_eq!(asked.len(), case.attempts(ATTEMPTS), "{}", case.resource);
    }
}

#[test]
fn nonsense_is_the_clients_error_where_no_text_is_taken() {
    for case in CASES {
        let (found, asked) = case.told(&[says((200, &[], NONSENSE))]);
        match case.text {
            None => case.fails(found, case.unanswered, "can't be read"),
            Some(pointer) => {
                let found = found.expect(case.resource);
                assert_eq!(found.pointer(pointer), Some(&json!(NONSENSE)), "{}", case.resource);
            }
        }
        assert_eq!(asked.len(), 1, "{}", case.resource);
    }
}
