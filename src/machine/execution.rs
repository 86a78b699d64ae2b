//! One run over one record: where it stands, and the values it must keep.

use crate::intrinsics::Random;
use crate::step::StepId;
use crate::value::{Block, Scratch, Value};

/// What an execution is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// About to enter its state.
    Ready,
    /// A task was called.
    Calling,
    /// In a Wait state.
    Waiting,
    /// Between two attempts.
    Retrying,
}

/// The values that outlive a step: all else in the scratch memory is garbage once it is over.
#[derive(Clone, Copy, Debug)]
pub struct Roots {
    /// The execution's input.
    pub input: Value,
    /// The current state's input, as it came.
    pub state_input: Value,
}

/// One run over one record. Reused: [`super::Machine::start`] makes it new.
#[derive(Debug)]
pub struct Execution {
    pub(super) step: StepId,
    pub(super) phase: Phase,
    pub(super) roots: Roots,
    /// Tries of the current state that failed and were retried.
    pub(super) attempt: u32,
    /// The same by retrier.
    pub(super) retries: Vec<u32>,
    /// Counts suspensions: what comes back to an earlier one is stale.
    pub(super) call: u32,
    /// History events so far, as Step Functions numbers them.
    pub(super) events: u64,
    /// The number of the event that entered the current state.
    pub(super) entered_event: u64,
    pub(super) entered_ms: i64,
    pub(super) started_ms: i64,
    pub(super) deadline_ms: i64,
    pub(super) garbage_limit: usize,
    pub(super) random: Random,
}

impl Default for Execution {
    fn default() -> Execution {
        Execution {
            step: StepId(0),
            phase: Phase::Ready,
            roots: Roots { input: Value::NULL, state_input: Value::NULL },
            attempt: 0,
            retries: Vec::new(),
            call: 0,
            events: 0,
            entered_event: 0,
            entered_ms: 0,
            started_ms: 0,
            deadline_ms: 0,
            garbage_limit: 0,
            random: Random::new(0),
        }
    }
}

impl Execution {
    pub(super) fn start(
        &mut self,
        step: StepId,
        input: Value,
        seed: u64,
        now_ms: i64,
        deadline_ms: i64,
    ) {
        self.step = step;
        self.phase = Phase::Ready;
        self.roots = Roots { input, state_input: input };
        self.attempt = 0;
        self.call = 0;
        self.events = 1;
        self.started_ms = now_ms;
        self.deadline_ms = deadline_ms;
        self.random = Random::new(seed);
    }

    /// The state it is in.
    pub fn step(&self) -> StepId {
        self.step
    }

    /// The number of the suspension it is in: an answer to another one is stale.
    pub fn call(&self) -> u32 {
        self.call
    }

    /// Which try of the current state this is, 0 for the first.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When it must have ended, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    /// When it started, in milliseconds since 1970.
    pub fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// History events so far, as Step Functions numbers them.
    pub fn events(&self) -> u64 {
        self.events
    }

    #[inline]
    pub(super) fn go_to(&mut self, step: StepId, input: Value) {
        self.step = step;
        self.roots.state_input = input;
        self.phase = Phase::Ready;
    }

    #[inline]
    pub(super) fn enter(&mut self, now_ms: i64, retriers: usize) {
        self.events += 1;
        self.entered_event = self.events;
        self.entered_ms = now_ms;
        self.attempt = 0;
        self.retries.clear();
        self.retries.resize(retriers, 0);
    }

    pub(super) fn suspend(&mut self, phase: Phase) {
        self.phase = phase;
        self.call = self.call.wrapping_add(1);
    }

    /// Moves what is live together. The limit grows with it, so that the work stays proportional.
    pub(super) fn compact(&mut self, scratch: &mut Scratch, garbage_max: usize) {
        let mut roots = [self.roots.input, self.roots.state_input];
        scratch.compact(&mut roots);
        self.set_roots(roots);
        self.garbage_limit = garbage_max + 2 * scratch.used();
    }

    /// Copies what is live into `block`, so that the scratch memory can serve others.
    pub fn park(&self, scratch: &Scratch, block: &mut Block) {
        scratch.park(&[self.roots.input, self.roots.state_input], block);
    }

    /// Brings back what [`Execution::park`] put there.
    pub fn unpark(&mut self, scratch: &mut Scratch, block: &Block) {
        let mut roots = [Value::NULL; 2];
        scratch.resume(block, &mut roots);
        self.set_roots(roots);
    }

    fn set_roots(&mut self, [input, state_input]: [Value; 2]) {
        self.roots = Roots { input, state_input };
    }
}
