//! A call's way out: the request, its target's turn and the shard's, the exchange; and once more, where
//! it failed because its target is down and calls wait for that to pass.

use std::cell::RefCell;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{StatusCode, Url};
use tokio::sync::Semaphore;

use super::client::{Clients, Exchange, Failure, SOCKET};
use super::guard::{Guard, LOCAL_ONLY};
use super::request::{self, Builder, Prepared};
use super::{Outcome, Settings};
use crate::fault::{StateError, names};
use crate::targets::{Held, Name, Pass, Target, Targets, Verdict};
use crate::tasks::{OpenError, TARGET_DOWN};

/// A call as it waits for its turn.
pub(super) struct Job {
    /// JSON text.
    pub(super) arguments: Box<[u8]>,
    /// Who calls, as far as targets tell callers apart.
    pub(super) whose: u64,
}

/// What makes one shard's calls.
pub(super) struct Caller {
    clients: Clients,
    turns: Semaphore,
    targets: Targets,
    guard: Guard,
    builder: RefCell<Builder>,
    held: Held,
    settings: Settings,
}

impl Caller {
    pub(super) fn open(
        settings: Settings,
        targets: Targets,
        held: Held,
    ) -> Result<Caller, OpenError> {
        let guard = Guard::new(&settings.hosts);
        let clients = Clients::open(&settings, &guard)?;
        let turns = Semaphore::new(settings.calls_max.clamp(1, Semaphore::MAX_PERMITS));
        let builder = RefCell::new(Builder::new());
        Ok(Caller { clients, turns, targets, guard, builder, held, settings })
    }

    fn prepare(&self, job: &Job) -> Result<Prepared, StateError> {
        let builder = &mut self.builder.borrow_mut();
        request::build(builder, &job.arguments, &self.settings, &self.guard)
    }

    /// Makes a call. What is rare lies in boxes: it would take room in the future of every call.
    pub(super) async fn call(&self, job: Job) -> Outcome {
        let mut prepared = self.prepare(&job)?;
        let target = self.targets.find(&name_of(prepared.request.url()));
        let mut troubled = 0;
        loop {
            let (pass, _turn) = match &target {
                Some(target) => (Some(self.enter(target).await?), None),
                None => (None, self.turns.acquire().await.ok()),
            };
            let outcome = self.clients.exchange(prepared, &self.settings).await;
            let Some(pass) = pass else { return Ok(outcome?) };
            let aftermath = pass.leave(verdict_of(&outcome, job.whose));
            troubled += u32::from(outcome.is_ok());
            if !aftermath.allows(troubled) {
                return Ok(outcome?);
            }
            let _aside = self.held.aside();
            if !Box::pin(aftermath.settle()).await {
                return Ok(outcome?);
            }
            prepared = self.prepare(&job)?;
        }
    }

    async fn enter(&self, target: &Target) -> Result<Pass<'_>, StateError> {
        let entered = target.enter(&self.turns, Some(&self.held)).await;
        entered.map_err(|refused| StateError::new(TARGET_DOWN, format!("{refused}.")))
    }
}

fn name_of(url: &Url) -> Name<'_> {
    Name {
        service: None,
        host: url.host_str().unwrap_or_default(),
        port: url.port_or_known_default().unwrap_or_default(),
    }
}

/// What an outcome says about the target.
fn verdict_of(outcome: &Result<Exchange, Failure>, caller: u64) -> Verdict {
    match outcome {
        Ok(exchange) if exchange.status == StatusCode::TOO_MANY_REQUESTS => {
            Verdict::Throttled(retry_after(exchange))
        }
        Ok(exchange) if exchange.status.is_server_error() => Verdict::Troubled(caller),
        Ok(_) => Verdict::Answered,
        Err(Failure::Token(_)) => Verdict::Unknown,
        Err(Failure::Call(error)) => verdict_of_error(error),
    }
}

fn verdict_of_error(error: &StateError) -> Verdict {
    // A name that must not be called tells nothing about whoever bears it.
    let is_local_only = || error.cause().is_some_and(|cause| cause.contains(LOCAL_ONLY));
    match error.name() {
        Some(names::DATA_LIMIT_EXCEEDED) => Verdict::Answered,
        Some(SOCKET) if !is_local_only() => Verdict::Failed,
        _ => Verdict::Unknown,
    }
}

/// `Retry-After` in seconds; as a date it is not followed.
fn retry_after(exchange: &Exchange) -> Option<Duration> {
    let header = exchange.headers.get(RETRY_AFTER)?.to_str().ok()?;
    header.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_little_memory() {
        let opened = Caller::open(Settings::default(), Targets::default(), Held::default());
        let caller = opened.unwrap_or_else(|e| panic!("it opens: {}", e.message));
        let size = size_of_val(&caller.call(Job { arguments: Box::default(), whose: 0 }));
        assert!(size <= 3 << 10, "{size} bytes, copied and held for each call under way");
    }

    #[test]
    fn a_token_that_can_not_be_had_tells_nothing_of_the_api() {
        let error = StateError::new(SOCKET, "nobody is there");
        assert_eq!(verdict_of(&Err(Failure::Call(error.clone())), 0), Verdict::Failed);
        assert_eq!(verdict_of(&Err(Failure::Token(error)), 0), Verdict::Unknown);
    }
}
