//! Latencies in an HDR histogram. They are counted from when an event was *scheduled*, so what a
//! stall holds up counts with its whole wait: no coordinated omission, and nothing to correct.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Shorter ones count as this (1 µs): clocks and threads are no finer.
const LOWEST_NS: u64 = 1_000;
/// Longer ones count as this (an hour).
const HIGHEST_NS: u64 = 3_600_000_000_000;
/// A value is right to one part in a thousand.
const DIGITS: u8 = 3;

/// Latencies seen so far.
#[derive(Clone)]
pub struct Latencies(Histogram<u64>);

/// The usual ones, in microseconds; all 0 where nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many were counted.
    pub count: u64,
    /// The mean.
    pub mean_us: f64,
    /// Half were faster.
    pub p50_us: f64,
    /// Nine of ten were.
    pub p90_us: f64,
    /// 99 of 100 were.
    pub p99_us: f64,
    /// 999 of 1,000 were.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS);
        Latencies(histogram.expect("the bounds are constants that the histogram takes"))
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.percentiles().fmt(f)
    }
}

impl Latencies {
    /// Counts an event that was scheduled at one time and whose result was seen at another.
    pub fn record(&mut self, scheduled_ns: u64, seen_ns: u64) {
        self.0.saturating_record(seen_ns.saturating_sub(scheduled_ns).max(LOWEST_NS));
    }

    /// Takes another's in.
    pub fn add(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The value that this share of events (0 to 1) stayed below, in microseconds.
    pub fn at_us(&self, quantile: f64) -> f64 {
        micros(self.0.value_at_quantile(quantile))
    }

    /// The usual percentiles.
    pub fn percentiles(&self) -> Percentiles {
        if self.0.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            count: self.0.len(),
            mean_us: (self.0.mean() / 10.0).round() / 100.0,
            p50_us: self.at_us(0.5),
            p90_us: self.at_us(0.9),
            p99_us: self.at_us(0.99),
            p999_us: self.at_us(0.999),
            max_us: micros(self.0.max()),
        }
    }

    /// Quantile and latency, from the median's side to the last event: the distribution's curve.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut tail = 1.0;
        while !self.0.is_empty() && tail * self.0.len() as f64 >= 1.0 {
            points.push((1.0 - tail, self.at_us(1.0 - tail)));
            tail /= 1.25;
        }
        points
    }
}

fn micros(ns: u64) -> f64 {
    (ns as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::schedule::{Arrival, RateStep, Schedule};

    const MS: u64 = 1_000_000;

    /// A system that answers in 1 ms but stands still from second 5 to second 7, under 1,000/s for
    /// 10 s. Returns latencies from the schedule, and from when a closed loop would have sent.
    fn stall() -> (Latencies, Latencies) {
        let step = RateStep { rate: 1000, duration: Duration::from_secs(10) };
        let (mut open, mut closed) = (Latencies::default(), Latencies::default());
        let mut schedule = Schedule::new(&[step]);
        let mut free_ns = 0;
        while let Arrival::Due { at_ns, .. } = schedule.next(u64::MAX) {
            let start_ns = at_ns.max(free_ns);
            let stalled = (5_000 * MS..7_000 * MS).contains(&start_ns);
            let seen_ns = if stalled { 7_000 * MS } else { start_ns + MS / 10 };
            open.record(at_ns, seen_ns);
            closed.record(start_ns, seen_ns);
            free_ns = seen_ns;
        }
        (open, closed)
    }

    #[test]
    fn a_stall_counts_for_every_event_it_held_up() {
        let (open, closed) = stall();
        assert_eq!(open.percentiles().count, 10_000);
        // 2,000 events came in during the stall and waited 2,000 ms down to 0, and the backlog of
        // 2,000 drains at ten a millisecond: a tenth of all events waited longer than about 1.1 s.
        let p90_ms = open.at_us(0.9) / 1000.0;
        assert!((1_000.0..1_250.0).contains(&p90_ms), "{p90_ms} ms");
        assert!(open.percentiles().max_us > 1_999_000.0);
        // A closed loop sees one slow answer and calls everything else fast: the omission.
        assert!(closed.at_us(0.999) < 200.0);
    }

    #[test]
    fn values_keep_three_digits_and_out_of_range_ones_count() {
        let mut latencies = Latencies::default();
        latencies.record(0, 123_456_789);
        assert!((latencies.at_us(1.0) - 123_456.8).abs() < 124.0);
        latencies.record(10, 5);
        latencies.record(0, u64::MAX);
        let Percentiles { count, max_us, .. } = latencies.percentiles();
        assert_eq!(count, 3);
        assert!((max_us - 3.6e9).abs() < 3.6e6);
        assert_eq!(Latencies::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn the_curve_rises() {
        let (open, _) = stall();
        let curve = open.curve();
        assert!(curve.len() > 20 && curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    }
}
