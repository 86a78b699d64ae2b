//! The loop. [`Machine::run`] takes an execution and what came back to it, runs until it must wait,
//! is done, or has spent its budget, and says what is to be done. It knows no clock, thread, socket
//! or runtime: the time, the seed and the answers are handed in, so a run repeats exactly.
//!
//! Comes before: a shard that parsed the record. Comes after: the same shard, which calls the task,
//! sets the timer or writes the output.
//!
//! Most states need nothing but their input and variables, and nothing goes wrong in them: `glide`
//! leaves such at a glance (`Step::glance`), without what only others need. Where a state needs more,
//! or fails, no trace of that is left and it is entered in full.
//!
//! Parallel and Map add threads to the execution, which take turns in the same loop: the first runs
//! alone until something forks, and then a turn ends when a state was entered, as the service's own
//! histories show it.

mod context;
mod execution;
mod failure;
mod fork;
mod glide;
mod join;
mod map_run;
mod memory;
mod observer;
mod rehearsal;
mod thread;

pub use context::{Decision, Identity};
pub use execution::Execution;
pub use observer::Observer;
pub use rehearsal::{Answer, Ask, Asked, Ended, GivenUp, Rehearsal};

use std::time::Duration;

use context::ContextObject;
use thread::{NONE, Phase, Thread};

use crate::asl::resource::{Pattern, Resource};
use crate::asl::retry::{DataLimitRule, Raised};
use crate::fault::{StateError, names};
use crate::jsonata;
use crate::program::Program;
use crate::states::{ReadLimits, Step};
use crate::step::{Exit, Frame, Resume, States, StepId, TaskRequest, Transition};
use crate::value::{Scratch, TooDeep, Value};

