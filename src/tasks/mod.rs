//! Task integrations: what a Task's `Resource` calls. The engine makes one [`Plan`] a definition
//! (refusing resources that nothing here can answer); each shard opens the plans' drivers once as
//! its [`Tasks`], hands it [`Call`]s and polls it for answers. Nothing here blocks: HTTP runs on
//! the shard's own `LocalSet`, Kafka on the client's threads, mocks on the shard's clock.

mod api_gateway;
mod arguments;
mod aws;
mod batch;
pub mod callbacks;
mod driver;
mod dynamodb;
mod ecs;
mod eventbridge;
mod http;
mod jobs;
mod kafka;
mod lambda;
mod line;
mod local;
mod mocks;
mod objects;
mod plan;
mod s3;
mod sagemaker;
mod sdk;
mod sns;
mod sqs;
mod step_functions;

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::LocalSet;

pub use aws::{Coalesced, Settings as AwsSettings, Target as AwsTarget};
pub use driver::{Answer, Call, CallId, Caller, Driver, Place, Take};
pub use http::{Connection, OAuth, Settings as HttpSettings, Tls};
pub use jobs::Settings as JobSettings;
pub use kafka::Settings as ProduceSettings;
pub use local::{Form, Local};
pub use mocks::{MockError, Mocks};
pub use objects::Limits as ObjectLimits;
pub use plan::{Plan, Refusal, TaskState};

use self::callbacks::{Callbacks, Inbox};
use self::plan::Answerer;
use crate::asl::resource::Resource;
use crate::fault::StateError;
use crate::record::Wake;
use crate::targets::{Held, Targets};

/// The error name of a call that is not made because its target is down.
pub const TARGET_DOWN: &str = "Target.Down";

/// One integration, a row of [`TASKS`].
pub struct Integration {
    /// Which resources it answers.
    pub takes: fn(&Resource) -> bool,
    /// What is missing in the settings for it to work; the sentence goes on after `Resource "..."`.
    pub lacks: fn(&Settings) -> Option<&'static str>,
    /// Opens one shard's end.
    pub open: Open,
}

/// Opens one shard's end of an integration.
pub type Open = fn(&Settings, &Place) -> Result<Box<dyn Driver>, OpenError>;

/// All integrations.
pub static TASKS: &[Integration] = &[
    http::INTEGRATION,
    jobs::INTEGRATION,
    kafka::INTEGRATION,
    // A folder stands for buckets where there is one.
    objects::INTEGRATION,
    s3::INTEGRATION,
    lambda::INTEGRATION,
    sns::INTEGRATION,
    sqs::INTEGRATION,
    dynamodb::INTEGRATION,
    eventbridge::INTEGRATION,
    ecs::INTEGRATION,
    batch::INTEGRATION,
    sagemaker::INTEGRATION,
    step_functions::INTEGRATION,
    api_gateway::INTEGRATION,
    sdk::INTEGRATION,
];

/// What the integrations of one definition need to know.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `http:invoke`
    pub http: HttpSettings,
    /// `kafka:produce`; without it (a run without a cluster) such a resource is refused.
    pub produce: Option<ProduceSettings>,
    /// Jobs: `.sync`
    pub jobs: JobSettings,
    /// The folder whose folders are buckets, for the readers and writers of distributed Maps; without
    /// it, and without AWS, they are refused.
    pub objects: Option<PathBuf>,
    /// What their reading there is held to.
    pub object_limits: ObjectLimits,
    /// All that calls AWS; without it that is refused.
    pub aws: Option<AwsSettings>,
    /// Answers from outside reach the executions: tokens and activities are refused otherwise.
    pub has_callbacks: bool,
    /// The state machines that executions may start in this process, by name.
    pub machines: Vec<String>,
}

/// Why a driver could not be opened, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// What was attempted, on what, and what to do.
    pub message: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for OpenError {}

/// One shard's end of all integrations of all its definitions.
pub struct Tasks {
    place: Place,
    /// By the number that calls give; plans that are gone leave a place.
    plans: Vec<Option<Opened>>,
    drivers: Vec<Option<Box<dyn Driver>>>,
    mocked: mocks::Calls,
    /// Shared with the tasks of nested executions.
    callbacks: Rc<RefCell<Callbacks>>,
    is_nested: bool,
    local: Option<Box<dyn Local>>,
}

struct Opened {
    plan: Arc<Plan>,
    /// Its drivers, each once.
    own: Vec<usize>,
    /// By the resource's index.
    answerers: Vec<Answerer>,
}

impl Tasks {
    /// Nothing to be called yet. `wake` is called when an answer has come; the shard drives `local`,
    /// within a runtime with I/O and time enabled.
    pub fn new(local: Rc<LocalSet>, wake: Wake, targets: Targets) -> Tasks {
        let place = Place::new(local, wake, targets);
        let (plans, drivers) = (Vec::new(), Vec::new());
        let (mocked, callbacks) = Default::default();
        Tasks { place, plans, drivers, mocked, callbacks, is_nested: false, local: None }
    }

