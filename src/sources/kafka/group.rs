//! The group's side of the source: what is assigned to which shard, told by the polling thread.
//!
//! On an assign each partition is forwarded to its shard's queue and announced before it takes
//! effect. On a revoke its shard drains it within a bound, what has settled is committed, and only
//! then it is given up. (While a rebalance is being answered, the library pauses all partitions by
//! itself; executions, tasks and delivery reports go on.) A lost assignment is neither drained nor
//! committed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::types::{RDKafkaErrorCode as Code, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use super::Start;
use super::partition::Partition;
use crate::kafka::{self, ClientError, Queue};
use crate::record::{AssignmentId, Wake};
use crate::sources::SourceError;

/// How long a shard may take to see that a partition is lost before it could come back.
const LOST_BOUND: Duration = Duration::from_secs(5);

/// Pause between two attempts at a commit that must not be left.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What a shard is told by the polling thread.
pub(super) enum News {
    Assigned(Arc<Partition>),
    Revoking(AssignmentId),
    Lost(AssignmentId),
    Stray(Box<Stray>),
    Fault(SourceError),
}

/// A record that came to the polling thread, copied.
pub(super) struct Stray {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What the settings come to.
pub(super) struct Plan {
    pub(super) start: Start,
    pub(super) drain_bound: Duration,
    pub(super) request_bound: Duration,
}

/// One shard's queue, and where its news go.
struct Desk {
    news: Sender<News>,
    wake: Wake,
    queue: Mutex<Option<Queue>>,
}

/// See the module.
pub(super) struct Group {
    plan: Plan,
    desks: Vec<Desk>,
    partitions: Mutex<Vec<Arc<Partition>>>,
    awaited: Mutex<Vec<AssignmentId>>,
    answered: Condvar,
    stopped: AtomicBool,
    closing: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Group {
    pub(super) fn new(plan: Plan, wakes: Vec<Wake>) -> (Arc<Group>, Vec<Receiver<News>>) {
        let (desks, inboxes) = wakes
            .into_iter()
            .map(|wake| {
                let (news, inbox) = unbounded();
                (Desk { news, wake, queue: Mutex::new(None) }, inbox)
            })
            .unzip();
        let group = Group {
            plan,
            desks,
            partitions: Mutex::new(Vec::new()),
            awaited: Mutex::new(Vec::new()),
            answered: Condvar::new(),
            stopped: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        };
        (Arc::new(group), inboxes)
    }

    pub(super) fn open_queues(&self, client: &Client<Events>) -> Result<(), ClientError> {
        for desk in &self.desks {
            let queue = Queue::new(client, desk.wake.clone());
            let queue = queue.ok_or_else(|| ClientError::new("a queue could not be made"))?;
            *locked(&desk.queue) = Some(queue);
        }
        Ok(())
    }

    /// Destroys the queues; before the consumer, or that would wait for them for ever.
    pub(super) fn close_queues(&self) {
        self.desks.iter().for_each(|desk| drop(locked(&desk.queue).take()));
    }

    /// Runs `read` on a shard's queue, unless it is closed.
    pub(super) fn with_queue<T>(&self, shard: usize, read: impl FnOnce(&Queue) -> T) -> Option<T> {
        locked(&self.desks[shard].queue).as_ref().map(read)
    }

    pub(super) fn wake(&self, shard: usize) {
        self.desks[shard].wake.wake();
    }

    pub(super) fn assigned(&self) -> Vec<Arc<Partition>> {
        locked(&self.partitions).clone()
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn begin_close(&self) {
        self.stop();
        self.closing.store(true, Ordering::Release);
        let _awaited = locked(&self.awaited);
        self.answered.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// A shard's answer to `Revoking`, or that it has seen `Lost`.
    pub(super) fn release(&self, id: AssignmentId) {
        locked(&self.awaited).retain(|&it| it != id);
        self.answered.notify_all();
    }

    fn tell(&self, shard: usize, news: News) {
        // A shard that is gone has dropped its end, and with it the receiver.
        let _ = self.desks[shard].news.send(news);
        self.wake(shard);
    }

    /// Tells the shards, and waits for their answers; returns those that have not answered.
    fn ask(
        &self,
        partitions: &[Arc<Partition>],
        bound: Duration,
        news: fn(AssignmentId) -> News,
    ) -> Vec<AssignmentId> {
        locked(&self.awaited).extend(partitions.iter().map(|it| it.assignment.id));
        for it in partitions {
            self.tell(it.shard, news(it.assignment.id));
        }
        let end = Instant::now() + bound;
        let mut awaited = locked(&self.awaited);
        while !awaited.is_empty() && !self.is_closing() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.answered.wait_timeout(awaited, left);
            awaited = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut *awaited)
    }

    /// The shard with the fewest partitions of this topic, then with the fewest at all.
    fn spread(&self, partitions: &[Arc<Partition>], topic: &str) -> usize {
        let load = |shard: &usize| {
            let mine = partitions.iter().filter(|it| it.shard == *shard);
            let (topics, all) = mine.fold((0, 0), |(topics, all), it| {
                (topics + usize::from(&*it.assignment.topic == topic), all + 1)
            });
            (topics, all)
        };
        (0..self.desks.len()).min_by_key(load).unwrap_or(0)
    }

    fn assign(&self, consumer: &BaseConsumer<Events>, list: &mut TopicPartitionList) {
        // An incremental rebalance may bring nothing new.
        let mut resumed = Ok(());
        if list.count() > 0 && !self.is_closing() {
            self.set_starts(consumer, list);
            self.take_over(consumer, list);
            // A pause of an earlier assignment would outlive it.
            resumed = consumer.resume(list);
        }
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
            _ => consumer.assign(list),
        };
        if let Err(error) = resumed.and(assigned) {
            self.fault(&format!("partitions could not be taken over: {error}"), true);
        }
    }

    /// Forwards each partition to its shard's queue and announces it there.
    fn take_over(&self, consumer: &BaseConsumer<Events>, list: &TopicPartitionList) {
        let mut partitions = locked(&self.partitions);
        for element in list.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let shard = self.spread(&partitions, topic);
            let committed = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let partition = Arc::new(Partition::new(topic, number, shard, committed));
            partitions.push(partition.clone());
            self.tell(shard, News::Assigned(partition));
            let client = consumer.client();
            let adopted = self.with_queue(shard, |queue| queue.adopt(client, topic, number));
            if let Some(Err(error)) = adopted {
                self.fault(&error.message, false);
            }
        }
        if partitions.len() < self.desks.len() {
            let (partitions, shards) = (partitions.len(), self.desks.len());
            tracing::info!(partitions, shards, "fewer partitions than shards: some are idle");
        }
    }

