//! A shard over a source and a sink in memory: the same events again and again, and receipts a tick
//! later.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use expressway::config::{self, Origin};
use expressway::engine::{Prepared, prepare};
use expressway::metrics::{Health, Metrics, PipelineNames, ShardCounters};
use expressway::record::{Assignment, AssignmentId, Header, Position, Record};
use expressway::shard::{
    Clock, Control, Lane, Letters, Marker, NestedLimits, Settings, Shard, wake,
};
use expressway::sinks::{Output, Receipt, Sink, SinkError, TopicId};
use expressway::sources::{Arrival, Source, SourceError};
use expressway::targets::Targets;

const ID: AssignmentId = AssignmentId(1);
const HEADERS_MAX: usize = 4;

/// A record to hand over.
#[derive(Clone, Debug, Default)]
pub struct Event {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Hands the same events over again and again.
pub struct Memory {
    events: Arc<Vec<Event>>,
    next: i64,
    committed: i64,
    is_paused: bool,
}

impl Memory {
    pub fn new(events: Arc<Vec<Event>>) -> Memory {
        Memory { events, next: 0, committed: 0, is_paused: false }
    }

    fn hand_over(&mut self, take: &mut dyn FnMut(Arrival<'_>)) {
        let event = &self.events[self.next as usize % self.events.len()];
        let mut headers = [Header { name: "", value: None }; HEADERS_MAX];
        for (header, (name, value)) in headers.iter_mut().zip(&event.headers) {
            *header = Header { name, value: Some(value) };
        }
        take(Arrival::Record(Record {
            position: Position { assignment: ID, offset: self.next },
            timestamp_ms: 0,
            key: Some(&event.key),
            value: Some(&event.value),
            headers: &headers[..event.headers.len()],
            first: None,
            id: None,
        }));
        self.next += 1;
    }
}

impl Source for Memory {
    fn poll(
        &mut self,
        limit: usize,
        take: &mut dyn FnMut(Arrival<'_>),
    ) -> Result<usize, SourceError> {
        if self.next == 0 {
            let assignment = Assignment { id: ID, topic: "in".into(), partition: 0 };
            take(Arrival::Assigned(assignment));
        }
        if self.is_paused {
            return Ok(0);
        }
        (0..limit).for_each(|_| self.hand_over(take));
        Ok(limit)
    }

    fn pause(&mut self, _: AssignmentId, paused: bool) {
        self.is_paused = paused;
    }

    fn commit(&mut self, _: AssignmentId, offset: i64) {
        self.committed = offset;
    }

    fn committed(&self, _: AssignmentId) -> Option<i64> {
        Some(self.committed)
    }

    fn confirm(&mut self, _: AssignmentId, offset: i64) {
        self.committed = offset;
    }

    fn rewind(&mut self, _: AssignmentId, _: i64) -> bool {
        false
    }

    fn release(&mut self, _: AssignmentId) {}
}

/// Takes everything, and gives its receipts on the next poll.
#[derive(Default)]
pub struct Taker {
    tags: Vec<u64>,
}

impl Sink for Taker {
    fn topic(&mut self, _: &str) -> Result<TopicId, SinkError> {
        Ok(TopicId(0))
    }

    fn write(&mut self, output: Output<'_>) -> Result<(), SinkError> {
        black_box(output.value);
        self.tags.push(output.tag);
        Ok(())
    }

    fn submit(&mut self) {}

    fn poll(&mut self, take: &mut dyn FnMut(Receipt)) {
        for tag in self.tags.drain(..) {
            take(Receipt { tag, result: Ok((0, 0)) });
        }
    }

    fn in_flight(&self) -> usize {
        self.tags.len()
    }
}

/// Such ends.
pub fn ends(events: Arc<Vec<Event>>) -> (Box<dyn Source>, Box<dyn Sink>) {
    (Box::new(Memory::new(events)), Box::new(Taker::default()))
}

/// The first pipeline of a configuration whose files are in this folder.
pub fn prepared(folder: &Path, text: &str) -> Prepared {
    let origin = Origin { folder, environment: &BTreeMap::new() };
    let config = config::parse(text, &origin).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let (prepared, _) = prepare(&config).unwrap_or_else(|refused| panic!("{refused:#?}"));
    prepared.into_iter().next().expect("there is a pipeline")
}

/// What the pipeline is counted by.
pub fn metrics(prepared: &Prepared) -> Metrics {
    let plan = prepared.plan.names();
    Metrics::new(vec![PipelineNames { pipeline: "p".to_owned(), plan }])
}

/// A shard that runs the pipeline between these ends.
pub fn shard(
    prepared: &Prepared,
    (source, sink): (Box<dyn Source>, Box<dyn Sink>),
    metrics: &Metrics,
    clock: Clock,
) -> Shard {
    let settings = Settings {
        parked_max: 100_000,
        calls_waiting_max: 1_000,
        bytes_max: 64 << 20,
        metrics_interval: Duration::from_secs(1),
        pulse: Health::default().pulse("shard"),
        targets: Targets::default(),
        clock,
        marker: Marker::unkept().expect("memory"),
        callbacks: None,
        nested: NestedLimits::default(),
    };
    let plan = prepared.plan.clone();
    let lane = Lane { plan, source: Some(source), sink, letters: Letters::default() };
    let control = Arc::new(Control::default());
    Shard::open(vec![lane], ShardCounters::new(metrics), wake(), control, settings)
        .expect("a shard opens")
}
