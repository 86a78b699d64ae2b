//! Every metric by name, and the counters that shards keep for them: one row here is the field that
//! is counted in, the name it is scraped by, and its help.

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// A row of the [`CATALOG`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name it is scraped by; its unit comes last.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What one of it is: `records`, `bytes`, `seconds`.
    pub unit: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// The labels of what is counted for a pipeline.
const PIPELINE: &[&str] = &["pipeline"];
/// The labels of what is counted for a version of a definition.
const VERSION: &[&str] = &["pipeline", "definition", "version"];
/// The labels of what is counted for a state.
const STATE: &[&str] = &["pipeline", "definition", "state"];
/// The label of what is counted for a target of calls.
const TARGET: &[&str] = &["target"];

/// Makes of its rows a struct of plain integers, and their metrics in the same order.
macro_rules! counted {
    ($(#[doc = $about:literal])* $name:ident, $metrics:ident, $kind:ident, $labels:ident {
        $( #[doc = $help:literal] $field:ident: $metric:literal, $unit:literal; )*
    }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $( #[doc = $help] pub $field: u64, )* }

        /// Their metrics, in the same order.
        pub(super) const $metrics: &[Metric] = &[ $( Metric {
            name: $metric,
            kind: Kind::$kind,
            unit: $unit,
            labels: $labels,
            help: $help.trim_ascii(),
        }, )* ];

        impl $name {
            /// All of them, in the order of their metrics.
            pub(super) fn values(&self) -> [u64; $metrics.len()] {
                [ $( self.$field, )* ]
            }

            /// Adds another's.
            pub fn add(&mut self, other: &$name) {
                $( self.$field += other.$field; )*
            }

            /// What has come since `earlier`, for rates.
            pub fn since(&self, earlier: &$name) -> $name {
                $name { $( $field: self.$field.saturating_sub(earlier.$field), )* }
            }
        }
    };
}

counted! {
    /// What a shard counts for a pipeline; only ever added to between two flushes.
    Counts, COUNTS, Counter, PIPELINE {
        /// Records taken from the source.
        records_in: "expressway_records_in_total", "records";
        /// Records that had settled ahead of the last commit before a restart, and were not run again.
        done_before: "expressway_done_before_total", "records";
        /// Bytes of their keys and values.
        bytes_in: "expressway_in_bytes_total", "bytes";
        /// Records without a value that were skipped.
        nulls_skipped: "expressway_nulls_skipped_total", "records";
        /// Executions that succeeded.
        succeeded: "expressway_executions_succeeded_total", "executions";
        /// Executions that failed.
        failed: "expressway_executions_failed_total", "executions";
        /// Executions that timed out.
        timed_out: "expressway_executions_timed_out_total", "executions";
        /// Executions given up because their partition was taken away or the process stopped.
        aborted: "expressway_executions_aborted_total", "executions";
        /// Panics caught in executions, each a failed record; please report them.
        panics: "expressway_panics_total", "panics";
        /// Steps that executions took.
        steps: "expressway_steps_total", "steps";
        /// Times an execution spent its work budget and was put behind others.
        yields: "expressway_yields_total", "yields";
        /// Executions parked for a task or a time.
        parks: "expressway_parks_total", "executions";
        /// Task calls started.
        task_calls: "expressway_task_calls_total", "calls";
        /// Task calls that failed.
        task_failures: "expressway_task_failures_total", "calls";
        /// Answers from outside that tasks were waiting for.
        answers: "expressway_task_answers_total", "answers";
        /// Answers from outside that came early and were held for their tasks.
        answers_held: "expressway_task_answers_held_total", "answers";
        /// Held answers that no task came to wait for.
        answers_dropped: "expressway_task_answers_dropped_total", "answers";
        /// Retries of states, as their Retry asks for.
        retries: "expressway_retries_total", "retries";
        /// Errors that a Catch took.
        catches: "expressway_catches_total", "errors";
        /// Failed records that were run again, as the pipeline's retry asks for.
        record_retries: "expressway_record_retries_total", "retries";
        /// Records of batches that an execution's batchItemFailures named.
        item_failures: "expressway_batch_item_failures_total", "records";
        /// Outputs that the sink has acknowledged.
        outputs: "expressway_outputs_total", "records";
        /// Bytes of their keys and values.
        bytes_out: "expressway_out_bytes_total", "bytes";
        /// Outputs written again after the sink refused them.
        output_retries: "expressway_output_retries_total", "records";
        /// Dead letters that were acknowledged.
        dead_letters: "expressway_dead_letters_total", "records";
        /// Dead letters too large for their topic, written to the fallback file.
        dead_letter_fallbacks: "expressway_dead_letter_fallbacks_total", "records";
        /// Failed records dropped, as the failure policy says.
        dropped: "expressway_dropped_total", "records";
        /// Messages handed back to their queue after a failure.
        handed_back: "expressway_handed_back_total", "records";
        /// Records settled.
        settled: "expressway_settled_total", "records";
        /// Transactions of exactly-once pipelines that were committed.
        transactions_committed: "expressway_transactions_committed_total", "transactions";
        /// Transactions that were aborted, their records read again.
        transactions_aborted: "expressway_transactions_aborted_total", "transactions";
        /// Times a partition was stopped because its window was full.
        window_stops: "expressway_window_stops_total", "stops";
        /// Completions that came after their partition or attempt was gone.
        stale: "expressway_stale_total", "completions";
    }
}

counted! {
    /// How much of a pipeline a shard holds just now.
    Levels, LEVELS, Gauge, PIPELINE {
        /// Records taken and not yet settled.
        in_flight: "expressway_in_flight_records", "records";
        /// Executions parked for a task or a time.
        parked: "expressway_parked_executions", "executions";
        /// Tasks that wait for an answer from outside.
        waiting_tasks: "expressway_waiting_tasks", "tasks";
        /// Outputs written and not yet acknowledged.
        outputs_pending: "expressway_outputs_pending_records", "records";
        /// Shards that have paused the pipeline.
        paused: "expressway_paused_shards", "shards";
    }
}

counted! {
    /// What a shard counts for a version of a definition.
    VersionCounts, VERSION_COUNTS, Counter, VERSION {
        /// Executions begun on a version of a definition.
        started: "expressway_version_started_total", "executions";
        /// Executions on it that succeeded.
        succeeded: "expressway_version_succeeded_total", "executions";
        /// Executions on it that failed or timed out.
        failed: "expressway_version_failed_total", "executions";
    }
}

counted! {
    /// What a shard counts for a state.
    StateCounts, STATE_COUNTS, Counter, STATE {
        /// Times a state was entered.
        entered: "expressway_state_entered_total", "entries";
        /// Errors that were raised in a state, retried and caught ones included.
        errors: "expressway_state_errors_total", "errors";
    }
}

counted! {
    /// How a target of calls does just now.
    TargetLevels, TARGET_LEVELS, Gauge, TARGET {
        /// 1 while a target of calls is down, else 0.
        down: "expressway_down_targets", "targets";
        /// Calls to a target that are under way.
        under_way: "expressway_target_calls", "calls";
        /// Calls that wait for their turn at a target.
        waiting: "expressway_target_waiting_calls", "calls";
        /// Calls a second that a target is held to, by settings or because it throttles; 0 for any.
        rate: "expressway_target_rate_calls_per_second", "calls_per_second";
    }
}

counted! {
    /// What has come of the requests to a target.
    TargetCounts, TARGET_COUNTS, Counter, TARGET {
        /// Requests to a target.
        requests: "expressway_target_requests_total", "requests";
        /// Requests that a target did not answer, or with a 5xx.
        failures: "expressway_target_failures_total", "requests";
        /// Requests that a target said were too much.
        throttled: "expressway_target_throttled_total", "requests";
    }
}

/// What became of records by the pipeline's rules.
pub(super) const ROUTED: Metric = Metric {
    name: "expressway_routed_records_total",
    kind: Kind::Counter,
    unit: "records",
    labels: &["pipeline", "route"],
    help: "Records that a route took; those that none took are counted as \"unmatched\".",
};

/// Reloads.
pub(super) const RELOADS: Metric = Metric {
    name: "expressway_reloads_total",
    kind: Kind::Counter,
    unit: "reloads",
    labels: &["result"],
    help: "Reloads of definitions and routes, \"applied\" or \"refused\".",
};

/// From a record's arrival to its settlement.
pub(super) const LATENCY: Metric = Metric {
    name: "expressway_record_latency_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: PIPELINE,
    help: "From a record's arrival in its shard to its settlement.",
};

/// How far a partition is behind.
pub(super) const LAG: Metric = Metric {
    name: "expressway_partition_lag_records",
    kind: Kind::Gauge,
    unit: "records",
    labels: &["pipeline", "topic", "partition"],
    help: "Records of a partition that are not yet settled, queued at the broker included.",
};

/// What does not move.
pub(super) const STALLED: Metric = Metric {
    name: "expressway_stalled_partitions",
    kind: Kind::Gauge,
    unit: "partitions",
    labels: PIPELINE,
    help: "Partitions with something to do that have not moved for engine.stall_timeout.",
};

/// The byte budget's use.
pub(super) const BUDGET_USED: Metric = Metric {
    name: "expressway_budget_used_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &[],
    help: "Bytes of the byte budget in use by queues, executions and sinks.",
};

/// The byte budget.
pub(super) const BUDGET_LIMIT: Metric = Metric {
    name: "expressway_budget_limit_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &[],
    help: "The byte budget, engine.byte_budget.",
};

/// What the log held back.
pub(super) const LOG_LINES_SUPPRESSED: Metric = Metric {
    name: "expressway_log_lines_suppressed_total",
    kind: Kind::Counter,
    unit: "lines",
    labels: &[],
    help: "Lines of the log left out because one place wrote more than log.lines_max in 10 s.",
};

const SINGLES: &[Metric] =
    &[LATENCY, LAG, STALLED, BUDGET_USED, BUDGET_LIMIT, LOG_LINES_SUPPRESSED, ROUTED, RELOADS];

const GROUPS: [&[Metric]; 7] =
    [COUNTS, LEVELS, VERSION_COUNTS, STATE_COUNTS, TARGET_LEVELS, TARGET_COUNTS, SINGLES];

const COUNT: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        (count, group) = (count + GROUPS[group].len(), group + 1);
    }
    count
};

/// Every metric there is.
pub static CATALOG: [Metric; COUNT] = {
    let mut catalog = [LATENCY; COUNT];
    let (mut group, mut next) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            catalog[next] = GROUPS[group][row];
            (next, row) = (next + 1, row + 1);
        }
        group += 1;
    }
    catalog
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_used_once() {
        let names: BTreeSet<&str> = CATALOG.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), CATALOG.len());
    }

    #[test]
    fn names_say_what_they_are() {
        for metric in &CATALOG {
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
            let unit_last = metric.name.ends_with(&format!("_{}", metric.unit));
            assert!(is_total || unit_last, "{}", metric.name);
            assert!(metric.help.ends_with(['.', ';']) && metric.help.len() > 10, "{}", metric.name);
        }
    }
}