    /// Says for each partition where to start: at the group's commit, and where there is none, as
    /// the settings say. (The library's own reset could not tell a new group from lost records.)
    fn set_starts(&self, consumer: &BaseConsumer<Events>, list: &mut TopicPartitionList) {
        let bound = self.plan.request_bound;
        let committed = match consumer.committed_offsets(list.clone(), bound) {
            Ok(committed) => committed,
            Err(error) => {
                let text = format!("the group's committed offsets could not be read: {error}");
                return self.fault(&text, true);
            }
        };
        let mut fresh = TopicPartitionList::new();
        for element in committed.elements() {
            let (topic, number) = (element.topic(), element.partition());
            match element.offset() {
                offset @ Offset::Offset(_) => {
                    let _ = list.set_partition_offset(topic, number, offset);
                }
                _ => {
                    let _ = fresh.add_partition_offset(topic, number, self.fresh_offset());
                }
            }
        }
        if matches!(self.plan.start, Start::Timestamp(_)) && fresh.count() > 0 {
            match consumer.offsets_for_times(fresh, bound) {
                Ok(found) => fresh = found,
                Err(error) => {
                    let text = format!("offsets could not be found by timestamp: {error}");
                    return self.fault(&text, true);
                }
            }
        }
        for element in fresh.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let _ = list.set_partition_offset(topic, number, element.offset());
        }
    }

