//! Through the drivers, against a server that answers what each test says.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::aws::scripted::{Say, Server, json as says};
use crate::tasks::aws::tests::{settings, shard};
use crate::tasks::aws::{Coalesced, Settings};
use crate::tasks::harness::Shard;

const SQS: &str = "arn:aws:states:::sqs:sendMessage";
const SDK_SQS: &str = "arn:aws:states:::aws-sdk:sqs:sendMessage";
const EVENTS: &str = "arn:aws:states:::events:putEvents";
const PUT: &str = "arn:aws:states:::dynamodb:putItem";

fn together(resource: &str, script: Vec<Say>) -> (Shard, Server) {
    let server = Server::start(script);
    let wait = Duration::from_millis(30);
    let names = ["sqs", "sns", "eventbridge", "dynamodb"];
    let waits: BTreeMap<_, _> = names.into_iter().map(|name| (name.to_owned(), wait)).collect();
    let coalesced = Coalesced { waits, ..Coalesced::default() };
    (shard(resource, Settings { coalesced, ..settings(&server) }), server)
}

/// The answers in the order of the calls.
fn answers(shard: &mut Shard, all: &[Json]) -> Vec<Result<Json, String>> {
    let ids: Vec<_> = all.iter().map(|arguments| shard.call(0, &arguments.to_string())).collect();
    let mut came = shard.wait(ids.len());
    came.sort_by_key(|(id, _)| ids.iter().position(|it| it == id));
    let name = |error: crate::fault::StateError| error.name().unwrap_or_default().to_owned();
    came.into_iter().map(|(_, answer)| answer.map_err(name)).collect()
}

fn operations(server: &Server) -> Vec<String> {
    let name = |target: &str| target.rsplit('.').next().unwrap_or_default().to_owned();
    server.asked().iter().map(|asked| name(asked.header("x-amz-target"))).collect()
}

fn message(queue: &str, body: &str) -> Json {
    json!({ "QueueUrl": format!("https://q/1/{queue}"), "MessageBody": body })
}

#[test]
fn messages_to_one_queue_share_a_request_and_one_that_is_refused_is_told_so_alone() {
    let batch = json!({
        "Successful": [{ "Id": "2", "MessageId": "c", "MD5OfMessageBody": "x" },
                       { "Id": "0", "MessageId": "a", "MD5OfMessageBody": "y" }],
        "Failed": [{ "Id": "1", "Code": "InvalidMessageContents", "SenderFault": true }],
    });
    let refused = r#"{"__type":"com.amazonaws.sqs#InvalidMessageContents","message":"bad"}"#;
    for (resource, name) in [
        (SQS, "SQS.InvalidMessageContentsException"),
        (SDK_SQS, "Sqs.InvalidMessageContentsException"),
    ] {
        let script = vec![says(200, &batch.to_string()), says(400, refused)];
        let (mut shard, server) = together(resource, script);
        let all = ["a", "b", "c"].map(|body| message("orders", body));
        let answers = answers(&mut shard, &all);
        assert_eq!(answers[0], Ok(json!({ "MessageId": "a", "MD5OfMessageBody": "y" })));
        assert_eq!(answers[1], Err(name.to_owned()));
        assert_eq!(answers[2], Ok(json!({ "MessageId": "c", "MD5OfMessageBody": "x" })));
        assert_eq!(operations(&server), ["SendMessageBatch", "SendMessage"]);
        let asked = server.asked()[0].json();
        assert_eq!(asked["QueueUrl"], "https://q/1/orders");
        assert_eq!(asked["Entries"][1], json!({ "MessageBody": "b", "Id": "1" }));
    }
}

