//! Executions that start others in the same process: from a file to a file, as a user runs it.

#[path = "../src/aws/scripted.rs"]
#[allow(dead_code, reason = "the unit tests of AWS's client use the rest")]
mod scripted;
#[path = "shell/mod.rs"]
mod shell;

use std::time::{Duration, Instant};

use scripted::{Say, Server, json as answer};
use serde_json::{Value, json};
use shell::{folder, says, written};

/// What a definition makes of an input: its output.
fn output(definition: &Value, input: &Value) -> Value {
    output_with("", definition, input)
}

/// The same with more settings.
fn output_with(settings: &str, definition: &Value, input: &Value) -> Value {
    let folder = folder();
    let file = |name: &str, text: &Value| written(folder.path(), name, &text.to_string());
    let machines = [
        (
            "Double",
            json!({"StartAt": "D", "States": {"D": {"Type": "Pass", "End": true,
            "Parameters": {"n.$": "States.MathAdd($.n, $.n)", "by.$": "$$.Execution.Name"}}}}),
        ),
        (
            "Slow",
            json!({"StartAt": "W", "States": {
            "W": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "E"}, "E": {"Type": "Succeed"}}}),
        ),
        (
            "Broken",
            json!({"StartAt": "F", "States": {
            "F": {"Type": "Fail", "Error": "Broke", "Cause": "It was old."}}}),
        ),
        (
            "Outer",
            start("startExecution.sync:2", &json!({"StateMachineArn": "Double", "Input.$": "$"})),
        ),
        ("Endless", start("startExecution.sync:2", &json!({"StateMachineArn": "Endless"}))),
        (
            "Send",
            json!({"StartAt": "S", "States": {"S": {"Type": "Task", "End": true,
                "Resource": "arn:aws:states:::sqs:sendMessage", "Credentials": {"RoleArn": ROLE},
                "Parameters": {"QueueUrl": "https://q/1/orders", "MessageBody": "m"}}}}),
        ),
    ];
    let names: Vec<String> = machines
        .iter()
        .map(|(name, text)| format!("{name} = {:?}", file(&format!("{name}.asl.json"), text)))
        .collect();
    file("definition.asl.json", definition);
    file("in.ndjson", input);
    let config = format!(
        "{settings}\n[http]\nlisten = \"off\"\n[machines]\n{}\n[[pipeline]]\nname = \"p\"\n\
         definition = \"definition.asl.json\"\non_failure = \"stop\"\n\
         source = {{ file = \"in.ndjson\" }}\noutput = {{ file = \"out.ndjson\" }}\n",
        names.join("\n")
    );
    let config = written(folder.path(), "pipeline.toml", &config);
    let (code, _, said) = says(&["run", &config], "");
    assert_eq!(code, 0, "{said}");
    let text = std::fs::read_to_string(folder.path().join("out.ndjson")).expect("it was written");
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// A definition that starts an execution, and hands on what came of it or its error.
fn start(action: &str, parameters: &Value) -> Value {
    let service = if action.contains(':') && !action.starts_with("start") { "" } else { "states:" };
    let resource = format!("arn:aws:states:::{service}{action}");
    json!({"StartAt": "Start", "States": {
        "Start": {"Type": "Task", "Resource": resource, "Parameters": parameters, "TimeoutSeconds": 2,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "End"}], "Next": "End"},
        "End": {"Type": "Succeed"}}})
}

const ROLE: &str = "arn:aws:iam::222222222222:role/other";

fn arn(name: &str) -> String {
    format!("arn:aws:states:eu-west-1:111111111111:stateMachine:{name}")
}

