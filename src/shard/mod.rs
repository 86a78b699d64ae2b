//! One core and all it owns: for each pipeline a source's end, a sink, a scratch memory; and timers,
//! waiting executions, task clients and counters. Shards share nothing but immutable plans.
//!
//! ```text
//! source -> record -> execution -> done  -> outlet -> receipt -> window -> source.commit
//!                        ^   |---> waits -> slot, timer or task --|
//!                        |----------------------------------------|
//! ```
//!
//! One thread runs [`Shard::run`]: a tick takes a bounded amount of each, and sleeps on one wake-up
//! when there was nothing. What crosses threads: the source's and sink's queues below, wake-ups, and
//! [`Control`].

mod batch;
mod callbacks;
mod clock;
mod control;
mod core;
mod envelope;
mod flow;
mod groups;
mod input;
mod letters;
mod names;
mod nested;
mod order;
mod outputs;
mod pin;
mod plan;
mod plans;
mod ratio;
mod reload;
mod route;
mod slots;
mod suspects;
mod timers;
mod transaction;
mod window;

pub use batch::Bounds as BatchBounds;
pub use clock::{Clock, Time};
pub use control::{Control, Phase};
pub use envelope::{BATCH_FAILED, Form, ITEM_FAILED, KafkaForm, Shape, SqsForm};
pub use flow::Halt;
pub use input::read_single as read_input;
pub use letters::Letters;
pub use names::Origin;
pub use nested::{LocalMachine, NestedLimits};
pub use outputs::{Outlet, Way};
pub use pin::pin_to_core;
pub use plan::{
    Decode, Input, Issuer, Key, NullValue, Ordering, Output, Place, Plan, Policy, Retry, Version,
};
pub use plans::{Order, Successor};
pub use route::{Destination, NO_ROUTE, ROUTED, Routing, Rule, When};
pub use suspects::{CRASHED, Marker, Suspects};
pub use timers::{TimerId, Timers};
pub use transaction::Transactions;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use self::core::Core;
use self::flow::Flow;
use self::nested::SharedNested;
use self::plans::{Adopted, Plans};
use self::slots::SlotId;
use crate::fault::StateError;
use crate::metrics::{Pulse, Series, ShardCounters};
use crate::record::Wake;
use crate::sinks::{Receipt, Sink};
use crate::sources::Source;
use crate::step::{CallNumber, Resume};
use crate::targets::Targets;
use crate::tasks::callbacks::{Inbox, Limits};
use crate::tasks::{CallId, OpenError, Tasks};
use reload::ready_for;

/// Executions that go on in one tick after they had spent their budget.
const READY_PER_TICK_MAX: usize = 16;
/// Records that start in one tick because their turn has come.
const TURNS_PER_TICK_MAX: usize = 256;
/// Rounds of the shard's own I/O between two ticks. One round is 61 futures, as tokio has it: with
/// more of them answers are worked on together (`cargo bench --bench tasks`: 0.62 of a bare loop with
/// one, 0.66 with eight).
const DRIVE_ROUNDS: usize = 8;
/// The longest sleep: metrics and the pulse want to be looked after.
const SLEEP_MAX: Duration = Duration::from_millis(500);

/// The longest sleep while a transaction is under way: nothing wakes when it is due.
const COMMIT_LOOK: Duration = Duration::from_millis(20);

/// One pipeline's share of a shard, as the engine hands it over.
pub struct Lane {
    /// What is done.
    pub plan: Arc<Plan>,
    /// This shard's end of the source; `None` where the source has no more ends than other shards.
    pub source: Option<Box<dyn Source>>,
    /// This shard's end of the output.
    pub sink: Box<dyn Sink>,
    /// This shard's ends of the dead letters.
    pub letters: Letters,
}

