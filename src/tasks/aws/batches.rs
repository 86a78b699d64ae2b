//! Calls of several executions that share a request, where a service has a form for many: each waits
//! a moment for others to the same place, and has its own result, or its own error, as if it had gone
//! alone.
//!
//! ```text
//! join -> Open (a request that is being put together) -> full, or waited long enough -> send
//!      <- its part of the answer; or `None`: what was refused goes alone, and is told why itself
//! ```

mod denied;
mod keys;
mod rows;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use self::denied::{Denied, is_denial};
use self::keys::Keys;
use self::rows::{Outcome, Part, ROWS, Row};
use crate::aws::{Answer, Call, Client, Endpoint, Error, ErrorKind, Reply, Service};
use crate::targets::Held;

/// Calls that share requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalesced {
    /// By service: how long a call waits for others.
    pub waits: BTreeMap<String, Duration>,
    /// Tables of DynamoDB of which is kept in mind what their keys are, and that their request for
    /// many is denied.
    pub tables_max: usize,
}

impl Default for Coalesced {
    fn default() -> Coalesced {
        Coalesced { waits: BTreeMap::new(), tables_max: 1_000 }
    }
}

/// What a call is told; `None`: it goes alone.
type Told = Option<Result<Answer, Error>>;

/// How often what a service has left out goes with another request, before it goes alone.
const ROUNDS_MAX: u32 = 4;
/// The pause before the second of those; it doubles from one to the next.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// One driver's requests that are being put together.
pub(super) struct Batches {
    /// By service: how long a call waits for others.
    waits: BTreeMap<String, Duration>,
    open: Rc<RefCell<OpenOnes>>,
    keys: Keys,
    denied: Denied,
}

/// By what those have in common that go together.
#[derive(Default)]
struct OpenOnes {
    by_place: HashMap<String, Open>,
    last_number: u64,
}

/// A request that is being put together.
struct Open {
    number: u64,
    sender: Sender,
    common: Json,
    entries: Vec<Json>,
    bytes: usize,
    /// Keys of items; one request must not write the same item twice.
    keys: HashSet<String>,
    calls: Vec<Waiting>,
}

/// A call, and which of the entries are its own.
struct Waiting {
    own: Range<usize>,
    tell: oneshot::Sender<Told>,
}

/// Whom a request goes to, and as whom.
#[derive(Clone)]
struct Sender {
    client: Client,
    row: &'static Row,
    service: &'static Service,
    endpoint: Option<Endpoint>,
    region: Option<String>,
    role: Option<String>,
    held: Option<Held>,
    /// Whoever came first.
    caller: u64,
    /// Told where it is denied.
    denied: Denied,
}

impl Batches {
    pub(super) fn new(Coalesced { waits, tables_max }: Coalesced) -> Batches {
        let (keys, denied) = (Keys::new(tables_max), Denied::new(tables_max));
        Batches { waits, open: Rc::default(), keys, denied }
    }

    /// Calls that share a request, at most.
    pub(super) fn calls_max(&self) -> usize {
        let rows = ROWS.iter().filter(|row| self.waits.contains_key(row.service));
        rows.map(|row| row.entries_max).max().unwrap_or(1)
    }

    /// Has a call go with others; `None`: it goes alone.
    pub(super) async fn join(&self, client: &Client, call: &Call<'_>, members: &Json) -> Told {
        if self.waits.is_empty() {
            return None;
        }
        let service = call.service.name();
        let wait = *self.waits.get(&service)?;
        let is_its = |row: &&Row| row.service == service && row.operation == call.operation;
        let row = ROWS.iter().find(is_its)?;
        let Part { common, entries } = (row.part)(members)?;
        let bytes = entries.iter().map(|entry| entry.to_string().len()).sum();
        if entries.is_empty() || entries.len() > row.entries_max || bytes > row.bytes_max {
            return None;
        }
        let sender = Sender {
            client: client.clone(),
            row,
            service: call.service,
            endpoint: call.endpoint.cloned(),
            region: call.region.map(str::to_owned),
            role: call.role.map(str::to_owned),
            held: call.held.cloned(),
            caller: call.caller,
            denied: self.denied.clone(),
        };
        let place = sender.place(&common);
        if row.has_own_right && self.denied.has(&place, Instant::now()) {
            return None;
        }
        let key = match service == "dynamodb" {
            true => Some(self.keys.of(client, call, &common, &entries[0]).await?),
            false => None,
        };
        let told = self.add(place, sender, Part { common, entries }, (bytes, key), wait);
        // Whoever would tell it is gone: it goes alone.
        told.await.unwrap_or_default()
    }

