//! The jobs there are: what starts them, what tells how they do, what stops them.

use serde_json::{Map, Value as Json, json};

use super::run::Started;
use crate::asl::resource::{Pattern, Resource};
use crate::fault::StateError;
use crate::tasks::aws::idempotency::Names;
use crate::tasks::aws::optimized::Optimized;
use crate::tasks::batch::BATCH;
use crate::tasks::ecs::{self, ECS};
use crate::tasks::sagemaker::SAGEMAKER;
use crate::tasks::step_functions::{STEP_FUNCTIONS, execution_arn};

/// Here only to be waited for.
const GLUE: Optimized = Optimized {
    resource: "glue",
    service: "glue",
    prefix: "Glue",
    client: "AWSGlue",
    ..Optimized::PLAIN
};

/// A kind of job.
pub(super) struct Job {
    /// The integration that starts it without waiting.
    pub(super) integration: &'static Optimized,
    /// As resources name it: `runTask`
    action: &'static str,
    /// Operations.
    pub(super) start: &'static str,
    pub(super) describe: &'static str,
    pub(super) stop: &'static str,
    /// What it is, where several are alike: `TrainingJob`
    noun: &'static str,
    /// Adds to the parameters what makes starting idempotent.
    pub(super) prepare: fn(&mut Map<String, Json>, &Names<'_>),
    /// The job that was started, from the answer and the parameters.
    pub(super) started: fn(&Job, &Json, &Json) -> Result<Started, StateError>,
    /// The job that runs already, where starting failed with this code.
    pub(super) found: fn(&Job, &str, &Json) -> Option<Started>,
    /// How it does, from what the service says of it.
    pub(super) verdict: fn(&Job, Json) -> Verdict,
}

/// How a job does.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Running,
    Succeeded(Json),
    Failed(Json),
}

static JOBS: &[Job] = &[
    Job {
        integration: &ECS,
        action: "runTask",
        start: "RunTask",
        describe: "DescribeTasks",
        stop: "StopTask",
        noun: "",
        prepare: ecs::prepare,
        started: ecs_started,
        found: |_, _, _| None,
        verdict: ecs_verdict,
    },
    Job {
        integration: &BATCH,
        action: "submitJob",
        start: "SubmitJob",
        describe: "DescribeJobs",
        stop: "TerminateJob",
        noun: "",
        prepare: |members, _| managed(members),
        started: |_, answer, _| {
            let id = &answer["JobId"];
            Ok(Started {
                describe: json!({"Jobs": [id]}),
                stop: json!({"JobId": id, "Reason": super::run::STOPPED}),
            })
        },
        found: |_, _, _| None,
        verdict: |_, said| {
            let job = first(said, "Jobs");
            match job["Status"].as_str() {
                Some("SUCCEEDED") => Verdict::Succeeded(job),
                Some("FAILED") => Verdict::Failed(job),
                _ => Verdict::Running,
            }
        },
    },
    Job {
        integration: &STEP_FUNCTIONS,
        action: "startExecution",
        start: "StartExecution",
        describe: "DescribeExecution",
        stop: "StopExecution",
        noun: "",
        prepare: |members, names| {
            // None at all is an empty object there; a client leaves it out.
            let input = members.get_mut("Input").filter(|input| !input.is_null());
            if let Some(input) = input.filter(|input| !input.is_string()) {
                *input = input.to_string().into();
            }
            names.fill("Name", members);
        },
        started: |_, answer, _| Ok(execution(&answer["ExecutionArn"])),
        found: |_, code, members| {
            let (machine, name) = (members["StateMachineArn"].as_str()?, members["Name"].as_str()?);
            let arn = execution_arn(machine, name)?;
            (code == "ExecutionAlreadyExists").then(|| execution(&arn.into()))
        },
        verdict: |_, said| match said["Status"].as_str() {
            Some("RUNNING" | "PENDING_REDRIVE") | None => Verdict::Running,
            Some("SUCCEEDED") => Verdict::Succeeded(said),
            Some(_) => Verdict::Failed(said),
        },
    },
    Job {
        integration: &GLUE,
        action: "startJobRun",
        start: "StartJobRun",
        describe: "GetJobRun",
        stop: "BatchStopJobRun",
        noun: "",
        prepare: |_, _| {},
        started: |_, answer, members| {
            let (job, run) = (&members["JobName"], &answer["JobRunId"]);
            Ok(Started {
                describe: json!({"JobName": job, "RunId": run}),
                stop: json!({"JobName": job, "JobRunIds": [run]}),
            })
        },
        found: |_, _, _| None,
        verdict: |_, mut said| {
            let run = said["JobRun"].take();
            match run["JobRunState"].as_str() {
                Some("SUCCEEDED") => Verdict::Succeeded(run),
                Some("FAILED" | "STOPPED" | "TIMEOUT" | "ERROR" | "EXPIRED") => {
                    Verdict::Failed(run)
                }
                _ => Verdict::Running,
            }
        },
    },
    sagemaker(
        "createTrainingJob",
        "TrainingJob",
        ["CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob"],
    ),
    sagemaker(
        "createTransformJob",
        "TransformJob",
        ["CreateTransformJob", "DescribeTransformJob", "StopTransformJob"],
    ),
    sagemaker(
        "createProcessingJob",
        "ProcessingJob",
        ["CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob"],
    ),
    sagemaker(
        "createHyperParameterTuningJob",
        "HyperParameterTuningJob",
        [
            "CreateHyperParameterTuningJob",
            "DescribeHyperParameterTuningJob",
            "StopHyperParameterTuningJob",
        ],
    ),
    sagemaker(
        "createLabelingJob",
        "LabelingJob",
        ["CreateLabelingJob", "DescribeLabelingJob", "StopLabelingJob"],
    ),
];

