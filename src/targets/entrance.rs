//! How calls come to a target: each waits for its turn, goes out with a pass, and says with it what
//! came of it.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::breaker::Change;
use super::held::Held;
use super::state::{State, Turn};
use super::{Settings, Standing, lock};

pub use super::state::Verdict;

/// When a call went out, and whether it is to try the target.
type Begun = (Duration, bool);

/// One target. Cheap to clone.
#[derive(Clone)]
pub struct Target(Arc<Shared>);

/// What everybody shares of it.
pub(super) struct Shared {
    name: String,
    since: Instant,
    /// How long a failure is held back until it is clear whether the target is down.
    doubt: Duration,
    /// How often a call that it answers with its trouble is made again.
    troubled_max: u32,
    state: Mutex<State>,
    /// To be read without the lock.
    is_down: AtomicBool,
    /// Rung for those whose failures are in doubt.
    news: Notify,
}

impl Shared {
    pub(super) fn new(name: String, settings: &Settings, since: Instant) -> Shared {
        let breaker = settings.breaker.as_ref();
        let doubt = breaker.map_or(Duration::ZERO, |it| it.doubt);
        let troubled_max = breaker.map_or(0, |it| it.troubled_max);
        let (state, is_down) = (Mutex::new(State::new(settings)), AtomicBool::new(false));
        Shared { name, since, doubt, troubled_max, state, is_down, news: Notify::new() }
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.0.name)
    }
}

/// A call is not made, because its target is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The target's name.
    pub target: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target;
        write!(f, "{target} is down: it has failed too often, and is not called until it recovers")
    }
}

impl Target {
    pub(super) fn new(shared: Shared) -> Target {
        Target(Arc::new(shared))
    }

    pub(super) fn is(&self, other: &Target) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Is its breaker not closed?
    pub fn is_down(&self) -> bool {
        self.0.is_down.load(Ordering::Acquire)
    }

    /// While it is down, does it answer that it is in trouble?
    pub fn is_answering(&self) -> bool {
        lock(&self.0.state).is_answering()
    }

    pub(super) fn is_forgettable(&self) -> bool {
        // Somebody may be about to enter.
        Arc::strong_count(&self.0) == 1 && lock(&self.0.state).is_forgettable(self.0.now())
    }

    /// Waits for a call's turn, with its caller (`turns`) and with the target. While the target has it
    /// wait, it takes no turn of the caller's from others; and it has no pass while it waits for one, so
    /// that what the target is found to be meanwhile counts. `held` is told where it waits because the
    /// target is down. An error says that it is to fail.
    pub async fn enter<'t>(
        &self,
        turns: &'t Semaphore,
        held: Option<&Held>,
    ) -> Result<Pass<'t>, Refused> {
        let turn = match turns.try_acquire() {
            Ok(turn) => Some(turn),
            Err(_) if lock(&self.0.state).refuses(self.0.now()) => return Err(self.refused()),
            // Nobody closes the semaphore; without a turn the call would merely not wait for one.
            Err(_) => turns.acquire().await.ok(),
        };
        if let Some(decided) = self.try_enter() {
            return decided.map(|begun| self.pass(begun, turn));
        }
        drop(turn);
        // In a box: it would take room in every call's future.
        Box::pin(self.queue(turns, held)).await
    }

    /// Waits in the target's queue.
    async fn queue<'t>(
        &self,
        turns: &'t Semaphore,
        held: Option<&Held>,
    ) -> Result<Pass<'t>, Refused> {
        let place = Place::take(self, held);
        loop {
            let turn = turns.acquire().await.ok();
            let now = self.0.now();
            let decided = lock(&self.0.state).turn(Some(place.ticket), now);
            let until = match decided {
                Turn::Go { is_probe } => return Ok(self.pass((now, is_probe), turn)),
                Turn::Fail => return Err(self.refused()),
                Turn::Wait(until) => until,
            };
            drop(turn);
            match until {
                None => place.bell.notified().await,
                // Whatever comes first, it looks again.
                Some(until) => {
                    let _ = timeout(until.saturating_sub(now), place.bell.notified()).await;
                }
            }
        }
    }

    /// Where nobody waits, it need not queue.
    fn try_enter(&self) -> Option<Result<Begun, Refused>> {
        let now = self.0.now();
        let turn = lock(&self.0.state).turn(None, now);
        match turn {
            Turn::Go { is_probe } => Some(Ok((now, is_probe))),
            Turn::Fail => Some(Err(self.refused())),
            Turn::Wait(_) => None,
        }
    }

    fn pass<'t>(&self, begun: Begun, turn: Option<SemaphorePermit<'t>>) -> Pass<'t> {
        Pass { target: self.clone(), begun, is_left: false, _turn: turn }
    }

    fn refused(&self) -> Refused {
        Refused { target: self.0.name.clone() }
    }

    fn note(&self, verdict: Verdict, begun: Begun) -> Aftermath {
        let mut state = lock(&self.0.state);
        let change = state.note(verdict, begun, self.0.now());
        self.0.is_down.store(state.is_down(), Ordering::Release);
        let has_failed = matches!(verdict, Verdict::Failed | Verdict::Troubled(_));
        let is_in_doubt = has_failed && state.pauses();
        let aftermath = Aftermath(is_in_doubt.then(|| (self.clone(), state.answered)));
        let is_news = state.doubters > 0 && (change != Change::None || !has_failed);
        let pauses = state.pauses();
        drop(state);
        if is_news {
            self.0.news.notify_waiters();
        }
        let target = &self.0.name;
        match change {
            Change::None => {}
            Change::Opened if pauses => {
                tracing::warn!(target_name = %target, "a target is down: its calls wait until it recovers");
            }
            Change::Opened => {
                tracing::warn!(target_name = %target, "a target is down: its calls fail until it recovers");
            }
            Change::Closed => {
                tracing::info!(target_name = %target, "a target answers again");
            }
        }
        aftermath
    }

    pub(super) fn standing(&self) -> Standing {
        let state = lock(&self.0.state);
        Standing {
            name: self.0.name.clone(),
            is_down: state.is_down(),
            pauses: state.pauses(),
            under_way: state.under_way as u64,
            waiting: state.waiting() as u64,
            rate: state.rate(),
            requests: state.requests,
            failures: state.failures,
            throttled: state.throttled,
        }
    }
}

