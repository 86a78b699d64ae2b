//! `arn:aws:states:::states:startExecution`: `StateMachineArn`, `Input` (text, or JSON that becomes
//! text), `Name`; without a `Name` one that derives from the execution that calls, so that a record that
//! is run again finds what it has started. Waiting for a synchronous Express execution is `aws-sdk:sfn:startSyncExecution`.

use serde_json::{Map, Value as Json, json};

use super::Integration;
use super::aws::idempotency::is_given;
use super::aws::optimized::{self, Optimized};
use super::aws::{Answer, Job, lacks, metadata, open};
use crate::aws;

/// There is an execution of that name.
const EXISTS: &str = "StepFunctions.ExecutionAlreadyExistsException";

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| STEP_FUNCTIONS.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(start(job))),
};

pub(super) const STEP_FUNCTIONS: Optimized = Optimized {
    resource: "states",
    actions: &["startExecution"],
    service: "sfn",
    prefix: "StepFunctions",
    client: "AWSStepFunctions",
    shape: |job: &Job, members: &mut Map<String, Json>| job.names().fill("Name", members),
    ..Optimized::PLAIN
};

async fn start(job: Job) -> Answer {
    let error = match optimized::call_for(&job, &STEP_FUNCTIONS).await {
        Err(error) if error.name() == Some(EXISTS) => error,
        answer => return answer,
    };
    // Where the definition names none, the record was run before: what it started then is the answer.
    let members = job.members()?;
    if is_given("Name", &members) {
        return Err(error);
    }
    let Some(found) = found(&job, &members, &job.names().name()).await else { return Err(error) };
    let mut found = found.map_err(|error| STEP_FUNCTIONS.failure(&error))?;
    if job.settings.has_metadata {
        metadata::add(&mut found.members, &found.reply);
    }
    Ok(found.members.to_string().into_bytes())
}

/// What starting the execution of that name answered; `None`: what it is of can't be told.
pub(super) async fn found(
    job: &Job,
    members: &Map<String, Json>,
    name: &str,
) -> Option<Result<aws::Answer, aws::Error>> {
    let machine = members.get("StateMachineArn").and_then(Json::as_str);
    let arn = execution_arn(machine?, name)?;
    let call = job.call(STEP_FUNCTIONS.api(), "DescribeExecution");
    let described = job.client.call(&call, &json!({ "ExecutionArn": arn })).await;
    Some(described.map(|mut answer| {
        let of = |name: &str| answer.members[name].clone();
        answer.members =
            json!({ "ExecutionArn": of("ExecutionArn"), "StartDate": of("StartDate") });
        answer
    }))
}

/// The execution of that name: `arn:aws:states:REGION:ACCOUNT:stateMachine:MACHINE`, with a version or
/// an alias or without.
pub(super) fn execution_arn(machine: &str, name: &str) -> Option<String> {
    let (before, machine) = machine.split_once(":stateMachine:")?;
    let machine = machine.split(':').next()?;
    Some(format!("{before}:execution:{machine}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted::{Server, json as says};
    use crate::tasks::aws::Settings;
    use crate::tasks::aws::tests::{scripted, settings, shard};

    const START: &str = "arn:aws:states:::states:startExecution";
    const SDK: &str = "arn:aws:states:::aws-sdk:sfn:startExecution";
    const MACHINE: &str = "arn:aws:states:eu-west-1:111111111111:stateMachine:m:live";

    #[test]
    fn what_was_started_before_is_found() {
        let exists = r#"{"__type":"ExecutionAlreadyExists","message":"it is there"}"#;
        let arn = "arn:aws:states:eu-west-1:111111111111:execution:m";
        let found = json!({ "executionArn": arn, "startDate": 1_767_225_600, "status": "FAILED" });
        let script = vec![says(400, exists), says(200, &found.to_string())];
        for resource in [START, SDK] {
            let server = Server::start(script.clone());
            let aws = Settings { fills_in: true, ..settings(&server) };
            let mut shard = shard(resource, aws);
            let started = json!({ "StateMachineArn": MACHINE, "Name": null });
            let answer = shard.answer(&started).expect("it is there");
            assert_eq!(answer["ExecutionArn"], arn);
            assert!(answer["StartDate"].is_string() && answer.get("Status").is_none(), "{answer}");
            let asked = server.asked();
            let name = asked[0].json()["name"].as_str().expect("a name").to_owned();
            assert!(name.starts_with("e-") && name.len() <= 80, "{name}");
            assert_eq!(asked[1].json(), json!({ "executionArn": format!("{arn}:{name}") }));
        }
        // A name that the definition gives may be anybody's.
        let (mut shard, _server) = scripted(START, vec![says(400, exists)]);
        let named = json!({ "StateMachineArn": MACHINE, "Name": "n" });
        shard.fails(&named, EXISTS, "it is there");
    }
}
