//! Against a server that answers what each test says.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, future};
use serde_json::json;

use super::scripted::{Say, Server, json as says};
use super::*;
use crate::targets::{self, BreakerSettings, Rules, WhenOpen};

fn settings(server: &Server) -> Settings {
    let settings = Settings {
        region: Some("eu-west-1".to_owned()),
        endpoint: Endpoint::Url(server.url.clone()),
        backoff: Duration::from_millis(1),
        request_timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    settings.with_keys("AKIDEXAMPLE", "open-sesame")
}

fn calls(settings: Settings, call: &Call<'_>, members: &Json) -> Result<Answer, Box<Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let client = Client::open(settings).expect("a client");
    runtime.expect("a runtime").block_on(client.call(call, members)).map_err(Box::new)
}

fn service(name: &str) -> &'static Service {
    Service::find(name).expect("it is there")
}

fn sends(server: &Server) -> Result<Answer, Box<Error>> {
    let call = Call::new(service("sqs"), "SendMessage");
    calls(settings(server), &call, &json!({ "QueueUrl": "q", "MessageBody": "m" }))
}

const SENT: &str = r#"{"MessageId":"m-1"}"#;

#[test]
fn a_call_is_signed_and_answered() {
    let server = Server::start(vec![says(200, SENT)]);
    let answer = sends(&server).expect("it goes well");
    assert_eq!(answer.members, json!({ "MessageId": "m-1" }));
    let asked = server.asked().remove(0);
    assert_eq!(
        (asked.line.as_str(), asked.header("x-amz-target")),
        ("POST /", "AmazonSQS.SendMessage")
    );
    assert_eq!(asked.header("content-type"), "application/x-amz-json-1.0");
    assert_eq!(asked.json(), json!({ "QueueUrl": "q", "MessageBody": "m" }));
    let signed = asked.header("authorization");
    assert!(signed.contains("/eu-west-1/sqs/aws4_request"), "{signed}");
    assert!(signed.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target"), "{signed}");
}

#[test]
fn what_passes_is_tried_again() {
    let throttled = r#"{"__type":"com.amazon#ThrottlingException","message":"slow"}"#;
    let script = [says(400, throttled), says(503, "<html>"), Say::Half, says(200, SENT)];
    let server = Server::start(script.to_vec());
    assert!(sends(&server).is_ok());
    assert_eq!(server.asked().len(), 4);
    let server = Server::start(vec![says(400, throttled)]);
    let error = sends(&server).expect_err("it never goes well");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("ThrottlingException", "slow"));
    assert_eq!((error.attempts, error.status), (4, Some(400)));
    assert_eq!((error.request_id.as_str(), server.asked().len()), ("r-1", 4));
}

#[test]
fn what_stays_is_not_tried_again() {
    let missing = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}"#;
    let server = Server::start(vec![says(400, missing)]);
    let error = sends(&server).expect_err("there is no queue");
    assert_eq!((error.code.as_str(), error.attempts), ("QueueDoesNotExist", 1));
    let server = Server::start(vec![says(200, "{\"half\":")]);
    let error = sends(&server).expect_err("that is no JSON");
    assert_eq!((error.kind, server.asked().len()), (ErrorKind::Malformed, 1));
}

#[test]
fn silence_and_refusal_are_told_apart() {
    let server = Server::start(vec![Say::Nothing]);
    let error = sends(&server).expect_err("nothing comes");
    assert_eq!((error.kind, error.attempts), (ErrorKind::Timeout, 4));
    let mut nobody = server;
    nobody.url = "http://127.0.0.1:1".to_owned();
    let error = sends(&nobody).expect_err("nobody listens");
    assert_eq!((error.kind, error.attempts), (ErrorKind::Connection, 4));
    assert!(error.message.contains("refused"), "{error}");
}

#[test]
fn answers_have_a_limit() {
    let server = Server::start(vec![says(200, &"x".repeat(101))]);
    let settings = Settings { response_bytes_max: 100, ..settings(&server) };
    let call = Call::new(service("sqs"), "SendMessage");
    let error = calls(settings, &call, &json!({})).expect_err("too large");
    assert_eq!((error.kind, server.asked().len()), (ErrorKind::Limit, 1));
}

