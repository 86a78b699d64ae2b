//! What the process counts: the [`CATALOG`], each shard's plain counters, and their exposition.
//!
//! A shard counts in fields of its own [`ShardCounters`] and flushes them on an interval, so that
//! an event costs additions and no shared memory. `/metrics`, the demo and the summary read what
//! was flushed.

mod catalog;
mod health;
mod latency;
mod series;
mod shard;
mod targets;

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use catalog::{
    CATALOG, Counts, Kind, Levels, Metric, StateCounts, TargetCounts, TargetLevels, VersionCounts,
};
pub use health::{Health, Pulse, SILENCE_MAX};
pub use latency::Latency;
pub use series::{PlanCounters, PlanNames, PlanTotals, Series, VersionCounters, VersionNames};
pub use shard::{PipelineCounters, ShardCounters};
pub use targets::Target;

use catalog::{BUDGET_LIMIT, BUDGET_USED, LAG, LATENCY, LOG_LINES_SUPPRESSED, RELOADS, STALLED};

/// Powers of two of nanoseconds that a latency is shown by: 8 us to 275 s. They are bucket limits
/// of [`Latency`] too, so that nothing is estimated.
const SHOWN_BITS: std::ops::RangeInclusive<u32> = 13..=38;

const METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// How a reload may end.
const RELOAD_RESULTS: [&str; 2] = ["applied", "refused"];

/// A pipeline and what it runs on at first, as metrics name them.
#[derive(Clone, Debug)]
pub struct PipelineNames {
    /// The pipeline.
    pub pipeline: String,
    /// What it runs on.
    pub plan: PlanNames,
}

/// What all shards have flushed, and where it is read.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    pipelines: Vec<Arc<PipelineTotals>>,
    budget: [Gauge; 2],
    log_lines_suppressed: Counter,
    targets: Mutex<Vec<Target>>,
}

/// What was flushed for a pipeline, by all shards.
#[derive(Debug)]
struct PipelineTotals {
    pipeline: String,
    /// Of the plan that is current.
    series: Mutex<Arc<Series>>,
    inner: Mutex<Totals>,
}

