//! What settled is deleted, what failed is handed back: in batches, several calls at a time.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::polls::{Desk, is_passing};
use super::{CLOSE_BOUND, Told};
use crate::aws;
use crate::aws::sqs::{BATCH_MAX, Failure};

/// How long a batch waits to fill.
const LINGER: Duration = Duration::from_millis(10);
/// Pauses before a call is made again that failed: from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Gathers what is told and makes calls of it.
pub(super) struct Settler {
    desk: Rc<Desk>,
    told: UnboundedReceiver<Told>,
    calls: Arc<Semaphore>,
    calls_max: u32,
    done: Vec<i64>,
    back: Vec<(i64, Duration)>,
}

impl Settler {
    pub(super) fn new(desk: Rc<Desk>, told: UnboundedReceiver<Told>) -> Settler {
        let calls_max = desk.shared.settings.settle_calls_max.clamp(1, 1 << 16) as u32;
        let calls = Arc::new(Semaphore::new(calls_max as usize));
        Settler { desk, told, calls, calls_max, done: Vec::new(), back: Vec::new() }
    }

    /// Runs until the source is closed and everything told was done, at most for the bound.
    pub(super) async fn run(mut self) {
        loop {
            let desk = self.desk.clone();
            tokio::select! {
                biased;
                told = self.told.recv() => match told {
                    Some(told) => self.note(told).await,
                    None => break,
                },
                () = closing(&desk) => break,
                () = tokio::time::sleep(LINGER), if self.has_some() => self.flush().await,
            }
        }
        let rest = async {
            while let Ok(told) = self.told.try_recv() {
                self.note(told).await;
            }
            self.flush().await;
            // All calls are over when all turns are free again.
            let _ = self.calls.acquire_many(self.calls_max).await;
        };
        let _ = tokio::time::timeout(CLOSE_BOUND, rest).await;
    }

    fn has_some(&self) -> bool {
        !self.done.is_empty() || !self.back.is_empty()
    }

    async fn note(&mut self, told: Told) {
        match told {
            Told::Done(number) => self.done.push(number),
            Told::Unused(number) => self.back.push((number, Duration::ZERO)),
            Told::Failed(number) => {
                let receives = self.desk.held.borrow().receives(number);
                let span = self.desk.backoff(receives);
                self.back.push((number, span));
            }
        }
        if self.done.len() >= BATCH_MAX || self.back.len() >= BATCH_MAX {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        if !self.done.is_empty() {
            let numbers = std::mem::take(&mut self.done);
            let turn = self.turn().await;
            tokio::task::spawn_local(delete(self.desk.clone(), numbers, turn));
        }
        if !self.back.is_empty() {
            let messages = std::mem::take(&mut self.back);
            let turn = self.turn().await;
            tokio::task::spawn_local(hand_back(self.desk.clone(), messages, turn));
        }
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore; without a turn the call would merely not wait for one.
        self.calls.clone().acquire_owned().await.ok()
    }
}

async fn closing(desk: &Desk) {
    loop {
        let changed = desk.shared.changed.notified();
        if desk.shared.is_closing.load(Ordering::Acquire) {
            return;
        }
        changed.await;
    }
}

/// Deletes messages; what can't be deleted now is tried again, what never can be comes again.
async fn delete(desk: Rc<Desk>, mut numbers: Vec<i64>, _turn: Option<OwnedSemaphorePermit>) {
    let mut pause = PAUSES.0;
    while !numbers.is_empty() {
        let entries: Vec<_> = {
            let held = desk.held.borrow();
            numbers.retain(|number| held.receipt(*number).is_some());
            let entry = |number: &i64| json!({ "ReceiptHandle": held.receipt(*number) });
            numbers.iter().map(entry).collect()
        };
        match desk.shared.queue.batch("DeleteMessageBatch", entries).await {
            Ok(failures) => numbers = deleted(&desk, &numbers, &failures),
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "messages could not be deleted and are tried again");
            }
            Err(error) => {
                desk.shared.fail(aws::sqs::advice(&desk.shared.queue, &error));
                return;
            }
        }
        if !numbers.is_empty() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// Lets go of what was deleted or never can be. Returns what is worth another try.
fn deleted(desk: &Desk, numbers: &[i64], failures: &[Failure]) -> Vec<i64> {
    let mut again = Vec::new();
    for (place, number) in numbers.iter().enumerate() {
        match failures.iter().find(|failure| failure.place == place) {
            Some(failure) if !failure.is_final => again.push(*number),
            failure => {
                desk.held.borrow_mut().take(*number);
                if let Some(Failure { code, message, .. }) = failure {
                    tracing::warn!(code, message, "a message that is done with will come again");
                }
            }
        }
    }
    again
}

/// Hands messages back: once, because they become visible by themselves otherwise.
async fn hand_back(
    desk: Rc<Desk>,
    messages: Vec<(i64, Duration)>,
    _turn: Option<OwnedSemaphorePermit>,
) {
    match desk.hide(&messages).await {
        Ok(failed) if failed.is_empty() => {}
        Ok(failed) => {
            tracing::warn!(count = failed.len(), "messages come again when their time is up");
        }
        Err(error) => tracing::warn!(%error, "messages come again when their time is up"),
    }
    let mut held = desk.held.borrow_mut();
    for (number, span) in &messages {
        match span.is_zero() {
            true => held.take(*number),
            false => held.take_failed(*number),
        }
    }
}
