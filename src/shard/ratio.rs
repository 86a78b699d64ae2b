//! Watches the share of records that fail, so that a bad deployment does not turn a whole topic into
//! dead letters.

use std::time::Duration;

/// Records below which a share says nothing.
const RECORDS_MIN: u64 = 100;

/// The share of failed records over a window of time that begins anew when it is over.
#[derive(Debug)]
pub struct FailureRatio {
    limit: Option<(f64, u64)>,
    since_ns: u64,
    records: u64,
    failures: u64,
}

impl FailureRatio {
    /// Watches for more than this share within this time; `None` watches nothing.
    pub fn new(limit: Option<(f64, Duration)>) -> FailureRatio {
        let limit = limit.map(|(ratio, window)| (ratio, window.as_nanos() as u64));
        FailureRatio { limit, since_ns: 0, records: 0, failures: 0 }
    }

    /// Counts a record.
    #[inline]
    pub fn count(&mut self, has_failed: bool) {
        self.records += 1;
        self.failures += u64::from(has_failed);
    }

    /// Why the pipeline should pause, if it should.
    pub fn verdict(&mut self, now_ns: u64) -> Option<String> {
        let (ratio, window_ns) = self.limit?;
        let (records, failures) = (self.records, self.failures);
        if records >= RECORDS_MIN && failures as f64 > ratio * records as f64 {
            return Some(format!(
                "{failures} of the last {records} records failed, more than failure_ratio_max \
                 ({ratio}) allows. Mend the definition or the input, then restart"
            ));
        }
        if now_ns.saturating_sub(self.since_ns) > window_ns && records >= RECORDS_MIN {
            (self.since_ns, self.records, self.failures) = (now_ns, 0, 0);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_above_the_share_and_forgets_old_windows() {
        let mut ratio = FailureRatio::new(Some((0.5, Duration::from_secs(1))));
        (0..99).for_each(|_| ratio.count(true));
        assert_eq!(ratio.verdict(0), None);
        ratio.count(true);
        assert!(ratio.verdict(0).is_some_and(|why| why.contains("100 of the last 100")));
        let mut ratio = FailureRatio::new(Some((0.5, Duration::from_secs(1))));
        (0..100).for_each(|at| ratio.count(at % 2 == 0));
        assert_eq!(ratio.verdict(2_000_000_000), None);
        assert_eq!((ratio.records, ratio.failures), (0, 0));
    }
}
