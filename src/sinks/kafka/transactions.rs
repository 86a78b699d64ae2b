//! One shard's transactions: outputs, and the offsets of the records that they are of.

use std::time::{Duration, Instant};

use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{Settings, outgoing, receipt, refused};
use crate::kafka::{self, ClientError, Membership, Obstacle, Producer};
use crate::record::Wake;
use crate::sinks::{Hitch, Output, Receipt, SinkError, SinkErrorKind, TopicId, Transactional};

/// How long a transaction may stay open before the brokers abort it: what a killed process has begun
/// keeps consumers of committed records waiting no longer than this, and a little.
const TIMEOUT_MS: &str = "10000";
/// How long one call may take; where it took longer it is made again.
const CALL_BOUND: Duration = Duration::from_millis(500);
/// How long a producer may take to be let in, an earlier one's open transaction included.
const INIT_BOUND: Duration = Duration::from_secs(30);
/// How long what was purged may take to be reported.
const PURGE_BOUND: Duration = Duration::from_secs(5);
/// How long a transaction that nobody will commit may take to be given up.
const LAST_BOUND: Duration = Duration::from_secs(2);

/// How a producer is known to the brokers.
#[derive(Clone, Debug)]
pub enum Name {
    /// By a name of this process's life, which no other has: it begins with this.
    Fresh(String),
    /// By this one. The process that takes it last has it, and all before are fenced.
    Given(String),
}

impl Name {
    fn id(&self) -> String {
        match self {
            Name::Given(name) => name.clone(),
            Name::Fresh(prefix) => {
                let random = std::hash::RandomState::new();
                let random = std::hash::BuildHasher::hash_one(&random, std::process::id());
                format!("{prefix}-{random:016x}")
            }
        }
    }
}

/// See the module.
pub struct KafkaTransactions {
    producer: Producer,
    config: ClientConfig,
    wake: Wake,
    name: Name,
    topics: Vec<String>,
    membership: Membership,
    brokers: String,
    is_begun: bool,
    are_offsets_sent: bool,
    is_purged: bool,
    aborting_since: Option<Instant>,
}

impl KafkaTransactions {
    /// Opens a producer under that name, for one of `shards` shards.
    pub fn open(
        settings: &Settings,
        shards: usize,
        name: Name,
        membership: Membership,
        wake: Wake,
    ) -> Result<KafkaTransactions, ClientError> {
        let mut ours = vec![
            ("bootstrap.servers", settings.brokers.clone()),
            ("transaction.timeout.ms", TIMEOUT_MS.to_owned()),
            // An output that waits longer than its transaction lives is not waited for.
            ("message.timeout.ms", TIMEOUT_MS.to_owned()),
        ];
        if let Some(bytes) = settings.queue_bytes {
            let share = (bytes / 1024 / shards.max(1) as u64).max(1);
            ours.push(("queue.buffering.max.kbytes", share.to_string()));
        }
        let config = kafka::producer_config(&settings.properties, &ours)?;
        let producer = open(&config, &name, &wake)?;
        Ok(KafkaTransactions {
            producer,
            wake,
            name,
            topics: Vec::new(),
            membership,
            brokers: config.get("bootstrap.servers").unwrap_or_default().to_owned(),
            config,
            is_begun: false,
            are_offsets_sent: false,
            is_purged: false,
            aborting_since: None,
        })
    }

    fn ended(&mut self) {
        (self.is_begun, self.are_offsets_sent, self.is_purged) = (false, false, false);
        self.aborting_since = None;
    }

    /// A new producer in place of one that is of no use any more.
    fn renew(&mut self, is_fenced: bool, why: &str) -> Result<(), Hitch> {
        let over = |message: String| {
            Hitch::Over(SinkError { kind: SinkErrorKind::Fatal, code: "", message })
        };
        if let (true, Name::Given(id)) = (is_fenced, &self.name) {
            return Err(over(format!(
                "the transactional id {id:?} was fenced ({why}): another process has it, or a \
                 transaction outlived its timeout. Give each process its own \
                 kafka.transactional_id, or none, and restart"
            )));
        }
        tracing::warn!(why, "a transaction's producer is replaced");
        let mut producer = open(&self.config, &self.name, &self.wake)
            .map_err(|error| over(format!("{error}. Restart: nothing is lost")))?;
        for name in &self.topics {
            producer.topic(name).map_err(|error| over(error.message))?;
        }
        self.producer = producer;
        self.ended();
        Ok(())
    }