    /// Those of executions that these start: with plans and drivers of their own, and the same
    /// answers from outside.
    pub fn nested(&self) -> Tasks {
        Tasks {
            place: self.place.clone(),
            plans: Vec::new(),
            drivers: Vec::new(),
            mocked: mocks::Calls::default(),
            callbacks: self.callbacks.clone(),
            is_nested: true,
            local: None,
        }
    }

    /// With these plans, numbered from 0, and targets that are held to nothing.
    pub fn open(
        plans: Vec<Arc<Plan>>,
        local: Rc<LocalSet>,
        wake: Wake,
    ) -> Result<Tasks, OpenError> {
        let mut tasks = Tasks::new(local, wake, Targets::default());
        for plan in plans {
            tasks.add(plan)?;
        }
        Ok(tasks)
    }

    /// Opens what a plan needs. Calls name the plan by the number that is returned.
    pub fn add(&mut self, plan: Arc<Plan>) -> Result<usize, OpenError> {
        let used = plan.integrations();
        let mut opened = Vec::new();
        for integration in &used {
            opened.push((TASKS[*integration].open)(plan.settings(), &self.place)?);
        }
        let own: Vec<usize> =
            opened.into_iter().map(|driver| put(&mut self.drivers, driver)).collect();
        let place_of = |wanted: &usize| used.iter().position(|it| it == wanted).map(|it| own[it]);
        let opened_of = |answerer: &Answerer| match answerer {
            Answerer::Integration(wanted) => {
                place_of(wanted).map_or(Answerer::Mock, Answerer::Integration)
            }
            Answerer::Machine(form, wanted) => {
                Answerer::Machine(*form, wanted.as_ref().and_then(place_of))
            }
            other => other.clone(),
        };
        let answerers = plan.answerers().iter().map(opened_of).collect();
        Ok(put(&mut self.plans, Opened { plan, own, answerers }))
    }

    /// Closes what a plan needed. No call of it is under way any more.
    pub fn remove(&mut self, plan: usize) {
        let Some(opened) = self.plans.get_mut(plan).and_then(Option::take) else { return };
        for driver in opened.own {
            self.drivers[driver] = None;
        }
    }

    /// Has executions that calls start run here.
    pub fn run_locally(&mut self, local: Box<dyn Local>) {
        self.local = Some(local);
    }

    /// Do mocks answer this call?
    pub fn is_mocked(&self, call: &Call<'_>) -> bool {
        let opened = self.plans[call.plan].as_ref();
        let mocks = opened.and_then(|opened| opened.plan.mocks());
        mocks.is_some_and(|mocks| mocks.of_state(call.state).is_some())
    }

    /// Takes answers from outside through this end of the desk.
    pub fn attend(&mut self, inbox: Inbox, limits: callbacks::Limits) {
        *self.callbacks.borrow_mut() = Callbacks::new(inbox, limits);
    }

