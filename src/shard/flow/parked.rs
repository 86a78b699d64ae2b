//! Executions that wait: parked in slots, taken up again, given up; and records that wait for their
//! turn, or to be run again.

use std::time::Duration;

use super::{Flow, Run, Workbench};
use crate::fault::{StateError, names};
use crate::shard::core::{Calling, Core};
use crate::shard::names::Origin;
use crate::shard::order::Deferred;
use crate::shard::plans::{Adopted, Plans};
use crate::shard::slots::{Memory, Passage, Slot, SlotId};
use crate::step::{Resume, TaskRequest};
use crate::tasks::callbacks::RecordId;
use crate::value::Scratch;

/// Bytes up to which a parked execution's values are moved out of the memory it ran in.
const EVACUATED_BYTES_MAX: usize = 64 << 10;
/// How long a record waits to be run again whose execution ran out of time at a target that is down:
/// enough that it makes no busy loop; when its call goes out, the target's breaker says.
const HELD_UP_PAUSE: Duration = Duration::from_secs(1);
/// Memories of executions that kept theirs, for the next ones.
const SPARE_SCRATCHES: usize = 8;

impl Flow {
    /// Starts records whose turn has come, so many at most. Returns how many.
    pub fn take_turns(&mut self, plans: &Plans, core: &mut Core, most: usize) -> usize {
        let mut count = 0;
        while count < most
            && self.halted.is_none()
            && let Some(Deferred { passage, kept }) = self.order.next()
        {
            count += 1;
            if self.windows.is_valid(passage.claim) {
                kept.lend(|record| self.start(plans, core, record, passage));
            } else {
                self.disband(passage);
                if let Some(turn) = passage.turn {
                    self.order.leave(turn);
                }
            }
            self.order.recycle(kept);
        }
        count
    }

    /// Goes on with a parked execution, unless its record is not this shard's any more.
    pub fn resume(&mut self, plans: &Plans, core: &mut Core, id: SlotId, resume: Resume<'_>) {
        let Some(mut slot) = core.lend(id) else { return };
        self.slot = Some(id);
        self.held_up -= usize::from(std::mem::take(&mut slot.is_held_up));
        if !self.windows.is_valid(slot.passage.claim) {
            self.give_up(core, id, &mut slot);
        } else if slot.begins_anew {
            self.free_slot(core);
            slot.memory.kept.lend(|record| self.start(plans, core, record, slot.passage));
        } else {
            let window =
                self.windows.get(slot.passage.claim.assignment()).expect("its claim is valid");
            let (topic, partition) = (window.topic.clone(), window.assignment.partition);
            let Adopted { plan, tasks } = plans.of(slot.passage.plan);
            let version = plan.versions.get(usize::from(slot.passage.version));
            self.work_on(slot.passage.plan);
            self.execution.trade_places(&mut slot.memory.execution);
            match slot.scratch.take() {
                Some(own) => self.take_over(own),
                None => {
                    self.bench.scratch.reset();
                    self.execution.unpark(&mut self.bench.scratch, &slot.memory.block);
                }
            }
            slot.memory.kept.lend(|record| {
                let origin = Origin { version, ..Origin::new(plan, &topic, partition, record) };
                let run = Run { plan, tasks, origin: &origin, passage: slot.passage };
                core.marker.enter(run.whose(&topic, partition), record.position.offset);
                self.advance(core, run, resume);
                core.marker.leave();
            });
        }
        core.slots.recycle(slot.memory);
    }

    /// Ends a parked execution whose record is not this shard's any more, or is read again.
    fn give_up(&mut self, core: &mut Core, id: SlotId, slot: &mut Slot) {
        core.counts(self.index).aborted += 1;
        self.held_up -= usize::from(std::mem::take(&mut slot.is_held_up));
        slot.memory.execution.abandon();
        slot.memory.execution.cancelled().for_each(|call| core.leave(id, call));
        self.slot = Some(id);
        self.free_slot(core);
        self.disband(slot.passage);
        if let Some(turn) = slot.passage.turn {
            self.order.leave(turn);
        }
    }

    /// Ends all of those, so that neither they nor what waits for them is held any longer.
    #[cold]
    pub(super) fn abandon(&mut self, core: &mut Core) {
        self.disband_void();
        for id in core.slots.of_lane(self.index) {
            let is_void = |slot: &mut Slot| !self.windows.is_valid(slot.passage.claim);
            if core.slots.get(id).is_some_and(is_void)
                && let Some(mut slot) = core.lend(id)
            {
                self.give_up(core, id, &mut slot);
                core.slots.recycle(slot.memory);
            }
        }
    }

