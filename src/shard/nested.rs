//! Executions that executions start: state machines of this process, run on the caller's shard. They
//! live and die with the task that has started them, and are started again with it.
//!
//! ```text
//! Tasks::call -> Nested -> child: Machine::run -> its own Tasks, timers, children -> answer
//! ```

mod child;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use self::child::{Child, Owner};
use super::flow::PANICKED;
use crate::fault::StateError;
use crate::machine::{self, Suspension};
use crate::program::Program;
use crate::step::{CallNumber, Resume, TaskRequest};
use crate::tasks::{Call, CallId, Form, Local, OpenError, Plan, Take, Tasks};
use crate::value::{Kind, Limits, Scratch};

/// Children of one shard at once.
const CHILDREN_MAX: usize = 10_000;
/// How deep they may be within each other.
const DEPTH_MAX: u32 = 16;
/// Children that go on in one poll after they had spent their budget.
const READY_PER_POLL_MAX: usize = 16;

/// A state machine that executions may start by its name.
#[derive(Clone, Debug)]
pub struct LocalMachine {
    /// Its name.
    pub name: Arc<str>,
    /// What it runs.
    pub program: Arc<Program>,
    /// What an execution may use.
    pub limits: machine::Limits,
    /// What answers its tasks.
    pub tasks: Arc<Plan>,
}

/// What one shard's executions have started.
pub struct Nested {
    /// By the number that `tasks` know them by; those that are gone leave a place.
    machines: Vec<Option<LocalMachine>>,
    /// Those that a plan's calls may start, by the number that the shard's tasks know it by.
    sets: HashMap<usize, Rc<[usize]>>,
    tasks: Tasks,
    children: HashMap<u64, Child>,
    by_call: HashMap<CallId, u64>,
    last_id: u64,
    /// What came of children that children have started.
    replies: VecDeque<(u64, CallNumber, Result<Vec<u8>, StateError>)>,
    outcomes: VecDeque<(CallId, Result<Vec<u8>, StateError>)>,
    ready: VecDeque<u64>,
    timers: BTreeSet<(i64, u64)>,
    now_ms: i64,
    /// What ends is run again elsewhere.
    is_leaving: bool,
    /// Where arguments are read.
    reader: Scratch,
}

impl Nested {
    fn new(tasks: Tasks) -> Nested {
        Nested {
            machines: Vec::new(),
            sets: HashMap::new(),
            tasks,
            children: HashMap::new(),
            by_call: HashMap::new(),
            last_id: 0,
            replies: VecDeque::new(),
            outcomes: VecDeque::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            now_ms: 0,
            is_leaving: false,
            reader: Scratch::new(Limits {
                bytes_max: Limits::BYTES_CEILING,
                height_max: Limits::HEIGHT_CEILING,
            }),
        }
    }

    /// Makes ready for machines. What was opened is in `opened`, also where it was not all.
    fn open(
        &mut self,
        machines: &[LocalMachine],
        opened: &mut Vec<usize>,
    ) -> Result<(), OpenError> {
        for machine in machines {
            let number = self.tasks.add(machine.tasks.clone())?;
            self.machines.resize(self.machines.len().max(number + 1), None);
            self.machines[number] = Some(machine.clone());
            opened.push(number);
        }
        Ok(())
    }

    /// Lets go of machines; none of their executions is left.
    fn close(&mut self, machines: &[usize]) {
        for number in machines {
            self.tasks.remove(*number);
            self.machines[*number] = None;
        }
    }

    /// The machine that these arguments name, among those of a set.
    fn find(&mut self, set: &[usize], arguments: &[u8]) -> Option<usize> {
        self.reader.reset();
        let root = self.reader.parse(arguments).ok()?;
        let arn = self.reader.member(root, "StateMachineArn")?;
        if arn.kind() != Kind::String {
            return None;
        }
        let arn = self.reader.str(arn);
        // `arn:aws:states:REGION:ACCOUNT:stateMachine:NAME`, with a version or alias behind it, or
        // the bare name.
        let name = arn.split_once(":stateMachine:").map_or(&*arn, |(_, name)| name);
        let name = name.split(':').next().unwrap_or_default();
        let is_it = |at: &usize| self.machines[*at].as_ref().is_some_and(|it| *it.name == *name);
        set.iter().copied().find(is_it)
    }

    /// The machine that a call of the shard's starts, and those that it may start in turn.
    fn taken(&mut self, call: &Call<'_>) -> Option<(usize, Rc<[usize]>)> {
        let set = self.sets.get(&call.plan)?.clone();
        Some((self.find(&set, call.arguments)?, set))
    }

