//! `[pipeline.output]` and `[pipeline.dead_letter]`: where what came of a record goes.

use std::path::{Path, PathBuf};

use super::section::{Check, Findings, Setting, Written, choice, quoted, section};
use super::source::{StreamFile, check_queue_url, check_topic};
use super::tree::Node;

section! {
    /// Where outputs of succeeded executions go: a topic, a queue, a file, or nowhere.
    Output {
        /// The topic, or a path into the output that yields its name ("$.topic").
        topic: Option<Place> = None, example r#""orders.enriched""#;
        /// Or a queue of SQS, by its URL, or a path into the output that yields it. The key is the
        /// group of a FIFO queue; headers become message attributes.
        queue_url: Option<Place> = None,
            example r#""https://sqs.eu-west-1.amazonaws.com/123456789012/graded""#;
        /// How queues are written to.
        sqs: SqsWriting = SqsWriting::default();
        /// Or a file of one document a line; "-" for standard output.
        file: Option<StreamFile> = None, example r#""-""#;
        /// Or nowhere, for definitions whose tasks do all there is to do: true.
        discard: bool = false;
        /// The output record's key: "source" (the source record's), "none", or a path into the
        /// output.
        key: Key = Key::Source;
        /// Its headers: "source" (the source record's, plus the definition's name and version) or
        /// "none".
        headers: Headers = Headers::Source;
        /// Its value: "output" (the execution's output), or a path into it.
        value: OutputValue = OutputValue::Output;
        /// The value is an array, and each of its elements becomes a record: true or false.
        split: bool = false;
    }
}

/// An [`Output`] by its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a> {
    /// A topic.
    Topic(&'a Place),
    /// A queue of SQS.
    Queue(&'a Place),
    /// A file.
    File(&'a StreamFile),
    /// Nowhere.
    Discard,
}

impl Output {
    /// Where it goes; the checks have seen to it that it is one place only.
    pub fn target(&self) -> Target<'_> {
        match (&self.topic, &self.queue_url, &self.file) {
            (Some(topic), _, _) => Target::Topic(topic),
            (None, Some(url), _) => Target::Queue(url),
            (None, None, Some(file)) => Target::File(file),
            (None, None, None) => Target::Discard,
        }
    }
}

impl Check for Output {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let given =
            [self.topic.is_some(), self.queue_url.is_some(), self.file.is_some(), self.discard];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "An output needs exactly one of topic = \"...\", queue_url = \
                           \"https://...\", file = \"...\" and discard = true; throwing outputs \
                           away must be written.";
            findings.error("OUTPUT", &node.key, message);
        }
        if let Some(Place::Fixed(url)) = &self.queue_url {
            check_queue_url(url, "queue_url", node, findings);
        }
        if let Some(Place::Fixed(topic)) = &self.topic {
            check_topic(topic, "topic", node, findings);
        }
    }
}

section! {
    /// How queues of SQS are written to.
    default SqsWriting {
        /// Outputs of one shard under way at the same time; more wait.
        in_flight_max: u32 = 2000;
        /// Calls of one shard at the same time. A FIFO queue gets one.
        calls_max: u32 = 16;
    }
}

impl Check for SqsWriting {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        for (name, is_zero) in
            [("in_flight_max", self.in_flight_max == 0), ("calls_max", self.calls_max == 0)]
        {
            if is_zero {
                findings.refuse(node, name, format!("sqs.{name} must be above 0."));
            }
        }
    }
}

/// A path, told by the `$` it begins with; compiled with the definition.
fn is_path(text: &str) -> bool {
    text.starts_with('$')
}

/// A name, fixed or from the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `"orders"`
    Fixed(String),
    /// `"$.topic"`: a path into the output.
    Path(String),
}

impl Setting for Place {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Place> {
        let text = String::read(node, findings)?;
        Some(if is_path(&text) { Place::Path(text) } else { Place::Fixed(text) })
    }

