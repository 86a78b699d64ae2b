//! `[pipeline.source]`: where a pipeline's records come from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::section::{Check, Findings, Setting, Written, quoted, section};
use super::tree::Node;
use super::units::timestamp_ms;

/// What a file is called that is standard input or standard output.
const STANDARD: &str = "-";

section! {
    /// Where the pipeline's records come from: Kafka topics, a queue, or a file.
    Source {
        /// Kafka topics to read, a list of names.
        topics: Vec<String> = Vec::new(), example r#"["orders"]"#;
        /// The cluster's ARN, for inputs made as "pipes" or "lambda" make them: it is Amazon MSK then. Or
        /// the queue's, where its URL does not tell it.
        event_source_arn: Option<String> = None,
            example r#""arn:aws:kafka:us-east-1:123456789012:cluster/orders/1""#;
        /// Or a regular expression that topics' names match; it begins with ^. New topics are found
        /// as metadata is refreshed.
        topic_pattern: Option<String> = None, example r#""^orders\\..*""#;
        /// The consumer group. Give each pipeline its own.
        group: Option<String> = None, example r#""expressway-orders""#;
        /// Where to begin on a partition for which the group has committed nothing: "committed"
        /// and "earliest" (its oldest record), "latest" (what comes from then on), { timestamp =
        /// "2026-01-31T00:00:00Z" } or { offset = 0 }. A group that was there goes on where it was.
        start: Start = Start::Committed;
        /// Or a queue of SQS, by its URL; one that ends in .fifo is read in order, group by group.
        queue_url: Option<String> = None,
            example r#""https://sqs.eu-west-1.amazonaws.com/123456789012/orders""#;
        /// How a queue is read.
        sqs: SqsReading = SqsReading::default();
        /// Or a file of one document a line; "-" for standard input.
        file: Option<StreamFile> = None, example r#""-""#;
        /// What is read are dead letters (a topic's, or a file's lines): true or false. The records in
        /// them run as if they came from where they first stood; `expressway replay` does this.
        dead_letters: bool = false;
        /// Records a second that are expected in one partition. With it, waits and timeouts are
        /// warned of that outlast the window, engine.window_records_max.
        expected_rate: Option<f64> = None, example "2000.0";
    }
}

/// A [`Source`] by its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceKind<'a> {
    /// Kafka topics.
    Kafka {
        /// Which.
        topics: Topics<'a>,
        /// The consumer group.
        group: &'a str,
        /// Where to begin.
        start: Start,
    },
    /// A queue of SQS, by its URL.
    Queue(&'a str),
    /// A file.
    File(&'a StreamFile),
}

/// Which topics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Topics<'a> {
    /// These.
    List(&'a [String]),
    /// All whose names match; begins with `^`, as librdkafka wants it.
    Pattern(&'a str),
}

impl Source {
    /// What it is; the checks have seen to it that it is one thing only.
    pub fn kind(&self) -> SourceKind<'_> {
        if let Some(file) = &self.file {
            return SourceKind::File(file);
        }
        if let Some(url) = &self.queue_url {
            return SourceKind::Queue(url);
        }
        let topics = match &self.topic_pattern {
            Some(pattern) => Topics::Pattern(pattern),
            None => Topics::List(&self.topics),
        };
        SourceKind::Kafka {
            topics,
            group: self.group.as_deref().unwrap_or_default(),
            start: self.start,
        }
    }
}

impl Check for Source {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let given = [
            !self.topics.is_empty(),
            self.topic_pattern.is_some(),
            self.queue_url.is_some(),
            self.file.is_some(),
        ];
        let is_kafka = self.file.is_none() && self.queue_url.is_none();
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "A source needs exactly one of topics = [\"...\"], topic_pattern = \
                           \"^...\", queue_url = \"https://...\" and file = \"...\".";
            findings.error("SOURCE", &node.key, message);
        } else if is_kafka && self.group.is_none() {
            let message = "A Kafka source needs its consumer group: write group = \"...\".";
            findings.error("MISSING_KEY", &node.key, message);
        } else if !is_kafka && (self.group.is_some() || self.start != Start::Committed) {
            findings.error("SOURCE", &node.key, "group and start are for Kafka alone.");
        }
        if self.topic_pattern.as_ref().is_some_and(|pattern| !pattern.starts_with('^')) {
            let message = "topic_pattern must begin with ^, as librdkafka tells patterns by it.";
            findings.refuse(node, "topic_pattern", message);
        }
        if let Some(url) = &self.queue_url {
            check_queue_url(url, "queue_url", node, findings);
        }
        if self.expected_rate.is_some_and(|rate| rate <= 0.0) {
            findings.refuse(node, "expected_rate", "expected_rate must be above 0.");
        }
        for topic in &self.topics {
            check_topic(topic, "topics", node, findings);
        }
    }
}

/// Refuses what is no queue's URL.
pub(super) fn check_queue_url(url: &str, key: &str, node: &Node, findings: &mut Findings<'_>) {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_queue = rest.and_then(|rest| rest.split_once('/')).is_some_and(|(host, path)| {
        !host.is_empty() && !path.trim_end_matches('/').is_empty() && !path.contains(['?', '#'])
    });
    if !is_queue {
        let message = format!(
            "{url:?} is no queue's URL: it looks like \
             https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
        );
        findings.refuse(node, key, message);
    }
}

