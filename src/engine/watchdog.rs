//! Shards that hang: an execution that does not come back from one call, or anything else that keeps a
//! shard's round from ending, would hold its partitions for ever. The process is ended instead, so
//! that it is started again, and what ran there comes under suspicion.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::StartError;
use crate::shard::Suspects;

/// Looks in the time after which a shard hangs. Looks are counted, not time: a process that was
/// stopped for a while has not hung.
const LOOKS: u32 = 20;

/// A thread that looks at the shards.
pub struct Watchdog {
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Watchdog {
    /// Watches from now on.
    pub fn start(suspects: Arc<Suspects>, bound: Duration) -> Result<Watchdog, StartError> {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let run = move || {
            let mut standstill = Standstill::default();
            while !ends.load(Ordering::Acquire) {
                thread::park_timeout(bound / LOOKS);
                let stuck = standstill.look(&suspects.beats());
                // Others may only wait for the one whose execution does not end.
                let guilty = stuck.iter().find(|shard| suspects.running(**shard).is_some());
                if let Some(shard) = guilty.or(stuck.first()) {
                    abort(*shard, bound, suspects.running(*shard));
                }
            }
        };
        let thread = thread::Builder::new().name("watchdog".into()).spawn(run);
        let thread = thread
            .map_err(|e| StartError::new(format!("the watchdog could not be started: {e}")))?;
        Ok(Watchdog { thread: Some(thread), is_over })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // Nothing in it may panic, and nobody would hear of it here.
            let _ = thread.join();
        }
    }
}

fn abort(shard: usize, bound: Duration, running: Option<String>) -> ! {
    let running = running.unwrap_or_else(|| "no execution".to_owned());
    tracing::error!(
        shard,
        running,
        "a shard has hung for engine.hang_timeout ({bound:?}): the process is aborted; what ran is \
         run alone after the next start"
    );
    std::process::abort()
}

/// For how many looks each shard has done nothing.
#[derive(Default)]
struct Standstill {
    seen: Vec<(Option<u64>, u32)>,
}

impl Standstill {
    /// The shards that have stood still for too long.
    fn look(&mut self, beats: &[Option<u64>]) -> Vec<usize> {
        self.seen.resize(beats.len(), (None, 0));
        for (seen, now) in self.seen.iter_mut().zip(beats) {
            let looks = if now.is_some() && seen.0 == *now { seen.1 + 1 } else { 0 };
            *seen = (*now, looks);
        }
        (0..beats.len()).filter(|shard| self.seen[*shard].1 > LOOKS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shard_that_stands_still_has_hung() {
        let mut standstill = Standstill::default();
        for look in 0..LOOKS as u64 {
            assert!(standstill.look(&[Some(look), None, Some(7)]).is_empty(), "{look}");
        }
        // The third has moved, a moment before it would have been too late.
        assert!(standstill.look(&[Some(99), None, Some(8)]).is_empty());
        for look in 0..LOOKS {
            assert!(standstill.look(&[Some(99), None, Some(u64::from(look))]).is_empty(), "{look}");
        }
        assert_eq!(standstill.look(&[Some(99), None, Some(99)]), [0]);
    }
}
