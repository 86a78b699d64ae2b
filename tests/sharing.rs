//! Calls of many executions that share requests, through the wire, to a server that speaks as the
//! services do (moto): each has its own result, what it was to do is done there, and what a service
//! refuses of a request is its own call's error. Messages of queues are in `tests/targets.rs`.
//!
//! `EXPRESSWAY_SKIP_AWS=1` skips all.

#[path = "usecases/account.rs"]
#[allow(dead_code, reason = "tests/usecases.rs uses the rest")]
mod account;
#[path = "aws/server.rs"]
#[allow(dead_code, reason = "tests/aws.rs uses the rest")]
mod server;
#[path = "pipelines/stage.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod stage;

use std::collections::BTreeMap;

use account::{Account, arn_of};
use serde_json::{Value as Json, json};
use server::{Server, moto};
use stage::{Got, Stage, new};

/// Executions, of which one calls with what the service refuses.
const EXECUTIONS: u32 = 300;
const BAD: u32 = 77;

/// What came of the executions.
struct Ran {
    /// By the number of the execution.
    outputs: BTreeMap<u64, Json>,
    dead: Vec<Got>,
    /// Requests that the service got, by our own count.
    requests: f64,
}

/// Runs these states for each number, calls of this service sharing requests.
fn run(server: &Server, service: &str, states: &Json, input: impl Fn(u32) -> Json) -> Ran {
    let stage = Stage::new(4);
    stage.definition("d", &json!({ "StartAt": "Call", "States": states }).to_string());
    stage.write((0..EXECUTIONS).map(|n| {
        let mut input = input(n);
        input["n"] = n.into();
        new(n, &input)
    }));
    let aws = format!(
        "[pipeline.aws]\ncoalesce = {{ {service} = \"20ms\" }}\n[aws]\nendpoint = \"{}\"\n\
         region = \"us-east-1\"\naccess_key_id = \"test\"\nsecret_access_key = \"test\"",
        server.url
    );
    let settings = "on_failure = \"dead_letter\"\ndefinition = \"d.json\"";
    let mut running = stage.start(settings, &aws);
    running.settles(u64::from(EXECUTIONS));
    running.engine.look_after();
    let metrics = running.stop();
    let outputs = stage.read("out").into_iter().map(|it| (number(&it.json()), it.json()));
    Ran { outputs: outputs.collect(), dead: stage.read("dead"), requests: sent(&metrics, service) }
}

fn number(value: &Json) -> u64 {
    value["n"].as_u64().expect("a number")
}

