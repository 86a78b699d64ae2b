//! Executions over several records: gathered, dispatched, and each record ended by its own outcome.

use std::time::Duration;

use super::{Flow, Run};
use crate::ack::Settlement;
use crate::fault::StateError;
use crate::machine::Identity;
use crate::record::AssignmentId;
use crate::shard::batch::{BatchId, View};
use crate::shard::core::Core;
use crate::shard::envelope::{ITEM_FAILED, compose, failures};
use crate::shard::names::Origin;
use crate::shard::outputs::Waiting;
use crate::shard::plan::{Input, Ordering};
use crate::shard::plans::Plans;
use crate::shard::slots::Passage;
use crate::step::Resume;
use crate::value::Value;

impl Flow {
    /// Puts a record to those that it will share an execution with; batches that are complete with it
    /// are ready then.
    pub(super) fn gather(&mut self, core: &mut Core, run: Run<'_>) {
        let Run { plan, origin, passage, .. } = run;
        let bytes = plan.form.bytes(origin);
        let id = passage.claim.assignment();
        let mark = self.windows.mark(id, origin.record.position.offset);
        // Who is under suspicion of a crash shares nothing either.
        let is_single = mark.is_some_and(|mark| mark.is_single) || core.marker.is_open();
        let mut open = self.batches.open(&passage);
        if open.is_none() && plan.ordering != Ordering::None {
            // Those before it that go elsewhere go first.
            while let Some(other) = self.batches.find(|assignment, _| assignment == id) {
                self.batches.ready(other);
            }
        }
        if let Some(id) = open
            && (is_single || self.batches.is_full_with(id, bytes, plan.batch))
        {
            self.batches.ready(id);
            open = None;
        }
        let (id, count) = self.batches.add(open, passage, origin.record, bytes, core.now_ns);
        if is_single || count >= plan.batch.records_max {
            self.batches.ready(id);
        }
    }

    /// Starts what is complete.
    #[inline]
    pub(super) fn dispatch_ready(&mut self, plans: &Plans, core: &mut Core) {
        while self.halted.is_none()
            && let Some(id) = self.batches.next_ready()
        {
            self.dispatch(plans, core, id);
        }
    }

    /// A batch is complete: its execution starts, or waits for its turn.
    fn dispatch(&mut self, plans: &Plans, core: &mut Core, id: BatchId) {
        self.batches.close(id);
        let passage = self.batches.passage(id);
        let name = self.batches.get(id).lead_id();
        let lead = self.batches.get(id).lead(name.as_deref());
        match self.order.taken(&lead) {
            Some(turn) => self.order.defer(turn, passage, &lead),
            None => self.start(plans, core, &lead, passage),
        }
    }

    fn dispatch_where(
        &mut self,
        plans: &Plans,
        core: &mut Core,
        is_due: impl Fn(AssignmentId, u64) -> bool,
    ) {
        while self.halted.is_none()
            && let Some(id) = self.batches.find(&is_due)
        {
            self.dispatch(plans, core, id);
        }
    }

    /// Starts what has waited for more records long enough, or waits in vain.
    pub fn dispatch_due(&mut self, plans: &Plans, core: &mut Core, is_last: bool) {
        if !self.batches.is_gathering() {
            return;
        }
        let (now_ns, window_ns) = (core.now_ns, plans.now().plan.batch.window_ns);
        let is_last = is_last || self.has_ended;
        let draining = self.windows.draining();
        self.dispatch_where(plans, core, |assignment, since_ns| {
            is_last
                || now_ns.saturating_sub(since_ns) >= window_ns
                || draining.contains(&assignment)
        });
    }

    /// Starts all there are.
    pub fn dispatch_all(&mut self, plans: &Plans, core: &mut Core) {
        self.dispatch_where(plans, core, |_, _| true);
    }

    /// Do records wait for others to share an execution with?
    pub fn is_gathering(&self) -> bool {
        self.halted.is_none() && self.batches.is_gathering()
    }

    /// When the next of them have waited long enough.
    pub fn due_in(&self, plans: &Plans, core: &Core) -> Option<Duration> {
        let since_ns = self.batches.oldest_ns()?;
        let due_ns = since_ns + plans.now().plan.batch.window_ns;
        Some(Duration::from_nanos(due_ns.saturating_sub(core.now_ns)))
    }

    /// Starts the execution of a batch.
    pub(super) fn begin_batch(&mut self, core: &mut Core, run: Run<'_>, id: BatchId) {
        self.slot = None;
        self.work_on(run.passage.plan);
        self.bench.clear();
        let version = run.plan.versions.get(usize::from(run.passage.version));
        let origin = Origin { version, ..*run.origin };
        let run = Run { origin: &origin, ..run };
        let Input::Batch(shape) = run.plan.input else { return };
        let view = view(run, &self.batches.get(id).members);
        match compose(run.plan.form.as_ref(), shape, &view, &mut self.bench.scratch) {
            Ok(input) => {
                core.version_counts(self.index, &run.passage).started += 1;
                let machine = super::machine(run, core.now_ms);
                machine.start(&mut self.execution, input, origin.seed());
                self.advance(core, run, Resume::Continue);
            }
            Err(error) => {
                self.fail(core, run, error, None);
                self.pass_on(core, run);
            }
        }
    }

