//! An execution on a clock of its own: waits take no time, and whoever asks for it answers the tasks.
//! For tests of definitions, for conformance cases, for damaged inputs.

use super::{Execution, Identity, Limits, Machine, Observer, Outcome, Suspension};
use crate::fault::StateError;
use crate::program::Program;
use crate::step::{CallNumber, Resume, TaskRequest};
use crate::value::{Scratch, Value};

/// What is rehearsed.
#[derive(Clone, Copy)]
pub struct Rehearsal<'a> {
    /// What is run.
    pub program: &'a Program,
    /// Limits.
    pub limits: &'a Limits,
    /// Who the execution is.
    pub identity: &'a dyn Identity,
    /// When it starts, in milliseconds since 1970.
    pub started_ms: i64,
    /// Suspensions after which it is given up: a loop that never ends must not hang its caller.
    pub suspensions_max: usize,
}

/// A task that an execution calls.
pub struct Asked<'a> {
    /// The state that calls it.
    pub state: &'a str,
    /// Which try of this visit of the state, 0 first.
    pub attempt: u32,
    /// The call's number in its execution.
    pub call: CallNumber,
    /// The iterations it is in: `MapState[2]`.
    pub scope: &'a [String],
    /// Whom.
    pub resource: &'a str,
    /// The call.
    pub request: &'a TaskRequest,
    /// Its arguments as JSON text.
    pub arguments: &'a [u8],
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// A task's answer and when it comes.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// JSON text, or an error.
    pub result: Result<Vec<u8>, StateError>,
}

/// What comes of asking: an answer, or none ever; an error gives the execution up.
pub type Ask<'a> = dyn FnMut(&Asked<'_>) -> Result<Option<Answer>, String> + 'a;

/// Why an execution has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// A task's answer is not known.
    Unanswered(String),
    /// It goes on and on.
    Endless,
}

/// How an execution ended.
#[derive(Debug)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// When, in milliseconds since 1970.
    pub now_ms: i64,
}

/// An answer on its way.
type Pending = (CallNumber, Answer);

impl Rehearsal<'_> {
    /// Runs it on `input`; where it waits, the clock is put forward.
    pub fn run(
        &self,
        scratch: &mut Scratch,
        input: Value,
        observer: &mut impl Observer,
        ask: &mut Ask<'_>,
    ) -> Result<Ended, GivenUp> {
        let Rehearsal { program, limits, identity, started_ms: now_ms, .. } = *self;
        let mut machine = Machine { program, limits, identity, now_ms };
        let mut execution = Execution::default();
        // In the order of the calls.
        let mut pending: Vec<Pending> = Vec::new();
        let mut answered;
        let mut resume = Resume::Continue;
        machine.start(&mut execution, input, identity.seed());
        for _ in 0..self.suspensions_max {
            let suspension = machine.run(&mut execution, scratch, resume, observer);
            for call in execution.cancelled() {
                pending.retain(|(other, _)| *other != call);
            }
            resume = match suspension {
                Suspension::Done(outcome) => {
                    return Ok(Ended { outcome, now_ms: machine.now_ms });
                }
                Suspension::Yield => Resume::Continue,
                Suspension::Wait { until_ms } => match first_by(until_ms, &mut pending) {
                    None => {
                        machine.now_ms = until_ms;
                        Resume::Timer
                    }
                    Some((call, answer)) => {
                        machine.now_ms = answer.at_ms.max(machine.now_ms);
                        answered = answer.result;
                        Resume::Reply(call, answered.as_deref().map_err(StateError::clone))
                    }
                },
                Suspension::Call { request, .. } => {
                    let answer = asked(&machine, &execution, &request, scratch, ask)?;
                    pending.extend(answer.map(|answer| (execution.call(), answer)));
                    Resume::Continue
                }
            };
        }
        Err(GivenUp::Endless)
    }
}

/// The answer that comes first, if it comes by then.
fn first_by(until_ms: i64, pending: &mut Vec<Pending>) -> Option<Pending> {
    let first = (0..pending.len()).min_by_key(|at| pending[*at].1.at_ms)?;
    (pending[first].1.at_ms <= until_ms).then(|| pending.remove(first))
}

fn asked(
    machine: &Machine<'_>,
    execution: &Execution,
    request: &TaskRequest,
    scratch: &Scratch,
    ask: &mut Ask<'_>,
) -> Result<Option<Answer>, GivenUp> {
    let mut arguments = Vec::new();
    scratch.write(request.arguments, &mut arguments);
    let scope = |(step, at)| format!("{}[{at}]", machine.program.state_name(step));
    let scope: Vec<_> = execution.iterations().into_iter().map(scope).collect();
    ask(&Asked {
        state: machine.program.state_name(execution.step()),
        attempt: execution.attempt(),
        call: execution.call(),
        scope: &scope,
        resource: &machine.program.resource(request.resource).arn,
        request,
        arguments: &arguments,
        now_ms: machine.now_ms,
    })
    .map_err(GivenUp::Unanswered)
}
