//! Opens the ends of streams: for each pipeline a source and, for each shard, its sinks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::StartError;
use crate::config::{self, Config, DeadLetterTarget, FailurePolicy, Pipeline, SourceKind, Target};
use crate::kafka::Properties;
use crate::record::{AssignmentId, Wake};
use crate::shard::{Letters, Outlet};
use crate::sinks::{self, Sink, SinkError};
use crate::sources::file::FileSource;
use crate::sources::kafka::{KafkaSource, OutOfRange, Settings, Start};
use crate::sources::letters::Form;
use crate::sources::{self, Source};

/// How long the broker may take to say whether topics exist.
const VERIFY_BOUND: Duration = Duration::from_secs(10);
/// Share of the byte budget for records that were fetched and not yet taken.
const FETCHED_SHARE: u64 = 4;
/// Share of the byte budget for outputs that were not yet acknowledged.
const OUTPUT_SHARE: u64 = 4;

/// A pipeline's source: what steers it, and an end for each shard that gets one.
pub type Opened = (Option<KafkaSource>, Vec<Option<Box<dyn Source>>>);

/// Opens the pipeline's source, and the letters that it hands over, if that is what they are.
pub fn open_source(
    config: &Config,
    pipeline: &Pipeline,
    index: usize,
    wakes: &[Wake],
) -> Result<Opened, StartError> {
    let (source, ends) = open_bare(config, pipeline, index, wakes)?;
    if !pipeline.source.dead_letters {
        return Ok((source, ends));
    }
    let form = if source.is_some() { Form::Record } else { Form::Line };
    let letters = |end| Box::new(sources::letters::Letters::new(end, form)) as Box<dyn Source>;
    Ok((source, ends.into_iter().map(|end| end.map(letters)).collect()))
}

/// Opens the source as it is. `index`: the pipeline's, which names a file's assignment.
fn open_bare(
    config: &Config,
    pipeline: &Pipeline,
    index: usize,
    wakes: &[Wake],
) -> Result<Opened, StartError> {
    let failed = |why: String| StartError::new(format!("pipeline {:?}: {why}", pipeline.name));
    match pipeline.source.kind() {
        SourceKind::File(file) => {
            let name = file_name(file);
            // Kafka's assignments count up from 0; files count down from the other end.
            let id = AssignmentId(u32::MAX - index as u32);
            let settings = sources::file::Settings::new(&name, id);
            let source = FileSource::open(settings, wakes[0].clone());
            let source = source.map_err(|e| failed(e.message))?;
            let mut ends: Vec<Option<Box<dyn Source>>> = vec![Some(Box::new(source))];
            ends.resize_with(wakes.len(), || None);
            Ok((None, ends))
        }
        SourceKind::Kafka { topics, group, start } => {
            let topics = match topics {
                config::Topics::List(list) => list.to_vec(),
                config::Topics::Pattern(pattern) => vec![anchored(pattern)],
            };
            let settings = Settings {
                brokers: config.kafka.bootstrap_servers.join(","),
                group: group.to_owned(),
                topics,
                start: start_of(start),
                out_of_range: OutOfRange::Stop,
                commit_interval: config.engine.commit_interval,
                drain_bound: None,
                request_bound: VERIFY_BOUND,
                queue_bytes: Some(config.engine.byte_budget.bytes() / FETCHED_SHARE),
                properties: consumer_properties(&config.kafka),
            };
            let (source, ends) =
                KafkaSource::start(&settings, wakes.to_vec()).map_err(|e| failed(e.message))?;
            Ok((Some(source), ends.into_iter().map(Some).collect()))
        }
    }
}

/// librdkafka takes a topic for a pattern where it begins with `^`.
fn anchored(pattern: &str) -> String {
    if pattern.starts_with('^') { pattern.to_owned() } else { format!("^{pattern}") }
}

fn start_of(start: config::Start) -> Start {
    match start {
        config::Start::Committed => Start::Committed,
        config::Start::Earliest => Start::Earliest,
        config::Start::Latest => Start::Latest,
        config::Start::Timestamp(ms) => Start::Timestamp(ms),
        config::Start::Offset(offset) => Start::Offset(offset),
    }
}

