//! Executions that wait: parked in slots, taken up again, given up; and records that wait for their
//! turn, or to be run again.

use super::{Flow, Run};
use crate::shard::core::{Calling, Core};
use crate::shard::names::Origin;
use crate::shard::order::Deferred;
use crate::shard::plan::Plan;
use crate::shard::slots::{Passage, Slot, SlotId};
use crate::step::{Resume, TaskRequest};
use crate::tasks::callbacks::RecordId;
use crate::value::Scratch;

/// Bytes up to which a parked execution's values are moved out of the memory it ran in.
const EVACUATED_BYTES_MAX: usize = 64 << 10;
/// Memories of executions that kept theirs, for the next ones.
const SPARE_SCRATCHES: usize = 8;

impl Flow {
    /// Starts records whose turn has come, so many at most. Returns how many.
    pub fn take_turns(&mut self, plan: &Plan, core: &mut Core, most: usize) -> usize {
        let mut count = 0;
        while count < most
            && self.halted.is_none()
            && let Some(Deferred { passage, kept }) = self.order.next()
        {
            count += 1;
            if self.windows.is_valid(passage.claim) {
                kept.lend(|record| self.start(plan, core, record, passage));
            } else if let Some(turn) = passage.turn {
                self.order.leave(turn);
            }
            self.order.recycle(kept);
        }
        count
    }

    /// Goes on with a parked execution, unless its record is not this shard's any more.
    pub fn resume(&mut self, plan: &Plan, core: &mut Core, id: SlotId, resume: Resume<'_>) {
        let Some(mut slot) = core.lend(id) else { return };
        self.slot = Some(id);
        if !self.windows.is_valid(slot.passage.claim) {
            self.give_up(core, id, &mut slot);
        } else if slot.begins_anew {
            self.free_slot(core);
            slot.kept.lend(|record| self.start(plan, core, record, slot.passage));
        } else {
            let window =
                self.windows.get(slot.passage.claim.assignment()).expect("its claim is valid");
            let (topic, partition) = (window.topic.clone(), window.assignment.partition);
            self.execution.trade_places(&mut slot.execution);
            match slot.scratch.take() {
                Some(own) => self.take_over(own),
                None => {
                    self.scratch.reset();
                    self.execution.unpark(&mut self.scratch, &slot.block);
                }
            }
            slot.kept.lend(|record| {
                let origin = Origin::new(plan, &topic, partition, record);
                let run = Run { plan, origin: &origin, passage: slot.passage };
                core.marker.enter(run.whose(&topic, partition), record.position.offset);
                self.advance(core, run, resume);
                core.marker.leave();
            });
        }
        core.slots.recycle((slot.kept, slot.execution, slot.block));
    }

    /// Ends a parked execution whose record is not this shard's any more, or is read again.
    fn give_up(&mut self, core: &mut Core, id: SlotId, slot: &mut Slot) {
        core.counts(self.index).aborted += 1;
        slot.execution.abandon();
        slot.execution.cancelled().for_each(|call| core.leave(id, call));
        self.slot = Some(id);
        self.free_slot(core);
        if let Some(turn) = slot.passage.turn {
            self.order.leave(turn);
        }
    }

    /// Ends all of those, so that neither they nor what waits for them is held any longer.
    #[cold]
    pub(super) fn abandon(&mut self, core: &mut Core) {
        for id in core.slots.of_lane(self.index) {
            let is_void = |slot: &mut Slot| !self.windows.is_valid(slot.passage.claim);
            if core.slots.get(id).is_some_and(is_void)
                && let Some(mut slot) = core.lend(id)
            {
                self.give_up(core, id, &mut slot);
                core.slots.recycle((slot.kept, slot.execution, slot.block));
            }
        }
    }

    /// An execution brought its own memory.
    fn take_over(&mut self, mut own: Box<Scratch>) {
        std::mem::swap(&mut self.scratch, &mut own);
        self.is_oversized = true;
        if self.spare_scratches.len() < SPARE_SCRATCHES {
            self.spare_scratches.push(own);
        }
    }

    /// Parks the execution. Returns where.
    pub(super) fn park(&mut self, core: &mut Core, run: Run<'_>) -> SlotId {
        let id = self.slot.take().unwrap_or_else(|| core.slots.reserve());
        let (mut kept, mut execution, mut block) = core.slots.spare();
        kept.keep(run.origin.record);
        // What would be written out and read again with every answer costs more than its memory.
        let is_heavy = self.execution.is_forked() && self.scratch.used() > EVACUATED_BYTES_MAX;
        let scratch = is_heavy.then(|| {
            let spare = self.spare_scratches.pop();
            let mut spare = spare.unwrap_or_else(|| Box::new(run.plan.program.scratch()));
            std::mem::swap(&mut *spare, &mut self.scratch);
            spare
        });
        if scratch.is_none() {
            self.execution.park(&mut self.scratch, &mut block);
        }
        self.execution.trade_places(&mut execution);
        core.counts(self.index).parks += 1;
        let mut slot = Slot::new(self.index, self.in_turn(run), (kept, execution, block));
        slot.scratch = scratch;
        core.slots.park(id, slot);
        id
    }

    pub(super) fn call(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        request: &TaskRequest,
        wake_ms: i64,
    ) {
        core.arguments.clear();
        self.scratch.write(request.arguments, &mut core.arguments);
        core.role.clear();
        request.write_role(&self.scratch, &mut core.role);
        run.origin.write_name(&mut core.name);
        let (step, attempt) = (self.execution.step(), self.execution.attempt());
        let number = self.execution.call();
        core.counts(self.index).task_calls += 1;
        let id = *self.slot.get_or_insert_with(|| core.slots.reserve());
        let state = run.plan.program.state_name(step);
        let (pipeline, resource) = (self.index, request.resource);
        let program = &run.plan.program;
        let parsed = &program.resource(resource).parsed;
        let waits = program.has_tokens && parsed.has_token();
        let site = self.execution.site();
        let token = waits.then(|| run.origin.token_at(site));
        core.call(
            id,
            &Calling { pipeline, number, state, resource, attempt, wake_ms, site, token },
        );
    }

    /// The record's way, with its turn: from now on others wait for it.
    fn in_turn(&mut self, run: Run<'_>) -> Passage {
        let turn = run.passage.turn.or_else(|| self.order.take(run.origin.record));
        Passage { turn, ..run.passage }
    }

    /// Has a failed record run again after a while, if it may.
    #[cold]
    pub(super) fn try_again(&mut self, core: &mut Core, run: Run<'_>) -> bool {
        let Some(pause) = run.plan.retry.pause(run.passage.runs) else { return false };
        // Of an earlier window, whose records are read again anyway.
        if !self.windows.is_valid(run.passage.claim) {
            return false;
        }
        core.counts(self.index).record_retries += 1;
        if run.plan.program.has_tokens {
            let RecordId { stream, partition, offset, .. } = run.origin.record_id();
            core.tasks.callbacks().forget(stream, partition, Some(offset));
        }
        let id = core.slots.reserve();
        let mut spare = core.slots.spare();
        spare.0.keep(run.origin.record);
        let mut slot = Slot::new(self.index, self.in_turn(run), spare);
        slot.begins_anew = true;
        core.slots.park(id, slot);
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        core.set_timer(id, core.now_ms.saturating_add(pause_ms));
        true
    }

    /// The execution that runs is over.
    #[inline]
    pub(super) fn free_slot(&mut self, core: &mut Core) {
        if let Some(id) = self.slot.take() {
            core.slots.free(id);
        }
    }
}