    fn fresh_offset(&self) -> Offset {
        match self.plan.start {
            Start::Committed | Start::Earliest => Offset::Beginning,
            Start::Latest => Offset::End,
            Start::Timestamp(at) | Start::Offset(at) => Offset::Offset(at),
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Events>, list: &TopicPartitionList) {
        let gone = |it: &Arc<Partition>| {
            list.find_partition(&it.assignment.topic, it.assignment.partition).is_some()
        };
        let revoked: Vec<_> = self.assigned().into_iter().filter(gone).collect();
        if consumer.assignment_lost() {
            tracing::warn!(partitions = revoked.len(), "assignment lost: nothing is committed");
            self.ask(&revoked, LOST_BOUND, News::Lost);
        } else if !self.is_closing() {
            self.drain(consumer, &revoked);
        }
        locked(&self.partitions).retain(|it| !gone(it));
        let done = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
            _ => consumer.unassign(),
        };
        if let Err(error) = done {
            self.fault(&format!("partitions could not be given up: {error}"), true);
        }
    }

    fn drain(&self, consumer: &BaseConsumer<Events>, revoked: &[Arc<Partition>]) {
        let bound = self.plan.drain_bound;
        let late = self.ask(revoked, bound, News::Revoking);
        if !late.is_empty() {
            tracing::warn!(partitions = late.len(), ?bound, "revoked before it was drained");
        }
        self.commit_now(consumer, revoked, self.plan.request_bound.min(bound / 2));
        for it in revoked.iter().filter(|it| late.contains(&it.assignment.id)) {
            self.tell(it.shard, News::Lost(it.assignment.id));
        }
    }

    /// Sends off what has settled since the last time.
    pub(super) fn commit_later(&self, consumer: &BaseConsumer<Events>) {
        let partitions = self.assigned();
        let mut list = TopicPartitionList::new();
        for it in &partitions {
            if let Some(offset) = it.due() {
                add(&mut list, it, offset);
                it.mark_sent(offset);
            }
        }
        if list.count() == 0 {
            return;
        }
        if let Err(code) = kafka::commit_later(consumer.client(), &list) {
            partitions.iter().for_each(|it| it.forget_sent());
            self.commit_failed(code);
        }
    }

    /// Commits what has settled, all of it, and waits for the answer.
    pub(super) fn commit_all(&self, consumer: &BaseConsumer<Events>, bound: Duration) {
        self.commit_now(consumer, &self.assigned(), bound);
    }

