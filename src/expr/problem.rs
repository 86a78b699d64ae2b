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

/// All that is wrong with one text.
pub(super) type Problems = Vec<Problem>;

/// One finding at the node itself.
pub(super) fn wrong<T>(message: impl Into<String>) -> Result<T, Problems> {
    Err(vec![Problem::here(message)])
}

/// What was read of the member or item `name`.
pub(super) fn at<T>(name: &str, result: Result<T, Problems>) -> Result<T, Problems> {
    result.map_err(|problems| problems.into_iter().map(|p| p.under(name)).collect())
}

/// All of them, or all that is wrong.
pub(super) fn all<T>(
    parsed: impl Iterator<Item = Result<T, Problems>>,
) -> Result<Box<[T]>, Problems> {
    let (mut good, mut problems) = (Vec::new(), Vec::new());
    for one in parsed {
        match one {
            Ok(one) => good.push(one),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(good.into()) } else { Err(problems) }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:?}: {}", self.pointer, self.message)
    }
}
