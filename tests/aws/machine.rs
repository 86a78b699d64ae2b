//! State machines as lists of calls, run by `expressway exec`.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::server::Server;

/// A call: the state's name, `sqs:sendMessage` or the whole resource, its parameters. Its result is
/// at `$.NAME`; an error of its own is caught there as well.
pub type Step<'a> = (&'a str, &'a str, Json);

/// The machine that makes these calls one after the other.
pub fn machine(steps: &[Step<'_>]) -> Json {
    let mut states = serde_json::Map::new();
    for (at, (name, resource, parameters)) in steps.iter().enumerate() {
        let resource = match resource.starts_with("arn:") {
            true => (*resource).to_owned(),
            false => format!("arn:aws:states:::{resource}"),
        };
        let next = steps.get(at + 1).map_or("Done", |step| step.0);
        let place = format!("$.{name}");
        let mut state = json!({
            "Type": "Task", "Resource": resource, "Parameters": parameters, "ResultPath": place,
            "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": place, "Next": next }],
            "Next": next,
        });
        if let Some(role) = parameters.get("Role") {
            state["Credentials"] = json!({ "RoleArn": role });
            state["Parameters"].as_object_mut().expect("an object").remove("Role");
        }
        states.insert((*name).to_owned(), state);
    }
    states.insert("Done".to_owned(), json!({ "Type": "Succeed" }));
    json!({ "StartAt": steps[0].0, "States": states })
}

/// What makes a queue of Batch, and its environment under the same name.
pub fn batch_queue(name: &str, role: &str) -> [Step<'static>; 2] {
    let environment = json!({ "ComputeEnvironmentName": name, "Type": "UNMANAGED",
                              "State": "ENABLED", "ServiceRole": role });
    let queue = json!({ "JobQueueName": name, "State": "ENABLED", "Priority": 1,
                        "ComputeEnvironmentOrder": [{ "Order": 1, "ComputeEnvironment": name }] });
    [
        ("Environment", "aws-sdk:batch:createComputeEnvironment", environment),
        ("Queue", "aws-sdk:batch:createJobQueue", queue),
    ]
}

/// Runs the calls; the last state's output, all results in it.
pub fn runs(server: &Server, steps: &[Step<'_>]) -> Json {
    runs_machine(server, &machine(steps))
}

/// Runs a machine and gives its output.
pub fn runs_machine(server: &Server, definition: &Json) -> Json {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("definition.asl.json");
    std::fs::write(&file, definition.to_string()).expect("the folder can be written");
    let ran = Command::new(env!("CARGO_BIN_EXE_expressway"))
        .arg("exec")
        .arg(&file)
        .args(["--aws", &server.url])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_ENDPOINT_URL")
        .output()
        .expect("the binary starts");
    let (said, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}\n{definition:#}");
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// An error that was caught: its name, and a part of its cause.
#[track_caller]
pub fn failed(result: &Json, name: &str, part: &str) {
    assert_eq!(result["Error"], json!(name), "{result:#}");
    assert!(result["Cause"].as_str().unwrap_or_default().contains(part), "{result:#}");
}

/// A result that is no error.
#[track_caller]
pub fn went_well<'a>(output: &'a Json, name: &str) -> &'a Json {
    let result = &output[name];
    assert!(result.get("Error").is_none() && !result.is_null(), "{name}: {output:#}");
    result
}
