//! Whether the process works (liveness) and whether it should be given work (readiness), as its
//! parts report it and the HTTP endpoint tells it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A shard that has not turned its loop for so long hangs: it wakes at least for its metrics.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Shared by all parts of the process.
#[derive(Clone, Debug)]
pub struct Health(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    since: Instant,
    /// Why not ready, by who says so.
    reasons: Mutex<BTreeMap<String, String>>,
    pulses: Mutex<Vec<(String, Arc<AtomicU64>)>>,
}

/// One shard's sign of life.
#[derive(Clone, Debug)]
pub struct Pulse {
    since: Instant,
    beat_ms: Arc<AtomicU64>,
}

impl Pulse {
    /// Says that the shard lives; `now` as its loop has it.
    pub fn beat(&self, now: Instant) {
        self.beat_ms.store(millis(now.saturating_duration_since(self.since)), Ordering::Relaxed);
    }

    /// The shard has ended in order: its silence means nothing.
    pub fn end(&self) {
        self.beat_ms.store(u64::MAX, Ordering::Relaxed);
    }
}

impl Default for Health {
    fn default() -> Health {
        let shared =
            Shared { since: Instant::now(), reasons: Mutex::default(), pulses: Mutex::default() };
        Health(Arc::new(shared))
    }
}

impl Health {
    /// Not ready, says `part` (a pipeline's name, `engine`), until it calls [`Health::ready`].
    pub fn not_ready(&self, part: &str, reason: &str) {
        lock(&self.0.reasons).insert(part.to_owned(), reason.to_owned());
    }

    /// `part` has nothing against being ready any more.
    pub fn ready(&self, part: &str) {
        lock(&self.0.reasons).remove(part);
    }

    /// Why the process is not ready, by part; empty where it is.
    pub fn reasons(&self) -> Vec<(String, String)> {
        lock(&self.0.reasons).iter().map(|(part, why)| (part.clone(), why.clone())).collect()
    }

    /// A sign of life for a shard (`shard 0`), which must beat more often than [`SILENCE_MAX`].
    pub fn pulse(&self, shard: &str) -> Pulse {
        let pulse = Pulse { since: self.0.since, beat_ms: Arc::default() };
        pulse.beat(Instant::now());
        lock(&self.0.pulses).push((shard.to_owned(), pulse.beat_ms.clone()));
        pulse
    }

    /// Shards that were silent for longer than [`SILENCE_MAX`] at `now`.
    pub fn silent(&self, now: Instant) -> Vec<String> {
        let now_ms = millis(now.saturating_duration_since(self.0.since));
        let pulses = lock(&self.0.pulses);
        let is_silent = |beat: &AtomicU64| {
            now_ms.saturating_sub(beat.load(Ordering::Relaxed)) > millis(SILENCE_MAX)
        };
        pulses.iter().filter(|(_, beat)| is_silent(beat)).map(|(name, _)| name.clone()).collect()
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// What is behind the lock is whole whatever its last holder did: single insertions and removals.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_once_nobody_objects() {
        let health = Health::default();
        health.not_ready("engine", "starting");
        health.not_ready("iot", "waiting for an assignment");
        health.ready("engine");
        let reason = ("iot".to_owned(), "waiting for an assignment".to_owned());
        assert_eq!(health.reasons(), [reason]);
        health.ready("iot");
        assert!(health.reasons().is_empty());
    }

    #[test]
    fn a_silent_shard_is_named() {
        let health = Health::default();
        let (first, second, third) = (health.pulse("0"), health.pulse("1"), health.pulse("2"));
        let later = Instant::now() + SILENCE_MAX * 2;
        first.beat(later);
        third.end();
        assert_eq!(health.silent(later), ["1"]);
        second.beat(later);
        assert!(health.silent(later).is_empty());
    }
}
