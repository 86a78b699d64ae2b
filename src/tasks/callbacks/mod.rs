//! Answers from outside: tasks that wait for their token (`.waitForTaskToken`) or for a worker
//! (activities). A shard's [`Callbacks`] know which of its calls wait; the process has one [`Desk`],
//! through which the HTTP endpoint asks shards.
//!
//! ```text
//! endpoint -> Desk::ask -> the shard's queue, a wake-up -> Callbacks -> the execution
//!          <- oneshot    <- Reply                       <-
//! ```

mod desk;
mod held;
mod link;
mod token;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::Notify;

pub use desk::{Activity, Ask, Asked, Desk, Given, Inbox, Reply, Taken};
pub use held::NotHeld;
pub use link::{BadLink, Links};
pub use token::{Key, RecordId, Token, stream_of};

use self::held::Held;
use super::{CallId, Take};
use crate::fault::{StateError, names};
use crate::step::StepId;

/// Calls that are over and still known as such; of older ones the window tells, unless their record
/// is still being worked on.
const CLOSED_KEPT: usize = 10_000;
/// Offers of calls that are over which may lie about, besides as many as open ones, before they are
/// cleared away: no limit of anything, so there is no setting.
const LEFT_OVER_MAX: usize = 64;

/// What one shard's callbacks may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tokens that may be waited for at once.
    pub tokens_max: usize,
    /// Answers held that came before they were waited for.
    pub held_max: usize,
    /// Their bytes.
    pub held_bytes_max: usize,
    /// How long one is held.
    pub held_for: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            tokens_max: 100_000,
            held_max: 1_000,
            held_bytes_max: 16 << 20,
            held_for: Duration::from_secs(300),
        }
    }
}

/// A token without its visit and attempt: of those the last one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    record: RecordId,
    scope: u64,
    step: StepId,
}

impl Place {
    fn of(token: &Token) -> Place {
        let Token { record, site } = *token;
        Place { record, scope: site.scope, step: site.step }
    }
}

/// The last call of a place.
#[derive(Debug)]
struct Entry {
    token: Token,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting { call: CallId, offer: Option<Offer> },
    Closed,
}

/// An activity's task.
#[derive(Debug)]
struct Offer {
    activity: Arc<str>,
    input: Vec<u8>,
    is_taken: bool,
}

/// An activity's tasks; some may be over or taken.
struct Offers {
    places: VecDeque<Place>,
    bell: Arc<Notify>,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This call waits for it.
    Waiting(CallId),
    /// Its call is over.
    Over,
    /// Nobody here has made the call yet, as far as is known.
    Unknown,
}

/// One shard's calls that wait for an answer from outside.
#[derive(Default)]
pub struct Callbacks {
    inbox: Option<Inbox>,
    limits: Limits,
    places: BTreeMap<Place, Entry>,
    by_call: FxHashMap<CallId, Place>,
    /// In the order of closing; a place may have been opened again since.
    closed: VecDeque<Place>,
    held: Held,
    offers: HashMap<Arc<str>, Offers>,
    /// What is known the moment a call is made.
    answered: VecDeque<(CallId, Given)>,
}

impl Callbacks {
    /// Callbacks that are asked through this end of the desk.
    pub fn new(inbox: Inbox, limits: Limits) -> Callbacks {
        Callbacks { inbox: Some(inbox), limits, ..Callbacks::default() }
    }

    /// A call waits from now on, unless its answer is here already. Returns whether it is to be made.
    pub fn open(&mut self, token: &Token, call: CallId, now_ms: i64) -> bool {
        if self.by_call.len() >= self.limits.tokens_max {
            let cause = format!(
                "{} task tokens are waited for on this shard, as many as callbacks.tokens_max allows.",
                self.by_call.len()
            );
            let error = StateError::new(names::TASK_FAILED, cause);
            self.answered.push_back((call, Err(error)));
            return false;
        }
        let place = Place::of(token);
        let early = self.held.take(token, now_ms);
        let is_open = early.is_none();
        let state = match is_open {
            true => State::Waiting { call, offer: None },
            false => State::Closed,
        };
        self.places.insert(place, Entry { token: *token, state });
        match early {
            Some(answer) => {
                self.answered.push_back((call, answer));
                self.note_closed(place);
            }
            None => drop(self.by_call.insert(call, place)),
        }
        is_open
    }

