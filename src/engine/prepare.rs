//! From a configuration to plans: definitions are compiled, paths parsed, tasks given drivers. All
//! that is wrong comes back at once.

use std::ffi::OsString;
use std::path::Path as File;
use std::sync::Arc;

use super::once::{NOT_COVERED, once_warnings};
use super::routing::{Complaint, definitions_of, routing_of};
use super::window::{WINDOW_TOO_SMALL, window_warnings};
use super::{callbacks, machines};
use crate::asl::codes;
use crate::asl::source::Substitutions;
use crate::config::{self, Config, Pipeline};
use crate::expr::Path;
use crate::fault::{Diagnostic, Location};
use crate::program::{Definition, Options, Program, parts_of, unreadable};
use crate::shard::Routing;
use crate::states::ReadLimits;
use crate::tasks::{self, Mocks, TaskState};
use crate::value::Scratch;
use crate::{ack, aws, jsonata, machine, shard, value};

/// The region of a queue where nothing tells it: an emulator's.
const REGION: &str = "us-east-1";

/// A pipeline that can be run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What its shards do.
    pub plan: Arc<shard::Plan>,
}

/// What is wrong with one file.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The file.
    pub file: String,
    /// Its text, for excerpts; empty where it could not be read.
    pub text: String,
    /// The findings.
    pub findings: Vec<Diagnostic>,
}

/// Prepares all pipelines; the second part holds findings that do not keep it from running.
pub fn prepare(config: &Config) -> Result<(Vec<Prepared>, Vec<Refused>), Vec<Refused>> {
    let (mut prepared, mut refused, mut warned) = (Vec::new(), Vec::new(), Vec::new());
    for pipeline in &config.pipeline {
        let mut found = Vec::new();
        match prepare_one(config, pipeline, &mut found) {
            Some(ready) => {
                prepared.push(ready);
                warned.extend(found.into_iter().filter(|refused| !refused.findings.is_empty()));
            }
            None => refused.extend(found),
        }
    }
    if refused.is_empty() { Ok((prepared, warned)) } else { Err(refused) }
}

/// Prepares a pipeline; what is found goes to `found`, and is why where nothing comes back.
fn prepare_one(config: &Config, pipeline: &Pipeline, found: &mut Vec<Refused>) -> Option<Prepared> {
    let documents = document_limits(config);
    let routing = routing_of(pipeline, documents).map_err(|complaints| {
        let finding = |it: Complaint| {
            let location = Location { pointer: pointer(&it.keys), ..Location::default() };
            Diagnostic::error(it.code, it.message, location)
        };
        found.push(about(pipeline, complaints.into_iter().map(finding).collect()));
    });
    let output = output_of(&pipeline.output)
        .map_err(|finding| found.push(about(pipeline, vec![finding])))
        .ok();
    let mut constants = routing.as_ref().map(Routing::scratch).unwrap_or_default();
    let mut versions = Vec::new();
    for (file, _) in definitions_of(pipeline) {
        let version = version_of(config, pipeline, file, &constants, found);
        if let Some(version) = &version {
            // The next one's constants come on top, so that all run in one memory.
            constants = version.program.scratch();
        }
        versions.push(version);
    }
    let versions: Option<Vec<_>> = versions.into_iter().collect();
    let plan = plan_of(config, pipeline, routing.ok()?, versions?, output?);
    let settings = task_settings(config, pipeline);
    let machines = machines::machines_of(config, pipeline, &plan.versions, plan.limits, &settings)
        .map_err(|refused| found.push(refused))
        .ok()?;
    let plan = shard::Plan { machines, ..plan };
    Some(Prepared { plan: Arc::new(plan) })
}

