//! What the pipelines of a shard share: clock, timers, waiting executions, tasks, counters.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::Clock;
use super::slots::{Passage, Slot, SlotId, Slots};
use super::suspects::Marker;
use super::timers::Timers;
use crate::fault::StateError;
use crate::machine::Observer;
use crate::metrics::{Counts, PipelineCounters, ShardCounters, StateCounts, VersionCounts};
use crate::step::{CallNumber, CallSite, ResourceId, StepId};
use crate::tasks::callbacks::{RecordId, Token};
use crate::tasks::{Call, CallId, Caller, Tasks};

/// What the pipelines of a shard share.
pub struct Core {
    /// Counters, handed over on an interval.
    pub counters: ShardCounters,
    /// Executions that wait.
    pub slots: Slots,
    /// Those that have spent their budget and go on next.
    pub ready: VecDeque<SlotId>,
    /// Milliseconds since 1970, at the start of the tick.
    pub now_ms: i64,
    /// Nanoseconds since the shard started, at the start of the tick.
    pub now_ns: u64,
    /// A task's arguments, while it is called.
    pub arguments: Vec<u8>,
    /// The role to assume for it, if any.
    pub role: String,
    /// An execution's name, while it is needed.
    pub name: String,
    /// Task integrations.
    pub tasks: Tasks,
    /// Marks what runs.
    pub marker: Marker,
    timers: Timers,
    clock: Clock,
    due: Vec<SlotId>,
}

impl Core {
    /// A shard's, with nothing in it.
    pub fn new(counters: ShardCounters, tasks: Tasks, clock: Clock, marker: Marker) -> Core {
        let now_ms = clock.read().wall_ms;
        let mut core = Core {
            counters,
            slots: Slots::default(),
            ready: VecDeque::new(),
            now_ms,
            now_ns: 0,
            arguments: Vec::new(),
            role: String::new(),
            name: String::new(),
            tasks,
            marker,
            timers: Timers::new(now_ms),
            clock,
            due: Vec::new(),
        };
        core.look_at_clock();
        core
    }

    /// Reads the clock: once a tick.
    pub fn look_at_clock(&mut self) {
        let now = self.clock.read();
        (self.now_ms, self.now_ns) = (now.wall_ms, now.elapsed_ns);
    }

    /// A pipeline's counts.
    #[inline]
    pub fn counts(&mut self, pipeline: usize) -> &mut Counts {
        &mut self.counters.pipelines[pipeline].counts
    }

    /// What is counted for the version that a record runs.
    #[inline]
    pub fn version_counts(&mut self, pipeline: usize, passage: &Passage) -> &mut VersionCounts {
        let plan = &mut self.counters.pipelines[pipeline].plans[passage.plan.index()];
        &mut plan.versions[usize::from(passage.version)].counts
    }

    /// Wakes a parked execution then.
    pub fn set_timer(&mut self, id: SlotId, due_ms: i64) {
        let timer = self.timers.set(due_ms, id.to_bits());
        if let Some(slot) = self.slots.get(id) {
            slot.timer = Some(timer);
        }
    }

    /// Calls a task for an execution; its arguments and name are in the buffers.
    pub fn call(&mut self, id: SlotId, calling: &Calling<'_>) {
        let Calling { plan, number, state, resource, attempt, wake_ms, .. } = *calling;
        let Calling { site, ref token, record, caller, .. } = *calling;
        let timeout = Duration::from_millis((wake_ms - self.now_ms).max(0).unsigned_abs());
        self.tasks.call(&Call {
            id: CallId(id.to_bits(), number.to_bits()),
            plan,
            resource: resource.0 as usize,
            state,
            attempt,
            arguments: &self.arguments,
            timeout: Some(timeout),
            role: Some(self.role.as_str()).filter(|role| !role.is_empty()),
            token: token.as_ref(),
            record,
            site,
            execution: &self.name,
            caller,
            now_ms: self.now_ms,
        });
    }

    /// Takes a parked execution out of its slot, with its timer undone.
    pub fn lend(&mut self, id: SlotId) -> Option<Slot> {
        let mut slot = self.slots.lend(id)?;
        if let Some(timer) = slot.timer.take() {
            self.timers.cancel(timer);
        }
        Some(slot)
    }

    /// Forgets a call of an execution.
    pub fn cancel(&mut self, id: SlotId, call: CallNumber) {
        self.tasks.cancel(CallId(id.to_bits(), call.to_bits()));
    }

    /// Forgets a call that is made again elsewhere.
    pub fn leave(&mut self, id: SlotId, call: CallNumber) {
        self.tasks.leave(CallId(id.to_bits(), call.to_bits()));
    }

    /// Executions whose time has come, to be gone through with [`Core::next_due`].
    pub fn expire(&mut self) {
        let due = &mut self.due;
        self.timers.advance(self.now_ms, &mut |key| due.push(SlotId::from_bits(key)));
        self.due.reverse();
    }

    /// The next execution whose time has come.
    pub fn next_due(&mut self) -> Option<SlotId> {
        self.due.pop()
    }

    /// When something is due without anybody's call, in milliseconds since 1970.
    pub fn next_timer_ms(&self) -> Option<i64> {
        [self.timers.next_due_ms(), self.tasks.next_due_ms()].into_iter().flatten().min()
    }
}

/// A call for an execution.
pub struct Calling<'a> {
    /// Where the shard's tasks know what it runs.
    pub plan: usize,
    /// The call, which its answer must name.
    pub number: CallNumber,
    /// The state that calls.
    pub state: &'a str,
    /// Whom.
    pub resource: ResourceId,
    /// Which try.
    pub attempt: u32,
    /// When the execution's patience ends, in milliseconds since 1970.
    pub wake_ms: i64,
    /// Where in the execution.
    pub site: CallSite,
    /// Where an answer from outside is waited for.
    pub token: Option<Token>,
    /// The record, where the call may start an execution of this process.
    pub record: Option<RecordId>,
    /// Who the execution is.
    pub caller: &'a dyn Caller,
}

/// Counts what the machine reports.
pub struct Watch<'a> {
    counts: &'a mut Counts,
    states: &'a mut [StateCounts],
}

impl<'a> Watch<'a> {
    /// Counts for an execution on this version of a pipeline's plan.
    #[inline]
    pub fn new(counters: &'a mut PipelineCounters, plan: usize, version: usize) -> Watch<'a> {
        let PipelineCounters { counts, plans, .. } = counters;
        Watch { counts, states: &mut plans[plan].versions[version].states }
    }
}

impl Observer for Watch<'_> {
    #[inline]
    fn entered(&mut self, step: StepId) {
        self.counts.steps += 1;
        self.states[step.0 as usize].entered += 1;
    }

    fn failed(&mut self, step: StepId, _: &StateError) {
        self.states[step.0 as usize].errors += 1;
    }

    fn retried(&mut self, _: StepId) {
        self.counts.retries += 1;
    }

    fn caught(&mut self, _: StepId) {
        self.counts.catches += 1;
    }
}
