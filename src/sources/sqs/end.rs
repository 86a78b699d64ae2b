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
    /// Taken out of the inbox, and not looked at yet.
    waiting: VecDeque<Message>,
    /// Groups with messages that a shard has.
    groups: HashMap<String, Group>,
    /// The groups of messages that a shard has, by their numbers.
    busy: HashMap<i64, String>,
    /// Their turn has come.
    ready: VecDeque<Message>,
}

/// A FIFO queue's group.
#[derive(Default)]
struct Group {
    /// Messages that a shard has: one, where they don't share executions.
    open: usize,
    /// Those behind it, which wait.
    behind: VecDeque<Message>,
    /// One of those that a shard has has failed: the later ones are not worked on.
    has_failed: bool,
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
            waiting: VecDeque::new(),
            groups: HashMap::new(),
            busy: HashMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// The group that a message must be in order with.
    fn group<'a>(&self, message: &'a Message) -> Option<&'a String> {
        message.group.as_ref().filter(|_| self.shared.queue.is_fifo())
    }

    /// The next message whose turn it is.
    fn next(&mut self) -> Option<Message> {
        if let Some(message) = self.ready.pop_front() {
            return Some(message);
        }
        let is_one_by_one = self.shared.settings.batch_max.is_none();
        loop {
            let next = self.waiting.pop_front().or_else(|| self.inbox.try_recv().ok());
            let message = next?;
            let group = self.group(&message).filter(|_| is_one_by_one);
            match group.and_then(|group| self.groups.get_mut(group)) {
                Some(group) => group.behind.push_back(message),
                None => return Some(message),
            }
        }
    }

    /// May a shard have more? Of what shares executions and is in order not much: after a failure it
    /// all goes back.
    fn has_room(&self) -> bool {
        self.shared.settings.batch_max.is_none_or(|most| self.busy.len() < most)
    }

    fn hand_over(&mut self, message: &Message, take: &mut dyn FnMut(Arrival<'_>)) {
        if let Some(group) = self.group(message) {
            self.groups.entry(group.clone()).or_default().open += 1;
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

    /// A message has failed. Of its group only the first is held back for a while: the others were not
    /// worked on, and wait in the queue behind it.
    fn failed(&mut self, number: i64) {
        let first = self.busy.get(&number).cloned().filter(|group| {
            let group = self.groups.get_mut(group);
            group.is_none_or(|group| !std::mem::replace(&mut group.has_failed, true))
        });
        let is_behind = first.is_none() && self.busy.contains_key(&number);
        self.tell(if is_behind { Told::Unused(number) } else { Told::Failed(number) });
        let Some(name) = first else { return };
        self.waiting.extend(self.inbox.try_iter());
        let is_of = |message: &Message| message.group.as_ref() == Some(&name);
        let waiting = std::mem::take(&mut self.waiting);
        let (mut back, rest): (VecDeque<_>, VecDeque<_>) = waiting.into_iter().partition(is_of);
        self.waiting = rest;
        if let Some(group) = self.groups.get_mut(&name) {
            back.extend(group.behind.drain(..));
        }
        for unused in back {
            self.shared.room.add_permits(1);
            self.tell(Told::Unused(unused.number));
        }
    }

    /// A message is over: the turn of the next one of its group has come.
    fn pass_on(&mut self, number: i64) {
        let Some(name) = self.busy.remove(&number) else { return };
        let Some(group) = self.groups.get_mut(&name) else { return };
        group.open -= 1;
        if group.open > 0 {
            return;
        }
        match group.behind.pop_front() {
            Some(next) => self.ready.push_back(next),
            None => {
                self.groups.remove(&name);
            }
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
        while handed < limit && self.has_room() && !self.is_paused && !self.shared.is_stopping() {
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
        match how.is_final() {
            true => self.tell(Told::Done(number)),
            false => self.failed(number),
        }
        self.pass_on(number);
    }

    fn release(&mut self, _: AssignmentId) {}
}
