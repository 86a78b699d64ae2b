//! Jobs against a server that speaks as their services do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Settings;
use crate::aws::scripted::{Say, Server, json as says};
use crate::aws::{self, Endpoint};
use crate::tasks::harness::{self, Shard};
use crate::tasks::{self, AwsSettings, AwsTarget};

const TRAINING: &str = "arn:aws:states:::sagemaker:createTrainingJob.sync";

fn settings(server: &Server) -> tasks::Settings {
    let aws = aws::Settings {
        region: Some("eu-west-1".to_owned()),
        endpoint: Endpoint::Url(server.url.clone()),
        attempts_max: 1,
        ..aws::Settings::default()
    };
    let (poll_interval, poll_interval_max) = (Duration::from_millis(5), Duration::from_millis(20));
    tasks::Settings {
        aws: Some(AwsSettings { client: aws.with_keys("any", "any"), ..AwsSettings::default() }),
        jobs: Settings { poll_interval, poll_interval_max },
        ..tasks::Settings::default()
    }
}

fn shard(resource: &str, server: &Server) -> Shard {
    Shard::new(resource, settings(server), None)
}

/// Ticks until something is so.
fn until(shard: &mut Shard, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain");
        shard.poll();
    }
}

fn ok(body: &Value) -> Say {
    says(200, &body.to_string())
}

/// Which operations were asked for.
fn operations(server: &Server) -> Vec<String> {
    let name = |target: &str| target.rsplit('.').next().unwrap_or_default().to_owned();
    server.asked().iter().map(|asked| name(asked.header("x-amz-target"))).collect()
}

#[test]
fn a_job_is_asked_after_until_it_is_done() {
    let done = json!({"TrainingJobName": "t", "TrainingJobStatus": "Completed", "N": 1});
    let server = Server::start(vec![
        ok(&json!({"TrainingJobArn": "arn"})),
        ok(&json!({"TrainingJobStatus": "InProgress"})),
        // Trouble that passes is not the job's.
        says(500, "{\"__type\":\"InternalFailure\",\"message\":\"\"}"),
        ok(&done),
    ]);
    let mut shard = shard(TRAINING, &server);
    assert_eq!(shard.answer(&json!({"TrainingJobName": "t"})), Ok(done));
    let describe = "DescribeTrainingJob";
    assert_eq!(operations(&server), ["CreateTrainingJob", describe, describe, describe]);
    assert_eq!(server.asked()[1].json(), json!({"TrainingJobName": "t"}));
}

#[test]
fn a_job_that_failed_is_the_cause() {
    let server = Server::start(vec![
        ok(&json!({"TrainingJobArn": "arn"})),
        ok(&json!({"TrainingJobStatus": "Failed", "FailureReason": "no data"})),
    ]);
    let mut shard = shard(TRAINING, &server);
    shard.fails(&json!({"TrainingJobName": "t"}), "States.TaskFailed", "no data");
}

#[test]
fn a_job_that_is_there_already_is_waited_for() {
    let server = Server::start(vec![
        says(400, "{\"__type\":\"ResourceInUse\",\"message\":\"t exists\"}"),
        ok(&json!({"TrainingJobStatus": "Completed"})),
    ]);
    let mut shard = shard(TRAINING, &server);
    assert!(shard.answer(&json!({"TrainingJobName": "t"})).is_ok());
}

#[test]
fn a_refusal_is_the_tasks_error() {
    let server = Server::start(vec![says(
        400,
        "{\"__type\":\"ResourceLimitExceeded\",\"message\":\"too many\"}",
    )]);
    let mut shard = shard(TRAINING, &server);
    let error = "SageMaker.ResourceLimitExceededException";
    shard.fails(&json!({"TrainingJobName": "t"}), error, "too many");
}

