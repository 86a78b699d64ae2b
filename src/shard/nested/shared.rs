//! Nested executions as a shard and its tasks share them.

use std::cell::RefCell;
use std::rc::Rc;

use super::{LocalMachine, Nested, NestedLimits};
use crate::fault::StateError;
use crate::step::{CallNumber, Resume};
use crate::tasks::{Call, CallId, Form, Local, OpenError, Take, Tasks};

/// It, for the shard's tasks and for the shard, which exchanges the machines.
#[derive(Clone)]
pub struct SharedNested(Rc<RefCell<Nested>>);

impl SharedNested {
    /// Without machines. `tasks` are for the executions that are started.
    pub fn new(tasks: Tasks, limits: NestedLimits) -> SharedNested {
        SharedNested(Rc::new(RefCell::new(Nested::new(tasks, limits))))
    }

    /// Makes ready for the machines that calls of these plans may start, numbered as the shard's tasks
    /// know them. What an error leaves behind goes with [`SharedNested::remove`].
    pub fn add(&self, plans: &[usize], machines: &[LocalMachine]) -> Result<(), OpenError> {
        if machines.is_empty() {
            return Ok(());
        }
        let (mut nested, mut opened) = (self.0.borrow_mut(), Vec::new());
        let outcome = nested.open(machines, &mut opened);
        let set: Rc<[usize]> = opened.into();
        nested.sets.extend(plans.iter().map(|plan| (*plan, set.clone())));
        outcome
    }

    /// Lets go of what was made ready for the plans. No call of theirs is under way any more.
    pub fn remove(&self, plans: &[usize]) {
        let mut nested = self.0.borrow_mut();
        let sets: Vec<_> = plans.iter().filter_map(|plan| nested.sets.remove(plan)).collect();
        // They share one.
        if let Some(set) = sets.first() {
            nested.close(set);
        }
    }

    /// Does this call of a child still wait for its answer?
    pub fn waits(&self, call: CallId) -> bool {
        let nested = self.0.borrow();
        let child = nested.children.get(&call.0);
        child.is_some_and(|it| it.execution.waits_for(CallNumber::from_bits(call.1)))
    }

    /// Hands an answer from outside to the child whose call waits for it.
    pub fn give(&self, call: CallId, given: Result<&[u8], StateError>, now_ms: i64) {
        let mut nested = self.0.borrow_mut();
        nested.now_ms = now_ms;
        nested.tasks.cancel(call);
        nested.run(call.0, Resume::Reply(CallNumber::from_bits(call.1), given));
    }

    /// Whoever works on this call of a child is alive.
    pub fn beat(&self, call: CallId, now_ms: i64) {
        let mut nested = self.0.borrow_mut();
        nested.now_ms = now_ms;
        nested.run(call.0, Resume::Heartbeat(CallNumber::from_bits(call.1)));
    }
}

impl Local for SharedNested {
    fn takes(&mut self, call: &Call<'_>) -> bool {
        self.0.borrow_mut().takes(call)
    }

    fn call(&mut self, call: &Call<'_>, form: Form) {
        self.0.borrow_mut().call(call, form);
    }

    fn poll(&mut self, now_ms: i64, take: &mut Take<'_>) {
        self.0.borrow_mut().poll(now_ms, take);
    }

    fn cancel(&mut self, id: CallId) {
        self.0.borrow_mut().cancel(id);
    }

    fn leave(&mut self, id: CallId) {
        self.0.borrow_mut().leave(id);
    }

    fn is_held(&self, plan: usize) -> bool {
        self.0.borrow().is_held(plan)
    }

    fn is_held_up(&self, plan: usize) -> bool {
        self.0.borrow().is_held_up(plan)
    }

    fn is_cut_off(&self, plan: usize) -> bool {
        self.0.borrow().is_cut_off(plan)
    }

    fn waiting(&self, plan: usize) -> usize {
        self.0.borrow().waiting(plan)
    }

    fn next_due_ms(&self) -> Option<i64> {
        self.0.borrow().next_due_ms()
    }

    fn in_flight(&self) -> usize {
        self.0.borrow().in_flight()
    }
}