/// Requests to a service, as metrics tell of its target.
fn sent(metrics: &str, service: &str) -> f64 {
    let name = format!("expressway_target_requests_total{{target=\"{service}@");
    let line = metrics.lines().find(|line| line.starts_with(&name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}"));
    line.rsplit(' ').next().and_then(|it| it.parse().ok()).expect("a number")
}

impl Ran {
    /// All but the bad one went well, and that one has its own error; together they took no more
    /// requests than this.
    #[track_caller]
    fn shared(&self, requests_max: f64, error: &str) {
        assert_eq!(self.outputs.len(), EXECUTIONS as usize - 1, "{:#?}", self.dead);
        let errors: Vec<_> = self
            .dead
            .iter()
            .map(|it| (number(&it.json()), it.header("expressway.error")))
            .collect();
        assert_eq!(errors, [(u64::from(BAD), Some(error.to_owned()))]);
        assert!(self.requests <= requests_max, "{} requests", self.requests);
        println!("{} requests for {EXECUTIONS} executions", self.requests);
    }

    /// What each was told at a place of its output, by number.
    fn told(&self, place: &str) -> BTreeMap<u64, String> {
        let told = self.outputs.iter().map(|(n, output)| {
            let told = output.pointer(place).and_then(Json::as_str);
            (*n, told.unwrap_or_else(|| panic!("{place} is not in {output:#}")).to_owned())
        });
        told.collect()
    }
}

/// A task that ends its execution.
fn call(resource: &str, parameters: Json) -> Json {
    json!({ "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "End": true,
            "ResultPath": "$.told", "Parameters": parameters })
}

/// Ids by the numbers of their executions, of which none came twice.
fn once(all: impl IntoIterator<Item = (u64, String)>) -> BTreeMap<u64, String> {
    let mut seen = BTreeMap::new();
    for (n, id) in all {
        assert_eq!(seen.insert(n, id), None, "{n} came twice");
    }
    seen
}

#[test]
fn a_topic_gets_what_many_publish_and_each_is_told_its_own_id() {
    let Some(server) = moto() else { return };
    let account = Account::new(server);
    let queue = account.queue("shared-topic");
    let topic = account.topic_to(&queue, false);
    // By this structure the message has a form for each kind of subscriber; a bad one is no JSON.
    let publish = call(
        "sns:publish",
        json!({ "TopicArn": topic, "Message.$": "$.message", "MessageStructure": "json" }),
    );
    let ran = run(server, "sns", &json!({ "Call": publish }), |n| {
        let message = json!({ "default": json!({ "n": n }).to_string() }).to_string();
        json!({ "message": if n == BAD { "no JSON".to_owned() } else { message } })
    });
    ran.shared(100.0, "SNS.InvalidParameterException");
    let came = account.take(&queue).into_iter().map(|message| {
        let body: Json = serde_json::from_str(message["Message"].as_str().expect("a message"))
            .expect("it is JSON");
        (number(&body), message["MessageId"].as_str().expect("an id").to_owned())
    });
    assert_eq!(once(came), ran.told("/told/MessageId"));
}

#[test]
fn a_bus_gets_what_many_put_and_each_is_told_its_own_id() {
    let Some(server) = moto() else { return };
    let account = Account::new(server);
    let queue = account.queue("shared-bus");
    let pattern = json!({ "source": ["shared"] }).to_string();
    account.call("eventbridge", "PutRule", json!({ "Name": "shared", "EventPattern": pattern }));
    let targets = json!({ "Rule": "shared", "Targets": [{ "Id": "q", "Arn": arn_of(&queue) }] });
    account.call("eventbridge", "PutTargets", targets);
    let put = call(
        "events:putEvents",
        json!({ "Entries": [{ "Source": "shared", "DetailType": "order", "Detail.$": "$.detail" }] }),
    );
    let ran = run(server, "eventbridge", &json!({ "Call": put }), |n| match n == BAD {
        true => json!({ "detail": "no JSON" }),
        false => json!({ "detail": { "n": n } }),
    });
    ran.shared(100.0, "EventBridge.FailedEntry");
    let came = account
        .take(&queue)
        .into_iter()
        .map(|event| (number(&event["detail"]), event["id"].as_str().expect("an id").to_owned()));
    assert_eq!(once(came), ran.told("/told/Entries/0/EventId"));
}

#[test]
fn a_table_has_what_many_put_and_not_what_they_deleted() {
    let Some(server) = moto() else { return };
    let account = Account::new(server);
    account.table("shared", &["id"]);
    let item = json!({ "id": { "S.$": "$.id" }, "n": { "N.$": "States.Format('{}', $.n)" } });
    let put = json!({ "TableName": "shared", "Item": item });
    let mut put = call("dynamodb:putItem", put);
    put.as_object_mut().expect("an object").remove("End");
    put["Next"] = json!("Which");
    let key = json!({ "TableName": "shared", "Key": { "id": { "S.$": "$.id" } } });
    let states = json!({
        "Call": put,
        "Which": { "Type": "Choice", "Default": "Kept", "Choices": [
            { "Variable": "$.deletes", "BooleanEquals": true, "Next": "Delete" }] },
        "Delete": call("dynamodb:deleteItem", key),
        "Kept": { "Type": "Succeed" },
    });
    let is_deleted = |n: u32| n.is_multiple_of(3);
    let ran = run(server, "dynamodb", &states, |n| {
        let id = if n == BAD { String::new() } else { format!("i-{n}") };
        json!({ "id": id, "deletes": is_deleted(n) })
    });
    // 400 calls. A request that is refused for the sake of one item has each of its calls go alone.
    ran.shared(130.0, "DynamoDB.AmazonDynamoDBException");
    let left = account.items("shared").into_iter().map(|item| {
        let text = |name: &str, kind: &str| item[name][kind].as_str().expect("text").to_owned();
        (text("n", "N").parse().expect("a number"), text("id", "S"))
    });
    let kept = (0..EXECUTIONS).filter(|n| *n != BAD && !is_deleted(*n));
    let kept: BTreeMap<_, _> = kept.map(|n| (u64::from(n), format!("i-{n}"))).collect();
    assert_eq!(once(left), kept);
}