    fn begin(
        &mut self,
        (owner, depth): (Owner, u32),
        (machine, set): (usize, Rc<[usize]>),
        call: &Call<'_>,
        form: Form,
    ) {
        let Some(definition) = &self.machines[machine] else { return };
        let begun = if self.children.len() >= CHILDREN_MAX || depth > DEPTH_MAX {
            let cause = format!(
                "At most {CHILDREN_MAX} executions may be started by others on a shard at once, \
                 {DEPTH_MAX} within each other."
            );
            Err(StateError::new("StepFunctions.ExecutionLimitExceededException", cause))
        } else {
            Child::begin((owner, depth), (machine, set), definition, call, form)
        };
        let child = match begun {
            Ok(child) => child,
            Err(error) => return self.hand_over(owner, Err(error)),
        };
        self.last_id += 1;
        if let Owner::Task(id) = owner {
            self.by_call.insert(id, self.last_id);
        }
        self.children.insert(self.last_id, child);
        self.ready.push_back(self.last_id);
    }

    fn hand_over(&mut self, owner: Owner, answer: Result<Vec<u8>, StateError>) {
        match owner {
            Owner::Task(id) => {
                self.by_call.remove(&id);
                self.outcomes.push_back((id, answer));
            }
            Owner::Child(parent, call) => self.replies.push_back((parent, call, answer)),
        }
    }

    /// Runs a child on, until it waits or is over.
    fn run(&mut self, id: u64, mut resume: Resume<'_>) {
        let Some(mut child) = self.children.remove(&id) else { return };
        self.timers.remove(&(child.wake_ms, id));
        loop {
            let Some(definition) = self.machines[child.machine].clone() else { return };
            let next = std::mem::replace(&mut resume, Resume::Continue);
            let ran = catch_unwind(AssertUnwindSafe(|| child.run(&definition, self.now_ms, next)));
            let cancelled: Vec<_> = child.execution.cancelled().collect();
            cancelled.into_iter().for_each(|call| self.cancel_call(id, call));
            match ran {
                Ok(Suspension::Call { request, wake_ms }) => {
                    self.call_for(id, &mut child, &definition, &request, wake_ms);
                    continue;
                }
                Ok(Suspension::Wait { until_ms }) => {
                    child.wake_ms = until_ms;
                    self.timers.insert((until_ms, id));
                    self.children.insert(id, child);
                }
                Ok(Suspension::Yield) => {
                    self.children.insert(id, child);
                    self.ready.push_back(id);
                }
                Ok(Suspension::Done(outcome)) => {
                    let answer = child.answer(&definition, &outcome, self.now_ms);
                    self.hand_over(child.owner, answer);
                }
                Err(_) => {
                    let cause = "The execution that was started panicked: a defect.";
                    self.abandon(id, &mut child);
                    self.hand_over(child.owner, Err(StateError::new(PANICKED, cause)));
                }
            }
            return;
        }
    }

    fn call_for(
        &mut self,
        id: u64,
        child: &mut Child,
        definition: &LocalMachine,
        request: &TaskRequest,
        wake_ms: i64,
    ) {
        let mut arguments = Vec::new();
        child.scratch.write(request.arguments, &mut arguments);
        let number = child.execution.call();
        let left_ms = wake_ms.saturating_sub(self.now_ms).max(0).unsigned_abs();
        let call = Call {
            id: CallId(id, number.to_bits()),
            plan: child.machine,
            resource: request.resource.0 as usize,
            role: None,
            state: definition.program.state_name(child.execution.step()),
            attempt: child.execution.attempt(),
            arguments: &arguments,
            timeout: Some(std::time::Duration::from_millis(left_ms)),
            token: None,
            site: child.execution.site(),
            execution: &child.name,
            now_ms: self.now_ms,
        };
        let form = Form::of(&definition.program.resource(request.resource).parsed);
        let is_mocked = self.tasks.is_mocked(&call);
        let set = child.set.clone();
        let inner = form.filter(|_| !is_mocked).zip(self.find(&set, &arguments));
        match inner {
            Some((form, machine)) => {
                let owner = (Owner::Child(id, number), child.depth + 1);
                self.begin(owner, (machine, set), &call, form);
            }
            None => self.tasks.call(&call),
        }
    }