/// What an execution may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// States entered in one call of [`Machine::run`] before it yields.
    pub steps_max: u32,
    /// Bytes of a state's input or output, or a task's result; 256 KiB as in Step Functions.
    pub data_bytes_max: usize,
    /// The longest an execution may take, whatever its definition says; five minutes as in Express.
    pub duration_max: Duration,
    /// Bytes that one `Assign` may make; 256 KiB as in Step Functions.
    pub assign_bytes_max: usize,
    /// Bytes of all variables that a state sees; 10 MiB as in Step Functions.
    pub variables_bytes_max: usize,
    /// Iterations of one Map at once, whatever its `MaxConcurrency` says; 40 as the service was seen
    /// to run inline Maps.
    pub concurrency_max: u32,
    /// Bytes of garbage in the scratch memory before what is live is moved together.
    pub garbage_bytes_max: usize,
    /// Which oversized data can be caught.
    pub data_limit_rule: DataLimitRule,
    /// What one evaluation of a JSONata expression may take.
    pub queries: jsonata::Limits,
    /// What one Map may read, where its items stand in several objects.
    pub reads: ReadLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            steps_max: 10_000,
            data_bytes_max: 256 << 10,
            duration_max: Duration::from_secs(300),
            assign_bytes_max: 256 << 10,
            variables_bytes_max: 10 << 20,
            concurrency_max: 40,
            garbage_bytes_max: 64 << 10,
            data_limit_rule: DataLimitRule::Observed,
            queries: jsonata::Limits::default(),
            reads: ReadLimits::default(),
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
    /// Call this task for [`Execution::call`], and go on with [`Resume::Continue`]: others may be
    /// able to.
    Call {
        /// The call.
        request: TaskRequest,
        /// When no answer counts any more, in milliseconds since 1970.
        wake_ms: i64,
    },
    /// Nothing can go on: wake it with an answer, or then, in milliseconds since 1970.
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
    /// Let the next thread have its turn.
    Turn,
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

    /// Runs on with what came back; an answer to a call that nobody waits for is no matter.
    pub fn run(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        resume: Resume<'_>,
        observer: &mut impl Observer,
    ) -> Suspension {
        if self.now_ms >= execution.deadline_ms {
            execution.abandon();
            return Suspension::Done(Outcome::TimedOut);
        }
        let mut next = match self.resume(execution, scratch, resume, observer) {
            Next::Enter(step, input) => (step, input),
            Next::Suspend(suspension) => return suspension,
            Next::Turn => match self.turns(execution, scratch, observer) {
                Ok(next) => next,
                Err(suspension) => return suspension,
            },
        };
        let mut steps = 0;
        loop {
            let (mut step, mut at) = next;
            if self.glide(execution, scratch, observer, (&mut step, &mut at), &mut steps) {
                if execution.thread.fork == NONE {
                    return Suspension::Done(Outcome::Succeeded(at));
                }
                next = match self.ended(execution, scratch, observer, at) {
                    Next::Enter(step, input) => (step, input),
                    Next::Suspend(suspension) => return suspension,
                    Next::Turn => match self.turns(execution, scratch, observer) {
                        Ok(next) => next,
                        Err(suspension) => return suspension,
                    },
                };
                continue;
            }
            let (step, input) = (step, at);
            execution.thread.go_to(step, input);
            if scratch.used() > execution.garbage_limit {
                execution.compact(scratch, self.limits.garbage_bytes_max);
            }
            if steps == self.limits.steps_max {
                return Suspension::Yield;
            }
            steps += 1;
            // What it answers is large, and read where it lies.
            next = match self.enter(execution, scratch, observer) {
                Next::Enter(step, input) => (step, input),
                Next::Suspend(suspension) => return suspension,
                Next::Turn => match self.turns(execution, scratch, observer) {
                    Ok(next) => next,
                    Err(suspension) => return suspension,
                },
            };
        }
    }

    /// Gives turns to threads until one enters a state, or none can go on.
    #[inline(never)]
    fn turns(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Result<(StepId, Value), Suspension> {
        loop {
            match self.turn(execution, scratch, observer) {
                Next::Enter(step, input) => return Ok((step, input)),
                Next::Suspend(suspension) => return Err(suspension),
                Next::Turn => {}
            }
        }
    }

    /// Takes up what was suspended.
    #[inline]
    fn resume(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        resume: Resume<'_>,
        observer: &mut impl Observer,
    ) -> Next {
        let Thread { phase, step, state_input, .. } = execution.thread;
        if phase == Phase::Ready && matches!(resume, Resume::Continue) {
            return Next::Enter(step, state_input);
        }
        self.take_up(execution, scratch, resume, observer)
    }

    #[inline(never)]
    fn take_up(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        resume: Resume<'_>,
        observer: &mut impl Observer,
    ) -> Next {
        if execution.thread.phase == Phase::Ready {
            // It had spent its budget, and goes on next, whatever else has come.
            execution.ready.push_front(execution.current);
        }
        match resume {
            Resume::Continue => Next::Turn,
            Resume::Timer => {
                execution.wake(self.now_ms);
                Next::Turn
            }
            Resume::Heartbeat(call) => {
                execution.beat(call, self.now_ms);
                Next::Turn
            }
            Resume::Reply(call, reply) => match execution.caller(call) {
                None => Next::Turn,
                Some(thread) => {
                    execution.switch_to(thread);
                    observer.turned(thread, execution.thread.step);
                    match execution.thread.phase {
                        Phase::Reading => self.was_read(execution, scratch, observer, reply),
                        Phase::Writing => self.was_written(execution, scratch, observer, reply),
                        _ => self.answered(execution, scratch, observer, reply),
                    }
                }
            },
        }
    }

    /// The current thread's call was answered.
    fn answered(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        reply: Result<&[u8], StateError>,
    ) -> Next {
        execution.history.events += 1;
        match self.result(execution, scratch, reply) {
            Ok(result) => {
                self.step_on(execution, scratch, observer, |step, frame| step.resume(frame, result))
            }
            Err(error) => self.fail(execution, scratch, observer, error, Raised::ByTask),
        }
    }

    /// The next thread's turn.
    fn turn(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Next {
        let Some(next) = execution.ready.pop_front() else {
            return Next::Suspend(Suspension::Wait { until_ms: execution.wake_ms() });
        };
        execution.switch_to(next);
        observer.turned(next, execution.thread.step);
        let Thread { phase, step, state_input, .. } = execution.thread;
        match phase {
            Phase::Ready => Next::Enter(step, state_input),
            Phase::Entered | Phase::Again => self.attempt(execution, scratch, observer),
            Phase::Woken => self.step_on(execution, scratch, observer, |step, frame| {
                step.resume(frame, Value::NULL)
            }),
            Phase::Late => {
                execution.cancel_call();
                execution.history.events += 1;
                let name = match execution.thread.is_heartbeat {
                    true => names::HEARTBEAT_TIMEOUT,
                    false => names::TIMEOUT,
                };
                let error = StateError::from_parts(Some(name.into()), None);
                self.fail(execution, scratch, observer, error, Raised::ByTask)
            }
            // Only threads that may go on are queued, and what ends one takes it out.
            _ => Next::Turn,
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

    /// Enters the state that the thread has come to.
    #[inline]
    fn enter(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
    ) -> Next {
        let step = self.program.step(execution.thread.step);
        observer.entered(execution.thread.step);
        observer.given(execution.thread.step, execution.thread.state_input, scratch);
        execution.history.events += 1;
        let event = execution.history.events;
        execution.thread.enter(event, self.now_ms, step.retriers().len());
        if self.program.counts_visits
            && matches!(step, Step::Task(_) | Step::Parallel(_) | Step::Map(_))
        {
            execution.thread.count_visit();
        }
        // A task is scheduled within the same turn, as the service was seen to do.
        if !execution.ready.is_empty() && !matches!(step, Step::Task(_)) {
            execution.thread.phase = Phase::Entered;
            execution.queue_current();
            return Next::Turn;
        }
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
        let step = self.program.step(execution.thread.step);
        let mut assigned = Value::NULL;
        let transition =
            self.with_frame(execution, scratch, &mut assigned, observer, |frame| run(step, frame));
        match transition {
            Ok(Transition::Exit(exit, output)) => {
                if scratch.exceeds(output, self.limits.data_bytes_max) {
                    let error = self.oversized_state(execution);
                    return self.fail(execution, scratch, observer, error, Raised::ByState);
                }
                if !assigned.is_null()
                    && let Err(error) = self.assign(execution, scratch, assigned)
                {
                    return self.fail(execution, scratch, observer, error, Raised::ByState);
                }
                execution.history.events += 1;
                observer.left(execution.thread.step, exit, output, scratch);
                match exit {
                    Exit::Next(next) => Next::Enter(next, output),
                    Exit::End => self.end(execution, scratch, observer, output),
                }
            }
            Ok(Transition::Call(request)) => self.call(execution, scratch, observer, request),
            Ok(Transition::Wait(until_ms)) => self.wait(execution, scratch, observer, until_ms),
            Ok(Transition::Fork(fork)) => self.fork(execution, scratch, observer, fork),
            Ok(Transition::Fail(error)) => self.fell(execution, scratch, observer, error, false),
            Err(error) => self.broke(execution, scratch, observer, error),
        }
    }

    /// The variables with what was assigned; `None` where there is too much of either.
    fn merged(
        &self,
        scratch: &mut Scratch,
        variables: Value,
        assigned: Value,
    ) -> Result<Option<Value>, TooDeep> {
        if scratch.exceeds(assigned, self.limits.assign_bytes_max) {
            return Ok(None);
        }
        let merged = match variables.is_null() {
            true => assigned,
            false => scratch.merge(variables, assigned)?,
        };
        let is_right = !scratch.exceeds(merged, self.limits.variables_bytes_max);
        Ok(is_right.then_some(merged))
    }

    /// The variables with what was assigned.
    fn assign(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        assigned: Value,
    ) -> Result<(), StateError> {
        let merged = self.merged(scratch, execution.thread.variables, assigned).map_err(|_| {
            self.located(execution, StateError::runtime("A variable is nested too deeply."))
        })?;
        execution.thread.variables = merged.ok_or_else(|| self.oversized_state(execution))?;
        Ok(())
    }

    /// The current thread has ended with this.
    #[inline]
    fn end(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        output: Value,
    ) -> Next {
        if execution.thread.fork == NONE {
            return Next::Suspend(Suspension::Done(Outcome::Succeeded(output)));
        }
        self.ended(execution, scratch, observer, output)
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
        let parsed = &self.program.resource(request.resource).parsed;
        let submits = !matches!(parsed.pattern(), Pattern::RequestResponse);
        execution.history.events += 2 + u64::from(submits);
        let in_ms = |time: Option<Duration>| time.map_or(i64::MAX, |time| time.as_millis() as i64);
        execution.suspend(Phase::Calling, i64::MAX);
        let (thread, deadline_ms) = (&mut execution.thread, execution.deadline_ms);
        thread.timeout_ms = self.now_ms.saturating_add(in_ms(request.timeout));
        thread.heartbeat_ms = in_ms(request.heartbeat);
        // Nobody works on an activity's task before a worker has taken it.
        let is_begun = !matches!(parsed, Resource::Activity { .. });
        thread.wait_for_task(self.now_ms, deadline_ms, is_begun);
        Next::Suspend(Suspension::Call { request, wake_ms: execution.thread.wake_ms })
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
        execution.suspend(Phase::Waiting, until_ms);
        Next::Turn
    }

    #[inline]
    fn with_frame<T>(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        assigned: &mut Value,
        observer: &mut impl Observer,
        run: impl FnOnce(&mut Frame<'_>) -> T,
    ) -> T {
        let Execution { thread, history, random, started_ms, queries, .. } = execution;
        let (started_ms, item, sources) = (*started_ms, &thread.item, &[][..]);
        let mut context =
            ContextObject { machine: self, history, started_ms, thread, item, sources };
        let input = thread.state_input;
        let scope = crate::expr::Scope { scratch, input, context: &mut context, random };
        let states = States::of(input);
        let (now_ms, stages) = (self.now_ms, observer.stages());
        let query_limits = self.limits.queries;
        run(&mut Frame { scope, now_ms, states, queries, query_limits, assigned, stages })
    }
}
