//! The sending side: one thread that takes events from the schedule and hands them to librdkafka,
//! each stamped with the time it was due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::clock::Clock;
use super::events::{Buffers, Events};
use super::kafka::{ANSWER, ClientError, producer_config};
use super::scenario::Scenario;
use super::schedule::{Arrival, Schedule};

/// Events between two looks at the clock, at the stop flag and at delivery reports.
const BATCH: usize = 256;
/// Sleeps are at least this long, or a high rate would be one wake-up an event. Events wait so much
/// longer at most, and their latencies say so.
const SLEEP_MIN: Duration = Duration::from_micros(250);
/// And at most this long, to see the stop flag and delivery reports.
const SLEEP_MAX: Duration = Duration::from_millis(5);
/// How long to wait for room in librdkafka's queue.
const FULL_WAIT: Duration = Duration::from_millis(1);
/// How long acknowledgements may take after the last event: longer than `message.timeout.ms`.
const FLUSH: Duration = Duration::from_secs(65);

/// What the sending side tells as it goes.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events handed to librdkafka.
    pub offered: AtomicU64,
    /// Events that Kafka acknowledged.
    pub acknowledged: AtomicU64,
    /// Events that it refused or did not answer in time.
    pub failed: AtomicU64,
    /// The first reason for that.
    pub first_error: Mutex<Option<String>>,
    /// How long after it was due an event was sent, at most.
    pub late_ns_max: AtomicU64,
    /// Events of each step.
    pub by_step: Vec<AtomicU64>,
    /// Every event is acknowledged or failed.
    pub done: AtomicBool,
}

impl Sent {
    fn fail(&self, events: u64, error: &KafkaError) {
        self.failed.fetch_add(events, Ordering::Relaxed);
        let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
    }
}

struct Deliveries(Arc<Sent>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            // Only this thread writes it.
            Ok(_) => self
                .0
                .acknowledged
                .store(self.0.acknowledged.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            Err((error, _)) => self.0.fail(1, error),
        }
    }
}

/// The sending side of a run.
pub struct Generator {
    producer: BaseProducer<Deliveries>,
    topic: String,
    events: Events,
    schedule: Schedule,
    run: u32,
    sent: Arc<Sent>,
}

impl Generator {
    /// Connects; nothing is sent yet.
    pub fn new(scenario: &Scenario, events: Events, run: u32) -> Result<Generator, ClientError> {
        let by_step = scenario.step.iter().map(|_| AtomicU64::new(0)).collect();
        let sent = Arc::new(Sent { by_step, ..Sent::default() });
        let producer = producer_config(&scenario.target)
            .create_with_context(Deliveries(sent.clone()))
            .map_err(|e| ClientError::new("make a Kafka producer", e))?;
        let producer: BaseProducer<Deliveries> = producer;
        // Asked here so that the first events do not wait for it.
        let topic = &scenario.target.topic;
        let known = producer.client().fetch_metadata(Some(topic), ANSWER);
        known.map_err(|e| ClientError::new(format!("look up topic {topic}"), e))?;
        let (topic, schedule) = (scenario.target.topic.clone(), Schedule::new(&scenario.steps()));
        Ok(Generator { producer, topic, events, schedule, run, sent })
    }

    /// What it has sent so far.
    pub fn sent(&self) -> Arc<Sent> {
        self.sent.clone()
    }

    /// Sends everything, or until `stop`; returns when all is acknowledged or failed.
    pub fn run(mut self, clock: Clock, stop: &AtomicBool) {
        let (mut buffers, mut seq) = (Buffers::default(), 0);
        while !stop.load(Ordering::Relaxed) {
            let wait = self.batch(clock, &mut seq, &mut buffers, stop);
            self.producer.poll(Duration::ZERO);
            match wait {
                Arrival::Due { .. } => {}
                Arrival::Wait(until_ns) => {
                    let wait = until_ns.saturating_sub(clock.since_start_ns());
                    thread::sleep(Duration::from_nanos(wait).clamp(SLEEP_MIN, SLEEP_MAX));
                }
                Arrival::Done => break,
            }
        }
        if let Err(error) = self.producer.flush(FLUSH) {
            self.sent.fail(0, &error);
        }
        // Dropping the client gives up, and so counts, what is still unanswered.
        drop(self.producer);
        self.sent.done.store(true, Ordering::Release);
    }

    /// Sends what is due, a batch at most; says what the schedule said last.
    fn batch(
        &mut self,
        clock: Clock,
        seq: &mut u64,
        buffers: &mut Buffers,
        stop: &AtomicBool,
    ) -> Arrival {
        let now_ns = clock.since_start_ns();
        let (mut arrival, mut late_ns) = (Arrival::Done, 0);
        for _ in 0..BATCH {
            arrival = self.schedule.next(now_ns);
            let Arrival::Due { at_ns, step } = arrival else { break };
            late_ns = late_ns.max(now_ns - at_ns);
            self.events.write(self.run, *seq, clock.start_ns() + at_ns, buffers);
            *seq += 1;
            // Before it is sent: its result must not be seen first.
            self.sent.offered.store(*seq, Ordering::Relaxed);
            self.sent.by_step[step].fetch_add(1, Ordering::Relaxed);
            self.send(buffers, stop);
        }
        self.sent.late_ns_max.fetch_max(late_ns, Ordering::Relaxed);
        arrival
    }

    /// Hands an event over. A full queue is waited for: the event keeps the time it was due.
    fn send(&self, buffers: &Buffers, stop: &AtomicBool) {
        let Buffers { key, value } = buffers;
        let mut record = BaseRecord::to(&self.topic).key(key).payload(value);
        while let Err((error, refused)) = self.producer.send(record) {
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || stop.load(Ordering::Relaxed) {
                return self.sent.fail(1, &error);
            }
            self.producer.poll(FULL_WAIT);
            record = refused;
        }
    }
}
