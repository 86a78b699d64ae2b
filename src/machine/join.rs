//! Fork and join: threads for branches and iterations, their results, and what becomes of the others
//! when one fails. Events are counted as the service's histories show them.

use super::context::ContextObject;
use super::execution::Execution;
use super::failure::failed;
use super::fork::Iterating;
use super::thread::{Item, NONE, Phase, Thread};
use super::{Machine, Next, Observer, Suspension};
use crate::asl::retry::Raised;
use crate::fault::StateError;
use crate::states::{Map, Sources, Step};
use crate::step::{Batches, Fork, Frame, States};
use crate::value::{Scratch, Value};

/// What an iteration gets.
struct Taken {
    /// Of several, the first.
    item: Item,
    /// How many items it is.
    count: u32,
    input: Value,
}

/// What an exceeded tolerance is called.
const THRESHOLD_EXCEEDED: &str = "States.ExceedToleratedFailureThreshold";

impl Machine<'_> {
    /// The current state asks that others run first.
    pub(super) fn fork(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        asked: Fork,
    ) -> Next {
        match asked {
            Fork::Branches(input) => self.branch(execution, input),
            Fork::Iterations { items, input } => {
                let is_distributed = match self.program.step(execution.thread.step) {
                    Step::Map(state) => state.is_distributed(),
                    _ => false,
                };
                // MapStateStarted, MapRunStarted
                execution.history.events += 1 + u64::from(is_distributed);
                self.iterate(execution, scratch, observer, (items, input), Sources::new())
            }
            Fork::Read(request) => {
                execution.history.events += 2;
                execution.thread.known = Value::NULL;
                execution.suspend(Phase::Reading, i64::MAX);
                let wake_ms = execution.thread.wake_ms;
                Next::Suspend(Suspension::Call { request, wake_ms })
            }
        }
    }

    fn branch(&self, execution: &mut Execution, input: Value) -> Next {
        // ParallelStateStarted
        execution.history.events += 1;
        let fork = execution.open_fork();
        for start in self.program.step(execution.thread.step).branches() {
            let index = execution.spawn(fork);
            let thread = &mut execution.threads[index as usize];
            (thread.step, thread.state_input) = (*start, input);
            execution.ready.push_back(index);
        }
        execution.thread.phase = Phase::Forked;
        Next::Turn
    }

    pub(super) fn iterate(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        (items, input): (Value, Value),
        sources: Sources,
    ) -> Next {
        let Step::Map(state) = self.program.step(execution.thread.step) else {
            return failed(execution, StateError::runtime("Only a Map iterates; a defect."));
        };
        let mut nothing = Value::NULL;
        let terms = self.with_frame(execution, scratch, &mut nothing, &mut (), |frame| {
            frame.with_input(input, |frame| state.terms(frame))
        });
        let terms = match terms {
            Ok(terms) => terms,
            Err(error) => return self.broke(execution, scratch, observer, error),
        };
        let most = self.limits.concurrency_max.max(1);
        let concurrency = if terms.concurrency == 0 { most } else { terms.concurrency.min(most) };
        let is_distributed = state.is_distributed();
        let map = Iterating::new(scratch, (items, input), sources, &terms, is_distributed);
        let fork = execution.open_fork();
        execution.forks[fork as usize].map = Some(map);
        execution.thread.phase = Phase::Forked;
        for _ in 0..concurrency {
            match self.take_item(execution, scratch, observer, fork, state) {
                Ok(None) => break,
                Ok(Some(taken)) => self.begin(execution, fork, state, taken),
                Err(error) => {
                    execution.abort(fork);
                    return self.broke(execution, scratch, observer, error);
                }
            }
        }
        match execution.forks[fork as usize].running {
            0 => self.join(execution, scratch, observer, fork),
            _ => Next::Turn,
        }
    }

    /// The next iteration's item and input, if there is one.
    fn take_item(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        fork: u32,
        state: &Map,
    ) -> Result<Option<Taken>, StateError> {
        let Some(map) = &mut execution.forks[fork as usize].map else { return Ok(None) };
        if let Some(batches) = map.batches {
            return self.take_batch(execution, scratch, observer, (fork, state), batches);
        }
        let Some(item) = map.next(scratch) else { return Ok(None) };
        let input = self.select(execution, scratch, observer, (fork, state), &item)?;
        if scratch.exceeds(input, self.limits.data_bytes_max) {
            return Err(self.oversized_state(execution));
        }
        Ok(Some(Taken { item, count: 1, input }))
    }

    /// `{"Items": [...], "BatchInput": {}}` with as many items as fit.
    fn take_batch(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        (fork, state): (u32, &Map),
        batches: Batches,
    ) -> Result<Option<Taken>, StateError> {
        let bytes_max =
            batches.bytes_max.unwrap_or(u64::MAX).min(self.limits.data_bytes_max as u64);
        let items_max = batches.items_max.unwrap_or(u64::MAX);
        // {"Items":[]} and ,"BatchInput":
        let frame = 12 + batches.input.map_or(0, |input| 14 + scratch.size(input));
        let (mut first, mut count, mut bytes) = (None, 0u32, frame as u64);
        let list = scratch.mark();
        while u64::from(count) < items_max {
            let Some(map) = &mut execution.forks[fork as usize].map else { break };
            let mark = map.mark();
            let Some(item) = map.next(scratch) else { break };
            let input = self.select(execution, scratch, observer, (fork, state), &item);
            let input = input.inspect_err(|_| scratch.abandon(list))?;
            bytes += scratch.size(input) as u64 + u64::from(count > 0);
            if bytes > bytes_max && count > 0 {
                if let Some(map) = &mut execution.forks[fork as usize].map {
                    map.rewind(mark);
                }
                break;
            }
            first.get_or_insert(item);
            scratch.push(input);
            count += 1;
        }
        let Some(first) = first else { return Ok(None) };
        let deep = |_| StateError::runtime("A batch of items is nested too deeply.");
        let items = scratch.array(list).map_err(deep)?;
        let whole = scratch.mark();
        for (name, value) in [("Items", Some(items)), ("BatchInput", batches.input)] {
            if let Some(value) = value {
                scratch.push_member(name, value);
            }
        }
        let input = scratch.object(whole).map_err(deep)?;
        if bytes > bytes_max {
            return Err(self.oversized_state(execution));
        }
        Ok(Some(Taken { item: first, count, input }))
    }

    /// An iteration's input, made by the Map state itself: its thread is the current one.
    fn select(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        (fork, state): (u32, &Map),
        item: &Item,
    ) -> Result<Value, StateError> {
        let Execution { thread, forks, history, random, started_ms, queries, .. } = execution;
        let started_ms = *started_ms;
        let map = forks[fork as usize].map.as_ref();
        let sources = map.map_or(&[][..], |map| &map.sources);
        let mut context =
            ContextObject { machine: self, history, started_ms, thread, item, sources };
        let input = map.map_or(Value::NULL, |map| map.input);
        let plain = match item.key.is_null() {
            true => item.value,
            false => pair(scratch, item),
        };
        let scope = crate::expr::Scope { scratch, input, context: &mut context, random };
        let (mut assigned, states) = (Value::NULL, States::of(input));
        let (now_ms, stages) = (self.now_ms, observer.stages());
        let query_limits = self.limits.queries;
        let assigned = &mut assigned;
        let mut frame = Frame { scope, now_ms, states, queries, query_limits, assigned, stages };
        state.item(&mut frame, plain)
    }

    /// Makes a thread for an iteration.
    fn begin(&self, execution: &mut Execution, fork: u32, state: &Map, taken: Taken) {
        let Taken { item, count, input } = taken;
        let index = execution.spawn(fork);
        let thread = &mut execution.threads[index as usize];
        thread.step = state.processor();
        thread.state_input = input;
        thread.items = count;
        if state.is_distributed() {
            thread.variables = Value::NULL;
            thread.item = Item::NONE;
            execution.own_history(index, input);
        } else {
            thread.item = item;
            // MapIterationStarted
            execution.history.events += 1;
        }
        execution.ready.push_back(index);
    }

    /// The current thread, of a fork, has ended with this.
    pub(super) fn ended(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        output: Value,
    ) -> Next {
        if !output.can_nest() {
            let error = StateError::runtime("A result is nested too deeply to be one of several.");
            return self.fell(execution, scratch, observer, error, true);
        }
        let Thread { fork, place, .. } = execution.thread;
        let output = self.reported(execution, scratch, fork, Ok(output));
        let joint = &mut execution.forks[fork as usize];
        joint.results[place as usize] = output;
        // MapIterationSucceeded
        let is_inline = joint.map.as_ref().is_some_and(|map| !map.is_distributed);
        execution.history.events += u64::from(is_inline);
        execution.end_thread();
        self.go_on(execution, scratch, observer, fork)
    }

    /// A thread of the current one's fork is over: the next item's turn, or the end of the fork.
    fn go_on(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        fork: u32,
    ) -> Next {
        if let Step::Map(state) = self.program.step(execution.thread.step) {
            observer.turned(execution.current, execution.thread.step);
            match self.take_item(execution, scratch, observer, fork, state) {
                Ok(Some(taken)) => {
                    self.begin(execution, fork, state, taken);
                    return Next::Turn;
                }
                Ok(None) => {}
                Err(error) => {
                    execution.abort(fork);
                    return self.broke(execution, scratch, observer, error);
                }
            }
        }
        match execution.forks[fork as usize].running {
            0 => self.join(execution, scratch, observer, fork),
            _ => Next::Turn,
        }
    }

    /// All of the current thread's fork is over: the state goes on with the results.
    fn join(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        fork: u32,
    ) -> Next {
        observer.turned(execution.current, execution.thread.step);
        if let Step::Map(state) = self.program.step(execution.thread.step)
            && let Some(writer) = state.writer()
        {
            return self.write(execution, scratch, observer, fork, (state, writer));
        }
        let joint = &execution.forks[fork as usize];
        // MapRunSucceeded, MapStateSucceeded
        let events = u64::from(joint.is_distributed()) + u64::from(joint.map.is_some());
        let results = joint.joined(scratch);
        execution.history.events += events;
        execution.close_fork(fork);
        match results {
            Ok(results) => self.leave(execution, scratch, observer, results),
            Err(_) => {
                let error = StateError::runtime("The results are nested too deeply.");
                self.broke(execution, scratch, observer, error)
            }
        }
    }

    /// The state goes on with what it forked for.
    pub(super) fn leave(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        result: Value,
    ) -> Next {
        self.step_on(execution, scratch, observer, |step, frame| step.resume(frame, result))
    }

    /// The current thread failed, and nothing in it takes the error: its fork fails with it, unless
    /// it tolerates that. What `is_terminal` no state around takes either.
    pub(super) fn fell(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        error: StateError,
        is_terminal: bool,
    ) -> Next {
        let Thread { fork, place, items, step, .. } = execution.thread;
        if fork == NONE {
            return failed(execution, error);
        }
        if execution.forks[fork as usize].is_distributed() {
            let report = self.reported(execution, scratch, fork, Err(&error));
            execution.forks[fork as usize].results[place as usize] = report;
            execution.end_thread();
            return self.child_failed(execution, scratch, observer, (fork, place, items), error);
        }
        // TaskStateAborted, MapIterationFailed
        let is_map = execution.forks[fork as usize].map.is_some();
        let is_task = matches!(self.program.step(step), Step::Task(_));
        execution.history.events += u64::from(is_task) + u64::from(is_map);
        execution.end_thread();
        observer.turned(execution.current, execution.thread.step);
        execution.abort(fork);
        if is_terminal {
            return self.fell(execution, scratch, observer, error, true);
        }
        self.fail(execution, scratch, observer, error, Raised::ByTask)
    }

    /// An iteration of the current thread's distributed Map failed.
    fn child_failed(
        &self,
        execution: &mut Execution,
        scratch: &mut Scratch,
        observer: &mut impl Observer,
        (fork, place, items): (u32, u32, u32),
        error: StateError,
    ) -> Next {
        let joint = &mut execution.forks[fork as usize];
        joint.failures.push((place, error));
        let is_exceeded = joint.map.as_mut().is_some_and(|map| {
            map.failed += items;
            map.tolerance.is_exceeded(map.failed.into(), map.total.into())
        });
        if !is_exceeded {
            return self.go_on(execution, scratch, observer, fork);
        }
        execution.abort(fork);
        // MapRunFailed
        execution.history.events += 1;
        let cause = "The specified tolerated failure threshold was exceeded";
        let error = StateError::new(THRESHOLD_EXCEEDED, cause);
        self.fail(execution, scratch, observer, error, Raised::ByTask)
    }
}

/// An object's member as an item: `{"Key": "a", "Value": 1}`.
fn pair(scratch: &mut Scratch, item: &Item) -> Value {
    let mark = scratch.mark();
    for (name, value) in [("Key", item.key), ("Value", item.value)] {
        scratch.push_member(name, value);
    }
    scratch.object(mark).unwrap_or(item.value)
}
