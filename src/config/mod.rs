//! The whole configuration, its defaults and its checks. A setting is declared once, with its
//! comment and default, by the macros of `section`; [`reference()`] makes `config/engine.toml` of them.

mod aws;
mod callbacks;
mod engine;
mod environment;
mod kafka;
mod output;
mod pipeline;
mod reference;
mod route;
mod secret;
mod section;
mod source;
mod targets;
mod tree;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use crate::fault::{Diagnostic, Location};
use section::{Check, Findings, Setting, section};

pub use aws::{Aws, AwsTarget, AwsTargets, AwsTasks, Coalesce, Functions, Url};
pub use callbacks::Callbacks;
pub use engine::{
    DOCUMENT_DEPTH_LIMIT, DOCUMENT_SIZE_LIMIT, Engine, Format, HTTP_PORT, Http, Level, Listen, Log,
    Shards, SuspectsFile,
};
pub use environment::PREFIX as ENVIRONMENT_PREFIX;
pub use kafka::{Kafka, Properties, Property};
pub use output::{DeadLetter, DeadLetterTarget, Headers, Key, Output, OutputValue, Place, Target};
pub use pipeline::{
    Batch, Connection, Connections, Decode, Delivery, FailurePolicy, HttpTasks, Input, JobTasks,
    NullValue, OAuth, OnFailure, Ordering, Pipeline, ProduceTasks, RecordRetry, Substitutions,
};
pub use reference::reference;
pub use route::{Canary, Condition, Json, Route, RouteAction, Unmatched};
pub use secret::{Secret, Secrets};
pub use source::{Source, SourceKind, Start, StreamFile, Topics};
pub use targets::{Breaker, NamedTargets, TargetLimits, Targets, WhenOpen};
pub use units::{ByteSize, duration};

section! {
    /// Everything that can be set.
    default Config {
        /// The process and its limits.
        engine: Engine = Engine::default();
        /// The operator's HTTP endpoint: /metrics, /livez, /readyz.
        http: Http = Http::default();
        /// Answers from outside: task tokens, activities and approval links.
        callbacks: Callbacks = Callbacks::default();
        /// State machines that executions may start by name (states:startExecution), and where their
        /// definitions are. They run in this process, as pipelines' definitions do by the pipelines'
        /// names.
        machines: Machines = Machines::default(), example r#"{ "Refund" = "refund.asl.json" }"#;
        /// The log, on standard error.
        log: Log = Log::default();
        /// Kafka: one cluster for all pipelines.
        kafka: Kafka = Kafka::default();
        /// AWS: one account for all pipelines.
        aws: Aws = Aws::default();
        /// What tasks call: limits, and what follows when it is down.
        targets: Targets = Targets::default();
        /// A pipeline: source, definition, output, failure policy. Write as many as you like.
        pipeline: Vec<Pipeline> = Vec::new();
    }
}

/// Definitions by the names of their state machines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machines(pub BTreeMap<String, std::path::PathBuf>);

impl Setting for Machines {
    fn read(node: &tree::Node, findings: &mut Findings<'_>) -> Option<Machines> {
        secret::read_map(node, findings).map(Machines)
    }

    fn write(&self) -> section::Written {
        secret::write_map(&self.0)
    }
}

impl Config {
    /// The configuration with these placeholders' values set in every pipeline.
    pub fn with_substitutions<'a>(
        mut self,
        given: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Config {
        for (name, value) in given {
            for pipeline in &mut self.pipeline {
                pipeline.substitutions.0.insert(name.to_owned(), value.to_owned());
            }
        }
        self
    }
}

impl Check for Config {
    const LATER: &'static [(&'static str, &'static str)] =
        &[("pipelines", "is written [[pipeline]], once for each.")];

    fn check(&self, node: &tree::Node, findings: &mut Findings<'_>) {
        for (index, pipeline) in self.pipeline.iter().enumerate() {
            let before = &self.pipeline[..index];
            if before.iter().any(|other| other.name == pipeline.name) {
                let message = format!(
                    "Two pipelines are named {:?}; names of executions and metrics derive from it, \
                     so give each its own.",
                    pipeline.name
                );
                let at = place(node, &["pipeline", &index.to_string(), "name"]);
                findings.error("DUPLICATE_NAME", &at, message);
            }
            let Some(group) = &pipeline.source.group else { continue };
            if before.iter().any(|other| other.source.group.as_ref() == Some(group)) {
                let message = format!(
                    "Two pipelines share the consumer group {group:?}, so that each would see only \
                     a part of the records; give each its own."
                );
                let at = place(node, &["pipeline", &index.to_string(), "source", "group"]);
                findings.error("SHARED_GROUP", &at, message);
            }
        }
    }
}

