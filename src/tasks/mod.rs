//! Task integrations: what a Task's `Resource` calls. The engine makes one [`Plan`] a definition
//! (refusing resources that nothing here can answer); each shard opens the plans' drivers once as
//! its [`Tasks`], hands it [`Call`]s and polls it for answers. Nothing here blocks: HTTP runs on
//! the shard's own `LocalSet`, Kafka on the client's threads, mocks on the shard's clock.

mod api_gateway;
mod arguments;
mod aws;
mod batch;
mod driver;
mod dynamodb;
mod ecs;
mod eventbridge;
mod http;
mod kafka;
mod lambda;
mod mocks;
mod objects;
mod plan;
mod s3;
mod sagemaker;
mod sdk;
mod sns;
mod sqs;
mod step_functions;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::LocalSet;

pub use aws::{Settings as AwsSettings, Target as AwsTarget};
pub use driver::{Answer, Call, CallId, Driver, Place, Take};
pub use http::{Connection, OAuth, Settings as HttpSettings, Tls};
pub use kafka::Settings as ProduceSettings;
pub use mocks::{MockError, Mocks};
pub use objects::Settings as ObjectSettings;
pub use plan::{Plan, Refusal, TaskState};

use crate::asl::resource::Resource;
use crate::record::Wake;

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
    /// The readers and writers of distributed Maps; without it they are refused.
    pub objects: Option<ObjectSettings>,
    /// All that calls AWS; without it that is refused.
    pub aws: Option<AwsSettings>,
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
    plans: Vec<Opened>,
    drivers: Vec<Box<dyn Driver>>,
    mocked: mocks::Calls,
}

struct Opened {
    plan: Arc<Plan>,
    // By the resource's index; `None` where only mocks answer it.
    drivers: Vec<Option<usize>>,
}

impl Tasks {
    /// Opens what the plans need. Calls name a plan by its index here. `wake` is called when an
    /// answer has come; the shard drives `local`, within a runtime with I/O and time enabled.
    pub fn open(
        plans: Vec<Arc<Plan>>,
        local: Rc<LocalSet>,
        wake: Wake,
    ) -> Result<Tasks, OpenError> {
        let place = Place::new(local, wake);
        let mut drivers = Vec::new();
        let mut opened = Vec::new();
        for plan in plans {
            let first = drivers.len();
            let used = plan.integrations();
            for integration in &used {
                drivers.push((TASKS[*integration].open)(plan.settings(), &place)?);
            }
            let driver_of = |wanted: &Option<usize>| {
                let rank = used.iter().position(|used| Some(*used) == *wanted)?;
                Some(first + rank)
            };
            let indexes = plan.resources().iter().map(driver_of).collect();
            opened.push(Opened { plan, drivers: indexes });
        }
        Ok(Tasks { plans: opened, drivers, mocked: mocks::Calls::default() })
    }

    /// Takes a call; never blocks. Its answer comes out of [`Tasks::poll`], exactly once unless it
    /// is cancelled.
    pub fn call(&mut self, call: &Call<'_>) {
        let opened = &self.plans[call.plan];
        if let Some(mocks) = opened.plan.mocks()
            && let Some(list) = mocks.of_state(call.state)
        {
            return self.mocked.call(call, mocks, list);
        }
        match opened.drivers[call.resource] {
            Some(driver) => self.drivers[driver].call(call, opened.plan.called(call.resource)),
            // A plan is only made where every state has a driver or a mock.
            None => self.mocked.refuse(call.id),
        }
    }

    /// Hands over the answers that have come. Never waits.
    pub fn poll(&mut self, now_ms: i64, take: &mut Take<'_>) {
        let plans = &self.plans;
        self.mocked.poll(now_ms, &|plan| plans[plan].plan.mocks(), take);
        for driver in &mut self.drivers {
            driver.poll(take);
        }
    }

    /// Forgets a call: no answer comes any more. What it has set off may happen nevertheless.
    pub fn cancel(&mut self, id: CallId) {
        self.mocked.cancel(id);
        for driver in &mut self.drivers {
            driver.cancel(id);
        }
    }

    /// When [`Tasks::poll`] is wanted at the latest (milliseconds since 1970, `i64::MIN` for at
    /// once); `None` where only the wake-up can tell.
    pub fn next_due_ms(&self) -> Option<i64> {
        if self.drivers.iter().any(|driver| driver.is_due()) {
            return Some(i64::MIN);
        }
        self.mocked.next_due_ms()
    }

    /// Calls taken and not yet answered or cancelled, waiting ones included.
    pub fn in_flight(&self) -> usize {
        self.mocked.in_flight() + self.drivers.iter().map(|it| it.in_flight()).sum::<usize>()
    }
}

#[cfg(test)]
mod harness;