    fn commit_now(
        &self,
        consumer: &BaseConsumer<Events>,
        partitions: &[Arc<Partition>],
        bound: Duration,
    ) {
        let mut list = TopicPartitionList::new();
        let due: Vec<_> =
            partitions.iter().filter_map(|it| Some((it, it.unconfirmed()?))).collect();
        due.iter().for_each(|(it, offset)| add(&mut list, it, *offset));
        if due.is_empty() {
            return;
        }
        let end = Instant::now() + bound;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match kafka::commit_bounded(consumer.client(), &list, left) {
                Ok(()) => return due.iter().for_each(|(it, offset)| it.confirm(*offset)),
                Err(code) if left <= RETRY_PAUSE || !again(code) => {
                    return self.commit_failed(code);
                }
                Err(_) => std::thread::sleep(RETRY_PAUSE),
            }
        }
    }

    fn commit_failed(&self, code: Code) {
        let text = format!("{code}; the records since the last commit will be read again");
        match self.judge(code, &text, "the group's offsets") {
            Some(error) => self.fault(&error.message, error.retriable),
            None => tracing::warn!(code = kafka::code_name(code), "offsets not committed"),
        }
    }

    /// Hands a record on that came to the polling thread.
    pub(super) fn hand_on(&self, message: &BorrowedMessage<'_>) {
        let (topic, number) = (message.topic(), message.partition());
        let partitions = locked(&self.partitions);
        let Some(partition) = partitions.iter().find(|it| it.is(topic, number)) else { return };
        let header = |it: rdkafka::message::Header<'_, &[u8]>| {
            (it.key.to_owned(), it.value.map(<[u8]>::to_vec))
        };
        let headers = message.headers().map(|it| it.iter().map(header).collect());
        let stray = Stray {
            topic: topic.to_owned(),
            partition: number,
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        };
        self.tell(partition.shard, News::Stray(Box::new(stray)));
    }

    /// Is this trouble the operator must hear of? The library gets over everything else by itself.
    pub(super) fn judge(&self, code: Code, text: &str, at: &str) -> Option<SourceError> {
        let advice = match code {
            Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => {
                "check the credentials and certificates in the source's properties"
            }
            Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
                "set sasl.mechanism to one that the brokers offer"
            }
            Code::TopicAuthorizationFailed => "grant this user Read and Describe on the topic",
            Code::GroupAuthorizationFailed => "grant this user Read on the group",
            Code::ClusterAuthorizationFailed => "grant this user access to the cluster",
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::InvalidTopic => {
                "create the topic, or correct its name in the source's topics"
            }
            Code::OffsetOutOfRange | Code::AutoOffsetReset | Code::NoOffset => {
                "the records to be read next are gone (retention, or a topic made anew): say with \
                 out_of_range = \"earliest\" or \"latest\" where to go on"
            }
            Code::Fenced | Code::FencedInstanceId => {
                "another member uses the same group.instance.id: give each its own"
            }
            Code::InconsistentGroupProtocol => {
                "the group's other members use another assignment strategy or protocol: use theirs"
            }
            Code::UnsupportedVersion | Code::UnsupportedFeature => {
                "the brokers are too old for these properties: change them"
            }
            Code::InvalidGroupId | Code::InvalidSessionTimeout => "correct the group's properties",
            Code::Fatal => "restart; if it comes again, look into the brokers' logs",
            _ => {
                tracing::warn!(code = kafka::code_name(code), text, at, "Kafka consumer trouble");
                return None;
            }
        };
        let name = kafka::code_name(code);
        let message = format!("reading {at} failed with {name} ({text}): {advice}");
        Some(SourceError { message, retriable: false })
    }

    /// Tells every shard that the source can't go on.
    fn fault(&self, message: &str, retriable: bool) {
        for shard in 0..self.desks.len() {
            let error = SourceError { message: message.to_owned(), retriable };
            self.tell(shard, News::Fault(error));
        }
    }
}

fn add(list: &mut TopicPartitionList, partition: &Partition, offset: i64) {
    let (topic, number) = (&partition.assignment.topic, partition.assignment.partition);
    // Fails only for offsets below zero, and those settle nothing.
    let _ = list.add_partition_offset(topic, number, Offset::Offset(offset));
}

/// Can a failed commit succeed while this member keeps its partitions?
fn again(code: Code) -> bool {
    !matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::Fenced
            | Code::AssignmentLost
            | Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::UnknownTopicOrPartition
            | Code::Fatal
            | Code::BrokerDestroy
    )
}

/// What the library calls back on, always on the polling thread.
pub(super) struct Events {
    group: Arc<Group>,
}

impl Events {
    pub(super) fn new(group: Arc<Group>) -> Events {
        Events { group }
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        kafka::log_line(level, facility, text);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        if let Some(error) = self.group.judge(code, reason, "the source's topics") {
            self.group.fault(&error.message, error.retriable);
        }
    }
}

impl ConsumerContext for Events {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Events>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.group.assign(consumer, list);
            }
            _ => self.group.revoke(consumer, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let failed = result.err().and_then(|it| it.rdkafka_error_code());
        let partitions = self.group.assigned();
        for element in offsets.elements() {
            let named = |it: &&Arc<Partition>| it.is(element.topic(), element.partition());
            let Some(partition) = partitions.iter().find(named) else { continue };
            match (failed, element.error(), element.offset()) {
                (None, Ok(()), Offset::Offset(offset)) => partition.confirm(offset),
                _ => partition.forget_sent(),
            }
        }
        let each = offsets.elements().iter().find_map(|it| it.error().err());
        if let Some(code) = failed.or(each.and_then(|it| it.rdkafka_error_code())) {
            self.group.commit_failed(code);
        }
    }
}
