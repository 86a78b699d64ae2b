//! Where the HTTP endpoint finds shards: a bounded queue to each, with a wake-up; which shard was
//! given a partition; and the activities there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::{CallId, Key, Token};
use crate::fault::StateError;
use crate::record::Wake;

/// How long a worker's poll waits before it asks shards again whose queues were full.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// A task's result as JSON text, or its error.
pub type Given = Result<Vec<u8>, StateError>;

/// A question to a shard.
#[derive(Clone, Debug)]
pub enum Ask {
    /// `SendTaskSuccess`, `SendTaskFailure`
    Answer(Token, Given),
    /// `SendTaskHeartbeat`
    Heartbeat(Token),
    /// Is it still waited for?
    Look(Token),
    /// `GetActivityTask`
    Take(Arc<str>),
}

/// A question, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub ask: Ask,
    /// Where to.
    pub reply: oneshot::Sender<Reply>,
}

/// A shard's answer.
#[derive(Debug)]
pub enum Reply {
    /// It is done: handed to its execution, or held for it.
    Done,
    /// The execution does not wait for it any more.
    TimedOut,
    /// The record is not this shard's.
    NotHere,
    /// There is no room for it just now: ask again.
    Busy,
    /// A task for the worker.
    Task(Taken),
    /// There is none.
    Nothing,
}

/// An activity's task, for a worker.
#[derive(Debug)]
pub struct Taken {
    /// The call.
    pub call: CallId,
    /// Its token.
    pub token: String,
    /// JSON text.
    pub input: Vec<u8>,
    /// There are more of them.
    pub has_more: bool,
}

/// What workers may ask for tasks of.
#[derive(Clone, Debug)]
pub struct Activity {
    /// When it came to be known, in milliseconds since 1970.
    pub created_ms: i64,
    /// A definition calls it.
    pub is_called: bool,
    bell: Arc<Notify>,
    pollers: Arc<AtomicUsize>,
}

/// One shard's end.
pub struct Inbox {
    pub(super) receiver: Receiver<Asked>,
    pub(super) desk: Arc<Desk>,
    pub(super) shard: usize,
}

/// The process's end.
pub struct Desk {
    key: Key,
    shards: Vec<(Sender<Asked>, Wake)>,
    /// Which shard was given a partition last; only told of when partitions move.
    routes: Mutex<HashMap<(u64, i32), usize>>,
    activities: Mutex<BTreeMap<Arc<str>, Activity>>,
    /// Which shard a worker's poll begins with.
    turn: AtomicUsize,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a desk of {} shards", self.shards.len())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// A desk for shards that are woken so, with room for so many questions to each.
    pub fn open(key: Key, queue_max: usize, wakes: &[Wake]) -> (Arc<Desk>, Vec<Inbox>) {
        let (shards, receivers): (Vec<_>, Vec<_>) = wakes
            .iter()
            .map(|wake| {
                let (sender, receiver) = bounded(queue_max.max(1));
                ((sender, wake.clone()), receiver)
            })
            .unzip();
        let desk = Arc::new(Desk {
            key,
            shards,
            routes: Mutex::default(),
            activities: Mutex::default(),
            turn: AtomicUsize::new(0),
        });
        let inbox = |(shard, receiver)| Inbox { receiver, desk: desk.clone(), shard };
        let inboxes = receivers.into_iter().enumerate().map(inbox).collect();
        (desk, inboxes)
    }

    /// What tokens are signed with.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Makes an activity known, or what is already known of it.
    pub fn add_activity(&self, arn: &str, is_called: bool, now_ms: i64) -> Activity {
        let mut activities = locked(&self.activities);
        let activity = activities.entry(arn.into()).or_insert_with(|| Activity {
            created_ms: now_ms,
            is_called: false,
            bell: Arc::default(),
            pollers: Arc::default(),
        });
        activity.is_called |= is_called;
        activity.clone()
    }

    /// An activity that is known, and its name here.
    pub fn activity(&self, arn: &str) -> Option<(Arc<str>, Activity)> {
        let activities = locked(&self.activities);
        activities.get_key_value(arn).map(|(arn, activity)| (arn.clone(), activity.clone()))
    }

    /// All activities.
    pub fn activities(&self) -> Vec<(Arc<str>, Activity)> {
        let activities = locked(&self.activities);
        activities.iter().map(|(arn, activity)| (arn.clone(), activity.clone())).collect()
    }

    /// Forgets an activity.
    pub fn remove_activity(&self, arn: &str) {
        locked(&self.activities).remove(arn);
    }

    /// What wakes a worker that waits for the activity's tasks.
    pub(super) fn bell(&self, activity: &str) -> Option<Arc<Notify>> {
        locked(&self.activities).get(activity).map(|it| it.bell.clone())
    }

    /// A shard has this partition from now on.
    pub(super) fn route(&self, stream: u64, partition: i32, shard: usize) {
        locked(&self.routes).insert((stream, partition), shard);
    }

    /// Asks one shard.
    async fn ask(&self, shard: usize, ask: Ask) -> Reply {
        let (sender, wake) = &self.shards[shard];
        let (reply, answer) = oneshot::channel();
        if sender.try_send(Asked { ask, reply }).is_err() {
            return Reply::Busy;
        }
        wake.wake();
        // A shard that has ended drops what it was asked.
        answer.await.unwrap_or(Reply::NotHere)
    }

    /// Asks the shard that has the token's record; all of them where none is known to.
    pub async fn ask_owner(&self, token: &Token, ask: Ask) -> Reply {
        let record = &token.record;
        let owner = locked(&self.routes).get(&(record.stream, record.partition)).copied();
        let others = (0..self.shards.len()).filter(|shard| Some(*shard) != owner);
        for shard in owner.into_iter().chain(others) {
            match self.ask(shard, ask.clone()).await {
                Reply::NotHere => {}
                reply => return reply,
            }
        }
        Reply::NotHere
    }

    /// Waits for a task of an activity; `None` where none has come in that time.
    pub async fn take(&self, arn: &Arc<str>, activity: &Activity, time: Duration) -> Option<Taken> {
        let until = Instant::now() + time;
        loop {
            // Whoever goes away having heard the bell passes it on.
            let call = PassOn(Some(&activity.bell));
            match self.take_now(arn).await {
                Reply::Task(taken) => {
                    if !taken.has_more {
                        call.done();
                    }
                    return Some(taken);
                }
                Reply::Busy => sleep(BUSY_PAUSE).await,
                _ => {
                    call.done();
                    timeout_at(until, activity.bell.notified()).await.ok()?;
                }
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    async fn take_now(&self, arn: &Arc<str>) -> Reply {
        let count = self.shards.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut last = Reply::Nothing;
        for at in 0..count {
            match self.ask(first.wrapping_add(at) % count, Ask::Take(arn.clone())).await {
                Reply::Task(taken) => return Reply::Task(taken),
                Reply::Busy => last = Reply::Busy,
                _ => {}
            }
        }
        last
    }
}

/// Rings a bell when it is dropped, unless that is over.
struct PassOn<'a>(Option<&'a Notify>);

impl PassOn<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        if let Some(bell) = self.0 {
            bell.notify_one();
        }
    }
}

/// One of an activity's polls, for as long as it is kept.
#[derive(Debug)]
pub struct Poller(Arc<AtomicUsize>);

impl Activity {
    /// One more poll, unless there are so many.
    pub fn poller(&self, most: usize) -> Option<Poller> {
        let poller = Poller(self.pollers.clone());
        (self.pollers.fetch_add(1, Ordering::AcqRel) < most).then_some(poller)
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
