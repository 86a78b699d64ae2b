//! One pipeline on one shard: records become executions, executions become outputs or dead letters,
//! receipts settle records.

mod gather;
mod line;
mod outcome;
mod parked;
mod receipts;
mod start;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::batch::Batches;
use super::core::{Core, Watch};
use super::letters::Letters;
use super::names::Origin;
use super::order::{Queues, Turn};
use super::outputs::{Ledger, Outlet};
use super::plan::{Input, Plan};
use super::plans::{PlanId, Plans};
use super::ratio::FailureRatio;
use super::slots::{Passage, SlotId};
use super::suspects::Whose;
use super::window::Windows;
use crate::ack::Settlement;
use crate::fault::{StateError, names, panic_text};
use crate::jsonata::Memory;
use crate::machine::{Execution, Machine, Outcome, Suspension};
use crate::program::Program;
use crate::record::{Assignment, AssignmentId, Position, Record};
use crate::sinks::{Ended, TopicId};
use crate::sources::Arrival;
use crate::step::Resume;
use crate::tasks::Tasks;
use crate::tasks::callbacks::stream_of;
use crate::value::{Scratch, hash};

/// The error name of an execution that panicked: a defect of ours, and that record's failure.
pub const PANICKED: &str = "Execution.Panicked";

/// Bytes that the memory keeps for the next executions once a large one is over.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// One pipeline on one shard, apart from its source and its plan.
pub struct Flow {
    /// What is in flight.
    pub windows: Windows,
    /// Where outputs go.
    pub outlet: Outlet,
    /// Where dead letters go.
    pub letters: Letters,
    /// The source has ended.
    pub has_ended: bool,
    /// Why it takes no more records, if it does not.
    pub halted: Option<Halt>,
    /// Its index on this shard.
    index: usize,
    name: Arc<str>,
    /// What executions run in: those of the plan that ran last.
    bench: Workbench,
    /// The same of other plans, by their places; that of the plan at work is empty.
    idle: Vec<Workbench>,
    at_work: PlanId,
    /// Working memory of rules.
    queries: Memory,
    /// The slot of the execution that runs, if it has waited before or is calling.
    slot: Option<SlotId>,
    execution: Execution,
    ledger: Ledger,
    /// Records that share executions.
    batches: Batches,
    /// Who waits for whom.
    order: Queues,
    /// The turn that a FIFO queue's batch keeps until all of it has settled.
    line: Option<Turn>,
    /// Records that wait to be run again because a target is down.
    held_up: usize,
    /// Its executions waited for such a target in the tick before.
    was_held: bool,
    /// Partitions to be read again.
    rewinds: Vec<AssignmentId>,
    /// Partitions whose transaction was aborted, and where they are read again.
    undone: Vec<(AssignmentId, i64)>,
    ratio: FailureRatio,
    fixed_topic: Option<TopicId>,
    value: Vec<u8>,
    key: Vec<u8>,
}

/// Why a pipeline takes no more records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It waits for an operator; nothing is lost.
    Paused(String),
    /// It is over: the process ends with this message.
    Stopped(String),
}

/// A record on its way through, and who it is.
#[derive(Clone, Copy)]
struct Run<'a> {
    plan: &'a Plan,
    /// Where the shard's tasks know the plan's versions.
    tasks: &'a [usize],
    origin: &'a Origin<'a>,
    passage: Passage,
}

impl<'a> Run<'a> {
    /// Whose the record is, where it stands in this assignment.
    fn whose(&self, topic: &'a str, partition: i32) -> Whose<'a> {
        Whose {
            pipeline: &self.plan.name,
            version: self.plan.version(),
            assignment: self.passage.claim.assignment(),
            topic,
            partition,
        }
    }

    /// What it runs.
    #[inline]
    fn program(&self) -> &'a Program {
        &self.origin.version.expect("what runs has a version").program
    }
}

/// Memory to run a plan's executions in.
#[derive(Default)]
struct Workbench {
    scratch: Scratch,
    /// For executions that keep theirs while they are parked.
    #[expect(clippy::vec_box, reason = "a slot holds a pointer to one, and takes it from here")]
    spares: Vec<Box<Scratch>>,
    /// The memory was brought along by an execution that needed much.
    is_oversized: bool,
}

impl Workbench {
    /// With a plan's constants.
    fn of(plan: &Plan) -> Workbench {
        Workbench { scratch: plan.scratch(), ..Workbench::default() }
    }

    /// For the next execution.
    #[inline]
    fn clear(&mut self) {
        self.scratch.reset();
        if std::mem::take(&mut self.is_oversized) {
            self.scratch.shrink_to(KEPT_BYTES_MAX);
        }
    }
}