    /// Calls that wait for an answer from outside.
    pub fn callbacks(&mut self) -> RefMut<'_, Callbacks> {
        self.callbacks.borrow_mut()
    }

    /// Takes a call; never blocks. Its answer comes out of [`Tasks::poll`], exactly once unless it
    /// is cancelled.
    pub fn call(&mut self, call: &Call<'_>) {
        let Some(opened) = &self.plans[call.plan] else { return self.mocked.refuse(call.id) };
        if let Some(mocks) = opened.plan.mocks()
            && let Some(list) = mocks.of_state(call.state)
        {
            return self.mocked.call(call, mocks, list);
        }
        if let Some(token) = call.token
            && !self.callbacks.borrow_mut().open(token, call.id, call.now_ms)
        {
            return;
        }
        let called = opened.plan.called(call.resource);
        let answerer = &opened.answerers[call.resource];
        let driver = answerer.integration();
        let driver = driver.and_then(|driver| self.drivers[driver].as_mut());
        match (answerer, call.token, driver) {
            (Answerer::Worker(activity), Some(token), _) => {
                self.callbacks.borrow_mut().offer(token, activity, call.arguments);
            }
            (Answerer::Machine(form, _), _, driver) => {
                let local = self.local.as_mut().and_then(|local| {
                    let takes = local.takes(call);
                    takes.then_some(local)
                });
                match (local, driver) {
                    (Some(local), _) => local.call(call, *form),
                    (None, Some(driver)) => driver.call(call, called),
                    (None, None) => {
                        self.callbacks.borrow_mut().close(call.id);
                        self.mocked.fail(call.id, no_machine());
                    }
                }
            }
            (Answerer::Integration(_), _, Some(driver)) => driver.call(call, called),
            // A plan is only made where every state has a driver or a mock.
            _ => self.mocked.refuse(call.id),
        }
    }

    /// Hands over the answers that have come. Never waits.
    pub fn poll(&mut self, now_ms: i64, take: &mut Take<'_>) {
        let plans = &self.plans;
        let mocks = |plan: usize| plans[plan].as_ref().and_then(|opened| opened.plan.mocks());
        self.mocked.poll(now_ms, &mocks, take);
        self.callbacks.borrow_mut().poll(self.is_nested, take);
        let callbacks = &self.callbacks;
        let mut take_final = |id, answer: Answer<'_>| {
            if callbacks.borrow_mut().is_final(id, answer.is_err()) {
                take(id, answer);
            }
        };
        if let Some(local) = &mut self.local {
            local.poll(now_ms, &mut take_final);
        }
        for driver in self.drivers.iter_mut().flatten() {
            driver.poll(&mut take_final);
        }
    }

    /// Forgets a call: no answer comes any more. What it has set off may happen nevertheless.
    pub fn cancel(&mut self, id: CallId) {
        self.mocked.cancel(id);
        self.callbacks.borrow_mut().close(id);
        if let Some(local) = &mut self.local {
            local.cancel(id);
        }
        for driver in self.drivers.iter_mut().flatten() {
            driver.cancel(id);
        }
    }

    /// Forgets a call that is made again elsewhere: a job that it has started goes on, and is found
    /// again.
    pub fn leave(&mut self, id: CallId) {
        self.mocked.cancel(id);
        self.callbacks.borrow_mut().close(id);
        if let Some(local) = &mut self.local {
            local.leave(id);
        }
        for driver in self.drivers.iter_mut().flatten() {
            driver.leave(id);
        }
    }

    /// Do calls of this plan wait for a target that is down?
    pub fn is_held(&self, plan: usize) -> bool {
        let local = self.local.as_ref();
        self.held(plan).any(Held::is_waiting) || local.is_some_and(|it| it.is_held(plan))
    }

    /// Is a target down that calls of this plan have waited for?
    pub fn is_held_up(&self, plan: usize) -> bool {
        let local = self.local.as_ref();
        self.held(plan).any(Held::is_down) || local.is_some_and(|it| it.is_held_up(plan))
    }

    /// Is one of those not even reached?
    pub fn is_cut_off(&self, plan: usize) -> bool {
        let local = self.local.as_ref();
        self.held(plan).any(Held::is_unreachable) || local.is_some_and(|it| it.is_cut_off(plan))
    }

    /// How often what a target answers with its trouble is done again while the target is down.
    pub fn troubled_max(&self) -> u32 {
        self.place.targets.troubled_max()
    }

    /// Calls of this plan that wait for their turn.
    pub fn waiting(&self, plan: usize) -> usize {
        let local = self.local.as_ref().map_or(0, |it| it.waiting(plan));
        local + self.own(plan).map(Driver::waiting).sum::<usize>()
    }

    fn held(&self, plan: usize) -> impl Iterator<Item = &Held> {
        self.own(plan).filter_map(Driver::held)
    }

    fn own(&self, plan: usize) -> impl Iterator<Item = &dyn Driver> {
        let opened = self.plans.get(plan).and_then(Option::as_ref);
        let own = opened.map_or(&[][..], |opened| &opened.own);
        own.iter().filter_map(|driver| self.drivers[*driver].as_deref())
    }

    /// When [`Tasks::poll`] is wanted at the latest (milliseconds since 1970, `i64::MIN` for at
    /// once); `None` where only the wake-up can tell.
    pub fn next_due_ms(&self) -> Option<i64> {
        let is_due = self.drivers.iter().flatten().any(|driver| driver.is_due());
        if is_due || self.callbacks.borrow().is_due(self.is_nested) {
            return Some(i64::MIN);
        }
        let local = self.local.as_ref().and_then(|local| local.next_due_ms());
        [self.mocked.next_due_ms(), local].into_iter().flatten().min()
    }

    /// Calls taken and not yet answered or cancelled, waiting ones included.
    pub fn in_flight(&self) -> usize {
        let local = self.local.as_ref().map_or(0, |local| local.in_flight());
        let of_drivers = self.drivers.iter().flatten().map(|it| it.in_flight());
        local + self.mocked.in_flight() + of_drivers.sum::<usize>()
    }
}

fn no_machine() -> StateError {
    let cause = "No state machine of this process has the name in StateMachineArn: see [machines] in \
                 the configuration.";
    StateError::new("StepFunctions.StateMachineDoesNotExistException", cause)
}

/// Puts something into the first free place. Returns which that is.
fn put<T>(places: &mut Vec<Option<T>>, it: T) -> usize {
    let free = places.iter().position(Option::is_none).unwrap_or(places.len());
    if free == places.len() {
        places.push(None);
    }
    places[free] = Some(it);
    free
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
