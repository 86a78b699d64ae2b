//! Through the drivers, against a server that answers what each test says.

mod recorded;

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Settings, Target};
use crate::aws::scripted::{Say, Server, json as says};
use crate::aws::{self, Endpoint};
use crate::tasks;
use crate::tasks::harness::{CALLER, Shard};

pub(in crate::tasks) fn settings(server: &Server) -> Settings {
    let client = aws::Settings {
        region: Some("us-east-1".to_owned()),
        endpoint: Endpoint::Url(server.url.clone()),
        backoff: Duration::from_millis(1),
        request_timeout: Duration::from_millis(500),
        ..aws::Settings::default()
    };
    Settings { client: client.with_keys("AKIDEXAMPLE", "open-sesame"), ..Settings::default() }
}

pub(in crate::tasks) fn shard(resource: &str, aws: Settings) -> Shard {
    Shard::new(resource, tasks::Settings { aws: Some(aws), ..tasks::Settings::default() }, None)
}

/// A shard whose calls of this resource go to a server with this script.
pub(in crate::tasks) fn scripted(resource: &str, script: Vec<Say>) -> (Shard, Server) {
    let server = Server::start(script);
    (shard(resource, settings(&server)), server)
}

const SQS: &str = "arn:aws:states:::sqs:sendMessage";
const SDK_SQS: &str = "arn:aws:states:::aws-sdk:sqs:sendMessage";
const SNS: &str = "arn:aws:states:::sns:publish";
const EVENTS: &str = "arn:aws:states:::events:putEvents";
const ECS: &str = "arn:aws:states:::ecs:runTask";

fn message() -> Json {
    json!({ "QueueUrl": "https://q/1/orders", "MessageBody": { "id": 1 }, "DelaySeconds": null })
}