/// A pipeline's figures so far.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// What was counted.
    pub counts: Counts,
    /// How much there is just now.
    pub levels: Levels,
    /// What was counted by route, version and state since what it runs on came.
    pub plan: PlanTotals,
    /// From arrival to settlement.
    pub latency: Latency,
    /// Records that partitions are behind, by topic and partition.
    pub lag: BTreeMap<(String, i32), u64>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("pipelines", &self.pipelines).finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics of these pipelines, all at nothing.
    pub fn new(pipelines: Vec<PipelineNames>) -> Metrics {
        let recorder = PrometheusBuilder::new().build_recorder();
        describe(&recorder);
        let gauge = |metric: &Metric| register_gauge(&recorder, metric, &[]);
        let budget = [gauge(&BUDGET_USED), gauge(&BUDGET_LIMIT)];
        let log_lines_suppressed =
            recorder.register_counter(&key(&LOG_LINES_SUPPRESSED, &[]), &METADATA);
        let handle = recorder.handle();
        let (first, targets) = (Vec::new(), Mutex::default());
        let mut metrics =
            Metrics { handle, recorder, pipelines: first, budget, log_lines_suppressed, targets };
        for PipelineNames { pipeline, plan } in pipelines {
            let series = Mutex::new(Arc::new(Series::new(&metrics, &pipeline, &plan)));
            let inner = Mutex::default();
            metrics.pipelines.push(Arc::new(PipelineTotals { pipeline, series, inner }));
        }
        for result in RELOAD_RESULTS {
            metrics.counter(&RELOADS, &[("result", result)]).increment(0);
        }
        metrics
    }

    /// What shards count in once a pipeline runs on something else. `None`: there is no such pipeline.
    pub fn series(&self, pipeline: usize, names: &PlanNames) -> Option<Arc<Series>> {
        let totals = self.pipelines.get(pipeline)?;
        Some(Arc::new(Series::new(self, &totals.pipeline, names)))
    }

    /// [`Metrics::totals`] tells of these from now on.
    pub fn adopt(&self, pipeline: usize, series: Arc<Series>) {
        if let Some(totals) = self.pipelines.get(pipeline) {
            *lock(&totals.series) = series;
        }
    }

    /// Counts a reload.
    pub fn count_reload(&self, is_applied: bool) {
        let result = RELOAD_RESULTS[usize::from(!is_applied)];
        self.counter(&RELOADS, &[("result", result)]).increment(1);
    }

    /// The byte budget: how much is used, how much there is.
    pub fn set_budget(&self, used_bytes: u64, limit_bytes: u64) {
        self.budget[0].set(used_bytes as f64);
        self.budget[1].set(limit_bytes as f64);
    }

    /// Counts lines that the log held back.
    pub fn add_log_lines_suppressed(&self, lines: u64) {
        self.log_lines_suppressed.increment(lines);
    }

    /// How far a partition is behind; `None` once it is no longer ours. Not for each event.
    pub fn set_lag(&self, pipeline: usize, topic: &str, partition: i32, lag: Option<u64>) {
        let Some(totals) = self.pipelines.get(pipeline) else { return };
        let number = partition.to_string();
        let labels =
            [("pipeline", totals.pipeline.as_str()), ("topic", topic), ("partition", &number)];
        // The exporter forgets no series; not-a-number is Prometheus' word for "nothing to say".
        let value = lag.map_or(f64::NAN, |lag| lag as f64);
        register_gauge(&self.recorder, &LAG, &labels).set(value);
        let mut inner = lock(&totals.inner);
        match lag {
            Some(lag) => inner.lag.insert((topic.to_owned(), partition), lag),
            None => inner.lag.remove(&(topic.to_owned(), partition)),
        };
    }

    /// How many of a pipeline's partitions do not move.
    pub fn set_stalled(&self, pipeline: usize, partitions: usize) {
        let Some(totals) = self.pipelines.get(pipeline) else { return };
        let labels = [("pipeline", totals.pipeline.as_str())];
        register_gauge(&self.recorder, &STALLED, &labels).set(partitions as f64);
    }

    /// How the targets of calls do. Of others nothing is told any more.
    pub fn set_targets(&self, targets: Vec<Target>) {
        *lock(&self.targets) = targets;
    }

    /// A pipeline's figures, as far as shards have flushed them.
    pub fn totals(&self, pipeline: usize) -> Totals {
        let Some(totals) = self.pipelines.get(pipeline) else { return Totals::default() };
        let plan = lock(&totals.series).totals();
        Totals { plan, ..lock(&totals.inner).clone() }
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        // Writing to a string does not fail. All lines of a metric are one group.
        let _ = targets::render(&mut text, &lock(&self.targets));
        let Metric { name, help, .. } = LATENCY;
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        for totals in &self.pipelines {
            let _ = render_latency(&mut text, &totals.pipeline, &lock(&totals.inner).latency);
        }
        text
    }

    fn pipelines(&self) -> &[Arc<PipelineTotals>] {
        &self.pipelines
    }

    fn counter(&self, metric: &Metric, labels: &[(&str, &str)]) -> Counter {
        self.recorder.register_counter(&key(metric, labels), &METADATA)
    }

    fn gauge(&self, metric: &Metric, labels: &[(&str, &str)]) -> Gauge {
        register_gauge(&self.recorder, metric, labels)
    }
}

fn register_gauge(
    recorder: &PrometheusRecorder,
    metric: &Metric,
    labels: &[(&str, &str)],
) -> Gauge {
    recorder.register_gauge(&key(metric, labels), &METADATA)
}

fn key(metric: &Metric, labels: &[(&str, &str)]) -> Key {
    debug_assert!(labels.iter().map(|(name, _)| *name).eq(metric.labels.iter().copied()));
    let label = |(name, value): &(&str, &str)| Label::new((*name).to_owned(), (*value).to_owned());
    Key::from_parts(metric.name, labels.iter().map(label).collect::<Vec<_>>())
}