/// Gives keys with numbers, one after the other.
#[derive(Debug)]
struct Counting {
    count: std::sync::atomic::AtomicU32,
    good_for: Duration,
}

impl Counting {
    fn provider(good_for: Duration) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Counting { count: Default::default(), good_for })
    }
}

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let end = SystemTime::now() + self.good_for;
        let keys = Credentials::new(format!("KEY{number}"), "secret", None, Some(end), "test");
        future::ProvideCredentials::ready(Ok(keys))
    }
}

#[test]
fn expired_credentials_are_fetched_anew() {
    let expired = r#"{"__type":"ExpiredTokenException","message":"old"}"#;
    let server = Server::start(vec![says(400, expired), says(200, SENT)]);
    let counting = Counting::provider(Duration::from_secs(3600));
    let settings = Settings { credentials: Some(counting), ..settings(&server) };
    let call = Call::new(service("sqs"), "SendMessage");
    calls(settings, &call, &json!({})).expect("the second try goes well");
    let keys = ["Credential=KEY0/", "Credential=KEY1/"];
    for (asked, key) in server.asked().iter().zip(keys) {
        assert!(asked.header("authorization").contains(key), "{asked:?}");
    }
}

#[test]
fn credentials_are_held_until_they_near_their_end() {
    for (good_for, last) in [(3600, "KEY0"), (200, "KEY2")] {
        let server = Server::start(vec![says(200, SENT)]);
        let counting = Counting::provider(Duration::from_secs(good_for));
        let settings = Settings { credentials: Some(counting), ..settings(&server) };
        let client = Client::open(settings).expect("a client");
        let call = Call::new(service("sqs"), "SendMessage");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            for _ in 0..3 {
                client.call(&call, &json!({})).await.expect("it goes well");
            }
        });
        let signed = server.asked()[2].header("authorization").to_owned();
        assert!(signed.contains(&format!("Credential={last}/")), "{signed}");
    }
}

#[test]
fn calls_that_wait_take_little_memory() {
    let client = Client::open(Settings::default()).expect("a client");
    let call = Call::new(service("sqs"), "SendMessage");
    let size = size_of_val(&client.call(&call, &json!({})));
    assert!(size <= 4 << 10, "{size} bytes");
}

#[test]
fn a_wrong_clock_is_put_right() {
    let skewed = r#"{"__type":"RequestTimeTooSkewed","message":"clock"}"#;
    let date = ("date", "Sun, 30 Aug 2015 12:26:00 GMT".to_owned());
    let script = vec![Say::Answer(403, vec![date], skewed.to_owned()), says(200, SENT)];
    let server = Server::start(script);
    sends(&server).expect("the second try goes well");
    assert!(server.asked()[1].header("x-amz-date").starts_with("20150830T122"));
}

const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleResult><Credentials><AccessKeyId>ROLEKEY</AccessKeyId>\
    <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
    </AssumeRoleResponse>";

