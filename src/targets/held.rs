//! Which targets keep somebody's calls waiting because they are down.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::entrance::Target;
use super::lock;

/// Somebody who makes calls, as far as targets keep them waiting.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Calls that wait, for targets or aside.
    waiting: AtomicUsize,
    /// How many targets are noted below, to be read without the lock.
    noted: AtomicUsize,
    /// Targets that calls wait for, and how many; and those that are still down.
    targets: Mutex<Vec<(Target, usize)>>,
}

impl Held {
    /// Does any call wait for a target that is down?
    pub fn is_waiting(&self) -> bool {
        self.any(|target, waiting| waiting > 0 && target.is_down())
    }

    /// Is any target down that a call has waited for?
    pub fn is_down(&self) -> bool {
        self.any(|target, _| target.is_down())
    }

    /// Is any of them not even reached?
    pub fn is_unreachable(&self) -> bool {
        self.any(|target, _| target.is_down() && !target.is_answering())
    }

    fn any(&self, is_it: impl Fn(&Target, usize) -> bool) -> bool {
        if self.0.noted.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut targets = lock(&self.0.targets);
        targets.retain(|(target, waiting)| *waiting > 0 || target.is_down());
        self.0.noted.store(targets.len(), Ordering::Release);
        targets.iter().any(|(target, waiting)| is_it(target, *waiting))
    }

    /// Calls that wait for a target, or aside.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Acquire)
    }

    /// As long as this is kept, a call waits for something else than its turn and its answer: others may
    /// go out meanwhile.
    pub fn aside(&self) -> Aside<'_> {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        Aside(self)
    }

    /// A call begins to wait.
    pub(super) fn wait(&self, target: &Target) {
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        let mut targets = lock(&self.0.targets);
        match targets.iter_mut().find(|(other, _)| other.is(target)) {
            Some((_, waiting)) => *waiting += 1,
            None => targets.push((target.clone(), 1)),
        }
        self.0.noted.store(targets.len(), Ordering::Release);
    }

    /// It waits no more.
    pub(super) fn go(&self, target: &Target) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        let mut targets = lock(&self.0.targets);
        if let Some((_, waiting)) = targets.iter_mut().find(|(other, _)| other.is(target)) {
            *waiting = waiting.saturating_sub(1);
        }
    }
}

/// See [`Held::aside`].
#[must_use]
#[derive(Debug)]
pub struct Aside<'a>(&'a Held);

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
