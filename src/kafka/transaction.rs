//! Transactions: a producer's outputs and a group's offsets count together, or not at all.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::Producer as _;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::producer::Producer;

/// What keeps a step of a transaction from being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The same step again, later.
    Wait,
    /// The transaction must be aborted.
    Abort(String),
    /// The producer is of no use any more. Whether another one has taken its place.
    Over {
        /// Another producer has its id, or the brokers gave its transaction up.
        is_fenced: bool,
        /// The library's words.
        why: String,
    },
}

type Asks = Box<dyn Fn() -> Option<ConsumerGroupMetadata> + Send + Sync>;

/// Which member of which generation commits, asked anew each time; known once the source is open.
#[derive(Clone, Default)]
pub struct Membership(Arc<OnceLock<Asks>>);

impl Membership {
    /// From now on `asks` tells.
    pub fn tell(&self, asks: impl Fn() -> Option<ConsumerGroupMetadata> + Send + Sync + 'static) {
        // Told once, by whoever opens the source.
        let _ = self.0.set(Box::new(asks));
    }

    fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.0.get().and_then(|asks| asks())
    }
}

impl Producer {
    /// Makes it ready for transactions, and ends what an earlier producer of its id has left open.
    pub fn init_transactions(&self, bound: Duration) -> Result<(), Obstacle> {
        outcome(self.client().init_transactions(bound))
    }

    /// Begins one.
    pub fn begin_transaction(&self) -> Result<(), Obstacle> {
        outcome(self.client().begin_transaction())
    }

    /// Puts the group's offsets into it.
    pub fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        membership: &Membership,
        bound: Duration,
    ) -> Result<(), Obstacle> {
        let Some(metadata) = membership.metadata() else { return Err(Obstacle::Wait) };
        outcome(self.client().send_offsets_to_transaction(offsets, &metadata, bound))
    }

    /// Commits it. All its outputs must have been reported.
    pub fn commit_transaction(&self, bound: Duration) -> Result<(), Obstacle> {
        outcome(self.client().commit_transaction(bound))
    }

    /// Aborts it; [`Producer::purge`] comes first, and its reports.
    pub fn abort_transaction(&self, bound: Duration) -> Result<(), Obstacle> {
        outcome(self.client().abort_transaction(bound))
    }
}

fn outcome(result: KafkaResult<()>) -> Result<(), Obstacle> {
    let Err(error) = result else { return Ok(()) };
    let KafkaError::Transaction(it) = &error else {
        // Of the flush that comes first: it has not ended yet.
        return Err(Obstacle::Wait);
    };
    let why = it.string();
    let is_fenced = matches!(
        it.code(),
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
    );
    Err(if it.is_fatal() || is_fenced {
        Obstacle::Over { is_fenced, why }
    } else if it.txn_requires_abort() {
        Obstacle::Abort(why)
    } else if it.is_retriable() {
        Obstacle::Wait
    } else {
        Obstacle::Abort(why)
    })
}
