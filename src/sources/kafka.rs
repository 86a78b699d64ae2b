//! Kafka as a source: one consumer and one polling thread a process, one end a shard. Partitions
//! are forwarded to the shards' queues, so records never pass the polling thread; what does is told in
//! `group` (assignments), and what a shard sees in `end`.

mod commits;
mod end;
mod group;
mod partition;
mod trouble;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};

use crate::kafka::{self, ClientError};
use crate::record::Wake;
use crate::sources::Source;

use end::End;
use group::{Events, Group};

/// How long one poll of the library waits; also how late a stop or a commit may start.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// The final commit's bound.
const LAST_COMMIT_BOUND: Duration = Duration::from_secs(10);

/// The default drain bound, where half of `max.poll.interval.ms` is more: below the 30 s that
/// Kubernetes gives a container to stop.
const DRAIN_BOUND: Duration = Duration::from_secs(20);

/// Where a group begins on a partition for which it has committed no offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// `committed`: where it left off, and at the earliest record if it never was there.
    #[default]
    Committed,
    /// `earliest`
    Earliest,
    /// `latest`: only what comes from now on.
    Latest,
    /// `timestamp`: at the first record as old as this, in milliseconds since 1970, or younger.
    Timestamp(i64),
    /// `offset`: the same one in every partition.
    Offset(i64),
}

/// What to do when the offset to read at is not in the log any more (or not yet).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// `stop`: records may be gone; an operator decides.
    #[default]
    Stop,
    /// `earliest`: go on with the oldest record there is.
    Earliest,
    /// `latest`: go on with what comes from now on.
    Latest,
}

/// What a source reads and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port,...`
    pub brokers: String,
    /// The consumer group.
    pub group: String,
    /// Topics by name, or by pattern where one begins with `^`.
    pub topics: Vec<String>,
    /// Where a group begins that was never there.
    pub start: Start,
    /// What to do when records to be read are gone.
    pub out_of_range: OutOfRange,
    /// How often settled offsets are committed.
    pub commit_interval: Duration,
    /// How long a revoked partition may drain; `None`: 0.4 of `max.poll.interval.ms`, 20 s at most.
    pub drain_bound: Option<Duration>,
    /// How long the broker may take to say where to start.
    pub request_bound: Duration,
    /// Bytes of records that may wait in this process; `None` leaves it to the library.
    pub queue_bytes: Option<u64>,
    /// Keeps what has settled ahead of commits beside them, so that it is not done again after a
    /// restart. Not where order matters: what is repeated then comes behind what was done before.
    pub keeps_ahead: bool,
    /// Properties of the library; they win over everything above.
    pub properties: BTreeMap<String, String>,
}

impl Settings {
    /// Settings for these topics with everything else at its default.
    pub fn new(brokers: &str, group: &str, topics: &[&str]) -> Settings {
        Settings {
            brokers: brokers.to_owned(),
            group: group.to_owned(),
            topics: topics.iter().map(|&it| it.to_owned()).collect(),
            start: Start::default(),
            out_of_range: OutOfRange::default(),
            commit_interval: Duration::from_secs(1),
            drain_bound: None,
            request_bound: Duration::from_secs(10),
            queue_bytes: None,
            keeps_ahead: false,
            properties: BTreeMap::new(),
        }
    }

    fn config(&self, shards: usize) -> Result<rdkafka::ClientConfig, ClientError> {
        let reset = match self.out_of_range {
            OutOfRange::Stop => "error",
            OutOfRange::Earliest => "earliest",
            OutOfRange::Latest => "latest",
        };
        let mut ours = vec![
            ("bootstrap.servers", self.brokers.clone()),
            ("group.id", self.group.clone()),
            // Where a group starts is ours to say (`Start`), so this only means "out of range".
            ("auto.offset.reset", reset.to_owned()),
        ];
        if let Some(bytes) = self.queue_bytes {
            // The library counts per queue, and each shard has one.
            let share = (bytes / 1024 / shards as u64).max(1);
            ours.push(("queued.max.messages.kbytes", share.to_string()));
        }
        kafka::consumer_config(&self.properties, &ours)
    }

    /// Where a partition without a commit begins: a user's `auto.offset.reset` still means that.
    fn fresh_start(&self) -> Start {
        let reset = self.properties.get("auto.offset.reset").map(String::as_str);
        match (self.start, reset) {
            (Start::Committed, Some("latest" | "largest" | "end")) => Start::Latest,
            (start, _) => start,
        }
    }

    fn drain_bound(&self, config: &rdkafka::ClientConfig) -> Result<Duration, ClientError> {
        let text = kafka::effective(config, "max.poll.interval.ms")?;
        let interval = Duration::from_millis(text.parse().unwrap_or(300_000));
        let Some(bound) = self.drain_bound else {
            return Ok(DRAIN_BOUND.min(interval.mul_f64(0.4)));
        };
        if bound * 2 >= interval {
            return Err(ClientError::new(format!(
                "a drain bound of {bound:?} is not below half of max.poll.interval.ms ({text}): \
                 the group would expel this member while it drains. Lower the one or raise the \
                 other"
            )));
        }
        Ok(bound)
    }
}

/// How far a partition is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Records between the next one to hand over and the end of the log; -1 where not known yet.
    pub records: i64,
    /// The next record to hand over; -1 where not known yet.
    pub position: i64,
    /// Everything below has settled; -1 where nothing has yet.
    pub settled: i64,
    /// Records between what has settled, or where reading began, and the end of the log.
    pub unsettled: i64,
}

/// Steers a running source. Dropping it closes the source.
pub struct KafkaSource {
    group: Arc<Group>,
    consumer: Weak<BaseConsumer<Events>>,
    poller: Option<JoinHandle<()>>,
}

