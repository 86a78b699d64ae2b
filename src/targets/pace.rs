//! How many calls a second go to a target: as many as are set, and fewer where it says that this is
//! too much: less than what it took of late, and then slowly more again. All who call it slow down
//! together, and come back together.

use std::time::Duration;

use super::Settings;

/// Calls may come in bursts of what this much time lets through.
const BURST: Duration = Duration::from_millis(100);
/// What is left of the rate that the target took.
const DECREASE: f64 = 0.7;
/// What comes back each second, of the rate that there is.
const INCREASE: f64 = 0.1;
/// The least that comes back each second, and the lowest rate, in calls a second.
const RATE_MIN: f64 = 0.5;
/// A rate so many times what is called binds nobody any more.
const LOOSE: f64 = 4.0;
/// A rate is lowered no more often than this: services count by the second.
const LOWERED_EVERY: Duration = Duration::from_secs(1);

/// One target's. Times are since any moment that is always the same.
#[derive(Debug)]
pub(super) struct Pace {
    /// The rate that is set.
    fixed: Option<f64>,
    is_adaptive: bool,
    /// The longest that its word on when to come again is followed.
    asked_max: Duration,
    adapted: Option<Adapted>,
    /// When the next call would start if calls came evenly.
    due: Duration,
    /// The target has asked to be left alone until then.
    asked: Duration,
    called: Meter,
    answered: Meter,
}

/// A rate that the target has brought about.
#[derive(Clone, Copy, Debug)]
struct Adapted {
    rate: f64,
    /// What it took before.
    taken: f64,
    /// When it was lowered last.
    lowered: Duration,
    /// When it was raised last.
    raised: Duration,
}

/// How many there were in the last second.
#[derive(Debug, Default)]
struct Meter {
    since: Duration,
    count: u32,
    /// In the second before.
    before: u32,
}

impl Meter {
    fn add(&mut self, now: Duration) {
        self.roll(now);
        self.count += 1;
    }

    fn rate(&mut self, now: Duration) -> f64 {
        self.roll(now);
        let left = 1.0 - now.saturating_sub(self.since).as_secs_f64();
        f64::from(self.count) + f64::from(self.before) * left.max(0.0)
    }

    fn roll(&mut self, now: Duration) {
        let second = Duration::from_secs(1);
        match now.saturating_sub(self.since) {
            past if past >= 2 * second => *self = Meter { since: now, count: 0, before: 0 },
            past if past >= second => {
                *self = Meter { since: self.since + second, count: 0, before: self.count };
            }
            _ => {}
        }
    }
}

impl Pace {
    pub(super) fn new(settings: &Settings) -> Pace {
        let Settings { rate_max: fixed, is_adaptive, retry_after_max: asked_max, .. } = *settings;
        let (due, asked) = (Duration::ZERO, Duration::ZERO);
        let (called, answered) = Default::default();
        Pace { fixed, is_adaptive, asked_max, adapted: None, due, asked, called, answered }
    }

    /// Calls a second that may start.
    pub(super) fn rate(&self) -> Option<f64> {
        let adapted = self.adapted.map(|it| it.rate);
        [self.fixed, adapted].into_iter().flatten().reduce(f64::min)
    }

    /// Is it slower than it is set to?
    pub(super) fn is_lowered(&mut self, now: Duration) -> bool {
        self.recover(now);
        self.adapted.is_some() || self.asked > now
    }

    /// When the next call may start; `None`: now.
    pub(super) fn next(&mut self, now: Duration) -> Option<Duration> {
        self.recover(now);
        if self.asked > now {
            return Some(self.asked);
        }
        self.rate()?;
        let next = self.due.saturating_sub(BURST);
        (next > now).then_some(next)
    }

    /// A call starts.
    pub(super) fn start(&mut self, now: Duration) {
        self.called.add(now);
        if let Some(rate) = self.rate() {
            self.due = self.due.max(now) + Duration::from_secs_f64(1.0 / rate);
        }
    }

    /// A call was answered.
    pub(super) fn answer(&mut self, now: Duration) {
        self.answered.add(now);
    }

    /// The target said that a call that started then was too much, and perhaps when to come again.
    pub(super) fn lower(&mut self, started: Duration, now: Duration, asked: Option<Duration>) {
        if !self.is_adaptive {
            return;
        }
        if let Some(asked) = asked {
            self.asked = self.asked.max(now + asked.min(self.asked_max));
        }
        // One answer of many that were under way together lowers it for all of them.
        let is_known = |it: Adapted| started < it.lowered || now < it.lowered + LOWERED_EVERY;
        if self.adapted.is_some_and(is_known) {
            return;
        }
        let allowed = self.adapted.map_or(f64::INFINITY, |it| it.rate);
        let taken = self.answered.rate(now).min(allowed).max(RATE_MIN);
        let rate = (taken * DECREASE).max(RATE_MIN);
        self.adapted = Some(Adapted { rate, taken, lowered: now, raised: now });
        // What was let through before is no debt.
        self.due = self.due.min(now + Duration::from_secs_f64(1.0 / rate));
    }

