//! A running source of any kind, as the engine steers it.

use crate::sources::kafka::{KafkaSource, Lag};
use crate::sources::sqs::SqsSource;

/// What steers a pipeline's source. Files need nobody.
pub enum Remote {
    /// A consumer of Kafka.
    Kafka(KafkaSource),
    /// Polls of a queue.
    Sqs(SqsSource),
}

impl Remote {
    /// Hands over nothing more; what was handed over is still settled.
    pub fn stop(&self) {
        match self {
            Remote::Kafka(source) => source.stop(),
            Remote::Sqs(source) => source.stop(),
        }
    }

    /// Acknowledges what has settled, and leaves. Waits, but not without bound.
    pub fn close(self) {
        match self {
            Remote::Kafka(source) => source.close(),
            Remote::Sqs(source) => source.close(),
        }
    }

    /// How far it is behind: by partition, or the queue as a whole.
    pub fn lag(&self) -> Vec<Lag> {
        match self {
            Remote::Kafka(source) => source.lag(),
            Remote::Sqs(source) => vec![of_queue(source)],
        }
    }
}

/// A queue counts as one partition; what was handed over and what has settled are its offsets.
fn of_queue(source: &SqsSource) -> Lag {
    let backlog = source.backlog();
    let (handed, settled) = (backlog.handed as i64, backlog.settled as i64);
    Lag {
        topic: backlog.queue.into(),
        partition: 0,
        records: backlog.waiting,
        position: handed,
        settled,
        unsettled: backlog.waiting.max(0) + (handed - settled).max(0),
    }
}
