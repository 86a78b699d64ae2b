//! Jobs (`.sync`) that moto can run: it has them over soon, and none of them fails. The rest is in
//! the unit tests of `src/tasks/jobs`, and in `tests/usecases`.

use serde_json::{Value as Json, json};

use crate::machine::{batch_queue, failed, runs, went_well};
use crate::server::Server;

/// How a kind of thing gets on from one state to the next.
fn progress(server: &Server, model: &str, transition: &Json) {
    let body = json!({ "model_name": model, "transition": transition });
    server.control("/moto-api/state-manager/set-transition", &body);
}

fn executes(server: &Server, does: bool) {
    let config = json!({ "stepfunctions": { "execute_state_machine": does } });
    server.control("/moto-api/config", &config);
}

pub fn step_functions(server: &Server) {
    executes(server, true);
    let arn_of = |name: &str, last: Json| {
        let definition = json!({ "StartAt": "Wait", "States": {
            "Wait": { "Type": "Wait", "Seconds": 1, "Next": "Last" }, "Last": last } });
        let parameters = json!({ "Name": name, "Definition": definition,
                                 "RoleArn": "arn:aws:iam::123456789012:role/inner" });
        let made = runs(server, &[("Make", "aws-sdk:sfn:createStateMachine", parameters)]);
        went_well(&made, "Make")["StateMachineArn"].clone()
    };
    let good = arn_of("waited", json!({ "Type": "Pass", "End": true }));
    let bad =
        arn_of("failing", json!({ "Type": "Fail", "Error": "Broke", "Cause": "It was old." }));
    let input = json!({ "a": 1 });
    let start =
        |arn: &Json, name: &str| json!({ "StateMachineArn": arn, "Name": name, "Input": input });
    let output = runs(
        server,
        &[
            ("Text", "states:startExecution.sync", start(&good, "once")),
            ("Again", "states:startExecution.sync:2", start(&good, "once")),
            ("Json", "states:startExecution.sync:2", start(&good, "twice")),
            ("Bad", "states:startExecution.sync", start(&bad, "once")),
        ],
    );
    executes(server, false);
    let (text, again) = (went_well(&output, "Text"), went_well(&output, "Again"));
    assert_eq!(text["Status"], "SUCCEEDED", "{output:#}");
    let read: Json = serde_json::from_str(text["Output"].as_str().expect("text")).expect("JSON");
    assert_eq!(read, input);
    // The execution of that name is there: it is found, and none is started.
    assert_eq!(
        (&again["ExecutionArn"], &again["StartDate"]),
        (&text["ExecutionArn"], &text["StartDate"])
    );
    assert_eq!((&again["Output"], &output["Json"]["Output"]), (&input, &input), "{output:#}");
    failed(&output["Bad"], "States.TaskFailed", "\"Error\":\"Broke\"");
}

pub fn ecs(server: &Server) {
    progress(server, "ecs::task", &json!({ "progression": "manual", "times": 1 }));
    let theirs = "arn:aws:iam::222222222222:role/containers";
    let network = json!({ "AwsvpcConfiguration": {
        "Subnets": [server.subnet()], "SecurityGroups": [server.security_group()] } });
    let container = json!({ "Name": "main", "Image": "busybox", "Cpu": 256, "Memory": 512 });
    let definition = json!({ "Family": "waited", "Cpu": "256", "Memory": "512",
                             "NetworkMode": "awsvpc", "RequiresCompatibilities": ["FARGATE"],
                             "ContainerDefinitions": [container] });
    let on_instance = json!({ "Family": "waited", "ContainerDefinitions": [container],
                              "Role": theirs });
    let output = runs(
        server,
        &[
            ("Cluster", "aws-sdk:ecs:createCluster", json!({ "ClusterName": "waited" })),
            ("Definition", "aws-sdk:ecs:registerTaskDefinition", definition),
            (
                "Run",
                "ecs:runTask.sync",
                json!({ "Cluster": "waited", "TaskDefinition": "waited", "LaunchType": "FARGATE",
                        "NetworkConfiguration": network }),
            ),
            ("Missing", "ecs:runTask.sync", json!({ "Cluster": "none", "TaskDefinition": "none" })),
            // As another account's role nothing of this account's is seen.
            ("TheirDefinition", "aws-sdk:ecs:registerTaskDefinition", on_instance),
            (
                "TheirCluster",
                "ecs:runTask.sync",
                json!({ "Cluster": "waited", "TaskDefinition": "waited", "Role": theirs }),
            ),
        ],
    );
    let task = went_well(&output, "Run");
    assert_eq!((&task["LastStatus"], &task["LaunchType"]), (&json!("STOPPED"), &json!("FARGATE")));
    assert_eq!(task["Containers"][0]["ExitCode"], 0, "{output:#}");
    assert_eq!(task["StartedBy"], "AWS Step Functions", "{output:#}");
    let error = output["Missing"]["Error"].as_str().unwrap_or_default();
    assert!(error.starts_with("ECS.") && error.ends_with("Exception"), "{output:#}");
    went_well(&output, "TheirDefinition");
    failed(&output["TheirCluster"], "ECS.ClusterNotFoundException", "");
}

