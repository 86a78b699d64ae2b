//! One pipeline on one shard: records become executions, executions become outputs or dead letters,
//! receipts settle records.

mod outcome;
mod parked;
mod receipts;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::core::{Core, Watch};
use super::input;
use super::letters::Letters;
use super::names::Origin;
use super::order::Queues;
use super::outputs::{Ledger, OUTPUT_FAILED, Outlet};
use super::plan::{NullValue, Plan};
use super::ratio::FailureRatio;
use super::slots::{Passage, SlotId};
use super::suspects::{CRASHED, Verdict, Whose};
use super::window::Windows;
use crate::ack::Settlement;
use crate::fault::{StateError, names};
use crate::machine::{Execution, Identity, Machine, Outcome, Suspension};
use crate::record::{Assignment, AssignmentId, Record};
use crate::sinks::TopicId;
use crate::sources::Arrival;
use crate::step::Resume;
use crate::tasks::callbacks::stream_of;
use crate::value::Scratch;

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
    scratch: Scratch,
    /// For executions that keep theirs while they are parked.
    #[expect(clippy::vec_box, reason = "a slot holds a pointer to one, and takes it from here")]
    spare_scratches: Vec<Box<Scratch>>,
    /// The memory was brought along by an execution that needed much.
    is_oversized: bool,
    /// The slot of the execution that runs, if it has waited before or is calling.
    slot: Option<SlotId>,
    execution: Execution,
    ledger: Ledger,
    /// Who waits for whom.
    order: Queues,
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
    origin: &'a Origin<'a>,
    passage: Passage,
}

