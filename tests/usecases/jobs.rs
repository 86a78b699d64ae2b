//! Jobs of Batch, Fargate and SageMaker, and people told how they ended: a topic of SNS, and a queue
//! that is subscribed to it.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::account::Account;
use crate::cloud::Cloud;
use crate::engine::until;
use crate::harness::Stage;
use crate::machine::{batch_queue, runs, went_well};
use crate::server::{Server, moto};

const ACCOUNT: &str = "arn:aws:iam::123456789012:role";

/// Who is told: a topic, and a queue that gets what is published there.
struct People<'a> {
    aws: &'a Server,
    account: Account,
    topic: String,
    queue: String,
}

impl<'a> People<'a> {
    fn new(aws: &'a Server, name: &str) -> People<'a> {
        let account = Account::new(aws);
        let queue = account.queue(name);
        let topic = account.topic_to(&queue, false);
        People { aws, account, topic, queue }
    }

    /// All that they were told: subjects and messages.
    fn told(&self) -> Vec<(String, String)> {
        let read = |body: Json| {
            let text = |name: &str| body[name].as_str().expect("text").to_owned();
            (text("Subject"), text("Message"))
        };
        self.account.take(&self.queue).into_iter().map(read).collect()
    }

    #[track_caller]
    fn were_told(&self, subject: &str, message: &str) {
        assert_eq!(self.told(), [(subject.to_owned(), message.to_owned())]);
    }
}

/// An example whose jobs are asked after often.
fn stage(people: &People<'_>, example: &str, topics: &[&str]) -> Stage {
    let mut stage = Stage::new(people.aws, example, topics);
    stage.substitute("TopicArn", &people.topic);
    stage.set("EXPRESSWAY__PIPELINE__0__JOBS__POLL_INTERVAL", "100ms");
    stage.set("EXPRESSWAY__PIPELINE__0__JOBS__POLL_INTERVAL_MAX", "500ms");
    stage
}

/// Waits until a cloud was asked for something so often.
fn asked(cloud: &Cloud, operation: &str, count: usize) {
    let what = format!("{operation}, {count} times");
    until(&what, || (cloud.asked(operation) >= count).then_some(()));
}

// Fargate.

const VIDEOS: [&str; 3] = ["videos.uploaded", "videos.transcoded", "videos.dead"];

fn video() -> Json {
    json!({ "id": "v-1", "source": "s3://in/v-1.mov", "target": "s3://out/v-1.mp4" })
}

fn videos(people: &People<'_>, cloud: &Cloud) -> Stage {
    let mut stage = stage(people, "fargate-notify", &VIDEOS);
    stage.send("ecs", cloud.url());
    stage
}

#[test]
fn a_container_on_fargate_is_run_and_told_of() {
    let Some(aws) = moto() else { return };
    let people = People::new(aws, "videos-moto");
    let container = json!({ "Name": "transcoder", "Image": "i", "Cpu": 256, "Memory": 512 });
    let output = runs(
        aws,
        &[
            ("Cluster", "aws-sdk:ecs:createCluster", json!({ "ClusterName": "media" })),
            (
                "Definition",
                "aws-sdk:ecs:registerTaskDefinition",
                json!({ "Family": "transcoder", "Cpu": "256", "Memory": "512",
                        "NetworkMode": "awsvpc", "RequiresCompatibilities": ["FARGATE"],
                        "ContainerDefinitions": [container] }),
            ),
        ],
    );
    went_well(&output, "Definition");
    let mut stage = stage(&people, "fargate-notify", &VIDEOS);
    stage.substitute("Subnet", &aws.subnet());
    stage.substitute("SecurityGroup", &aws.security_group());
    let _engine = stage.run("only");
    stage.write("videos.uploaded", &video());
    let output = &stage.read("videos.transcoded", 1)[0];
    assert_eq!((&output["id"], &output["status"]), (&json!("v-1"), &json!("transcoded")));
    assert!(output["task"].as_str().is_some_and(|arn| arn.contains(":task/media/")), "{output}");
    people.were_told("A video is ready", "Video v-1 is at s3://out/v-1.mp4.");
}

#[test]
fn a_container_that_fails_is_told_of() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "videos-failing"), Cloud::failing());
    let stage = videos(&people, &cloud);
    let _engine = stage.run("only");
    stage.write("videos.uploaded", &video());
    asked(&cloud, "DescribeTasks", 2);
    cloud.end("task");
    let output = &stage.read("videos.transcoded", 1)[0];
    assert_eq!(
        (&output["status"], &output["error"]),
        (&json!("failed"), &json!("States.TaskFailed"))
    );
    let cause = output["cause"].as_str().expect("ECS's own words");
    assert!(cause.contains("\"ExitCode\":1"), "{cause}");
    let message = "Video v-1 of s3://in/v-1.mov: States.TaskFailed";
    people.were_told("A video could not be transcoded", message);
}

