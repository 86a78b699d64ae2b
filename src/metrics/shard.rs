//! One shard's counters: plain integers that only it touches, handed over on an interval.

use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::catalog::{COUNTS, Counts, LEVELS, Levels};
use super::latency::Latency;
use super::series::{PlanCounters, Series};
use super::{Metrics, PipelineTotals, lock};

/// What a shard counts in. Counting is adding to a field; nothing is shared until
/// [`ShardCounters::flush`].
#[derive(Debug)]
pub struct ShardCounters {
    /// One for each pipeline, in the order of the configuration.
    pub pipelines: Vec<PipelineCounters>,
}

/// What a shard counts for one pipeline.
#[derive(Debug)]
pub struct PipelineCounters {
    /// Counted since the last flush.
    pub counts: Counts,
    /// How much there is just now; set, not added to.
    pub levels: Levels,
    /// Counted since the last flush, by what the pipeline ran on: a plan's place is the shard's.
    pub plans: Vec<PlanCounters>,
    /// Latencies since the last flush.
    pub latency: Latency,
    flushed_levels: Levels,
    exported: Exported,
    totals: Arc<PipelineTotals>,
}

/// The exporter's side of it.
#[derive(Debug)]
struct Exported {
    counts: Vec<Counter>,
    levels: Vec<Gauge>,
}

impl ShardCounters {
    /// Counters for a shard, for all pipelines that `metrics` knows.
    pub fn new(metrics: &Metrics) -> ShardCounters {
        let of = |totals: &Arc<PipelineTotals>| PipelineCounters::new(metrics, totals);
        ShardCounters { pipelines: metrics.pipelines().iter().map(of).collect() }
    }

    /// Hands over what was counted, and begins anew. Allocates nothing.
    pub fn flush(&mut self) {
        self.pipelines.iter_mut().for_each(PipelineCounters::flush);
    }
}

impl PipelineCounters {
    fn new(metrics: &Metrics, totals: &Arc<PipelineTotals>) -> PipelineCounters {
        let labels = [("pipeline", totals.pipeline.as_str())];
        let exported = Exported {
            counts: COUNTS.iter().map(|metric| metrics.counter(metric, &labels)).collect(),
            levels: LEVELS.iter().map(|metric| metrics.gauge(metric, &labels)).collect(),
        };
        let series = lock(&totals.series).clone();
        PipelineCounters {
            counts: Counts::default(),
            levels: Levels::default(),
            plans: vec![PlanCounters::new(series)],
            latency: Latency::default(),
            flushed_levels: Levels::default(),
            exported,
            totals: totals.clone(),
        }
    }

    /// From now on the plan at this place, which is free or new, counts in these.
    pub fn adopt(&mut self, place: usize, series: Arc<Series>) {
        let counters = PlanCounters::new(series);
        match self.plans.get_mut(place) {
            Some(free) => *free = counters,
            None => self.plans.push(counters),
        }
    }

    fn flush(&mut self) {
        self.export();
        self.plans.iter_mut().for_each(PlanCounters::flush);
        let mut totals = lock(&self.totals.inner);
        totals.counts.add(&self.counts);
        totals.levels = totals.levels.since(&self.flushed_levels);
        totals.levels.add(&self.levels);
        if self.latency.count() > 0 {
            totals.latency.add(&self.latency);
            self.latency.clear();
        }
        self.counts = Counts::default();
        self.flushed_levels = self.levels;
    }

    fn export(&self) {
        for (counter, count) in self.exported.counts.iter().zip(self.counts.values()) {
            counter.increment(count);
        }
        // Shards share a gauge, so each adds what has changed with it.
        let before = self.flushed_levels.values();
        for ((gauge, now), before) in
            self.exported.levels.iter().zip(self.levels.values()).zip(before)
        {
            gauge.increment(now as f64 - before as f64);
        }
    }
}

impl Drop for PipelineCounters {
    /// A shard that ends holds nothing any more, and what it had counted stays counted.
    fn drop(&mut self) {
        self.levels = Levels::default();
        self.flush();
    }
}
