//! The way through states that need no more than a glance.

use super::{Execution, Machine, Observer};
use crate::step::{Exit, Glance, StepId};
use crate::value::{Scratch, TooDeep, Value};

impl Machine<'_> {
    /// Goes through states that need nothing but their input and variables, as far as these go: the
    /// same as entering each in turn, without what only others need. Leaves the state to enter next
    /// and its input; returns true where the thread has ended instead, with the output.
    #[inline]
    pub(super) fn glide(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        (step, value): (&mut StepId, &mut Value),
        steps: &mut u32,
    ) -> bool {
        // Other threads have their turn when a state was entered.
        if !execution.ready.is_empty() || observer.stages().is_some() {
            return false;
        }
        let (mark, garbage_limit) = (scratch.mark(), execution.garbage_limit);
        let mut at = Glance {
            scratch,
            variables: &mut execution.thread.variables,
            assigned: Value::NULL,
            queries: &mut execution.queries,
            query_limits: &self.limits.queries,
        };
        while *steps < self.limits.steps_max && at.scratch.used() <= garbage_limit {
            let input = *value;
            let mut output = input;
            let Some(exit) = self.program.step(*step).glance(&mut at, &mut output) else { break };
            if at.scratch.exceeds(output, self.limits.data_bytes_max)
                || !self.glance_assigned(&mut at)
            {
                break;
            }
            observer.entered(*step);
            observer.given(*step, input, at.scratch);
            observer.left(*step, exit, output, at.scratch);
            execution.history.events += 2;
            *steps += 1;
            *value = output;
            let Exit::Next(next) = exit else {
                execution.thread.go_to(*step, input);
                execution.thread.enter(execution.history.events - 1, self.now_ms, 0);
                return true;
            };
            *step = next;
        }
        // What a state that takes more has left.
        at.scratch.abandon(mark);
        false
    }

    /// Sets the variables that were assigned; false, and nothing is done, where a limit is exceeded.
    #[inline]
    fn glance_assigned(&self, at: &mut Glance<'_>) -> bool {
        if at.assigned.is_null() {
            return true;
        }
        let assigned = std::mem::replace(&mut at.assigned, Value::NULL);
        match self.merged(at.scratch, *at.variables, assigned) {
            Ok(Some(variables)) => *at.variables = variables,
            Ok(None) | Err(TooDeep) => return false,
        }
        true
    }
}
