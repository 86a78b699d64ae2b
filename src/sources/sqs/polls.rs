//! The polling thread: long polls, extensions, and the queue's length.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;

use super::held::{Held, backoff};
use super::message::{self, Message};
use super::settle::Settler;
use super::{BACKLOG_INTERVAL, CLOSE_BOUND, Shared, Told};
use crate::aws;
use crate::aws::sqs::BATCH_MAX;
use crate::record::Wake;

/// Pauses between polls that failed: from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// The longest that SQS lets a poll wait.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The longest poll of a FIFO queue, see [`Desk::backoff`]; and how much later a failed message comes.
const FIFO_WAIT_MAX: Duration = Duration::from_secs(2);
const FIFO_MARGIN: Duration = Duration::from_secs(1);
/// How often what is in hand is looked through for what must be extended, for each visibility.
const LOOKS_PER_VISIBILITY: u32 = 8;

/// The way to a shard's end.
pub(super) struct Inlet {
    pub inlet: Sender<Message>,
    pub wake: Wake,
}

/// What the thread's tasks share.
pub(super) struct Desk {
    pub shared: Arc<Shared>,
    pub held: RefCell<Held>,
    inlets: Vec<Inlet>,
    next_number: Cell<i64>,
    next_inlet: Cell<usize>,
    /// A message of a group has failed: until then, messages are received one by one.
    careful_until: Cell<Option<Instant>>,
}

/// Runs until the source is closed.
pub(super) async fn run(shared: Arc<Shared>, inlets: Vec<Inlet>, told: UnboundedReceiver<Told>) {
    let desk = Rc::new(Desk {
        shared,
        held: RefCell::default(),
        inlets,
        next_number: Cell::new(0),
        next_inlet: Cell::new(0),
        careful_until: Cell::new(None),
    });
    let local = LocalSet::new();
    for _ in 0..desk.shared.settings.receivers.max(1) {
        local.spawn_local(receive(desk.clone()));
    }
    local.spawn_local(extend(desk.clone()));
    local.spawn_local(ask_backlog(desk.clone()));
    let settler = Settler::new(desk.clone(), told);
    local.run_until(settler.run()).await;
    let leftovers = local.run_until(desk.hand_back_all());
    let _ = tokio::time::timeout(CLOSE_BOUND, leftovers).await;
}

impl Desk {
    /// Waits for a change of `is_stopping` or `is_closing`.
    pub async fn stopped(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.is_stopping() {
                return;
            }
            changed.await;
        }
    }

    /// How long a failed message stays invisible. Of a FIFO queue long enough that all polls which are
    /// open by now are over: the next ones take one message each for a while, because a batch with
    /// the failed one would hold those behind it as well, and each receipt counts towards their
    /// redrive, too. (To give up an open poll is no way: the queue goes on with it.)
    pub fn backoff(&self, receives: u32) -> Duration {
        let settings = &self.shared.settings;
        let span = backoff(receives, settings.backoff, settings.backoff_max);
        if !self.shared.queue.is_fifo() {
            return span;
        }
        let span = span.max(FIFO_WAIT_MAX + FIFO_MARGIN);
        let until = Instant::now() + span + settings.visibility;
        self.careful_until.set(self.careful_until.get().max(Some(until)));
        span
    }

    fn is_careful(&self) -> bool {
        self.careful_until.get().is_some_and(|until| Instant::now() < until)
    }

    /// Makes messages visible after so many seconds. Those that it did not work for come back.
    pub async fn hide(&self, messages: &[(i64, Duration)]) -> Result<Vec<i64>, aws::Error> {
        let known: Vec<(i64, Json)> = messages
            .iter()
            .filter_map(|(number, span)| {
                let held = self.held.borrow();
                let receipt = held.receipt(*number)?.to_owned();
                let seconds = span.as_secs_f64().ceil() as u64;
                Some((*number, json!({ "ReceiptHandle": receipt, "VisibilityTimeout": seconds })))
            })
            .collect();
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let (numbers, entries): (Vec<i64>, Vec<Json>) = known.into_iter().unzip();
        let failures = self.shared.queue.batch("ChangeMessageVisibilityBatch", entries).await?;
        Ok(failures.iter().filter_map(|it| numbers.get(it.place).copied()).collect())
    }

    /// Everything in hand goes back at once.
    async fn hand_back_all(&self) {
        let numbers = self.held.borrow().numbers();
        for batch in numbers.chunks(BATCH_MAX) {
            let batch: Vec<_> = batch.iter().map(|it| (*it, Duration::ZERO)).collect();
            if let Err(error) = self.hide(&batch).await {
                // They come again once their visibility has run out.
                tracing::warn!(%error, "messages could not be handed back");
                return;
            }
        }
    }

    fn deliver(&self, messages: &Json, asked: Instant) -> usize {
        let list = messages.as_array().map_or(&[][..], Vec::as_slice);
        let visibility = self.shared.settings.visibility;
        let is_whole = self.shared.settings.batch_max.is_some();
        let turn = self.next_inlet.get();
        self.next_inlet.set((turn + 1) % self.inlets.len());
        let mut woken = vec![false; self.inlets.len()];
        let mut count = 0;
        for json in list {
            let number = self.next_number.get();
            let Some((mut message, handle)) = message::read(number, json, is_whole) else {
                continue;
            };
            self.next_number.set(number + 1);
            let to = match &message.group {
                Some(group) if self.shared.queue.is_fifo() => hash(group) % self.inlets.len(),
                _ => turn,
            };
            let mut held = self.held.borrow_mut();
            let place = held.known(&message.id).unwrap_or((number, to));
            let to = place.1;
            message.number = place.0;
            held.put(place, (&message.id, handle), (asked, visibility));
            drop(held);
            // The end is gone only when its shard is; then everything is handed back.
            let _ = self.inlets[to].inlet.send(message);
            woken[to] = true;
            count += 1;
        }
        let inlets = self.inlets.iter().zip(woken).filter(|(_, woken)| *woken);
        inlets.for_each(|(inlet, _)| inlet.wake.wake());
        count
    }

    fn wake_all(&self) {
        self.inlets.iter().for_each(|inlet| inlet.wake.wake());
    }
}

