//! Opens the ends of streams: for each pipeline a source and, for each shard, its sinks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::aws::client_settings;
use super::remote::Remote;
use super::{Prepared, StartError};
use crate::config::{
    self, Config, DeadLetterTarget, Delivery, FailurePolicy, Pipeline, SourceKind, Target,
};
use crate::kafka::{Membership, Properties};
use crate::record::{AssignmentId, Wake};
use crate::shard::{Lane, Letters, Outlet, Transactions, Way};
use crate::sinks::{self, Sink, SinkError};
use crate::sources::file::FileSource;
use crate::sources::kafka::{KafkaSource, OutOfRange, Settings, Start};
use crate::sources::letters::Form;
use crate::sources::sqs::{self, SqsSource};
use crate::sources::{self, Source};

/// How long the broker may take to say whether topics exist.
const VERIFY_BOUND: Duration = Duration::from_secs(10);
/// Share of the byte budget for records that were fetched and not yet taken.
const FETCHED_SHARE: u64 = 4;
/// Share of the byte budget for outputs that were not yet acknowledged.
const OUTPUT_SHARE: u64 = 4;

/// What steers the sources, by pipeline; and each shard's lanes.
type Ends = (Vec<Option<Remote>>, Vec<Vec<Lane>>);

/// Opens all pipelines' ends, and puts together each shard's lanes.
pub fn open(config: &Config, prepared: &[Prepared], wakes: &[Wake]) -> Result<Ends, StartError> {
    // Sinks before sources: a topic that is not there ends the start before anything is read.
    let mut files = Files::default();
    let memberships = vec![Membership::default(); config.pipeline.len()];
    let mut sinks = Vec::new();
    for shard in wakes.iter().enumerate().map(|(at, wake)| (wake, at)) {
        let pipelines = config.pipeline.iter().zip(&memberships);
        let of_shard: Result<Vec<_>, _> = pipelines
            .map(|(it, member)| open_sinks(config, it, &mut files, shard, member))
            .collect();
        sinks.push(of_shard?);
    }
    let mut remotes = Vec::new();
    let mut sources: Vec<Vec<_>> = wakes.iter().map(|_| Vec::new()).collect();
    for (index, pipeline) in config.pipeline.iter().enumerate() {
        let (remote, of_shards) = open_source(config, pipeline, index, wakes)?;
        if let Some(Remote::Kafka(source)) = &remote {
            memberships[index].tell(source.membership());
        }
        remotes.push(remote);
        for (shard, end) in sources.iter_mut().zip(of_shards) {
            shard.push(end);
        }
    }
    let of_shard = |(sinks, sources): (Vec<Sinks>, Vec<_>)| {
        let ends = sinks.into_iter().zip(sources);
        prepared.iter().zip(ends).map(|(it, (sinks, source))| sinks.lane(it, source)).collect()
    };
    Ok((remotes, sinks.into_iter().zip(sources).map(of_shard).collect()))
}

/// A pipeline's source: what steers it, and an end for each shard that gets one.
type Opened = (Option<Remote>, Vec<Option<Box<dyn Source>>>);

/// Opens the pipeline's source, and the letters that it hands over, if that is what they are.
fn open_source(
    config: &Config,
    pipeline: &Pipeline,
    index: usize,
    wakes: &[Wake],
) -> Result<Opened, StartError> {
    let (source, ends) = open_bare(config, pipeline, index, wakes)?;
    if !pipeline.source.dead_letters {
        return Ok((source, ends));
    }
    let is_topic = matches!(source, Some(Remote::Kafka(_)));
    let form = if is_topic { Form::Record } else { Form::Line };
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
        SourceKind::Queue(url) => {
            let settings = queue_settings(config, pipeline, url);
            // As with files.
            let id = AssignmentId(u32::MAX - index as u32);
            let (source, ends) = SqsSource::start(settings, id, wakes.to_vec()).map_err(failed)?;
            Ok((Some(Remote::Sqs(source)), ends.into_iter().map(Some).collect()))
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
                keeps_ahead: keeps_ahead(pipeline),
                properties: consumer_properties(&config.kafka),
            };
            let (source, ends) =
                KafkaSource::start(&settings, wakes.to_vec()).map_err(|e| failed(e.message))?;
            Ok((Some(Remote::Kafka(source)), ends.into_iter().map(Some).collect()))
        }
    }
}