/// A place in a target's queue, given up when it is dropped.
struct Place<'a> {
    target: &'a Target,
    held: Option<&'a Held>,
    ticket: u64,
    bell: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(target: &'a Target, held: Option<&'a Held>) -> Place<'a> {
        let (ticket, bell) = lock(&target.0.state).queue();
        if let Some(held) = held {
            held.wait(target);
        }
        Place { target, held, ticket, bell }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.target.0.state).unqueue(self.ticket);
        if let Some(held) = self.held {
            held.go(self.target);
        }
    }
}

/// A call that is under way. One that is dropped says nothing about the target.
#[must_use]
#[derive(Debug)]
pub struct Pass<'t> {
    target: Target,
    begun: Begun,
    is_left: bool,
    /// Its caller's, which others get when it is over.
    _turn: Option<SemaphorePermit<'t>>,
}

impl Pass<'_> {
    /// Says what came of the call.
    pub fn leave(mut self, verdict: Verdict) -> Aftermath {
        self.is_left = true;
        self.target.note(verdict, self.begun)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.is_left {
            self.target.note(Verdict::Unknown, self.begun);
        }
    }
}

/// What follows from how a call went: that its outcome stands, or, where its target is down and calls
/// wait for that to pass, that it is made again.
#[derive(Debug, Default)]
pub struct Aftermath(Option<(Target, u64)>);

impl Aftermath {
    /// May a call be made again that was so often answered with the target's trouble?
    pub fn allows(&self, troubled: u32) -> bool {
        self.0.as_ref().is_some_and(|(target, _)| troubled <= target.0.troubled_max)
    }

    /// Is it certain by now that the call is made again?
    pub fn is_again(&self) -> bool {
        self.0.as_ref().is_some_and(|(target, _)| target.is_down())
    }

    /// Waits until it is clear whether the call failed because its target is down: then it is made
    /// again. Where another call is answered, or nothing more is heard for a while, its failure
    /// stands.
    pub async fn settle(self) -> bool {
        let Some((target, answered)) = self.0 else { return false };
        if target.is_down() || target.0.doubt.is_zero() {
            return target.is_down();
        }
        let doubter = Doubter::new(&target);
        let mut end = pin!(sleep(target.0.doubt));
        loop {
            let mut news = pin!(target.0.news.notified());
            // Whatever comes after this look is heard.
            news.as_mut().enable();
            if target.is_down() {
                return true;
            }
            if doubter.answered() > answered {
                return false;
            }
            tokio::select! {
                () = news => {}
                () = &mut end => return target.is_down(),
            }
        }
    }
}

/// Has those told who are in doubt, as long as there are any.
struct Doubter<'a>(&'a Target);

impl<'a> Doubter<'a> {
    fn new(target: &'a Target) -> Doubter<'a> {
        lock(&target.0.state).doubters += 1;
        Doubter(target)
    }

    fn answered(&self) -> u64 {
        lock(&self.0.0.state).answered
    }
}

impl Drop for Doubter<'_> {
    fn drop(&mut self) {
        lock(&self.0.0.state).doubters -= 1;
    }
}
