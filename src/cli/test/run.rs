//! A test's execution: on a clock of its own, so that waits take no time, its tasks answered by mocks
//! alone.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::suite::{Call, FAILED, SUCCEEDED, TIMED_OUT, Test};
use crate::fault::StateError;
use crate::machine::{Execution, Identity, Limits, Machine, Observer, Outcome, Suspension};
use crate::program::Program;
use crate::step::{Resume, StepId};
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
    let mut runner = Runner { test, ran, calls: BTreeMap::new(), now_ms: test.start_ms };
    let limits = Limits::default();
    let mut execution = Execution::default();
    let at = |now_ms| Machine { program, limits: &limits, identity: &names, now_ms };
    at(runner.now_ms).start(&mut execution, input, seed(&test.name));
    let mut result: Vec<u8>;
    let mut resume = Resume::Continue;
    for _ in 0..SUSPENSIONS_MAX {
        let machine = at(runner.now_ms);
        let mut path = Path { program, entered: &mut runner.ran.path };
        resume = match machine.run(&mut execution, &mut scratch, resume, &mut path) {
            Suspension::Done(outcome) => return runner.ended(outcome, &scratch),
            Suspension::Yield => Resume::Continue,
            Suspension::Wait { until_ms } => {
                runner.now_ms = until_ms;
                Resume::Timer
            }
            Suspension::Call { request, wake_ms } => {
                let state = program.state_name(execution.step());
                let mut arguments = Vec::new();
                scratch.write(request.arguments, &mut arguments);
                match runner.answer(state, execution.attempt(), &arguments) {
                    None => return runner.ran,
                    Some((at_ms, _)) if at_ms >= wake_ms => {
                        runner.now_ms = wake_ms;
                        Resume::Timer
                    }
                    Some((at_ms, answer)) => {
                        runner.now_ms = at_ms;
                        match answer {
                            Ok(text) => {
                                result = text;
                                Resume::Reply(Ok(&result))
                            }
                            Err(error) => Resume::Reply(Err(error)),
                        }
                    }
                }
            }
        };
    }
    runner.ran.trouble = Some(format!("It did not end within {SUSPENSIONS_MAX} suspensions."));
    runner.ran
}

/// When an answer comes, and what it is.
type Answer = (i64, Result<Vec<u8>, StateError>);

struct Runner<'a> {
    test: &'a Test,
    ran: Ran,
    /// Calls of each state so far.
    calls: BTreeMap<String, u32>,
    now_ms: i64,
}

impl Runner<'_> {
    /// The mock's answer; `None` after noting that there is none.
    fn answer(&mut self, state: &str, attempt: u32, arguments: &[u8]) -> Option<Answer> {
        let sent = serde_json::from_slice(arguments).ok();
        self.ran.calls.push(Call { state: state.to_owned(), arguments: sent });
        let counter = self.calls.entry(state.to_owned()).or_default();
        let (call, what) = match self.test.by_call.contains(state) {
            true => (*counter, "call"),
            false => (attempt, "attempt"),
        };
        *counter += 1;
        match self.test.mocks.answer(state, call) {
            Some((latency, answer)) => {
                let latency_ms = i64::try_from(latency.as_millis()).unwrap_or(i64::MAX);
                Some((self.now_ms.saturating_add(latency_ms), answer.map(<[u8]>::to_vec)))
            }
            None => {
                self.ran.trouble = Some(match self.test.mocks.states().any(|it| it == state) {
                    true => format!(
                        "The mocks of state {state:?} have no answer for {what} {call} (counted from 0)."
                    ),
                    false => format!(
                        "State {state:?} called its task, and no mock answers it; tests call nothing \
                         real. Add it to \"mocks\"."
                    ),
                });
                None
            }
        }
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
