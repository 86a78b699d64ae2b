//! A call's way out: its target's turn, the shard's turn, the exchange; and once more, where it failed
//! because its target is down and calls wait for that to pass.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{StatusCode, Url};
use tokio::sync::Semaphore;

use super::client::{Clients, Exchange, SOCKET};
use super::guard::{Guard, LOCAL_ONLY};
use super::request::Prepared;
use super::{Outcome, Settings};
use crate::fault::{StateError, names};
use crate::targets::{Held, Name, TROUBLED_MAX, Targets, Verdict};
use crate::tasks::{OpenError, TARGET_DOWN};

/// What makes one shard's calls.
pub(super) struct Caller {
    clients: Clients,
    turns: Semaphore,
    targets: Targets,
    pub(super) settings: Settings,
    pub(super) held: Held,
}

impl Caller {
    pub(super) fn open(
        settings: Settings,
        guard: &Guard,
        targets: Targets,
    ) -> Result<Caller, OpenError> {
        let clients = Clients::open(&settings, guard)?;
        let turns = Semaphore::new(settings.calls_max.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Caller { clients, turns, targets, settings, held: Held::default() })
    }

    /// Makes a call. Many may wait for their turn: what a call needs on its way is made when it is out.
    pub(super) async fn call(&self, mut prepared: Prepared, caller: u64) -> Outcome {
        let Some(target) = self.targets.find(&name_of(prepared.request.url())) else {
            let _turn = self.turns.acquire().await.ok();
            return self.exchange(prepared).await;
        };
        let mut troubled = 0;
        loop {
            let entered = target.enter(&self.turns, Some(&self.held)).await;
            let pass =
                entered.map_err(|refused| StateError::new(TARGET_DOWN, format!("{refused}.")))?;
            let again = target.pauses().then(|| prepared.try_clone()).flatten();
            let outcome = self.exchange(prepared).await;
            let aftermath = pass.leave(verdict_of(&outcome, caller));
            troubled += u32::from(outcome.is_ok());
            match again {
                Some(next) if troubled <= TROUBLED_MAX && aftermath.settle().await => {
                    prepared = next;
                }
                _ => return outcome,
            }
        }
    }

    async fn exchange(&self, prepared: Prepared) -> Outcome {
        Box::pin(self.clients.exchange(prepared, &self.settings)).await
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
fn verdict_of(outcome: &Outcome, caller: u64) -> Verdict {
    match outcome {
        Ok(exchange) if exchange.status == StatusCode::TOO_MANY_REQUESTS => {
            Verdict::Throttled(retry_after(exchange))
        }
        Ok(exchange) if exchange.status.is_server_error() => Verdict::Troubled(caller),
        Ok(_) => Verdict::Answered,
        Err(error) if error.name() == Some(names::DATA_LIMIT_EXCEEDED) => Verdict::Answered,
        // A name that must not be called tells nothing about whoever bears it.
        Err(error) if error.cause().is_some_and(|cause| cause.contains(LOCAL_ONLY)) => {
            Verdict::Unknown
        }
        Err(error) if error.name() == Some(SOCKET) => Verdict::Failed,
        Err(_) => Verdict::Unknown,
    }
}

/// `Retry-After` in seconds; as a date it is not followed.
fn retry_after(exchange: &Exchange) -> Option<Duration> {
    let header = exchange.headers.get(RETRY_AFTER)?.to_str().ok()?;
    header.trim().parse().ok().map(Duration::from_secs)
}
