//! Answers to tasks, to whichever process waits for them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::refusal::Refusal;
use crate::config::Config;
use crate::tasks::callbacks::{Ask, Desk, Given, Reply, Token};

/// A request with this header was passed on by a peer, and is passed on no further.
pub(super) const PASSED_ON: &str = "x-expressway-passed-on";
/// How long a peer may take.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// What a peer says that does not hold the task's partition.
const MISDIRECTED: StatusCode = StatusCode::MISDIRECTED_REQUEST;

/// What becomes of a task from outside.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Answer(Given),
    Heartbeat,
}

/// Where answers go.
#[derive(Debug)]
pub struct Answers {
    pub(super) desk: Arc<Desk>,
    pub(super) settings: crate::config::Callbacks,
    /// Bytes of a task's result.
    pub(super) output_max: usize,
    client: OnceLock<reqwest::Client>,
}

impl Answers {
    /// Answers to the tasks of an engine with this desk.
    pub fn new(desk: Arc<Desk>, config: &Config) -> Answers {
        let settings = config.callbacks.clone();
        let output_max = config.engine.state_data_max.bytes() as usize;
        Answers { desk, settings, output_max, client: OnceLock::new() }
    }

    /// The token that this text is.
    pub(super) fn token(&self, text: &str) -> Result<Token, Refusal> {
        self.desk.key().read(text).ok_or_else(Refusal::invalid_token)
    }

    /// Does it: here, or at the peer that holds the task's partition.
    pub(super) async fn act(
        &self,
        text: &str,
        act: Act,
        is_passed_on: bool,
    ) -> Result<(), Refusal> {
        let token = self.token(text)?;
        let ask = match act.clone() {
            Act::Answer(given) => Ask::Answer(token, given),
            Act::Heartbeat => Ask::Heartbeat(token),
        };
        match self.desk.ask_owner(&token, ask).await {
            Reply::TimedOut => Err(Refusal::timed_out()),
            Reply::Busy => Err(Refusal::busy()),
            Reply::NotHere if is_passed_on => Err(misdirected(&token, "")),
            Reply::NotHere => self.pass_on(&token, text, &act).await,
            _ => Ok(()),
        }
    }

    /// Asks one peer after the other.
    async fn pass_on(&self, token: &Token, text: &str, act: &Act) -> Result<(), Refusal> {
        let peers = &self.settings.peers;
        if peers.is_empty() {
            let advice = " Send it to the process of the group that does, or name them all in \
                          callbacks.peers, so that each passes answers on.";
            return Err(misdirected(token, advice).unavailable());
        }
        let (operation, body) = match act {
            Act::Heartbeat => ("SendTaskHeartbeat", json!({"taskToken": text})),
            Act::Answer(Ok(output)) => {
                let output = String::from_utf8_lossy(output);
                ("SendTaskSuccess", json!({"taskToken": text, "output": output}))
            }
            Act::Answer(Err(error)) => {
                let (name, cause) = (error.name(), error.cause());
                ("SendTaskFailure", json!({"taskToken": text, "error": name, "cause": cause}))
            }
        };
        let mut unreachable = Vec::new();
        for peer in peers {
            match self.ask_peer(peer, operation, body.to_string()).await {
                Ok(Some(result)) => return result,
                Ok(None) => {}
                Err(error) => unreachable.push(format!("{peer} ({error})")),
            }
        }
        let mut advice = " None of callbacks.peers does either, just now: try again.".to_owned();
        if !unreachable.is_empty() {
            advice += &format!(" These could not be asked: {}.", unreachable.join(", "));
        }
        Err(misdirected(token, &advice).unavailable())
    }

    /// `None`: it does not hold the task's partition.
    async fn ask_peer(
        &self,
        peer: &str,
        operation: &str,
        body: String,
    ) -> Result<Option<Result<(), Refusal>>, String> {
        let client = self.client.get_or_init(reqwest::Client::new);
        let request = client
            .post(format!("{}/", peer.trim_end_matches('/')))
            .header("content-type", super::step_functions::CONTENT_TYPE)
            .header("x-amz-target", format!("{}{operation}", super::step_functions::TARGET_PREFIX))
            .header(PASSED_ON, "1")
            .timeout(PEER_TIMEOUT)
            .body(body);
        let answer = request.send().await.map_err(|error| reason(&error))?;
        let status = answer.status();
        if status == MISDIRECTED {
            return Ok(None);
        }
        let text = answer.text().await.map_err(|error| reason(&error))?;
        if status.is_success() {
            return Ok(Some(Ok(())));
        }
        let refusal = Refusal::read(status, &text).ok_or_else(|| format!("it says {status}"))?;
        Ok(Some(Err(refusal)))
    }
}

/// The innermost cause: the outer ones repeat the URL.
fn reason(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

fn misdirected(token: &Token, advice: &str) -> Refusal {
    let partition = token.record.partition;
    let message = format!(
        "The task's record is in partition {partition} of its topic, which this process does not \
         hold.{advice}"
    );
    Refusal::new(MISDIRECTED, "TaskElsewhere", message)
}
