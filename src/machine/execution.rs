//! One run over one record: its threads and forks, which of them may go on, and what it keeps.
//!
//! The thread that runs lies in `thread`; the others lie in a list that only grows while something
//! is forked, so that a machine without Parallel and Map pays nothing for it.

use std::collections::VecDeque;

use super::fork::Fork;
use super::thread::{NONE, Phase, Thread};
use crate::intrinsics::Random;
use crate::jsonata::Memory;
use crate::step::{CallNumber, CallSite, StepId};
use crate::value::Value;

/// The events of an execution, or of a distributed Map's iteration, and its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    pub(super) input: Value,
    /// Events so far, as Step Functions numbers them.
    pub(super) events: u64,
}

impl History {
    /// In the place of one that is in use elsewhere.
    const SHELL: History = History { input: Value::NULL, events: 0 };
}

/// One run over one record. Reused: [`super::Machine::start`] makes it new.
#[derive(Debug)]
pub struct Execution {
    /// The one that runs, or ran last.
    pub(super) thread: Thread,
    /// Its place in `threads`, where a shell lies meanwhile.
    pub(super) current: u32,
    pub(super) threads: Vec<Thread>,
    free_threads: Vec<u32>,
    /// Threads that may go on, in the order of their turns.
    pub(super) ready: VecDeque<u32>,
    pub(super) forks: Vec<Fork>,
    free_forks: Vec<u32>,
    pub(super) open_forks: u32,
    /// Of the current thread.
    pub(super) history: History,
    /// The others', and a shell in the current one's place.
    pub(super) histories: Vec<History>,
    free_histories: Vec<u32>,
    /// Counts suspensions: what comes back to an earlier one is stale.
    pub(super) calls: u32,
    /// Calls whose answers nobody wants any more.
    cancelled: Vec<CallNumber>,
    pub(super) started_ms: i64,
    pub(super) deadline_ms: i64,
    pub(super) garbage_limit: usize,
    pub(super) random: Random,
    /// Roots on their way.
    pub(super) roots: Vec<Value>,
    /// Of JSONata's evaluations.
    pub(super) queries: Memory,
}

impl Default for Execution {
    fn default() -> Execution {
        Execution {
            thread: Thread::default(),
            current: 0,
            threads: Vec::new(),
            free_threads: Vec::new(),
            ready: VecDeque::new(),
            forks: Vec::new(),
            free_forks: Vec::new(),
            open_forks: 0,
            history: History::SHELL,
            histories: Vec::new(),
            free_histories: Vec::new(),
            calls: 0,
            cancelled: Vec::new(),
            started_ms: 0,
            deadline_ms: 0,
            garbage_limit: 0,
            random: Random::new(0),
            roots: Vec::new(),
            queries: Memory::default(),
        }
    }
}

impl Execution {
    pub(super) fn start(
        &mut self,
        step: StepId,
        input: Value,
        seed: u64,
        now_ms: i64,
        deadline_ms: i64,
    ) {
        if self.open_forks > 0 {
            self.abandon();
        }
        self.cancelled.clear();
        self.thread.go_to(step, input);
        self.thread.variables = Value::NULL;
        self.thread.writes = Value::NULL;
        self.thread.attempt = 0;
        self.thread.call = 0;
        self.thread.visits.clear();
        self.calls = 0;
        self.history = History { input, events: 1 };
        self.started_ms = now_ms;
        self.deadline_ms = deadline_ms;
        self.random = Random::new(seed);
    }

    /// The state it is in; of several threads, the one that ran last.
    pub fn step(&self) -> StepId {
        self.thread.step
    }

    /// The number of the last call.
    pub fn call(&self) -> CallNumber {
        CallNumber { thread: self.current, number: self.thread.call }
    }

    /// Where the last call is made; visits count only where the program has tokens.
    pub fn site(&self) -> CallSite {
        self.thread.site()
    }

    /// Which try of the current state this is, 0 for the first.
    pub fn attempt(&self) -> u32 {
        self.thread.attempt
    }

    /// When it must have ended, in milliseconds since 1970.
    pub fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    /// When it started, in milliseconds since 1970.
    pub fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// History events so far, as Step Functions numbers them.
    pub fn events(&self) -> u64 {
        self.history.events
    }

    /// The iterations that the current thread is part of, outermost first: each Map's state and the
    /// iteration's number.
    pub fn iterations(&self) -> Vec<(StepId, u32)> {
        let mut found = Vec::new();
        let mut at = &self.thread;
        while at.fork != NONE {
            let fork = &self.forks[at.fork as usize];
            let parent = &self.threads[fork.parent as usize];
            if fork.map.is_some() {
                found.push((parent.step, at.place));
            }
            at = parent;
        }
        found.reverse();
        found
    }

