//! What is wrong with an expression, and where below the node it was parsed from.

use std::fmt;

/// A finding; whoever read the definition knows the rest of the location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer relative to the node that was parsed: `/items/0/id.$`, or empty.
    pub pointer: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A finding at the node itself.
    pub fn here(message: impl Into<String>) -> Problem {
        Problem { pointer: String::new(), message: message.into() }
    }

    /// The same finding seen from the node that holds this one as `token`.
    pub fn under(mut self, token: &str) -> Problem {
        let token = token.replace('~', "~0").replace('/', "~1");
        self.pointer.insert_str(0, &format!("/{token}"));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?}: {}", self.pointer, self.message)
    }
}
