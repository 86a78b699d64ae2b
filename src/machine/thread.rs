//! A thread: one way through the step table. An execution has one, and one more for each branch and
//! iteration that runs; all share its memory, and none sees what another assigns.

use crate::step::{CallNumber, CallSite, StepId};
use crate::value::Value;

/// In place of an index: none.
pub(super) const NONE: u32 = u32::MAX;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has ended.
    #[default]
    Over,
    /// About to enter its state.
    Ready,
    /// Has entered its state, and is about to run it.
    Entered,
    /// A task was called.
    Calling,
    /// A task did not answer in time.
    Late,
    /// In a Wait state.
    Waiting,
    /// The wait is over.
    Woken,
    /// Between two attempts.
    Retrying,
    /// About to try again.
    Again,
    /// Others run for it.
    Forked,
    /// A Map's items are read.
    Reading,
    /// A Map's results are written.
    Writing,
}

impl Phase {
    /// Does it wait for a time?
    pub(super) fn is_suspended(self) -> bool {
        self.is_calling() || matches!(self, Phase::Waiting | Phase::Retrying)
    }

    /// Does it wait for an answer?
    pub(super) fn is_calling(self) -> bool {
        matches!(self, Phase::Calling | Phase::Reading | Phase::Writing)
    }

    /// What follows once the time has come.
    fn due(self) -> Phase {
        match self {
            Phase::Calling => Phase::Late,
            Phase::Waiting => Phase::Woken,
            Phase::Retrying => Phase::Again,
            other => other,
        }
    }
}

/// An item that a Map iterates over: `$$.Map.Item`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// From 0; [`NONE`] outside of Maps.
    pub(super) index: u32,
    pub(super) value: Value,
    /// Of an object's member; `null` otherwise.
    pub(super) key: Value,
}

impl Item {
    pub(super) const NONE: Item = Item { index: NONE, value: Value::NULL, key: Value::NULL };
}

/// Two numbers as one, each bit of it depending on all of theirs (splitmix64's last rounds).
fn mixed(left: u64, right: u64) -> u64 {
    let mut x = left.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ right;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One way through the step table.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) step: StepId,
    pub(super) phase: Phase,
    /// The current state's input, as it came.
    pub(super) state_input: Value,
    /// An object; `null` where none was assigned.
    pub(super) variables: Value,
    pub(super) item: Item,
    /// Tries of the current state that failed and were retried.
    pub(super) attempt: u32,
    /// The same by retrier.
    pub(super) retries: Vec<u32>,
    /// The number of its last suspension.
    pub(super) call: u32,
    /// What it waits for at most.
    pub(super) wake_ms: i64,
    /// The wait for a task ends with a heartbeat that is missing, not with its timeout.
    pub(super) is_heartbeat: bool,
    /// When the task's `TimeoutSeconds` are over, in milliseconds since 1970.
    pub(super) timeout_ms: i64,
    /// The task's `HeartbeatSeconds` in milliseconds; `i64::MAX` without.
    pub(super) heartbeat_ms: i64,
    /// The branches and iterations around it, as one number; 0 outside of all.
    pub(super) scope: u64,
    /// Which visit of the current state this is, where visits are counted.
    pub(super) visit: u32,
    /// Visits so far of the states whose visits are counted.
    pub(super) visits: Vec<(StepId, u32)>,
    /// The number of the event that entered the current state.
    pub(super) entered_event: u64,
    pub(super) entered_ms: i64,
    /// The fork that it is part of, or [`NONE`].
    pub(super) fork: u32,
    /// Which of the fork's results it makes.
    pub(super) place: u32,
    /// How many items its iteration is.
    pub(super) items: u32,
    /// The history that its events go to.
    pub(super) history: u32,
    /// What a Map knows while it reads object after object.
    pub(super) known: Value,
    /// What a Map has still to write: the calls' arguments, and then its result.
    pub(super) writes: Value,
    /// How many of those are done.
    pub(super) written: u32,
}

impl Default for Thread {
    fn default() -> Thread {
        Thread {
            step: StepId(0),
            phase: Phase::Over,
            state_input: Value::NULL,
            variables: Value::NULL,
            item: Item::NONE,
            attempt: 0,
            retries: Vec::new(),
            call: 0,
            wake_ms: 0,
            is_heartbeat: false,
            timeout_ms: i64::MAX,
            heartbeat_ms: i64::MAX,
            scope: 0,
            visit: 0,
            visits: Vec::new(),
            entered_event: 0,
            entered_ms: 0,
            fork: NONE,
            place: 0,
            items: 0,
            history: 0,
            known: Value::NULL,
            writes: Value::NULL,
            written: 0,
        }
    }
}

impl Thread {
    #[inline]
    pub(super) fn go_to(&mut self, step: StepId, input: Value) {
        self.step = step;
        self.state_input = input;
        self.phase = Phase::Ready;
    }

    #[inline]
    pub(super) fn enter(&mut self, event: u64, now_ms: i64, retriers: usize) {
        self.entered_event = event;
        self.entered_ms = now_ms;
        self.attempt = 0;
        if retriers > 0 || !self.retries.is_empty() {
            self.retries.clear();
            self.retries.resize(retriers, 0);
        }
    }

    /// Counts a visit of the current state.
    pub(super) fn count_visit(&mut self) {
        let known = self.visits.iter_mut().find(|(step, _)| *step == self.step);
        self.visit = match known {
            Some((_, count)) => {
                *count = count.wrapping_add(1);
                *count
            }
            None => {
                self.visits.push((self.step, 1));
                1
            }
        };
    }

    /// Where a call of the current state is made.
    pub(super) fn site(&self) -> CallSite {
        let Thread { scope, step, visit, attempt, .. } = *self;
        CallSite { scope, step, visit, attempt }
    }

    /// The scope of the branch or iteration at `place` of what the current state forks.
    pub(super) fn scope_of(&self, place: u32) -> u64 {
        let CallSite { scope, step, visit, attempt } = self.site();
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        mixed(mixed(scope, pair(step.0, visit)), pair(attempt, place))
    }

    /// Waits for a task from now on, so long as it may take; heartbeats come once it has begun.
    pub(super) fn wait_for_task(&mut self, now_ms: i64, deadline_ms: i64, is_begun: bool) {
        let patience_ms = if is_begun { self.heartbeat_ms } else { i64::MAX };
        let heartbeat_ms = now_ms.saturating_add(patience_ms);
        self.is_heartbeat = heartbeat_ms < self.timeout_ms;
        self.wake_ms = heartbeat_ms.min(self.timeout_ms).min(deadline_ms);
    }

    /// Becomes what follows the wait, if its time has come.
    pub(super) fn wake(&mut self, now_ms: i64) -> bool {
        let is_due = self.phase.is_suspended() && self.wake_ms <= now_ms;
        if is_due {
            self.phase = self.phase.due();
        }
        is_due
    }

    /// The call that it waits for, as the thread at `index`.
    pub(super) fn calling(&self, index: u32) -> Option<CallNumber> {
        let is_calling = self.phase.is_calling() || self.phase == Phase::Late;
        is_calling.then_some(CallNumber { thread: index, number: self.call })
    }

    /// The values it keeps.
    pub(super) fn each_root(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        visit(&mut self.state_input);
        visit(&mut self.variables);
        visit(&mut self.item.value);
        visit(&mut self.item.key);
        visit(&mut self.known);
        visit(&mut self.writes);
    }
}