fn pointer(keys: &[String]) -> String {
    keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Findings about the pipeline's own settings.
fn about(pipeline: &Pipeline, findings: Vec<Diagnostic>) -> Refused {
    Refused { file: format!("pipeline {:?}", pipeline.name), text: String::new(), findings }
}

/// A definition that the pipeline names, on top of `constants`.
fn version_of(
    config: &Config,
    pipeline: &Pipeline,
    file: &File,
    constants: &Scratch,
    found: &mut Vec<Refused>,
) -> Option<shard::Version> {
    let substitutions = substitutions_of(pipeline);
    let options = Options {
        documents: document_limits(config),
        substitutions: &substitutions,
        strict_express: pipeline.strict_aws,
        constants: Some(constants),
        ..Options::default()
    };
    let Definition { shown, text, program, mut findings } = match Definition::read(file, &options) {
        Ok(definition) => definition,
        Err(e) => {
            let (file, findings) = (file.display().to_string(), vec![unreadable(file, &e)]);
            found.push(Refused { file, text: String::new(), findings });
            return None;
        }
    };
    let mut tasks = None;
    if let Some(program) = &program {
        let warning = |message| Diagnostic::warning(WINDOW_TOO_SMALL, message, Location::default());
        findings.extend(window_warnings(config, pipeline, program).into_iter().map(warning));
        let warning = |message| Diagnostic::warning(NOT_COVERED, message, Location::default());
        findings.extend(once_warnings(config, pipeline, program).into_iter().map(warning));
        let code = callbacks::CALLBACK_SETTINGS;
        let warning = |message| Diagnostic::warning(code, message, Location::default());
        let warnings = callbacks::callback_warnings(config, program, &text);
        findings.extend(warnings.into_iter().map(warning));
        tasks = plan_tasks(config, pipeline, file, program)
            .map_err(|unanswered| findings.extend(unanswered.findings()))
            .ok();
    }
    found.push(Refused { file: shown, text, findings });
    let machine = machine_name(file).into();
    Some(shard::Version { machine, program: Arc::new(program?), tasks: Arc::new(tasks?) })
}

/// The limits that the configuration sets on documents.
pub fn document_limits(config: &Config) -> value::Limits {
    value::Limits {
        bytes_max: config.engine.document_size_max.bytes() as usize,
        height_max: config.engine.document_depth_max.min(value::Limits::HEIGHT_CEILING.into())
            as u16,
    }
}

/// What the placeholders of a pipeline's definition stand for: what the configuration says, and the
/// environment behind it.
pub fn substitutions_of(pipeline: &Pipeline) -> Substitutions {
    let mut substitutions = environment();
    for (name, value) in &pipeline.substitutions.0 {
        substitutions.set(name, value);
    }
    substitutions
}

/// The environment's variables, as far as they are text.
pub fn environment() -> Substitutions {
    let text =
        |(name, value): (OsString, OsString)| name.into_string().ok().zip(value.into_string().ok());
    Substitutions::of_environment(std::env::vars_os().filter_map(text))
}

/// A definition's name: its file's, without extensions, or that of a state machine in a template.
pub fn machine_name(place: &File) -> String {
    let (file, name) = parts_of(place);
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return name;
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').find(|part| !part.is_empty()).unwrap_or("definition").to_owned()
}

fn plan_of(
    config: &Config,
    pipeline: &Pipeline,
    routing: Routing,
    versions: Vec<shard::Version>,
    output: shard::Output,
) -> shard::Plan {
    let engine = &config.engine;
    shard::Plan {
        name: pipeline.name.as_str().into(),
        routing,
        versions,
        limits: limits_of(engine, pipeline),
        input: match pipeline.input {
            config::Input::Value => shard::Input::Value,
            config::Input::Record => shard::Input::Record,
            config::Input::Pipes => shard::Input::Batch(shard::Shape::Pipes),
            config::Input::Lambda => shard::Input::Batch(shard::Shape::Lambda),
        },
        batch: shard::BatchBounds {
            records_max: pipeline.batch.records_max as usize,
            bytes_max: [pipeline.batch.bytes_max, engine.document_size_max, engine.state_data_max]
                .iter()
                .map(|size| size.bytes() as usize)
                .min()
                .unwrap_or_default(),
            window_ns: pipeline.batch.window.as_nanos() as u64,
        },
        form: form_of(config, pipeline),
        decode: match pipeline.decode {
            config::Decode::Json => shard::Decode::Json,
            config::Decode::String => shard::Decode::String,
            config::Decode::Bytes => shard::Decode::Bytes,
        },
        null_value: match pipeline.null_value {
            config::NullValue::Skip => shard::NullValue::Skip,
            config::NullValue::Null => shard::NullValue::Null,
            config::NullValue::DeadLetter => shard::NullValue::DeadLetter,
        },
        output,
        policy: match pipeline.failure_policy() {
            config::FailurePolicy::DeadLetter(_) => shard::Policy::DeadLetter,
            config::FailurePolicy::Stop => shard::Policy::Stop,
            config::FailurePolicy::Drop => shard::Policy::Drop,
            config::FailurePolicy::Redrive => shard::Policy::Redrive,
        },
        retry: shard::Retry {
            attempts: pipeline.retry.attempts,
            interval: pipeline.retry.interval,
            backoff_rate: pipeline.retry.backoff_rate,
            interval_max: pipeline.retry.interval_max,
        },
        ordering: ordering_of(pipeline),
        window: ack::Limits {
            records: engine.window_records_max as usize,
            bytes: engine.window_bytes_max.bytes(),
        },
        batch_max: engine.batch_records_max as usize,
        failure_ratio: pipeline.failure_ratio_max.map(|max| (max, pipeline.failure_ratio_window)),
        issuer: callbacks::issuer(&config.callbacks),
        machines: Arc::from([]),
    }
}

fn ordering_of(pipeline: &Pipeline) -> shard::Ordering {
    match pipeline.ordering {
        // A batch holds several keys: what keeps them all in order is their partition's.
        _ if pipeline.is_batched() && is_fifo(pipeline) => shard::Ordering::Partition,
        config::Ordering::None => shard::Ordering::None,
        config::Ordering::Key if pipeline.is_batched() => match pipeline.source.queue_url {
            // Its messages are in no order.
            Some(_) => shard::Ordering::None,
            None => shard::Ordering::Partition,
        },
        config::Ordering::Key => shard::Ordering::Key,
        config::Ordering::Partition => shard::Ordering::Partition,
    }
}

fn limits_of(engine: &config::Engine, pipeline: &Pipeline) -> machine::Limits {
    let ceiling = engine.machine_timeout_max;
    machine::Limits {
        steps_max: engine.work_budget_steps,
        concurrency_max: engine.map_concurrency_max,
        data_bytes_max: engine.state_data_max.bytes() as usize,
        queries: jsonata::Limits {
            steps_max: engine.query_steps_max.into(),
            depth_max: engine.query_depth_max,
            string_bytes_max: engine.query_string_max.bytes() as usize,
            memory_max: engine.query_memory_max.bytes() as usize,
            ..jsonata::Limits::default()
        },
        reads: ReadLimits {
            objects_max: engine.objects_max as usize,
            object_bytes_max: engine.object_unpacked_max.bytes() as usize,
            bytes_max: engine.objects_size_max.bytes() as usize,
        },
        duration_max: pipeline.timeout.map_or(ceiling, |timeout| timeout.min(ceiling)),
        ..machine::Limits::default()
    }
}

fn output_of(output: &config::Output) -> Result<shard::Output, Diagnostic> {
    let parse = |name: &str, text: &str| {
        Path::parse(text).map_err(|e| {
            let message = format!("output.{name} {text:?} is no path: {}.", e.message);
            Diagnostic::error(codes::INVALID_PATH, message, Location::default())
        })
    };
    let topic = match output.target() {
        config::Target::Discard => None,
        config::Target::File(_) => Some(shard::Place::Fixed("".into())),
        config::Target::Topic(config::Place::Fixed(name))
        | config::Target::Queue(config::Place::Fixed(name)) => {
            Some(shard::Place::Fixed(name.as_str().into()))
        }
        config::Target::Topic(config::Place::Path(path)) => {
            Some(shard::Place::Path(parse("topic", path)?))
        }
        config::Target::Queue(config::Place::Path(path)) => {
            Some(shard::Place::Path(parse("queue_url", path)?))
        }
    };
    Ok(shard::Output {
        topic,
        key: match &output.key {
            config::Key::Source => shard::Key::Source,
            config::Key::None => shard::Key::None,
            config::Key::Path(path) => shard::Key::Path(parse("key", path)?),
        },
        has_headers: output.headers == config::Headers::Source,
        value: match &output.value {
            config::OutputValue::Output => None,
            config::OutputValue::Path(path) => Some(parse("value", path)?),
        },
        split: output.split,
    })
}

fn is_fifo(pipeline: &Pipeline) -> bool {
    pipeline.source.queue_url.as_ref().is_some_and(|url| url.ends_with(".fifo"))
}

/// What the source's records look like in an envelope. Dead letters of a queue's messages are such.
fn form_of(config: &Config, pipeline: &Pipeline) -> Arc<dyn shard::Form> {
    let arn = pipeline.source.event_source_arn.as_deref();
    if let Some((own, region)) = queue_arn(config, pipeline) {
        let (arn, region) = (arn.map_or(own.into(), Arc::from), region.into());
        return Arc::new(shard::SqsForm { arn, region });
    }
    match arn.map(|arn| arn.splitn(6, ':').collect::<Vec<_>>()).as_deref() {
        Some([_, _, "sqs", region, _, _]) => Arc::new(shard::SqsForm {
            arn: arn.unwrap_or_default().into(),
            region: (*region).into(),
        }),
        _ => Arc::new(shard::KafkaForm {
            bootstrap_servers: config.kafka.bootstrap_servers.join(",").into(),
            arn: arn.map(Arc::from),
        }),
    }
}

/// The ARN of the pipeline's queue, and its region, if it reads one.
pub fn queue_arn(config: &Config, pipeline: &Pipeline) -> Option<(String, String)> {
    let url = pipeline.source.queue_url.as_deref()?;
    let mut named = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter();
    let region = config.aws.region.clone();
    let region = region.or_else(|| named.find_map(|name| std::env::var(name).ok()));
    Some(aws::sqs::arn_of(url, region.as_deref().unwrap_or(REGION)))
}

/// Gives every Task of the program a driver or a mock, as its pipeline has them, or says where there
/// is none.
pub fn plan_tasks(
    config: &Config,
    pipeline: &Pipeline,
    definition: &File,
    program: &Program,
) -> Result<tasks::Plan, Unanswered> {
    let machine = machine_name(definition);
    let load = |place: &std::path::PathBuf| Mocks::load(&place.to_string_lossy(), &machine);
    let mocks =
        pipeline.mocks.as_ref().map(load).transpose().map_err(|error| Unanswered {
            definition: Vec::new(),
            mocks: vec![error.to_string()],
        })?;
    plan_for(program, task_settings(config, pipeline), mocks)
}

/// What a pipeline's tasks find.
fn task_settings(config: &Config, pipeline: &Pipeline) -> tasks::Settings {
    tasks::Settings {
        http: http_settings(pipeline),
        produce: Some(produce(config, pipeline)),
        objects: pipeline.objects.clone(),
        object_limits: object_limits(&config.engine),
        aws: Some(super::aws::task_settings(config, pipeline)),
        jobs: tasks::JobSettings {
            poll_interval: pipeline.jobs.poll_interval,
            poll_interval_max: pipeline.jobs.poll_interval_max,
        },
        has_callbacks: config.http.listen != config::Listen::Off,
        machines: machines::names(config),
    }
}

/// Why a program's tasks can't be answered: findings about it, and complaints about the mocks.
#[derive(Clone, Debug, Default)]
pub struct Unanswered {
    /// Tasks that nothing answers, by location.
    pub definition: Vec<Diagnostic>,
    /// What is wrong with the mocks.
    pub mocks: Vec<String>,
}

impl Unanswered {
    pub(super) fn findings(self) -> impl Iterator<Item = Diagnostic> {
        let about_mocks =
            |message| Diagnostic::error(codes::UNSUPPORTED_RESOURCE, message, Location::default());
        self.definition.into_iter().chain(self.mocks.into_iter().map(about_mocks))
    }
}

/// What answers the program's tasks.
pub fn plan_for(
    program: &Program,
    settings: tasks::Settings,
    mocks: Option<Mocks>,
) -> Result<tasks::Plan, Unanswered> {
    let states: Vec<TaskState<'_>> = task_states(program).collect();
    tasks::Plan::prepare(&states, settings, mocks).map_err(|refusals| {
        let mut unanswered = Unanswered::default();
        for tasks::Refusal { task, message } in refusals {
            let Some(at) = task else {
                unanswered.mocks.push(message);
                continue;
            };
            let location = program.resources[states[at].resource].location.clone();
            let finding = Diagnostic::error(codes::UNSUPPORTED_RESOURCE, message, location);
            unanswered.definition.push(finding);
        }
        unanswered
    })
}

fn task_states(program: &Program) -> impl Iterator<Item = TaskState<'_>> {
    program.rows.iter().flat_map(|row| {
        row.step.resources().into_iter().map(|id| {
            let resource = program.resource(id);
            TaskState {
                name: &row.name,
                resource: id.0 as usize,
                text: &resource.arn,
                parsed: &resource.parsed,
            }
        })
    })
}

