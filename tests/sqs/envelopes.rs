//! Several messages an execution: what it is given, and what its answer does to each message.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::server::server;
use crate::{Engine, PATIENCE, source, target, until_empty};

/// Hands on all that it gets, with its name.
const SHOWS: &str = r#"{"StartAt": "P", "States": {"P": {"Type": "Pass",
    "Parameters": {"all.$": "$", "name.$": "$$.Execution.Name"}, "End": true}}}"#;

/// Names the messages that `bad` says so of, in JSONata over one of them.
fn picky(bad: &str) -> String {
    format!(
        r#"{{"QueryLanguage": "JSONata", "StartAt": "Read", "States": {{
        "Read": {{"Type": "Pass", "Next": "Answer", "Output": "{{% {{'all': [$states.input.Records.{{
            'n': $parse(body).id, 'message': messageId, 'bad': {bad}}}]}} %}}"}},
        "Answer": {{"Type": "Succeed", "Output": "{{% {{'good': [$states.input.all[$not(bad)].n],
            'batchItemFailures': [$states.input.all[bad].{{'itemIdentifier': message}}]}} %}}"}}}}}}"#
    )
    .replace('\n', " ")
}

/// The settings of a pipeline that makes batches.
fn batched(input: &str, window: &str) -> String {
    format!(
        "on_failure = \"redrive\"\ninput = \"{input}\"\n\
         batch = {{ records_max = 10, window = \"{window}\" }}"
    )
}

/// The ids that an output says were good.
fn good(output: &Json) -> Vec<u64> {
    output["good"].as_array().expect("a list").iter().filter_map(Json::as_u64).collect()
}

#[test]
fn pipes_passes_an_array_and_lambda_records() {
    let Some(server) = server() else { return };
    for input in ["pipes", "lambda"] {
        let from = server.queue(&format!("form-{input}"), json!({}));
        let to = server.queue(&format!("form-{input}-out"), json!({}));
        let attributes = json!({
            "kind": { "DataType": "String", "StringValue": "a \"b\"" },
            "weight": { "DataType": "Number", "StringValue": "2.5" },
            "raw": { "DataType": "Binary", "BinaryValue": "/wEC" },
        });
        let body = "{\"id\": 1, \"say\": \"\u{e9}\"}";
        from.send([json!({ "MessageBody": body, "MessageAttributes": attributes })]);
        let (sqs, out) = (source(&from, ""), target(&to));
        let more = batched(input, "0s");
        let engine = Engine::run(server, &format!("form-{input}"), SHOWS, [&more, &sqs, &out]);
        let taken = to.take(1, PATIENCE);
        let [output] = &taken[..] else { panic!("one batch: {}", engine.log()) };
        let list = if input == "pipes" { &output["all"] } else { &output["all"]["Records"] };
        let one = &list[0];
        let text = |name: &str| one[name].as_str().expect("a text").to_owned();
        assert!(!text("receiptHandle").is_empty() && !text("messageId").is_empty());
        let told = |name: &str| one["attributes"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(told("ApproximateReceiveCount"), "1");
        for time in ["SentTimestamp", "ApproximateFirstReceiveTimestamp"] {
            assert!(told(time).parse::<u64>().is_ok_and(|ms| ms > 1_600_000_000_000), "{one}");
        }
        let none: [&str; 0] = [];
        let attribute = |field: &str, value: &str, kind: &str| {
            let mut own = json!({ "stringListValues": none, "binaryListValues": none });
            (own[field], own["dataType"]) = (value.into(), kind.into());
            own
        };
        let expected = json!({
            "messageId": text("messageId"), "receiptHandle": text("receiptHandle"), "body": body,
            "attributes": one["attributes"],
            "messageAttributes": {
                "kind": attribute("stringValue", "a \"b\"", "String"),
                "weight": attribute("stringValue", "2.5", "Number"),
                "raw": attribute("binaryValue", "/wEC", "Binary"),
            },
            "md5OfBody": "MD5", "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:form-{input}"),
            "awsRegion": "us-east-1",
        });
        let mut shown = one.clone();
        assert_eq!(text("md5OfBody"), "069fca3fa18eb5c26fe42434c906fc63", "{body}");
        shown["md5OfBody"] = "MD5".into();
        assert_eq!(shown, expected);
        let all = if input == "pipes" { json!([one]) } else { json!({ "Records": [one] }) };
        assert_eq!(output["all"], all);
        // The same when the message comes again.
        let name = format!("form-{input}-form-{input}-{}", text("messageId"));
        assert_eq!(output["name"], name.as_str());
        until_empty(&from);
        engine.stop();
    }
}

#[test]
fn only_messages_that_the_answer_names_go_back() {
    let Some(server) = server() else { return };
    let dead = server.queue("items-dead", json!({}));
    let policy = json!({ "deadLetterTargetArn": dead.arn(), "maxReceiveCount": "2" });
    let from = server.queue("items-in", json!({ "RedrivePolicy": policy.to_string() }));
    let to = server.queue("items-out", json!({}));
    from.send_ids(0..40);
    let (sqs, out) = (source(&from, ""), target(&to));
    let more = batched("lambda", "200ms");
    let definition = picky("$parse(body).id % 5 = 0");
    let engine = Engine::run(server, "items", &definition, [&more, &sqs, &out]);
    let refused = dead.take(8, PATIENCE);
    let mut refused: Vec<u64> = refused.iter().filter_map(|it| it["id"].as_u64()).collect();
    refused.sort_unstable();
    assert_eq!(refused, Vec::from_iter((0..40).step_by(5)), "{}", engine.log());
    until_empty(&from);
    engine.stop();
    let outputs = to.take(usize::MAX, Duration::from_secs(3));
    let mut passed: Vec<u64> = outputs.iter().flat_map(good).collect();
    passed.sort_unstable();
    assert_eq!(passed, Vec::from_iter((0..40).filter(|id| id % 5 != 0)), "each once");
}

/// A message that fails when it comes first takes those behind it in its group along, though the answer
/// does not name them: what came last came in order.
#[test]
fn groups_of_a_fifo_queue_stay_in_order_through_failures_in_batches() {
    let Some(server) = server() else { return };
    let fifo = || json!({ "FifoQueue": "true" });
    let (from, to) = (server.queue("line-in.fifo", fifo()), server.queue("line-out.fifo", fifo()));
    from.send((0..60u64).map(|id| {
        json!({ "MessageBody": format!("{{\"id\":{id}}}"), "MessageDeduplicationId": id.to_string(),
                "MessageGroupId": format!("g{}", id % 3) })
    }));
    let (sqs, out) = (source(&from, ", visibility = \"5s\""), target(&to));
    let more = batched("lambda", "100ms");
    let definition = picky("$parse(body).id % 7 = 3 and attributes.ApproximateReceiveCount = '1'");
    let engine = Engine::run(server, "line", &definition, [&more, &sqs, &out]);
    until_empty(&from);
    engine.stop();
    let outputs = to.take(usize::MAX, Duration::from_secs(3));
    let arrived: Vec<u64> = outputs.iter().flat_map(good).collect();
    let last: BTreeMap<u64, usize> = arrived.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    assert!(last.keys().copied().eq(0..60), "{arrived:?}");
    for group in 0..3 {
        let own: Vec<usize> = last.iter().filter(|it| it.0 % 3 == group).map(|it| *it.1).collect();
        assert!(own.is_sorted(), "group {group}: {arrived:?}");
    }
    assert!(arrived.len() > 60, "some came along with a failure: {arrived:?}");
}