/// One task is started in all, whatever becomes of who has started it.
#[test]
fn a_container_outlives_a_crash() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "videos-crash"), Cloud::start());
    let stage = videos(&people, &cloud);
    let engine = stage.run("first");
    stage.write("videos.uploaded", &video());
    asked(&cloud, "DescribeTasks", 1);
    engine.kill();
    let seen = cloud.asked("DescribeTasks");
    let _engine = stage.run("second");
    asked(&cloud, "RunTask", 2);
    asked(&cloud, "DescribeTasks", seen + 1);
    cloud.end("task");
    assert_eq!(stage.read("videos.transcoded", 1)[0]["status"], "transcoded");
    assert_eq!((cloud.made("task"), cloud.asked("StopTask")), (1, 0));
    people.were_told("A video is ready", "Video v-1 is at s3://out/v-1.mp4.");
}

/// What bounds an execution is `engine.machine_timeout_max`, and nothing shorter does.
#[test]
fn a_job_may_take_as_long_as_the_setting_says() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "videos-ceiling"), Cloud::start());
    let stage = videos(&people, &cloud);
    let _patient = stage.run("patient");
    stage.write("videos.uploaded", &video());
    asked(&cloud, "DescribeTasks", 1);
    std::thread::sleep(Duration::from_secs(3));
    cloud.end("task");
    assert_eq!(stage.read("videos.transcoded", 1)[0]["status"], "transcoded");

    let cloud = Cloud::start();
    let mut stage = videos(&people, &cloud);
    stage.set("EXPRESSWAY__ENGINE__MACHINE_TIMEOUT_MAX", "2s");
    let _hasty = stage.run("hasty");
    stage.write("videos.uploaded", &video());
    assert_eq!(stage.read("videos.dead", 1), [video()]);
    // Nobody waits for it any more.
    asked(&cloud, "StopTask", 1);
}

#[test]
#[ignore = "takes six minutes: cargo test --test usecases -- --ignored"]
fn a_job_may_take_more_than_five_minutes() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "videos-long"), Cloud::start());
    let stage = videos(&people, &cloud);
    let engine = stage.run("first");
    stage.write("videos.uploaded", &video());
    asked(&cloud, "DescribeTasks", 1);
    engine.kill();
    let _engine = stage.run("second");
    asked(&cloud, "RunTask", 2);
    std::thread::sleep(Duration::from_secs(330));
    cloud.end("task");
    assert_eq!(stage.read("videos.transcoded", 1)[0]["status"], "transcoded");
    assert_eq!(cloud.made("task"), 1);
    people.were_told("A video is ready", "Video v-1 is at s3://out/v-1.mp4.");
}

// Batch.

const REPORTS: [&str; 3] = ["reports.requested", "reports.made", "reports.dead"];

fn reports(people: &People<'_>, cloud: &Cloud) -> Stage {
    let mut stage = stage(people, "batch-notify", &REPORTS);
    stage.send("batch", cloud.url());
    stage
}

fn report() -> Json {
    json!({ "id": "r-1", "month": "2026-10" })
}

#[test]
fn a_job_of_batch_is_run_and_told_of() {
    let Some(aws) = moto() else { return };
    let people = People::new(aws, "reports-moto");
    let [environment, queue] = batch_queue("reports", &aws.role("reports"));
    let output = runs(
        aws,
        &[
            environment,
            queue,
            (
                "Definition",
                "aws-sdk:batch:registerJobDefinition",
                json!({ "JobDefinitionName": "report", "Type": "container",
                        "ContainerProperties": { "Image": "i", "Vcpus": 1, "Memory": 128,
                                                 "Command": ["true"] } }),
            ),
        ],
    );
    went_well(&output, "Definition");
    let stage = stage(&people, "batch-notify", &REPORTS);
    let _engine = stage.run("only");
    stage.write("reports.requested", &report());
    let output = &stage.read("reports.made", 1)[0];
    assert_eq!(output["status"], "ready", "{output}");
    people.were_told("A report is ready", "The report of 2026-10 is ready.");
    let filter = json!([{ "Name": "JOB_NAME", "Values": [output["job"]] }]);
    let list = json!({ "JobQueue": "reports", "Filters": filter });
    let listed = runs(aws, &[("List", "aws-sdk:batch:listJobs", list)]);
    let listed = listed["List"]["JobSummaryList"].as_array().map(Vec::len);
    assert_eq!(listed, Some(1), "the job has the name that the output says");
}

