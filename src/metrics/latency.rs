//! Latencies by size, in fixed memory: recording one is an index and an addition.

/// Buckets between two powers of two: 16, so that a bucket is at most 6.25 % wide.
const SUB_BITS: u32 = 4;
const SUBS: usize = 1 << SUB_BITS;
/// Up to 2^39 ns, nine minutes: longer than any execution may take by default.
const BITS_MAX: u32 = 39;
const BUCKETS: usize = SUBS * (BITS_MAX - SUB_BITS + 1) as usize;

/// A histogram of nanoseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Latency {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { buckets: Box::new([0; BUCKETS]), count: 0, sum_ns: 0, max_ns: 0 }
    }
}

impl std::fmt::Debug for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Latency { count, max_ns, .. } = self;
        write!(f, "Latency({count} records, p50 {} ns, max {max_ns} ns)", self.quantile_ns(0.5))
    }
}

impl Latency {
    /// Counts one.
    pub fn record(&mut self, ns: u64) {
        self.record_many(ns, 1);
    }

    /// Counts several that took alike, a batch's.
    pub fn record_many(&mut self, ns: u64, count: u64) {
        self.buckets[bucket(ns)] += count;
        self.count += count;
        self.sum_ns = self.sum_ns.saturating_add(ns.saturating_mul(count));
        self.max_ns = self.max_ns.max(ns);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The longest.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// What this share of them did not exceed, to 6.25 %; 0 where there are none.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let wanted = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_ns(index).min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Latency) {
        for (bucket, count) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *bucket += count;
        }
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.buckets.fill(0);
        (self.count, self.sum_ns, self.max_ns) = (0, 0, 0);
    }

    /// How many were shorter than 2^`bits` ns, for the powers that Prometheus is shown.
    pub(super) fn below_power(&self, bits: u32) -> u64 {
        self.buckets[..bucket(1 << bits)].iter().sum()
    }
}

fn bucket(ns: u64) -> usize {
    if ns < SUBS as u64 {
        return ns as usize;
    }
    let exponent = ns.ilog2();
    let sub = (ns >> (exponent - SUB_BITS)) as usize & (SUBS - 1);
    let index = ((exponent - SUB_BITS + 1) as usize) * SUBS + sub;
    index.min(BUCKETS - 1)
}

/// The largest value that falls into the bucket.
fn upper_ns(index: usize) -> u64 {
    if index < SUBS {
        return index as u64;
    }
    let (octave, sub) = (index / SUBS, index % SUBS);
    let shift = octave - 1;
    (((SUBS + sub + 1) as u64) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_its_bucket() {
        let mut previous = 0;
        for ns in (0..5000).chain([65_535, 65_536, 1 << 30, (1 << 38) + 12_345]) {
            let index = bucket(ns);
            assert!(index >= previous && ns <= upper_ns(index), "{ns}");
            assert!(upper_ns(index) as f64 <= ns as f64 * 1.0625 + 1.0, "{ns}");
            assert!(index == 0 || upper_ns(index - 1) < ns, "{ns}");
            previous = index;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_near() {
        let mut latency = Latency::default();
        (1..=10_000).for_each(|us| latency.record(us * 1000));
        for (quantile, exact) in [(0.5, 5e6), (0.99, 9.9e6), (0.999, 9.99e6), (1.0, 1e7)] {
            let found = latency.quantile_ns(quantile) as f64;
            assert!((exact..exact * 1.0625).contains(&found), "{quantile}: {found}");
        }
        assert_eq!(Latency::default().quantile_ns(0.5), 0);
    }

    #[test]
    fn adding_is_as_if_recorded_together() {
        let (mut left, mut right, mut both) = <(Latency, Latency, Latency)>::default();
        left.record(70);
        right.record_many(1 << 50, 3);
        both.record(70);
        both.record_many(1 << 50, 3);
        left.add(&right);
        assert_eq!(left, both);
        assert_eq!((both.below_power(7), both.below_power(6)), (1, 0));
    }
}