#[test]
fn a_job_that_nobody_waits_for_is_stopped_and_one_that_is_left_is_not() {
    for is_cancelled in [true, false] {
        let server = Server::start(vec![
            ok(&json!({"TrainingJobArn": "arn"})),
            ok(&json!({"TrainingJobStatus": "InProgress"})),
        ]);
        let mut shard = shard(TRAINING, &server);
        let id = shard.call(0, r#"{"TrainingJobName": "t"}"#);
        until(&mut shard, || operations(&server).len() >= 2);
        match is_cancelled {
            true => shard.tasks.cancel(id),
            false => shard.tasks.leave(id),
        }
        for _ in 0..20 {
            shard.poll();
        }
        let was_stopped = operations(&server).contains(&"StopTrainingJob".to_owned());
        assert_eq!((was_stopped, shard.tasks.in_flight()), (is_cancelled, 0));
    }
}

#[test]
fn an_executions_output_is_text_or_json() {
    let said = json!({"ExecutionArn": "e", "Status": "SUCCEEDED", "Input": "{}", "Output": "[1]"});
    for (suffix, output) in [("sync", json!("[1]")), ("sync:2", json!([1]))] {
        let server = Server::start(vec![
            ok(&json!({"executionArn": "e"})),
            ok(&json!({
            "executionArn": "e", "status": "SUCCEEDED", "input": "{}", "output": "[1]"})),
        ]);
        let resource = format!("arn:aws:states:::states:startExecution.{suffix}");
        let mut shard = shard(&resource, &server);
        let answer = shard.answer(&json!({"StateMachineArn": "m", "Input": {"a": 1}}));
        let answer = answer.expect("it succeeds");
        assert_eq!((&answer["Output"], &answer["Status"]), (&output, &said["Status"]));
        let sent = server.asked()[0].json();
        assert_eq!(sent["input"], "{\"a\":1}");
        assert!(sent["name"].as_str().is_some_and(|name| name.starts_with("e-")), "{sent}");
    }
}

#[test]
fn a_started_execution_is_found_again_by_its_name() {
    let machine = "arn:aws:states:eu-west-1:111111111111:stateMachine:m";
    let server = Server::start(vec![
        says(400, "{\"__type\":\"ExecutionAlreadyExists\",\"message\":\"it is there\"}"),
        ok(&json!({"status": "FAILED", "error": "Broke"})),
    ]);
    let mut shard = shard("arn:aws:states:::states:startExecution.sync", &server);
    let arguments = json!({"StateMachineArn": machine, "Name": "n"});
    shard.fails(&arguments, "States.TaskFailed", "Broke");
    let arn = "arn:aws:states:eu-west-1:111111111111:execution:m:n";
    assert_eq!(server.asked()[1].json(), json!({"executionArn": arn}));
}

#[test]
fn a_container_that_fails_fails_its_task() {
    let run = |code: i64| {
        let task = json!({"taskArn": "t", "lastStatus": "STOPPED", "containers": [{"exitCode": code}],
            "stopCode": "EssentialContainerExited"});
        Server::start(vec![
            ok(&json!({"tasks": [{"taskArn": "t"}], "failures": []})),
            ok(&json!({"tasks": [{"taskArn": "t", "lastStatus": "RUNNING"}]})),
            ok(&json!({"tasks": [task]})),
        ])
    };
    let arguments = json!({"Cluster": "c", "TaskDefinition": "d"});
    let server = run(0);
    let mut good = shard("arn:aws:states:::ecs:runTask.sync", &server);
    let answer = good.answer(&arguments).expect("it succeeds");
    assert_eq!(answer["Containers"][0]["ExitCode"], 0);
    let asked = server.asked();
    assert_eq!(asked[0].json()["startedBy"], "AWS Step Functions");
    assert_eq!(asked[0].json()["clientToken"].as_str().map(str::len), Some(33));
    assert_eq!(asked[1].json(), json!({"tasks": ["t"], "cluster": "c"}));
    let server = run(3);
    let mut bad = shard("arn:aws:states:::ecs:runTask.sync", &server);
    bad.fails(&arguments, "States.TaskFailed", "\"ExitCode\":3");
    let failures = json!({"tasks": [], "failures": [{"reason": "RESOURCE:CPU"}]});
    let server = Server::start(vec![ok(&failures)]);
    let mut none = shard("arn:aws:states:::ecs:runTask.sync", &server);
    none.fails(&arguments, "AmazonECS.Unknown", "RESOURCE:CPU");
}

#[test]
fn batch_jobs_are_marked_as_managed() {
    let server = Server::start(vec![
        ok(&json!({"jobArn": "a", "jobId": "j", "jobName": "n"})),
        ok(&json!({"jobs": [{"jobId": "j", "status": "RUNNING"}]})),
        ok(&json!({"jobs": [{"jobId": "j", "status": "SUCCEEDED"}]})),
    ]);
    let mut shard = shard("arn:aws:states:::batch:submitJob.sync", &server);
    let answer = shard.answer(&json!({"JobName": "n", "JobQueue": "q", "JobDefinition": "d"}));
    assert_eq!(answer, Ok(json!({"JobId": "j", "Status": "SUCCEEDED"})));
    let asked = server.asked();
    let environment = &asked[0].json()["containerOverrides"]["environment"];
    let managed = json!([{"name": "MANAGED_BY_AWS", "value": "STARTED_BY_STEP_FUNCTIONS"}]);
    assert_eq!((environment, asked[1].json()), (&managed, json!({"jobs": ["j"]})));
}

const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleResult><Credentials><AccessKeyId>ROLEKEY</AccessKeyId>\
    <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
    </AssumeRoleResponse>";

/// Starting, asking and stopping go where the settings say, and as whom the state says.
#[test]
fn a_job_has_its_states_place_and_role() {
    for is_by_state in [true, false] {
        // Everything but the job's calls goes there.
        let sts = Server::start(vec![Say::Answer(200, Vec::new(), ASSUMED.to_owned())]);
        let server = Server::start(vec![
            ok(&json!({"TrainingJobArn": "arn"})),
            ok(&json!({"TrainingJobStatus": "InProgress"})),
        ]);
        let mut settings = settings(&sts);
        let aws = settings.aws.as_mut().expect("they are set");
        let there = AwsTarget::Endpoint(Endpoint::Url(server.url.clone()));
        match is_by_state {
            true => aws.states.insert("T".to_owned(), there),
            false => aws.services.insert("sagemaker".to_owned(), there),
        };
        let mut shard = Shard::new(TRAINING, settings, None);
        shard.role = Some("arn:aws:iam::222222222222:role/other".to_owned());
        let id = shard.call(0, r#"{"TrainingJobName": "t"}"#);
        until(&mut shard, || operations(&server).len() >= 2);
        shard.tasks.cancel(id);
        until(&mut shard, || operations(&server).last().is_some_and(|it| it == "StopTrainingJob"));
        assert_eq!(sts.asked().len(), 1, "the role is assumed once");
        for asked in server.asked() {
            assert!(asked.header("authorization").contains("Credential=ROLEKEY/"), "{asked:?}");
            assert_eq!(asked.header("x-amz-security-token"), "t");
        }
    }
}

#[test]
fn a_role_that_is_refused_starts_nothing() {
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error>\
        </ErrorResponse>";
    let server = Server::start(vec![Say::Answer(403, Vec::new(), denied.to_owned())]);
    let mut shard = shard(TRAINING, &server);
    shard.role = Some("arn:aws:iam::222222222222:role/other".to_owned());
    shard.fails(&json!({"TrainingJobName": "t"}), "States.TaskFailed", "not authorized to assume");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_job_may_have_to_be_mocked() {
    let server = Server::start(vec![ok(&json!({}))]);
    for (name, resource) in
        [("sagemaker", TRAINING), ("sfn", "arn:aws:states:::states:startExecution.sync:2")]
    {
        let mut settings = settings(&server);
        let aws = settings.aws.as_mut().expect("they are set");
        aws.services.insert(name.to_owned(), AwsTarget::Mock);
        let refused = harness::plan(resource, settings, None).expect_err("nothing answers");
        assert!(refused[0].message.contains("must be mocked"), "{refused:?}");
    }
}

#[test]
fn errors_are_named_as_those_of_calls_that_do_not_wait() {
    let says = || says(400, "{\"__type\":\"ClusterNotFoundException\",\"message\":\"none\"}");
    for suffix in ["", ".sync"] {
        let server = Server::start(vec![says()]);
        let mut shard = shard(&format!("arn:aws:states:::ecs:runTask{suffix}"), &server);
        let cause = "none (Service: AmazonECS; Status Code: 400; Error Code: \
                     ClusterNotFoundException; Request ID: r-1; Proxy: null)";
        shard.fails(&json!({"TaskDefinition": "d"}), "ECS.ClusterNotFoundException", cause);
    }
}
