//! A located finding about a definition or a configuration.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The definition can't be run.
    Error,
    /// It can be run, and is probably not what was meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Where in a file: a JSON pointer (RFC 6901), and the line and column it stands at, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// `/States/Enrich/Parameters/id.$`; empty for the whole document.
    pub pointer: String,
    /// From 1; 0 where unknown.
    pub line: u32,
    /// From 1, in characters; 0 where unknown.
    pub column: u32,
    /// How many characters the finding covers, for the caret line; at least 1 where known.
    pub width: u32,
}

/// A finding: collected with all others, never thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable code, `UNKNOWN_FIELD` say.
    pub code: &'static str,
    /// What is wrong and what to do, in one sentence or two.
    pub message: String,
    /// Where it stands.
    pub location: Location,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>, location: Location) -> Diagnostic {
        Diagnostic { severity: Severity::Error, code, message: message.into(), location }
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>, at: Location) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, code, message: message.into(), location: at }
    }

    /// Is it an error?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { severity, code, message, location } = self;
        write!(f, "{}[{code}] at {:?}: {message}", severity.as_str(), location.pointer)
    }
}