    /// Offers an open call to an activity's workers.
    pub(super) fn offer(&mut self, token: &Token, activity: &Arc<str>, input: &[u8]) {
        let place = Place::of(token);
        if let Some(Entry { state: State::Waiting { offer, .. }, .. }) = self.places.get_mut(&place)
        {
            let (activity, input) = (activity.clone(), input.to_vec());
            *offer = Some(Offer { activity, input, is_taken: false });
        }
        self.queue(activity).places.push_back(place);
    }

    /// An activity's offers; somebody who waits for them is woken.
    fn queue(&mut self, activity: &Arc<str>) -> &mut Offers {
        let Callbacks { inbox, offers, .. } = self;
        let offers = offers.entry(activity.clone()).or_insert_with(|| {
            let desk = inbox.as_ref().map(|inbox| &inbox.desk);
            let bell = desk.and_then(|desk| desk.bell(activity)).unwrap_or_default();
            Offers { places: VecDeque::new(), bell }
        });
        offers.bell.notify_one();
        offers
    }

    /// Hands over what was known at once: to nested executions, or to others.
    pub(super) fn poll(&mut self, is_nested: bool, take: &mut Take<'_>) {
        for _ in 0..self.answered.len() {
            let Some((call, answer)) = self.answered.pop_front() else { return };
            match answer {
                other if call.is_nested() != is_nested => self.answered.push_back((call, other)),
                Ok(text) => take(call, Ok(&text)),
                Err(error) => take(call, Err(error)),
            }
        }
    }

    /// Is there something that only a poll brings forward?
    pub(super) fn is_due(&self, is_nested: bool) -> bool {
        self.answered.iter().any(|(call, _)| call.is_nested() == is_nested)
    }

    /// What a driver said to a call: is it for the execution? That it was taken is not, where an
    /// answer from outside is waited for.
    #[inline]
    pub fn is_final(&mut self, call: CallId, has_failed: bool) -> bool {
        if self.by_call.is_empty() || !self.by_call.contains_key(&call) {
            return true;
        }
        if has_failed {
            self.close(call);
        }
        has_failed
    }

    /// Nobody waits for this call any more.
    #[inline]
    pub fn close(&mut self, call: CallId) {
        if self.by_call.is_empty() {
            return;
        }
        self.answered.retain(|(other, _)| *other != call);
        if let Some(place) = self.by_call.remove(&call) {
            if let Some(entry) = self.places.get_mut(&place) {
                entry.state = State::Closed;
            }
            self.note_closed(place);
        }
    }

    /// Nobody waits any more for any call whose id begins so.
    #[cold]
    pub fn close_all(&mut self, first: u64) {
        let calls: Vec<CallId> =
            self.by_call.keys().filter(|call| call.0 == first).copied().collect();
        calls.into_iter().for_each(|call| self.close(call));
    }

    fn note_closed(&mut self, place: Place) {
        self.closed.push_back(place);
        if self.closed.len() > CLOSED_KEPT
            && let Some(oldest) = self.closed.pop_front()
            && self.places.get(&oldest).is_some_and(|it| matches!(it.state, State::Closed))
        {
            self.places.remove(&oldest);
        }
        let most = 2 * self.by_call.len() + LEFT_OVER_MAX;
        for offers in self.offers.values_mut().filter(|offers| offers.places.len() > most) {
            offers.places.retain(|place| is_offered(&self.places, place));
        }
    }