#[test]
fn a_message_is_sent_as_text() {
    let (mut shard, server) = scripted(SQS, vec![says(200, r#"{"MessageId":"m"}"#)]);
    assert_eq!(shard.answer(&message()), Ok(json!({ "MessageId": "m" })));
    let sent = json!({ "QueueUrl": "https://q/1/orders", "MessageBody": "{\"id\":1}" });
    assert_eq!(server.asked()[0].json(), sent);
}

#[test]
fn who_is_throttled_keeps_nobody_from_going_out() {
    let throttled = r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"m"}"#.to_owned();
    let later = vec![("retry-after", "1".to_owned())];
    let good = says(200, r#"{"MessageId":"m"}"#);
    let server = Server::start(vec![Say::Answer(400, later, throttled), good]);
    let mut aws = settings(&server);
    aws.client.calls_max = 1;
    let mut shard = shard(SQS, aws);
    let message = |body: &str| json!({ "QueueUrl": "q", "MessageBody": body }).to_string();
    let [first, second] = ["first", "second"].map(|it| shard.call(0, &message(it)));
    let answered: Vec<_> = shard.wait(2).into_iter().map(|(id, _)| id).collect();
    assert_eq!(answered, [second, first]);
    let asked = server.asked();
    let bodies = asked.iter().map(|it| it.json()["MessageBody"].as_str().map(str::to_owned));
    let order = ["first", "second", "first"].map(|it| Some(it.to_owned()));
    assert_eq!(bodies.collect::<Vec<_>>(), order);
}

#[test]
fn results_have_metadata_where_they_are_wanted() {
    let server = Server::start(vec![says(200, r#"{"MessageId":"m"}"#)]);
    let wanted = || Settings { has_metadata: true, ..settings(&server) };
    let result = shard(SQS, wanted()).answer(&message()).expect("it goes well");
    assert_eq!(result["SdkResponseMetadata"], json!({ "RequestId": "r-1" }));
    let http = &result["SdkHttpMetadata"];
    assert_eq!(http["HttpStatusCode"], json!(200));
    assert_eq!(http["AllHttpHeaders"]["x-amzn-RequestId"], json!(["r-1"]));
    assert_eq!(http["HttpHeaders"]["Content-Type"], json!("application/x-amz-json-1.0"));
    let result = shard(SDK_SQS, wanted()).answer(&message()).expect("it goes well");
    assert_eq!(result, json!({ "MessageId": "m" }));
}

#[test]
fn service_errors_have_the_familys_name() {
    let missing = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}"#;
    let (mut shard, _server) = scripted(SQS, vec![says(400, missing)]);
    let cause = "none (Service: AmazonSQS; Status Code: 400; Error Code: QueueDoesNotExist; Request \
                 ID: r-1; Proxy: null)";
    shard.fails(&message(), "SQS.QueueDoesNotExistException", cause);
    let (mut shard, _server) = scripted(SDK_SQS, vec![says(400, missing)]);
    let cause = "none (Service: Sqs, Status Code: 400, Request ID: r-1)";
    shard.fails(&message(), "Sqs.QueueDoesNotExistException", cause);
    let odd = r#"{"__type":"MissingParameter","message":"no body"}"#;
    let (mut shard, _server) = scripted(SQS, vec![says(400, odd)]);
    shard.fails(&message(), "SQS.AmazonSQSException", "no body (Service: AmazonSQS;");
}

#[test]
fn throttling_is_waited_out() {
    let throttled = r#"{"__type":"ThrottlingException","message":"slow"}"#;
    for resource in [SQS, SDK_SQS] {
        let script = vec![says(400, throttled), says(200, r#"{"MessageId":"m"}"#)];
        let (mut shard, server) = scripted(resource, script);
        assert_eq!(shard.answer(&message()), Ok(json!({ "MessageId": "m" })));
        assert_eq!(server.asked().len(), 2);
    }
}

#[test]
fn silence_refusal_and_nonsense_are_the_clients() {
    let (mut shard, _server) = scripted(SNS, vec![Say::Nothing]);
    shard.fails(&json!({ "Message": "m" }), "SNS.SdkClientException", "took too long");
    let mut aws = settings(&Server::start(vec![Say::Half]));
    aws.client.endpoint = Endpoint::Url("http://127.0.0.1:1".to_owned());
    let mut shard = self::shard(SNS, aws);
    shard.fails(
        &json!({ "Message": "m" }),
        "SNS.SdkClientException",
        "Unable to execute HTTP request",
    );
    let (mut shard, _server) = scripted(SNS, vec![says(200, "no XML")]);
    shard.fails(&json!({ "Message": "m" }), "SNS.SdkClientException", "Unable to unmarshall");
    let (mut shard, _server) = scripted(SDK_SQS, vec![Say::Half]);
    shard.fails(&message(), "Sqs.SdkClientException", "Unable to execute HTTP request");
}

#[test]
fn refused_entries_fail_the_task() {
    let answer = r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"MalformedDetail"}]}"#;
    let (mut shard, server) = scripted(EVENTS, vec![says(200, answer)]);
    let entries = json!({ "Entries": [
        { "Source": "s", "Detail": { "a": 1 } }, { "Source": "s", "Resources": ["arn:mine"] },
    ] });
    shard.fails(&entries, "EventBridge.FailedEntry", "MalformedDetail");
    let sent = server.asked().remove(0).json();
    assert_eq!(sent["Entries"][0]["Detail"], json!("{\"a\":1}"));
    let told = [json!(CALLER), json!(["arn:mine", CALLER[0], CALLER[1]])];
    assert_eq!(
        [&sent["Entries"][0]["Resources"], &sent["Entries"][1]["Resources"]],
        [&told[0], &told[1]]
    );
}

#[test]
fn tasks_of_ecs_are_written_in_camel_case() {
    let (mut shard, server) = scripted(ECS, vec![says(200, r#"{"failures":[],"tasks":[]}"#)]);
    let result = shard.answer(&json!({
        "TaskDefinition": "t",
        "Overrides": { "ContainerOverrides": [{ "Environment": [{ "Name": "A", "Value": "b" }] }] },
    }));
    assert_eq!(result, Ok(json!({ "Failures": [], "Tasks": [] })));
    let sent = json!({
        "taskDefinition": "t",
        "overrides": { "containerOverrides": [{ "environment": [{ "name": "A", "value": "b" }] }] },
        "startedBy": "AWS Step Functions",
    });
    let mut asked = server.asked()[0].json();
    let token = asked.as_object_mut().expect("an object").remove("clientToken");
    // The same whenever the call is made again.
    assert_eq!(token.expect("there is one").as_str().map(str::len), Some(33));
    assert_eq!(asked, sent);
}

#[test]
fn parameters_that_no_request_can_be_made_of_are_the_definitions_fault() {
    let invoke = "arn:aws:states:::aws-sdk:lambda:invoke";
    let (mut shard, server) = scripted(invoke, vec![says(200, "{}")]);
    shard.fails(&json!({ "Payload": 1 }), "States.Runtime", "could not be used to start the Task");
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn states_and_services_may_go_elsewhere() {
    let (main, other) =
        (says(200, r#"{"MessageId":"main"}"#), says(200, r#"{"MessageId":"other"}"#));
    let (main, other) = (Server::start(vec![main]), Server::start(vec![other]));
    let elsewhere = || Target::Endpoint(Endpoint::Url(other.url.clone()));
    let mut by_service = settings(&main);
    by_service.services.insert("sqs".to_owned(), elsewhere());
    let mut by_state = settings(&main);
    by_state.states.insert("T".to_owned(), elsewhere());
    for aws in [by_service, by_state] {
        let result = shard(SQS, aws).answer(&message());
        assert_eq!(result, Ok(json!({ "MessageId": "other" })));
    }
    let mut mocked = settings(&main);
    mocked.services.insert("sqs".to_owned(), Target::Mock);
    let tasks = tasks::Settings { aws: Some(mocked), ..tasks::Settings::default() };
    let refused = tasks::harness::plan(SQS, tasks, None).expect_err("nothing answers");
    assert!(refused[0].message.contains("mock"), "{refused:?}");
    let mut stray = settings(&main);
    stray.states.insert("Tt".to_owned(), Target::Mock);
    let tasks = tasks::Settings { aws: Some(stray), ..tasks::Settings::default() };
    let refused = tasks::harness::plan(SQS, tasks, None).expect_err("there is no such state");
    assert!(refused[0].message.contains("no such Task"), "{refused:?}");
}

#[test]
fn a_cancelled_call_is_not_answered() {
    let (mut shard, _server) = scripted(SQS, vec![Say::Nothing]);
    let id = shard.call(0, &message().to_string());
    shard.poll();
    shard.tasks.cancel(id);
    assert_eq!(shard.tasks.in_flight(), 0);
    assert!(shard.poll().is_empty());
}

/// A shard that fills in what makes calls idempotent.
fn filling(resource: &str, script: Vec<Say>) -> (Shard, Server) {
    let server = Server::start(script);
    let aws = Settings { fills_in: true, ..settings(&server) };
    (shard(resource, aws), server)
}

#[test]
fn a_call_that_is_made_again_says_so() {
    let queue = json!({ "QueueUrl": "https://q/1/orders.fifo", "MessageBody": "m" });
    for (resource, field) in [(SQS, "MessageDeduplicationId"), (SDK_SQS, "MessageDeduplicationId")]
    {
        let (mut shard, server) = filling(resource, vec![says(200, r#"{"MessageId":"m"}"#)]);
        for attempt in 0..2 {
            shard.call(attempt, &queue.to_string());
            shard.wait(1);
        }
        let asked = server.asked();
        let id = asked[0].json()[field].as_str().map(str::to_owned);
        assert!(id.is_some());
        assert_eq!(asked[1].json()[field].as_str(), id.as_deref(), "the same on another try");
    }
    let (mut shard, server) = filling(ECS, vec![says(200, r#"{"failures":[],"tasks":[]}"#)]);
    assert!(shard.answer(&json!({ "TaskDefinition": "t" })).is_ok());
    assert_eq!(server.asked()[0].json()["clientToken"].as_str().map(str::len), Some(33));
}
