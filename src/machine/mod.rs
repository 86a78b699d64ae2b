//! The loop. [`Machine::run`] takes an execution and what came back to it, runs until it must wait,
//! is done, or has spent its budget, and says what is to be done. It knows no clock, thread, socket
//! or runtime: the time, the seed and the answers are handed in, so a run repeats exactly.
//!
//! Comes before: a shard that parsed the record. Comes after: the same shard, which calls the task,
//! sets the timer or writes the output.
//!
//! Parallel and Map will add a list of threads to [`Execution`] (see `step`): the loop below then
//! takes the next ready thread where it now has the only one.

mod context;
mod execution;
mod failure;
mod observer;

pub use context::Identity;
pub use execution::{Execution, Roots};
pub use observer::Observer;

use std::time::Duration;

use context::ContextObject;
use execution::Phase;

use crate::asl::resource::Pattern;
use crate::asl::retry::{DataLimitRule, Raised};
use crate::fault::{StateError, names};
use crate::program::Program;
use crate::states::Step;
use crate::step::{Exit, Frame, Resume, StepId, TaskRequest, Transition};
use crate::value::{Scratch, Value};

/// What an execution may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// States entered in one call of [`Machine::run`] before it yields.
    pub steps_max: u32,
    /// Bytes of a state's input or output, or a task's result; 256 KiB as in Step Functions.
    pub data_bytes_max: usize,
    /// The longest an execution may take, whatever its definition says; five minutes as in Express.
    pub duration_max: Duration,
    /// Bytes of garbage in the scratch memory before what is live is moved together.
    pub garbage_bytes_max: usize,
    /// Which oversized data can be caught.
    pub data_limit_rule: DataLimitRule,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            steps_max: 10_000,
            data_bytes_max: 256 << 10,
            duration_max: Duration::from_secs(300),
            garbage_bytes_max: 64 << 10,
            data_limit_rule: DataLimitRule::Observed,
        }
    }
}

/// How an execution ended.
#[derive(Debug)]
pub enum Outcome {
    /// Its output, in the scratch memory it ran in.
    Succeeded(Value),
    /// The error.
    Failed(StateError),
    /// The machine's `TimeoutSeconds`, or the ceiling on all machines.
    TimedOut,
}

/// Why `run` came back, and what its caller is to do.
#[derive(Debug)]
pub enum Suspension {
    /// Call this task; wake the execution with [`Resume::Timer`] at `wake_ms` if no answer came.
    Call {
        /// The call.
        request: TaskRequest,
        /// Milliseconds since 1970.
        wake_ms: i64,
    },
    /// Wake it then, in milliseconds since 1970.
    Wait {
        /// Milliseconds since 1970.
        until_ms: i64,
    },
    /// It has spent its budget: look at the time and at others, then go on with it.
    Yield,
    /// It has ended.
    Done(Outcome),
}

/// All that one call of `run` depends on, beside the execution itself.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// What is run.
    pub program: &'a Program,
    /// Limits.
    pub limits: &'a Limits,
    /// Who the execution is, asked only by expressions that read `$$`.
    pub identity: &'a dyn Identity,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// What the loop does next.
enum Next {
    /// Enter this state with this input.
    Enter(StepId, Value),
    /// Come back.
    Suspend(Suspension),
}