fn describe(recorder: &PrometheusRecorder) {
    for metric in &CATALOG {
        match metric.kind {
            Kind::Counter => {
                recorder.describe_counter(metric.name.into(), None, metric.help.into())
            }
            Kind::Gauge => recorder.describe_gauge(metric.name.into(), None, metric.help.into()),
            // The exporter keeps every sample until it is scraped; ours are counted by bucket.
            Kind::Histogram => {}
        }
    }
}

fn render_latency(text: &mut String, pipeline: &str, latency: &Latency) -> fmt::Result {
    let name = LATENCY.name;
    let pipeline = metrics_exporter_prometheus::formatting::sanitize_label_value(pipeline);
    for bits in SHOWN_BITS {
        let (limit, below) = ((1_u64 << bits) as f64 / 1e9, latency.below_power(bits));
        writeln!(text, "{name}_bucket{{pipeline=\"{pipeline}\",le=\"{limit}\"}} {below}")?;
    }
    let (count, sum) = (latency.count(), latency.sum_ns() as f64 / 1e9);
    writeln!(text, "{name}_bucket{{pipeline=\"{pipeline}\",le=\"+Inf\"}} {count}")?;
    writeln!(text, "{name}_sum{{pipeline=\"{pipeline}\"}} {sum}")?;
    writeln!(text, "{name}_count{{pipeline=\"{pipeline}\"}} {count}")
}