#[test]
fn one_that_nobody_joins_goes_as_it_always_did() {
    let (mut shard, server) = together(SQS, vec![says(200, r#"{"MessageId":"m"}"#)]);
    let all = [message("orders", "a"), message("others", "b")];
    let answers = answers(&mut shard, &all);
    assert_eq!(answers, vec![Ok(json!({ "MessageId": "m" })); 2]);
    assert_eq!(operations(&server), ["SendMessage", "SendMessage"]);
}

#[test]
fn a_request_is_sent_once_it_is_full() {
    let ten: Vec<Json> =
        (0..10).map(|id| json!({ "Id": id.to_string(), "MessageId": id.to_string() })).collect();
    let script = vec![says(200, &json!({ "Successful": ten }).to_string())];
    let (mut shard, server) = together(SQS, script);
    let all: Vec<_> = (0..20).map(|at| message("orders", &at.to_string())).collect();
    assert!(answers(&mut shard, &all).iter().all(Result::is_ok));
    assert_eq!(operations(&server), ["SendMessageBatch", "SendMessageBatch"]);
    // Two of 150 KiB are too large for one.
    let (mut shard, server) = together(SQS, vec![says(200, r#"{"MessageId":"m"}"#)]);
    let large = message("orders", &"x".repeat(150 << 10));
    answers(&mut shard, &[large.clone(), large]);
    assert_eq!(operations(&server), ["SendMessage", "SendMessage"]);
}

#[test]
fn a_request_that_is_refused_as_a_whole_makes_each_call_alone() {
    let refused = r#"{"__type":"com.amazonaws.sqs#BatchRequestTooLong","message":"long"}"#;
    let script = vec![says(400, refused), says(200, r#"{"MessageId":"m"}"#)];
    let (mut shard, server) = together(SQS, script);
    let all = ["a", "b"].map(|body| message("orders", body));
    assert!(answers(&mut shard, &all).iter().all(Result::is_ok));
    assert_eq!(operations(&server), ["SendMessageBatch", "SendMessage", "SendMessage"]);
}

#[test]
fn where_a_request_for_many_is_denied_calls_go_alone_from_then_on() {
    let denied = r#"{"__type":"AccessDeniedException","Message":"not authorized: BatchWriteItem"}"#;
    let table = json!({ "Table": { "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }] } });
    let script = vec![says(200, &table.to_string()), says(400, denied), says(200, "{}")];
    let (mut shard, server) = together(PUT, script);
    let put = |table: &str, id: &str| json!({ "TableName": table, "Item": { "id": { "S": id } } });
    let two = ["a", "b"].map(|id| put("t", id));
    assert_eq!(answers(&mut shard, &two), vec![Ok(json!({})); 2]);
    let first = ["DescribeTable", "BatchWriteItem", "PutItem", "PutItem"];
    assert_eq!(operations(&server), first);
    let two = ["c", "d"].map(|id| put("t", id));
    assert_eq!(answers(&mut shard, &two), vec![Ok(json!({})); 2]);
    assert_eq!(operations(&server)[4..], ["PutItem", "PutItem"]);
}

#[test]
fn where_single_calls_need_the_same_right_a_denial_keeps_nobody_from_sharing() {
    let denied =
        r#"{"__type":"AccessDeniedException","Message":"not authorized: sqs:SendMessage"}"#;
    let one = || says(200, r#"{"MessageId":"m"}"#);
    let both =
        json!({ "Successful": [{ "Id": "0", "MessageId": "c" }, { "Id": "1", "MessageId": "d" }] });
    let script = vec![says(400, denied), one(), one(), says(200, &both.to_string())];
    let (mut shard, server) = together(SQS, script);
    for two in [["a", "b"], ["c", "d"]] {
        let two = two.map(|body| message("orders", body));
        assert!(answers(&mut shard, &two).iter().all(Result::is_ok));
    }
    let expected = ["SendMessageBatch", "SendMessage", "SendMessage", "SendMessageBatch"];
    assert_eq!(operations(&server), expected);
}

#[test]
fn a_call_that_was_cancelled_is_left_out() {
    let two =
        json!({ "Successful": [{ "Id": "0", "MessageId": "a" }, { "Id": "1", "MessageId": "c" }] });
    let (mut shard, server) = together(SQS, vec![says(200, &two.to_string())]);
    let ids = ["a", "b", "c"].map(|body| shard.call(0, &message("orders", body).to_string()));
    shard.poll();
    shard.tasks.cancel(ids[1]);
    let mut came = shard.wait(2);
    came.sort_by_key(|(id, _)| *id);
    assert_eq!(came[1], (ids[2], Ok(json!({ "MessageId": "c" }))));
    assert_eq!(server.asked()[0].json()["Entries"].as_array().map(Vec::len), Some(2));
}

#[test]
fn events_of_several_executions_are_put_together() {
    let answer = json!({ "FailedEntryCount": 1, "Entries": [{ "EventId": "1" }, { "EventId": "2" },
        { "ErrorCode": "MalformedDetail", "ErrorMessage": "m" }] });
    let (mut shard, server) = together(EVENTS, vec![says(200, &answer.to_string())]);
    let entry = |source: &str| json!({ "Source": source, "Detail": { "a": 1 } });
    let all = [json!({ "Entries": [entry("a"), entry("b")] }), json!({ "Entries": [entry("c")] })];
    let answers = answers(&mut shard, &all);
    let first =
        json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "1" }, { "EventId": "2" }] });
    assert_eq!(answers, [Ok(first), Err("EventBridge.FailedEntry".to_owned())]);
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].json()["Entries"][2]["Detail"], json!("{\"a\":1}"));
}

#[test]
fn items_are_written_together_unless_they_are_the_same() {
    let table = json!({ "Table": { "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }] } });
    let item = |id: &str, n: u32| json!({ "id": { "S": id }, "n": { "N": n.to_string() } });
    let left = json!({ "UnprocessedItems": { "t": [{ "PutRequest": { "Item": item("b", 1) } },
        { "PutRequest": { "Item": item("c", 1) } }] } });
    let script = vec![says(200, &table.to_string()), says(200, &left.to_string()), says(200, "{}")];
    let (mut shard, server) = together(PUT, script);
    let put = |id, n| json!({ "TableName": "t", "Item": item(id, n) });
    let all = [put("a", 1), put("b", 1), put("c", 1)];
    assert_eq!(answers(&mut shard, &all), vec![Ok(json!({})); 3]);
    assert_eq!(operations(&server), ["DescribeTable", "BatchWriteItem", "BatchWriteItem"]);
    let again = server.asked()[2].json();
    assert_eq!(again["RequestItems"]["t"].as_array().map(Vec::len), Some(2));
    // The same item twice: two requests, each with one call left, which goes alone.
    assert_eq!(answers(&mut shard, &[put("a", 1), put("a", 2)]), vec![Ok(json!({})); 2]);
    assert_eq!(operations(&server)[3..], ["PutItem", "PutItem"]);
    // Conditions are for single calls.
    let with = json!({ "TableName": "t", "Item": item("d", 1),
        "ConditionExpression": "attribute_not_exists(id)" });
    assert_eq!(answers(&mut shard, &[with.clone(), with]), vec![Ok(json!({})); 2]);
    assert_eq!(operations(&server)[5..], ["PutItem", "PutItem"]);
}
