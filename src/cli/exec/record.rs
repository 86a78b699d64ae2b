//! One real record: read from Kafka or out of a dead letter, and run as its pipeline would run it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::driver::{Clock, Driver};
use super::{Exec, block_on, failed, report};
use crate::asl::excerpt::render;
use crate::cli::run::complain_of;
use crate::cli::{REFUSED, SUCCEEDED, complain};
use crate::config::{self, Config};
use crate::engine::{Prepared, consumer_properties, prepare};
use crate::kafka;
use crate::machine::Identity;
use crate::record::{AssignmentId, First, Header, Position, Record};
use crate::shard::{NullValue, Origin, read_input};
use crate::sources::Arrival;
use crate::sources::letters::{self, Form};

/// How long the brokers may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Letters that are shown of a file with several.
const LETTERS_SHOWN: usize = 10;

/// The pipeline where only a definition was given.
const BARE: &str = r#"
[[pipeline]]
name = "exec"
definition = "-"
on_failure = "drop"
source = { topics = ["-"], group = "expressway-exec" }
output = { discard = true }
"#;

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    topic: String,
    partition: i32,
    offset: i64,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let what = || "write TOPIC:PARTITION:OFFSET, orders:3:4711 say".to_owned();
        let mut parts = text.rsplitn(3, ':');
        let offset = parts.next().and_then(|it| it.parse().ok()).filter(|it| *it >= 0);
        let partition = parts.next().and_then(|it| it.parse().ok()).filter(|it| *it >= 0);
        let topic = parts.next().filter(|topic| !topic.is_empty());
        match (topic, partition, offset) {
            (Some(topic), Some(partition), Some(offset)) => {
                Ok(Place { topic: topic.to_owned(), partition, offset })
            }
            _ => Err(what()),
        }
    }
}

/// A record, kept.
struct Found {
    place: Place,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    /// What names it, a queue's message.
    id: Option<String>,
}

impl Found {
    fn lend<T>(&self, use_it: impl FnOnce(&Record<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| Header { name, value: value.as_deref() })
            .collect();
        use_it(&Record {
            position: Position { assignment: AssignmentId(0), offset: self.place.offset },
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            first: None,
            id: self.id.as_deref(),
        })
    }
}

impl Exec {
    /// Runs the record that was asked for.
    pub(super) fn run_record(&self) -> anyhow::Result<u8> {
        let letter = self.dead_letter.as_deref().map(|file| self.letter(file)).transpose()?;
        let Some(config) = self.configuration(letter.as_ref().map(|it| it.1.as_str()))? else {
            return Ok(REFUSED);
        };
        let prepared = match prepare(&config) {
            Ok((prepared, warned)) => {
                complain_of(&warned);
                prepared
            }
            Err(refused) => {
                complain_of(&refused);
                return Ok(REFUSED);
            }
        };
        let found = match (letter, &self.from) {
            (Some((found, _)), _) => found,
            (None, Some(place)) => opened(fetch(&config, place)?),
            (None, None) => bail!("name a record with --from or --dead-letter"),
        };
        found.lend(|record| self.run_one(&prepared[0], &found.place, record))
    }

    fn run_one(&self, prepared: &Prepared, at: &Place, record: &Record<'_>) -> anyhow::Result<u8> {
        let plan = &prepared.plan;
        if record.value.is_none() && plan.null_value != NullValue::Null {
            let how =
                if plan.null_value == NullValue::Skip { "skips it" } else { "dead-letters it" };
            complain(&format!("The record has no value (a tombstone): the pipeline {how}."));
            return Ok(SUCCEEDED);
        }
        let origin = Origin::new(plan, &at.topic, at.partition, record);
        let (mut scratch, clock) = (plan.scratch(), Clock::start());
        let resolved = plan.routing.resolve(&origin, &mut scratch, clock.now_ms());
        let (route, destination, value) = match resolved {
            Ok(resolved) => resolved,
            Err(error) => return Ok(failed(&error)),
        };
        let Some(version) = destination.version(&origin).map(|at| &plan.versions[at]) else {
            complain(&format!("The record runs nothing: route {route:?} says {destination:?}."));
            return Ok(SUCCEEDED);
        };
        let origin = Origin { version: Some(version), ..origin };
        let input = match read_input(&origin, value, &mut scratch) {
            Ok(input) => input,
            Err(error) => return Ok(failed(&error)),
        };
        let driver = Driver {
            program: &version.program,
            limits: plan.limits,
            identity: &origin,
            name: origin.name(),
            clock,
            trace: self.form(),
        };
        let ended = block_on(&driver, version.tasks.clone(), &mut scratch, input)?;
        report(ended, &scratch, &driver)
    }

