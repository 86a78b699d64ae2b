//! A test's execution: on a clock of its own, so that waits take no time, its tasks answered by mocks
//! alone.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::suite::{Call, FAILED, SUCCEEDED, TIMED_OUT, Test};
use crate::fault::StateError;
use crate::machine::{Execution, Identity, Limits, Machine, Observer, Outcome, Suspension};
use crate::program::Program;
use crate::step::{CallNumber, Resume, StepId};
use crate::value::Scratch;

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

/// Runs the test's execution.
pub(super) fn run(program: &Program, machine: &str, test: &Test) -> Ran {
    let mut scratch = program.scratch();
    let mut ran = Ran::default();
    let input = match scratch.parse(test.input.to_string().as_bytes()) {
        Ok(input) => input,
        Err(error) => {
            ran.trouble = Some(format!("The input is {error}."));
            return ran;
        }
    };
    let names = Names { machine, test: &test.name };
    let limits = Limits::default();
    let mut runner = Runner::new(test, ran);
    let mut execution = Execution::default();
    let at = |now_ms| Machine { program, limits: &limits, identity: &names, now_ms };
    at(runner.now_ms).start(&mut execution, input, seed(&test.name));
    let mut result: Vec<u8>;
    let mut resume = Resume::Continue;
    for _ in 0..SUSPENSIONS_MAX {
        let mut path = Path { program, entered: &mut runner.ran.path };
        let suspension = at(runner.now_ms).run(&mut execution, &mut scratch, resume, &mut path);
        execution.cancelled().for_each(|call| runner.pending.retain(|it| it.call != call));
        resume = match suspension {
            Suspension::Done(outcome) => return runner.ended(outcome, &scratch),
            Suspension::Yield => Resume::Continue,
            Suspension::Wait { until_ms } => match runner.next_answer(until_ms) {
                None => Resume::Timer,
                Some((call, Err(error))) => Resume::Reply(call, Err(error)),
                Some((call, Ok(text))) => {
                    result = text;
                    Resume::Reply(call, Ok(&result))
                }
            },
            Suspension::Call { request, .. } => {
                let state = program.state_name(execution.step());
                let mut arguments = Vec::new();
                scratch.write(request.arguments, &mut arguments);
                if !runner.call(execution.call(), state, execution.attempt(), &arguments) {
                    return runner.ran;
                }
                Resume::Continue
            }
        };
    }
    runner.ran.trouble = Some(format!("It did not end within {SUSPENSIONS_MAX} suspensions."));
    runner.ran
}

/// An answer on its way.
struct Pending {
    at_ms: i64,
    call: CallNumber,
    answer: Result<Vec<u8>, StateError>,
}

struct Runner<'a> {
    test: &'a Test,
    ran: Ran,
    /// Calls of each state so far.
    calls: BTreeMap<String, u32>,
    /// In the order of the calls.
    pending: Vec<Pending>,
    now_ms: i64,
}

impl<'a> Runner<'a> {
    fn new(test: &'a Test, ran: Ran) -> Runner<'a> {
        let (calls, pending) = (BTreeMap::new(), Vec::new());
        Runner { test, ran, calls, pending, now_ms: test.start_ms }
    }

    /// Takes a call for its mock to answer; `false` after noting that there is none.
    fn call(&mut self, call: CallNumber, state: &str, attempt: u32, arguments: &[u8]) -> bool {
        let sent = serde_json::from_slice(arguments).ok();
        self.ran.calls.push(Call { state: state.to_owned(), arguments: sent });
        let counter = self.calls.entry(state.to_owned()).or_default();
        let (number, what) = match self.test.by_call.contains(state) {
            true => (*counter, "call"),
            false => (attempt, "attempt"),
        };
        *counter += 1;
        let Some((latency, answer)) = self.test.mocks.answer(state, number) else {
            self.ran.trouble = Some(match self.test.mocks.states().any(|it| it == state) {
                true => format!(
                    "The mocks of state {state:?} have no answer for {what} {number} (counted from \
                     0)."
                ),
                false => format!(
                    "State {state:?} called its task, and no mock answers it; tests call nothing \
                     real. Add it to \"mocks\"."
                ),
            });
            return false;
        };
        let latency_ms = i64::try_from(latency.as_millis()).unwrap_or(i64::MAX);
        let at_ms = self.now_ms.saturating_add(latency_ms);
        self.pending.push(Pending { at_ms, call, answer: answer.map(<[u8]>::to_vec) });
        true
    }

    /// The answer that comes first, if it comes by then; the time is its own, or that one.
    fn next_answer(&mut self, until_ms: i64) -> Option<(CallNumber, Result<Vec<u8>, StateError>)> {
        let waiting = self.pending.iter().enumerate();
        let first = waiting.min_by_key(|(_, it)| it.at_ms).filter(|(_, it)| it.at_ms <= until_ms);
        let Some((at, _)) = first else {
            self.now_ms = until_ms;
            return None;
        };
        let Pending { at_ms, call, answer } = self.pending.remove(at);
        self.now_ms = self.now_ms.max(at_ms);
        Some((call, answer))
    }

    fn ended(mut self, outcome: Outcome, scratch: &Scratch) -> Ran {
        match outcome {
            Outcome::Succeeded(output) => {
                let mut text = Vec::new();
                scratch.write(output, &mut text);
                self.ran.status = SUCCEEDED;
                self.ran.output = serde_json::from_slice(&text).ok();
            }
            Outcome::Failed(error) => {
                self.ran.status = FAILED;
                self.ran.error = error.name().map(str::to_owned);
                self.ran.cause = error.cause().map(str::to_owned);
            }
            Outcome::TimedOut => self.ran.status = TIMED_OUT,
        }
        self.ran
    }
}

/// Writes down the states entered.
struct Path<'a> {
    program: &'a Program,
    entered: &'a mut Vec<String>,
}

impl Observer for Path<'_> {
    fn entered(&mut self, step: StepId) {
        self.entered.push(self.program.state_name(step).to_owned());
    }
}

/// The randomness of a test derives from its name: FNV-1a.
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

struct Names<'a> {
    machine: &'a str,
    test: &'a str,
}

impl Identity for Names<'_> {
    fn id(&self) -> String {
        let seed = seed(self.test);
        format!("arn:aws:states:local:000000000000:express:{}:test:{seed:016x}", self.machine)
    }

    fn name(&self) -> String {
        "test".to_owned()
    }

    fn role_arn(&self) -> String {
        "arn:aws:iam::000000000000:role/expressway".to_owned()
    }

    fn machine_id(&self) -> String {
        format!("arn:aws:states:local:000000000000:stateMachine:{}", self.machine)
    }

    fn machine_name(&self) -> String {
        self.machine.to_owned()
    }
}