/// Only where no order is kept: a record that is repeated would come behind those that were done ahead
/// of it.
fn keeps_ahead(pipeline: &Pipeline) -> bool {
    pipeline.ordering == config::Ordering::None && pipeline.delivery == Delivery::AtLeastOnce
}

fn queue_settings(config: &Config, pipeline: &Pipeline, url: &str) -> sqs::Settings {
    let sqs = &pipeline.source.sqs;
    sqs::Settings {
        queue_url: url.to_owned(),
        client: client_settings(&config.aws),
        receivers: sqs.receivers as usize,
        wait: sqs.wait,
        visibility: sqs.visibility,
        prefetch_max: sqs.prefetch_max as usize,
        settle_calls_max: sqs.settle_calls_max as usize,
        backoff: sqs.redrive_interval,
        backoff_max: sqs.redrive_interval_max,
        batch_max: pipeline.is_batched().then_some(pipeline.batch.records_max as usize),
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
struct Files(BTreeMap<String, sinks::file::Target>);

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

/// One shard's sinks of a pipeline.
struct Sinks {
    /// For outputs.
    output: Box<dyn Sink>,
    /// For dead letters.
    letters: Letters,
    /// What the source is to be put into, where outputs and offsets are committed together.
    transactions: Option<Transactions>,
}

impl Sinks {
    /// Puts them together with the shard's end of the source.
    fn lane(self, prepared: &Prepared, source: Option<Box<dyn Source>>) -> Lane {
        let source = match (source, self.transactions) {
            (Some(source), Some(transactions)) => Some(transactions.source(source)),
            (source, _) => source,
        };
        Lane { plan: prepared.plan.clone(), source, sink: self.output, letters: self.letters }
    }
}

/// Opens one shard's sinks of the pipeline. `verify`: ask the broker for the topics; once is enough.
/// `membership`: of the pipeline's source, which is opened later.
fn open_sinks(
    config: &Config,
    pipeline: &Pipeline,
    files: &mut Files,
    (wake, shard): (&Wake, usize),
    membership: &Membership,
) -> Result<Sinks, StartError> {
    let failed = |why: String| StartError::new(format!("pipeline {:?}: {why}", pipeline.name));
    let verify = shard == 0;
    let transactions = match pipeline.delivery {
        Delivery::AtLeastOnce => None,
        Delivery::ExactlyOnce => {
            Some(open_transactions(config, pipeline, (wake, shard), membership).map_err(failed)?)
        }
    };
    let output: Box<dyn Sink> = match pipeline.output.target() {
        Target::Discard => Box::new(sinks::discard::Discard::new(wake.clone())),
        Target::File(file) => files.sink(&file_name(file), wake).map_err(|e| failed(e.message))?,
        Target::Queue(_) => Box::new(open_queue(config, pipeline, wake).map_err(failed)?),
        Target::Topic(place) => {
            let topic = match place {
                config::Place::Fixed(topic) if verify => Some(topic.as_str()),
                _ => None,
            };
            Box::new(open_kafka(config, wake, topic).map_err(failed)?)
        }
    };
    // Opened all the same: it has asked for the topic. What is discarded leaves offsets to commit.
    let output = match &transactions {
        Some(transactions) => transactions.sink(Way::Output),
        None => output,
    };
    let to = LetterTo { wake, verify, transactions: transactions.as_ref() };
    let letters = open_letters(config, pipeline, files, &to).map_err(failed)?;
    Ok(Sinks { output, letters, transactions })
}

/// One shard's transactions. Its producer's name tells whose it is.
fn open_transactions(
    config: &Config,
    pipeline: &Pipeline,
    (wake, shard): (&Wake, usize),
    membership: &Membership,
) -> Result<Transactions, String> {
    let name = match &config.kafka.transactional_id {
        Some(own) => sinks::kafka::Name::Given(format!("{own}-{}-{shard}", pipeline.name)),
        None => sinks::kafka::Name::Fresh(format!("expressway-{}-{shard}", pipeline.name)),
    };
    let backend = sinks::kafka::KafkaTransactions::open(
        &sink_settings(config),
        config.engine.shards.count(),
        name,
        membership.clone(),
        wake.clone(),
    );
    let backend = backend.map_err(|e| e.message)?;
    Ok(Transactions::new(Box::new(backend), config.engine.commit_interval))
}

/// How a shard's dead letters are opened.
struct LetterTo<'a> {
    wake: &'a Wake,
    verify: bool,
    transactions: Option<&'a Transactions>,
}

fn open_letters(
    config: &Config,
    pipeline: &Pipeline,
    files: &mut Files,
    to: &LetterTo<'_>,
) -> Result<Letters, String> {
    let LetterTo { wake, verify, transactions } = *to;
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
        DeadLetterTarget::Queue(url) => {
            let mut sink = open_queue(config, pipeline, wake)?;
            sink.topic(url).map_err(|e| e.message)?;
            Ok(Letters::to_file(Outlet::new(Box::new(sink))))
        }
        DeadLetterTarget::Topic(topic, fallback) => {
            let fallback = fallback.map(file).transpose()?;
            let sink = open_kafka(config, wake, verify.then_some(topic))?;
            let mut sink: Box<dyn Sink> = match transactions {
                Some(transactions) => transactions.sink(Way::Letter),
                None => Box::new(sink),
            };
            let id = sink.topic(topic).map_err(|e| e.message)?;
            Ok(Letters::to_topic(Outlet::new(sink), id, fallback))
        }
    }
}