impl Flow {
    /// The pipeline at `index` of its shard.
    pub fn new(index: usize, plan: &Plan, outlet: Outlet, letters: Letters) -> Flow {
        Flow {
            windows: Windows::new(plan.window, plan.batch_max),
            outlet,
            letters,
            has_ended: false,
            halted: None,
            index,
            name: plan.name.clone(),
            bench: Workbench::of(plan),
            idle: vec![Workbench::default()],
            at_work: PlanId::default(),
            queries: Memory::default(),
            slot: None,
            execution: Execution::default(),
            ledger: Ledger::default(),
            batches: Batches::default(),
            order: Queues::new(plan.ordering),
            line: None,
            held_up: 0,
            was_held: false,
            rewinds: Vec::new(),
            undone: Vec::new(),
            ratio: FailureRatio::new(plan.failure_ratio),
            fixed_topic: None,
            value: Vec::new(),
            key: Vec::new(),
        }
    }

    /// From now on what runs is of this plan, and in its memory.
    #[inline]
    fn work_on(&mut self, plan: PlanId) {
        if plan != self.at_work {
            std::mem::swap(&mut self.idle[self.at_work.index()], &mut self.bench);
            std::mem::swap(&mut self.idle[plan.index()], &mut self.bench);
            self.at_work = plan;
        }
    }

    /// Makes memory for the plan at this place.
    pub fn furnish(&mut self, id: PlanId, plan: &Plan) {
        self.idle.resize_with(self.idle.len().max(id.index() + 1), Workbench::default);
        let bench = Workbench::of(plan);
        if id == self.at_work {
            self.bench = bench;
        } else {
            self.idle[id.index()] = bench;
        }
    }

    /// Are any of its records on this plan?
    pub fn uses(&self, core: &Core, plan: PlanId) -> bool {
        core.slots.plans_of_lane(self.index).chain(self.order.plans()).any(|it| it == plan)
    }

    /// Does it take records?
    pub fn is_open(&self) -> bool {
        self.halted.is_none()
            && !self.has_ended
            && self.rewinds.is_empty()
            && !self.outlet.is_stalled()
            && !self.letters.is_stalled()
    }

    /// Do its executions wait for a target of their calls that is down?
    pub fn is_held(&self, plans: &Plans, tasks: &Tasks) -> bool {
        plans.any(|plan| tasks.is_held(plan))
            || self.held_up > 0 && plans.any(|plan| tasks.is_held_up(plan))
    }

    /// Is it time to take no records on? To be asked once a tick: calls that were made in this one wait
    /// only from the next one on.
    pub fn is_pausing(&mut self, plans: &Plans, tasks: &Tasks) -> bool {
        let is_held = self.is_held(plans, tasks);
        std::mem::replace(&mut self.was_held, is_held) || is_held
    }

    /// Records whose outputs are not settled yet.
    pub fn pending(&self) -> usize {
        self.ledger.len()
    }

    /// Outputs that wait to be committed together with offsets.
    pub fn uncommitted(&self) -> usize {
        self.outlet.sink.uncommitted()
    }

    /// Counts the transactions that have ended.
    pub fn count_transactions(&mut self, core: &mut Core) {
        let Ended { committed, aborted } = self.outlet.sink.ended();
        let counts = core.counts(self.index);
        counts.transactions_committed += committed;
        counts.transactions_aborted += aborted;
    }

    /// Do records wait for a turn that will come?
    pub fn has_deferred(&self) -> bool {
        self.halted.is_none() && self.order.len() > 0
    }

    /// Bytes of outputs held back, and of records that wait for their turn.
    pub fn held_bytes(&self) -> usize {
        self.outlet.bytes() + self.letters.bytes() + self.order.bytes() + self.batches.bytes()
    }

    /// Takes what the source hands over.
    #[inline]
    pub fn arrive(&mut self, plans: &Plans, core: &mut Core, arrival: Arrival<'_>) {
        match arrival {
            Arrival::Record(record) => self.record(plans, core, &record),
            Arrival::Done(position) => self.done_before(core, position),
            Arrival::Assigned(assignment) => {
                claim(&self.name, core, &assignment);
                self.windows.open(assignment);
            }
            Arrival::Queue(assignment) => {
                claim(&self.name, core, &assignment);
                self.open_line(plans, &assignment);
                self.windows.open_queue(assignment);
            }
            Arrival::Revoking(id) => self.windows.drain(id),
            Arrival::Lost(id) => {
                self.windows.forget(id);
                self.abandon(core);
            }
            Arrival::Undone(undone) => self.undo(undone),
            Arrival::End => self.has_ended = true,
        }
    }