#[test]
fn a_role_is_assumed_once() {
    let sts = Server::start(vec![Say::Answer(200, Vec::new(), ASSUMED.to_owned())]);
    let sqs = Server::start(vec![says(200, SENT)]);
    let mut settings = settings(&sqs);
    settings.endpoints.insert("sts".to_owned(), Endpoint::Url(sts.url.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let client = Client::open(settings).expect("a client");
    let role = "arn:aws:iam::222222222222:role/other";
    let call = Call { role: Some(role), ..Call::new(service("sqs"), "SendMessage") };
    runtime.expect("a runtime").block_on(async {
        for _ in 0..2 {
            client.call(&call, &json!({})).await.expect("it goes well");
        }
    });
    assert_eq!(sts.asked().len(), 1);
    assert!(
        sts.asked()[0].body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2Fother")
    );
    let asked = sqs.asked().remove(1);
    assert!(asked.header("authorization").contains("Credential=ROLEKEY/"));
    assert_eq!(asked.header("x-amz-security-token"), "t");
}

#[test]
fn as_many_roles_are_kept_as_the_setting_says() {
    for (roles_max, times) in [(1, 3), (2, 2)] {
        let sts = Server::start(vec![Say::Answer(200, Vec::new(), ASSUMED.to_owned())]);
        let sqs = Server::start(vec![says(200, SENT)]);
        let mut settings = Settings { roles_max, ..settings(&sqs) };
        settings.endpoints.insert("sts".to_owned(), Endpoint::Url(sts.url.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let client = Client::open(settings).expect("a client");
        runtime.expect("a runtime").block_on(async {
            for role in ["arn:one", "arn:two", "arn:one"] {
                let call = Call { role: Some(role), ..Call::new(service("sqs"), "SendMessage") };
                client.call(&call, &json!({})).await.expect("it goes well");
            }
        });
        assert_eq!(sts.asked().len(), times, "{roles_max} kept");
    }
}

#[test]
fn a_role_that_is_refused_is_told() {
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error>\
        <RequestId>r-2</RequestId></ErrorResponse>";
    let server = Server::start(vec![Say::Answer(403, Vec::new(), denied.to_owned())]);
    let call = Call { role: Some("arn:r"), ..Call::new(service("sqs"), "SendMessage") };
    let error = calls(settings(&server), &call, &json!({})).expect_err("it is refused");
    assert_eq!((error.kind, error.service), (ErrorKind::Credentials, "SQS"));
    assert!(error.message.contains("AccessDenied: not you"), "{error}");
    assert_eq!((error.request_id.as_str(), server.asked().len()), ("r-2", 1));
}

#[test]
fn secrets_are_not_shown() {
    let server = Server::start(vec![says(200, SENT)]);
    let settings = settings(&server);
    let shown = format!("{settings:?} {:?}", Client::open(settings.clone()));
    assert!(!shown.contains("open-sesame"), "{shown}");
}

/// A client whose targets count as down after two failures; it has one attempt.
fn among(server: &Server, when_open: WhenOpen) -> (Client, Targets) {
    let breaker = BreakerSettings {
        failures: 2,
        when_open,
        probe_after: Duration::from_millis(50),
        ..BreakerSettings::default()
    };
    let general =
        targets::Settings { breaker: Some(breaker), is_adaptive: true, ..Default::default() };
    let targets = Targets::new(Rules { general, ..Rules::default() });
    let settings = Settings { attempts_max: 1, ..settings(server) };
    (Client::open_among(settings, targets.clone()).expect("a client"), targets)
}

async fn send_among(client: &Client, caller: u64) -> Result<Answer, Box<Error>> {
    let call = Call { caller, ..Call::new(service("sqs"), "SendMessage") };
    let members = json!({ "QueueUrl": "q", "MessageBody": "m" });
    client.call(&call, &members).await.map_err(Box::new)
}

#[tokio::test]
async fn a_service_that_is_down_is_not_called_or_waited_for() {
    let script = vec![says(500, "{}"), says(503, "{}"), says(200, SENT)];
    let server = Server::start(script.clone());
    let (client, _) = among(&server, WhenOpen::Fail);
    for caller in 0..2 {
        let error = send_among(&client, caller).await.expect_err("it is in trouble");
        assert_eq!(error.kind, ErrorKind::Service);
    }
    let error = send_among(&client, 3).await.expect_err("it is not called");
    assert_eq!((error.kind, server.asked().len()), (ErrorKind::Down, 2));
    assert!(error.message.starts_with("sqs@127.0.0.1:"), "{error}");
    // The same where calls wait: both are made again, and are answered.
    let server = Server::start(script);
    let (client, targets) = among(&server, WhenOpen::Pause);
    let (first, second) = tokio::join!(send_among(&client, 1), send_among(&client, 2));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    let standing = targets.standings().remove(0);
    assert_eq!((standing.requests, standing.failures, standing.is_down), (4, 2, false));
}

#[tokio::test]
async fn throttling_slows_everybody_down() {
    let throttled = r#"{"__type":"com.amazon#ThrottlingException","message":"slow"}"#;
    let server = Server::start(vec![says(400, throttled), says(200, SENT)]);
    let (client, targets) = among(&server, WhenOpen::Pause);
    assert!(send_among(&client, 3).await.expect_err("it is too much").is_throttling());
    let standing = targets.standings().remove(0);
    assert_eq!((standing.throttled, standing.failures), (1, 0));
    assert!(standing.rate.is_some_and(|rate| rate < 10.0), "{standing:?}");
}