/// The longest that SQS lets a poll wait.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The shortest visibility that can be kept up by extending it, and the longest there is.
const VISIBILITY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(12 * 3600));

section! {
    /// How a queue of SQS is read.
    default SqsReading {
        /// Polls that are open at the same time; each brings up to 10 messages.
        receivers: u32 = 4;
        /// How long a poll waits for messages, at most 20s. Longer costs fewer calls. Of a FIFO queue 2s
        /// at most, so that no poll outlasts a failure.
        wait: Duration = Duration::from_secs(20);
        /// How long messages stay invisible to others. It is extended while they are worked on, so this
        /// is how late messages come again that a killed process had. From 5s to 12h.
        visibility: Duration = Duration::from_secs(30);
        /// Messages that were received and wait for a shard, at most. Their visibility runs, and each
        /// receipt counts towards the queue's redrive: keep it small. At least 10 for each receiver.
        prefetch_max: u32 = 100;
        /// Calls at the same time that delete messages or hand them back.
        settle_calls_max: u32 = 16;
        /// With on_failure = "redrive": how long a failed message stays invisible, the first time; it
        /// doubles with each receipt.
        redrive_interval: Duration = Duration::from_secs(1);
        /// The longest of that.
        redrive_interval_max: Duration = Duration::from_secs(300);
    }
}

impl Check for SqsReading {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.wait > WAIT_MAX {
            findings.refuse(node, "wait", "sqs.wait is at most 20s, as SQS has it.");
        }
        if self.visibility < VISIBILITY.0 || self.visibility > VISIBILITY.1 {
            findings.refuse(node, "visibility", "sqs.visibility is from 5s to 12h.");
        }
        if self.receivers == 0 || self.prefetch_max < self.receivers.saturating_mul(10) {
            let message = "sqs.receivers is at least 1, and sqs.prefetch_max at least 10 for each.";
            findings.refuse(node, "prefetch_max", message);
        }
        if self.settle_calls_max == 0 {
            findings.refuse(node, "settle_calls_max", "sqs.settle_calls_max must be above 0.");
        }
    }
}

/// Refuses names that no broker takes.
pub(super) fn check_topic(topic: &str, key: &str, node: &Node, findings: &mut Findings<'_>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || !topic.chars().all(legal) {
        let message = format!(
            "{topic:?} is no topic's name: 1 to 249 of the letters, digits, \".\", \"_\" and \"-\"."
        );
        findings.refuse(node, key, message);
    }
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// `"committed"`: behind the last commit; at the earliest record where there is none.
    Committed,
    /// `"earliest"`
    Earliest,
    /// `"latest"`: what arrives from now on.
    Latest,
    /// `{ timestamp = ... }`: the first record at or after it, in milliseconds since 1970.
    Timestamp(i64),
    /// `{ offset = 0 }`, in every partition.
    Offset(i64),
}

impl Setting for Start {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Start> {
        let wanted = "\"committed\", \"earliest\", \"latest\", \
                      { timestamp = \"2026-01-31T00:00:00Z\" } \
                      or { offset = 0 }";
        let table = node.table();
        let start = match (node.text(), table.as_ref().map(|entries| entries.iter().next())) {
            (_, Some(Some((key, value)))) => match key.as_str() {
                "timestamp" => timestamp_ms(value).map(Start::Timestamp),
                "offset" => value.integer().filter(|offset| *offset >= 0).map(Start::Offset),
                _ => None,
            }
            .filter(|_| table.as_ref().is_some_and(|entries| entries.len() == 1)),
            (Some("committed"), None) => Some(Start::Committed),
            (Some("earliest"), None) => Some(Start::Earliest),
            (Some("latest"), None) => Some(Start::Latest),
            _ => None,
        };
        start.or_else(|| findings.expected(node, wanted))
    }

    fn write(&self) -> Written {
        Written::Value(match self {
            Start::Committed => "\"committed\"".to_owned(),
            Start::Earliest => "\"earliest\"".to_owned(),
            Start::Latest => "\"latest\"".to_owned(),
            Start::Timestamp(ms) => format!("{{ timestamp = {ms} }}"),
            Start::Offset(offset) => format!("{{ offset = {offset} }}"),
        })
    }
}

/// A file that is read or written as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamFile {
    /// `"-"`: standard input, or output.
    Standard,
    /// This one.
    At(PathBuf),
}

impl StreamFile {
    /// The file, where it is not standard input or output.
    pub fn file(&self) -> Option<&Path> {
        match self {
            StreamFile::Standard => None,
            StreamFile::At(file) => Some(file),
        }
    }
}

impl Setting for StreamFile {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<StreamFile> {
        match node.text() {
            Some(STANDARD) => Some(StreamFile::Standard),
            _ => PathBuf::read(node, findings).map(StreamFile::At),
        }
    }

    fn write(&self) -> Written {
        Written::Value(quoted(&self.file().map_or(STANDARD.into(), Path::to_string_lossy)))
    }
}