    /// Calls that were made and whose answers nobody wants any more: to be asked after every run,
    /// and after [`Execution::abandon`].
    pub fn cancelled(&mut self) -> std::vec::Drain<'_, CallNumber> {
        self.cancelled.drain(..)
    }

    /// Gives everything up that was forked or called.
    pub fn abandon(&mut self) {
        self.cancelled.extend(self.thread.calling(self.current));
        self.thread.phase = Phase::Over;
        if self.open_forks == 0 {
            return;
        }
        for (index, thread) in (0..).zip(&mut self.threads) {
            if index != self.current {
                self.cancelled.extend(thread.calling(index));
            }
            thread.phase = Phase::Over;
        }
        self.forks.iter_mut().for_each(Fork::close);
        self.ready.clear();
        self.open_forks = 0;
        // The main thread is the first again, and all others are free.
        self.current = 0;
        self.thread.fork = NONE;
        self.thread.scope = 0;
        self.thread.history = 0;
        self.thread.item = super::thread::Item::NONE;
        self.free_threads.clear();
        self.free_threads.extend((1..self.threads.len() as u32).rev());
        self.free_forks.clear();
        self.free_forks.extend((0..self.forks.len() as u32).rev());
        self.histories.fill(History::SHELL);
        self.free_histories.clear();
        self.free_histories.extend((1..self.histories.len() as u32).rev());
    }

    /// A task is to be called, or a time waited for.
    pub(super) fn suspend(&mut self, phase: Phase, wake_ms: i64) {
        self.calls = self.calls.wrapping_add(1);
        self.thread.phase = phase;
        self.thread.call = self.calls;
        self.thread.wake_ms = wake_ms.min(self.deadline_ms);
    }

    /// Nobody wants the current thread's answer any more.
    pub(super) fn cancel_call(&mut self) {
        self.cancelled.push(self.call());
    }

    /// The next time that anything waits for.
    pub(super) fn wake_ms(&self) -> i64 {
        let own = if self.thread.phase.is_suspended() { self.thread.wake_ms } else { i64::MAX };
        if self.open_forks == 0 {
            return own.min(self.deadline_ms);
        }
        let others = (0..)
            .zip(&self.threads)
            .filter(|(index, thread)| *index != self.current && thread.phase.is_suspended());
        let others = others.map(|(_, thread)| thread.wake_ms).min().unwrap_or(i64::MAX);
        own.min(others).min(self.deadline_ms)
    }

    /// Gives a turn to every thread whose time has come.
    pub(super) fn wake(&mut self, now_ms: i64) {
        for index in 0..self.threads.len().max(1) as u32 {
            let thread = match index == self.current {
                true => &mut self.thread,
                false => &mut self.threads[index as usize],
            };
            if thread.wake(now_ms) {
                self.ready.push_back(index);
            }
        }
    }

    /// Was this call made, and is its answer still waited for?
    pub fn waits_for(&self, call: CallNumber) -> bool {
        self.caller(call).is_some()
    }

    /// The thread that made this call and still waits for its answer.
    pub(super) fn caller(&self, call: CallNumber) -> Option<u32> {
        let thread = match call.thread == self.current {
            true => &self.thread,
            false => self.threads.get(call.thread as usize)?,
        };
        let waits = thread.phase.is_calling() && thread.call == call.number;
        waits.then_some(call.thread)
    }

    /// A call is still worked on, or is only now: its heartbeat starts again.
    pub(super) fn beat(&mut self, call: CallNumber, now_ms: i64) {
        let (Some(caller), deadline_ms) = (self.caller(call), self.deadline_ms) else { return };
        let thread = match caller == self.current {
            true => &mut self.thread,
            false => &mut self.threads[caller as usize],
        };
        thread.wait_for_task(now_ms, deadline_ms, true);
    }

    /// Makes another thread the current one.
    pub(super) fn switch_to(&mut self, next: u32) {
        if next == self.current {
            return;
        }
        let before = self.current;
        let is_over = self.thread.phase == Phase::Over;
        std::mem::swap(&mut self.thread, &mut self.threads[before as usize]);
        std::mem::swap(&mut self.thread, &mut self.threads[next as usize]);
        self.current = next;
        let (left, entered) = (self.threads[before as usize].history, self.thread.history);
        if left != entered {
            self.histories[left as usize] = self.history;
            self.history = std::mem::replace(&mut self.histories[entered as usize], History::SHELL);
        }
        if is_over {
            self.free_threads.push(before);
        }
    }

    /// The current thread's turn is over, and it is not.
    pub(super) fn queue_current(&mut self) {
        self.ready.push_back(self.current);
    }

    /// Opens a fork of the current thread.
    pub(super) fn open_fork(&mut self) -> u32 {
        if self.threads.is_empty() {
            self.threads.push(Thread::default());
            self.histories.push(History::SHELL);
        }
        let index = self.free_forks.pop().unwrap_or_else(|| {
            self.forks.push(Fork::default());
            self.forks.len() as u32 - 1
        });
        self.forks[index as usize].parent = self.current;
        self.open_forks += 1;
        index
    }

    /// Closes a fork whose threads are over.
    pub(super) fn close_fork(&mut self, fork: u32) {
        self.forks[fork as usize].close();
        self.free_forks.push(fork);
        self.open_forks -= 1;
    }

    /// A thread for a fork's next result, which starts like the fork's parent.
    pub(super) fn spawn(&mut self, fork: u32) -> u32 {
        let index = self.free_threads.pop().unwrap_or_else(|| {
            self.threads.push(Thread::default());
            self.threads.len() as u32 - 1
        });
        let place = self.forks[fork as usize].add_place();
        self.forks[fork as usize].running += 1;
        let parent = self.parent(fork);
        let (variables, item, history) = (parent.variables, parent.item, parent.history);
        let scope = parent.scope_of(place);
        let thread = &mut self.threads[index as usize];
        (thread.fork, thread.place, thread.phase) = (fork, place, Phase::Ready);
        (thread.variables, thread.item, thread.history) = (variables, item, history);
        thread.writes = Value::NULL;
        thread.scope = scope;
        thread.visits.clear();
        index
    }

    /// The thread that waits for a fork.
    pub(super) fn parent(&self, fork: u32) -> &Thread {
        let parent = self.forks[fork as usize].parent;
        if parent == self.current { &self.thread } else { &self.threads[parent as usize] }
    }

    /// The current thread, of a fork, is over; the fork's parent is the current one then.
    pub(super) fn end_thread(&mut self) {
        let fork = &mut self.forks[self.thread.fork as usize];
        fork.running -= 1;
        let parent = fork.parent;
        if fork.is_distributed() {
            self.history = History::SHELL;
            self.free_histories.push(self.thread.history);
        }
        self.thread.phase = Phase::Over;
        self.switch_to(parent);
    }

    /// Ends all that runs for a fork of the current thread, and closes it.
    pub(super) fn abort(&mut self, fork: u32) {
        for index in 0..self.threads.len() as u32 {
            let thread = &self.threads[index as usize];
            let is_live = index != self.current && thread.phase != Phase::Over;
            if !is_live || !self.descends(thread, fork) {
                continue;
            }
            let joint = &self.forks[thread.fork as usize];
            if joint.is_distributed() {
                self.histories[thread.history as usize] = History::SHELL;
                self.free_histories.push(thread.history);
            }
            if thread.history == self.thread.history {
                // TaskStateAborted, WaitStateAborted; MapIterationAborted
                let was_in = !matches!(thread.phase, Phase::Ready | Phase::Forked);
                self.history.events += u64::from(was_in) + u64::from(joint.map.is_some());
            }
            self.cancelled.extend(thread.calling(index));
            self.threads[index as usize].phase = Phase::Over;
            self.free_threads.push(index);
        }
        let Execution { threads, ready, current, .. } = self;
        ready.retain(|index| index == current || threads[*index as usize].phase != Phase::Over);
        for index in 0..self.forks.len() as u32 {
            let parent = self.forks[index as usize].parent;
            let is_orphan = parent != NONE
                && parent != self.current
                && self.threads[parent as usize].phase == Phase::Over;
            if index == fork || is_orphan {
                self.close_fork(index);
            }
        }
    }

    /// Does the thread run for this fork, or for one below it?
    fn descends(&self, thread: &Thread, fork: u32) -> bool {
        let mut at = thread.fork;
        while at != NONE && at != fork {
            let parent = self.forks[at as usize].parent;
            at = match parent == self.current {
                true => self.thread.fork,
                false => self.threads[parent as usize].fork,
            };
        }
        at == fork
    }

    /// A history of its own for the thread at `index`, which is not the current one.
    pub(super) fn own_history(&mut self, index: u32, input: Value) {
        let history = History { input, events: 1 };
        let place = self.free_histories.pop().unwrap_or_else(|| {
            self.histories.push(history);
            self.histories.len() as u32 - 1
        });
        self.histories[place as usize] = history;
        self.threads[index as usize].history = place;
    }
}
