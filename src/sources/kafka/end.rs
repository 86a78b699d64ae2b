//! A shard's end of the source: reads the shard's queue in batches and says whose each record is.
//!
//! News (assigned, revoking, lost) is taken in between batches only, so that a record always
//! belongs to the assignment it was read under; the polling thread helps by waiting for `Lost` to be seen,
//! and the library by discarding what was queued before a revoke. The one exception: a record of an
//! unknown partition has its `Assigned` in the inbox, put there before the record could be fetched.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam::channel::Receiver;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::group::{Events, Group, News, Stray};
use super::partition::Partition;
use super::trouble;
use crate::kafka::{Batch, Message};
use crate::record::{AssignmentId, Header, Position, Record};
use crate::sources::{Arrival, Source, SourceError};

/// Records read in one call of the library.
const BATCH_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Running,
    // Records are dropped, and read again after a seek.
    Paused,
    Revoking,
}

struct Held {
    partition: Arc<Partition>,
    // The next offset to hand over; what is below was handed over. -1 before the first.
    next: i64,
    flow: Flow,
    // What was done ahead of the commit is none of this log's.
    is_anew: bool,
}

impl Held {
    /// A record of it comes.
    fn see(&mut self, offset: i64) {
        if self.next < 0 {
            // Read from before the commit: the log began anew, or somebody wants it all again.
            self.is_anew = self.partition.committed().is_some_and(|committed| offset < committed);
        }
    }

    /// The record there is handed over.
    fn pass(&mut self, offset: i64) {
        self.next = offset + 1;
        self.partition.advance(self.next);
    }

    /// Had it settled before this process read it?
    fn was_done(&self, offset: i64) -> bool {
        self.partition.has_done() && !self.is_anew && self.partition.was_done(offset)
    }
}

/// See the module.
pub(super) struct End {
    shard: usize,
    group: Arc<Group>,
    consumer: Weak<BaseConsumer<Events>>,
    inbox: Receiver<News>,
    waiting: VecDeque<News>,
    held: Vec<Held>,
    batch: Batch,
    headers: Vec<Header<'static>>,
}

impl End {
    pub(super) fn new(
        shard: usize,
        group: Arc<Group>,
        consumer: Weak<BaseConsumer<Events>>,
        inbox: Receiver<News>,
    ) -> End {
        End {
            shard,
            group,
            consumer,
            inbox,
            waiting: VecDeque::new(),
            held: Vec::new(),
            batch: Batch::new(BATCH_MAX),
            headers: Vec::new(),
        }
    }

