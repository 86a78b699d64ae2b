//! Jobs and endpoints that take as long as a test wants and end as it says, as ECS, Batch and
//! SageMaker tell of them: moto's are over at once, don't fail, and forget tokens and names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value as Json, json};

use crate::scripted::{Asked, Say, Server, json as says};

/// What was made.
#[derive(Clone, Debug)]
struct Thing {
    /// `task`, `job`, `training-job`, `model`, ...
    kind: &'static str,
    /// The token or name it was made under.
    name: String,
    id: String,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct State {
    things: Vec<Thing>,
    /// The kinds whose things are over, or in service.
    done: BTreeSet<&'static str>,
    /// Do they fail?
    fails: bool,
}

/// ECS, Batch and SageMaker.
pub struct Cloud {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Cloud {
    /// Jobs run until [`Cloud::end`].
    pub fn start() -> Cloud {
        let state: Arc<Mutex<State>> = Arc::default();
        let held = state.clone();
        let server = Server::answering(move |asked| {
            let mut state = held.lock().expect("nobody panicked");
            let (operation, body) = (operation(asked), asked.json());
            let answer = state.ecs(&operation, &body);
            let answer = answer.or_else(|| state.batch(&operation, &body));
            let answer = answer.or_else(|| state.sagemaker(&operation, &body));
            let unknown = || Err(("UnknownOperationException", operation));
            match answer.unwrap_or_else(unknown) {
                Ok(answer) => says(200, &answer.to_string()),
                Err((code, message)) => refused(code, &message),
            }
        });
        Cloud { server, state }
    }

    /// Jobs fail.
    pub fn failing() -> Cloud {
        let cloud = Cloud::start();
        cloud.state().fails = true;
        cloud
    }

