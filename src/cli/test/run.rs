//! A test's execution, rehearsed: its tasks are answered by mocks alone.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::suite::{Call, FAILED, SUCCEEDED, TIMED_OUT, Test};
use crate::machine::{
    Answer, Asked, Decision, GivenUp, Identity, Limits, Observer, Outcome, Rehearsal,
};
use crate::program::Program;
use crate::step::{CallSite, StepId};
use crate::value::{Scratch, hash};

/// Suspensions after which an execution is given up: a loop that never ends must not hang a test.
const SUSPENSIONS_MAX: usize = 1_000_000;

/// What came of an execution.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) status: &'static str,
    pub(super) output: Option<Json>,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// The states entered.
    pub(super) path: Vec<String>,
    /// What tasks were sent.
    pub(super) calls: Vec<Call>,
    /// Why the test itself can't be told to pass: a task without a mock, say.
    pub(super) trouble: Option<String>,
}

impl Ran {
    /// A test that was not run, or not to its end.
    pub(super) fn of_trouble(why: String) -> Ran {
        Ran { trouble: Some(why), ..Ran::default() }
    }
}

/// Runs the test's execution.
pub(super) fn run(program: &Program, machine: &str, test: &Test) -> Ran {
    let mut scratch = program.scratch();
    let input = match scratch.parse(test.input.as_bytes()) {
        Ok(input) => input,
        Err(error) => return Ran::of_trouble(format!("The input is {error}.")),
    };
    let limits = Limits { duration_max: test.duration_max, ..Limits::default() };
    let rehearsal = Rehearsal {
        program,
        limits: &limits,
        identity: &Names { machine, test: &test.name },
        started_ms: test.start_ms,
        suspensions_max: SUSPENSIONS_MAX,
    };
    let mut path = Path { program, entered: Vec::new() };
    let mut mocks = Mocked { test, counts: BTreeMap::new(), calls: Vec::new() };
    let ended = rehearsal.run(&mut scratch, input, &mut path, &mut |asked| mocks.answer(asked));
    let ran = Ran { path: path.entered, calls: mocks.calls, ..Ran::default() };
    let trouble = match ended {
        Ok(ended) => return ended_by(ended.outcome, &scratch, ran),
        Err(GivenUp::Unanswered(why)) => why,
        Err(GivenUp::Endless) => {
            format!("It did not end within {SUSPENSIONS_MAX} suspensions.")
        }
    };
    Ran { trouble: Some(trouble), ..ran }
}

fn ended_by(outcome: Outcome, scratch: &Scratch, mut ran: Ran) -> Ran {
    match outcome {
        Outcome::Succeeded(output) => {
            let mut text = Vec::new();
            scratch.write(output, &mut text);
            ran.status = SUCCEEDED;
            ran.output = serde_json::from_slice(&text).ok();
        }
        Outcome::Failed(error) => {
            ran.status = FAILED;
            ran.error = error.name().map(str::to_owned);
            ran.cause = error.cause().map(str::to_owned);
        }
        Outcome::TimedOut => ran.status = TIMED_OUT,
    }
    ran
}

/// Answers calls, and writes them down.
struct Mocked<'a> {
    test: &'a Test,
    /// Calls of each state so far.
    counts: BTreeMap<String, u32>,
    calls: Vec<Call>,
}

impl Mocked<'_> {
    fn answer(&mut self, asked: &Asked<'_>) -> Result<Option<Answer>, String> {
        let Asked { state, attempt, arguments, now_ms, .. } = *asked;
        let sent = serde_json::from_slice(arguments).ok();
        self.calls.push(Call { state: state.to_owned(), arguments: sent });
        let count = self.counts.entry(state.to_owned()).or_default();
        let (number, what) = match self.test.by_call.contains(state) {
            true => (*count, "call"),
            false => (attempt, "attempt"),
        };
        *count += 1;
        let mocks = &self.test.mocks;
        let (latency, answer) = mocks.answer(state, number).ok_or_else(|| {
            match mocks.states().any(|it| it == state) {
                true => format!(
                    "The mocks of state {state:?} have no answer for {what} {number} (counted from \
                     0)."
                ),
                false => format!(
                    "State {state:?} called its task, and no mock answers it; tests call nothing \
                     real. Add it to \"mocks\"."
                ),
            }
        })?;
        let latency_ms = i64::try_from(latency.as_millis()).unwrap_or(i64::MAX);
        let at_ms = now_ms.saturating_add(latency_ms);
        Ok(Some(Answer { at_ms, result: answer.map(<[u8]>::to_vec) }))
    }
}

/// Writes down the states entered.
struct Path<'a> {
    program: &'a Program,
    entered: Vec<String>,
}

impl Observer for Path<'_> {
    fn entered(&mut self, step: StepId) {
        self.entered.push(self.program.state_name(step).to_owned());
    }
}

struct Names<'a> {
    machine: &'a str,
    test: &'a str,
}

impl Identity for Names<'_> {
    fn name(&self) -> String {
        "test".to_owned()
    }

    fn machine_name(&self) -> String {
        self.machine.to_owned()
    }

    /// Nobody serves it, but it looks like one.
    fn link(&self, site: &CallSite, decision: Decision, _: i64) -> Option<String> {
        Some(format!(
            "http://127.0.0.1:9644/approve?token={}&decision={decision}",
            self.token(site)
        ))
    }

    fn seed(&self) -> u64 {
        hash(self.test.bytes())
    }
}
