//! A configuration file as a tree that remembers where everything stood, before anything has a
//! type.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Diagnostic, Location};

/// A table's entries by key.
pub(super) type Table = BTreeMap<String, Node>;

/// What stands at a place.
#[derive(Clone)]
pub(super) enum Data {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
    /// From an environment variable; takes the type its reader wants.
    Environment {
        variable: String,
        text: String,
    },
}

/// A value, where it stands, and where its key stands.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) data: Data,
    pub(super) key: Location,
    pub(super) value: Location,
}

impl Node {
    /// An empty table, as an empty file has it.
    pub(super) fn empty(pointer: String) -> Node {
        let location = Location { pointer, ..Location::default() };
        Node { data: Data::Table(Table::new()), key: location.clone(), value: location }
    }

    /// A value that came from `variable`.
    pub(super) fn environment(pointer: String, variable: &str, text: &str) -> Node {
        let data = Data::Environment { variable: variable.to_owned(), text: text.to_owned() };
        Node { data, ..Node::empty(pointer) }
    }

    /// The text of a string.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) | Data::Environment { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of an integer.
    pub(super) fn integer(&self) -> Option<i64> {
        match &self.data {
            Data::Integer(value) => Some(*value),
            Data::Environment { text, .. } => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value of any number.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.data {
            Data::Integer(value) => Some(*value as f64),
            Data::Float(value) => Some(*value),
            Data::Environment { text, .. } => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.data {
            Data::Boolean(value) => Some(*value),
            Data::Environment { text, .. } => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The elements of a list; from the environment `["a", "b"]` or `a,b`.
    pub(super) fn list(&self) -> Option<Cow<'_, [Node]>> {
        match &self.data {
            Data::List(elements) => Some(Cow::Borrowed(elements)),
            Data::Environment { variable, text } => {
                Some(Cow::Owned(match self.inline(text, '[') {
                    Some(Data::List(elements)) => elements,
                    _ => text
                        .split(',')
                        .enumerate()
                        .map(|(index, part)| {
                            let pointer = format!("{}/{index}", self.value.pointer);
                            Node::environment(pointer, variable, part.trim())
                        })
                        .collect(),
                }))
            }
            _ => None,
        }
    }

    /// The entries of a table; from the environment `{ key = "value" }`.
    pub(super) fn table(&self) -> Option<Cow<'_, Table>> {
        match &self.data {
            Data::Table(entries) => Some(Cow::Borrowed(entries)),
            Data::Environment { text, .. } => match self.inline(text, '{') {
                Some(Data::Table(entries)) => Some(Cow::Owned(entries)),
                _ => None,
            },
            _ => None,
        }
    }

    /// TOML in an environment variable, where it opens like some. Its places are the variable's.
    fn inline(&self, text: &str, opening: char) -> Option<Data> {
        let text = text.trim();
        if !text.starts_with(opening) {
            return None;
        }
        let parsed = DeValue::parse(text).ok()?;
        let mut node = Reader { text, lines: Vec::new() }.node(&parsed, &self.value.pointer);
        node.unplace();
        Some(node.data)
    }

    fn unplace(&mut self) {
        for location in [&mut self.key, &mut self.value] {
            (location.line, location.column, location.width) = (0, 0, 0);
        }
        match &mut self.data {
            Data::List(elements) => elements.iter_mut().for_each(Node::unplace),
            Data::Table(entries) => entries.values_mut().for_each(Node::unplace),
            _ => {}
        }
    }

    /// What it is, for messages; never the value itself, which may be a secret.
    pub(super) fn kind(&self) -> String {
        match &self.data {
            Data::Text(_) => "a string".to_owned(),
            Data::Integer(_) => "an integer".to_owned(),
            Data::Float(_) => "a float".to_owned(),
            Data::Boolean(_) => "a boolean".to_owned(),
            Data::Date(_) => "a date".to_owned(),
            Data::List(_) => "a list".to_owned(),
            Data::Table(_) => "a table".to_owned(),
            Data::Environment { variable, .. } => format!("the environment variable {variable}"),
        }
    }
}

/// Reads a file's text; syntax errors are all reported, and alone.
pub(super) fn read(text: &str) -> Result<Node, Vec<Diagnostic>> {
    let reader = Reader::new(text);
    let (parsed, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(reader.root(parsed.get_ref()));
    }
    let finding = |error: &toml::de::Error| {
        let span = error.span().unwrap_or_default();
        let message = format!("This is not TOML: {}.", error.message());
        Diagnostic::error("SYNTAX", message, reader.location(span, String::new()))
    };
    Err(errors.iter().map(finding).collect())
}

/// Escapes a key for a JSON pointer.
pub(super) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

struct Reader<'a> {
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        let after_break = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(after_break.map(|(at, _)| at + 1)).collect();
        Reader { text, lines }
    }

    fn location(&self, span: std::ops::Range<usize>, pointer: String) -> Location {
        let start = span.start.min(self.text.len());
        let line = self.lines.partition_point(|at| *at <= start);
        let from = line.checked_sub(1).map_or(0, |index| self.lines[index]);
        let characters = |range| self.text.get(range).map_or(0, |text: &str| text.chars().count());
        let covered = self.text.get(span).unwrap_or_default().lines().next().unwrap_or_default();
        Location {
            pointer,
            line: line as u32,
            column: characters(from..start) as u32 + 1,
            width: covered.chars().count().max(1) as u32,
        }
    }

    fn root(&self, entries: &DeTable<'_>) -> Node {
        Node { data: self.table(entries, ""), ..Node::empty(String::new()) }
    }

    fn table(&self, entries: &DeTable<'_>, pointer: &str) -> Data {
        let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let mut node = self.node(value, &child(pointer, key.get_ref()));
            node.key = self.location(key.span(), node.key.pointer);
            (key.get_ref().to_string(), node)
        };
        Data::Table(entries.iter().map(entry).collect())
    }

    fn node(&self, value: &Spanned<DeValue<'_>>, pointer: &str) -> Node {
        let data = match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| Data::Text(integer.as_str().to_owned()), Data::Integer),
            DeValue::Float(float) => Data::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Data::Boolean(*value),
            DeValue::Datetime(date) => Data::Date(date.to_string()),
            DeValue::Array(elements) => Data::List(
                elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| self.node(element, &format!("{pointer}/{index}")))
                    .collect(),
            ),
            DeValue::Table(entries) => self.table(entries, pointer),
        };
        let location = self.location(value.span(), pointer.to_owned());
        Node { data, key: location.clone(), value: location }
    }
}