    pub fn url(&self) -> &str {
        &self.server.url
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    /// Things of a kind are over, or in service, from now on.
    pub fn end(&self, kind: &'static str) {
        self.state().done.insert(kind);
    }

    /// How many of a kind were made.
    pub fn made(&self, kind: &str) -> usize {
        self.state().things.iter().filter(|thing| thing.kind == kind).count()
    }

    /// How often an operation was called.
    pub fn asked(&self, name: &str) -> usize {
        self.server.asked().iter().filter(|asked| operation(asked) == name).count()
    }
}

fn refused(code: &str, message: &str) -> Say {
    says(400, &json!({"__type": code, "message": message}).to_string())
}

/// `RunTask`, and of Batch, which is REST, `submitjob`.
fn operation(asked: &Asked) -> String {
    let by_path = asked.line.rsplit('/').next().unwrap_or_default();
    let target = asked.header("x-amz-target");
    let name = if target.is_empty() { by_path } else { target };
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

/// An answer, or an error's code and message.
type Answer = Result<Json, (&'static str, String)>;

impl State {
    /// Makes a thing. Returns its id.
    fn make(&mut self, kind: &'static str, name: &Json) -> String {
        let name = name.as_str().unwrap_or_default().to_owned();
        let id = format!("arn:aws:any:us-east-1:123456789012:{kind}/{}", self.things.len());
        self.things.push(Thing { kind, name, id: id.clone(), is_stopped: false });
        id
    }

    fn named(&self, kind: &str, name: &Json) -> Option<&Thing> {
        self.things.iter().find(|thing| thing.kind == kind && thing.name == *name)
    }

    fn stop(&mut self, id: &Json) {
        let things = self.things.iter_mut();
        things.filter(|thing| thing.id == *id || thing.name == *id).for_each(|thing| {
            thing.is_stopped = true;
        });
    }

    /// Is it over, and how? `None` while it runs.
    fn end_of(&self, thing: &Thing) -> Option<bool> {
        let is_over = thing.is_stopped || self.done.contains(thing.kind);
        is_over.then_some(!thing.is_stopped && !self.fails)
    }

    fn ecs(&mut self, operation: &str, body: &Json) -> Option<Answer> {
        match operation {
            // A token that was seen before gets what it got then.
            "RunTask" => {
                let token = &body["clientToken"];
                let known = self.named("task", token).map(|thing| thing.id.clone());
                let arn = known.unwrap_or_else(|| self.make("task", token));
                let task = json!({"taskArn": arn, "lastStatus": "PROVISIONING", "containers": []});
                Some(Ok(json!({"tasks": [task], "failures": []})))
            }
            "DescribeTasks" => {
                let arn = &body["tasks"][0];
                let task = self.things.iter().find(|thing| thing.id == *arn)?;
                let task = match self.end_of(task) {
                    None => json!({"taskArn": arn, "lastStatus": "RUNNING"}),
                    Some(is_good) => json!({
                        "taskArn": arn, "lastStatus": "STOPPED",
                        "stopCode": "EssentialContainerExited",
                        "containers": [{"name": "transcoder", "exitCode": u8::from(!is_good)}],
                    }),
                };
                Some(Ok(json!({"tasks": [task], "failures": []})))
            }
            "StopTask" => {
                self.stop(&body["task"]);
                Some(Ok(json!({"task": {"taskArn": body["task"]}})))
            }
            _ => None,
        }
    }

    fn batch(&mut self, operation: &str, body: &Json) -> Option<Answer> {
        let status = |end| match end {
            None => "RUNNING",
            Some(true) => "SUCCEEDED",
            Some(false) => "FAILED",
        };
        match operation {
            // Names need not be unique.
            "submitjob" => {
                let name = &body["jobName"];
                let id = self.make("job", name);
                Some(Ok(json!({"jobId": id, "jobName": name, "jobArn": id})))
            }
            "listjobs" => {
                let name = &body["filters"][0]["values"][0];
                let named = self.things.iter().filter(|it| it.kind == "job" && it.name == *name);
                let shown = named.map(|it| json!({"jobId": it.id, "jobName": it.name}));
                Some(Ok(json!({"jobSummaryList": shown.collect::<Vec<_>>()})))
            }
            "describejobs" => {
                let job = self.things.iter().find(|thing| thing.id == body["jobs"][0])?;
                let status = status(self.end_of(job));
                let shown = json!({"jobId": job.id, "jobName": job.name, "status": status});
                Some(Ok(json!({"jobs": [shown]})))
            }
            "terminatejob" => {
                self.stop(&body["jobId"]);
                Some(Ok(json!({})))
            }
            _ => None,
        }
    }

    fn sagemaker(&mut self, operation: &str, body: &Json) -> Option<Answer> {
        let name = |noun: &str| body[format!("{noun}Name")].clone();
        match operation {
            "CreateTrainingJob" => {
                let name = name("TrainingJob");
                if self.named("training-job", &name).is_some() {
                    let why = format!(
                        "Training job names must be unique within an AWS account and region, and a \
                         training job with this name already exists ({name})"
                    );
                    return Some(Err(("ResourceInUse", why)));
                }
                Some(Ok(json!({"TrainingJobArn": self.make("training-job", &name)})))
            }
            "DescribeTrainingJob" => {
                let job = self.named("training-job", &name("TrainingJob"))?;
                let (status, reason) = match self.end_of(job) {
                    None => ("InProgress", Json::Null),
                    Some(true) => ("Completed", Json::Null),
                    Some(false) => ("Failed", json!("AlgorithmError: no data")),
                };
                let artifacts = format!("s3://churn/models/{}/output/model.tar.gz", job.name);
                Some(Ok(json!({
                    "TrainingJobName": job.name, "TrainingJobStatus": status,
                    "FailureReason": reason, "ModelArtifacts": {"S3ModelArtifacts": artifacts},
                })))
            }
            "StopTrainingJob" => {
                self.stop(&name("TrainingJob"));
                Some(Ok(json!({})))
            }
            "CreateModel" => Some(self.once("model", "model", "Model", body)),
            "CreateEndpointConfig" => {
                let what = "endpoint configuration";
                Some(self.once("endpoint-config", what, "EndpointConfig", body))
            }
            "CreateEndpoint" => Some(self.once("endpoint", "endpoint", "Endpoint", body)),
            "DescribeEndpoint" => {
                let endpoint = self.named("endpoint", &name("Endpoint"))?;
                let status = match self.end_of(endpoint) {
                    None => "Creating",
                    Some(true) => "InService",
                    Some(false) => "Failed",
                };
                Some(Ok(json!({"EndpointName": endpoint.name, "EndpointStatus": status})))
            }
            _ => None,
        }
    }

    /// What can be made once under a name.
    fn once(&mut self, kind: &'static str, what: &str, noun: &str, body: &Json) -> Answer {
        let name = &body[format!("{noun}Name")];
        if let Some(thing) = self.named(kind, name) {
            let why = format!("Cannot create already existing {what} \"{}\".", thing.id);
            return Err(("ValidationException", why));
        }
        Ok(json!({format!("{noun}Arn"): self.make(kind, name)}))
    }
}
