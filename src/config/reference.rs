//! The configuration as text: the reference file with its comments, and what a file resolved to.

use super::section::{Entry, Setting, Written};
use super::{Config, Origin, parse};

/// What the reference file begins with.
const INTRODUCTION: &str = "\
# Every option of Expressway, at its default. Copy what you change; leave out the rest.
#
# Durations (\"250ms\", \"5m\") and sizes (\"64MiB\") are strings. Files are relative to this file's
# folder. Unknown keys are refused. Environment variables win over the file, with __ between keys:
#   EXPRESSWAY__ENGINE__SHARDS=2
#   EXPRESSWAY__PIPELINE__ORDERS__SOURCE__GROUP=canary   (a pipeline's name, or its number from 0)
#   EXPRESSWAY__KAFKA__PROPERTIES__SASL_PASSWORD=...     (_ stands for a property's dots)
# Secrets are { file = \"...\" } or { env = \"...\" }, and are never printed.
";

/// A pipeline with as little as one can do with.
pub(super) const SAMPLE_PIPELINE: &str = r#"
[[pipeline]]
name = "orders"
definition = "definition.asl.json"
on_failure = "dead_letter"
dead_letter = { topic = "orders.dead" }
source = { topics = ["orders"], group = "expressway-orders" }
output = { topic = "orders.enriched" }
"#;

/// The text of `config/engine.toml`, made of the settings' declarations.
pub fn reference() -> String {
    let environment = Default::default();
    let origin = Origin { folder: "".as_ref(), environment: &environment };
    let sample = parse(SAMPLE_PIPELINE, &origin).expect("the sample is a valid configuration");
    let mut text = INTRODUCTION.to_owned();
    Writer { with_comments: true }.section(&mut text, sample);
    text
}

impl Config {
    /// All settings as they came out, defaults included and secrets hidden, as TOML.
    pub fn resolved(&self) -> String {
        let mut text = String::new();
        Writer { with_comments: false }.section(&mut text, self.clone());
        text.trim_start().to_owned()
    }
}

struct Writer {
    with_comments: bool,
}

impl Writer {
    fn section(&self, text: &mut String, config: Config) {
        if let Written::Table(entries) = config.write() {
            self.entries(text, entries, "");
        }
    }

    /// Values first: TOML takes what follows a header for that table's.
    fn entries(&self, text: &mut String, entries: Vec<Entry>, path: &str) {
        let mut tables = Vec::new();
        for entry in entries {
            match entry.written {
                Written::Value(value) => self.line(text, entry.comment, "", entry.name, &value),
                Written::Absent => self.absent(text, &entry),
                Written::Table(_) | Written::Tables(_) => tables.push(entry),
            }
        }
        for entry in tables {
            let path = if path.is_empty() {
                entry.name.to_owned()
            } else {
                format!("{path}.{}", entry.name)
            };
            match entry.written {
                Written::Table(entries) => {
                    self.header(text, entry.comment, &format!("[{path}]"));
                    self.entries(text, entries, &path);
                }
                Written::Tables(elements) => {
                    for entries in elements {
                        self.header(text, entry.comment, &format!("[[{path}]]"));
                        self.entries(text, entries, &path);
                    }
                }
                Written::Absent | Written::Value(_) => {}
            }
        }
    }

    fn absent(&self, text: &mut String, entry: &Entry) {
        if let (true, Some(example)) = (self.with_comments, entry.example) {
            self.line(text, entry.comment, "# ", entry.name, example);
        }
    }

    fn header(&self, text: &mut String, comment: &str, header: &str) {
        text.push('\n');
        self.comment(text, comment);
        text.push_str(header);
        text.push('\n');
    }

    fn line(&self, text: &mut String, comment: &str, prefix: &str, name: &str, value: &str) {
        self.comment(text, comment);
        text.push_str(&format!("{prefix}{name} = {value}\n"));
    }

    fn comment(&self, text: &mut String, comment: &str) {
        if self.with_comments {
            for line in comment.lines() {
                text.push_str(&format!("#{line}\n"));
            }
        }
    }
}