fn http_settings(pipeline: &Pipeline) -> tasks::HttpSettings {
    let http = &pipeline.http;
    let exposed = |secrets: &config::Secrets| {
        secrets.0.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
    };
    let connection = |(name, it): (&String, &config::Connection)| {
        let basic = it.username.clone().zip(it.password.as_ref().map(|it| it.expose().to_owned()));
        let text =
            |secret: &Option<config::Secret>| secret.as_ref().map(|it| it.expose().to_owned());
        let (certificate, key) = (text(&it.certificate), text(&it.key));
        let tls = tasks::Tls { certificate, key, authorities: text(&it.authorities) };
        let oauth = it.oauth.as_ref().map(|oauth| tasks::OAuth {
            token_url: oauth.token_url.0.clone(),
            client_id: oauth.client_id.clone(),
            client_secret: oauth.client_secret.expose().to_owned(),
            parameters: exposed(&oauth.parameters),
        });
        let (headers, query) = (exposed(&it.headers), exposed(&it.query));
        (name.clone(), tasks::Connection { headers, query, basic, oauth, tls })
    };
    tasks::HttpSettings {
        connect_timeout: http.connect_timeout,
        request_timeout: http.request_timeout,
        calls_max: http.calls_max as usize,
        idle_connections_max: http.idle_connections_max as usize,
        idle_timeout: http.idle_timeout,
        response_bytes_max: http.response_size_max.bytes() as usize,
        redirects_max: http.redirects_max as usize,
        hosts: http.hosts.clone(),
        is_strict: pipeline.strict_aws,
        connections: http.connections.0.iter().map(connection).collect(),
    }
}