    /// Ends a call that a child has made.
    fn cancel_call(&mut self, id: u64, call: CallNumber) {
        let of_task = CallId(id, call.to_bits());
        match self.is_leaving {
            true => self.tasks.leave(of_task),
            false => self.tasks.cancel(of_task),
        }
        self.replies.retain(|(parent, number, _)| (*parent, *number) != (id, call));
        let is_of_call = |child: &Child| child.owner == Owner::Child(id, call);
        let inner = self.children.iter().find(|(_, child)| is_of_call(child)).map(|(id, _)| *id);
        if let Some(inner) = inner {
            self.end(inner);
        }
    }

    /// Ends a child that nobody waits for any more.
    fn end(&mut self, id: u64) {
        if let Some(mut child) = self.children.remove(&id) {
            self.abandon(id, &mut child);
        }
    }

    fn abandon(&mut self, id: u64, child: &mut Child) {
        self.timers.remove(&(child.wake_ms, id));
        child.execution.abandon();
        let cancelled: Vec<_> = child.execution.cancelled().collect();
        cancelled.into_iter().for_each(|call| self.cancel_call(id, call));
    }

    /// Goes on with whatever can. Returns whether there was anything.
    fn go_on(&mut self) -> bool {
        let mut answers = Vec::new();
        self.tasks.poll(self.now_ms, &mut |id, answer| {
            answers.push((id, answer.map(<[u8]>::to_vec)));
        });
        let of_tasks = answers.into_iter();
        let of_tasks = of_tasks.map(|(id, answer)| (id.0, CallNumber::from_bits(id.1), answer));
        let all: Vec<_> = of_tasks.chain(self.replies.drain(..)).collect();
        let mut count = all.len();
        for (id, call, answer) in all {
            let answer = answer.as_deref().map_err(Clone::clone);
            self.run(id, Resume::Reply(call, answer));
        }
        while let Some(&(due_ms, id)) = self.timers.first()
            && due_ms <= self.now_ms
        {
            self.timers.pop_first();
            count += 1;
            self.run(id, Resume::Timer);
        }
        for _ in 0..self.ready.len().min(READY_PER_POLL_MAX) {
            if let Some(id) = self.ready.pop_front() {
                count += 1;
                self.run(id, Resume::Continue);
            }
        }
        count > 0
    }
}

/// It, for the shard's tasks and for the shard, which exchanges the machines.
#[derive(Clone)]
pub struct SharedNested(Rc<RefCell<Nested>>);

impl SharedNested {
    /// Without machines. `tasks` are for the executions that are started.
    pub fn new(tasks: Tasks) -> SharedNested {
        SharedNested(Rc::new(RefCell::new(Nested::new(tasks))))
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

    fn next_due_ms(&self) -> Option<i64> {
        self.0.borrow().next_due_ms()
    }

    fn in_flight(&self) -> usize {
        self.0.borrow().in_flight()
    }
}

impl Local for Nested {
    fn takes(&mut self, call: &Call<'_>) -> bool {
        self.taken(call).is_some()
    }

    fn call(&mut self, call: &Call<'_>, form: Form) {
        self.now_ms = call.now_ms;
        if let Some(taken) = self.taken(call) {
            self.begin((Owner::Task(call.id), 1), taken, call, form);
        }
    }

    fn poll(&mut self, now_ms: i64, take: &mut Take<'_>) {
        self.now_ms = now_ms;
        if !self.children.is_empty() {
            // Once more for what came of children within children; the rest is for the next poll.
            let _ = self.go_on() && self.go_on();
        }
        for (id, answer) in self.outcomes.drain(..) {
            match answer {
                Ok(text) => take(id, Ok(&text)),
                Err(error) => take(id, Err(error)),
            }
        }
    }

    fn cancel(&mut self, id: CallId) {
        if let Some(child) = self.by_call.remove(&id) {
            self.end(child);
        }
        self.outcomes.retain(|(other, _)| *other != id);
    }

    fn leave(&mut self, id: CallId) {
        self.is_leaving = true;
        self.cancel(id);
        self.is_leaving = false;
    }

    fn next_due_ms(&self) -> Option<i64> {
        let is_due =
            !(self.outcomes.is_empty() && self.replies.is_empty() && self.ready.is_empty());
        let timer = self.timers.first().map(|(due_ms, _)| *due_ms);
        let times = [is_due.then_some(i64::MIN), timer, self.tasks.next_due_ms()];
        times.into_iter().flatten().min()
    }

    fn in_flight(&self) -> usize {
        self.children.len()
    }
}