const fn sagemaker(
    action: &'static str,
    noun: &'static str,
    [start, describe, stop]: [&'static str; 3],
) -> Job {
    Job {
        integration: &SAGEMAKER,
        action,
        start,
        describe,
        stop,
        noun,
        prepare: |_, _| {},
        started: |job, _, members| Ok(named(job, members)),
        found: |job, code, members| (code == "ResourceInUse").then(|| named(job, members)),
        verdict: |job, said| match said[format!("{}Status", job.noun)].as_str() {
            Some("Completed") => Verdict::Succeeded(said),
            Some("Failed" | "Stopped") => Verdict::Failed(said),
            _ => Verdict::Running,
        },
    }
}

/// The kind of job that a resource, with `.sync` at its end, starts.
pub(super) fn job_of(resource: &Resource) -> Option<&'static Job> {
    let Resource::Integration(call) = resource else { return None };
    let is_it =
        |job: &&Job| (job.integration.resource, job.action) == (&call.service, &call.action);
    let job = JOBS.iter().find(is_it)?;
    match call.pattern {
        Pattern::Sync => Some(job),
        // Only there it makes a difference.
        Pattern::Sync2 => (job.integration.resource == STEP_FUNCTIONS.resource).then_some(job),
        _ => None,
    }
}

/// SageMaker's jobs go by the names that the definition gives them.
fn named(job: &Job, members: &Json) -> Started {
    let name = format!("{}Name", job.noun);
    let by_name = json!({&name: members[&name]});
    Started { describe: by_name.clone(), stop: by_name }
}

fn execution(arn: &Json) -> Started {
    Started {
        describe: json!({"ExecutionArn": arn}),
        stop: json!({"ExecutionArn": arn, "Cause": super::run::STOPPED}),
    }
}

/// As the service marks what it manages.
fn managed(members: &mut Map<String, Json>) {
    let overrides = members.entry("ContainerOverrides").or_insert_with(|| json!({}));
    let Some(overrides) = overrides.as_object_mut() else { return };
    let environment = overrides.entry("Environment").or_insert_with(|| json!([]));
    if let Some(environment) = environment.as_array_mut() {
        let value = "STARTED_BY_STEP_FUNCTIONS";
        environment.push(json!({"Name": "MANAGED_BY_AWS", "Value": value}));
    }
}

/// The first of the things said, alone.
fn first(mut said: Json, name: &str) -> Json {
    match said[name].get_mut(0) {
        Some(first) => first.take(),
        None => Json::Null,
    }
}

fn ecs_started(_: &Job, answer: &Json, members: &Json) -> Result<Started, StateError> {
    let failures = answer["Failures"].as_array().filter(|failures| !failures.is_empty());
    if let Some(failures) = failures {
        let cause = Json::from(failures.clone()).to_string();
        return Err(StateError::new("AmazonECS.Unknown", cause));
    }
    let arn = &answer["Tasks"][0]["TaskArn"];
    let mut started = Started {
        describe: json!({"Tasks": [arn]}),
        stop: json!({"Task": arn, "Reason": super::run::STOPPED}),
    };
    if let Some(cluster) = members.get("Cluster") {
        started.describe["Cluster"] = cluster.clone();
        started.stop["Cluster"] = cluster.clone();
    }
    Ok(started)
}

/// A task is done once it is stopped; well done where all containers say 0.
fn ecs_verdict(_: &Job, said: Json) -> Verdict {
    let task = first(said, "Tasks");
    if task["LastStatus"] != "STOPPED" {
        return Verdict::Running;
    }
    let containers = task["Containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_bad = |container: &Json| container["ExitCode"].as_i64().is_some_and(|code| code != 0);
    let has_ended = matches!(task["StopCode"].as_str(), None | Some("EssentialContainerExited"));
    match has_ended && !containers.iter().any(is_bad) {
        true => Verdict::Succeeded(task),
        false => Verdict::Failed(task),
    }
}