    /// Takes the news in, in order, up to an error.
    fn catch_up(&mut self, take: &mut dyn FnMut(Arrival<'_>)) -> Result<usize, SourceError> {
        let mut records = 0;
        self.waiting.extend(self.inbox.try_iter());
        while let Some(news) = self.waiting.pop_front() {
            match news {
                News::Assigned(partition) => hold(&mut self.held, partition, take),
                News::Revoking(id) => {
                    if let Some(held) = find(&mut self.held, id) {
                        held.flow = Flow::Revoking;
                        take(Arrival::Revoking(id));
                    }
                }
                News::Lost(id) => {
                    if find(&mut self.held, id).is_some() {
                        self.held.retain(|it| it.partition.assignment.id != id);
                        take(Arrival::Lost(id));
                    }
                    self.group.release(id);
                }
                News::Stray(stray) => records += hand_stray(&mut self.held, &stray, take),
                News::Fault(error) => return Err(error),
            }
        }
        Ok(records)
    }

    /// Reads one batch of at most `limit` and hands it over: what was read, and what handed over.
    fn read(&mut self, limit: usize, take: &mut dyn FnMut(Arrival<'_>)) -> (usize, usize) {
        let End { shard, group, inbox, waiting, held, batch, .. } = self;
        let Some(count) = group.with_queue(*shard, |queue| batch.read(queue, limit)) else {
            return (0, 0);
        };
        let mut headers = recycle(std::mem::take(&mut self.headers));
        let mut handed = 0;
        // Runs of records of one partition are long: the last answer is usually the next one too.
        let mut last = (0usize, -1i32, usize::MAX);
        for message in batch.messages() {
            if let Some((code, text)) = message.error() {
                if code != RDKafkaErrorCode::PartitionEOF {
                    let at = format!("{}/{}", message.topic(), message.partition());
                    waiting.extend(trouble::judge(code, &text, &at).map(News::Fault));
                }
                continue;
            }
            let key = (message.topic_address(), message.partition());
            if (last.0, last.1) != key {
                let Some(place) = locate(held, inbox, waiting, &message, take) else { continue };
                last = (key.0, key.1, place);
            }
            handed += usize::from(hand(&mut held[last.2], &message, &mut headers, take));
        }
        self.headers = recycle(headers);
        batch.clear();
        (count, handed)
    }

    fn set_flow(&self, held: &Held, paused: bool) -> Option<()> {
        let consumer = self.consumer.upgrade()?;
        let (topic, number) =
            (&held.partition.assignment.topic, held.partition.assignment.partition);
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, number);
        let answer = if paused {
            consumer.pause(&list)
        } else {
            // Pausing has thrown away what was fetched ahead; timeout 0 does not wait.
            let seek = if held.next >= 0 {
                consumer.seek(topic, number, Offset::Offset(held.next), Duration::ZERO)
            } else {
                Ok(())
            };
            seek.and(consumer.resume(&list))
        };
        if let Err(error) = answer {
            tracing::warn!(%topic, number, paused, %error, "partition's flow not changed");
        }
        Some(())
    }
}

impl Source for End {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        let mut handed = self.catch_up(take)?;
        while handed < limit && !self.group.is_stopped() {
            let ask = BATCH_MAX.min(limit - handed);
            let (read, records) = self.read(ask, take);
            handed += records;
            // Errors wait for the next call, and news that a batch has pulled in as well.
            if !self.waiting.is_empty() {
                self.group.wake(self.shard);
                break;
            }
            if read < ask {
                break;
            }
        }
        Ok(handed)
    }

    fn pause(&mut self, assignment: AssignmentId, paused: bool) {
        let (from, to) =
            if paused { (Flow::Running, Flow::Paused) } else { (Flow::Paused, Flow::Running) };
        let of = |it: &Held| it.partition.assignment.id == assignment && it.flow == from;
        let Some(place) = self.held.iter().position(of) else { return };
        self.set_flow(&self.held[place], paused);
        self.held[place].flow = to;
    }

    fn commit(&mut self, assignment: AssignmentId, offset: i64) {
        if let Some(held) = find(&mut self.held, assignment) {
            held.partition.settle(offset);
        }
    }

    fn committed(&self, assignment: AssignmentId) -> Option<i64> {
        let held = self.held.iter().find(|it| it.partition.assignment.id == assignment);
        held.and_then(|it| it.partition.committed())
    }

    fn wants_ahead(&self, assignment: AssignmentId) -> bool {
        let held = self.held.iter().find(|it| it.partition.assignment.id == assignment);
        held.is_some_and(|it| it.partition.wants_ahead())
    }

    fn note_ahead(&mut self, assignment: AssignmentId, text: String) {
        if let Some(held) = find(&mut self.held, assignment) {
            held.partition.note_ahead(text);
        }
    }

    fn confirm(&mut self, assignment: AssignmentId, offset: i64) {
        if let Some(held) = find(&mut self.held, assignment) {
            held.partition.settle_for_good(offset);
        }
    }

    fn rewind(&mut self, assignment: AssignmentId, offset: i64) -> bool {
        let Some(held) = find(&mut self.held, assignment) else { return true };
        if held.flow == Flow::Revoking {
            // Its next owner reads from the committed offset.
            return true;
        }
        held.next = offset;
        held.flow = Flow::Running;
        let Some(place) = self.held.iter().position(|it| it.partition.assignment.id == assignment)
        else {
            return true;
        };
        self.set_flow(&self.held[place], false);
        true
    }

    fn release(&mut self, assignment: AssignmentId) {
        let of = |it: &Held| it.partition.assignment.id == assignment && it.flow == Flow::Revoking;
        if self.held.iter().any(of) {
            self.held.retain(|it| it.partition.assignment.id != assignment);
            self.group.release(assignment);
        }
    }
}