    fn write(&self) -> Written {
        let (Place::Fixed(text) | Place::Path(text)) = self;
        Written::Value(quoted(text))
    }
}

/// Where an output record's key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `"source"`: the source record's.
    Source,
    /// `"none"`
    None,
    /// `"$.id"`: a path into the output.
    Path(String),
}

impl Setting for Key {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Key> {
        match node.text() {
            Some("source") => Some(Key::Source),
            Some("none") => Some(Key::None),
            Some(path) if is_path(path) => Some(Key::Path(path.to_owned())),
            _ => findings.expected(node, "\"source\", \"none\" or a path (\"$.id\")"),
        }
    }

    fn write(&self) -> Written {
        Written::Value(match self {
            Key::Source => "\"source\"".to_owned(),
            Key::None => "\"none\"".to_owned(),
            Key::Path(path) => quoted(path),
        })
    }
}

choice! {
    /// Where an output record's headers come from.
    Headers {
        /// The source record's, plus the definition's name and version.
        Source = "source",
        /// None at all.
        None = "none",
    }
}

/// What an output record's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputValue {
    /// `"output"`: the execution's output.
    Output,
    /// `"$.body"`: a path into it.
    Path(String),
}

impl Setting for OutputValue {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<OutputValue> {
        match node.text() {
            Some("output") => Some(OutputValue::Output),
            Some(path) if is_path(path) => Some(OutputValue::Path(path.to_owned())),
            _ => findings.expected(node, "\"output\" or a path (\"$.body\")"),
        }
    }

    fn write(&self) -> Written {
        Written::Value(match self {
            OutputValue::Output => "\"output\"".to_owned(),
            OutputValue::Path(path) => quoted(path),
        })
    }
}

section! {
    /// Where records go that failed, with on_failure = "dead_letter".
    DeadLetter {
        /// A topic.
        topic: Option<String> = None, example r#""orders.dead""#;
        /// Or a queue of SQS, by its URL: one dead letter a message, as it would stand in a file.
        queue_url: Option<String> = None,
            example r#""https://sqs.eu-west-1.amazonaws.com/123456789012/dead""#;
        /// Or a file of one dead letter a line.
        file: Option<PathBuf> = None, example r#""dead.ndjson""#;
        /// A file for those too large for the topic. Without one such a letter pauses the pipeline.
        fallback_file: Option<PathBuf> = None, example r#""dead-too-large.ndjson""#;
    }
}

/// A [`DeadLetter`] by its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeadLetterTarget<'a> {
    /// A topic, and a file for letters too large for it.
    Topic(&'a str, Option<&'a Path>),
    /// A queue of SQS.
    Queue(&'a str),
    /// A file.
    File(&'a Path),
}

impl DeadLetter {
    /// Where it goes; the checks have seen to it that it is one place only.
    pub fn target(&self) -> DeadLetterTarget<'_> {
        match (&self.file, &self.queue_url) {
            (Some(file), _) => DeadLetterTarget::File(file),
            (None, Some(url)) => DeadLetterTarget::Queue(url),
            (None, None) => {
                let topic = self.topic.as_deref().unwrap_or_default();
                DeadLetterTarget::Topic(topic, self.fallback_file.as_deref())
            }
        }
    }
}

impl Check for DeadLetter {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let given = [self.topic.is_some(), self.queue_url.is_some(), self.file.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            let message = "dead_letter needs one of topic = \"...\", queue_url = \"https://...\" and \
                           file = \"...\".";
            findings.error("DEAD_LETTER", &node.key, message);
        } else if self.topic.is_none() && self.fallback_file.is_some() {
            let message = "fallback_file is for letters too large for a topic.";
            findings.refuse(node, "fallback_file", message);
        }
        if let Some(topic) = &self.topic {
            check_topic(topic, "topic", node, findings);
        }
        if let Some(url) = &self.queue_url {
            check_queue_url(url, "queue_url", node, findings);
        }
    }
}
