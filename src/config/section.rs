//! How a table of the file becomes a struct: [`section!`] and [`choice!`] declare a setting once,
//! with its comment, type and default, and make of it the field, the reading of it, and its lines
//! in the reference file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::{Node, Table};
use crate::fault::{Diagnostic, Location};

/// What the reading of a file has found so far, and what it may look up.
pub(super) struct Findings<'a> {
    pub(super) list: Vec<Diagnostic>,
    /// Relative files are relative to this folder.
    pub(super) folder: &'a Path,
    /// For secrets.
    pub(super) environment: &'a BTreeMap<String, String>,
}

impl Findings<'_> {
    /// Notes an error.
    pub(super) fn error(&mut self, code: &'static str, at: &Location, message: impl Into<String>) {
        self.list.push(Diagnostic::error(code, message, at.clone()));
    }

    /// Notes that a value is not what it should be, and shows it: not for what may be a secret.
    pub(super) fn expected<T>(&mut self, node: &Node, what: &str) -> Option<T> {
        match (node.text(), node.integer()) {
            (Some(text), _) => self.expected_not(node, what, &format!("{text:?}")),
            (None, Some(integer)) => self.expected_not(node, what, &integer.to_string()),
            (None, None) => self.expected_kind(node, what),
        }
    }

    /// The same without showing what stands there.
    pub(super) fn expected_kind<T>(&mut self, node: &Node, what: &str) -> Option<T> {
        self.expected_not(node, what, &node.kind())
    }

    fn expected_not<T>(&mut self, node: &Node, what: &str, found: &str) -> Option<T> {
        let key = dotted(&node.value.pointer);
        self.error("INVALID_VALUE", &node.value, format!("{key} must be {what}, not {found}."));
        None
    }

    /// Notes that the setting `name` of the table at `node` is out of bounds.
    pub(super) fn refuse(&mut self, node: &Node, name: &str, message: impl Into<String>) {
        let table = node.table();
        let at = table.as_ref().and_then(|entries| entries.get(name)).map(|child| &child.value);
        let at = at.unwrap_or(&node.value).clone();
        self.error("INVALID_VALUE", &at, message);
    }

    /// The table at `node`, its unknown keys reported.
    pub(super) fn table<'a>(
        &mut self,
        node: &'a Node,
        known: &[&'static str],
        later: &[(&str, &str)],
    ) -> Option<std::borrow::Cow<'a, Table>> {
        let Some(table) = node.table() else {
            return self.expected_kind(node, "a table");
        };
        for (key, child) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            if let Some((_, reason)) = later.iter().find(|(name, _)| name == key) {
                self.error("NOT_IN_THIS_VERSION", &child.key, format!("{key} {reason}"));
                continue;
            }
            let hint = match nearest(key, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}.", known.join(", ")),
            };
            let source = match &child.data {
                super::tree::Data::Environment { .. } => format!(" (from {})", child.kind()),
                _ => String::new(),
            };
            let path = dotted(&child.key.pointer);
            let message = format!("{path} is no setting{source}; {hint}");
            self.error("UNKNOWN_KEY", &child.key, message);
        }
        Some(table)
    }

    /// The setting `name`, or its default; `None` only where something was reported.
    pub(super) fn take<T: Setting>(
        &mut self,
        node: &Node,
        table: &Table,
        name: &'static str,
        default: Option<T>,
    ) -> Option<T> {
        if let Some(child) = table.get(name) {
            return T::read(child, self);
        }
        if default.is_none() {
            let at = Location {
                pointer: super::tree::child(&node.value.pointer, name),
                ..node.key.clone()
            };
            let path = dotted(&at.pointer);
            self.error("MISSING_KEY", &at, format!("{path} is missing. {}", T::missing(name)));
        }
        default
    }
}

/// What can stand behind a key.
pub(super) trait Setting: Sized {
    /// Reads it, or says why not.
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Self>;

    /// Itself as TOML.
    fn write(&self) -> Written;

    /// What to do when it is required and missing.
    fn missing(name: &str) -> String {
        format!("Write {name} = ...; it has no default.")
    }
}

/// What a section has to say beyond its settings' types.
pub(super) trait Check {
    /// Keys that are refused by name, with the reason.
    const LATER: &'static [(&'static str, &'static str)] = &[];

    /// Looks for what no single setting can tell.
    fn check(&self, _node: &Node, _findings: &mut Findings<'_>) {}
}

/// A setting as TOML.
pub(super) enum Written {
    /// Not set.
    Absent,
    /// `= this`
    Value(String),
    /// `[this]`
    Table(Vec<Entry>),
    /// `[[this]]`
    Tables(Vec<Vec<Entry>>),
}

/// A line of a written table.
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// The doc comment, as written.
    pub(super) comment: &'static str,
    /// Shown in the reference where the setting is absent by default.
    pub(super) example: Option<&'static str>,
    pub(super) written: Written,
}

