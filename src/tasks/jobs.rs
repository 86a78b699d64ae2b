//! Jobs (`.sync`, `.sync:2`): started, asked after with back-off until they are over, and stopped
//! where nobody waits for them any more.
//!
//! ```json
//! {"Resource": "arn:aws:states:::batch:submitJob.sync",
//!  "Parameters": {"JobName": "etl", "JobQueue": "high", "JobDefinition": "etl:3"}}
//! ```
//!
//! The result is what the service says of the job in the end; a job that failed is
//! `States.TaskFailed` with that as the cause. Names and tokens that make starting idempotent derive
//! from the execution and the call, so that a record that is run again finds the job that runs
//! already: ECS by `ClientToken`, Step Functions by `Name`, SageMaker by the name the definition
//! gives. Batch and Glue have nothing of the kind: there a second run is a second job.

mod rows;
mod run;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use tokio::task::AbortHandle;

use self::rows::{Job, job_of};
use self::run::Started;
use super::{Call, CallId, Driver, Integration, OpenError, Place, Take, aws};
use crate::asl::resource::Resource;
use crate::fault::StateError;
use crate::targets::Held;

/// How often jobs are asked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first time, after so long; then less and less often.
    pub poll_interval: Duration,
    /// But at least so often.
    pub poll_interval_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            poll_interval: Duration::from_secs(1),
            poll_interval_max: Duration::from_secs(30),
        }
    }
}

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| job_of(resource).is_some(),
    lacks: aws::lacks,
    open: |settings, place| Ok(Box::new(Jobs::open(settings, place)?)),
};

/// What came of a job.
type Outcome = Result<Json, StateError>;

/// Where the futures put what came of their jobs.
type Outcomes = Rc<RefCell<VecDeque<(CallId, Outcome)>>>;

/// One shard's jobs.
struct Jobs {
    end: aws::End,
    settings: Rc<Settings>,
    place: Place,
    under_way: FxHashMap<CallId, UnderWay>,
    outcomes: Outcomes,
    answer: Vec<u8>,
}

struct UnderWay {
    handle: AbortHandle,
    asked: Rc<aws::Job>,
    job: &'static Job,
    fate: Rc<RefCell<Fate>>,
}

/// How far a job is, and whether anybody still wants it.
#[derive(Default)]
enum Fate {
    /// It is being started.
    #[default]
    Starting,
    /// It runs.
    Running(Started),
    /// It is to be stopped as soon as it has been started.
    Unwanted,
}

impl Jobs {
    fn open(settings: &super::Settings, place: &Place) -> Result<Jobs, OpenError> {
        Ok(Jobs {
            end: aws::End::open(settings, place)?,
            settings: Rc::new(settings.jobs.clone()),
            place: place.clone(),
            under_way: FxHashMap::default(),
            outcomes: Outcomes::default(),
            answer: Vec::new(),
        })
    }

    fn begin(&self, call: &Call<'_>, called: &Resource) -> Result<UnderWay, StateError> {
        let job = job_of(called)
            .ok_or_else(|| StateError::runtime("this resource starts no job; a defect."))?;
        let fate: Rc<RefCell<Fate>> = Rc::default();
        let asked = Rc::new(aws::Job::new(&self.end, call, called));
        let run = run::Run {
            members: run::members(&asked, job)?,
            asked: asked.clone(),
            job,
            settings: self.settings.clone(),
            fate: fate.clone(),
        };
        let (outcomes, wake, id) = (self.outcomes.clone(), self.place.wake.clone(), call.id);
        let future = async move {
            if let Some(outcome) = run.run().await {
                outcomes.borrow_mut().push_back((id, outcome));
                wake.wake();
            }
        };
        let handle = self.place.local.spawn_local(future).abort_handle();
        Ok(UnderWay { handle, asked, job, fate })
    }

    /// Nobody waits for this job any more.
    fn stop(&self, UnderWay { handle, asked, job, fate }: UnderWay) {
        // One that is being started may be there already: it is stopped once that is known.
        let before = std::mem::replace(&mut *fate.borrow_mut(), Fate::Unwanted);
        if let Fate::Running(started) = before {
            handle.abort();
            self.place.local.spawn_local(async move { run::stop(&asked, job, &started).await });
        }
    }
}

impl Driver for Jobs {
    fn call(&mut self, call: &Call<'_>, called: &Resource) {
        match self.begin(call, called) {
            Ok(under_way) => drop(self.under_way.insert(call.id, under_way)),
            Err(error) => {
                self.outcomes.borrow_mut().push_back((call.id, Err(error)));
                self.place.wake.wake();
            }
        }
    }

    fn poll(&mut self, take: &mut Take<'_>) {
        loop {
            let next = self.outcomes.borrow_mut().pop_front();
            let Some((id, outcome)) = next else { return };
            self.under_way.remove(&id);
            match outcome {
                Ok(said) => {
                    self.answer.clear();
                    self.answer.extend_from_slice(said.to_string().as_bytes());
                    take(id, Ok(&self.answer));
                }
                Err(error) => take(id, Err(error)),
            }
        }
    }

    fn cancel(&mut self, id: CallId) {
        if let Some(under_way) = self.under_way.remove(&id) {
            self.stop(under_way);
        }
        self.outcomes.borrow_mut().retain(|(other, _)| *other != id);
    }

    /// The record is run again, here or elsewhere, and finds its job.
    fn leave(&mut self, id: CallId) {
        if let Some(UnderWay { handle, .. }) = self.under_way.remove(&id) {
            handle.abort();
        }
        self.outcomes.borrow_mut().retain(|(other, _)| *other != id);
    }

    fn is_due(&self) -> bool {
        !self.outcomes.borrow().is_empty()
    }

    fn held(&self) -> Option<&Held> {
        Some(&self.end.held)
    }

    fn in_flight(&self) -> usize {
        self.under_way.len()
    }
}

#[cfg(test)]
mod tests;
