//! What happens when a state fails: Retry, Catch, or the end (specification, "Errors").

use super::execution::Execution;
use super::thread::Phase;
use super::{Machine, Next, Observer, Outcome, Suspension};
use crate::asl::retry::{Raised, is_terminal};
use crate::fault::{StateError, names};
use crate::states::Step;
use crate::step::StepId;
use crate::value::{Scratch, Value};

impl Machine<'_> {
    /// The current state failed with `error`.
    #[cold]
    pub(super) fn fail(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        error: StateError,
        raised: Raised,
    ) -> Next {
        observer.failed(execution.thread.step, &error);
        if is_terminal(error.name(), raised, self.limits.data_limit_rule) {
            return self.fell(execution, scratch, observer, error, true);
        }
        if let Some(until_ms) = self.retry(execution, &error) {
            execution.thread.attempt += 1;
            observer.retried(execution.thread.step);
            if until_ms <= self.now_ms {
                return self.attempt(execution, scratch, observer);
            }
            execution.suspend(Phase::Retrying, until_ms);
            return Next::Turn;
        }
        if raised == Raised::ByTask && self.is_forking(execution) {
            // The state as such fails only now; a retry starts it anew without that.
            execution.history.events += 1;
        }
        match self.catch(execution, scratch, observer, &error) {
            None => self.fell(execution, scratch, observer, error, false),
            Some(Ok((next, output))) if !scratch.exceeds(output, self.limits.data_bytes_max) => {
                execution.history.events += 1;
                observer.caught(execution.thread.step);
                Next::Enter(next, output)
            }
            Some(Ok(_)) => {
                let error = self.oversized_state(execution);
                self.fell(execution, scratch, observer, error, true)
            }
            Some(Err(error)) => {
                let error = self.located(execution, error);
                self.fell(execution, scratch, observer, error, true)
            }
        }
    }

    /// The current state failed of itself; the cause says where.
    #[cold]
    pub(super) fn broke(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        error: StateError,
    ) -> Next {
        let error = self.located(execution, error);
        self.fail(execution, scratch, observer, error, Raised::ByState)
    }

    fn is_forking(&self, execution: &Execution) -> bool {
        !self.program.step(execution.thread.step).branches().is_empty()
    }

    /// When to try again, if a retrier says so.
    fn retry(&self, execution: &mut Execution, error: &StateError) -> Option<i64> {
        let thread = &mut execution.thread;
        let retriers = self.program.step(thread.step).retriers();
        let at = retriers.iter().position(|retrier| retrier.errors.matches(error.name()))?;
        let retrier = &retriers[at];
        if !retrier.allows(thread.retries[at]) {
            return None;
        }
        thread.retries[at] += 1;
        let unit = if retrier.full_jitter { execution.random.fraction() } else { 1.0 };
        let delay = retrier.delay(thread.retries[at], unit);
        Some(self.now_ms.saturating_add(delay.as_millis() as i64))
    }

    /// Where a catcher leads and with what.
    fn catch(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        error: &StateError,
    ) -> Option<Result<(StepId, Value), StateError>> {
        let catchers = self.program.step(execution.thread.step).catchers();
        let catch = catchers.iter().find(|catch| catch.errors.matches(error.name()))?;
        let output = error_output(scratch, error);
        let mut assigned = Value::NULL;
        let made = self.with_frame(execution, scratch, &mut assigned, observer, |frame| {
            catch.output(frame, output)
        });
        let output = match made {
            Ok(output) => output,
            Err(error) => return Some(Err(error)),
        };
        if !assigned.is_null()
            && let Err(error) = self.assign(execution, scratch, assigned)
        {
            return Some(Err(error));
        }
        Some(Ok((catch.next, output)))
    }

    /// The error with a cause that says where it came up, as Step Functions words it.
    pub(super) fn located(&self, execution: &Execution, error: StateError) -> StateError {
        let state = self.program.state_name(execution.thread.step);
        let event = execution.thread.entered_event;
        error.map_cause(|cause| {
            format!(
                "An error occurred while executing the state '{state}' (entered at the event id \
                 #{event}). {cause}"
            )
        })
    }

    /// A task's arguments or result are too large.
    pub(super) fn oversized(&self, execution: &Execution) -> StateError {
        let who = match self.program.step(execution.thread.step) {
            Step::Task(task) => self.program.resource(task.resource()).parsed.log_type().to_owned(),
            _ => self.program.state_name(execution.thread.step).to_owned(),
        };
        data_limit_exceeded(&who)
    }

    /// A state's output is too large.
    pub(super) fn oversized_state(&self, execution: &Execution) -> StateError {
        data_limit_exceeded(self.program.state_name(execution.thread.step))
    }
}

fn data_limit_exceeded(who: &str) -> StateError {
    let cause = format!(
        "The state/task '{who}' returned a result with a size exceeding the maximum number of bytes \
         service limit."
    );
    StateError::new(names::DATA_LIMIT_EXCEEDED, cause)
}

/// The execution is over, and failed.
pub(super) fn failed(execution: &mut Execution, error: StateError) -> Next {
    execution.abandon();
    Next::Suspend(Suspension::Done(Outcome::Failed(at_last(error))))
}

/// As the execution shows it: a heartbeat that was missed is a timeout to everybody but Retry and
/// Catch (recorded).
fn at_last(error: StateError) -> StateError {
    match error.name() {
        Some(names::HEARTBEAT_TIMEOUT) => {
            let cause = error.cause().map(str::to_owned);
            StateError::from_parts(Some(names::TIMEOUT.into()), cause)
        }
        _ => error,
    }
}

/// `{"Error": ..., "Cause": ...}`; what is missing is `null` (recorded with `SendTaskFailure`).
fn error_output(scratch: &mut Scratch, error: &StateError) -> Value {
    let mark = scratch.mark();
    for (name, text) in [("Error", error.name()), ("Cause", error.cause())] {
        let text = text.map_or(Value::NULL, |text| scratch.string(text));
        scratch.push_member(name, text);
    }
    scratch.object(mark).unwrap_or(Value::NULL)
}
