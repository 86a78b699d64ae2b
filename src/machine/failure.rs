//! What happens when a state fails: Retry, Catch, or the end (specification, "Errors").

use super::execution::{Execution, Phase};
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
        observer.failed(execution.step, &error);
        if is_terminal(error.name(), raised, self.limits.data_limit_rule) {
            return failed(error);
        }
        if let Some(until_ms) = self.retry(execution, &error) {
            execution.attempt += 1;
            observer.retried(execution.step);
            if until_ms <= self.now_ms {
                return self.attempt(execution, scratch, observer);
            }
            execution.suspend(Phase::Retrying);
            let until_ms = until_ms.min(execution.deadline_ms);
            return Next::Suspend(Suspension::Wait { until_ms });
        }
        match self.catch(execution, scratch, &error) {
            None => failed(error),
            Some(Ok((next, output))) if !scratch.exceeds(output, self.limits.data_bytes_max) => {
                execution.events += 1;
                observer.caught(execution.step);
                Next::Enter(next, output)
            }
            Some(Ok(_)) => failed(self.oversized_state(execution)),
            Some(Err(error)) => failed(self.located(execution, error)),
        }
    }

    /// When to try again, if a retrier says so.
    fn retry(&self, execution: &mut Execution, error: &StateError) -> Option<i64> {
        let retriers = self.program.step(execution.step).retriers();
        let at = retriers.iter().position(|retrier| retrier.errors.matches(error.name()))?;
        let retrier = &retriers[at];
        if !retrier.allows(execution.retries[at]) {
            return None;
        }
        execution.retries[at] += 1;
        let unit = if retrier.full_jitter { execution.random.fraction() } else { 1.0 };
        let delay = retrier.delay(execution.retries[at], unit);
        Some(self.now_ms.saturating_add(delay.as_millis() as i64))
    }

    /// Where a catcher leads and with what.
    fn catch(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        error: &StateError,
    ) -> Option<Result<(StepId, Value), StateError>> {
        let catchers = self.program.step(execution.step).catchers();
        let catch = catchers.iter().find(|catch| catch.errors.matches(error.name()))?;
        let output = error_output(scratch, error);
        let output = self.with_frame(execution, scratch, |frame| catch.output(frame, output));
        Some(output.map(|output| (catch.next, output)))
    }

    /// The error with a cause that says where it came up, as Step Functions words it.
    pub(super) fn located(&self, execution: &Execution, error: StateError) -> StateError {
        let state = self.program.state_name(execution.step);
        let event = execution.entered_event;
        error.map_cause(|cause| {
            format!(
                "An error occurred while executing the state '{state}' (entered at the event id \
                 #{event}). {cause}"
            )
        })
    }

    /// A task's arguments or result are too large.
    pub(super) fn oversized(&self, execution: &Execution) -> StateError {
        let who = match self.program.step(execution.step) {
            Step::Task(task) => self.program.resource(task.resource()).parsed.log_type().to_owned(),
            _ => self.program.state_name(execution.step).to_owned(),
        };
        data_limit_exceeded(&who)
    }

    /// A state's output is too large.
    pub(super) fn oversized_state(&self, execution: &Execution) -> StateError {
        data_limit_exceeded(self.program.state_name(execution.step))
    }
}

fn data_limit_exceeded(who: &str) -> StateError {
    let cause = format!(
        "The state/task '{who}' returned a result with a size exceeding the maximum number of bytes \
         service limit."
    );
    StateError::new(names::DATA_LIMIT_EXCEEDED, cause)
}

fn failed(error: StateError) -> Next {
    Next::Suspend(Suspension::Done(Outcome::Failed(error)))
}

/// `{"Error": ..., "Cause": ...}`; what is missing is `null` (recorded with `SendTaskFailure`).
fn error_output(scratch: &mut Scratch, error: &StateError) -> Value {
    let mark = scratch.mark();
    for (name, text) in [("Error", error.name()), ("Cause", error.cause())] {
        let name = scratch.string(name);
        let text = text.map_or(Value::NULL, |text| scratch.string(text));
        scratch.push(name);
        scratch.push(text);
    }
    scratch.object(mark).unwrap_or(Value::NULL)
}
