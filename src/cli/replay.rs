//! `expressway replay CONFIG`: runs dead letters again, through the definition as it is now.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::Consumer;

use super::definition::Filled;
use super::run::{Signals, complain_of};
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain, log, print};
use crate::asl::excerpt::render;
use crate::config::{self, Config, DeadLetterTarget, OnFailure, Pipeline, StreamFile};
use crate::engine::{Engine, Prepared, Stopped, consumer_properties, prepare, queue_arn};
use crate::kafka;
use crate::states::Step;

const ROUND: Duration = Duration::from_millis(100);
/// How long the broker may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// So long without a letter read or settled, and the rest is given up.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Run dead letters again
///
/// Takes a pipeline's dead letters, from its dead_letter topic or from a file of them, and runs the
/// records in them through its definition as it is now, under the names that their executions had.
/// Outputs go where the pipeline's go. What fails again is written to a file, a dead letter a line,
/// which can be replayed in turn. From a topic, it goes on where the last replay ended (the consumer
/// group has the pipeline's name with "-replay" behind it) and ends with the letters that are there
/// when it starts.
///
/// A dry run writes nothing and calls no tasks (mocks answer them): it says how many would succeed.
///
/// Examples:
///   expressway replay pipeline.toml --dry-run
///   expressway replay pipeline.toml --pipeline orders --failed still-dead.ndjson
///   expressway replay pipeline.toml --file still-dead.ndjson
///
/// Exit code: 0 where every letter succeeded; 1 where some failed again, or it could not end; 2
/// where it could not start.
#[derive(clap::Parser)]
#[command(name = "replay", verbatim_doc_comment)]
pub(super) struct Replay {
    /// The configuration (TOML)
    config: PathBuf,
    /// Whose letters, where there are several pipelines
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Letters from a file, one JSON object a line, instead of the topic
    #[arg(long)]
    file: Option<PathBuf>,
    /// Where letters go that fail again [default: NAME.failed.ndjson]
    #[arg(long, value_name = "FILE")]
    failed: Option<PathBuf>,
    /// Write nothing, call nothing, commit nothing of the pipeline's: only say what would be
    #[arg(long)]
    dry_run: bool,
    /// Answers instead of calls, for the states that they name
    #[arg(long, value_name = "FILE")]
    mocks: Option<PathBuf>,
    #[command(flatten)]
    filled: Filled,
}

impl Run for Replay {
    fn run(self) -> anyhow::Result<u8> {
        let config = match config::load(&self.config) {
            Ok(config) => config.with_substitutions(self.filled.given()),
            Err(findings) => {
                complain(&render(&self.config.to_string_lossy(), "", &findings));
                return Ok(REFUSED);
            }
        };
        let config = self.derived(config)?;
        let rates = log::start(&config.log);
        let prepared = match prepare(&config) {
            Ok((prepared, _)) => prepared,
            Err(refused) => {
                complain_of(&refused);
                return Ok(REFUSED);
            }
        };
        if self.dry_run && config.pipeline[0].mocks.is_none() && calls_tasks(&prepared) {
            bail!(
                "a dry run calls no tasks, and the definition has some: answer them with --mocks"
            );
        }
        let ends = self.ends(&config)?;
        let done = follow(&config, &prepared, &ends);
        rates.finish();
        self.report(&config, done?)
    }
}

/// How it went.
struct Done {
    succeeded: u64,
    failed: u64,
    is_complete: bool,
}

impl Replay {
    /// The pipeline with its letters as its source, and nothing else.
    fn derived(&self, mut config: Config) -> anyhow::Result<Config> {
        let named = |it: &Pipeline| self.pipeline.as_ref().is_none_or(|name| it.name == *name);
        config.pipeline.retain(named);
        let arn = config.pipeline.first().and_then(|it| queue_arn(&config, it));
        let arn = arn.map(|(arn, _)| arn);
        let [pipeline] = &mut config.pipeline[..] else {
            bail!("name one of the configuration's pipelines with --pipeline");
        };
        let name = pipeline.name.clone();
        // In an envelope a letter is what it was.
        pipeline.source.event_source_arn = pipeline.source.event_source_arn.take().or(arn);
        let source = &mut pipeline.source;
        (source.topics, source.topic_pattern, source.file) = (Vec::new(), None, None);
        source.queue_url = None;
        (source.dead_letters, source.start) = (true, config::Start::Committed);
        match (&self.file, &pipeline.dead_letter) {
            (Some(file), _) => {
                (source.file, source.group) = (Some(StreamFile::At(file.clone())), None);
            }
            (None, Some(letters)) => match letters.target() {
                DeadLetterTarget::Topic(topic, _) => {
                    source.topics = vec![topic.to_owned()];
                    let suffix = if self.dry_run {
                        format!("dry-run-{}", std::process::id())
                    } else {
                        "replay".to_owned()
                    };
                    source.group = Some(format!("{name}-{suffix}"));
                }
                DeadLetterTarget::Queue(url) => bail!(
                    "pipeline {name:?} writes its dead letters to the queue {url}: read it with a \
                     pipeline whose source has that queue_url and dead_letters = true"
                ),
                DeadLetterTarget::File(file) => {
                    let file = file.display();
                    bail!(
                        "pipeline {name:?} writes its dead letters to {file}: give a copy of it \
                           with --file"
                    );
                }
            },
            (None, None) => bail!("pipeline {name:?} has no dead_letter: give letters with --file"),
        }
        config.http.listen = config::Listen::Off;
        pipeline.mocks = self.mocks.clone().or(pipeline.mocks.take());
        if self.dry_run {
            pipeline.on_failure = OnFailure::Drop;
            (pipeline.dead_letter, pipeline.failure_ratio_max) = (None, None);
            let output = &mut pipeline.output;
            (output.topic, output.file, output.discard) = (None, None, true);
            output.queue_url = None;
        } else {
            pipeline.on_failure = OnFailure::DeadLetter;
            pipeline.dead_letter = Some(config::DeadLetter {
                topic: None,
                queue_url: None,
                file: Some(self.failed_file(&name)),
                fallback_file: None,
            });
        }
        Ok(config)
    }

