//! Messages that were received and have not settled, and until when others don't see them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::HELD_MAX;
use super::message::Handle;

/// Messages that failed here and are known again when they come back.
const KNOWN_MAX: usize = 10_000;

/// A message's receipt and times.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    handle: Handle,
    id: String,
    /// Whose shard it went to.
    inlet: usize,
    received: Instant,
    visible: Instant,
}

/// All messages that this process has in hand.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<i64, Entry>,
    /// Numbers and shards of messages that failed, by their ids, oldest first: a shard keeps what it
    /// has learnt of a message under its number.
    known: HashMap<String, (i64, usize)>,
    known_ids: VecDeque<String>,
}

impl Held {
    /// A message that was asked for at this time: its visibility may run since.
    pub fn put(&mut self, place: (i64, usize), it: (&str, Handle), times: (Instant, Duration)) {
        let ((number, inlet), (id, handle), (asked, visibility)) = (place, it, times);
        let id = id.to_owned();
        let entry = Entry { handle, id, inlet, received: asked, visible: asked + visibility };
        self.entries.insert(number, entry);
    }

    /// The number and shard that a message had when it failed here, unless it is in hand still.
    pub fn known(&self, id: &str) -> Option<(i64, usize)> {
        self.known.get(id).copied().filter(|(number, _)| !self.entries.contains_key(number))
    }

    /// The message is in hand no more.
    pub fn take(&mut self, number: i64) {
        self.entries.remove(&number);
    }

    /// The message failed, and is in hand no more.
    pub fn take_failed(&mut self, number: i64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        if self.known.insert(entry.id.clone(), (number, entry.inlet)).is_some() {
            return;
        }
        self.known_ids.push_back(entry.id);
        if self.known_ids.len() > KNOWN_MAX
            && let Some(oldest) = self.known_ids.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Its receipt, as long as it is in hand.
    pub fn receipt(&self, number: i64) -> Option<&str> {
        self.entries.get(&number).map(|entry| entry.handle.receipt.as_str())
    }

    /// How often a message was received.
    pub fn receives(&self, number: i64) -> u32 {
        self.entries.get(&number).map_or(1, |entry| entry.handle.receives)
    }

    /// All of them, to be handed back.
    pub fn numbers(&self) -> Vec<i64> {
        self.entries.keys().copied().collect()
    }

    /// Those whose visibility has less than `margin` left and may be extended; they are taken to be.
    pub fn extend(&mut self, now: Instant, visibility: Duration) -> Vec<(i64, Duration)> {
        let margin = visibility / 2;
        let mut due = Vec::new();
        for (number, entry) in &mut self.entries {
            let oldest = entry.received + HELD_MAX;
            if entry.visible < now + margin && entry.visible < oldest {
                entry.visible = (now + visibility).min(oldest);
                due.push((*number, entry.visible - now));
            }
        }
        due
    }

    /// An extension that did not come through is tried again the next time.
    pub fn not_extended(&mut self, number: i64, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.visible = now;
        }
    }
}

/// How long a message that failed stays invisible, by how often it was received.
pub(super) fn backoff(receives: u32, first: Duration, most: Duration) -> Duration {
    let doubled = first.saturating_mul(1 << receives.saturating_sub(1).min(30));
    doubled.min(most).min(HELD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle() -> Handle {
        Handle { receipt: "r".to_owned(), receives: 1 }
    }

    #[test]
    fn visibility_is_extended_in_time_and_not_beyond_twelve_hours() {
        let (start, visibility) = (Instant::now(), Duration::from_secs(30));
        let mut held = Held::default();
        held.put((1, 0), ("m", handle()), (start, visibility));
        assert!(held.extend(start + Duration::from_secs(14), visibility).is_empty());
        let due = held.extend(start + Duration::from_secs(16), visibility);
        assert_eq!(due, [(1, visibility)]);
        assert!(held.extend(start + Duration::from_secs(17), visibility).is_empty());
        held.not_extended(1, start + Duration::from_secs(17));
        assert_eq!(held.extend(start + Duration::from_secs(18), visibility).len(), 1);
        let late = start + HELD_MAX - Duration::from_secs(5);
        assert_eq!(held.extend(late, visibility), [(1, Duration::from_secs(5))]);
        assert!(held.extend(late, visibility).is_empty());
    }

    #[test]
    fn a_message_that_failed_is_known_again() {
        let mut held = Held::default();
        let times = (Instant::now(), Duration::from_secs(30));
        held.put((7, 1), ("m", handle()), times);
        assert_eq!(held.known("m"), None);
        held.take_failed(7);
        assert_eq!(held.known("m"), Some((7, 1)));
        held.put((7, 1), ("m", handle()), times);
        assert_eq!(held.known("m"), None);
        held.take(7);
        for at in 0..KNOWN_MAX as i64 {
            held.put((100 + at, 0), (&at.to_string(), handle()), times);
            held.take_failed(100 + at);
        }
        assert_eq!((held.known("m"), held.known_ids.len()), (None, KNOWN_MAX));
    }

    #[test]
    fn failures_wait_longer_each_time() {
        let of = |receives| backoff(receives, Duration::from_secs(1), Duration::from_secs(60));
        assert_eq!(
            [of(1), of(2), of(5), of(7), of(900)].map(|it| it.as_secs()),
            [1, 2, 16, 60, 60]
        );
    }
}
