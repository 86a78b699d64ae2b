//! The sending thread: calls, second tries, receipts.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Sender;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::entry::Entry;
use crate::aws::sqs::{self, Queue};
use crate::aws::{Error, ErrorKind};
use crate::record::Wake;
use crate::sinks::{Receipt, SinkError, SinkErrorKind};

/// Pauses before messages are sent again: from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What is sent in one call.
pub(super) struct Batch {
    /// The queue's place in the sink.
    pub place: usize,
    pub queue: Queue,
    pub entries: Vec<Entry>,
}

struct Desk {
    report: Sender<Receipt>,
    wake: Wake,
    calls: Arc<Semaphore>,
}

/// Sends what comes until the sink is gone; what is under way then is given up.
pub(super) async fn run(
    mut orders: UnboundedReceiver<Batch>,
    report: Sender<Receipt>,
    wake: Wake,
    calls_max: usize,
) {
    let desk = Rc::new(Desk { report, wake, calls: Arc::new(Semaphore::new(calls_max)) });
    let local = LocalSet::new();
    let serve = async {
        let mut lines: HashMap<usize, UnboundedSender<Batch>> = HashMap::new();
        while let Some(batch) = orders.recv().await {
            if !batch.queue.is_fifo() {
                spawn_local(send_in_turn(desk.clone(), batch));
                continue;
            }
            let line = lines.entry(batch.place).or_insert_with(|| {
                let (line, waiting) = unbounded_channel();
                spawn_local(one_by_one(desk.clone(), waiting));
                line
            });
            // The line's task ends only after this sender.
            let _ = line.send(batch);
        }
    };
    local.run_until(serve).await;
}

async fn one_by_one(desk: Rc<Desk>, mut waiting: UnboundedReceiver<Batch>) {
    while let Some(batch) = waiting.recv().await {
        send_in_turn(desk.clone(), batch).await;
    }
}

async fn send_in_turn(desk: Rc<Desk>, batch: Batch) {
    // Nobody closes the semaphore; without a turn the call would merely not wait for one.
    let _turn = desk.calls.acquire().await.ok();
    let Batch { queue, mut entries, .. } = batch;
    let mut pause = PAUSES.0;
    while !entries.is_empty() {
        entries = desk.send(&queue, entries).await;
        desk.wake.wake();
        if !entries.is_empty() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

impl Desk {
    /// One call. Returns what is to be sent again.
    async fn send(&self, queue: &Queue, entries: Vec<Entry>) -> Vec<Entry> {
        let json = entries.iter().map(|entry| entry.json.clone()).collect();
        let failures = match queue.batch("SendMessageBatch", json).await {
            Ok(failures) => failures,
            Err(error) if error.is_retriable() || error.kind == ErrorKind::Malformed => {
                tracing::warn!(%error, "messages could not be sent and are sent again");
                return entries;
            }
            Err(error) => {
                let why = sort(queue, &error);
                entries.iter().for_each(|entry| self.tell(entry.tag, Err(why.clone())));
                return Vec::new();
            }
        };
        let mut again = Vec::new();
        for (place, entry) in entries.into_iter().enumerate() {
            match failures.iter().find(|failure| failure.place == place) {
                None => self.tell(entry.tag, Ok((-1, -1))),
                Some(failure) if !failure.is_final => again.push(entry),
                Some(failure) => {
                    let message = format!(
                        "queue {:?} refused a message: {}: {}",
                        queue.url(),
                        failure.code,
                        failure.message
                    );
                    let (kind, code) = (SinkErrorKind::Record, "REFUSED");
                    self.tell(entry.tag, Err(SinkError { kind, code, message }));
                }
            }
        }
        again
    }

    fn tell(&self, tag: u64, result: Result<(i32, i64), SinkError>) {
        // Nobody hears it once the sink is gone.
        let _ = self.report.send(Receipt { tag, result });
    }
}

/// Who can do something about a call that was refused as a whole.
fn sort(queue: &Queue, error: &Error) -> SinkError {
    let is_about_messages =
        ["BatchRequestTooLong", "InvalidMessageContents", "InvalidParameterValue"]
            .iter()
            .any(|code| error.code.ends_with(code));
    let kind = if is_about_messages { SinkErrorKind::Record } else { SinkErrorKind::Fatal };
    SinkError { kind, code: "", message: sqs::advice(queue, error) }
}
