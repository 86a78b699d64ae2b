//! Functions, executions, containers, jobs, models.

use serde_json::json;

use crate::machine::{batch_queue, failed, runs, went_well};
use crate::server::Server;

pub fn lambda(server: &Server) {
    let answers =
        json!({ "results": ["{\"doubled\": 2}", "{\"doubled\": 4}"], "region": "us-east-1" });
    server.control("/moto-api/static/lambda-simple/response", &answers);
    // An archive that holds nothing.
    let zip = "PK\u{5}\u{6}".to_owned() + &"\0".repeat(18);
    let function = json!({
        "FunctionName": "double", "Runtime": "python3.12", "Handler": "a.b",
        "Role": server.role("lambda"), "Code": { "ZipFile": zip },
    });
    let plain = "arn:aws:lambda:us-east-1:123456789012:function:double";
    let output = runs(
        server,
        &[
            ("Function", "aws-sdk:lambda:createFunction", without_credentials(function)),
            ("Invoke", "lambda:invoke", json!({ "FunctionName": "double", "Payload": { "n": 1 } })),
            ("Plain", plain, json!({ "n": 2 })),
            (
                "Event",
                "lambda:invoke",
                json!({ "FunctionName": "double", "InvocationType": "Event" }),
            ),
        ],
    );
    went_well(&output, "Function");
    assert_eq!(output["Invoke"]["Payload"], json!({ "doubled": 2 }), "{output:#}");
    assert_eq!(output["Invoke"]["StatusCode"], json!(200));
    assert_eq!(output["Plain"], json!({ "doubled": 4 }), "{output:#}");
    assert_eq!(output["Event"]["StatusCode"], json!(202), "{output:#}");
}

/// `Role` is a parameter of the function here, and no role to assume.
fn without_credentials(mut function: serde_json::Value) -> serde_json::Value {
    let members = function.as_object_mut().expect("an object");
    let role = members.remove("Role").expect("it has a role");
    members.insert(
        "Role.$".to_owned(),
        json!(format!("States.Format('{}')", role.as_str().expect("text"))),
    );
    function
}

pub fn step_functions(server: &Server) {
    let inner = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } });
    let output = runs(
        server,
        &[
            (
                "Machine",
                "aws-sdk:sfn:createStateMachine",
                json!({ "Name": "inner", "Definition": inner,
                        "RoleArn": "arn:aws:iam::123456789012:role/inner" }),
            ),
            (
                "Start",
                "states:startExecution",
                json!({ "StateMachineArn.$": "$.Machine.StateMachineArn", "Name": "once", "Input": { "a": 1 } }),
            ),
            (
                "Look",
                "aws-sdk:sfn:describeExecution",
                json!({ "ExecutionArn.$": "$.Start.ExecutionArn" }),
            ),
            (
                "Missing",
                "states:startExecution",
                json!({ "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:none" }),
            ),
        ],
    );
    let started = went_well(&output, "Start")["StartDate"].as_str().expect("a time").to_owned();
    assert!(started.ends_with('Z'), "{started}");
    assert_eq!(output["Look"]["Input"], json!("{\"a\":1}"), "{output:#}");
    failed(
        &output["Missing"],
        "StepFunctions.StateMachineDoesNotExistException",
        "AWSStepFunctions;",
    );
}

pub fn ecs(server: &Server) {
    let network = json!({ "AwsvpcConfiguration": {
        "Subnets": [server.subnet()], "SecurityGroups": [server.security_group()] } });
    let output = runs(
        server,
        &[
            ("Cluster", "aws-sdk:ecs:createCluster", json!({ "ClusterName": "c" })),
            (
                "Definition",
                "aws-sdk:ecs:registerTaskDefinition",
                json!({ "Family": "thumb", "Cpu": "256", "Memory": "512", "NetworkMode": "awsvpc",
                        "RequiresCompatibilities": ["FARGATE"],
                        "ContainerDefinitions": [{ "Name": "main", "Image": "busybox", "Cpu": 256,
                                                   "Memory": 512, "DockerLabels": { "Team": "a" } }] }),
            ),
            (
                "Run",
                "ecs:runTask",
                json!({ "Cluster": "c", "TaskDefinition": "thumb", "LaunchType": "FARGATE",
                        "NetworkConfiguration": network }),
            ),
            ("Missing", "ecs:runTask", json!({ "Cluster": "none", "TaskDefinition": "none" })),
        ],
    );
    let task = &went_well(&output, "Run")["Tasks"][0];
    assert_eq!(task["StartedBy"], json!("AWS Step Functions"), "{output:#}");
    assert!(task["TaskArn"].as_str().is_some_and(|arn| arn.contains(":task/")), "{task:#}");
    let labels = &output["Definition"]["TaskDefinition"]["ContainerDefinitions"][0]["DockerLabels"];
    assert_eq!(*labels, json!({ "Team": "a" }), "{output:#}");
    let error = output["Missing"]["Error"].as_str().unwrap_or_default();
    assert!(error.starts_with("ECS.") && error.ends_with("Exception"), "{output:#}");
}