impl KafkaSource {
    /// Starts reading: one end for each wake-up, in their order. Wake-ups are called from the
    /// library's threads, and must not call the source.
    pub fn start(
        settings: &Settings,
        shards: Vec<Wake>,
    ) -> Result<(KafkaSource, Vec<Box<dyn Source>>), ClientError> {
        if shards.is_empty() || settings.topics.is_empty() {
            return Err(ClientError::new("a Kafka source needs a topic and a shard. Name a topic"));
        }
        let config = settings.config(shards.len())?;
        let plan = group::Plan {
            start: settings.fresh_start(),
            drain_bound: settings.drain_bound(&config)?,
            request_bound: settings.request_bound,
            keeps_ahead: settings.keeps_ahead,
        };
        let (group, inboxes) = Group::new(plan, shards);
        let failed = |why: &dyn std::fmt::Display| {
            let (group, brokers) = (&settings.group, &settings.brokers);
            let advice = kafka::making_advice(&why.to_string());
            ClientError::new(format!(
                "group {group:?} on {brokers:?} could not be joined: {why}. {advice}"
            ))
        };
        let consumer: BaseConsumer<Events> = config
            .create_with_context(Events::new(group.clone()))
            .map_err(|error| failed(&error))?;
        group.open_queues(consumer.client())?;
        let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(|error| failed(&error))?;
        let consumer = Arc::new(consumer);
        let weak = Arc::downgrade(&consumer);
        let ends = inboxes.into_iter().enumerate().map(|(shard, inbox)| {
            let end = End::new(shard, group.clone(), weak.clone(), inbox);
            Box::new(end) as Box<dyn Source>
        });
        let ends = ends.collect();
        let (shared, interval) = (group.clone(), settings.commit_interval);
        let poller = thread::Builder::new()
            .name("kafka-poll".into())
            .spawn(move || poll(consumer, &shared, interval))
            .map_err(|error| failed(&error))?;
        Ok((KafkaSource { group, consumer: weak, poller: Some(poller) }, ends))
    }

    /// Tells which member of which generation this process is, as long as the source is open.
    pub fn membership(&self) -> impl Fn() -> Option<ConsumerGroupMetadata> + Send + Sync + 'static {
        let consumer = self.consumer.clone();
        move || consumer.upgrade()?.group_metadata()
    }

    /// Stops handing records over. The group is still served and what settles still committed.
    pub fn stop(&self) {
        self.group.stop();
    }

    /// Commits what has settled, gives the queues back and leaves the group. The ends hand over
    /// nothing from then on. Waits for the answer of the broker, but not without bound.
    pub fn close(mut self) {
        self.join();
    }

    /// How far each partition of this process is behind, as of the last fetch.
    pub fn lag(&self) -> Vec<Lag> {
        let Some(consumer) = self.consumer.upgrade() else { return Vec::new() };
        let lag = |it: &Arc<partition::Partition>| {
            let (topic, number) = (&it.assignment.topic, it.assignment.partition);
            let high = kafka::watermarks(consumer.client(), topic, number).map(|it| it.1);
            let at = it.position();
            let known = high.filter(|_| at >= 0);
            let records = known.map_or(-1, |high| (high - at).max(0));
            let settled = it.settled();
            // Before the first record has settled, the position is all there is to go by.
            let from = if settled >= 0 { settled } else { at };
            let unsettled = known.map_or(0, |high| (high - from).max(0));
            let topic = topic.clone();
            Lag { topic, partition: number, records, position: at, settled, unsettled }
        };
        self.group.assigned().iter().map(lag).collect()
    }

    fn join(&mut self) {
        self.group.begin_close();
        if let Some(poller) = self.poller.take() {
            // The thread catches nothing because nothing in it may panic; a panic ends the group.
            let _ = poller.join();
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.join();
    }
}

/// The polling thread: answers rebalances, commits on the interval, and closes in the one order
/// that does not hang: commit, queues, consumer.
fn poll(consumer: Arc<BaseConsumer<Events>>, group: &Group, commit_interval: Duration) {
    let mut next_commit = Instant::now() + commit_interval;
    while !group.is_closing() {
        if let Some(Ok(message)) = consumer.poll(POLL_WAIT) {
            group.hand_on(&message);
        }
        if Instant::now() >= next_commit {
            group.commit_later(&consumer);
            next_commit = Instant::now() + commit_interval;
        }
    }
    group.commit_all(&consumer, LAST_COMMIT_BOUND);
    group.close_queues();
    close(consumer);
}

/// Leaves the group. An end may hold the consumer for the moment of a pause; then it is waited for.
fn close(mut consumer: Arc<BaseConsumer<Events>>) {
    loop {
        match Arc::try_unwrap(consumer) {
            Ok(consumer) => return drop(consumer),
            Err(shared) => consumer = shared,
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_bound_must_leave_time_to_answer_the_group() {
        let mut settings = Settings::new("localhost:1", "g", &["t"]);
        let config = settings.config(2).expect("valid");
        assert_eq!(settings.drain_bound(&config), Ok(DRAIN_BOUND));
        settings.properties.insert("max.poll.interval.ms".into(), "10000".into());
        let config = settings.config(2).expect("valid");
        assert_eq!(settings.drain_bound(&config), Ok(Duration::from_secs(4)));
        settings.drain_bound = Some(Duration::from_secs(5));
        let error = settings.drain_bound(&config).expect_err("half is too much");
        assert!(error.message.contains("not below half"), "{error}");
    }

    #[test]
    fn the_byte_budget_is_shared_out() {
        let mut settings = Settings::new("localhost:1", "g", &["t"]);
        settings.queue_bytes = Some(64 * 1024 * 1024);
        let config = settings.config(4).expect("valid");
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("16384"));
    }
}