fn open_queue(
    config: &Config,
    pipeline: &Pipeline,
    wake: &Wake,
) -> Result<sinks::sqs::SqsSink, String> {
    let sqs = &pipeline.output.sqs;
    let settings = sinks::sqs::Settings {
        client: client_settings(&config.aws),
        in_flight_max: sqs.in_flight_max as usize,
        calls_max: sqs.calls_max as usize,
    };
    sinks::sqs::SqsSink::open(settings, wake.clone())
}

/// A Kafka sink; `verify` names a topic that must exist.
fn open_kafka(
    config: &Config,
    wake: &Wake,
    verify: Option<&str>,
) -> Result<sinks::kafka::KafkaSink, String> {
    let shards = config.engine.shards.count();
    let sink = sinks::kafka::KafkaSink::new(&sink_settings(config), shards, wake.clone());
    let sink = sink.map_err(|e| e.message)?;
    if let Some(topic) = verify {
        sink.verify(&[topic], VERIFY_BOUND).map_err(|e| e.message)?;
    }
    Ok(sink)
}

fn sink_settings(config: &Config) -> sinks::kafka::Settings {
    sinks::kafka::Settings {
        brokers: config.kafka.bootstrap_servers.join(","),
        queue_bytes: Some(config.engine.byte_budget.bytes() / OUTPUT_SHARE),
        properties: producer_properties(&config.kafka),
    }
}

/// The properties of all consumers.
pub fn consumer_properties(kafka: &config::Kafka) -> Properties {
    merged(kafka, &kafka.consumer)
}

/// The properties of all producers.
pub fn producer_properties(kafka: &config::Kafka) -> Properties {
    merged(kafka, &kafka.producer)
}

fn merged(kafka: &config::Kafka, own: &config::Properties) -> Properties {
    let iam: &[_] = match &kafka.msk_iam_region {
        None => &[],
        Some(region) => {
            make_tokens(region);
            &[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")]
        }
    };
    let pairs = iam.iter().copied().chain(kafka.properties.iter()).chain(own.iter());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Has clients show who they are by IAM.
#[cfg(feature = "msk-iam")]
fn make_tokens(region: &str) {
    let region = region.to_owned();
    crate::kafka::set_token_source(move || {
        let crate::aws::Token { text, expires_ms } = crate::aws::msk_token(&region)?;
        Ok(crate::kafka::Token { text, expires_ms })
    });
}

/// The configuration's check has refused it.
#[cfg(not(feature = "msk-iam"))]
fn make_tokens(_: &str) {}
