//! A queue of SQS as a source: one thread a process holds several long polls open, keeps what is
//! being worked on invisible, deletes what has settled and hands back what failed; one end a shard.
//!
//! ```text
//! polls -> End (a shard's) -> ... -> Source::settled -> deletes, or visibility back-off
//!   \-> held: made invisible again and again, until settled
//! ```
//!
//! Visibility runs from receipt, so few messages are fetched ahead: `prefetch_max` of them wait for a
//! shard, and the polls stop above that. Messages of one FIFO group reach their shard one by one,
//! the next one when the one before has settled; a failure hands the later ones back. Where messages
//! share executions, the shard keeps the order of groups, and the later ones come back through it.

mod end;
mod held;
mod message;
mod polls;
mod settle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::aws;
use crate::aws::sqs::Queue;
use crate::record::{AssignmentId, Wake};
use crate::sources::Source;

pub use message::{RECEIPT_HANDLE, TOLD, TOLD_TO_ENVELOPES, TYPE_PREFIX};

use end::End;
use message::Message;

/// The longest a message may stay invisible since its receipt, says SQS.
const HELD_MAX: Duration = Duration::from_secs(12 * 3600);
/// How often the queue is asked how long it is.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(10);
/// How long the last deletes and returns may take when the source is closed.
const CLOSE_BOUND: Duration = Duration::from_secs(10);

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The queue's URL.
    pub queue_url: String,
    /// How it is reached.
    pub client: aws::Settings,
    /// Polls that are open at the same time.
    pub receivers: usize,
    /// How long a poll waits for messages; at most 20 s.
    pub wait: Duration,
    /// How long messages stay invisible without being extended.
    pub visibility: Duration,
    /// Messages that were received and wait for a shard, at most.
    pub prefetch_max: usize,
    /// Calls that delete or hand back, at the same time.
    pub settle_calls_max: usize,
    /// How long a failed message stays invisible after its first receipt; doubled with each.
    pub backoff: Duration,
    /// The longest of that.
    pub backoff_max: Duration,
    /// Messages that may share an execution, where they do. All that the queue says of each is in its
    /// headers then; and a shard gets so many of a FIFO queue before any of them has settled.
    pub batch_max: Option<usize>,
}

/// What the polling thread and the ends share.
struct Shared {
    queue: Queue,
    settings: Settings,
    /// Messages that may still be fetched ahead.
    room: Semaphore,
    is_stopping: AtomicBool,
    is_closing: AtomicBool,
    changed: Notify,
    /// Why it can't go on.
    fatal: std::sync::Mutex<Option<String>>,
    backlog: AtomicI64,
    handed: AtomicU64,
    settled: AtomicU64,
}

impl Shared {
    fn fail(&self, why: String) {
        let mut fatal = self.fatal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        fatal.get_or_insert(why);
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// What an end tells the polling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Delete it.
    Done(i64),
    /// It failed: invisible for a while, then it comes again, here or elsewhere.
    Failed(i64),
    /// It was not worked on: others may have it at once.
    Unused(i64),
}

/// Steers a running source. Dropping it closes the source.
pub struct SqsSource {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

/// How far the queue is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// The queue's name.
    pub queue: String,
    /// Messages that wait in it, roughly; -1 where it was not asked yet.
    pub waiting: i64,
    /// Messages handed to shards.
    pub handed: u64,
    /// Messages that settled.
    pub settled: u64,
}

impl SqsSource {
    /// Starts reading: one end for each wake-up, in their order; `id` names their assignments.
    pub fn start(
        settings: Settings,
        id: AssignmentId,
        shards: Vec<Wake>,
    ) -> Result<(SqsSource, Vec<Box<dyn Source>>), String> {
        let queue = Queue::open(client_settings(&settings), &settings.queue_url)?;
        let shared = Arc::new(Shared {
            queue,
            room: Semaphore::new(settings.prefetch_max.max(aws::sqs::BATCH_MAX)),
            settings,
            is_stopping: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            changed: Notify::new(),
            fatal: std::sync::Mutex::default(),
            backlog: AtomicI64::new(-1),
            handed: AtomicU64::new(0),
            settled: AtomicU64::new(0),
        });
        let (tell, told) = mpsc::unbounded_channel();
        let (mut ends, mut inlets): (Vec<Box<dyn Source>>, Vec<_>) = (Vec::new(), Vec::new());
        for wake in shards {
            // Bounded by the room for messages that are fetched ahead.
            let (inlet, inbox) = channel::unbounded::<Message>();
            ends.push(Box::new(End::new(id, shared.clone(), inbox, tell.clone())));
            inlets.push(polls::Inlet { inlet, wake });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| format!("a runtime for SQS could not be made: {e}"))?;
        let theirs = shared.clone();
        let work = move || runtime.block_on(polls::run(theirs, inlets, told));
        let worker = thread::Builder::new().name("sqs".into()).spawn(work);
        let worker = worker.map_err(|e| format!("a thread for SQS could not be started: {e}"))?;
        Ok((SqsSource { shared, worker: Some(worker) }, ends))
    }

    /// Stops receiving. What was received is still settled.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
    }

    /// Deletes what has settled, hands the rest back, and ends. Not without bound.
    pub fn close(mut self) {
        self.join();
    }

    /// How far the queue is behind.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            queue: self.shared.queue.name().to_owned(),
            waiting: self.shared.backlog.load(Ordering::Relaxed),
            handed: self.shared.handed.load(Ordering::Relaxed),
            settled: self.shared.settled.load(Ordering::Relaxed),
        }
    }

    fn join(&mut self) {
        self.stop();
        self.shared.is_closing.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
        if let Some(worker) = self.worker.take() {
            // A panic in there was printed; what it held becomes visible again by itself.
            let _ = worker.join();
        }
    }
}

impl Drop for SqsSource {
    fn drop(&mut self) {
        self.join();
    }
}

/// Polls wait on their connections, and must not be ended before their time.
fn client_settings(settings: &Settings) -> aws::Settings {
    let mut client = settings.client.clone();
    client.request_timeout = client.request_timeout.max(settings.wait + Duration::from_secs(10));
    let calls = settings.receivers + settings.settle_calls_max + 2;
    client.calls_max = client.calls_max.max(calls);
    client.idle_connections_max = client.idle_connections_max.max(calls);
    client
}
