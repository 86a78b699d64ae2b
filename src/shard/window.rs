//! What is in flight of each partition that this shard holds: one tracker an assignment.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::ack::ordered::Tracker;
use crate::ack::{Limits, Settlement, Ticket};
use crate::record::{Assignment, AssignmentId};
use crate::sources::Source;

/// A record that is being worked on: whose window, which ticket there, and of which run through it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    assignment: AssignmentId,
    epoch: u32,
    ticket: Ticket,
}

impl Claim {
    /// The assignment the record came through.
    pub fn assignment(&self) -> AssignmentId {
        self.assignment
    }
}

/// One assignment's window.
#[derive(Debug)]
pub struct Window {
    /// What it is of.
    pub assignment: Assignment,
    /// The topic's name; not shared with other shards, so that holding it is free.
    pub topic: Rc<str>,
    tracker: Tracker,
    /// Counts rewinds: claims from before one are void.
    epoch: u32,
    is_paused: bool,
    is_draining: bool,
    noted: Option<i64>,
    /// Offsets whose outputs the broker refused for their own sake, and why: they fail at once when
    /// they come again.
    condemned: VecDeque<(i64, String)>,
}

/// All of a pipeline's windows on this shard.
#[derive(Debug)]
pub struct Windows {
    limits: Limits,
    /// Records that may still arrive once a pause was asked for: one batch.
    margin: usize,
    list: Vec<Window>,
    last: usize,
}

impl Windows {
    /// No windows; each that comes gets these limits. `margin`: records in one batch.
    pub fn new(limits: Limits, margin: usize) -> Windows {
        Windows { limits, margin, list: Vec::new(), last: 0 }
    }

    /// A partition has come.
    pub fn open(&mut self, assignment: Assignment) {
        // The caps are kept by pausing before they are reached; the tracker itself refuses nothing,
        // because a record that was handed over can't be given back.
        let unbounded = Limits { records: usize::MAX, bytes: u64::MAX };
        self.list.push(Window {
            topic: Rc::from(&*assignment.topic),
            assignment,
            tracker: Tracker::new(unbounded),
            epoch: 0,
            is_paused: false,
            is_draining: false,
            noted: None,
            condemned: VecDeque::new(),
        });
    }

    /// The window of an assignment that is still held.
    pub fn get(&mut self, id: AssignmentId) -> Option<&mut Window> {
        if self.list.get(self.last).is_none_or(|window| window.assignment.id != id) {
            self.last = self.list.iter().position(|window| window.assignment.id == id)?;
        }
        self.list.get_mut(self.last)
    }

    /// A partition is gone: nothing that was in flight of it counts any more.
    pub fn forget(&mut self, id: AssignmentId) {
        self.list.retain(|window| window.assignment.id != id);
    }

    /// A partition is to be given up once what is in flight has settled.
    pub fn drain(&mut self, id: AssignmentId) {
        if let Some(window) = self.get(id) {
            window.is_draining = true;
        }
    }

    /// Tracks a record.
    pub fn claim(&mut self, id: AssignmentId, offset: i64, bytes: usize) -> Option<Claim> {
        let window = self.get(id)?;
        let ticket = window.tracker.track(offset, bytes)?;
        Some(Claim { assignment: id, epoch: window.epoch, ticket })
    }

    /// Settles a record; `false` where the claim is void.
    pub fn settle(&mut self, claim: Claim, settlement: Settlement) -> bool {
        self.is_valid(claim)
            && self
                .get(claim.assignment)
                .is_some_and(|w| w.tracker.settle(claim.ticket, settlement))
    }

    /// Is the claim's partition still held, and was it not rewound since?
    pub fn is_valid(&mut self, claim: Claim) -> bool {
        self.get(claim.assignment).is_some_and(|window| window.epoch == claim.epoch)
    }

    /// Unsettled records.
    pub fn open_records(&self) -> usize {
        self.list.iter().map(|window| window.tracker.open()).sum()
    }

    /// Reads what is unsettled of a partition once more. `condemned`: an offset that shall fail.
    pub fn rewind(
        &mut self,
        id: AssignmentId,
        condemned: Option<(i64, String)>,
        source: &mut dyn Source,
    ) -> bool {
        let Some(window) = self.get(id) else { return false };
        window.condemned.extend(condemned);
        let Some(offset) = window.tracker.oldest_unsettled() else { return true };
        window.epoch += 1;
        let unbounded = Limits { records: usize::MAX, bytes: u64::MAX };
        window.tracker = Tracker::new(unbounded);
        source.rewind(id, offset)
    }

    /// Notes what has settled, learns what was committed, and pauses or resumes partitions. Returns
    /// how many partitions were paused just now.
    pub fn keep(&mut self, source: &mut dyn Source) -> u64 {
        let (limits, margin) = (self.limits, self.margin);
        let mut stops = 0;
        for window in &mut self.list {
            if let Some(point) = window.tracker.commit_point()
                && window.noted != Some(point)
            {
                window.noted = Some(point);
                source.commit(window.assignment.id, point);
            }
            if let Some(committed) = source.committed(window.assignment.id) {
                window.tracker.confirm(committed);
            }
            let (records, bytes) = (window.tracker.records(), window.tracker.bytes());
            let is_full =
                records + margin >= limits.records.max(margin + 1) || bytes >= limits.bytes;
            let has_room = records * 2 <= limits.records && bytes * 2 <= limits.bytes;
            if (!window.is_paused && is_full) || (window.is_paused && has_room) {
                window.is_paused = !window.is_paused;
                stops += u64::from(window.is_paused);
                source.pause(window.assignment.id, window.is_paused);
            }
        }
        self.list.retain(|window| {
            let is_done = window.is_draining && window.tracker.open() == 0;
            if is_done {
                source.release(window.assignment.id);
            }
            !is_done
        });
        stops
    }
}

impl Window {
    /// Why the record at `offset` must fail, if it must.
    pub fn take_condemned(&mut self, offset: i64) -> Option<String> {
        if self.condemned.is_empty() {
            return None;
        }
        let at = self.condemned.iter().position(|(condemned, _)| *condemned == offset)?;
        self.condemned.remove(at).map(|(_, why)| why)
    }
}
