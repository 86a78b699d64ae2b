//! The one clock of a run: nanoseconds since 1970 that never go back, the same for all its threads.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The system's time at one moment, carried on by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_ns: u64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), start_ns: since_1970.as_nanos() as u64 }
    }

    /// When it started.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Now.
    pub fn now_ns(&self) -> u64 {
        self.start_ns + self.since_start_ns()
    }

    /// How long it has run.
    pub fn since_start_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
