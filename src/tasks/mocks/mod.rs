//! Answers instead of calls: Step Functions Local's `MockConfigFile`, the one format wherever mocks
//! are given, plus `Latency`. A state that the chosen test case names is answered from here,
//! whatever its `Resource`; all others are called.
//!
//! ```json
//! {"StateMachines": {"orders": {"TestCases": {"Happy": {"Charge": "Charged"}}}},
//!  "MockedResponses": {"Charged": {
//!    "0": {"Throw": {"Error": "Card.Busy", "Cause": "try again"}, "Latency": "20ms"},
//!    "1-2": {"Return": {"id": 7}}}}}
//! ```
//!
//! Responses go by attempt: 0 is the first call on a visit of the state, 1 the first retry.
//! `FILE#Case` names a test case, as `ARN#Case` does there; without it the file must have only one.
//! Its machine is the one of the definition's name, or the only one.

mod calls;
mod parse;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

pub(super) use calls::Calls;

use crate::fault::StateError;

/// The mocks of one test case.
#[derive(Clone, Debug, Default)]
pub struct Mocks {
    states: HashMap<Box<str>, usize>,
    lists: Vec<Vec<Response>>,
}

/// What one range of attempts gets.
#[derive(Clone, Debug)]
struct Response {
    first: u32,
    last: u32,
    latency: Duration,
    answer: Result<Box<[u8]>, StateError>,
}

/// Why mocks can't be used: all that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockError {
    /// The file.
    pub file: String,
    /// What is wrong and where, a sentence each.
    pub problems: Vec<String>,
}

impl fmt::Display for MockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mocks {}: {}", self.file, self.problems.join(" "))
    }
}

impl std::error::Error for MockError {}

impl Mocks {
    /// Reads `FILE` or `FILE#Case` for the definition of this name.
    pub fn load(place: &str, machine: &str) -> Result<Mocks, MockError> {
        let (file, case) = match place.rsplit_once('#') {
            Some((file, case)) if !Path::new(place).exists() => (file, Some(case)),
            _ => (place, None),
        };
        let failed = |problems| MockError { file: file.to_owned(), problems };
        let text = std::fs::read(file)
            .map_err(|error| failed(vec![format!("The file can't be read: {error}.")]))?;
        Mocks::parse(&text, machine, case).map_err(failed)
    }

    /// The states that are mocked.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.states.keys().map(AsRef::as_ref)
    }

    /// The answer to a call of a state, by its attempt, and how long it takes; `None` where there is
    /// none.
    pub fn answer(
        &self,
        state: &str,
        attempt: u32,
    ) -> Option<(Duration, Result<&[u8], StateError>)> {
        let list = self.of_state(state)?;
        let response = &self.lists[list][self.find(list, attempt)?];
        let answer = response.answer.as_ref().map(|json| &**json).map_err(Clone::clone);
        Some((response.latency, answer))
    }

    /// Takes the answers of `other` for the states that it has.
    pub fn overlay(&mut self, other: Mocks) {
        let first = self.lists.len();
        self.lists.extend(other.lists);
        self.states.extend(other.states.into_iter().map(|(state, list)| (state, first + list)));
    }

    /// The list of a state's responses, where it is mocked.
    pub(super) fn of_state(&self, state: &str) -> Option<usize> {
        self.states.get(state).copied()
    }

    /// The response of a list to an attempt.
    fn find(&self, list: usize, attempt: u32) -> Option<usize> {
        let is_for = |it: &Response| (it.first..=it.last).contains(&attempt);
        self.lists[list].iter().position(is_for)
    }
}

#[cfg(test)]
mod tests;