    /// The configuration with the one pipeline that is meant; `None` where that was complained about.
    /// `told`: the pipeline that a dead letter names.
    fn configuration(&self, told: Option<&str>) -> anyhow::Result<Option<Config>> {
        let loaded = match &self.config {
            Some(file) => config::load(file).map_err(|findings| (file.clone(), findings)),
            None => {
                let origin =
                    config::Origin { folder: Path::new(""), environment: &Default::default() };
                config::parse(BARE, &origin).map_err(|findings| (PathBuf::new(), findings))
            }
        };
        let mut config = match loaded {
            Ok(config) => config.with_substitutions(self.filled.given()),
            Err((file, findings)) => {
                complain(&render(&file.to_string_lossy(), "", &findings));
                return Ok(None);
            }
        };
        let is_there = |name: &&str| config.pipeline.iter().any(|it| it.name == **name);
        let wanted = self.pipeline.as_deref().or(told.filter(is_there));
        let wanted = wanted.map(str::to_owned);
        config.pipeline.retain(|it| wanted.as_ref().is_none_or(|name| it.name == *name));
        let [pipeline] = &mut config.pipeline[..] else {
            bail!("name one of the configuration's pipelines with --pipeline");
        };
        if let Some(place) = self.place() {
            // What is tried out is this, whatever the pipeline would run.
            pipeline.definition = Some(place.to_owned());
            (pipeline.canary, pipeline.route) = (None, Vec::new());
            pipeline.unmatched = config::Unmatched::Fail;
        }
        if let Some(mocks) = &self.mocks {
            pipeline.mocks = Some(mocks.into());
        }
        if let Some(brokers) = &self.bootstrap {
            config.kafka.bootstrap_servers = brokers.split(',').map(str::to_owned).collect();
        }
        Ok(Some(config))
    }

    /// The record in the letter that was asked for, and the pipeline that the letter names.
    fn letter(&self, file: &Path) -> anyhow::Result<(Found, String)> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("could not read the dead letters in {shown}"))?;
        // A letter alone may have been laid out over several lines.
        let letters: Vec<&str> = match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(_) => vec![text.as_str()],
            Err(_) => text.lines().filter(|line| !line.trim().is_empty()).collect(),
        };
        let count = letters.len();
        let letter = match (self.number, count) {
            (_, 0) => bail!("{shown} holds no dead letter"),
            (None, 1) => letters[0],
            (None, _) => bail!("{}", choice(file, &letters)),
            (Some(number), _) => match number.checked_sub(1).and_then(|at| letters.get(at)) {
                Some(letter) => letter,
                None => bail!("{shown} holds {count} dead letters: there is no number {number}"),
            },
        };
        let plain = Found {
            place: Place { topic: String::new(), partition: 0, offset: 0 },
            timestamp_ms: -1,
            key: None,
            value: Some(letter.as_bytes().to_vec()),
            headers: Vec::new(),
            id: None,
        };
        let Some(found) = open(&plain, Form::Line) else {
            bail!(
                "{shown} holds no dead letter there: it takes a JSON object with topic, partition \
                 and offset, as dead_letter.file and `expressway replay` write them"
            );
        };
        let named = serde_json::from_str::<serde_json::Value>(letter).unwrap_or_default();
        Ok((found, named["pipeline"].as_str().unwrap_or_default().to_owned()))
    }
}

/// What there is to choose from.
fn choice(file: &Path, letters: &[&str]) -> String {
    let count = letters.len();
    let mut text = format!(
        "{} holds {count} dead letters: choose one with --number, from 1 to {count}",
        file.display()
    );
    for (at, letter) in letters.iter().take(LETTERS_SHOWN).enumerate() {
        let json: serde_json::Value = serde_json::from_str(letter).unwrap_or_default();
        let says = |name: &str| json[name].as_str().unwrap_or("?").to_owned();
        let place = [says("topic"), says("partition"), says("offset")].join(":");
        // Writing to a String can't fail.
        let _ = write!(text, "\n  {}  {place}  {}", at + 1, says("error"));
    }
    if count > LETTERS_SHOWN {
        let _ = write!(text, "\n  ... and {} more", count - LETTERS_SHOWN);
    }
    text
}

