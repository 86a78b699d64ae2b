//! Who watches an execution: counters of a shard, a trace for a person, nobody.

use crate::fault::StateError;
use crate::step::{Exit, Stages, StepId};
use crate::value::{Scratch, Value};

/// Told what happens, as it happens; every method does nothing unless it is written.
pub trait Observer {
    /// A state was entered.
    fn entered(&mut self, step: StepId) {
        let _ = step;
    }

    /// A thread of a fork has its turn, in this state; the first thread is 0.
    fn turned(&mut self, thread: u32, step: StepId) {
        let _ = (thread, step);
    }

    /// The input, as it came, of the state that was entered.
    fn given(&mut self, step: StepId, input: Value, scratch: &Scratch) {
        let _ = (step, input, scratch);
    }

    /// Who is told what each stage of a state's processing makes: nobody, at no cost.
    #[inline]
    fn stages(&mut self) -> Option<&mut dyn Stages> {
        None
    }

    /// A state was left with this output.
    fn left(&mut self, step: StepId, exit: Exit, output: Value, scratch: &Scratch) {
        let _ = (step, exit, output, scratch);
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