/// What a shard may use, and whom it tells.
pub struct Settings {
    /// Executions that may wait at once.
    pub parked_max: usize,
    /// Calls of a lane that wait for their turn; with more it takes nothing on.
    pub calls_waiting_max: usize,
    /// Bytes of waiting executions and outputs held back, above which no records are taken.
    pub bytes_max: usize,
    /// How often counters are handed over.
    pub metrics_interval: Duration,
    /// Told on every round that the shard is alive.
    pub pulse: Pulse,
    /// Tells the time.
    pub clock: Clock,
    /// Marks what runs, for the case of a crash.
    pub marker: Marker,
    /// What is known of the targets that tasks call; all shards share it.
    pub targets: Targets,
    /// Where answers from outside come in, and how many it may take; without it none do.
    pub callbacks: Option<(Inbox, Limits)>,
    /// How many executions may be started by others.
    pub nested: NestedLimits,
}

struct Bounds {
    parked: usize,
    calls_waiting: usize,
    bytes: usize,
    metrics_interval: Duration,
}

struct Running {
    plans: Plans,
    /// What was made ready for, to be adopted or not.
    next: Option<(Adopted, Arc<Series>)>,
    source: Option<Box<dyn Source>>,
    flow: Flow,
}

/// One core and all it owns.
pub struct Shard {
    lanes: Vec<Running>,
    core: Core,
    nested: SharedNested,
    runtime: Runtime,
    local: Rc<LocalSet>,
    notify: Arc<Notify>,
    control: Arc<Control>,
    bounds: Bounds,
    pulse: Pulse,
    receipts: Vec<Receipt>,
    answers: Answers,
    flushed: Instant,
}

/// Task answers of one tick, copied: an execution may call again while they are gone through.
#[derive(Default)]
struct Answers {
    text: Vec<u8>,
    list: Vec<(CallId, Copied)>,
}

/// Where an answer's text stands, or its error.
type Copied = Result<(usize, usize), StateError>;

/// A wake-up, and what it wakes: make the pair before the source and the sinks.
pub fn wake() -> (Wake, Arc<Notify>) {
    let notify = Arc::new(Notify::new());
    let wakes = notify.clone();
    (Wake::new(move || wakes.notify_one()), notify)
}

