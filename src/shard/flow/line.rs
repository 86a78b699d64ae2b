//! Batches of a FIFO queue, one after the other: see [`crate::shard::groups`].

use std::collections::HashSet;

use super::{Flow, Run};
use crate::ack::Settlement;
use crate::record::Assignment;
use crate::shard::batch::BatchId;
use crate::shard::core::Core;
use crate::shard::groups::Groups;
use crate::shard::plan::{Input, Policy};
use crate::shard::plans::Plans;
use crate::shard::slots::Passage;

/// What the names of FIFO queues end in.
const FIFO_SUFFIX: &str = ".fifo";

impl Flow {
    /// A queue has come: does it matter which of its batches runs when?
    pub(super) fn open_line(&mut self, plans: &Plans, queue: &Assignment) {
        let is_batched = matches!(plans.now().plan.input, Input::Batch(_));
        if is_batched && queue.topic.ends_with(FIFO_SUFFIX) {
            self.windows.groups = Some(Groups::default());
        }
    }

    /// A batch is about to run, and has its turn until all of it has settled. What came behind a
    /// failure of its group goes back first. `None`: that was all of it.
    pub(super) fn line_up(
        &mut self,
        core: &mut Core,
        passage: Passage,
        id: BatchId,
    ) -> Option<Passage> {
        let groups = self.windows.groups.as_ref()?;
        let members = &self.batches.get(id).members;
        let numbers: Vec<i64> = members.iter().map(|it| it.kept.position().0.offset).collect();
        let back: Vec<usize> =
            (0..numbers.len()).filter(|place| groups.has_failed(numbers[*place])).collect();
        let lead = self.batches.get(id).lead(None);
        let turn = passage.turn.or_else(|| self.order.take(&lead));
        self.line = turn;
        if back.len() == numbers.len() {
            self.settle_batch(core, id, Settlement::Nack);
            self.end_line();
            return None;
        }
        let groups = self.windows.groups.as_mut()?;
        let stays = |place: &usize| back.binary_search(place).is_err();
        (0..numbers.len()).filter(stays).for_each(|place| groups.begin(numbers[place]));
        if !back.is_empty() {
            let back = self.batches.split(id, &back);
            self.settle_batch(core, back, Settlement::Nack);
        }
        let Passage { claim, received_ns, .. } = self.batches.passage(id);
        Some(Passage { claim, received_ns, turn, ..passage })
    }

    /// Something has settled: the next batch's turn has come if that was the last.
    #[inline]
    pub(super) fn end_line(&mut self) {
        if self.line.is_some() && self.windows.groups.as_ref().is_some_and(Groups::is_idle) {
            let turn = self.line.take();
            turn.into_iter().for_each(|turn| self.order.leave(turn));
        }
    }

    /// Those records of a batch that fail with the ones that did: where these come again, what is
    /// behind them in their group must come behind them.
    pub(super) fn with_followers(&self, run: Run<'_>, failed: Vec<usize>) -> Vec<usize> {
        let (Some(groups), Some(id)) = (&self.windows.groups, run.passage.batch) else {
            return failed;
        };
        let comes_again =
            run.plan.policy == Policy::Redrive || run.plan.retry.pause(run.passage.runs).is_some();
        if !comes_again || failed.is_empty() {
            return failed;
        }
        let (mut broken, mut fails) = (HashSet::new(), Vec::new());
        for (place, member) in self.batches.get(id).members.iter().enumerate() {
            let group = groups.of(member.kept.position().0.offset);
            if failed.binary_search(&place).is_ok() {
                broken.insert(group);
            }
            if broken.contains(&group) {
                fails.push(place);
            }
        }
        fails
    }
}
