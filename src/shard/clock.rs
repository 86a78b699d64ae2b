//! The time, as a shard reads it once a tick: the system's, or a simulation's.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Milliseconds since 1970.
    pub wall_ms: i64,
    /// Nanoseconds since some moment; never goes back.
    pub elapsed_ns: u64,
}

/// Tells the time.
pub struct Clock(Box<dyn Fn() -> Time + Send>);

impl Clock {
    /// The system's clocks; before 1970 it is 1970.
    pub fn system() -> Clock {
        let started = Instant::now();
        Clock::new(move || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            Time {
                wall_ms: since.map_or(0, |since| since.as_millis() as i64),
                elapsed_ns: started.elapsed().as_nanos() as u64,
            }
        })
    }

    /// A clock that reads what `read` says.
    pub fn new(read: impl Fn() -> Time + Send + 'static) -> Clock {
        Clock(Box::new(read))
    }

    /// What time it is.
    pub fn read(&self) -> Time {
        (self.0)()
    }
}