impl Shard {
    /// A shard over these lanes. Called on the thread that will run it.
    pub fn open(
        lanes: Vec<Lane>,
        counters: ShardCounters,
        (wake, notify): (Wake, Arc<Notify>),
        control: Arc<Control>,
        settings: Settings,
    ) -> Result<Shard, OpenError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| OpenError {
            message: format!("a shard's runtime could not be started: {e}. Check the file limit"),
        })?;
        let local = Rc::new(LocalSet::new());
        let guard = runtime.enter();
        let mut tasks = Tasks::new(local.clone(), wake, settings.targets);
        let nested = SharedNested::new(tasks.nested(), settings.nested);
        if let Some((inbox, limits)) = settings.callbacks {
            tasks.attend(inbox, limits);
        }
        tasks.run_locally(Box::new(nested.clone()));
        let mut running = Vec::new();
        for (index, Lane { plan, source, sink, letters }) in lanes.into_iter().enumerate() {
            let flow = Flow::new(index, &plan, Outlet::new(sink), letters);
            let plans = Plans::new(ready_for(plan, &mut tasks, &nested)?);
            running.push(Running { plans, next: None, source, flow });
        }
        drop(guard);
        let bounds = Bounds {
            parked: settings.parked_max,
            calls_waiting: settings.calls_waiting_max,
            bytes: settings.bytes_max,
            metrics_interval: settings.metrics_interval,
        };
        Ok(Shard {
            lanes: running,
            core: Core::new(counters, tasks, settings.clock, settings.marker),
            nested,
            runtime,
            local,
            notify,
            control,
            bounds,
            pulse: settings.pulse,
            receipts: Vec::new(),
            answers: Answers::default(),
            flushed: Instant::now(),
        })
    }

    /// Runs until told to end, or until all sources have ended and everything has settled.
    pub fn run(mut self) {
        loop {
            let work = self.tick();
            self.report();
            match self.control.phase() {
                Phase::Quit => break,
                Phase::Drain if self.is_idle() => break,
                _ if self.is_over() => break,
                _ if work == 0 => self.sleep(),
                _ => self.drive(),
            }
        }
        for lane in &mut self.lanes {
            if let Some(source) = &mut lane.source {
                lane.flow.end_tick(&mut self.core, source.as_mut());
            }
            lane.flow.count_transactions(&mut self.core);
        }
        self.core.counters.flush();
        self.core.marker.end();
        self.pulse.end();
    }

    /// A bounded amount of everything. Returns how much there was. [`Shard::run`] calls it in a
    /// loop; a simulation calls it itself.
    pub fn tick(&mut self) -> usize {
        self.core.look_at_clock();
        self.core.marker.beat();
        if self.control.has_orders() {
            self.obey();
        }
        let mut work = 0;
        for lane in &mut self.lanes {
            work += lane.flow.collect(&mut self.core, &mut self.receipts);
        }
        work += self.answer();
        work += self.hear();
        work += self.expire();
        work += self.go_on();
        work += self.take_turns();
        let has_room = self.has_room();
        for at in 0..self.lanes.len() {
            let Running { plans, source, flow, .. } = &mut self.lanes[at];
            let Some(source) = source else { continue };
            let plan = &plans.now().plan;
            let is_pausing = flow.is_pausing(plans, &self.core.tasks);
            let (tasks, calls_max) = (&self.core.tasks, self.bounds.calls_waiting);
            // More executions would only wait with those whose calls wait.
            let is_backed_up = plans.any(|plan| tasks.waiting(plan) >= calls_max);
            let takes_on = has_room && flow.is_open() && !is_pausing && !is_backed_up;
            let limit = if takes_on { plan.batch_max } else { 0 };
            let core = &mut self.core;
            let polled = source.poll(limit, &mut |arrival| flow.arrive(plans, core, arrival));
            match polled {
                Ok(records) => work += records,
                Err(e) if e.retriable => {
                    tracing::warn!(pipeline = %plan.name, error = %e, "source in trouble");
                }
                Err(e) => flow.halted = Some(Halt::Stopped(e.message)),
            }
            let is_last = self.control.phase() != Phase::Run;
            flow.dispatch_due(plans, &mut self.core, is_last);
            flow.end_tick(&mut self.core, source.as_mut());
        }
        work
    }

    /// May more records be taken?
    fn has_room(&self) -> bool {
        let held: usize = self.lanes.iter().map(|lane| lane.flow.held_bytes()).sum();
        self.control.phase() == Phase::Run
            && self.core.slots.len() < self.bounds.parked
            && self.core.slots.bytes() + held < self.bounds.bytes
    }

    /// Hands task answers to the executions that wait for them.
    fn answer(&mut self) -> usize {
        let Answers { text, list } = &mut self.answers;
        text.clear();
        self.core.tasks.poll(self.core.now_ms, &mut |id, answer| {
            let copied = answer.map(|answer| {
                text.extend_from_slice(answer);
                (text.len() - answer.len(), text.len())
            });
            list.push((id, copied));
        });
        let mut list = std::mem::take(list);
        let count = list.len();
        for (id, answer) in list.drain(..) {
            let slot = SlotId::from_bits(id.0);
            let Some(waiting) = self.core.slots.get(slot) else { continue };
            let call = CallNumber::from_bits(id.1);
            if !waiting.memory.execution.waits_for(call) {
                continue;
            }
            let lane = waiting.lane;
            self.core.counts(lane).task_failures += u64::from(answer.is_err());
            let answer = answer.map(|(from, to)| &self.answers.text[from..to]);
            let Running { plans, flow, .. } = &mut self.lanes[lane];
            flow.resume(plans, &mut self.core, slot, Resume::Reply(call, answer));
        }
        self.answers.list = list;
        count
    }

    /// Wakes executions whose time has come.
    fn expire(&mut self) -> usize {
        self.core.expire();
        let mut count = 0;
        while let Some(id) = self.core.next_due() {
            count += 1;
            self.resume(id, Resume::Timer);
        }
        count
    }

    /// Goes on with executions that had spent their budget.
    fn go_on(&mut self) -> usize {
        let count = self.core.ready.len().min(READY_PER_TICK_MAX);
        for _ in 0..count {
            if let Some(id) = self.core.ready.pop_front() {
                self.resume(id, Resume::Continue);
            }
        }
        count
    }

    /// Starts records whose turn has come.
    fn take_turns(&mut self) -> usize {
        let core = &mut self.core;
        let lanes = self.lanes.iter_mut();
        lanes.map(|lane| lane.flow.take_turns(&lane.plans, core, TURNS_PER_TICK_MAX)).sum()
    }

    fn resume(&mut self, id: SlotId, resume: Resume<'_>) {
        let Some(slot) = self.core.slots.get(id) else { return };
        let Running { plans, flow, .. } = &mut self.lanes[slot.lane];
        flow.resume(plans, &mut self.core, id, resume);
    }

    /// Tells the engine of pipelines that halted; hands counters over when it is time.
    fn report(&mut self) {
        for lane in &self.lanes {
            if let Some(halt) = &lane.flow.halted {
                self.control.halt(&lane.plans.now().plan.name, halt);
            }
        }
        let now = Instant::now();
        if now.duration_since(self.flushed) < self.bounds.metrics_interval {
            return;
        }
        self.flushed = now;
        self.pulse.beat(now);
        self.retire();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.flow.count_transactions(&mut self.core);
            let levels = &mut self.core.counters.pipelines[at].levels;
            levels.in_flight = lane.flow.windows.open_records() as u64;
            levels.outputs_pending = lane.flow.pending() as u64;
            let is_held = lane.flow.is_held(&lane.plans, &self.core.tasks);
            levels.paused = u64::from(lane.flow.halted.is_some() || is_held);
        }
        if let Some(first) = self.core.counters.pipelines.first_mut() {
            // Waiting executions are counted for the shard; one shard's pipelines share its slots.
            first.levels.parked = self.core.slots.len() as u64;
            first.levels.waiting_tasks = self.core.tasks.callbacks().open_tokens() as u64;
        }
        self.core.counters.flush();
        self.control.use_budget(self.core.slots.bytes());
    }

    /// Has everything that was taken been settled, as far as it can be?
    pub fn is_idle(&self) -> bool {
        let is_done = |lane: &Running| {
            let flow = &lane.flow;
            let has_more = flow.has_deferred() || flow.is_gathering();
            flow.pending() == 0 && !has_more && flow.uncommitted() == 0
        };
        self.core.slots.len() == 0 && self.lanes.iter().all(is_done)
    }

    /// Have all sources ended, with nothing left to do?
    fn is_over(&self) -> bool {
        let has_ended = |lane: &Running| lane.source.is_none() || lane.flow.has_ended;
        self.lanes.iter().all(has_ended)
            && self.is_idle()
            && self.lanes.iter().all(|lane| lane.flow.windows.open_records() == 0)
    }

    /// Lets the shard's own I/O go on between two ticks.
    fn drive(&self) {
        if self.core.tasks.in_flight() > 0 {
            let rounds = async {
                for _ in 0..DRIVE_ROUNDS {
                    tokio::task::yield_now().await;
                }
            };
            self.runtime.block_on(self.local.run_until(rounds));
        }
    }

    /// Sleeps until a wake-up, the next timer, or a moment for book-keeping.
    fn sleep(&mut self) {
        let until = self.core.next_timer_ms().map_or(SLEEP_MAX, |due_ms| {
            Duration::from_millis(due_ms.saturating_sub(self.core.now_ms).max(0).unsigned_abs())
                .min(SLEEP_MAX)
        });
        let batch = self.lanes.iter().filter_map(|it| it.flow.due_in(&it.plans, &self.core)).min();
        let until = until.min(self.bounds.metrics_interval).min(batch.unwrap_or(SLEEP_MAX));
        let commits = self.lanes.iter().any(|lane| lane.flow.uncommitted() > 0);
        let until = if commits { until.min(COMMIT_LOOK) } else { until };
        let notified = self.notify.notified();
        let sleep = async {
            let _ = tokio::time::timeout(until, notified).await;
        };
        self.runtime.block_on(self.local.run_until(sleep));
    }
}