    fn failed_file(&self, name: &str) -> PathBuf {
        self.failed.clone().unwrap_or_else(|| format!("{name}.failed.ndjson").into())
    }

    /// Where the letters end that are there now, by partition, as far as there is anything to read.
    fn ends(&self, config: &Config) -> anyhow::Result<Vec<(i32, i64)>> {
        let source = &config.pipeline[0].source;
        let [topic] = &source.topics[..] else { return Ok(Vec::new()) };
        let attempt = || format!("could not look up the letters in topic {topic}");
        let ours = [
            ("bootstrap.servers", config.kafka.bootstrap_servers.join(",")),
            ("group.id", source.group.clone().unwrap_or_default()),
        ];
        let properties = consumer_properties(&config.kafka);
        let client = kafka::consumer_config(&properties, &ours)?;
        let consumer = kafka::errand(&client).with_context(attempt)?;
        let metadata = kafka::topics(&consumer, Some(topic), ANSWER).with_context(attempt)?;
        let partitions = metadata.topics().iter().flat_map(|it| it.partitions());
        let mut list = rdkafka::TopicPartitionList::new();
        let numbers: Vec<i32> = partitions.map(|it| it.id()).collect();
        for number in &numbers {
            list.add_partition(topic, *number);
        }
        let committed = consumer.committed_offsets(list, ANSWER).with_context(attempt)?;
        let mut ends = Vec::new();
        for number in numbers {
            let (low, high) =
                consumer.fetch_watermarks(topic, number, ANSWER).with_context(attempt)?;
            let from = match committed.find_partition(topic, number).map(|it| it.offset()) {
                Some(rdkafka::Offset::Offset(offset)) => offset.max(low),
                _ => low,
            };
            ends.extend((high > from).then_some((number, high)));
        }
        Ok(ends)
    }

    fn report(&self, config: &Config, done: Done) -> anyhow::Result<u8> {
        let Done { succeeded, failed, is_complete } = done;
        let name = &config.pipeline[0].name;
        let all = succeeded + failed;
        if self.dry_run {
            print(&format!("{all} letters of {name}: {succeeded} would succeed, {failed} fail\n"))?;
        } else {
            let file = self.failed_file(name);
            let file = file.display();
            let more = if failed > 0 { format!(", see {file}") } else { String::new() };
            print(&format!(
                "{all} letters of {name}: {succeeded} succeeded, {failed} failed{more}\n"
            ))?;
        }
        if !is_complete {
            complain("error: not all letters were replayed; see the log, and start it again");
        }
        Ok(if failed == 0 && is_complete { SUCCEEDED } else { FAILED })
    }
}

/// Does an execution of it call anything?
fn calls_tasks(prepared: &[Prepared]) -> bool {
    prepared
        .iter()
        .flat_map(|it| &it.plan.versions)
        .flat_map(|it| &it.program.rows)
        .any(|row| matches!(row.step, Step::Task(_)))
}

/// Runs the engine until everything below the ends has settled, or the file has ended.
fn follow(config: &Config, prepared: &[Prepared], ends: &[(i32, i64)]) -> anyhow::Result<Done> {
    let is_file = config.pipeline[0].source.topics.is_empty();
    if !is_file && ends.is_empty() {
        return Ok(Done { succeeded: 0, failed: 0, is_complete: true });
    }
    let signals = Signals::install()?;
    let mut engine = Engine::start(config, prepared)?;
    let metrics = engine.metrics.clone();
    let (mut moved, mut last) = (Instant::now(), 0);
    let mut is_complete = loop {
        engine.look_after();
        let settled_to = |number: i32| {
            engine.lags().filter(|it| it.partition == number).map(|it| it.settled).max()
        };
        let is_over = match is_file {
            true => engine.is_over(),
            false => ends.iter().all(|(number, end)| settled_to(*number) >= Some(*end)),
        };
        if is_over {
            break true;
        }
        let counts = metrics.totals(0).counts;
        if counts.settled + counts.records_in > last {
            (moved, last) = (Instant::now(), counts.settled + counts.records_in);
        }
        if signals.count() > 0 || engine.stopped().is_some() || moved.elapsed() > IDLE_MAX {
            break false;
        }
        thread::sleep(ROUND);
    };
    let panics = engine.panics();
    is_complete &= engine.stop() == Stopped::Drained && panics.first().is_none();
    let counts = metrics.totals(0).counts;
    let failed = counts.dead_letters + counts.dropped;
    Ok(Done { succeeded: counts.settled - failed, failed, is_complete })
}