fn file_name(file: &config::StreamFile) -> String {
    file.file().map_or("-".to_owned(), |file| file.display().to_string())
}

/// Files that sinks of several shards share, by name.
#[derive(Default)]
pub struct Files(BTreeMap<String, sinks::file::Target>);

impl Files {
    fn sink(&mut self, name: &str, wake: &Wake) -> Result<Box<dyn Sink>, SinkError> {
        let target = match self.0.get(name) {
            Some(target) => target.clone(),
            None => {
                let target = sinks::file::Target::open(name)?;
                self.0.insert(name.to_owned(), target.clone());
                target
            }
        };
        Ok(Box::new(sinks::file::FileSink::new(target, wake.clone())))
    }
}

/// Opens one shard's sinks of the pipeline. `verify`: ask the broker for the topics; once is enough.
pub fn open_sinks(
    config: &Config,
    pipeline: &Pipeline,
    files: &mut Files,
    wake: &Wake,
    verify: bool,
) -> Result<(Box<dyn Sink>, Letters), StartError> {
    let failed = |why: String| StartError::new(format!("pipeline {:?}: {why}", pipeline.name));
    let sink: Box<dyn Sink> = match pipeline.output.target() {
        Target::Discard => Box::new(sinks::discard::Discard::new(wake.clone())),
        Target::File(file) => files.sink(&file_name(file), wake).map_err(|e| failed(e.message))?,
        Target::Topic(place) => {
            let topic = match place {
                config::Place::Fixed(topic) if verify => Some(topic.as_str()),
                _ => None,
            };
            Box::new(open_kafka(config, wake, topic).map_err(failed)?)
        }
    };
    let letters = open_letters(config, pipeline, files, wake, verify).map_err(failed)?;
    Ok((sink, letters))
}

fn open_letters(
    config: &Config,
    pipeline: &Pipeline,
    files: &mut Files,
    wake: &Wake,
    verify: bool,
) -> Result<Letters, String> {
    let target = match (pipeline.failure_policy(), &pipeline.dead_letter) {
        (FailurePolicy::DeadLetter(target), _) => target,
        // Tombstones may be dead letters under any policy.
        (_, Some(target)) => target,
        (_, None) => return Ok(Letters::default()),
    };
    let mut file = |file: &std::path::Path| {
        let sink = files.sink(&file.display().to_string(), wake).map_err(|e| e.message)?;
        Ok::<_, String>(Outlet::new(sink))
    };
    match target.target() {
        DeadLetterTarget::File(name) => Ok(Letters::to_file(file(name)?)),
        DeadLetterTarget::Topic(topic, fallback) => {
            let fallback = fallback.map(file).transpose()?;
            let mut sink = open_kafka(config, wake, verify.then_some(topic))?;
            let id = sink.topic(topic).map_err(|e| e.message)?;
            Ok(Letters::to_topic(Outlet::new(Box::new(sink)), id, fallback))
        }
    }
}

/// A Kafka sink; `verify` names a topic that must exist.
fn open_kafka(
    config: &Config,
    wake: &Wake,
    verify: Option<&str>,
) -> Result<sinks::kafka::KafkaSink, String> {
    let settings = sinks::kafka::Settings {
        brokers: config.kafka.bootstrap_servers.join(","),
        queue_bytes: Some(config.engine.byte_budget.bytes() / OUTPUT_SHARE),
        properties: producer_properties(&config.kafka),
    };
    let shards = config.engine.shards.count();
    let sink = sinks::kafka::KafkaSink::new(&settings, shards, wake.clone());
    let sink = sink.map_err(|e| e.message)?;
    if let Some(topic) = verify {
        sink.verify(&[topic], VERIFY_BOUND).map_err(|e| e.message)?;
    }
    Ok(sink)
}

/// The properties of all consumers.
pub fn consumer_properties(kafka: &config::Kafka) -> Properties {
    merged(&kafka.properties, &kafka.consumer)
}

/// The properties of all producers.
pub fn producer_properties(kafka: &config::Kafka) -> Properties {
    merged(&kafka.properties, &kafka.producer)
}

fn merged(common: &config::Properties, own: &config::Properties) -> Properties {
    let pairs = common.iter().chain(own.iter());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
