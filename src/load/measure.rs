//! The receiving side: reads results, tells by their ids which events came back and how often, and
//! by the send time they carry how long that took.

use memchr::memmem::Finder;

use super::histogram::Latencies;
use super::schedule::{RateStep, step_at};
use super::shape::{SEQ_DIGITS, id_prefix};

/// What precedes the send time in an event and, where the definition keeps it, in its result.
const SENT_NS: &[u8] = b"\"sent_ns\":";

/// Counts of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events with a result.
    pub distinct: u64,
    /// Results beyond an event's first.
    pub duplicates: u64,
    /// Records without an id of this run: another run's, dead letters, or results that lost it.
    pub foreign: u64,
    /// Results without a send time; they are counted, not timed.
    pub untimed: u64,
}

/// The results of one run so far.
pub struct Results {
    id: Finder<'static>,
    sent: Finder<'static>,
    start_ns: u64,
    steps: Vec<RateStep>,
    seen: Vec<u64>,
    /// Counts over the whole run.
    pub counts: Counts,
    /// Latencies of the events sent in each step.
    pub by_step: Vec<Latencies>,
    /// Latencies since the caller cleared it last.
    pub interval: Latencies,
}

impl Results {
    /// None yet, of a run with these steps that started then.
    pub fn new(run: u32, start_ns: u64, steps: Vec<RateStep>) -> Results {
        Results {
            id: Finder::new(&id_prefix(run)).into_owned(),
            sent: Finder::new(SENT_NS),
            start_ns,
            seen: Vec::new(),
            counts: Counts::default(),
            by_step: vec![Latencies::default(); steps.len()],
            interval: Latencies::default(),
            steps,
        }
    }

    /// Takes a result that was seen at `seen_ns`; `offered` events exist so far.
    pub fn take(&mut self, value: &[u8], seen_ns: u64, offered: u64) {
        match self.seq(value).filter(|seq| *seq < offered) {
            None => self.counts.foreign += 1,
            Some(seq) if self.mark(seq) => {
                self.counts.distinct += 1;
                self.time(value, seen_ns);
            }
            Some(_) => self.counts.duplicates += 1,
        }
    }

    /// The number of the event that this is the result of.
    pub fn seq(&self, value: &[u8]) -> Option<u64> {
        let start = self.id.find(value)? + self.id.needle().len();
        let digits = value.get(start..start + SEQ_DIGITS)?;
        digits.iter().all(u8::is_ascii_digit).then(|| number(digits))
    }

    /// Marks an event as seen; false where it was before.
    fn mark(&mut self, seq: u64) -> bool {
        let (word, bit) = ((seq / 64) as usize, 1 << (seq % 64));
        if word >= self.seen.len() {
            self.seen.resize((word + 1).next_power_of_two(), 0);
        }
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_new
    }

    /// When the event that this is the result of was due.
    pub fn sent_ns(&self, value: &[u8]) -> Option<u64> {
        let start = self.sent.find(value)? + SENT_NS.len();
        Some(number(value[start..].trim_ascii_start()))
    }

    fn time(&mut self, value: &[u8], seen_ns: u64) {
        let Some(sent_ns) = self.sent_ns(value) else {
            self.counts.untimed += 1;
            return;
        };
        let step = step_at(&self.steps, sent_ns.saturating_sub(self.start_ns));
        self.by_step[step].record(sent_ns, seen_ns);
        self.interval.record(sent_ns, seen_ns);
    }
}

/// The number that a text starts with.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |n: u64, digit| n.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn counts_by_id_and_times_by_field() {
        let step = |rate| RateStep { rate, duration: Duration::from_secs(1) };
        let mut results = Results::new(0xAB, 5_000_000_000, vec![step(1), step(2)]);
        let mut take = |value: &str| results.take(value.as_bytes(), 6_600_000_000, 100);
        take(r#"{"renamed":"000000ab-000000000000","sent_ns": 5500000000}"#);
        take(r#"{"id":"000000ab-000000000099","sent_ns":6200000000,"n":1}"#);
        take(r#"{"id":"000000ab-000000000099","sent_ns":6200000000}"#);
        take(r#"{"id":"000000ab-000000000007"}"#);
        take(r#"{"id":"000000ab-000000000100","sent_ns":1}"#);
        take(r#"{"id":"000000ac-000000000001","sent_ns":1}"#);
        take(r#"{"id":"000000ab-0000"#);
        let expected = Counts { distinct: 3, duplicates: 1, foreign: 3, untimed: 1 };
        assert_eq!(results.counts, expected);
        let p50 = |i: usize| results.by_step[i].percentiles().p50_us.round();
        assert!((p50(0) - 1_100_000.0).abs() < 1100.0 && (p50(1) - 400_000.0).abs() < 400.0);
        assert_eq!(results.interval.percentiles().count, 2);
    }
}