    fn recover(&mut self, now: Duration) {
        let Some(mut adapted) = self.adapted else { return };
        let seconds = now.saturating_sub(adapted.raised).as_secs_f64();
        adapted.rate += (adapted.rate * INCREASE).max(RATE_MIN) * seconds;
        adapted.raised = now;
        let is_loose = adapted.rate > adapted.taken && adapted.rate > LOOSE * self.called.rate(now);
        self.adapted = (!is_loose).then_some(adapted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace_of(rate_max: Option<f64>, is_adaptive: bool) -> Pace {
        Pace::new(&Settings { rate_max, is_adaptive, ..Settings::default() })
    }

    /// Calls as fast as the pace lets them, until then. How many.
    fn calls(pace: &mut Pace, from: Duration, until: Duration) -> u32 {
        let (mut now, mut count) = (from, 0);
        while now < until {
            match pace.next(now) {
                None => {
                    pace.start(now);
                    pace.answer(now);
                    count += 1;
                    // Even without a bound a caller takes its time.
                    now += Duration::from_micros(500);
                }
                Some(next) => now = next,
            }
        }
        count
    }

    #[test]
    fn a_rate_that_is_set_is_kept() {
        let mut pace = pace_of(Some(50.0), true);
        let count = calls(&mut pace, SECOND, 11 * SECOND);
        assert!((495..=510).contains(&count), "{count}");
        assert_eq!(pace.rate(), Some(50.0));
        let mut slow = pace_of(Some(0.5), true);
        let count = calls(&mut slow, SECOND, 21 * SECOND);
        assert!((10..=12).contains(&count), "{count}");
    }

    #[test]
    fn without_a_bound_nothing_waits() {
        let mut pace = pace_of(None, true);
        assert!(calls(&mut pace, SECOND, 2 * SECOND) > 1_900);
        assert_eq!((pace.rate(), pace.is_lowered(2 * SECOND)), (None, false));
    }

    #[test]
    fn too_much_lowers_it_once_for_all_that_were_under_way() {
        let mut pace = pace_of(None, true);
        let now = 2 * SECOND;
        calls(&mut pace, SECOND, now);
        pace.lower(now - SECOND / 10, now, None);
        let first = pace.rate().expect("it is lowered");
        assert!((1_000.0..1_600.0).contains(&first), "{first}");
        // Started before it was lowered.
        pace.lower(now - SECOND / 10, now + SECOND / 10, None);
        assert_eq!(pace.rate(), Some(first));
        // Too soon after.
        pace.lower(now + SECOND / 10, now + SECOND / 5, None);
        assert_eq!(pace.rate(), Some(first));
        pace.lower(now + SECOND, now + SECOND, None);
        assert!(pace.rate().expect("it is lowered") < first);
    }

    #[test]
    fn a_target_that_takes_so_many_is_called_about_so_often() {
        let (mut pace, limit) = (pace_of(None, true), 100_u32);
        let (mut now, mut taken, mut refused) = (SECOND, 0, 0);
        let mut of_second = (0, 0);
        while now < 61 * SECOND {
            if let Some(next) = pace.next(now) {
                now = next;
                continue;
            }
            pace.start(now);
            let second = now.as_secs();
            of_second = if of_second.0 == second { (second, of_second.1 + 1) } else { (second, 1) };
            if of_second.1 > limit {
                pace.lower(now, now, None);
                refused += 1;
            } else {
                pace.answer(now);
                taken += 1;
            }
            now += Duration::from_micros(500);
        }
        // Without it, 114,000 of 120,000 would be refused.
        assert!(taken > 4_000, "{taken}");
        assert!(refused < taken / 10, "{refused} of {taken}");
    }

    #[test]
    fn it_recovers_and_then_binds_nobody() {
        let mut pace = pace_of(None, true);
        for at in 0..100 {
            pace.start(SECOND + at * Duration::from_millis(10));
            pace.answer(SECOND + at * Duration::from_millis(10));
        }
        let now = 2 * SECOND;
        pace.lower(now, now, None);
        let lowered = pace.rate().expect("it is lowered");
        pace.next(now + 2 * SECOND);
        assert!(pace.rate().is_some_and(|rate| rate > lowered));
        pace.next(now + 60 * SECOND);
        assert_eq!(pace.rate(), None);
    }

    #[test]
    fn a_target_may_ask_to_be_left_alone() {
        let mut pace = pace_of(None, true);
        pace.start(SECOND);
        pace.lower(SECOND, SECOND, Some(3 * SECOND));
        assert_eq!(pace.next(2 * SECOND), Some(4 * SECOND));
        assert!(pace.is_lowered(2 * SECOND));
        pace.lower(2 * SECOND, 2 * SECOND, Some(Duration::from_secs(86_400)));
        assert_eq!(pace.next(2 * SECOND), Some(62 * SECOND));
        let (is_adaptive, retry_after_max) = (true, SECOND);
        let mut brief =
            Pace::new(&Settings { is_adaptive, retry_after_max, ..Settings::default() });
        brief.lower(SECOND, SECOND, Some(3 * SECOND));
        assert_eq!(brief.next(SECOND), Some(2 * SECOND));
        let mut deaf = pace_of(Some(10.0), false);
        deaf.lower(SECOND, SECOND, Some(3 * SECOND));
        assert_eq!((deaf.next(SECOND), deaf.rate()), (None, Some(10.0)));
    }
}
