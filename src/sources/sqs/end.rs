//! A shard's end: hands messages over, of a FIFO group one at a time, and tells what became of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam::channel::Receiver;
use tokio::sync::mpsc::UnboundedSender;

use super::{Message, Shared, Told};
use crate::ack::Settlement;
use crate::record::{Assignment, AssignmentId, Header, Position, Record};
use crate::sources::{Arrival, Source, SourceError};

/// One shard's end of a queue.
pub(super) struct End {
    id: AssignmentId,
    shared: Arc<Shared>,
    inbox: Receiver<Message>,
    tell: UnboundedSender<Told>,
    is_announced: bool,
    is_paused: bool,
    /// Groups with a message that a shard has: those behind it wait.
    groups: HashMap<String, VecDeque<Message>>,
    /// The groups of messages that a shard has, by their numbers.
    busy: HashMap<i64, String>,
    /// Their turn has come.
    ready: VecDeque<Message>,
}

impl End {
    pub(super) fn new(
        id: AssignmentId,
        shared: Arc<Shared>,
        inbox: Receiver<Message>,
        tell: UnboundedSender<Told>,
    ) -> End {
        End {
            id,
            shared,
            inbox,
            tell,
            is_announced: false,
            is_paused: false,
            groups: HashMap::new(),
            busy: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next message whose turn it is.
    fn next(&mut self) -> Option<Message> {
        if let Some(message) = self.ready.pop_front() {
            return Some(message);
        }
        while let Ok(message) = self.inbox.try_recv() {
            let group = message.group.as_ref().filter(|_| self.shared.queue.is_fifo());
            match group.and_then(|group| self.groups.get_mut(group)) {
                Some(behind) => behind.push_back(message),
                None => return Some(message),
            }
        }
        None
    }

    fn hand_over(&mut self, message: &Message, take: &mut dyn FnMut(Arrival<'_>)) {
        if let Some(group) = message.group.as_ref().filter(|_| self.shared.queue.is_fifo()) {
            self.groups.entry(group.clone()).or_default();
            self.busy.insert(message.number, group.clone());
        }
        let headers: Vec<Header<'_>> = message
            .headers
            .iter()
            .map(|(name, value)| Header { name, value: Some(value) })
            .collect();
        self.shared.room.add_permits(1);
        self.shared.handed.fetch_add(1, Ordering::Relaxed);
        take(Arrival::Record(Record {
            position: Position { assignment: self.id, offset: message.number },
            timestamp_ms: message.sent_ms,
            key: message.group.as_ref().map(String::as_bytes),
            value: Some(message.body.as_bytes()),
            headers: &headers,
            first: None,
            id: Some(&message.id),
        }));
    }

    fn tell(&self, told: Told) {
        // Nobody hears it once the source is closed: then the message becomes visible by itself.
        let _ = self.tell.send(told);
    }

    /// A group's message is over: the next one's turn has come, or, after a failure, the later ones
    /// go back behind it.
    fn pass_on(&mut self, number: i64, is_final: bool) {
        let Some(group) = self.busy.remove(&number) else { return };
        let Some(behind) = self.groups.get_mut(&group) else { return };
        if is_final && let Some(next) = behind.pop_front() {
            self.ready.push_back(next);
            return;
        }
        for unused in self.groups.remove(&group).unwrap_or_default() {
            self.shared.room.add_permits(1);
            self.tell(Told::Unused(unused.number));
        }
    }
}

impl Source for End {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        if !self.is_announced {
            self.is_announced = true;
            let topic = self.shared.queue.name().into();
            take(Arrival::Queue(Assignment { id: self.id, topic, partition: 0 }));
        }
        let fatal = self.shared.fatal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(message) = fatal.clone() {
            return Err(SourceError { message, retriable: false });
        }
        drop(fatal);
        let mut handed = 0;
        while handed < limit && !self.is_paused && !self.shared.is_stopping() {
            let Some(message) = self.next() else { break };
            self.hand_over(&message, take);
            handed += 1;
        }
        Ok(handed)
    }

    fn pause(&mut self, _: AssignmentId, paused: bool) {
        self.is_paused = paused;
    }

    fn commit(&mut self, _: AssignmentId, _: i64) {}

    fn committed(&self, _: AssignmentId) -> Option<i64> {
        None
    }

    fn settled(&mut self, _: AssignmentId, number: i64, how: Settlement) {
        self.shared.settled.fetch_add(1, Ordering::Relaxed);
        self.tell(if how.is_final() { Told::Done(number) } else { Told::Failed(number) });
        self.pass_on(number, how.is_final());
    }

    fn release(&mut self, _: AssignmentId) {}
}