    fn hitch(&mut self, obstacle: Obstacle) -> Hitch {
        match obstacle {
            Obstacle::Wait => Hitch::Wait,
            Obstacle::Abort(why) | Obstacle::Over { why, .. } => Hitch::Abort(why),
        }
    }
}

fn open(config: &ClientConfig, name: &Name, wake: &Wake) -> Result<Producer, ClientError> {
    let mut config = config.clone();
    let id = name.id();
    config.set("transactional.id", &id);
    let producer = Producer::new(config, wake.clone())?;
    let end = Instant::now() + INIT_BOUND;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match producer.init_transactions(left) {
            Ok(()) => return Ok(producer),
            Err(Obstacle::Wait) if left > Duration::ZERO => {}
            Err(obstacle) => {
                return Err(ClientError::new(format!(
                    "the transactional id {id:?} could not be had: {obstacle:?}. Check that the \
                     brokers can be reached and that this user may use it (Write and Describe on \
                     the TransactionalId)"
                )));
            }
        }
    }
}

impl Transactional for KafkaTransactions {
    fn topic(&mut self, name: &str) -> Result<TopicId, SinkError> {
        let failed = |error: ClientError| super::dead(&error);
        let index = self.producer.topic(name).map_err(failed)?;
        if index == self.topics.len() {
            self.topics.push(name.to_owned());
        }
        Ok(TopicId(index as u32))
    }

    fn begin(&mut self) -> Result<(), Hitch> {
        match self.producer.begin_transaction() {
            Ok(()) => {
                self.is_begun = true;
                Ok(())
            }
            Err(obstacle) => Err(self.hitch(obstacle)),
        }
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        self.producer.write(output.topic.0 as usize, &outgoing(&output)).map_err(refused)
    }

    fn submit(&mut self) {
        self.producer.submit();
    }

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        let brokers = &self.brokers;
        self.producer.poll(&mut |report| take(receipt(report, brokers)));
        if let Some(trouble) = self.producer.trouble() {
            // What is fatal shows at the next step of the transaction.
            tracing::debug!(code = ?trouble.code, text = trouble.text, "transactional producer");
        }
    }

    fn in_flight(&self) -> usize {
        self.producer.in_flight()
    }

    fn commit(&mut self, offsets: &[(&str, i32, i64)]) -> Result<(), Hitch> {
        if !self.are_offsets_sent {
            let mut list = TopicPartitionList::new();
            for (topic, partition, offset) in offsets {
                // Fails for offsets below zero only, and those settle nothing.
                let _ = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
            }
            let sent = self.producer.send_offsets(&list, &self.membership, CALL_BOUND);
            sent.map_err(|obstacle| self.hitch(obstacle))?;
            self.are_offsets_sent = true;
        }
        let done = self.producer.commit_transaction(CALL_BOUND);
        done.map_err(|obstacle| self.hitch(obstacle))?;
        self.ended();
        Ok(())
    }

    fn abort(&mut self) -> Result<(), Hitch> {
        if !self.is_begun {
            return self.renew(false, "it could not begin a transaction");
        }
        if !std::mem::replace(&mut self.is_purged, true) {
            self.producer.purge();
        }
        // The library waits for the reports of what was purged to be taken, and `poll` takes them.
        let since = *self.aborting_since.get_or_insert_with(Instant::now);
        if self.producer.in_flight() > 0 && since.elapsed() < PURGE_BOUND {
            return Err(Hitch::Wait);
        }
        match self.producer.abort_transaction(CALL_BOUND) {
            Ok(()) => {
                self.ended();
                Ok(())
            }
            Err(Obstacle::Wait) => Err(Hitch::Wait),
            Err(Obstacle::Abort(why)) => self.renew(false, &why),
            Err(Obstacle::Over { is_fenced, why }) => self.renew(is_fenced, &why),
        }
    }
}

impl Drop for KafkaTransactions {
    fn drop(&mut self) {
        // Or who reads committed records would wait for its timeout.
        let end = Instant::now() + LAST_BOUND;
        while self.is_begun && Instant::now() < end {
            self.producer.poll(&mut |_| {});
            if !matches!(self.abort(), Err(Hitch::Wait)) {
                break;
            }
        }
    }
}