    /// The next question to this shard.
    pub fn next_ask(&self) -> Option<Asked> {
        self.inbox.as_ref()?.receiver.try_recv().ok()
    }

    /// What becomes of an answer with this token.
    pub fn standing(&self, token: &Token) -> Standing {
        let Some(entry) = self.places.get(&Place::of(token)) else { return Standing::Unknown };
        let number = |token: &Token| (token.site.visit, token.site.attempt);
        match (number(token).cmp(&number(&entry.token)), &entry.state) {
            (std::cmp::Ordering::Equal, State::Waiting { call, .. }) => Standing::Waiting(*call),
            (std::cmp::Ordering::Greater, _) => Standing::Unknown,
            _ => Standing::Over,
        }
    }

    /// Holds an answer until its call is made.
    pub fn hold(&mut self, token: &Token, answer: Given, now_ms: i64) -> Result<(), NotHeld> {
        self.held.put(token, answer, now_ms, &self.limits)
    }

    /// Forgets answers that were held for too long. Returns how many.
    pub fn expire(&mut self, now_ms: i64) -> usize {
        self.held.expire(now_ms)
    }

    /// Answers held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Tokens waited for.
    pub fn open_tokens(&self) -> usize {
        self.by_call.len()
    }

    /// Gives a worker the activity's next task.
    pub fn take(&mut self, activity: &str) -> Option<Taken> {
        let Callbacks { inbox, places, offers, .. } = self;
        let offers = &mut offers.get_mut(activity)?.places;
        while let Some(place) = offers.pop_front() {
            let Some(Entry { token, state: State::Waiting { call, offer: Some(offer) } }) =
                places.get_mut(&place)
            else {
                continue;
            };
            if std::mem::replace(&mut offer.is_taken, true) {
                continue;
            }
            let (call, input) = (*call, offer.input.clone());
            let token = inbox.as_ref()?.desk.key().write(token);
            let has_more = offers.iter().any(|place| is_offered(places, place));
            return Some(Taken { call, token, input, has_more });
        }
        None
    }

    /// A worker went away before it got its task.
    pub fn put_back(&mut self, call: CallId) {
        let Some(place) = self.by_call.get(&call) else { return };
        if let Some(Entry { state: State::Waiting { offer: Some(offer), .. }, .. }) =
            self.places.get_mut(place)
        {
            offer.is_taken = false;
            let activity = offer.activity.clone();
            let place = *place;
            self.queue(&activity).places.push_front(place);
        }
    }

    /// This shard has a partition from now on: its records are run from the last commit.
    pub fn claim(&mut self, stream: u64, partition: i32) {
        self.forget(stream, partition, None);
        if let Some(inbox) = &self.inbox {
            inbox.desk.route(stream, partition, inbox.shard);
        }
    }

    /// Records, all of the partition's or one, are run again: calls that are over will be made again.
    pub fn forget(&mut self, stream: u64, partition: i32, offset: Option<i64>) {
        let at = |offset, version, scope, step| Place {
            record: RecordId { stream, partition, offset, version },
            scope,
            step: StepId(step),
        };
        let first = at(offset.unwrap_or(i64::MIN), 0, 0, 0);
        let last = at(offset.unwrap_or(i64::MAX), u64::MAX, u64::MAX, u32::MAX);
        let is_closed = |(place, entry): (&Place, &Entry)| {
            matches!(entry.state, State::Closed).then_some(*place)
        };
        let closed: Vec<Place> = self.places.range(first..=last).filter_map(is_closed).collect();
        closed.iter().for_each(|place| drop(self.places.remove(place)));
    }
}

fn is_offered(places: &BTreeMap<Place, Entry>, place: &Place) -> bool {
    let state = places.get(place).map(|entry| &entry.state);
    matches!(state, Some(State::Waiting { offer: Some(offer), .. }) if !offer.is_taken)
}

#[cfg(test)]
mod tests;