    fn record(&mut self, plans: &Plans, core: &mut Core, record: &Record<'_>) {
        let bytes = record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len);
        let counts = core.counts(self.index);
        counts.records_in += 1;
        counts.bytes_in += bytes as u64;
        let position = record.position;
        let Some(claim) = self.windows.claim(position.assignment, position.offset, bytes) else {
            // Of a partition that is not this shard's any more: its next owner reads it.
            return;
        };
        if self.halted.is_some() {
            // What failed is read again first, and this behind it.
            return;
        }
        if let Some(groups) = &mut self.windows.groups {
            groups.enter(position.offset, hash(record.key.unwrap_or_default().iter().copied()));
        }
        let passage = Passage::new(claim, core.now_ns, plans.current());
        // Batches take turns, and not their records.
        let is_batched = matches!(plans.now().plan.input, Input::Batch(_));
        if !is_batched && let Some(turn) = self.order.taken(record) {
            return self.order.defer(turn, passage, record);
        }
        self.start(plans, core, record, passage);
    }

    /// A record that was done before a restart settles as it is.
    #[cold]
    fn done_before(&mut self, core: &mut Core, position: Position) {
        if let Some(claim) = self.windows.claim(position.assignment, position.offset, 0)
            && self.windows.settle(claim, Settlement::Ack)
        {
            core.counts(self.index).done_before += 1;
        }
    }

    /// The record is done with: whoever waits for it may start.
    #[inline]
    fn pass_on(&mut self, core: &mut Core, run: Run<'_>) {
        core.marker.over();
        // A FIFO queue's batch keeps its turn until it has settled.
        if let Some(turn) = run.passage.turn.filter(|_| self.windows.groups.is_none()) {
            self.order.leave(turn);
        }
    }

    /// Runs the execution on, and does what it asks for.
    #[inline]
    fn advance(&mut self, core: &mut Core, run: Run<'_>, mut resume: Resume<'_>) {
        loop {
            let machine = machine(run, core.now_ms);
            let Flow { execution, bench: Workbench { scratch, .. }, index, .. } = self;
            let Passage { plan, version, .. } = run.passage;
            let counters = &mut core.counters.pipelines[*index];
            let mut watch = Watch::new(counters, plan.index(), version.into());
            let next = std::mem::replace(&mut resume, Resume::Continue);
            let ran = catch_unwind(AssertUnwindSafe(|| {
                machine.run(execution, scratch, next, &mut watch)
            }));
            if let Some(id) = self.slot {
                self.execution.cancelled().for_each(|call| core.cancel(id, call));
            }
            match ran {
                Ok(Suspension::Call { request, wake_ms }) => {
                    self.call(core, run, &request, wake_ms);
                    continue;
                }
                Ok(Suspension::Wait { until_ms }) => {
                    let id = self.park(core, run);
                    core.set_timer(id, until_ms);
                }
                Ok(Suspension::Yield) => {
                    core.counts(self.index).yields += 1;
                    let id = self.park(core, run);
                    core.ready.push_back(id);
                }
                Ok(Suspension::Done(outcome)) => {
                    self.free_slot(core);
                    if self.finish(core, run, outcome) {
                        self.pass_on(core, run);
                    }
                }
                Err(panic) => {
                    if let Some(id) = self.slot {
                        core.tasks.callbacks().close_all(id.to_bits());
                    }
                    self.free_slot(core);
                    self.panicked(core, run, panic.as_ref());
                    self.pass_on(core, run);
                }
            }
            return;
        }
    }

    /// A panic is a defect of ours: the record fails, and the memory it left is thrown away.
    #[cold]
    fn panicked(&mut self, core: &mut Core, run: Run<'_>, panic: &(dyn std::any::Any + Send)) {
        core.counts(self.index).panics += 1;
        self.bench = Workbench::of(run.plan);
        self.execution = Execution::default();
        let cause = format!("The execution panicked: {}", panic_text(panic));
        self.fail(core, run, StateError::new(PANICKED, cause), None);
    }

    /// An execution is over. Returns whether its record is done with.
    fn finish(&mut self, core: &mut Core, run: Run<'_>, outcome: Outcome) -> bool {
        let state = Some(run.program().state_name(self.execution.step()));
        let has_succeeded = matches!(outcome, Outcome::Succeeded(_));
        let counts = core.version_counts(self.index, &run.passage);
        counts.succeeded += u64::from(has_succeeded);
        counts.failed += u64::from(!has_succeeded);
        let counts = core.counts(self.index);
        let error = match outcome {
            Outcome::Succeeded(output) => {
                counts.succeeded += 1;
                if run.passage.batch.is_some() {
                    return self.finish_batch(core, run, output, state);
                }
                self.ratio.count(false);
                if let Err(error) = self.write(core, run, output) {
                    self.fail(core, run, error, state);
                }
                return true;
            }
            Outcome::Failed(error) => {
                counts.failed += 1;
                error
            }
            Outcome::TimedOut => {
                counts.timed_out += 1;
                StateError::new(names::TIMEOUT, "The execution took longer than it may.")
            }
        };
        if self.wait_out(core, run, &error) || self.try_again(core, run) {
            return false;
        }
        self.fail(core, run, error, state);
        true
    }
}

/// Answers to calls of these records are for this shard from now on: those of definitions that are
/// still to come, too.
fn claim(pipeline: &str, core: &mut Core, assignment: &Assignment) {
    let stream = stream_of(pipeline, &assignment.topic);
    core.tasks.callbacks().claim(stream, assignment.partition);
}

fn machine<'a>(run: Run<'a>, now_ms: i64) -> Machine<'a> {
    Machine { program: run.program(), limits: &run.plan.limits, identity: run.origin, now_ms }
}
