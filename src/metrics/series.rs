//! What is counted by route, version of a definition and state: it comes and goes with what a pipeline
//! runs on, while the pipeline's own counts stay.

use std::sync::{Arc, Mutex};

use metrics::Counter;

use super::catalog::{ROUTED, STATE_COUNTS, StateCounts, VERSION_COUNTS, VersionCounts};
use super::{Metrics, lock};

/// A version of a definition and its states, as metrics name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionNames {
    /// The definition.
    pub definition: String,
    /// Its version.
    pub version: String,
    /// Its states, in the order that shards count them by.
    pub states: Vec<String>,
}

/// What a pipeline runs on, as metrics name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanNames {
    /// Its routes.
    pub routes: Vec<String>,
    /// The versions that records go to.
    pub versions: Vec<VersionNames>,
}

/// The exporter's side of a plan, shared by all shards, and what they have flushed.
#[derive(Debug)]
pub struct Series {
    routes: Vec<Counter>,
    versions: Vec<VersionSeries>,
    totals: Mutex<PlanTotals>,
}

#[derive(Debug)]
struct VersionSeries {
    counts: Vec<Counter>,
    states: Vec<Vec<Counter>>,
}

/// Figures of the plan that is current, so far.
#[derive(Clone, Debug, Default)]
pub struct PlanTotals {
    /// Records by route.
    pub routes: Vec<u64>,
    /// Executions by version.
    pub versions: Vec<VersionCounts>,
    /// By version and state.
    pub states: Vec<Vec<StateCounts>>,
}

impl Series {
    pub(super) fn new(metrics: &Metrics, pipeline: &str, names: &PlanNames) -> Series {
        let of_version = |it: &VersionNames| {
            let labels = [("pipeline", pipeline), ("definition", it.definition.as_str())];
            let version = [labels[0], labels[1], ("version", it.version.as_str())];
            let state = |name: &String| {
                let labels = [labels[0], labels[1], ("state", name.as_str())];
                STATE_COUNTS.iter().map(|metric| metrics.counter(metric, &labels)).collect()
            };
            VersionSeries {
                counts: VERSION_COUNTS.iter().map(|it| metrics.counter(it, &version)).collect(),
                states: it.states.iter().map(state).collect(),
            }
        };
        let route =
            |it: &String| metrics.counter(&ROUTED, &[("pipeline", pipeline), ("route", it)]);
        let states = |it: &VersionNames| vec![StateCounts::default(); it.states.len()];
        Series {
            routes: names.routes.iter().map(route).collect(),
            versions: names.versions.iter().map(of_version).collect(),
            totals: Mutex::new(PlanTotals {
                routes: vec![0; names.routes.len()],
                versions: vec![VersionCounts::default(); names.versions.len()],
                states: names.versions.iter().map(states).collect(),
            }),
        }
    }

    pub(super) fn totals(&self) -> PlanTotals {
        lock(&self.totals).clone()
    }
}

/// What a shard counts for a version.
#[derive(Clone, Debug, Default)]
pub struct VersionCounters {
    /// Counted since the last flush.
    pub counts: VersionCounts,
    /// The same by the state's number.
    pub states: Box<[StateCounts]>,
}

/// What a shard counts for a plan.
#[derive(Debug)]
pub struct PlanCounters {
    /// Counted since the last flush, by the route's number.
    pub routes: Box<[u64]>,
    /// By the version's number.
    pub versions: Box<[VersionCounters]>,
    series: Arc<Series>,
}

impl PlanCounters {
    pub(super) fn new(series: Arc<Series>) -> PlanCounters {
        let of_version = |it: &VersionSeries| VersionCounters {
            counts: VersionCounts::default(),
            states: vec![StateCounts::default(); it.states.len()].into(),
        };
        PlanCounters {
            routes: vec![0; series.routes.len()].into(),
            versions: series.versions.iter().map(of_version).collect(),
            series,
        }
    }

    pub(super) fn flush(&mut self) {
        let mut totals = lock(&self.series.totals);
        for (at, counted) in self.routes.iter_mut().enumerate() {
            let count = std::mem::take(counted);
            self.series.routes[at].increment(count);
            totals.routes[at] += count;
        }
        for (at, version) in self.versions.iter_mut().enumerate() {
            let exported = &self.series.versions[at];
            for (counter, count) in exported.counts.iter().zip(version.counts.values()) {
                counter.increment(count);
            }
            for (counters, counted) in exported.states.iter().zip(&version.states) {
                counters.iter().zip(counted.values()).for_each(|(it, count)| it.increment(count));
            }
            totals.versions[at].add(&version.counts);
            for (total, counted) in totals.states[at].iter_mut().zip(&version.states) {
                total.add(counted);
            }
            version.counts = VersionCounts::default();
            version.states.fill(StateCounts::default());
        }
    }
}

/// What was counted last is not lost with the plan.
impl Drop for PlanCounters {
    fn drop(&mut self) {
        self.flush();
    }
}
