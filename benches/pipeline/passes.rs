//! The pass-throughs: through the library's usual doors, and through its batch doors.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use expressway::kafka::{Batch, Outgoing, Producer, Queue, Refusal};
use expressway::record::Wake;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::cluster::Cluster;
use crate::{Run, cpu_ns};

/// How often offsets are committed: as the engine does.
const COMMIT_MS: &str = "250";
/// Records passed on between two looks at their reports.
const POLL_EVERY: u64 = 256;
const BATCH_MAX: usize = 1_024;
const NAP: Duration = Duration::from_millis(1);

/// What has settled: how many, and each partition's highest offset. (Less than the engine keeps: an
/// offset below may be unsettled.)
#[derive(Default)]
struct Settled {
    count: u64,
    next: Vec<i64>,
    stored: Vec<i64>,
}

impl Settled {
    fn note(&mut self, tag: u64) {
        let (partition, offset) = ((tag >> 40) as usize, (tag & ((1 << 40) - 1)) as i64);
        if self.next.len() <= partition {
            self.next.resize(partition + 1, 0);
            self.stored.resize(partition + 1, 0);
        }
        self.next[partition] = self.next[partition].max(offset + 1);
        self.count += 1;
    }

    /// Stores what has moved since the last time.
    fn store(&mut self, consumer: &BaseConsumer, topic: &str) {
        for (partition, (next, stored)) in self.next.iter().zip(&mut self.stored).enumerate() {
            if *next > *stored {
                *stored = *next;
                consumer.store_offset(topic, partition as i32, *next - 1).expect("assigned");
            }
        }
    }
}

fn tag(partition: i32, offset: i64) -> u64 {
    (partition as u64) << 40 | offset as u64
}

fn consumer(cluster: &Cluster, group: &str) -> BaseConsumer {
    let mut config = cluster.consumer(group);
    config.set("enable.auto.commit", "true").set("auto.commit.interval.ms", COMMIT_MS);
    config.create().expect("a consumer")
}

#[derive(Default)]
struct Reports(Mutex<Settled>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, tag: usize) {
        assert!(delivered.is_ok(), "a record could not be written");
        self.0.lock().expect("nothing panics in it").note(tag as u64);
    }
}

/// Poll, send, store the offset.
pub fn poll_and_send(cluster: &Cluster, group: &str, _: usize) -> Run {
    let before = cpu_ns();
    let consumer = consumer(cluster, group);
    consumer.assign(&cluster.assignment()).expect("assigned");
    let producer: BaseProducer<Reports> =
        cluster.producer().create_with_context(Reports::default()).expect("a producer");
    let (mut first, begun, mut read) = (None, Instant::now(), 0u64);
    loop {
        if let Some(message) = consumer.poll(NAP) {
            let message = message.expect("a record");
            first.get_or_insert_with(Instant::now);
            let tag = tag(message.partition(), message.offset()) as usize;
            let mut record = BaseRecord::with_opaque_to(&cluster.output, tag);
            record.key = message.key();
            record.payload = message.payload();
            while let Err((error, back)) = producer.send(record) {
                let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
                assert_eq!(error, full, "only a full queue may refuse");
                producer.poll(NAP);
                record = back;
            }
            read += 1;
            if !read.is_multiple_of(POLL_EVERY) {
                continue;
            }
        }
        producer.poll(Duration::ZERO);
        let mut settled = producer.context().0.lock().expect("nothing panics in it");
        settled.store(&consumer, &cluster.input);
        if settled.count == cluster.records {
            break;
        }
        assert!(begun.elapsed() < cluster.patience, "{} of {read} settled", settled.count);
    }
    let took = first.expect("there are records").elapsed();
    Run { took, cpu_ns: cpu_ns() - before }
}

/// The batch doors, as the engine's source and sink use them.
pub fn batches(cluster: &Cluster, group: &str, _: usize) -> Run {
    let before = cpu_ns();
    let waiter = thread::current();
    let wake = Wake::new(move || waiter.unpark());
    let consumer = consumer(cluster, group);
    let queue = Queue::new(consumer.client(), wake.clone()).expect("a queue");
    for partition in 0..cluster.partitions {
        queue.adopt(consumer.client(), &cluster.input, partition).expect("a partition");
    }
    consumer.assign(&cluster.assignment()).expect("assigned");
    let mut producer = Producer::new(cluster.producer(), wake).expect("a producer");
    let topic = producer.topic(&cluster.output).expect("a topic");
    let (mut batch, mut settled) = (Batch::new(BATCH_MAX), Settled::default());
    let (mut first, begun) = (None, Instant::now());
    while settled.count < cluster.records {
        let count = batch.read(&queue, BATCH_MAX);
        for message in batch.messages() {
            assert!(message.error().is_none(), "{:?}", message.error());
            first.get_or_insert_with(Instant::now);
            let tag = tag(message.partition(), message.offset());
            let (key, value) = (message.key(), message.value());
            let record = Outgoing { key, value, headers: &[], tag };
            while let Err(refusal) = producer.write(topic, &record) {
                assert_eq!(refusal, Refusal::Full, "only a full queue may refuse");
                thread::park_timeout(NAP);
                producer.poll(&mut |it| settled.note(it.tag));
            }
        }
        batch.clear();
        producer.submit();
        producer.poll(&mut |report| {
            assert!(report.result.is_ok(), "a record could not be written");
            settled.note(report.tag);
        });
        settled.store(&consumer, &cluster.input);
        if count == 0 {
            thread::park_timeout(NAP);
        }
        assert!(begun.elapsed() < cluster.patience, "{} settled", settled.count);
    }
    let took = first.expect("there are records").elapsed();
    Run { took, cpu_ns: cpu_ns() - before }
}
