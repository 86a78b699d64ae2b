//! What is known of one target: its breaker, its pace, who is under way and who waits. No clock and
//! no waiting in here: both are `entrance`'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::breaker::{Admission, Breaker, Change, Return};
use super::pace::Pace;
use super::{BreakerSettings, Settings, WhenOpen};

/// What a call is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Go out; perhaps only to try whether the target answers again.
    Go { is_probe: bool },
    /// Fail: the target is down.
    Fail,
    /// Wait to be woken, or until then.
    Wait(Option<Duration>),
}

/// What came of a call, as far as it says something about the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered, whatever the answer.
    Answered,
    /// The target was not reached, or did not answer in time.
    Failed,
    /// The target answered that it is in trouble (5xx). Who called: one caller's retries prove nothing.
    Troubled(u64),
    /// It was too much; perhaps with when to come again.
    Throttled(Option<Duration>),
    /// Nothing is known.
    Unknown,
}

/// One target's state.
#[derive(Debug)]
pub(super) struct State {
    breaker: Option<Breaker>,
    pace: Pace,
    calls_max: usize,
    when_open: WhenOpen,
    pub(super) under_way: usize,
    /// Who waits, in the order of coming.
    queue: BTreeMap<u64, Arc<Notify>>,
    last_ticket: u64,
    /// Calls that were answered: what is in doubt is clear when there is one more.
    pub(super) answered: u64,
    /// Calls whose failure is in doubt.
    pub(super) doubters: u32,
    pub(super) requests: u64,
    pub(super) failures: u64,
    pub(super) throttled: u64,
    /// The last failure was an answer.
    is_answering: bool,
}

impl State {
    pub(super) fn new(settings: &Settings) -> State {
        let breaker = settings.breaker.as_ref();
        State {
            when_open: breaker.map_or(WhenOpen::Pause, |it| it.when_open),
            breaker: breaker.map(|it: &BreakerSettings| Breaker::new(it.clone())),
            pace: Pace::new(settings),
            calls_max: settings.calls_max.unwrap_or(usize::MAX).max(1),
            under_way: 0,
            queue: BTreeMap::new(),
            last_ticket: 0,
            answered: 0,
            doubters: 0,
            requests: 0,
            failures: 0,
            throttled: 0,
            is_answering: false,
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| !breaker.is_closed())
    }

    /// While it is down, does it answer that it is in trouble?
    pub(super) fn is_answering(&self) -> bool {
        self.is_answering
    }

    /// Do calls wait while it is down?
    pub(super) fn pauses(&self) -> bool {
        self.when_open == WhenOpen::Pause
    }

