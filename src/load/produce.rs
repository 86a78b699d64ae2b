//! The sending side: takes events from a schedule and hands them to Kafka in batches, each stamped
//! with the time it was due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

use super::clock::Clock;
use super::events::{Buffers, Events};
use super::kafka::{ANSWER, ClientError, producer_config};
use super::scenario::{Scenario, Target};
use super::schedule::{Arrival, Schedule};
use crate::kafka::{Outgoing, Producer, Refusal, Report};
use crate::record::Wake;

/// Events between two looks at the clock, at the stop flag and at delivery reports.
const BATCH: usize = 512;
/// Sleeps are at least this long, or a high rate would be one wake-up an event. Events wait so much
/// longer at most, and their latencies say so.
const SLEEP_MIN: Duration = Duration::from_micros(250);
/// And at most this long, to see the stop flag and delivery reports.
const SLEEP_MAX: Duration = Duration::from_millis(5);
/// How long to wait for room: in the client's queue, or for whoever the sender may not run ahead of.
const FULL_WAIT: Duration = Duration::from_millis(1);
/// How long acknowledgements may take after the last event: longer than `message.timeout.ms`.
const FLUSH: Duration = Duration::from_secs(65);

/// What the sending side tells as it goes.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events handed to the client.
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
    /// Nothing yet, of a run with so many steps.
    pub fn new(steps: usize) -> Sent {
        Sent { by_step: (0..steps).map(|_| AtomicU64::new(0)).collect(), ..Sent::default() }
    }

    fn fail(&self, events: u64, error: impl Into<String>) {
        self.failed.fetch_add(events, Ordering::Relaxed);
        let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.into());
    }
}

/// Delivery reports, counted by their owner and told together.
#[derive(Default)]
struct Reports {
    acknowledged: u64,
    failed: u64,
    why: Option<RDKafkaErrorCode>,
}

impl Reports {
    fn take(&mut self, report: &Report) {
        match report.result {
            Ok(_) => self.acknowledged += 1,
            Err(code) => {
                self.failed += 1;
                self.why.get_or_insert(code);
            }
        }
    }

    fn tell(self, sent: &Sent) {
        sent.acknowledged.fetch_add(self.acknowledged, Ordering::Relaxed);
        if let Some(code) = self.why {
            sent.fail(self.failed, code.to_string());
        }
    }
}

/// Sends events, one number after the other.
pub struct Sender {
    producer: Producer,
    topic: usize,
    events: Events,
    run: u32,
    seq: u64,
    buffers: Buffers,
    sent: Arc<Sent>,
}

impl Sender {
    /// Connects; nothing is sent yet.
    pub fn new(
        target: &Target,
        events: Events,
        run: u32,
        sent: Arc<Sent>,
    ) -> Result<Sender, ClientError> {
        let made = |e: crate::kafka::ClientError| ClientError::said("make a Kafka producer", e);
        // The sender polls between batches; nobody needs to wake it.
        let mut producer =
            Producer::new(producer_config(target), Wake::new(|| ())).map_err(made)?;
        let topic = producer.topic(&target.topic).map_err(made)?;
        // Asked here so that the first events do not wait for it.
        let missing = producer.missing(&[&target.topic], ANSWER).map_err(made)?;
        if !missing.is_empty() {
            let unknown = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(ClientError::new(
                format!("look up topic {}", target.topic),
                rdkafka::error::KafkaError::MetadataFetch(unknown),
            ));
        }
        Ok(Sender { producer, topic, events, run, seq: 0, buffers: Buffers::default(), sent })
    }

    /// What it has sent so far.
    pub fn sent(&self) -> &Arc<Sent> {
        &self.sent
    }

    /// Marks the events from here on as another run's.
    pub fn set_run(&mut self, run: u32) {
        self.run = run;
    }

