//! The group's side of the source: what is assigned to which shard, told by the polling thread.
//!
//! On an assign each partition is forwarded to its shard's queue and announced before it takes
//! effect. On a revoke its shard drains it within a bound, what has settled is committed, and only
//! then it is given up. (While a rebalance is being answered, the library pauses all partitions by
//! itself; executions, tasks and delivery reports go on.) A lost assignment is neither drained nor
//! committed.

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::partition::Partition;
use super::{Start, trouble};
use crate::kafka::{self, ClientError, Queue};
use crate::record::{AssignmentId, Wake};
use crate::sources::SourceError;

/// How long a shard may take to see that a partition is lost before it could come back.
const LOST_BOUND: Duration = Duration::from_secs(5);

/// How long the group's offsets may be unsettled: a transaction that a killed member has left open is
/// given up by the brokers only after its own timeout.
const UNSETTLED_BOUND: Duration = Duration::from_secs(60);

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
    pub(super) keeps_ahead: bool,
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
    /// What has settled ahead of commits is kept beside them.
    keeps_ahead: AtomicBool,
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
        let keeps_ahead = AtomicBool::new(plan.keeps_ahead);
        let group = Group {
            keeps_ahead,
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

    pub(super) fn keeps_ahead(&self) -> bool {
        self.keeps_ahead.load(Ordering::Relaxed)
    }

    pub(super) fn give_up_ahead(&self) {
        self.keeps_ahead.store(false, Ordering::Relaxed);
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

    /// False if the shard is gone: it has dropped its end, and with it the receiver.
    fn tell(&self, shard: usize, news: News) -> bool {
        let told = self.desks[shard].news.send(news).is_ok();
        self.wake(shard);
        told
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
            if !self.tell(it.shard, news(it.assignment.id)) {
                self.release(it.assignment.id);
            }
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
            let ahead = self.set_starts(consumer, list);
            self.take_over(consumer, list, &ahead);
            // A pause of an earlier assignment would outlive it.
            resumed = consumer.resume(list);
            tracing::info!(partitions = list.count(), "partitions assigned");
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
    fn take_over(
        &self,
        consumer: &BaseConsumer<Events>,
        list: &TopicPartitionList,
        ahead: &BTreeMap<(String, i32), String>,
    ) {
        let mut partitions = locked(&self.partitions);
        for element in list.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let shard = self.spread(&partitions, topic);
            let committed = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let ahead = ahead.get(&(topic.to_owned(), number)).map_or("", String::as_str);
            let partition = Arc::new(Partition::new(topic, number, shard, committed, ahead));
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
    /// Returns what stands beside commits.
    fn set_starts(
        &self,
        consumer: &BaseConsumer<Events>,
        list: &mut TopicPartitionList,
    ) -> BTreeMap<(String, i32), String> {
        let mut ahead = BTreeMap::new();
        let bound = self.plan.request_bound;
        let until = Instant::now() + UNSETTLED_BOUND;
        let committed = loop {
            match consumer.committed_offsets(list.clone(), bound) {
                Ok(committed) => break committed,
                Err(error) if self.is_closing() || Instant::now() >= until => {
                    let text = format!("the group's committed offsets could not be read: {error}");
                    self.fault(&text, true);
                    return ahead;
                }
                Err(error) => tracing::info!(%error, "the group's offsets are asked for again"),
            }
        };
        let mut fresh = TopicPartitionList::new();
        for element in committed.elements() {
            let (topic, number) = (element.topic(), element.partition());
            match element.offset() {
                offset @ Offset::Offset(_) => {
                    let _ = list.set_partition_offset(topic, number, offset);
                    if self.keeps_ahead() {
                        ahead.insert((topic.to_owned(), number), metadata(&element));
                    }
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
                    self.fault(&text, true);
                    return ahead;
                }
            }
        }
        for element in fresh.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let _ = list.set_partition_offset(topic, number, element.offset());
        }
        ahead
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
            tracing::warn!(
                partitions = revoked.len(),
                "assignment lost: what was not committed is read again"
            );
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
        let is_committed =
            self.commit_now(consumer, revoked, self.plan.request_bound.min(bound / 2));
        tracing::info!(partitions = revoked.len(), "partitions revoked");
        let unsettled = if is_committed { late.len() } else { revoked.len() };
        if unsettled > 0 {
            tracing::warn!(
                partitions = unsettled,
                ?bound,
                "revoked before it was drained and committed: what was not is read again"
            );
        }
        for it in revoked.iter().filter(|it| late.contains(&it.assignment.id)) {
            self.tell(it.shard, News::Lost(it.assignment.id));
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

    /// Tells every shard that the source can't go on.
    pub(super) fn fault(&self, message: &str, retriable: bool) {
        for shard in 0..self.desks.len() {
            let error = SourceError { message: message.to_owned(), retriable };
            self.tell(shard, News::Fault(error));
        }
    }
}

/// What stands beside a commit, if it is text: the client takes it for granted, and other tools may have
/// put anything there.
fn metadata(element: &TopicPartitionListElem<'_>) -> String {
    let read = AssertUnwindSafe(|| element.metadata().to_owned());
    catch_unwind(read).unwrap_or_default()
}

/// What the library calls back on, always on the polling thread.
pub(super) struct Events {
    group: Arc<Group>,
    refused: AtomicBool,
}

impl Events {
    pub(super) fn new(group: Arc<Group>) -> Events {
        Events { group, refused: AtomicBool::new(false) }
    }
}

impl ClientContext for Events {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = cfg!(feature = "msk-iam");

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        kafka::oauth_token()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        kafka::log_line(level, facility, text);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let is_refusal = kafka::access_advice(code, reason).is_some();
        // Once refused, the client goes on trying and telling until the process ends.
        if self.refused.fetch_or(is_refusal, Ordering::Relaxed) {
            return;
        }
        if let Some(error) = trouble::judge(code, reason, "the source's topics") {
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
        self.group.committed(result, offsets);
    }
}
