//! Who watches an execution: counters of a shard, a trace for a person, nobody.

use crate::fault::StateError;
use crate::step::StepId;

/// Told what happens, as it happens; every method does nothing unless it is written.
pub trait Observer {
    /// A state was entered.
    fn entered(&mut self, step: StepId) {
        let _ = step;
    }

    /// A state failed; whether that is retried, caught or the end is told next.
    fn failed(&mut self, step: StepId, error: &StateError) {
        let _ = (step, error);
    }

    /// A retrier took the error.
    fn retried(&mut self, step: StepId) {
        let _ = step;
    }

    /// A catcher took the error.
    fn caught(&mut self, step: StepId) {
        let _ = step;
    }
}

/// Nobody.
impl Observer for () {}