impl Machine<'_> {
    /// Makes `execution` ready to run on `input`. The seed is all the randomness it gets.
    pub fn start(&self, execution: &mut Execution, input: Value, seed: u64) {
        let timeout = self.program.timeout.unwrap_or(Duration::MAX).min(self.limits.duration_max);
        let deadline_ms = self.now_ms.saturating_add(timeout.as_millis() as i64);
        execution.start(self.program.start, input, seed, self.now_ms, deadline_ms);
        execution.garbage_limit = self.limits.garbage_bytes_max;
    }

    /// Runs on. `resume` must be what the last suspension asked for.
    pub fn run(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        resume: Resume<'_>,
        observer: &mut impl Observer,
    ) -> Suspension {
        if self.now_ms >= execution.deadline_ms {
            return Suspension::Done(Outcome::TimedOut);
        }
        let mut next = self.resume(execution, scratch, resume, observer);
        let mut steps = 0;
        loop {
            let (step, input) = match next {
                Next::Suspend(suspension) => return suspension,
                Next::Enter(step, input) => (step, input),
            };
            execution.go_to(step, input);
            if scratch.used() > execution.garbage_limit {
                execution.compact(scratch, self.limits.garbage_bytes_max);
            }
            if steps == self.limits.steps_max {
                return Suspension::Yield;
            }
            steps += 1;
            next = self.enter(execution, scratch, observer);
        }
    }

    /// Takes up what was suspended.
    fn resume(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        resume: Resume<'_>,
        observer: &mut impl Observer,
    ) -> Next {
        match (execution.phase, resume) {
            (Phase::Ready, Resume::Continue) => self.enter(execution, scratch, observer),
            (Phase::Retrying, Resume::Timer) => self.attempt(execution, scratch, observer),
            (Phase::Waiting, Resume::Timer) => {
                self.step_on(execution, scratch, observer, |step, frame| {
                    step.resume(frame, Value::NULL)
                })
            }
            (Phase::Calling, Resume::Timer) => {
                execution.events += 1;
                let error = StateError::from_parts(Some(names::TIMEOUT.into()), None);
                self.fail(execution, scratch, observer, error, Raised::ByTask)
            }
            (Phase::Calling, Resume::Reply(reply)) => {
                execution.events += 1;
                match self.result(execution, scratch, reply) {
                    Ok(result) => self.step_on(execution, scratch, observer, |step, frame| {
                        step.resume(frame, result)
                    }),
                    Err(error) => self.fail(execution, scratch, observer, error, Raised::ByTask),
                }
            }
            (phase, resume) => {
                let cause = format!("The execution was {phase:?} and got {resume:?}; a defect.");
                Next::Suspend(Suspension::Done(Outcome::Failed(StateError::runtime(cause))))
            }
        }
    }

    /// A task's result as a value.
    fn result(
        &self,
        execution: &Execution,
        scratch: &mut Scratch,
        reply: Result<&[u8], StateError>,
    ) -> Result<Value, StateError> {
        let text = reply?;
        if text.len() > self.limits.data_bytes_max {
            return Err(self.oversized(execution));
        }
        scratch.parse(text).map_err(|e| {
            let cause = format!("The task's result is {e}");
            StateError::new(names::TASK_FAILED, cause)
        })
    }

    /// Enters the state that the execution has come to.
    fn enter(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Next {
        observer.entered(execution.step);
        execution.enter(self.now_ms, self.program.step(execution.step).retriers().len());
        self.attempt(execution, scratch, observer)
    }

    /// Runs the state from its start, the first time or again.
    fn attempt(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Next {
        self.step_on(execution, scratch, observer, |step, frame| step.enter(frame))
    }

    /// Runs the current step, and does what it says.
    #[inline]
    fn step_on(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        run: impl FnOnce(&Step, &mut Frame<'_>) -> Result<Transition, StateError>,
    ) -> Next {
        let step = self.program.step(execution.step);
        let transition = self.with_frame(execution, scratch, |frame| run(step, frame));
        match transition {
            Ok(Transition::Exit(exit, output)) => {
                if scratch.exceeds(output, self.limits.data_bytes_max) {
                    let error = self.oversized_state(execution);
                    return self.fail(execution, scratch, observer, error, Raised::ByState);
                }
                execution.events += 1;
                match exit {
                    Exit::Next(next) => Next::Enter(next, output),
                    Exit::End => Next::Suspend(Suspension::Done(Outcome::Succeeded(output))),
                }
            }
            Ok(Transition::Call(request)) => self.call(execution, scratch, observer, request),
            Ok(Transition::Wait(until_ms)) => self.wait(execution, scratch, observer, until_ms),
            Ok(Transition::Fail(error)) => Next::Suspend(Suspension::Done(Outcome::Failed(error))),
            Err(error) => {
                let error = self.located(execution, error);
                self.fail(execution, scratch, observer, error, Raised::ByState)
            }
        }
    }

    fn call(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        request: TaskRequest,
    ) -> Next {
        if scratch.exceeds(request.arguments, self.limits.data_bytes_max) {
            let error = self.oversized(execution);
            return self.fail(execution, scratch, observer, error, Raised::ByState);
        }
        // Scheduled and started; a job or a callback is submitted as well.
        let pattern = self.program.resource(request.resource).parsed.pattern();
        let submits = !matches!(pattern, Pattern::RequestResponse);
        execution.events += 2 + u64::from(submits);
        execution.suspend(Phase::Calling);
        let patience = [request.timeout, request.heartbeat].into_iter().flatten().min();
        let patience_ms = patience.map_or(i64::MAX, |time| time.as_millis() as i64);
        let wake_ms = self.now_ms.saturating_add(patience_ms).min(execution.deadline_ms);
        Next::Suspend(Suspension::Call { request, wake_ms })
    }

    fn wait(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        until_ms: i64,
    ) -> Next {
        if until_ms <= self.now_ms {
            return self.step_on(execution, scratch, observer, |step, frame| {
                step.resume(frame, Value::NULL)
            });
        }
        execution.suspend(Phase::Waiting);
        let until_ms = until_ms.min(execution.deadline_ms);
        Next::Suspend(Suspension::Wait { until_ms })
    }

    #[inline]
    fn with_frame<T>(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        run: impl FnOnce(&mut Frame<'_>) -> T,
    ) -> T {
        let Execution { roots, random, step, entered_ms, started_ms, attempt, call, .. } =
            execution;
        let mut context = ContextObject {
            identity: self.identity,
            input: roots.input,
            started_ms: *started_ms,
            program: self.program,
            step: *step,
            entered_ms: *entered_ms,
            attempt: *attempt,
            call: *call,
        };
        let input = roots.state_input;
        let scope = crate::expr::Scope { scratch, input, context: &mut context, random };
        run(&mut Frame { scope, now_ms: self.now_ms })
    }
}