/// What is behind the lock are sums, whole whatever its last holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(vec![PipelineNames { pipeline: "iot".to_owned(), plan: plan("1") }])
    }

    fn plan(version: &str) -> PlanNames {
        let states = vec!["Choose".to_owned(), "Done".to_owned()];
        let (definition, version) = ("d".to_owned(), version.to_owned());
        let versions = vec![VersionNames { definition, version, states }];
        PlanNames { routes: vec!["r".to_owned()], versions }
    }

    fn shows(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }

    /// All lines of a metric follow each other: its help, its type, then samples, and nobody else's.
    fn is_in_groups(text: &str) {
        let mut lines = text.lines().filter(|line| !line.is_empty()).peekable();
        let mut seen = BTreeSet::new();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
            let (name, _) = help.unwrap_or_else(|| panic!("{line:?} is in no group:\n{text}"));
            assert!(seen.insert(name), "{name} is in two groups:\n{text}");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
            let kind = kind.and_then(|rest| rest.strip_prefix(name)).map(str::trim_start);
            let endings: &[&str] = match kind {
                Some("histogram") => &["_bucket", "_sum", "_count"],
                Some("counter" | "gauge") => &[""],
                other => panic!("{name} is a {other:?}:\n{text}"),
            };
            let is_its = |line: &&str| {
                let of = line.split(['{', ' ']).next().and_then(|of| of.strip_prefix(name));
                of.is_some_and(|ending| endings.contains(&ending))
            };
            let samples = std::iter::from_fn(|| lines.next_if(is_its)).count();
            assert!(samples > 0, "{name} has no sample of its own after its type:\n{text}");
        }
    }

    #[test]
    fn shards_add_up() {
        let metrics = metrics();
        let mut shards = [ShardCounters::new(&metrics), ShardCounters::new(&metrics)];
        for (shard, counted) in shards.iter_mut().zip([2, 3]) {
            let pipeline = &mut shard.pipelines[0];
            pipeline.counts.records_in += counted;
            pipeline.levels.parked = counted;
            pipeline.plans[0].versions[0].states[1].entered += counted;
            pipeline.plans[0].routes[0] += counted;
            pipeline.latency.record_many(100_000, counted);
            shard.flush();
        }
        shards[0].pipelines[0].levels.parked = 1;
        shards[0].flush();
        let totals = metrics.totals(0);
        assert_eq!((totals.counts.records_in, totals.levels.parked), (5, 4));
        assert_eq!((totals.plan.states[0][1].entered, totals.latency.count()), (5, 5));
        shows(&metrics, "expressway_records_in_total{pipeline=\"iot\"} 5");
        shows(&metrics, "expressway_parked_executions{pipeline=\"iot\"} 4");
        let done = "{pipeline=\"iot\",definition=\"d\",state=\"Done\"}";
        shows(&metrics, &format!("expressway_state_entered_total{done} 5"));
        shows(&metrics, "expressway_routed_records_total{pipeline=\"iot\",route=\"r\"} 5");
        shows(&metrics, "expressway_record_latency_seconds_count{pipeline=\"iot\"} 5");
        shows(&metrics, "expressway_record_latency_seconds_sum{pipeline=\"iot\"} 0.0005");
        let buckets = "expressway_record_latency_seconds_bucket{pipeline=\"iot\",le";
        shows(&metrics, &format!("{buckets}=\"0.000065536\"}} 0"));
        shows(&metrics, &format!("{buckets}=\"0.000131072\"}} 5"));
        shows(&metrics, &format!("{buckets}=\"+Inf\"}} 5"));
    }

    #[test]
    fn what_a_pipeline_runs_on_may_change() {
        let metrics = metrics();
        let mut shard = ShardCounters::new(&metrics);
        let series = metrics.series(0, &plan("2")).expect("there is such a pipeline");
        metrics.adopt(0, series.clone());
        let pipeline = &mut shard.pipelines[0];
        pipeline.adopt(1, series);
        for (plan, started) in [(0, 2), (1, 3)] {
            pipeline.plans[plan].versions[0].counts.started += started;
            pipeline.plans[plan].versions[0].states[0].entered += started;
        }
        shard.flush();
        let labels = "pipeline=\"iot\",definition=\"d\"";
        for (version, count) in [("1", 2), ("2", 3)] {
            let labels = format!("{labels},version=\"{version}\"");
            shows(&metrics, &format!("expressway_version_started_total{{{labels}}} {count}"));
        }
        let entered = "expressway_state_entered_total";
        shows(&metrics, &format!("{entered}{{{labels},state=\"Choose\"}} 5"));
        assert_eq!(metrics.totals(0).plan.versions[0].started, 3, "those of the current one");
        metrics.count_reload(false);
        shows(&metrics, "expressway_reloads_total{result=\"refused\"} 1");
    }

    #[test]
    fn a_shard_that_ends_takes_its_levels_along() {
        let metrics = metrics();
        let mut shard = ShardCounters::new(&metrics);
        shard.pipelines[0].levels.in_flight = 7;
        shard.flush();
        assert_eq!(metrics.totals(0).levels.in_flight, 7);
        shard.pipelines[0].counts.settled += 7;
        drop(shard);
        let totals = metrics.totals(0);
        assert_eq!((totals.levels.in_flight, totals.counts.settled), (0, 7));
        shows(&metrics, "expressway_in_flight_records{pipeline=\"iot\"} 0");
    }

    #[test]
    fn lag_and_budget_are_shown() {
        let metrics = metrics();
        metrics.set_budget(10, 20);
        metrics.set_lag(0, "raw", 3, Some(12));
        shows(&metrics, "expressway_budget_used_bytes 10");
        let lag =
            "expressway_partition_lag_records{pipeline=\"iot\",topic=\"raw\",partition=\"3\"}";
        shows(&metrics, &format!("{lag} 12"));
        metrics.set_lag(0, "raw", 3, None);
        shows(&metrics, &format!("{lag} NaN"));
        assert!(metrics.totals(0).lag.is_empty());
        metrics.add_log_lines_suppressed(7);
        shows(&metrics, "expressway_log_lines_suppressed_total 7");
    }

    #[test]
    fn everything_in_the_catalog_is_shown() {
        let metrics = metrics();
        let shard = ShardCounters::new(&metrics);
        metrics.set_lag(0, "raw", 0, Some(0));
        metrics.set_stalled(0, 0);
        let counts = TargetCounts { requests: 2, ..TargetCounts::default() };
        let (name, levels) = ("api:1".to_owned(), TargetLevels::default());
        metrics.set_targets(vec![Target { name, levels, counts }]);
        shows(&metrics, "expressway_target_requests_total{target=\"api:1\"} 2");
        let text = metrics.render();
        for metric in &CATALOG {
            assert!(
                text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)),
                "{metric:?}"
            );
        }
        is_in_groups(&text);
        drop(shard);
        metrics.set_targets(Vec::new());
        assert!(!metrics.render().contains("api:1"), "it is forgotten");
    }
}
