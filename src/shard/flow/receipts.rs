//! From receipts back to the windows: records settle, or are read again.

use super::{Flow, Halt};
use crate::ack::Settlement;
use crate::record::AssignmentId;
use crate::shard::core::Core;
use crate::shard::outputs::{Waiting, Way};
use crate::shard::slots::Passage;
use crate::sinks::{Receipt, SinkError, SinkErrorKind};
use crate::sources::{Source, Undone};
use crate::tasks::callbacks::stream_of;

impl Flow {
    pub(super) fn settle(&mut self, core: &mut Core, passage: Passage, how: Settlement) {
        if let Some(id) = passage.batch {
            return self.settle_batch(core, id, how);
        }
        let now_ns = core.now_ns;
        let counters = &mut core.counters.pipelines[self.index];
        if !self.windows.settle(passage.claim, how) {
            counters.counts.stale += 1;
        } else if !how.is_final() {
            counters.counts.handed_back += 1;
        } else {
            counters.counts.settled += 1;
            counters.latency.record(now_ns.saturating_sub(passage.received_ns));
        }
        self.end_line();
    }

    /// Tries again what the sinks had no room for, and takes their receipts. Returns how many.
    pub fn collect(&mut self, core: &mut Core, receipts: &mut Vec<Receipt>) -> usize {
        self.outlet.sink.poll(&mut |receipt| receipts.push(receipt));
        self.letters.poll(&mut |receipt| receipts.push(receipt));
        self.outlet.drain(&mut |tag, e| receipts.push(Receipt { tag, result: Err(e) }));
        self.letters.drain(&mut |tag, e| receipts.push(Receipt { tag, result: Err(e) }));
        let count = receipts.len();
        for receipt in receipts.drain(..) {
            match receipt.result {
                Ok(_) => self.acknowledged(core, receipt.tag),
                Err(e) => self.refused(core, receipt.tag, e),
            }
        }
        count
    }

    #[inline]
    fn acknowledged(&mut self, core: &mut Core, tag: u64) {
        let counts = core.counts(self.index);
        // One of several outputs of a record; dead letters are always alone.
        let Some(waiting) = self.ledger.receipt(tag) else {
            counts.outputs += 1;
            return;
        };
        let (how, count) = match waiting.way {
            Way::Output => (Settlement::Ack, &mut counts.outputs),
            Way::Letter => (Settlement::DeadLettered, &mut counts.dead_letters),
        };
        *count += 1;
        self.settle(core, waiting.passage, how);
    }

    /// An output was taken and then refused. Its record is not at hand any more, so its partition is
    /// read again from there; what befell it is marked.
    #[cold]
    fn refused(&mut self, core: &mut Core, tag: u64, e: SinkError) {
        let Some(waiting) = self.ledger.close(tag) else { return };
        core.counts(self.index).output_retries += 1;
        match (e.kind, waiting.way) {
            (SinkErrorKind::Full | SinkErrorKind::Retriable, _) => self.read_again(core, &waiting),
            (SinkErrorKind::Record, Way::Letter)
                if waiting.is_alone && !self.letters.has_fallback() =>
            {
                self.pause(self.letters.failure(&e));
            }
            (SinkErrorKind::Record, Way::Output) if waiting.passage.batch.is_some() => {
                self.note_batch(&waiting, &e.message);
                self.read_again(core, &waiting);
            }
            (SinkErrorKind::Record, way) => {
                let (id, offset) = (waiting.passage.claim.assignment(), waiting.offset);
                self.windows.note(id, offset, |mark| match (way, waiting.is_alone) {
                    (Way::Output, false) => mark.is_output_alone = true,
                    (Way::Output, true) => mark.condemned = Some(e.message),
                    (Way::Letter, false) => mark.is_letter_alone = true,
                    (Way::Letter, true) => mark.is_letter_for_file = true,
                });
                self.read_again(core, &waiting);
            }
            (SinkErrorKind::Fatal, Way::Output) => {
                self.halted.get_or_insert(Halt::Stopped(e.message));
            }
            (SinkErrorKind::Fatal, Way::Letter) => self.pause(self.letters.failure(&e)),
        }
        // A queue's messages have gone back one by one.
        if !self.windows.is_queue(waiting.passage.claim.assignment()) {
            self.disband(waiting.passage);
        }
    }

    /// Has a refused output's partition read again, unless it was since. A queue's message comes
    /// again by itself.
    fn read_again(&mut self, core: &mut Core, waiting: &Waiting) {
        let id = waiting.passage.claim.assignment();
        if self.windows.is_queue(id) {
            return self.settle(core, waiting.passage, Settlement::Nack);
        }
        if self.windows.is_valid(waiting.passage.claim) && !self.rewinds.contains(&id) {
            self.rewinds.push(id);
        }
    }

    /// A transaction was aborted: what it held of a partition comes again.
    #[cold]
    pub(super) fn undo(&mut self, undone: Undone) {
        let Undone { assignment, offset, refused } = undone;
        self.windows.undo(assignment);
        self.undone.push((assignment, offset));
        let Some(refused) = refused else { return };
        if refused.is_letter && !self.letters.has_fallback() {
            let (kind, code, message) = (SinkErrorKind::Record, "", refused.why);
            return self.pause(self.letters.failure(&SinkError { kind, code, message }));
        }
        self.windows.note(assignment, refused.offset, |mark| {
            if refused.is_letter {
                mark.is_letter_for_file = true;
            } else {
                mark.condemned = Some(refused.why);
            }
        });
    }

    /// Calls of executions that were given up will be made again.
    #[cold]
    fn forget_callbacks(&mut self, core: &mut Core, rewinds: &[AssignmentId]) {
        for id in rewinds {
            if let Some(window) = self.windows.get(*id) {
                let stream = stream_of(&self.name, &window.topic);
                core.tasks.callbacks().forget(stream, window.assignment.partition, None);
            }
        }
    }

    /// Ends a tick: hands outputs on, notes what has settled, reads again what must be.
    pub fn end_tick(&mut self, core: &mut Core, source: &mut dyn Source) {
        self.outlet.sink.submit();
        self.letters.submit();
        let rewinds = std::mem::take(&mut self.rewinds);
        for id in &rewinds {
            if !self.windows.rewind(*id, source) {
                let why = "an output could not be written, and this source can't read again";
                self.halted.get_or_insert(Halt::Stopped(why.to_owned()));
            }
        }
        let undone = std::mem::take(&mut self.undone);
        for (id, offset) in &undone {
            source.rewind(*id, *offset);
        }
        if !rewinds.is_empty() || !undone.is_empty() {
            self.abandon(core);
            self.forget_callbacks(core, &rewinds);
        }
        core.counts(self.index).window_stops += self.windows.keep(source);
        if core.marker.is_open() {
            self.windows.each_committed(source, |topic, partition, below| {
                core.marker.settled(&self.name, topic, partition, below);
            });
        }
        if let Some(why) = self.ratio.verdict(core.now_ns) {
            self.pause(why);
        }
    }
}