pub fn batch(server: &Server) {
    let [environment, queue] = batch_queue("queue-1", &server.role("batch"));
    let output = runs(
        server,
        &[
            environment,
            queue,
            (
                "Definition",
                "aws-sdk:batch:registerJobDefinition",
                json!({ "JobDefinitionName": "job-1", "Type": "container",
                        "ContainerProperties": { "Image": "busybox", "Vcpus": 1, "Memory": 128,
                                                 "Command": ["true"] } }),
            ),
            (
                "Submit",
                "batch:submitJob",
                json!({ "JobName": "run-1", "JobQueue": "queue-1", "JobDefinition": "job-1", "Tags": { "Team": "a" } }),
            ),
            (
                "Look",
                "aws-sdk:batch:describeJobs",
                json!({ "Jobs.$": "States.Array($.Submit.JobId)" }),
            ),
            (
                "Missing",
                "batch:submitJob",
                json!({ "JobName": "run-1", "JobQueue": "none", "JobDefinition": "job-1" }),
            ),
        ],
    );
    assert_eq!(went_well(&output, "Submit")["JobName"], json!("run-1"), "{output:#}");
    assert_eq!(output["Look"]["Jobs"][0]["JobName"], json!("run-1"), "{output:#}");
    failed(&output["Missing"], "Batch.ClientException", "(Service: AWSBatch; Status Code: 40");
}

pub fn sagemaker(server: &Server) {
    let role = "arn:aws:iam::123456789012:role/ml";
    let image = json!({ "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/i:1" });
    let training = json!({
        "TrainingJobName": "t", "RoleArn": role,
        "AlgorithmSpecification": { "TrainingImage": "i", "TrainingInputMode": "File" },
        "OutputDataConfig": { "S3OutputPath": "s3://b/o" }, "HyperParameters": { "epochs": "3" },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1 },
        "StoppingCondition": { "MaxRuntimeInSeconds": 60 },
    });
    let variant = json!({ "VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1,
                          "InstanceType": "ml.m5.large" });
    let output = runs(
        server,
        &[
            ("Train", "sagemaker:createTrainingJob", training),
            ("Look", "aws-sdk:sagemaker:describeTrainingJob", json!({ "TrainingJobName": "t" })),
            (
                "Model",
                "sagemaker:createModel",
                json!({ "ModelName": "m", "ExecutionRoleArn": role, "PrimaryContainer": image }),
            ),
            (
                "Config",
                "sagemaker:createEndpointConfig",
                json!({ "EndpointConfigName": "c", "ProductionVariants": [variant] }),
            ),
            (
                "Endpoint",
                "sagemaker:createEndpoint",
                json!({ "EndpointName": "e", "EndpointConfigName": "c" }),
            ),
            (
                "Infer",
                "aws-sdk:sagemakerruntime:invokeEndpoint",
                json!({ "EndpointName": "e", "Body": { "x": 1 }, "ContentType": "application/json" }),
            ),
            ("Missing", "aws-sdk:sagemaker:describeModel", json!({ "ModelName": "none" })),
        ],
    );
    assert!(went_well(&output, "Train")["TrainingJobArn"].is_string(), "{output:#}");
    assert_eq!(output["Look"]["HyperParameters"], json!({ "epochs": "3" }), "{output:#}");
    for (name, arn) in
        [("Model", "ModelArn"), ("Config", "EndpointConfigArn"), ("Endpoint", "EndpointArn")]
    {
        assert!(went_well(&output, name)[arn].is_string(), "{output:#}");
    }
    assert!(went_well(&output, "Infer")["Body"].is_string(), "{output:#}");
    failed(&output["Missing"], "SageMaker.SageMakerException", "Service: SageMaker");
}