    /// An execution over a batch has succeeded, perhaps not for all records. Returns whether the batch
    /// is done with.
    pub(super) fn finish_batch(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        output: Value,
        state: Option<&str>,
    ) -> bool {
        let Some(id) = run.passage.batch else { return true };
        let members = &self.batches.get(id).members;
        let (form, count) = (run.plan.form.as_ref(), members.len());
        let failed = match failures(form, &view(run, members), output, &self.bench.scratch) {
            Ok(failed) => failed,
            Err(error) => {
                core.counts(self.index).item_failures += count as u64;
                return self.again_or_fail(core, run, error, state);
            }
        };
        core.counts(self.index).item_failures += failed.len() as u64;
        let named = || StateError::new(ITEM_FAILED, "The execution's batchItemFailures names it.");
        let failed = self.with_followers(run, failed);
        if failed.len() == count {
            return self.again_or_fail(core, run, named(), state);
        }
        let rest = (!failed.is_empty()).then(|| self.batches.split(id, &failed));
        let passage = self.batches.passage(id);
        let passage = Passage { turn: run.passage.turn, runs: run.passage.runs, ..passage };
        (0..count - failed.len()).for_each(|_| self.ratio.count(false));
        let good = Run { passage, ..run };
        if let Err(error) = self.write(core, good, output) {
            self.fail(core, good, error, state);
        }
        let Some(rest) = rest else { return true };
        let name = self.batches.get(rest).lead_id();
        let lead = self.batches.get(rest).lead(name.as_deref());
        let Passage { turn, runs, .. } = run.passage;
        let passage = Passage { turn, runs, ..self.batches.passage(rest) };
        let origin = Origin { offset: lead.position.offset, record: &lead, ..*run.origin };
        self.again_or_fail(core, Run { origin: &origin, passage, ..run }, named(), state)
    }

    /// Returns whether the batch is done with.
    fn again_or_fail(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        error: StateError,
        state: Option<&str>,
    ) -> bool {
        if self.try_again(core, run) {
            return false;
        }
        self.fail(core, run, error, state);
        true
    }

    /// Each record of a batch fails.
    #[cold]
    pub(super) fn fail_batch(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        id: BatchId,
        error: &StateError,
        state: Option<&str>,
    ) {
        let members = self.batches.take(id);
        let batch = view(run, &members);
        for (place, member) in members.iter().enumerate() {
            batch.lend(place, |origin| {
                let origin = Origin { version: run.origin.version, ..*origin };
                let (claim, received_ns) = (member.claim, member.received_ns);
                let passage =
                    Passage { claim, received_ns, batch: None, turn: None, ..run.passage };
                let run = Run { origin: &origin, passage, ..run };
                self.fail(core, run, error.clone(), state);
            });
        }
        self.batches.free(id, members);
    }

    /// Each record of a batch settles.
    pub(super) fn settle_batch(&mut self, core: &mut Core, id: BatchId, how: Settlement) {
        let members = self.batches.take(id);
        for member in &members {
            let claim = member.claim;
            // What else there is to a passage settles nothing.
            let plan = crate::shard::plans::PlanId::default();
            self.settle(core, Passage::new(claim, member.received_ns, plan), how);
        }
        self.batches.free(id, members);
    }

    /// A batch's output was refused for its own sake: its records run again one by one, or the only
    /// one fails.
    #[cold]
    pub(super) fn note_batch(&mut self, waiting: &Waiting, why: &str) {
        let Some(id) = waiting.passage.batch else { return };
        let members = &self.batches.get(id).members;
        for member in members {
            let (assignment, offset) = (member.claim.assignment(), member.kept.position().0.offset);
            self.windows.note(assignment, offset, |mark| match waiting.is_alone {
                false => mark.is_output_alone = true,
                true if members.len() > 1 => mark.is_single = true,
                true => mark.condemned = Some(why.to_owned()),
            });
        }
    }

    /// Is a batch's output to be written alone, for what befell one of its records?
    pub(super) fn is_batch_alone(&mut self, run: Run<'_>) -> bool {
        let Some(id) = run.passage.batch else { return false };
        let Flow { batches, windows, .. } = self;
        batches.get(id).members.iter().any(|member| {
            let (id, offset) = (member.claim.assignment(), member.kept.position().0.offset);
            windows.mark(id, offset).is_some_and(|mark| mark.is_output_alone)
        })
    }

    /// Forgets the batch that a passage stands for: its records are read again, or are not ours.
    pub(super) fn disband(&mut self, passage: Passage) {
        if let Some(id) = passage.batch {
            let members = self.batches.take(id);
            self.batches.free(id, members);
        }
    }

    /// Forgets batches whose records are read again, or are not ours, and which have not started.
    pub(super) fn disband_void(&mut self) {
        loop {
            let windows = &self.windows;
            let void = self.batches.find_claim(|claim| !windows.holds(claim));
            let Some(id) = void else { return };
            let members = self.batches.take(id);
            self.batches.free(id, members);
        }
    }
}

/// The batch as its envelope is made of it. A letter's records say themselves where they stood.
fn view<'a>(run: Run<'a>, members: &'a [crate::shard::batch::Member]) -> View<'a> {
    let Origin { topic, partition, .. } = *run.origin;
    View { plan: run.plan, topic, partition, members }
}