    /// An execution brought its own memory.
    fn take_over(&mut self, mut own: Box<Scratch>) {
        std::mem::swap(&mut self.bench.scratch, &mut own);
        self.bench.is_oversized = true;
        if self.bench.spares.len() < SPARE_SCRATCHES {
            self.bench.spares.push(own);
        }
    }

    /// Parks the execution. Returns where.
    pub(super) fn park(&mut self, core: &mut Core, run: Run<'_>) -> SlotId {
        let id = self.slot.take().unwrap_or_else(|| core.slots.reserve());
        let mut memory = core.slots.spare();
        let Memory { kept, execution, block } = &mut *memory;
        kept.keep(run.origin.record);
        // What would be written out and read again with every answer costs more than its memory.
        let Workbench { scratch: used, spares, .. } = &mut self.bench;
        let is_heavy = self.execution.is_forked() && used.used() > EVACUATED_BYTES_MAX;
        let scratch = is_heavy.then(|| {
            let mut spare = spares.pop().unwrap_or_else(|| Box::new(run.plan.scratch()));
            std::mem::swap(&mut *spare, used);
            spare
        });
        if scratch.is_none() {
            self.execution.park(&mut self.bench.scratch, block);
        }
        self.execution.trade_places(execution);
        core.counts(self.index).parks += 1;
        let mut slot = Slot::new(self.index, self.in_turn(run), memory);
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
        self.bench.scratch.write(request.arguments, &mut core.arguments);
        core.role.clear();
        request.write_role(&self.bench.scratch, &mut core.role);
        run.origin.write_name(&mut core.name);
        let (step, attempt) = (self.execution.step(), self.execution.attempt());
        let number = self.execution.call();
        core.counts(self.index).task_calls += 1;
        let id = *self.slot.get_or_insert_with(|| core.slots.reserve());
        let program = run.program();
        let state = program.state_name(step);
        let (plan, resource) = (run.tasks[usize::from(run.passage.version)], request.resource);
        let waits = program.has_tokens && program.resource(resource).parsed.has_token();
        let site = self.execution.site();
        let token = waits.then(|| run.origin.token_at(site));
        let record = (!run.plan.machines.is_empty()).then(|| run.origin.record_id());
        let caller = run.origin;
        let calling = Calling {
            plan,
            number,
            state,
            resource,
            attempt,
            wake_ms,
            site,
            token,
            record,
            caller,
        };
        core.call(id, &calling);
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
        self.run_again(core, run, (pause, false))
    }

    /// Has a record run again whose execution ran out of time while a target was down: that is the
    /// target's failure and not its own, and no attempt of its retry.
    #[cold]
    pub(super) fn wait_out(&mut self, core: &mut Core, run: Run<'_>, error: &StateError) -> bool {
        let is_late = matches!(error.name(), Some(names::TIMEOUT | names::HEARTBEAT_TIMEOUT));
        let plan = run.tasks[usize::from(run.passage.version)];
        if !is_late || !core.tasks.is_held_up(plan) {
            return false;
        }
        let Passage { runs, held_up, .. } = run.passage;
        // A target that answers with its trouble may be brought there by this record.
        if held_up >= core.tasks.troubled_max() && !core.tasks.is_cut_off(plan) {
            return false;
        }
        let (runs, held_up) = (runs.saturating_sub(1), held_up.saturating_add(1));
        let passage = Passage { runs, held_up, ..run.passage };
        self.run_again(core, Run { passage, ..run }, (HELD_UP_PAUSE, true))
    }

    /// Has a record run again from the start, after a pause.
    fn run_again(
        &mut self,
        core: &mut Core,
        run: Run<'_>,
        (pause, is_held_up): (Duration, bool),
    ) -> bool {
        // Of an earlier window, whose records are read again anyway.
        if !self.windows.is_valid(run.passage.claim) {
            return false;
        }
        core.counts(self.index).record_retries += 1;
        if run.plan.has_tokens() {
            let RecordId { stream, partition, offset, .. } = run.origin.record_id();
            core.tasks.callbacks().forget(stream, partition, Some(offset));
        }
        let id = core.slots.reserve();
        let mut memory = core.slots.spare();
        memory.kept.keep(run.origin.record);
        let mut slot = Slot::new(self.index, self.in_turn(run), memory);
        (slot.begins_anew, slot.is_held_up) = (true, is_held_up);
        self.held_up += usize::from(is_held_up);
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
