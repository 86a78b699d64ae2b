//! Steady state: events of mixed sizes through the machine as a shard runs them, every eighth parked
//! for a mocked task and then for a second, with an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use expressway::machine::{Execution, Limits, Machine, Observer, Outcome, Suspension};
use expressway::program::Program;
use expressway::record::Wake;
use expressway::shard::{TimerId, Timers};
use expressway::states::Step;
use expressway::step::{CallNumber, Resume, StepId, TaskRequest};
use expressway::tasks::{Call, CallId, Caller, Mocks, Plan, Settings, TaskState, Tasks};
use expressway::value::{Block, Implementation, Scratch};
use tokio::task::LocalSet;

use crate::events::{CASES, NOW_MS, Nobody, Runner, program};

thread_local! {
    /// Of this thread alone: a test runner allocates on its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts a thread's allocations.
pub struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor
// unwinds (the counter is a constant-initialised `Cell` without a destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` with this layout, by `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Allocations of this thread so far.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Every so many events one goes through the machine that parks.
const PARKING_EVERY: usize = 8;
/// Every so many events one goes through the machine that forks instead.
const FORKING_EVERY: usize = 16;
/// Every so many events one goes through the machine in JSONata.
const QUERYING_EVERY: usize = 7;
/// Every so many events one is large.
const LARGE_EVERY: usize = 1000;
/// Events that arrive in a tick.
const BATCH: usize = 64;
/// From tick to tick; a Wait of a second is ten of them.
const TICK_MS: i64 = 100;

const PARKING: &str = include_str!("parking.asl.json");
const FORKING: &str = include_str!("forking.asl.json");
const QUERYING: &str = include_str!("querying.asl.json");
const MOCKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/events/parking.mocks.json");

/// Counts what a shard counts.
#[derive(Default)]
struct Watch {
    steps: u64,
}

impl Observer for Watch {
    fn entered(&mut self, _: StepId) {
        self.steps += 1;
    }
}

/// An execution that waits.
#[derive(Default)]
struct Slot {
    execution: Execution,
    block: Block,
    timer: Option<TimerId>,
}

/// A machine that parks, and its host.
struct Parking {
    program: Program,
    limits: Limits,
    scratch: Scratch,
    execution: Execution,
    watch: Watch,
    slots: Vec<Slot>,
    free: Vec<usize>,
    tasks: Tasks,
    timers: Timers,
    due: Vec<usize>,
    /// Slot, call, and where in the texts the answer lies.
    answers: Vec<(usize, CallNumber, usize, usize)>,
    texts: Vec<u8>,
    now_ms: i64,
    arguments: Vec<u8>,
    out: Vec<u8>,
    ended: usize,
}

impl Caller for Nobody {
    fn machine_id(&self) -> String {
        String::new()
    }

    fn execution_id(&self) -> String {
        String::new()
    }
}

impl Parking {
    /// The machine of that name, and what its tasks answer.
    fn new(definition: &str, name: &str) -> Parking {
        let program = program(definition);
        let mut states = Vec::new();
        for row in &program.rows {
            let Step::Task(task) = &row.step else { continue };
            let (id, name) = (task.resource(), row.name.as_str());
            let resource = program.resource(id);
            let (text, parsed) = (resource.arn.as_str(), &resource.parsed);
            states.push(TaskState { name, resource: id.0 as usize, text, parsed });
        }
        let mocks = Mocks::load(MOCKS, name).expect("they are checked in");
        let plan = Plan::prepare(&states, Settings::default(), Some(mocks)).expect("all mocked");
        let tasks = Tasks::open(vec![Arc::new(plan)], Rc::new(LocalSet::new()), Wake::new(|| {}));
        Parking {
            scratch: program.scratch(),
            program,
            limits: Limits::default(),
            execution: Execution::default(),
            watch: Watch::default(),
            slots: Vec::new(),
            free: Vec::new(),
            tasks: tasks.unwrap_or_else(|e| panic!("{e}")),
            timers: Timers::new(NOW_MS),
            due: Vec::new(),
            answers: Vec::new(),
            texts: Vec::new(),
            now_ms: NOW_MS,
            arguments: Vec::new(),
            out: Vec::new(),
            ended: 0,
        }
    }

    fn start(&mut self, event: &[u8]) {
        self.scratch.reset();
        let input = self.scratch.parse(event).expect("events are JSON");
        machine(&self.program, &self.limits, self.now_ms).start(&mut self.execution, input, 1);
        self.advance(None, Resume::Continue);
    }

    fn resume(&mut self, slot: usize, resume: Resume<'_>) {
        let parked = &mut self.slots[slot];
        if let Some(timer) = parked.timer.take() {
            self.timers.cancel(timer);
        }
        self.execution.trade_places(&mut parked.execution);
        self.scratch.reset();
        self.execution.unpark(&mut self.scratch, &parked.block);
        self.advance(Some(slot), resume);
    }

    /// Runs on, and does what is asked for.
    fn advance(&mut self, mut slot: Option<usize>, mut resume: Resume<'_>) {
        loop {
            let Parking { execution, scratch, watch, .. } = self;
            let machine = machine(&self.program, &self.limits, self.now_ms);
            let next = std::mem::replace(&mut resume, Resume::Continue);
            match machine.run(execution, scratch, next, watch) {
                Suspension::Done(Outcome::Succeeded(output)) => {
                    self.out.clear();
                    self.scratch.write(output, &mut self.out);
                    self.ended += 1;
                    return self.free.extend(slot);
                }
                Suspension::Wait { until_ms } => {
                    let slot = slot.unwrap_or_else(|| self.free_slot());
                    let Slot { execution, block, timer } = &mut self.slots[slot];
                    self.execution.park(&mut self.scratch, block);
                    self.execution.trade_places(execution);
                    *timer = Some(self.timers.set(until_ms, slot as u64));
                    return;
                }
                Suspension::Call { request, wake_ms: _ } => {
                    let id = slot.unwrap_or_else(|| self.free_slot());
                    slot = Some(id);
                    self.call(id, &request);
                }
                other => panic!("the execution should have succeeded: {other:?}"),
            }
        }
    }

    fn call(&mut self, slot: usize, request: &TaskRequest) {
        self.arguments.clear();
        self.scratch.write(request.arguments, &mut self.arguments);
        self.tasks.call(&Call {
            id: CallId(slot as u64, self.execution.call().to_bits()),
            plan: 0,
            resource: request.resource.0 as usize,
            state: self.program.state_name(self.execution.step()),
            attempt: self.execution.attempt(),
            arguments: &self.arguments,
            timeout: None,
            role: None,
            site: self.execution.site(),
            token: None,
            record: None,
            execution: "steady",
            caller: &Nobody,
            now_ms: self.now_ms,
        });
    }

    fn free_slot(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        })
    }

    /// A little later: answers and timers.
    fn tick(&mut self) {
        self.now_ms += TICK_MS;
        let Parking { tasks, answers, texts, timers, due, now_ms, .. } = self;
        tasks.poll(*now_ms, &mut |id, answer| {
            let from = texts.len();
            texts.extend_from_slice(answer.expect("the mock answers"));
            answers.push((id.0 as usize, CallNumber::from_bits(id.1), from, texts.len()));
        });
        timers.advance(*now_ms, &mut |slot| due.push(slot as usize));
        let (mut answers, mut texts) = (std::mem::take(answers), std::mem::take(texts));
        for (slot, call, from, to) in answers.drain(..) {
            self.resume(slot, Resume::Reply(call, Ok(&texts[from..to])));
        }
        texts.clear();
        (self.answers, self.texts) = (answers, texts);
        while let Some(slot) = self.due.pop() {
            self.slots[slot].timer = None;
            self.resume(slot, Resume::Timer);
        }
    }
}