fn find(held: &mut [Held], id: AssignmentId) -> Option<&mut Held> {
    held.iter_mut().find(|it| it.partition.assignment.id == id)
}

fn hold(held: &mut Vec<Held>, partition: Arc<Partition>, take: &mut dyn FnMut(Arrival<'_>)) {
    let assignment = partition.assignment.clone();
    held.push(Held { partition, next: -1, flow: Flow::Running, is_anew: false });
    take(Arrival::Assigned(assignment));
}

/// Whose a record is. `None`: of an assignment that is gone.
fn locate(
    held: &mut Vec<Held>,
    inbox: &Receiver<News>,
    waiting: &mut VecDeque<News>,
    message: &Message<'_>,
    take: &mut dyn FnMut(Arrival<'_>),
) -> Option<usize> {
    let (topic, number) = (message.topic(), message.partition());
    let of = |it: &Held| it.flow != Flow::Revoking && it.partition.is(topic, number);
    if let Some(place) = held.iter().position(of) {
        return Some(place);
    }
    waiting.extend(inbox.try_iter());
    let named = |it: &News| matches!(it, News::Assigned(new) if new.is(topic, number));
    let place = waiting.iter().position(named)?;
    if let Some(News::Assigned(partition)) = waiting.remove(place) {
        hold(held, partition, take);
    }
    held.iter().position(of)
}

/// Hands a record over, unless its partition is paused or it was handed over before (the library
/// fetches again from a position it saved while a batch was being read).
fn hand<'m>(
    held: &mut Held,
    message: &Message<'m>,
    headers: &mut Vec<Header<'m>>,
    take: &mut dyn FnMut(Arrival<'_>),
) -> bool {
    let offset = message.offset();
    held.see(offset);
    if held.flow == Flow::Paused {
        if held.next < 0 {
            held.next = offset;
        }
        return false;
    }
    if offset < held.next {
        return false;
    }
    held.pass(offset);
    if held.was_done(offset) {
        take(Arrival::Done(Position { assignment: held.partition.assignment.id, offset }));
        return true;
    }
    headers.clear();
    message.headers(headers);
    take(Arrival::Record(Record {
        position: Position { assignment: held.partition.assignment.id, offset },
        timestamp_ms: message.timestamp_ms(),
        key: message.key(),
        value: message.value(),
        headers,
        first: None,
        id: None,
    }));
    true
}

/// Hands over a record that came to the polling thread instead of this queue.
fn hand_stray(held: &mut [Held], stray: &Stray, take: &mut dyn FnMut(Arrival<'_>)) -> usize {
    let of =
        |it: &&mut Held| it.flow == Flow::Running && it.partition.is(&stray.topic, stray.partition);
    let Some(held) = held.iter_mut().find(of).filter(|it| stray.offset >= it.next) else {
        return 0;
    };
    held.see(stray.offset);
    held.pass(stray.offset);
    if held.was_done(stray.offset) {
        let position = Position { assignment: held.partition.assignment.id, offset: stray.offset };
        take(Arrival::Done(position));
        return 1;
    }
    let headers: Vec<Header<'_>> = stray
        .headers
        .iter()
        .map(|(name, value)| Header { name, value: value.as_deref() })
        .collect();
    take(Arrival::Record(Record {
        position: Position { assignment: held.partition.assignment.id, offset: stray.offset },
        timestamp_ms: stray.timestamp_ms,
        key: stray.key.as_deref(),
        value: stray.value.as_deref(),
        headers: &headers,
        first: None,
        id: None,
    }));
    1
}

/// The same memory for headers of another lifetime; the list is emptied.
fn recycle<'b>(mut headers: Vec<Header<'_>>) -> Vec<Header<'b>> {
    headers.clear();
    headers.into_iter().map(|_| Header { name: "", value: None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recycling_keeps_the_memory() {
        let mut headers = Vec::with_capacity(7);
        headers.push(Header { name: "a", value: None });
        let (start, room) = (headers.as_ptr().addr(), headers.capacity());
        let again: Vec<Header<'static>> = recycle(headers);
        assert_eq!((again.as_ptr().addr(), again.capacity(), again.len()), (start, room, 0));
    }
}