/// Declares a table: `/// comment`, `name: Type = default;`, or without `= default` a required one;
/// `, example "text"` where the default is absent. `default Name { .. }` also implements `Default`.
macro_rules! section {
    ($(#[doc = $about:literal])* default $name:ident { $(
        $(#[doc = $doc:literal])*
        $field:ident : $type:ty = $default:expr $(, example $example:literal)?;
    )* }) => {
        section! { $(#[doc = $about])* $name { $(
            $(#[doc = $doc])* $field : $type = $default $(, example $example)?;
        )* } }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)* }
            }
        }
    };
    ($(#[doc = $about:literal])* $name:ident { $(
        $(#[doc = $doc:literal])*
        $field:ident : $type:ty $(= $default:expr)? $(, example $example:literal)?;
    )* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[doc = $doc])* pub $field: $type, )* }

        impl $crate::config::section::Setting for $name {
            fn read(
                node: &$crate::config::tree::Node,
                findings: &mut $crate::config::section::Findings<'_>,
            ) -> Option<Self> {
                use $crate::config::section::Check;
                let table = findings.table(node, &[$(stringify!($field)),*], Self::LATER)?;
                $( let $field = findings.take::<$type>(
                    node, &table, stringify!($field), section!(@default $($default)?),
                ); )*
                let read = $name { $($field: $field?,)* };
                read.check(node, findings);
                Some(read)
            }

            fn write(&self) -> $crate::config::section::Written {
                $crate::config::section::Written::Table(vec![$(
                    $crate::config::section::Entry {
                        name: stringify!($field),
                        comment: concat!($($doc, "\n"),*),
                        example: section!(@example $($example)?),
                        written: self.$field.write(),
                    },
                )*])
            }
        }
    };
    (@default) => { None };
    (@default $default:expr) => { Some($default) };
    (@example) => { None };
    (@example $example:literal) => { Some($example) };
}

/// Declares a setting that is one of several words; `later` lists those of coming versions.
macro_rules! choice {
    ($(#[doc = $about:literal])* $name:ident {
        $( $(#[doc = $doc:literal])* $variant:ident = $word:literal, )*
    } $(later { $( $later:literal: $reason:literal, )* })? $(missing $missing:expr)?) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $doc])* $variant, )* }

        impl $name {
            /// The word it is written as.
            pub const fn as_str(self) -> &'static str {
                match self { $( $name::$variant => $word, )* }
            }
        }

        impl $crate::config::section::Setting for $name {
            fn read(
                node: &$crate::config::tree::Node,
                findings: &mut $crate::config::section::Findings<'_>,
            ) -> Option<Self> {
                match node.text() {
                    $( Some($word) => Some($name::$variant), )*
                    $( $( Some($later) => {
                        let message = concat!("\"", $later, "\" ", $reason);
                        findings.error("NOT_IN_THIS_VERSION", &node.value, message);
                        None
                    } )* )?
                    _ => {
                        let words = ["one of", $( concat!("\"", $word, "\"") ),*];
                        findings.expected(node, &words.join(" "))
                    }
                }
            }

            fn write(&self) -> $crate::config::section::Written {
                $crate::config::section::Written::Value(format!("{:?}", self.as_str()))
            }

            $( fn missing(_: &str) -> String { $missing } )?
        }
    };
}

pub(super) use {choice, section};

impl Setting for String {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
        match node.text() {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            _ => findings.expected(node, "a string that is not empty"),
        }
    }

    fn write(&self) -> Written {
        Written::Value(quoted(self))
    }
}

impl Setting for bool {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<bool> {
        node.boolean().or_else(|| findings.expected(node, "true or false"))
    }

    fn write(&self) -> Written {
        Written::Value(self.to_string())
    }
}

impl Setting for u32 {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<u32> {
        let number = node.integer().and_then(|integer| u32::try_from(integer).ok());
        number.or_else(|| findings.expected(node, "a whole number from 0 to 4294967295"))
    }

    fn write(&self) -> Written {
        Written::Value(self.to_string())
    }
}

impl Setting for f64 {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<f64> {
        let number = node.number().filter(|number| number.is_finite());
        number.or_else(|| findings.expected(node, "a number"))
    }

    fn write(&self) -> Written {
        Written::Value(format!("{self:?}"))
    }
}

impl Setting for PathBuf {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<PathBuf> {
        String::read(node, findings).map(|file| findings.folder.join(file))
    }

    fn write(&self) -> Written {
        Written::Value(quoted(&self.to_string_lossy()))
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Option<T>> {
        T::read(node, findings).map(Some)
    }

    fn write(&self) -> Written {
        self.as_ref().map_or(Written::Absent, T::write)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Vec<T>> {
        let Some(elements) = node.list() else {
            return findings.expected(node, "a list");
        };
        let read: Vec<Option<T>> = elements.iter().map(|node| T::read(node, findings)).collect();
        read.into_iter().collect()
    }

    fn write(&self) -> Written {
        let (mut values, mut tables) = (Vec::new(), Vec::new());
        for element in self {
            match element.write() {
                Written::Table(entries) => tables.push(entries),
                Written::Value(text) => values.push(text),
                Written::Absent | Written::Tables(_) => {}
            }
        }
        match (values.is_empty(), tables.is_empty()) {
            (true, true) => Written::Absent,
            (true, false) => Written::Tables(tables),
            (false, _) => Written::Value(format!("[{}]", values.join(", "))),
        }
    }
}

/// A string as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// `/pipeline/0/name` as people write it: `pipeline[0].name`.
pub(super) fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        let key = segment.replace("~1", "/").replace("~0", "~");
        match key.parse::<usize>() {
            Ok(index) => path.push_str(&format!("[{index}]")),
            Err(_) if path.is_empty() => path.push_str(&key),
            Err(_) => path.push_str(&format!(".{key}")),
        }
    }
    path
}

/// The known key that was probably meant.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let far = (key.chars().count() / 3).max(1) + 1;
    let by_distance = known.iter().map(|name| (distance(key, name), *name));
    by_distance.min().filter(|(distance, _)| *distance <= far).map(|(_, name)| name)
}

/// Levenshtein's distance, in one row.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (index, b) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[right.chars().count()]
}