    fn add(
        &self,
        place: String,
        sender: Sender,
        part: Part,
        (bytes, key): (usize, Option<String>),
        wait: Duration,
    ) -> oneshot::Receiver<Told> {
        let row = sender.row;
        let mut open = self.open.borrow_mut();
        let has_no_room = |it: &Open| {
            it.entries.len() + part.entries.len() > row.entries_max
                || it.bytes + bytes > row.bytes_max
                || key.as_ref().is_some_and(|key| it.keys.contains(key))
        };
        if open.by_place.get(&place).is_some_and(has_no_room) {
            open.send(&place);
        }
        if !open.by_place.contains_key(&place) {
            let number = open.begin(place.clone(), sender, part.common);
            let (all, place) = (self.open.clone(), place.clone());
            tokio::task::spawn_local(async move {
                sleep(wait).await;
                let mut all = all.borrow_mut();
                if all.by_place.get(&place).is_some_and(|it| it.number == number) {
                    all.send(&place);
                }
            });
        }
        let (tell, told) = oneshot::channel();
        let Some(own) = open.by_place.get_mut(&place) else { return told };
        let from = own.entries.len();
        own.entries.extend(part.entries);
        own.bytes += bytes;
        own.keys.extend(key);
        own.calls.push(Waiting { own: from..own.entries.len(), tell });
        if own.entries.len() >= row.entries_max {
            open.send(&place);
        }
        told
    }
}

impl OpenOnes {
    fn begin(&mut self, place: String, sender: Sender, common: Json) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        let (entries, bytes, keys, calls) = Default::default();
        let open = Open { number, sender, common, entries, bytes, keys, calls };
        self.by_place.insert(place, open);
        number
    }

    /// Sends what there is for a place.
    fn send(&mut self, place: &str) {
        if let Some(open) = self.by_place.remove(place) {
            tokio::task::spawn_local(open.send());
        }
    }
}

impl Open {
    /// Sends it, and tells each call what became of it.
    async fn send(mut self) {
        let mut pause = ROUND_PAUSE;
        for _ in 0..ROUNDS_MAX {
            self.forget_cancelled();
            if self.calls.len() <= 1 {
                // One alone is no batch.
                return self.tell_all(None);
            }
            match self.sender.send(&self.common, &self.entries).await {
                // It was refused as a whole, perhaps for the sake of a single entry.
                Err(error) if is_about_entries(&error) => {
                    self.sender.note_denial(&self.common, &error);
                    return self.tell_all(None);
                }
                Err(error) => return self.tell_all(Some(error)),
                Ok(answer) => self.tell(answer),
            }
            sleep(pause).await;
            pause *= 2;
        }
        self.tell_all(None);
    }

    /// Leaves out calls that nobody waits for.
    fn forget_cancelled(&mut self) {
        if self.calls.iter().any(|call| call.tell.is_closed()) {
            let calls = std::mem::take(&mut self.calls);
            self.keep(calls.into_iter().filter(|call| !call.tell.is_closed()).collect());
        }
    }

    /// Only these calls are left.
    fn keep(&mut self, calls: Vec<Waiting>) {
        let entries = std::mem::take(&mut self.entries);
        for Waiting { own, tell } in calls {
            let from = self.entries.len();
            self.entries.extend_from_slice(&entries[own]);
            self.calls.push(Waiting { own: from..self.entries.len(), tell });
        }
    }

    /// Tells those that the answer is about; the others are left.
    fn tell(&mut self, Answer { members, reply }: Answer) {
        let mut left = Vec::new();
        for call in std::mem::take(&mut self.calls) {
            match (self.sender.row.outcome)(&members, &self.entries, call.own.clone()) {
                Outcome::Done(own) => {
                    let reply = Reply { body: Vec::new(), ..reply.clone() };
                    // Whoever has gone meanwhile needs no answer.
                    let _ = call.tell.send(Some(Ok(Answer { members: own, reply })));
                }
                Outcome::Alone => drop(call.tell.send(None)),
                Outcome::Later => left.push(call),
            }
        }
        self.keep(left);
    }

    fn tell_all(self, error: Option<Error>) {
        for call in self.calls {
            let _ = call.tell.send(error.clone().map(Err));
        }
    }
}

/// May an entry be at fault, and not the whole?
fn is_about_entries(error: &Error) -> bool {
    let is_refusal = matches!(error.kind, ErrorKind::Service | ErrorKind::Input);
    is_refusal && !error.is_retriable()
}

impl Sender {
    /// What calls that go together have in common.
    fn place(&self, common: &Json) -> String {
        let Sender { row, endpoint, region, role, .. } = self;
        format!("{} {} {endpoint:?} {region:?} {role:?} {common}", row.service, row.batch)
    }

    /// Has calls go alone for a while where they may not go together. Where single calls need the
    /// same right, their own errors say all, and others' calls may be at fault.
    fn note_denial(&self, common: &Json, error: &Error) {
        let Row { service, batch, has_own_right, .. } = self.row;
        if !has_own_right || !is_denial(error) {
            return;
        }
        tracing::warn!(
            place = %common,
            %error,
            "calls go alone for a minute: grant {service}:{batch}, or leave out coalesce.{service}"
        );
        self.denied.note(self.place(common), Instant::now());
    }

    async fn send(&self, common: &Json, entries: &[Json]) -> Result<Answer, Error> {
        let call = Call {
            endpoint: self.endpoint.as_ref(),
            region: self.region.as_deref(),
            role: self.role.as_deref(),
            held: self.held.as_ref(),
            caller: self.caller,
            ..Call::new(self.service, self.row.batch)
        };
        self.client.call(&call, &(self.row.request)(common, entries)).await
    }
}

#[cfg(test)]
mod tests;
