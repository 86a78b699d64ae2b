//! Values that are never printed: passwords, keys, tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::section::{Entry, Findings, Setting, Written, quoted};
use super::tree::Node;

/// What stands in a secret's place wherever it is printed.
const REDACTED: &str = "(secret)";

/// A secret, written `{ file = "..." }`, `{ env = "..." }` or, for trying things out, as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides a text.
    pub fn new(text: &str) -> Secret {
        Secret(Arc::from(text))
    }

    /// The text itself, for the one who needs it; not to be logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Setting for Secret {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Secret> {
        match node.table() {
            Some(_) => referred(node, findings),
            None => match node.text() {
                Some(text) => Some(Secret::new(text)),
                None => wrong_form(node, findings),
            },
        }
    }

    fn write(&self) -> Written {
        Written::Value(quoted(REDACTED))
    }
}

fn wrong_form<T>(node: &Node, findings: &mut Findings<'_>) -> Option<T> {
    findings.expected_kind(node, "{ file = \"...\" }, { env = \"...\" } or a string")
}

/// A secret that stands elsewhere.
fn referred(node: &Node, findings: &mut Findings<'_>) -> Option<Secret> {
    let table = node.table()?;
    let mut entries = table.iter();
    let (Some((key, place)), None) = (entries.next(), entries.next()) else {
        return wrong_form(node, findings);
    };
    let at = super::section::dotted(&node.value.pointer);
    let found =
        match (key.as_str(), place.text()) {
            ("env", Some(name)) => findings.environment.get(name).cloned().ok_or_else(|| {
                format!("{at}: the environment variable {name} is not set; set it.")
            }),
            ("file", Some(name)) => {
                let file = findings.folder.join(name);
                std::fs::read_to_string(&file).map_err(|error| {
                    format!("{at}: could not read the secret from {}: {error}.", file.display())
                })
            }
            _ => return wrong_form(node, findings),
        };
    match found {
        // Editors and `echo` end a file with a line break that is no part of the secret.
        Ok(text) => Some(Secret::new(text.trim_end_matches(['\n', '\r']))),
        Err(message) => {
            findings.error("SECRET", &node.value, message);
            None
        }
    }
}

/// Secrets by name: headers of an HTTP connection, say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secrets(pub BTreeMap<String, Secret>);

impl Setting for Secrets {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Secrets> {
        read_map(node, findings).map(Secrets)
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}

/// A table with names of the user's own.
pub(super) fn read_map<T: Setting>(
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<BTreeMap<String, T>> {
    let Some(table) = node.table() else {
        return findings.expected_kind(node, "a table");
    };
    let read = |(key, child): (&String, &Node)| Some((key.clone(), T::read(child, findings)?));
    let read: Vec<Option<(String, T)>> = table.iter().map(read).collect();
    read.into_iter().collect()
}

/// The same, as an inline table.
pub(super) fn write_map<T: Setting>(map: &BTreeMap<String, T>) -> Written {
    if map.is_empty() {
        return Written::Absent;
    }
    let entries: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{} = {}", quoted(key), inline(value.write())))
        .collect();
    Written::Value(format!("{{ {} }}", entries.join(", ")))
}

fn inline(written: Written) -> String {
    match written {
        Written::Value(text) => text,
        Written::Absent => quoted(""),
        Written::Table(entries) => {
            let set = entries.into_iter().filter(|entry| !matches!(entry.written, Written::Absent));
            let one = |entry: Entry| format!("{} = {}", entry.name, inline(entry.written));
            format!("{{ {} }}", set.map(one).collect::<Vec<_>>().join(", "))
        }
        Written::Tables(_) => "[]".to_owned(),
    }
}