pub fn batch(server: &Server) {
    let theirs = "arn:aws:iam::222222222222:role/reports";
    let [environment, queue] = batch_queue("waited", &server.role("batch-sync"));
    let definition = json!({ "JobDefinitionName": "waited", "Type": "container",
                             "ContainerProperties": { "Image": "busybox", "Vcpus": 1,
                                                      "Memory": 128, "Command": ["true"] } });
    let submit = json!({ "JobName": "waited", "JobQueue": "waited", "JobDefinition": "waited",
                         "ContainerOverrides": {
                             "Environment": [{ "Name": "MONTH", "Value": "10" }] } });
    let mut as_them = submit.clone();
    as_them["Role"] = json!(theirs);
    let output = runs(
        server,
        &[
            environment,
            queue,
            ("Definition", "aws-sdk:batch:registerJobDefinition", definition),
            ("Submit", "batch:submitJob.sync", submit),
            ("AsThem", "batch:submitJob.sync", as_them),
        ],
    );
    let job = went_well(&output, "Submit");
    assert_eq!((&job["Status"], &job["JobName"]), (&json!("SUCCEEDED"), &json!("waited")));
    let environment = job["Container"]["Environment"].as_array().cloned().unwrap_or_default();
    for (name, value) in [("MONTH", "10"), ("MANAGED_BY_AWS", "STARTED_BY_STEP_FUNCTIONS")] {
        let variable = json!({ "Name": name, "Value": value });
        assert!(environment.contains(&variable), "{environment:?}");
    }
    // As another account's role the queue is not seen.
    failed(&output["AsThem"], "Batch.ClientException", "does not exist");
}

pub fn sagemaker(server: &Server) {
    let role = "arn:aws:iam::123456789012:role/ml";
    let resources = json!({ "InstanceType": "ml.m5.large", "InstanceCount": 1 });
    let output = runs(
        server,
        &[
            (
                "Train",
                "sagemaker:createTrainingJob.sync",
                json!({ "TrainingJobName": "waited", "RoleArn": role,
                        "AlgorithmSpecification": {
                            "TrainingImage": "i", "TrainingInputMode": "File" },
                        "OutputDataConfig": { "S3OutputPath": "s3://b/o" },
                        "ResourceConfig": {
                            "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1 },
                        "StoppingCondition": { "MaxRuntimeInSeconds": 60 } }),
            ),
            (
                "Transform",
                "sagemaker:createTransformJob.sync",
                json!({ "TransformJobName": "waited", "ModelName": "m",
                        "TransformInput": { "DataSource": { "S3DataSource": {
                            "S3DataType": "S3Prefix", "S3Uri": "s3://b/i" } } },
                        "TransformOutput": { "S3OutputPath": "s3://b/o" },
                        "TransformResources": resources }),
            ),
            (
                "Process",
                "sagemaker:createProcessingJob.sync",
                json!({ "ProcessingJobName": "waited", "RoleArn": role,
                        "AppSpecification": { "ImageUri": "i" },
                        "ProcessingResources": { "ClusterConfig": {
                            "InstanceType": "ml.m5.large", "InstanceCount": 1,
                            "VolumeSizeInGB": 1 } } }),
            ),
        ],
    );
    let training = went_well(&output, "Train");
    let artifacts = &training["ModelArtifacts"]["S3ModelArtifacts"];
    assert_eq!(
        (&training["TrainingJobStatus"], artifacts),
        (&json!("Completed"), &json!("s3://b/o/waited/output/model.tar.gz"))
    );
    assert_eq!(went_well(&output, "Transform")["TransformJobStatus"], "Completed");
    assert_eq!(went_well(&output, "Process")["ProcessingJobStatus"], "Completed");
}

pub fn glue(server: &Server) {
    progress(server, "glue::job_run", &json!({ "progression": "time", "seconds": 1 }));
    let command = json!({ "Name": "glueetl", "ScriptLocation": "s3://b/s.py" });
    let output = runs(
        server,
        &[
            ("Job", "aws-sdk:glue:createJob", json!({ "Name": "waited", "Command": command })),
            (
                "Run",
                "glue:startJobRun.sync",
                json!({ "JobName": "waited", "Arguments": { "--month": "10" } }),
            ),
            ("Missing", "glue:startJobRun.sync", json!({ "JobName": "none" })),
        ],
    );
    let run = went_well(&output, "Run");
    assert_eq!((&run["JobName"], &run["JobRunState"]), (&json!("waited"), &json!("SUCCEEDED")));
    failed(&output["Missing"], "Glue.EntityNotFoundException", "Service: AWSGlue");
}
