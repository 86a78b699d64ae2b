//! One job from its start to its end, as a future on the shard.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value as Json;

use super::rows::{Job, Verdict};
use super::{Fate, Outcome, Settings, aws};
use crate::asl::resource::Pattern;
use crate::aws::{Error, ErrorKind};
use crate::fault::{StateError, names};

/// What is told of a job that nobody waits for any more.
pub(super) const STOPPED: &str = "The task that started it timed out or was aborted.";

/// A job that runs: what asks after it, and what stops it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Started {
    pub(super) describe: Json,
    pub(super) stop: Json,
}

/// What is to be run.
pub(super) struct Run {
    /// Whose calls these are: where they go, and as whom.
    pub(super) asked: Rc<aws::Job>,
    pub(super) job: &'static Job,
    pub(super) members: Json,
    pub(super) settings: Rc<Settings>,
    pub(super) fate: Rc<RefCell<Fate>>,
}

/// The parameters with what makes starting idempotent.
pub(super) fn members(asked: &aws::Job, job: &Job) -> Result<Json, StateError> {
    let mut members = asked.members()?;
    (job.prepare)(&mut members, &asked.names());
    Ok(members.into())
}

impl Run {
    /// Starts it, and asks after it until it is over; `None` where nobody wants to know any more.
    pub(super) async fn run(self) -> Option<Outcome> {
        let started = match self.start().await {
            Ok(started) => started,
            Err(error) => return Some(Err(error)),
        };
        let fate = std::mem::replace(&mut *self.fate.borrow_mut(), Fate::Running(started.clone()));
        if matches!(fate, Fate::Unwanted) {
            stop(&self.asked, self.job, &started).await;
            return None;
        }
        let mut pause = self.settings.poll_interval;
        loop {
            tokio::time::sleep(pause).await;
            pause = pause.mul_f64(1.5).min(self.settings.poll_interval_max);
            let said = match self.call(self.job.describe, &started.describe).await {
                Ok(said) => said,
                // The job goes on, whatever keeps us from asking.
                Err(error) if error.is_retriable() => continue,
                Err(error) => return Some(Err(self.failed(&error))),
            };
            match (self.job.verdict)(self.job, said) {
                Verdict::Running => {}
                Verdict::Succeeded(said) => return Some(Ok(self.result(said))),
                Verdict::Failed(said) => {
                    return Some(Err(StateError::new(names::TASK_FAILED, said.to_string())));
                }
            }
        }
    }

    async fn start(&self) -> Result<Started, StateError> {
        match self.call(self.job.start, &self.members).await {
            Ok(answer) => (self.job.started)(self.job, &answer, &self.members),
            // The record was run before: its job is there already.
            Err(error) => match (self.job.found)(self.job, &error.code, &self.members) {
                Some(started) => Ok(started),
                None => Err(self.failed(&error)),
            },
        }
    }

    async fn call(&self, operation: &str, members: &Json) -> Result<Json, Error> {
        call(&self.asked, self.job, operation, members).await
    }

    /// A service's error as the state sees it.
    fn failed(&self, error: &Error) -> StateError {
        match error.kind {
            ErrorKind::Input => self.asked.refused(&error.message),
            _ => self.job.integration.failure(error),
        }
    }

    /// `.sync:2` has input and output as JSON.
    fn result(&self, mut said: Json) -> Json {
        if self.asked.resource.pattern() == Pattern::Sync2 {
            for name in ["Input", "Output"] {
                if let Some(value) = said.get_mut(name)
                    && let Some(parsed) =
                        value.as_str().and_then(|text| serde_json::from_str(text).ok())
                {
                    *value = parsed;
                }
            }
        }
        said
    }
}

async fn call(asked: &aws::Job, job: &Job, operation: &str, members: &Json) -> Result<Json, Error> {
    let call = asked.call(job.integration.api(), operation);
    Ok(asked.client.call(&call, members).await?.members)
}

/// Stops a job, as well as can be.
pub(super) async fn stop(asked: &aws::Job, job: &Job, started: &Started) {
    if let Err(error) = call(asked, job, job.stop, &started.stop).await {
        tracing::warn!(%error, "a job that nobody waits for could not be stopped");
    }
}