    pub(super) fn rate(&self) -> Option<f64> {
        self.pace.rate()
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Would nothing be lost with it?
    pub(super) fn is_forgettable(&mut self, now: Duration) -> bool {
        let is_idle = self.under_way == 0 && self.queue.is_empty();
        let is_settled = self.breaker.as_ref().is_none_or(|it| it.is_settled(now));
        is_idle && is_settled && !self.pace.is_lowered(now)
    }

    /// Is it down, and calls are to fail?
    pub(super) fn refuses(&self, now: Duration) -> bool {
        self.fails(self.admission(now))
    }

    fn fails(&self, admission: Admission) -> bool {
        !self.pauses() && matches!(admission, Admission::Wait(_))
    }

    fn admission(&self, now: Duration) -> Admission {
        let always = Admission::Open { is_probe: false };
        self.breaker.as_ref().map_or(always, |breaker| breaker.admits(now))
    }

    /// A call comes. Without a ticket it goes out only where nobody waits.
    pub(super) fn turn(&mut self, ticket: Option<u64>, now: Duration) -> Turn {
        let admission = self.admission(now);
        if self.fails(admission) {
            return Turn::Fail;
        }
        let first = self.queue.keys().next().copied();
        if first != ticket {
            return Turn::Wait(None);
        }
        let is_probe = match admission {
            Admission::Open { is_probe } => is_probe,
            Admission::Wait(until) => return Turn::Wait(until),
        };
        if self.under_way >= self.calls_max {
            return Turn::Wait(None);
        }
        if let Some(next) = self.pace.next(now) {
            return Turn::Wait(Some(next));
        }
        if let Some(breaker) = &mut self.breaker {
            breaker.begin(is_probe);
        }
        self.pace.start(now);
        self.under_way += 1;
        self.requests += 1;
        Turn::Go { is_probe }
    }

    /// Queues behind those who wait.
    pub(super) fn queue(&mut self) -> (u64, Arc<Notify>) {
        self.last_ticket += 1;
        let bell = Arc::new(Notify::new());
        self.queue.insert(self.last_ticket, bell.clone());
        (self.last_ticket, bell)
    }

    /// Goes out of the queue, wherever it stood; the first one looks again.
    pub(super) fn unqueue(&mut self, ticket: u64) {
        self.queue.remove(&ticket);
        self.call_first();
    }

    /// Has the first one look again.
    pub(super) fn call_first(&self) {
        if let Some(bell) = self.queue.values().next() {
            bell.notify_one();
        }
    }

    /// A call came back, having started then.
    pub(super) fn note(
        &mut self,
        verdict: Verdict,
        (started, is_probe): (Duration, bool),
        now: Duration,
    ) -> Change {
        self.under_way -= 1;
        let how = match verdict {
            Verdict::Unknown => {
                if is_probe && let Some(breaker) = &mut self.breaker {
                    breaker.lose_probe(now);
                }
                self.call_first();
                return Change::None;
            }
            Verdict::Answered => {
                self.pace.answer(now);
                Return::Well
            }
            Verdict::Throttled(asked) => {
                self.throttled += 1;
                self.pace.lower(started, now, asked);
                Return::Well
            }
            Verdict::Failed => Return::Unreachable,
            Verdict::Troubled(caller) => Return::Troubled(caller),
        };
        let went_well = how == Return::Well;
        if !went_well {
            self.is_answering = matches!(how, Return::Troubled(_));
        }
        self.answered += u64::from(went_well);
        self.failures += u64::from(!went_well);
        let breaker = self.breaker.as_mut();
        let change = breaker.map_or(Change::None, |it| it.note(how, is_probe, now));
        match change {
            // Where they are not to wait, all of them fail.
            Change::Opened if !self.pauses() => self.queue.values().for_each(|it| it.notify_one()),
            _ => self.call_first(),
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const GO: Turn = Turn::Go { is_probe: false };

    fn state(calls_max: Option<usize>, when_open: WhenOpen) -> State {
        let breaker = BreakerSettings { failures: 2, when_open, ..BreakerSettings::default() };
        let breaker = Some(breaker);
        State::new(&Settings { calls_max, breaker, is_adaptive: true, ..Settings::default() })
    }

    #[test]
    fn so_many_go_out_at_once_and_the_others_in_their_order() {
        let mut state = state(Some(2), WhenOpen::Pause);
        assert_eq!((state.turn(None, SECOND), state.turn(None, SECOND)), (GO, GO));
        assert_eq!(state.turn(None, SECOND), Turn::Wait(None));
        let ((first, _), (second, _)) = (state.queue(), state.queue());
        let done = (SECOND, false);
        state.note(Verdict::Answered, done, SECOND);
        // Neither the second nor somebody new overtakes.
        assert_eq!(state.turn(Some(second), SECOND), Turn::Wait(None));
        assert_eq!(state.turn(None, SECOND), Turn::Wait(None));
        assert_eq!(state.turn(Some(first), SECOND), GO);
        state.unqueue(first);
        assert_eq!(state.turn(Some(second), SECOND), Turn::Wait(None));
        state.note(Verdict::Unknown, done, SECOND);
        assert_eq!(state.turn(Some(second), SECOND), GO);
        state.unqueue(second);
        assert_eq!((state.under_way, state.waiting()), (2, 0));
    }

    #[test]
    fn while_it_is_down_calls_wait_or_fail() {
        for (when_open, then) in
            [(WhenOpen::Pause, Turn::Wait(Some(2 * SECOND))), (WhenOpen::Fail, Turn::Fail)]
        {
            let mut state = state(None, when_open);
            let changes = [0, 1].map(|_| {
                assert_eq!(state.turn(None, SECOND), GO);
                state.note(Verdict::Failed, (SECOND, false), SECOND)
            });
            assert_eq!(changes, [Change::None, Change::Opened]);
            assert_eq!((state.turn(None, SECOND), state.is_down()), (then, true));
            assert_eq!(state.turn(None, 2 * SECOND), Turn::Go { is_probe: true });
            let change = state.note(Verdict::Answered, (2 * SECOND, true), 2 * SECOND);
            assert_eq!((change, state.turn(None, 2 * SECOND)), (Change::Closed, GO));
        }
    }

    #[test]
    fn what_says_nothing_about_a_target_changes_nothing() {
        let mut state = state(None, WhenOpen::Pause);
        for _ in 0..10 {
            assert_eq!(state.turn(None, SECOND), GO);
            state.note(Verdict::Unknown, (SECOND, false), SECOND);
        }
        for verdict in [Verdict::Answered, Verdict::Throttled(None)] {
            state.note_failure_then(verdict);
        }
        assert!(!state.is_down());
        assert!(!state.is_forgettable(SECOND), "its pace is lowered");
    }

    impl State {
        fn note_failure_then(&mut self, verdict: Verdict) {
            for verdict in [Verdict::Failed, verdict] {
                assert_eq!(self.turn(None, SECOND * 100), GO);
                self.note(verdict, (SECOND * 100, false), SECOND * 100);
            }
        }
    }
}