/// What the reading of objects is held to.
pub(super) fn object_limits(engine: &config::Engine) -> tasks::ObjectLimits {
    tasks::ObjectLimits {
        size_max: engine.object_size_max.bytes() as usize,
        keys_max: engine.object_keys_max as usize,
        files_max: engine.object_files_max as usize,
    }
}

fn produce(config: &Config, pipeline: &Pipeline) -> tasks::ProduceSettings {
    tasks::ProduceSettings {
        brokers: config.kafka.bootstrap_servers.join(","),
        properties: super::ends::producer_properties(&config.kafka),
        timeout: pipeline.produce.timeout,
        topics: pipeline.produce.topics.clone(),
        topics_max: pipeline.produce.topics_max as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::source::Format;
    use crate::program::compile;

    #[test]
    fn machines_are_named_by_their_files() {
        assert_eq!(machine_name(File::new("a/orders.asl.json")), "orders");
        assert_eq!(machine_name(File::new("orders")), "orders");
        assert_eq!(machine_name(File::new("template.yaml#Orders")), "Orders");
        assert_eq!(machine_name(File::new(".hidden.yaml")), "hidden");
    }

    #[test]
    fn unanswered_tasks_are_located() {
        let text = "StartAt: A/B\nStates:\n  A/B:\n    Type: Task\n    \
                    Resource: arn:aws:states:::sqs:sendMessage\n    End: true\n";
        let (program, _) = compile(text.as_bytes(), Format::Yaml, &Options::default());
        let program = program.expect("it is well-formed");
        let refused = plan_for(&program, tasks::Settings::default(), None).expect_err("no driver");
        let location = &refused.definition[0].location;
        assert_eq!((location.line, location.pointer.as_str()), (5, "/States/A~1B/Resource"));
    }
}