impl<'a> Run<'a> {
    /// Whose the record is, where it stands in this assignment.
    fn whose(&self, topic: &'a str, partition: i32) -> Whose<'a> {
        Whose {
            pipeline: &self.plan.name,
            version: self.plan.program.version,
            assignment: self.passage.claim.assignment(),
            topic,
            partition,
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
            scratch: plan.program.scratch(),
            spare_scratches: Vec::new(),
            is_oversized: false,
            slot: None,
            execution: Execution::default(),
            ledger: Ledger::default(),
            order: Queues::new(plan.ordering),
            rewinds: Vec::new(),
            undone: Vec::new(),
            ratio: FailureRatio::new(plan.failure_ratio),
            fixed_topic: None,
            value: Vec::new(),
            key: Vec::new(),
        }
    }

    /// Does it take records?
    pub fn is_open(&self) -> bool {
        self.halted.is_none()
            && !self.has_ended
            && self.rewinds.is_empty()
            && !self.outlet.is_stalled()
            && !self.letters.is_stalled()
    }

    /// Records whose outputs are not settled yet.
    pub fn pending(&self) -> usize {
        self.ledger.len()
    }

    /// Outputs that wait to be committed together with offsets.
    pub fn uncommitted(&self) -> usize {
        self.outlet.sink.uncommitted()
    }

    /// Do records wait for a turn that will come?
    pub fn has_deferred(&self) -> bool {
        self.halted.is_none() && self.order.len() > 0
    }

    /// Bytes of outputs held back, and of records that wait for their turn.
    pub fn held_bytes(&self) -> usize {
        self.outlet.bytes() + self.letters.bytes() + self.order.bytes()
    }

    /// Takes what the source hands over.
    #[inline]
    pub fn arrive(&mut self, plan: &Plan, core: &mut Core, arrival: Arrival<'_>) {
        match arrival {
            Arrival::Record(record) => self.record(plan, core, &record),
            Arrival::Assigned(assignment) => {
                claim(plan, core, &assignment);
                self.windows.open(assignment);
            }
            Arrival::Queue(assignment) => {
                claim(plan, core, &assignment);
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

    fn record(&mut self, plan: &Plan, core: &mut Core, record: &Record<'_>) {
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
        let passage = Passage { claim, received_ns: core.now_ns, turn: None, runs: 0 };
        if let Some(turn) = self.order.taken(record) {
            return self.order.defer(turn, passage, record);
        }
        self.start(plan, core, record, passage);
    }

    /// Does what is to be done with a record.
    #[inline]
    fn start(&mut self, plan: &Plan, core: &mut Core, record: &Record<'_>, mut passage: Passage) {
        passage.runs += 1;
        let position = record.position;
        let window = self.windows.get(position.assignment).expect("it gave a claim");
        let (topic, partition) = (window.topic.clone(), window.assignment.partition);
        let mark = self.windows.mark(position.assignment, position.offset);
        let condemned = mark.and_then(|mark| mark.condemned.clone());
        let origin = Origin::new(plan, &topic, partition, record);
        let run = Run { plan, origin: &origin, passage };
        if core.marker.enter(run.whose(&topic, partition), position.offset) == Verdict::Convicted {
            self.convicted(core, run);
        } else {
            self.start_marked(core, run, condemned);
            core.marker.leave();
        }
    }

    #[inline]
    fn start_marked(&mut self, core: &mut Core, run: Run<'_>, condemned: Option<String>) {
        let (plan, record) = (run.plan, run.origin.record);
        if record.value.is_none() && plan.null_value != NullValue::Null {
            self.tombstone(core, run);
        } else if let Some(why) = condemned {
            self.fail(core, run, StateError::new(OUTPUT_FAILED, why), None);
        } else {
            return self.begin(core, run);
        }
        self.pass_on(core, run);
    }

    /// The record has brought the process down, alone: it fails without being run.
    #[cold]
    fn convicted(&mut self, core: &mut Core, run: Run<'_>) {
        let cause = "The process came down while this record's execution ran, and again when it ran \
                     alone.";
        self.fail(core, run, StateError::new(CRASHED, cause), None);
        self.pass_on(core, run);
    }

    /// The record is done with: whoever waits for it may start.
    #[inline]
    fn pass_on(&mut self, core: &mut Core, run: Run<'_>) {
        core.marker.over();
        if let Some(turn) = run.passage.turn {
            self.order.leave(turn);
        }
    }

    fn tombstone(&mut self, core: &mut Core, run: Run<'_>) {
        if run.plan.null_value == NullValue::Skip {
            core.counts(self.index).nulls_skipped += 1;
            return self.settle(core, run.passage, Settlement::Ack);
        }
        let error = StateError::new(input::DECODE_FAILED, "The record has no value.");
        self.fail(core, run, error, None);
    }

    /// Starts an execution.
    #[inline]
    fn begin(&mut self, core: &mut Core, run: Run<'_>) {
        self.slot = None;
        self.scratch.reset();
        if std::mem::take(&mut self.is_oversized) {
            self.scratch.shrink_to(KEPT_BYTES_MAX);
        }
        let input = match input::read(run.origin, &mut self.scratch) {
            Ok(input) => input,
            Err(error) => {
                self.fail(core, run, error, None);
                return self.pass_on(core, run);
            }
        };
        let machine = machine(run, core.now_ms);
        machine.start(&mut self.execution, input, run.origin.seed());
        self.advance(core, run, Resume::Continue);
    }

    /// Runs the execution on, and does what it asks for.
    #[inline]
    fn advance(&mut self, core: &mut Core, run: Run<'_>, mut resume: Resume<'_>) {
        loop {
            let machine = machine(run, core.now_ms);
            let Flow { execution, scratch, index, .. } = self;
            let mut watch = Watch(&mut core.counters.pipelines[*index]);
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
        self.scratch = run.plan.program.scratch();
        self.execution = Execution::default();
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let cause = format!("The execution panicked: {}", text.unwrap_or("(no message)"));
        self.fail(core, run, StateError::new(PANICKED, cause), None);
    }

    /// An execution is over. Returns whether its record is done with.
    fn finish(&mut self, core: &mut Core, run: Run<'_>, outcome: Outcome) -> bool {
        let state = Some(run.plan.program.state_name(self.execution.step()));
        let counts = core.counts(self.index);
        let error = match outcome {
            Outcome::Succeeded(output) => {
                counts.succeeded += 1;
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
        if self.try_again(core, run) {
            return false;
        }
        self.fail(core, run, error, state);
        true
    }
}

/// Answers to calls of these records are for this shard from now on.
fn claim(plan: &Plan, core: &mut Core, assignment: &Assignment) {
    if plan.program.has_tokens {
        let stream = stream_of(&plan.name, &assignment.topic);
        core.tasks.callbacks().claim(stream, assignment.partition);
    }
}

fn machine<'a>(run: Run<'a>, now_ms: i64) -> Machine<'a> {
    let Plan { program, limits, .. } = run.plan;
    Machine { program, limits, identity: run.origin, now_ms }
}