#[test]
fn what_came_of_it_is_the_tasks_result() {
    let parameters = json!({"StateMachineArn": arn("Double"), "Input.$": "$", "Name": "x"});
    let mut said = output(&start("startExecution.sync:2", &parameters), &json!({"n": 4}));
    for name in ["StartDate", "StopDate"] {
        assert!(said[name].take().is_i64(), "{name}");
    }
    let local = "arn:aws:states:local:000000000000";
    let expected = json!({
        "ExecutionArn": format!("{local}:execution:Double:x"),
        "Input": {"n": 4}, "InputDetails": {"Included": true},
        "Name": "x",
        "Output": {"n": 8, "by": "x"}, "OutputDetails": {"Included": true},
        "StartDate": null, "StateMachineArn": format!("{local}:stateMachine:Double"),
        "Status": "SUCCEEDED", "StopDate": null,
    });
    assert_eq!(said, expected);
    let said = output(&start("startExecution.sync", &parameters), &json!({"n": 4}));
    assert_eq!(said["Output"], r#"{"n":8,"by":"x"}"#);
    assert_eq!(said["Input"], r#"{"n":4}"#);
    let parameters = json!({"StateMachineArn": "Double", "Input": "{\"n\": 5}"});
    let said = output(&start("startExecution.sync:2", &parameters), &json!({}));
    assert_eq!(said["Output"]["n"], 10);
    let name = said["Name"].as_str().expect("a name");
    assert!(name.starts_with("p-") && name.len() <= 80, "{name}");
    let said = output(&start("startExecution", &parameters), &json!({}));
    let members: Vec<&String> = said.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["ExecutionArn", "StartDate"]);
}

#[test]
fn its_failure_is_the_tasks() {
    let parameters = json!({"StateMachineArn": "Broken"});
    let said = output(&start("startExecution.sync", &parameters), &json!({}));
    assert_eq!(said["Error"], "States.TaskFailed");
    let cause: Value = serde_json::from_str(said["Cause"].as_str().expect("text")).expect("JSON");
    assert_eq!(
        (&cause["Error"], &cause["Cause"], &cause["Status"]),
        (&json!("Broke"), &json!("It was old."), &json!("FAILED"))
    );
    let said = output(&start("aws-sdk:sfn:startSyncExecution", &parameters), &json!({}));
    assert_eq!((&said["Status"], &said["Error"]), (&json!("FAILED"), &json!("Broke")));
    let bad = start("startExecution.sync", &json!({"StateMachineArn": "Double", "Input": "{"}));
    assert_eq!(output(&bad, &json!({}))["Error"], "StepFunctions.InvalidExecutionInputException");
}

#[test]
fn it_takes_its_time_and_no_more_than_its_task() {
    let parameters = json!({"StateMachineArn": "Slow", "Input.$": "$"});
    let definition = start("startExecution.sync:2", &parameters);
    let begun = Instant::now();
    assert_eq!(output(&definition, &json!({"seconds": 1}))["Status"], "SUCCEEDED");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let begun = Instant::now();
    assert_eq!(output(&definition, &json!({"seconds": 100}))["Error"], "States.Timeout");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn it_may_start_others_to_a_depth() {
    let definition =
        start("startExecution.sync:2", &json!({"StateMachineArn": "Outer", "Input.$": "$"}));
    let said = output(&definition, &json!({"n": 3}));
    assert_eq!(said["Output"]["Output"]["n"], 6, "{said}");
    // It is its own input's last error that comes back, level by level.
    let said =
        output(&start("startExecution.sync:2", &json!({"StateMachineArn": "Endless"})), &json!({}));
    assert!(said.to_string().contains("StepFunctions.ExecutionLimitExceededException"), "{said}");
}

#[test]
fn how_many_there_may_be_is_set() {
    let definition =
        start("startExecution.sync:2", &json!({"StateMachineArn": "Outer", "Input.$": "$"}));
    let said = output_with("engine.nested_depth_max = 1", &definition, &json!({"n": 3}));
    let inner = &said["Output"];
    assert_eq!(inner["Error"], "StepFunctions.ExecutionLimitExceededException", "{said}");
    assert!(inner["Cause"].as_str().unwrap_or_default().contains("engine.nested_depth_max"));
    let said =
        output_with("engine.nested_executions_max = 1", &doubles(), &json!({"items": [1, 2]}));
    assert_eq!(said[0]["Output"]["n"], 2, "{said}");
    assert_eq!(said[1]["Error"], "StepFunctions.ExecutionLimitExceededException", "{said}");
}

#[test]
fn its_tasks_assume_their_roles() {
    let assumed = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
        <AccessKeyId>ROLEKEY</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>";
    let server = Server::answering(|asked| match asked.body.contains("Action=AssumeRole") {
        true => Say::Answer(200, Vec::new(), assumed.to_owned()),
        false => answer(200, r#"{"MessageId": "m"}"#),
    });
    let settings = format!(
        "aws = {{ region = \"us-east-1\", endpoint = {:?}, access_key_id = \"k\", \
         secret_access_key = {{ env = \"PATH\" }} }}",
        server.url
    );
    let definition = start("startExecution.sync:2", &json!({"StateMachineArn": "Send"}));
    let said = output_with(&settings, &definition, &json!({}));
    assert_eq!(said["Output"]["MessageId"], "m", "{said}");
    let sent = server.asked().into_iter().find(|asked| asked.body.contains("MessageBody"));
    assert_eq!(sent.expect("it was sent").header("x-amz-security-token"), "t");
}

/// Starts an execution for each item.
fn doubles() -> Value {
    let iteration = start(
        "startExecution.sync:2",
        &json!({"StateMachineArn": "Double", "Input": {"n.$": "$"}}),
    );
    json!({"StartAt": "M", "States": {
        "M": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": iteration, "End": true}}})
}

#[test]
fn iterations_start_executions_of_their_own() {
    let said = output(&doubles(), &json!({"items": [1, 2, 3]}));
    let list = said.as_array().expect("a list");
    let outputs: Vec<&Value> = list.iter().map(|it| &it["Output"]["n"]).collect();
    assert_eq!(outputs, [2, 4, 6]);
    assert!(list[0]["Name"] != list[1]["Name"] && list[1]["Name"] != list[2]["Name"]);
}