/// Where the value stands that these keys lead to; as near to it as there is anything.
fn place(node: &tree::Node, keys: &[&str]) -> Location {
    let Some((key, rest)) = keys.split_first() else { return node.value.clone() };
    let (table, list) = (node.table(), node.list());
    let in_table = table.as_ref().and_then(|entries| entries.get(*key));
    let in_list = || list.as_ref().and_then(|elements| elements.get(key.parse::<usize>().ok()?));
    match in_table.or_else(in_list) {
        Some(child) => place(child, rest),
        None => node.value.clone(),
    }
}

/// Where in a configuration's text the value stands that these keys lead to, or what is nearest.
pub fn locate(text: &str, keys: &[&str]) -> Location {
    tree::read(text).map(|root| place(&root, keys)).unwrap_or_default()
}

/// As [`locate`], of the character at `index` of that value, where it is a string that is written in
/// one line and without escapes; the value otherwise.
pub fn locate_within(text: &str, keys: &[&str], index: usize) -> Location {
    let location = locate(text, keys);
    let line = (location.line as usize).checked_sub(1).and_then(|line| text.lines().nth(line));
    let written = line.unwrap_or_default().chars().skip((location.column as usize).max(1) - 1);
    let written: String = written.take(location.width as usize).collect();
    let is_plain = |quote: char| {
        let inner = written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        inner
            .is_some_and(|inner| !inner.contains(quote) && (quote == '\'' || !inner.contains('\\')))
    };
    match is_plain('"') || is_plain('\'') {
        true if index + 2 < written.chars().count() => {
            Location { column: location.column + 1 + index as u32, width: 1, ..location }
        }
        _ => location,
    }
}

/// The text with every line emptied that may hold a secret, for excerpts. A text that can't be read
/// does not tell where its secrets are: nothing is left of it.
pub fn without_secrets(text: &str) -> String {
    let Ok(root) = tree::read(text) else { return String::new() };
    let mut starts = BTreeMap::new();
    note_starts(&root, &mut starts);
    // What no value starts on goes on with the one before: a secret may have several lines.
    let mut hides = false;
    let mut keep = |(index, line)| {
        hides = starts.get(&(index + 1)).copied().unwrap_or(hides);
        if hides { "" } else { line }
    };
    text.lines().enumerate().map(&mut keep).collect::<Vec<_>>().join("\n")
}

/// Where values of the user's own making are that may be secrets, a list's index as `*`.
const SECRET_PLACES: [&str; 6] = [
    "/aws/secret_access_key",
    "/callbacks/key",
    "/kafka/properties/",
    "/kafka/consumer/",
    "/kafka/producer/",
    "/pipeline/*/http/connections/",
];

/// The lines on which something starts, and whether any of that may be secret.
fn note_starts(node: &tree::Node, starts: &mut BTreeMap<usize, bool>) {
    let is_secret = may_be_secret(&node.value.pointer);
    for line in [node.key.line, node.value.line] {
        *starts.entry(line as usize).or_default() |= is_secret;
    }
    node.table().iter().for_each(|table| {
        table.values().for_each(|child| note_starts(child, starts));
    });
    node.list().iter().for_each(|list| list.iter().for_each(|child| note_starts(child, starts)));
}

fn may_be_secret(pointer: &str) -> bool {
    let token = |token| if str::parse::<usize>(token).is_ok() { "*" } else { token };
    let pointer = pointer.split('/').map(token).collect::<Vec<_>>().join("/");
    SECRET_PLACES.iter().any(|place| pointer.starts_with(place))
}

/// Where a configuration's text stands, and what it may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its files are relative to this folder.
    pub folder: &'a Path,
    /// The environment's variables: overrides, and secrets by name.
    pub environment: &'a BTreeMap<String, String>,
}

/// Reads the file, with this process's environment over it.
pub fn load(file: &Path) -> Result<Config, Vec<Diagnostic>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let message = format!("Could not read the configuration {}: {error}.", file.display());
        vec![Diagnostic::error("UNREADABLE_FILE", message, Location::default())]
    })?;
    let unicode = |(name, text): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, text.into_string().ok()?))
    };
    let environment = std::env::vars_os().filter_map(unicode).collect();
    let folder = file.parent().unwrap_or(Path::new(""));
    parse(&text, &Origin { folder, environment: &environment })
}

/// Reads a configuration's text; all that is wrong with it comes back at once, by place.
pub fn parse(text: &str, origin: &Origin<'_>) -> Result<Config, Vec<Diagnostic>> {
    let mut root = tree::read(text)?;
    let mut findings =
        Findings { list: Vec::new(), folder: origin.folder, environment: origin.environment };
    environment::apply(&mut root, origin.environment, &mut findings.list);
    let config = Config::read(&root, &mut findings);
    findings.list.sort_by_key(|finding| (finding.location.line, finding.location.column));
    match (config, findings.list) {
        (Some(config), found) if found.is_empty() => Ok(config),
        (_, found) => Err(found),
    }
}
