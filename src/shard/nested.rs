//! Executions that executions start: state machines of this process, run on the caller's shard. They
//! live and die with the task that has started them, and are started again with it.
//!
//! ```text
//! Tasks::call -> Nested -> child: Machine::run -> its own Tasks, timers, children -> answer
//! ```

mod child;
mod shared;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use self::shared::SharedNested;

use self::child::{Child, Owner, Parent};
use super::flow::PANICKED;
use super::plan::Issuer;
use crate::fault::StateError;
use crate::machine::{self, Suspension};
use crate::program::Program;
use crate::step::{CallNumber, Resume, TaskRequest};
use crate::tasks::{Call, CallId, Form, Local, OpenError, Plan, Take, Tasks};
use crate::value::{Kind, Limits, Scratch};

/// Children that go on in one poll after they had spent their budget.
const READY_PER_POLL_MAX: usize = 16;

/// How many executions may be started by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NestedLimits {
    /// Of one shard at once.
    pub children_max: usize,
    /// Within each other.
    pub depth_max: u32,
}

impl Default for NestedLimits {
    fn default() -> NestedLimits {
        NestedLimits { children_max: 10_000, depth_max: 16 }
    }
}

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
    /// What its task tokens are made with.
    pub issuer: Issuer,
}

/// What one shard's executions have started.
pub struct Nested {
    /// By the number that `tasks` know them by; those that are gone leave a place.
    machines: Vec<Option<LocalMachine>>,
    /// Those that a plan's calls may start, by the number that the shard's tasks know it by.
    sets: HashMap<usize, Rc<[usize]>>,
    tasks: Tasks,
    limits: NestedLimits,
    children: HashMap<u64, Child>,
    by_call: FxHashMap<CallId, u64>,
    /// In front of [`CallId::NESTED`] it makes an id.
    last_number: u32,
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
    fn new(tasks: Tasks, limits: NestedLimits) -> Nested {
        Nested {
            machines: Vec::new(),
            sets: HashMap::new(),
            tasks,
            limits,
            children: HashMap::new(),
            by_call: FxHashMap::default(),
            last_number: 0,
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
        parent: Parent,
        (machine, set): (usize, Rc<[usize]>),
        call: &Call<'_>,
        form: Form,
    ) {
        let owner = parent.owner;
        let Some(definition) = &self.machines[machine] else { return };
        let NestedLimits { children_max, depth_max } = self.limits;
        let begun = if self.children.len() >= children_max || parent.depth >= depth_max {
            let cause = format!(
                "At most {children_max} executions may be started by others on a shard at once \
                 (engine.nested_executions_max), {depth_max} within each other \
                 (engine.nested_depth_max)."
            );
            Err(StateError::new("StepFunctions.ExecutionLimitExceededException", cause))
        } else {
            Child::begin(parent, (machine, set), definition, call, form)
        };
        let child = match begun {
            Ok(child) => child,
            Err(error) => return self.hand_over(owner, Err(error)),
        };
        let id = self.fresh_id();
        if let Owner::Task(call) = owner {
            self.by_call.insert(call, id);
        }
        self.children.insert(id, child);
        self.ready.push_back(id);
    }

    /// An id that no child has. The first part of its calls' ids.
    fn fresh_id(&mut self) -> u64 {
        loop {
            self.last_number = self.last_number.wrapping_add(1);
            let id = u64::from(self.last_number) << 32 | u64::from(CallId::NESTED);
            if !self.children.contains_key(&id) {
                return id;
            }
        }
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
        let mut role = String::new();
        request.write_role(&child.scratch, &mut role);
        let number = child.execution.call();
        let parsed = &definition.program.resource(request.resource).parsed;
        let site = child.execution.site();
        let token = child.token_at(&site).filter(|_| parsed.has_token());
        let left_ms = wake_ms.saturating_sub(self.now_ms).max(0).unsigned_abs();
        let who = child.who(definition);
        let call = Call {
            id: CallId(id, number.to_bits()),
            plan: child.machine,
            resource: request.resource.0 as usize,
            role: Some(role.as_str()).filter(|role| !role.is_empty()),
            state: definition.program.state_name(child.execution.step()),
            attempt: child.execution.attempt(),
            arguments: &arguments,
            timeout: Some(std::time::Duration::from_millis(left_ms)),
            token: token.as_ref(),
            record: child.record,
            site,
            execution: &child.name,
            caller: &who,
            now_ms: self.now_ms,
        };
        let form = Form::of(&parsed.without_token());
        let is_mocked = self.tasks.is_mocked(&call);
        let set = child.set.clone();
        let inner = form.filter(|_| !is_mocked).zip(self.find(&set, &arguments));
        match inner {
            Some((form, machine)) => {
                let is_open = token
                    .is_none_or(|token| self.tasks.callbacks().open(&token, call.id, self.now_ms));
                if !is_open {
                    return;
                }
                let parent = child.parent_of(Owner::Child(id, number));
                self.begin(parent, (machine, set), &call, form);
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
        let mut callbacks = self.tasks.callbacks();
        let of_children = self.replies.drain(..).filter(|(id, call, answer)| {
            callbacks.is_final(CallId(*id, call.to_bits()), answer.is_err())
        });
        let all: Vec<_> = of_tasks.chain(of_children).collect();
        drop(callbacks);
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

impl Local for Nested {
    fn takes(&mut self, call: &Call<'_>) -> bool {
        self.taken(call).is_some()
    }

    fn call(&mut self, call: &Call<'_>, form: Form) {
        self.now_ms = call.now_ms;
        if let Some(taken) = self.taken(call) {
            self.begin(Parent::root(call.id), taken, call, form);
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

    fn is_held(&self, plan: usize) -> bool {
        let set = self.sets.get(&plan);
        set.is_some_and(|set| set.iter().any(|machine| self.tasks.is_held(*machine)))
    }

    fn is_held_up(&self, plan: usize) -> bool {
        let set = self.sets.get(&plan);
        set.is_some_and(|set| set.iter().any(|machine| self.tasks.is_held_up(*machine)))
    }

    fn is_cut_off(&self, plan: usize) -> bool {
        let set = self.sets.get(&plan);
        set.is_some_and(|set| set.iter().any(|machine| self.tasks.is_cut_off(*machine)))
    }

    fn waiting(&self, plan: usize) -> usize {
        let set = self.sets.get(&plan);
        set.map_or(0, |set| set.iter().map(|machine| self.tasks.waiting(*machine)).sum())
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
