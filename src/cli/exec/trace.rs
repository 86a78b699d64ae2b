//! What happens in an execution, told as it happens, a line each with the time since its start.

use super::super::complain;
use super::driver::Clock;
use crate::fault::StateError;
use crate::machine::Observer;
use crate::program::Program;
use crate::step::StepId;

pub(super) struct Trace<'a> {
    program: &'a Program,
    clock: Clock,
    started_ms: i64,
    is_on: bool,
}

impl<'a> Trace<'a> {
    pub(super) fn new(program: &'a Program, clock: Clock, is_on: bool) -> Trace<'a> {
        Trace { program, clock, started_ms: clock.now_ms(), is_on }
    }

    pub(super) fn calls(&self, arn: &str, attempt: u32) {
        let again = if attempt > 0 { format!(" (retry {attempt})") } else { String::new() };
        self.tell("call", format_args!("{arn}{again}"));
    }

    pub(super) fn waits(&self, until_ms: i64) {
        let seconds = (until_ms - self.clock.now_ms()).max(0) as f64 / 1000.0;
        self.tell("wait", format_args!("{seconds:.3} s"));
    }

    fn tell(&self, what: &str, whom: impl std::fmt::Display) {
        if self.is_on {
            let since_ms = self.clock.now_ms() - self.started_ms;
            complain(&format!("{since_ms:>8} ms  {what:<6} {whom}"));
        }
    }

    fn name(&self, step: StepId) -> &str {
        self.program.state_name(step)
    }
}

impl Observer for Trace<'_> {
    fn entered(&mut self, step: StepId) {
        self.tell("enter", self.name(step));
    }

    fn failed(&mut self, step: StepId, error: &StateError) {
        self.tell("error", format_args!("{} in {}", error, self.name(step)));
    }

    fn retried(&mut self, step: StepId) {
        self.tell("retry", self.name(step));
    }

    fn caught(&mut self, step: StepId) {
        self.tell("catch", self.name(step));
    }
}