#[test]
fn a_job_of_batch_that_fails_is_told_of() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "reports-failing"), Cloud::failing());
    let stage = reports(&people, &cloud);
    let _engine = stage.run("only");
    stage.write("reports.requested", &report());
    asked(&cloud, "describejobs", 1);
    cloud.end("job");
    let output = &stage.read("reports.made", 1)[0];
    assert_eq!(output["status"], "failed", "{output}");
    let job = output["job"].as_str().expect("a name");
    let message = format!("There is no report of 2026-10: see job {job}.");
    people.were_told("A report could not be made", &message);
}

/// Batch has no token: the definition looks for its job.
#[test]
fn a_job_of_batch_outlives_a_crash() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "reports-crash"), Cloud::start());
    let stage = reports(&people, &cloud);
    let engine = stage.run("first");
    stage.write("reports.requested", &report());
    asked(&cloud, "describejobs", 1);
    engine.kill();
    let seen = cloud.asked("describejobs");
    let _engine = stage.run("second");
    asked(&cloud, "listjobs", 2);
    asked(&cloud, "describejobs", seen + 1);
    cloud.end("job");
    assert_eq!(stage.read("reports.made", 1)[0]["status"], "ready");
    assert_eq!((cloud.made("job"), cloud.asked("submitjob")), (1, 1));
    people.were_told("A report is ready", "The report of 2026-10 is ready.");
}

// SageMaker.

const MODELS: [&str; 3] = ["datasets.ready", "models.served", "models.dead"];

fn data_set() -> Json {
    json!({ "id": "m-1", "data": "s3://churn/2026-10/", "sample": "34,2,118.5,0" })
}

fn models(people: &People<'_>) -> Stage {
    let mut stage = stage(people, "ml-sequence", &MODELS);
    stage.substitute("RoleArn", &format!("{ACCOUNT}/churn"));
    stage
}

#[track_caller]
fn is_in_service(output: &Json, people: &People<'_>) {
    assert_eq!(output["status"], "in service", "{output}");
    assert!(output["answer"].is_string(), "{output}");
    let endpoint = output["endpoint"].as_str().expect("a name");
    let message = format!("The model of s3://churn/2026-10/ is in service as {endpoint}.");
    people.were_told("A model is in service", &message);
}

#[test]
fn a_model_is_trained_and_served() {
    let Some(aws) = moto() else { return };
    let people = People::new(aws, "models-moto");
    let stage = models(&people);
    let _engine = stage.run("only");
    stage.write("datasets.ready", &data_set());
    let output = &stage.read("models.served", 1)[0];
    is_in_service(output, &people);
    let look = json!({ "EndpointName": output["endpoint"] });
    let looked = runs(aws, &[("Look", "aws-sdk:sagemaker:describeEndpoint", look)]);
    assert_eq!(went_well(&looked, "Look")["EndpointStatus"], "InService");
}

#[test]
fn a_training_that_fails_is_told_of() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "models-failing"), Cloud::failing());
    let mut stage = models(&people);
    stage.send("sagemaker", cloud.url());
    let _engine = stage.run("only");
    stage.write("datasets.ready", &data_set());
    asked(&cloud, "DescribeTrainingJob", 1);
    cloud.end("training-job");
    let output = &stage.read("models.served", 1)[0];
    assert_eq!((&output["status"], &output["step"]), (&json!("failed"), &json!("training")));
    let cause = output["cause"].as_str().expect("SageMaker's own words");
    assert!(cause.contains("AlgorithmError: no data"), "{cause}");
    let message =
        "There is no model of s3://churn/2026-10/: training failed with States.TaskFailed.";
    people.were_told("A model could not be put into service", message);
    assert_eq!(cloud.made("model"), 0);
}

/// Crashes while it trains, and while the endpoint comes into service: nothing is made twice.
#[test]
fn a_sequence_outlives_crashes() {
    let Some(aws) = moto() else { return };
    let (people, cloud) = (People::new(aws, "models-crash"), Cloud::start());
    let mut stage = models(&people);
    stage.send("sagemaker", cloud.url());
    let engine = stage.run("first");
    stage.write("datasets.ready", &data_set());
    asked(&cloud, "DescribeTrainingJob", 1);
    engine.kill();
    let engine = stage.run("second");
    asked(&cloud, "CreateTrainingJob", 2);
    cloud.end("training-job");
    asked(&cloud, "DescribeEndpoint", 1);
    engine.kill();
    let seen = cloud.asked("DescribeEndpoint");
    let _engine = stage.run("third");
    asked(&cloud, "CreateEndpoint", 2);
    asked(&cloud, "DescribeEndpoint", seen + 1);
    cloud.end("endpoint");
    is_in_service(&stage.read("models.served", 1)[0], &people);
    for kind in ["training-job", "model", "endpoint-config", "endpoint"] {
        assert_eq!(cloud.made(kind), 1, "{kind}");
    }
}