/// The record in it, if it is a letter.
fn open(found: &Found, form: Form) -> Option<Found> {
    let mut opened = None;
    found.lend(|record| {
        letters::open(record, form, &mut |arrival| {
            if let Arrival::Record(Record {
                first: Some(first),
                timestamp_ms,
                key,
                value,
                headers,
                id,
                ..
            }) = arrival
            {
                let First { topic, partition, offset } = first;
                let owned = |it: &Header<'_>| (it.name.to_owned(), it.value.map(<[u8]>::to_vec));
                opened = Some(Found {
                    place: Place { topic: topic.to_owned(), partition, offset },
                    timestamp_ms,
                    key: key.map(<[u8]>::to_vec),
                    value: value.map(<[u8]>::to_vec),
                    headers: headers.iter().map(owned).collect(),
                    id: id.map(str::to_owned),
                });
            }
        });
    });
    opened
}

/// A letter that stood in its topic is the record it was.
fn opened(found: Found) -> Found {
    open(&found, Form::Record).unwrap_or(found)
}

/// Reads the record at a place, with the rights of the pipeline's group and without joining it.
fn fetch(config: &Config, at: &Place) -> anyhow::Result<Found> {
    let Place { topic, partition, offset } = at;
    let ours = [
        ("bootstrap.servers", config.kafka.bootstrap_servers.join(",")),
        ("group.id", config.pipeline[0].source.group.clone().unwrap_or("expressway-exec".into())),
        ("auto.offset.reset", "error".to_owned()),
        ("enable.partition.eof", "true".to_owned()),
    ];
    let client = kafka::consumer_config(&consumer_properties(&config.kafka), &ours)?;
    let attempt = || format!("could not read {topic}/{partition} from {}", ours[0].1);
    let consumer = kafka::errand(&client).with_context(attempt)?;
    check(&consumer, at).with_context(attempt)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    // Assigned by hand: no group is joined, and nothing is ever committed.
    consumer.assign(&list).with_context(attempt)?;
    let gap = "is no record's any more, or never was one's: it was compacted away, or is a \
               transaction's marker or of one that was aborted";
    let until = Instant::now() + ANSWER;
    while Instant::now() < until {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) if message.offset() != *offset => {
                bail!("offset {offset} {gap}; the next record stands at {}", message.offset());
            }
            Some(Ok(message)) => {
                let header = |it: rdkafka::message::Header<'_, &[u8]>| {
                    (it.key.to_owned(), it.value.map(<[u8]>::to_vec))
                };
                let headers = message.headers().map(|it| it.iter().map(header).collect());
                return Ok(Found {
                    place: at.clone(),
                    timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers.unwrap_or_default(),
                    id: None,
                });
            }
            Some(Err(KafkaError::PartitionEOF(_))) => bail!("offset {offset} {gap}"),
            Some(Err(why)) => return Err(why).with_context(attempt),
        }
    }
    bail!("{}: no answer within {ANSWER:?}", attempt())
}

/// Is there such a topic, partition and offset?
fn check(consumer: &BaseConsumer<kafka::Errand>, at: &Place) -> anyhow::Result<()> {
    let Place { topic, partition, offset } = at;
    let metadata = kafka::topics(consumer, Some(topic), ANSWER)?;
    let known = metadata.topics().iter().find(|it| it.name() == topic);
    let count = known.filter(|it| it.error().is_none()).map_or(0, |it| it.partitions().len());
    if count == 0 {
        bail!("there is no topic {topic:?}, or this user may not see it");
    }
    if usize::try_from(*partition).is_ok_and(|number| number >= count) {
        bail!("topic {topic:?} has no partition {partition}: they are 0 to {}", count - 1);
    }
    let (low, high) = consumer
        .fetch_watermarks(topic, *partition, ANSWER)
        .context("the partition's leader does not answer")?;
    match *offset {
        _ if low == high => bail!("{topic}/{partition} holds no record (it stands at {high})"),
        before if before < low => {
            bail!("offset {offset} is gone: {topic}/{partition} begins at {low} (retention)")
        }
        behind if behind >= high => {
            bail!(
                "offset {offset} is not there yet: the last of {topic}/{partition} is {}",
                high - 1
            )
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_three_parts() {
        let place = |topic: &str, partition, offset| {
            Ok(Place { topic: topic.to_owned(), partition, offset })
        };
        assert_eq!("orders:3:4711".parse(), place("orders", 3, 4711));
        assert_eq!("a.b-c:0:0".parse(), place("a.b-c", 0, 0));
        for text in ["orders", "orders:3", ":3:1", "orders:x:1", "orders:1:-1", "orders:1:"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
