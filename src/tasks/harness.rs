//! A shard's part towards its tasks, for their tests.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use super::{Call, CallId, Caller, Mocks, Plan, Refusal, Settings, TaskState, Tasks};
use crate::asl::resource::Resource;
use crate::fault::StateError;
use crate::record::Wake;
use crate::step::{CallSite, StepId};

pub(super) const HTTP: &str = "arn:aws:states:::http:invoke";
pub(super) const KAFKA: &str = "arn:aws:states:::kafka:produce";

/// How long an answer may take in a test.
const BOUND: Duration = Duration::from_secs(20);

/// Who calls: the ARNs of a machine and of an execution.
pub(super) const CALLER: [&str; 2] = ["arn:machine", "arn:execution"];

struct Somebody;

impl Caller for Somebody {
    fn machine_id(&self) -> String {
        CALLER[0].to_owned()
    }

    fn execution_id(&self) -> String {
        CALLER[1].to_owned()
    }
}

pub(super) struct Shard {
    runtime: Runtime,
    local: Rc<LocalSet>,
    pub(super) tasks: Tasks,
    pub(super) now_ms: i64,
    pub(super) wakes: Arc<AtomicUsize>,
    /// The role that states assume.
    pub(super) role: Option<String>,
    calls: u64,
}

/// A plan for one state `T` of this resource.
pub(super) fn plan(
    resource: &str,
    settings: Settings,
    mocks: Option<Mocks>,
) -> Result<Plan, Vec<Refusal>> {
    let parsed = Resource::parse(resource).expect("well-formed");
    let state = TaskState { name: "T", resource: 0, text: resource, parsed: &parsed };
    Plan::prepare(&[state], settings, mocks)
}

impl Shard {
    pub(super) fn new(resource: &str, settings: Settings, mocks: Option<Mocks>) -> Shard {
        let plan = plan(resource, settings, mocks).expect("can be answered");
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = wakes.clone();
        let wake = Wake::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let local = Rc::new(LocalSet::new());
        let tasks = Tasks::open(vec![Arc::new(plan)], local.clone(), wake).expect("opens");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Shard { runtime, local, tasks, now_ms: 1_000, wakes, role: None, calls: 0 }
    }

    pub(super) fn call(&mut self, attempt: u32, arguments: &str) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls, 7);
        self.tasks.call(&Call {
            id,
            plan: 0,
            resource: 0,
            state: "T",
            attempt,
            arguments: arguments.as_bytes(),
            timeout: None,
            role: self.role.as_deref(),
            token: None,
            record: None,
            site: CallSite { scope: 0, step: StepId(0), visit: 1, attempt },
            execution: "e",
            caller: &Somebody,
            now_ms: self.now_ms,
        });
        id
    }

    /// One tick.
    pub(super) fn poll(&mut self) -> Vec<(CallId, Result<Value, StateError>)> {
        let tick = async { tokio::time::sleep(Duration::from_millis(2)).await };
        self.runtime.block_on(self.local.run_until(tick));
        let mut taken = Vec::new();
        self.tasks.poll(self.now_ms, &mut |id, answer| {
            let read = |json: &[u8]| serde_json::from_slice(json).expect("answers are JSON");
            taken.push((id, answer.map(read)));
        });
        taken
    }

    /// Ticks until there are so many answers.
    pub(super) fn wait(&mut self, count: usize) -> Vec<(CallId, Result<Value, StateError>)> {
        let start = Instant::now();
        let mut taken = Vec::new();
        while taken.len() < count {
            assert!(start.elapsed() < BOUND, "{} of {count} answers came", taken.len());
            taken.append(&mut self.poll());
        }
        taken
    }

    pub(super) fn answer(&mut self, arguments: &Value) -> Result<Value, StateError> {
        let id = self.call(0, &arguments.to_string());
        let (answered, answer) = self.wait(1).remove(0);
        assert_eq!((answered, self.tasks.in_flight()), (id, 0));
        answer
    }

    /// The error's name, and a part of its cause.
    #[track_caller]
    pub(super) fn fails(&mut self, arguments: &Value, name: &str, part: &str) {
        let error = self.answer(arguments).expect_err("must fail");
        assert_eq!(error.name(), Some(name), "{error}");
        assert!(error.cause().unwrap_or_default().contains(part), "{error}");
    }
}
