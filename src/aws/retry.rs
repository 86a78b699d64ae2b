//! How long to wait before a call is tried again.

use std::time::Duration;

use super::Settings;
use super::error::Error;

/// Before attempt `made + 1`: anything up to a bound that doubles, so that those who were refused
/// together do not come back together; at least what the service asks for.
pub(super) fn pause(settings: &Settings, made: u32, error: &Error) -> Duration {
    if error.is_expired() || error.is_skewed() {
        // What was wrong has been put right.
        return Duration::ZERO;
    }
    let doubled = 2_f64.powi(made.saturating_sub(1).min(30) as i32);
    let bound = settings.backoff.mul_f64(doubled).min(settings.backoff_max);
    let drawn = bound.mul_f64(fastrand::f64());
    let asked = error.retry_after.unwrap_or_default().min(settings.backoff_max);
    drawn.max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{ErrorKind, Service};

    #[test]
    fn pauses_stay_below_a_bound_that_doubles() {
        let sqs = Service::find("sqs").expect("it is there");
        let mut error = Error::new(ErrorKind::Connection, sqs, "SendMessage", "refused");
        let second = Duration::from_secs(1);
        let settings = Settings { backoff: second, backoff_max: 4 * second, ..Settings::default() };
        for (made, bound) in [(1, second), (2, 2 * second), (3, 4 * second), (40, 4 * second)] {
            assert!((0..100).all(|_| pause(&settings, made, &error) <= bound), "{made}");
            assert!((0..100).any(|_| pause(&settings, made, &error) > bound / 2), "{made}");
        }
        error.retry_after = Some(3 * second);
        assert!(pause(&settings, 1, &error) == 3 * second);
        error.retry_after = Some(60 * second);
        assert!(pause(&settings, 1, &error) == 4 * second);
    }
}
