//! Partitions that do not move: there is something to do, and for a while nothing was read or settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sources::kafka::Lag;

/// A partition of a pipeline (by its index).
type Place = (usize, Arc<str>, i32);

/// Where a partition stood when it last moved.
#[derive(Debug)]
struct Standing {
    at: (i64, i64),
    since: Instant,
    is_told: bool,
}

/// Watches over all partitions of this process.
#[derive(Debug)]
pub struct Progress {
    bound: Duration,
    standings: BTreeMap<Place, Standing>,
}

impl Progress {
    /// Nothing seen yet; a partition is stalled after so long without a move.
    pub fn new(bound: Duration) -> Progress {
        Progress { bound, standings: BTreeMap::new() }
    }

    /// Takes in where all partitions stand now; those that are not told of any more are forgotten.
    /// Returns the stalled ones of each pipeline, and logs what has changed about that.
    pub fn look(&mut self, now: Instant, lags: &[(usize, Lag)]) -> BTreeMap<usize, Vec<String>> {
        let mut before = std::mem::take(&mut self.standings);
        let mut stalled: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (pipeline, lag) in lags {
            let place = (*pipeline, lag.topic.clone(), lag.partition);
            let at = (lag.position, lag.settled);
            let known = before.remove(&place).filter(|it| it.at == at && lag.unsettled > 0);
            let mut standing = known.unwrap_or(Standing { at, since: now, is_told: false });
            let rests = now.saturating_duration_since(standing.since);
            if rests >= self.bound {
                let Lag { topic, partition, unsettled, .. } = lag;
                if !std::mem::replace(&mut standing.is_told, true) {
                    tracing::warn!(%topic, partition, unsettled, ?rests, "a partition does not move");
                }
                stalled.entry(*pipeline).or_default().push(format!("{topic}/{partition}"));
            }
            self.standings.insert(place, standing);
        }
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(position: i64, settled: i64, unsettled: i64) -> [(usize, Lag); 1] {
        let topic = Arc::from("t");
        [(0, Lag { topic, partition: 3, records: 0, position, settled, unsettled })]
    }

    #[test]
    fn what_rests_with_work_to_do_is_stalled() {
        let mut progress = Progress::new(Duration::from_secs(10));
        let start = Instant::now();
        let mut look =
            |seconds, lags: &[_]| progress.look(start + Duration::from_secs(seconds), lags);
        let stalled = BTreeMap::from([(0, vec!["t/3".to_owned()])]);
        assert!(look(0, &lag(5, 2, 3)).is_empty());
        assert!(look(9, &lag(5, 2, 3)).is_empty());
        assert_eq!(look(10, &lag(5, 2, 3)), stalled);
        assert_eq!(look(11, &lag(5, 2, 9)), stalled, "more to do is no move");
        assert!(look(12, &lag(5, 3, 2)).is_empty(), "one has settled");
        assert!(look(21, &lag(6, 3, 2)).is_empty(), "one was read");
        assert_eq!(look(31, &lag(6, 3, 2)), stalled);
        assert!(look(32, &[]).is_empty(), "it is another member's");
        assert!(look(60, &lag(6, 3, 2)).is_empty(), "and comes back");
        assert!(look(90, &lag(8, 8, 0)).is_empty());
        assert!(look(900, &lag(8, 8, 0)).is_empty(), "nothing to do");
    }
}