    /// Sends what a schedule asks for, until its end or `stop`. `ahead_max` says how many events may
    /// have been sent in all by now; those beyond are due and wait.
    pub fn run(
        &mut self,
        clock: Clock,
        mut schedule: Schedule,
        stop: &AtomicBool,
        ahead_max: &dyn Fn() -> u64,
    ) {
        while !stop.load(Ordering::Relaxed) {
            let room = ahead_max().saturating_sub(self.seq).min(BATCH as u64) as usize;
            let arrival = self.batch(clock, &mut schedule, room, stop);
            self.producer.submit();
            self.poll();
            match arrival {
                Arrival::Due { .. } if room > 0 => {}
                Arrival::Due { .. } => thread::sleep(FULL_WAIT),
                Arrival::Wait(until_ns) => {
                    let wait = until_ns.saturating_sub(clock.since_start_ns());
                    thread::sleep(Duration::from_nanos(wait).clamp(SLEEP_MIN, SLEEP_MAX));
                }
                Arrival::Done => break,
            }
        }
    }

    /// Sends what is due, `room` events at most; says what the schedule said last.
    fn batch(
        &mut self,
        clock: Clock,
        schedule: &mut Schedule,
        room: usize,
        stop: &AtomicBool,
    ) -> Arrival {
        let now_ns = clock.since_start_ns();
        if room == 0 {
            // Nothing is taken from the schedule: what is due keeps the time it was due.
            return schedule.clone().next(now_ns);
        }
        let (mut arrival, mut late_ns) = (Arrival::Done, 0);
        for _ in 0..room {
            arrival = schedule.next(now_ns);
            let Arrival::Due { at_ns, step } = arrival else { break };
            late_ns = late_ns.max(now_ns - at_ns);
            self.sent.by_step[step].fetch_add(1, Ordering::Relaxed);
            self.send(clock.start_ns() + at_ns, stop);
        }
        self.sent.late_ns_max.fetch_max(late_ns, Ordering::Relaxed);
        arrival
    }

    /// Hands an event over. A full queue is waited for: the event keeps the time it was due.
    pub fn send(&mut self, at_ns: u64, stop: &AtomicBool) {
        self.events.write(self.run, self.seq, at_ns, &mut self.buffers);
        self.seq += 1;
        // Before it is sent: its result must not be seen first.
        self.sent.offered.store(self.seq, Ordering::Relaxed);
        loop {
            let Buffers { key, value } = &self.buffers;
            let record = Outgoing { key: Some(key), value: Some(value), headers: &[], tag: 0 };
            match self.producer.write(self.topic, &record) {
                Ok(()) => return,
                Err(Refusal::Full) if !stop.load(Ordering::Relaxed) => {
                    self.poll();
                    thread::sleep(FULL_WAIT);
                }
                Err(Refusal::Full) => {
                    return self.sent.fail(1, "stopped while the client's queue was full");
                }
                Err(Refusal::Dead(error)) => return self.sent.fail(1, error.message),
            }
        }
    }

    fn poll(&mut self) {
        let mut reports = Reports::default();
        self.producer.poll(&mut |report| reports.take(&report));
        reports.tell(&self.sent);
    }

    /// Waits until all that was sent is acknowledged or failed, and gives up in the end.
    pub fn finish(&mut self) {
        let mut reports = Reports::default();
        self.producer.flush(FLUSH, &mut |report| reports.take(&report));
        reports.tell(&self.sent);
        let left = self.producer.in_flight() as u64;
        if left > 0 {
            self.sent.fail(left, format!("not acknowledged within {} s", FLUSH.as_secs()));
        }
    }
}

/// The sending side of a run.
pub struct Generator {
    sender: Sender,
    schedule: Schedule,
}

impl Generator {
    /// Connects; nothing is sent yet.
    pub fn new(scenario: &Scenario, events: Events, run: u32) -> Result<Generator, ClientError> {
        let sent = Arc::new(Sent::new(scenario.step.len()));
        let sender = Sender::new(&scenario.target, events, run, sent)?;
        Ok(Generator { sender, schedule: Schedule::new(&scenario.steps()) })
    }

    /// What it has sent so far.
    pub fn sent(&self) -> Arc<Sent> {
        self.sender.sent.clone()
    }

    /// Sends everything, or until `stop`; returns when all is acknowledged or failed.
    pub fn run(mut self, clock: Clock, stop: &AtomicBool) {
        self.sender.run(clock, self.schedule, stop, &|| u64::MAX);
        self.sender.finish();
        self.sender.sent.done.store(true, Ordering::Release);
    }
}
