//! Records under suspicion: each is run alone once more, and what brings the process down again is
//! not run any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::file::{DOCKET_SLOTS, Map};
use super::slot::{Place, standing};

/// How a record is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As any other.
    Clear,
    /// Alone: the process came down while it ran, and others.
    Suspect,
    /// Not at all: the process came down again when it ran alone.
    Convicted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) place: Place,
    /// Of the program that ran then.
    pub(super) version: u64,
    pub(super) is_convicted: bool,
}

#[derive(Default)]
struct State {
    cases: Vec<Case>,
    running: usize,
    is_trial: bool,
}

/// The cases, and who runs meanwhile. While there are any, shards ask here before they run an
/// execution; otherwise they see that there are none, and share nothing.
#[derive(Default)]
pub(super) struct Docket {
    is_open: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

impl Docket {
    pub(super) fn new(cases: Vec<Case>) -> Docket {
        let is_open = AtomicBool::new(!cases.is_empty());
        Docket {
            is_open,
            state: Mutex::new(State { cases, ..State::default() }),
            changed: Condvar::new(),
        }
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a record.
    pub(super) fn verdict(&self, is_it: impl Fn(&Place) -> bool, version: u64) -> Verdict {
        match self.state().cases.iter().find(|case| is_it(&case.place)) {
            None => Verdict::Clear,
            Some(case) if case.is_convicted && case.version == version => Verdict::Convicted,
            // By another program it may do better.
            Some(_) => Verdict::Suspect,
        }
    }

    /// Waits until an execution may run: beside others, or alone.
    pub(super) fn enter(&self, is_alone: bool) {
        let mut state = self.state();
        while state.is_trial || (is_alone && state.running > 0) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if is_alone {
            state.is_trial = true;
        } else {
            state.running += 1;
        }
    }

    pub(super) fn leave(&self, was_alone: bool) {
        let mut state = self.state();
        if was_alone {
            state.is_trial = false;
        } else {
            state.running -= 1;
        }
        self.changed.notify_all();
    }

    /// Closes cases, in the file as well.
    pub(super) fn close(&self, map: &Map, is_it: impl Fn(&Place) -> bool) {
        let mut state = self.state();
        let before = state.cases.len();
        state.cases.retain(|case| !is_it(&case.place));
        if state.cases.len() < before {
            write_down(&state.cases, map);
            if state.cases.is_empty() {
                tracing::info!("nothing is under suspicion any more");
            }
            self.is_open.store(!state.cases.is_empty(), Ordering::Relaxed);
        }
    }
}

pub(super) fn write_down(cases: &[Case], map: &Map) {
    let mut slots = map.docket();
    for (case, slot) in cases.iter().zip(&mut slots) {
        let how = if case.is_convicted { standing::ALONE } else { standing::RUNNING };
        slot.set(&case.place, case.version, how);
    }
    slots.for_each(|slot| slot.clear());
}

/// What follows from what a process has left behind.
pub(super) fn cases_of(left: &Map) -> Vec<Case> {
    let case = |slot: &super::slot::Slot| {
        let how = slot.standing();
        (how != standing::NONE).then(|| Case {
            place: slot.place(),
            version: slot.version(),
            is_convicted: how == standing::ALONE,
        })
    };
    let mut cases: Vec<Case> = left.docket().filter_map(case).collect();
    if left.crashed().load(Ordering::Acquire) == 0 {
        return cases;
    }
    let ran: Vec<Case> = left.shards().filter_map(case).collect();
    // Beside what ran alone nothing else ran, whatever a slot says that was just being left.
    let is_trial = ran.iter().any(|case| case.is_convicted);
    for case in ran.into_iter().filter(|case| case.is_convicted == is_trial) {
        match cases.iter_mut().find(|known| known.place == case.place) {
            Some(known) if case.is_convicted => *known = case,
            Some(_) => {}
            None => cases.push(case),
        }
    }
    cases.truncate(DOCKET_SLOTS);
    cases
}