fn hash(group: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    group.hash(&mut hasher);
    hasher.finish() as usize
}

/// One long poll after the other, as long as there is room for what they may bring.
async fn receive(desk: Rc<Desk>) {
    let mut pause = PAUSES.0;
    loop {
        let stopped = desk.stopped();
        let poll = poll_once(&desk);
        // A poll that is given up may have been about to answer: those messages come again once
        // their visibility has run out.
        let polled = tokio::select! {
            biased;
            () = stopped => return,
            polled = poll => polled,
        };
        let Err(error) = polled else {
            pause = PAUSES.0;
            continue;
        };
        if !is_passing(&error) {
            desk.shared.fail(aws::sqs::advice(&desk.shared.queue, &error));
            desk.wake_all();
            return;
        }
        tracing::warn!(%error, ?pause, "an SQS poll failed and is tried again");
        tokio::select! {
            () = desk.stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn poll_once(desk: &Desk) -> Result<(), aws::Error> {
    let shared = &desk.shared;
    let wanted = BATCH_MAX as u32;
    // Nobody closes the semaphore.
    let Ok(room) = shared.room.acquire_many(wanted).await else { return Ok(()) };
    let most = if shared.queue.is_fifo() { FIFO_WAIT_MAX } else { WAIT_MAX };
    let (asked, wait) = (Instant::now(), shared.settings.wait.min(most));
    let mut members = json!({
        "MaxNumberOfMessages": if desk.is_careful() { 1 } else { BATCH_MAX },
        "WaitTimeSeconds": wait.as_secs(),
        "VisibilityTimeout": shared.settings.visibility.as_secs(),
        "MessageAttributeNames": ["All"],
        "MessageSystemAttributeNames": ["All"],
    });
    if shared.queue.is_fifo() {
        // Another attempt of the same call gets the same messages.
        members["ReceiveRequestAttemptId"] = json!(format!("{:032x}", rand_id(asked)));
    }
    let answer = shared.queue.call("ReceiveMessage", members).await?;
    let count = desk.deliver(&answer["Messages"], asked);
    // Those that came keep their room until a shard has taken them.
    room.forget();
    shared.room.add_permits(BATCH_MAX.saturating_sub(count));
    Ok(())
}

/// Different for each call of each process.
fn rand_id(asked: Instant) -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(asked));
    half() << 64 | half()
}

/// May it be otherwise a little later? Of credentials, too, others may come.
pub(super) fn is_passing(error: &aws::Error) -> bool {
    error.is_retriable() || matches!(error.kind, aws::ErrorKind::Malformed)
}

/// Keeps what is in hand invisible.
async fn extend(desk: Rc<Desk>) {
    let visibility = desk.shared.settings.visibility;
    loop {
        tokio::time::sleep(visibility / LOOKS_PER_VISIBILITY).await;
        let due = desk.held.borrow_mut().extend(Instant::now(), visibility);
        for batch in due.chunks(BATCH_MAX) {
            let failed = match desk.hide(batch).await {
                Ok(failed) => failed,
                Err(error) => {
                    tracing::warn!(%error, "messages could not be kept invisible");
                    batch.iter().map(|it| it.0).collect()
                }
            };
            let now = Instant::now();
            let mut held = desk.held.borrow_mut();
            failed.into_iter().for_each(|number| held.not_extended(number, now));
        }
    }
}

/// Asks how long the queue is, from time to time.
async fn ask_backlog(desk: Rc<Desk>) {
    let names = json!({ "AttributeNames": ["ApproximateNumberOfMessages"] });
    loop {
        match desk.shared.queue.call("GetQueueAttributes", names.clone()).await {
            Ok(answer) => {
                let text = answer["Attributes"]["ApproximateNumberOfMessages"].as_str();
                let waiting = text.and_then(|it| it.parse().ok()).unwrap_or(-1);
                desk.shared.backlog.store(waiting, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "the queue's length is not known"),
        }
        tokio::time::sleep(BACKLOG_INTERVAL).await;
    }
}
