//! Mocked calls under way. They are plain entries of a heap, so parking a million of them allocates
//! nothing once it has grown.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashSet;

use super::Mocks;
use crate::fault::StateError;
use crate::tasks::{Call, CallId, Take};

/// Cancelled calls that may stay in the heap until they are due, besides as many as live ones, before
/// they are cleared away: no limit of anything, so there is no setting.
const LEFT_OVER_MAX: usize = 64;

/// Due first, in the order they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    due_ms: i64,
    serial: u64,
    id: CallId,
    plan: u32,
    list: u32,
    attempt: u32,
}

/// One shard's mocked calls.
#[derive(Default)]
pub(in crate::tasks) struct Calls {
    heap: BinaryHeap<Reverse<Pending>>,
    live: FxHashSet<CallId>,
    failed: Vec<(CallId, StateError)>,
    serial: u64,
}

impl Calls {
    /// Takes a call of a state whose responses are this list of its plan's mocks.
    pub(in crate::tasks) fn call(&mut self, call: &Call<'_>, mocks: &Mocks, list: usize) {
        let response = mocks.find(list, call.attempt).map(|index| &mocks.lists[list][index]);
        let latency_ms = response.map_or(0, |response| response.latency.as_millis());
        let latency_ms = i64::try_from(latency_ms).unwrap_or(i64::MAX);
        self.serial += 1;
        self.live.insert(call.id);
        self.heap.push(Reverse(Pending {
            due_ms: call.now_ms.saturating_add(latency_ms),
            serial: self.serial,
            id: call.id,
            plan: call.plan as u32,
            list: list as u32,
            attempt: call.attempt,
        }));
    }

    /// Takes a call that nothing can answer.
    pub(in crate::tasks) fn refuse(&mut self, id: CallId) {
        self.fail(id, StateError::runtime("the state has neither a driver nor a mock."));
    }

    /// Takes a call that has failed.
    pub(in crate::tasks) fn fail(&mut self, id: CallId, error: StateError) {
        self.failed.push((id, error));
    }

    pub(in crate::tasks) fn poll<'a>(
        &mut self,
        now_ms: i64,
        mocks_of: &dyn Fn(usize) -> Option<&'a Mocks>,
        take: &mut Take<'_>,
    ) {
        for (id, error) in self.failed.drain(..) {
            take(id, Err(error));
        }
        while let Some(&Reverse(pending)) = self.heap.peek() {
            if pending.due_ms > now_ms {
                return;
            }
            self.heap.pop();
            if self.live.remove(&pending.id)
                && let Some(mocks) = mocks_of(pending.plan as usize)
            {
                answer(&pending, mocks, take);
            }
        }
    }

    /// Forgets a call. Ids of other drivers' calls come here too.
    pub(in crate::tasks) fn cancel(&mut self, id: CallId) {
        self.live.remove(&id);
        if self.heap.len() > 2 * self.live.len() + LEFT_OVER_MAX {
            let live = &self.live;
            self.heap.retain(|Reverse(pending)| live.contains(&pending.id));
        }
    }

    pub(in crate::tasks) fn next_due_ms(&self) -> Option<i64> {
        if !self.failed.is_empty() {
            return Some(i64::MIN);
        }
        self.heap.peek().map(|Reverse(pending)| pending.due_ms)
    }

    /// Entries in the heap, cancelled ones included.
    #[cfg(test)]
    pub(in crate::tasks) fn left_over(&self) -> usize {
        self.heap.len()
    }

    pub(in crate::tasks) fn in_flight(&self) -> usize {
        self.live.len() + self.failed.len()
    }
}

fn answer(pending: &Pending, mocks: &Mocks, take: &mut Take<'_>) {
    let list = pending.list as usize;
    let Some(index) = mocks.find(list, pending.attempt) else {
        let missing = format!(
            "the mocks have no response for attempt {} of this state; add \"{0}\" to its \
             MockedResponses.",
            pending.attempt
        );
        return take(pending.id, Err(StateError::runtime(missing)));
    };
    match &mocks.lists[list][index].answer {
        Ok(json) => take(pending.id, Ok(json)),
        Err(error) => take(pending.id, Err(error.clone())),
    }
}