fn machine<'a>(program: &'a Program, limits: &'a Limits, now_ms: i64) -> Machine<'a> {
    Machine { program, limits, identity: &Nobody, now_ms }
}

/// The machines and what arrives at them.
pub struct Steady {
    plain: Vec<(Runner, Vec<Vec<u8>>)>,
    parking: Parking,
    forking: Parking,
    querying: Parking,
    large: Vec<u8>,
    arrived: usize,
    written: usize,
}

impl Steady {
    pub fn new() -> Steady {
        let best = Implementation::best();
        let plain = CASES.map(|case| (Runner::new(case.program(), best), case.events()));
        Steady {
            large: large(&plain[0].1),
            plain: plain.into(),
            parking: Parking::new(PARKING, "parking"),
            forking: Parking::new(FORKING, "forking"),
            querying: Parking::new(QUERYING, "querying"),
            arrived: 0,
            written: 0,
        }
    }

    /// So many events arrive; a thousandth of them are large.
    pub fn run(&mut self, events: usize) {
        for _ in 0..events {
            let at = self.arrived;
            self.arrived += 1;
            let (runner, events) = &mut self.plain[at % CASES.len()];
            let event = &events[at / CASES.len() % events.len()];
            if at.is_multiple_of(FORKING_EVERY) {
                self.forking.start(event);
            } else if at.is_multiple_of(PARKING_EVERY) {
                self.parking.start(event);
            } else if at.is_multiple_of(QUERYING_EVERY) {
                self.querying.start(event);
            } else if at % LARGE_EVERY == 1 {
                self.written += self.plain[0].0.run(&self.large).len();
            } else {
                self.written += runner.run(event).len();
            }
            if at.is_multiple_of(BATCH) {
                self.parking.tick();
                self.forking.tick();
                self.querying.tick();
            }
        }
    }

    /// What was done, in a line.
    pub fn summary(&self) -> String {
        let Steady { arrived, written, parking, forking, querying, .. } = self;
        let waiting = |host: &Parking| host.slots.len() - host.free.len();
        format!(
            "{arrived} events, {written} bytes written, {} ended after being parked twice, {} after \
             being forked twice, {} in JSONata, {} parked now, {} states entered by those",
            parking.ended,
            forking.ended,
            querying.ended,
            waiting(parking) + waiting(forking) + waiting(querying),
            parking.watch.steps + forking.watch.steps + querying.watch.steps
        )
    }
}

/// An event of the first shape with a hundred others inside.
fn large(events: &[Vec<u8>]) -> Vec<u8> {
    let (first, rest) = events.split_first().expect("there are events");
    let mut text = first[..first.len() - 1].to_vec();
    text.extend_from_slice(b",\"history\":[");
    text.extend_from_slice(&rest[..100].join(&b","[..]));
    text.extend_from_slice(b"]}");
    text
}
