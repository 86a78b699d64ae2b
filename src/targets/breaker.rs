//! A target's circuit breaker: closed while the target answers, open while it does not, half open
//! while one call tries whether it does again.
//!
//! ```text
//! closed -- failures --> open -- probe_after --> half open -- the probe fails --> open, for longer
//!    ^                                               |
//!    `---------------- the probe goes well ----------'
//! ```

use std::time::Duration;

use super::BreakerSettings;

/// How a call came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// It was answered.
    Well,
    /// The target was not reached, or did not answer in time.
    Unreachable,
    /// The target answered that it is in trouble; who called.
    Troubled(u64),
}

/// What a breaker has come to by what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new.
    None,
    /// The target is down.
    Opened,
    /// It was down, and is not any more.
    Closed,
}

/// May a call go out?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes; or only to try whether the target answers again.
    Open { is_probe: bool },
    /// Not before then; where that is not known, not before another call has come back.
    Wait(Option<Duration>),
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen,
}

/// One target's. Times are since any moment that is always the same.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Since the last call that went well.
    failures_in_a_row: u32,
    /// Who called when the target was in trouble last: perhaps it is this call that brings it there.
    last_troubled: Option<u64>,
    /// Calls of the window that began then, and how many of them failed.
    window: (Duration, u32, u32),
    /// How long it is open the next time.
    pause: Duration,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings) -> Breaker {
        let pause = settings.probe_after;
        let window = (Duration::ZERO, 0, 0);
        let (failures_in_a_row, last_troubled) = (0, None);
        let state = State::Closed;
        Breaker { settings, state, failures_in_a_row, last_troubled, window, pause }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Is it closed, or has nobody wanted to try for long whether it may be?
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } => until + self.settings.probe_after_max <= now,
            State::HalfOpen => false,
        }
    }

    /// May a call go out? Whoever lets it calls [`Breaker::begin`].
    pub(super) fn admits(&self, now: Duration) -> Admission {
        match self.state {
            State::Closed => Admission::Open { is_probe: false },
            State::Open { until } if until <= now => Admission::Open { is_probe: true },
            State::Open { until } => Admission::Wait(Some(until)),
            State::HalfOpen => Admission::Wait(None),
        }
    }

    /// A call goes out.
    pub(super) fn begin(&mut self, is_probe: bool) {
        if is_probe {
            self.state = State::HalfOpen;
        }
    }

    /// A call came back.
    pub(super) fn note(&mut self, how: Return, is_probe: bool, now: Duration) -> Change {
        match (&self.state, is_probe) {
            (State::Closed, _) => self.count(how, now),
            (State::HalfOpen, true) if how == Return::Well => self.close(),
            (State::HalfOpen, true) => {
                self.open(now);
                Change::None
            }
            // They began before it opened, and say nothing of how it is now.
            _ => Change::None,
        }
    }

    /// The probe was given up before it came back: the next call is one.
    pub(super) fn lose_probe(&mut self, now: Duration) {
        if matches!(self.state, State::HalfOpen) {
            self.state = State::Open { until: now };
        }
    }

    fn count(&mut self, how: Return, now: Duration) -> Change {
        let went_well = how == Return::Well;
        if let Return::Troubled(caller) = how {
            // The same caller's retries are no further evidence.
            if self.last_troubled.replace(caller) == Some(caller) {
                return Change::None;
            }
        } else {
            self.last_troubled = None;
        }
        let BreakerSettings { failures, failure_ratio, calls_min, window, .. } = self.settings;
        self.failures_in_a_row = if went_well { 0 } else { self.failures_in_a_row + 1 };
        if now.saturating_sub(self.window.0) > window {
            self.window = (now, 0, 0);
        }
        self.window.1 += 1;
        self.window.2 += u32::from(!went_well);
        let (_, calls, failed) = self.window;
        let is_ratio = failure_ratio.is_some_and(|ratio| {
            calls >= calls_min.max(1) && f64::from(failed) >= ratio * f64::from(calls)
        });
        let is_row = failures > 0 && self.failures_in_a_row >= failures;
        if went_well || !(is_ratio || is_row) {
            return Change::None;
        }
        self.open(now);
        Change::Opened
    }

    fn open(&mut self, now: Duration) {
        self.state = State::Open { until: now + self.pause };
        self.pause = (self.pause * 2).min(self.settings.probe_after_max);
    }

    fn close(&mut self) -> Change {
        self.state = State::Closed;
        self.pause = self.settings.probe_after;
        (self.failures_in_a_row, self.last_troubled) = (0, None);
        self.window = (Duration::ZERO, 0, 0);
        Change::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker(settings: BreakerSettings) -> Breaker {
        Breaker::new(settings)
    }

    fn how(went_well: bool) -> Return {
        if went_well { Return::Well } else { Return::Unreachable }
    }

    fn fails(breaker: &mut Breaker, count: u32, now: Duration) {
        for _ in 0..count {
            breaker.note(Return::Unreachable, false, now);
        }
    }

    fn settings() -> BreakerSettings {
        BreakerSettings {
            failures: 3,
            failure_ratio: None,
            probe_after: SECOND,
            probe_after_max: 3 * SECOND,
            ..BreakerSettings::default()
        }
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let mut breaker = breaker(settings());
        for (how, change) in [
            (Return::Unreachable, Change::None),
            (Return::Unreachable, Change::None),
            (Return::Well, Change::None),
            (Return::Unreachable, Change::None),
            (Return::Unreachable, Change::None),
            (Return::Unreachable, Change::Opened),
        ] {
            assert_eq!(breaker.note(how, false, SECOND), change);
        }
        assert_eq!(breaker.admits(SECOND), Admission::Wait(Some(2 * SECOND)));
        // Calls that were under way when it opened change nothing.
        assert_eq!(breaker.note(Return::Well, false, SECOND), Change::None);
        assert!(!breaker.is_closed());
    }

    #[test]
    fn probes_come_less_and_less_often_until_one_goes_well() {
        let mut breaker = breaker(settings());
        fails(&mut breaker, 3, Duration::ZERO);
        let mut now = Duration::ZERO;
        for pause in [1, 2, 3, 3] {
            let due = now + pause * SECOND;
            assert_eq!(breaker.admits(due - SECOND / 2), Admission::Wait(Some(due)));
            assert_eq!(breaker.admits(due), Admission::Open { is_probe: true });
            breaker.begin(true);
            // One at a time.
            assert_eq!(breaker.admits(due + SECOND), Admission::Wait(None));
            assert_eq!(breaker.note(Return::Unreachable, true, due), Change::None);
            now = due;
        }
        now += 3 * SECOND;
        breaker.begin(true);
        assert_eq!(breaker.note(Return::Well, true, now), Change::Closed);
        assert_eq!(breaker.admits(now), Admission::Open { is_probe: false });
        // What was before is forgotten.
        assert_eq!(breaker.note(Return::Unreachable, false, now), Change::None);
        fails(&mut breaker, 2, now);
        assert_eq!(breaker.admits(now), Admission::Wait(Some(now + SECOND)));
    }

    #[test]
    fn a_probe_that_nobody_waits_for_is_followed_by_another() {
        let mut breaker = breaker(settings());
        fails(&mut breaker, 3, Duration::ZERO);
        breaker.begin(true);
        breaker.lose_probe(SECOND);
        assert_eq!(breaker.admits(SECOND), Admission::Open { is_probe: true });
    }

    #[test]
    fn a_share_of_failures_opens_it_once_there_are_enough_calls() {
        let (failures, failure_ratio) = (0, Some(0.5));
        let with = BreakerSettings {
            failures,
            failure_ratio,
            calls_min: 10,
            window: 10 * SECOND,
            ..settings()
        };
        let mut half = breaker(with.clone());
        let changes: Vec<_> =
            (0..10).map(|at| half.note(how(at % 2 == 0), false, SECOND)).collect();
        assert_eq!(changes.iter().filter(|it| **it == Change::Opened).count(), 1);
        assert_eq!(changes[9], Change::Opened);
        let mut third = breaker(with.clone());
        assert!((0..30).all(|at| third.note(how(at % 3 > 0), false, SECOND) == Change::None));
        // Old windows are forgotten.
        let mut slow = breaker(with);
        assert!((0..30).all(|at| slow.note(how(false), false, at * 11 * SECOND) == Change::None));
    }

    #[test]
    fn one_caller_that_always_has_it_in_trouble_proves_nothing() {
        let mut breaker = breaker(settings());
        for _ in 0..10 {
            assert_eq!(breaker.note(Return::Troubled(1), false, SECOND), Change::None);
        }
        assert_eq!(breaker.note(Return::Troubled(2), false, SECOND), Change::None);
        assert_eq!(breaker.note(Return::Troubled(3), false, SECOND), Change::Opened);
    }
}
