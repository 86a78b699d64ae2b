//! One execution on one thread: runs the machine, sleeps where it waits, calls what it calls.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::trace::{Form, Trace};
use crate::fault::StateError;
use crate::machine::{Decision, Execution, Identity, Limits, Machine, Outcome, Suspension};
use crate::program::Program;
use crate::record::Wake;
use crate::step::{CallNumber, CallSite, Resume, TaskRequest};
use crate::tasks::{Call, CallId, Caller, Plan, Tasks};
use crate::value::{Scratch, Value, hash};

/// How often a driver that only a poll brings forward is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The time: the system's at the start, and from then on what has passed, so that it never goes back.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    pub(super) fn start() -> Clock {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { started: Instant::now(), started_ms: since_1970.as_millis() as i64 }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.started_ms + self.started.elapsed().as_millis() as i64
    }

    /// Returns once that time has come.
    async fn reach(&self, until_ms: i64) {
        loop {
            let left_ms = until_ms.saturating_sub(self.now_ms());
            match u64::try_from(left_ms) {
                Ok(0) | Err(_) => return,
                Ok(left_ms) => tokio::time::sleep(Duration::from_millis(left_ms)).await,
            }
        }
    }
}

/// How it ended.
pub(super) enum Ended {
    /// With an outcome.
    By(Outcome),
    /// With Ctrl-C.
    Interrupted,
}

/// An execution's surroundings.
pub(super) struct Driver<'a> {
    pub(super) program: &'a Program,
    pub(super) limits: Limits,
    pub(super) identity: &'a dyn Identity,
    pub(super) name: String,
    pub(super) clock: Clock,
    /// Whom it tells what happens.
    pub(super) trace: Option<Form>,
}

impl Driver<'_> {
    /// The longest the execution may take.
    pub(super) fn time_limit(&self) -> Duration {
        self.program.timeout.unwrap_or(Duration::MAX).min(self.limits.duration_max)
    }

    /// Runs it to its end.
    pub(super) async fn run(
        &self,
        plan: Arc<Plan>,
        local: Rc<LocalSet>,
        scratch: &mut Scratch,
        input: Value,
    ) -> anyhow::Result<Ended> {
        let mut trace = Trace::new(self.program, self.clock, self.trace);
        let mut calls = Calls::open(plan, local, self.clock)?;
        let mut execution = Execution::default();
        self.machine().start(&mut execution, input, self.identity.seed());
        // The last task's result.
        let mut result;
        let mut resume = Resume::Continue;
        loop {
            let suspension = self.machine().run(&mut execution, scratch, resume, &mut trace);
            execution.cancelled().for_each(|call| calls.cancel(call));
            resume = match suspension {
                Suspension::Done(outcome) => {
                    trace.ends(&outcome, scratch);
                    return Ok(Ended::By(outcome));
                }
                Suspension::Yield => {
                    tokio::task::yield_now().await;
                    Resume::Continue
                }
                Suspension::Wait { until_ms } => {
                    if calls.tasks.in_flight() == 0 && calls.answers.is_empty() {
                        trace.waits(until_ms);
                    }
                    let answer = calls.answer(until_ms).await;
                    if let Some((call, reply)) = &answer {
                        trace.answers(call.thread, reply);
                    }
                    match answer {
                        None => Resume::Timer,
                        Some((call, Err(error))) => Resume::Reply(call, Err(error)),
                        Some((call, Ok(text))) => {
                            result = text;
                            Resume::Reply(call, Ok(&result))
                        }
                    }
                }
                Suspension::Call { request, wake_ms } => {
                    let arn = &self.program.resource(request.resource).arn;
                    let mut arguments = Vec::new();
                    scratch.write(request.arguments, &mut arguments);
                    trace.calls(arn, execution.attempt(), &arguments);
                    let mut role = String::new();
                    request.write_role(scratch, &mut role);
                    let call = self.call(&execution, &request, (&arguments, &role), wake_ms);
                    calls.tasks.call(&call);
                    Resume::Continue
                }
            };
        }
    }

    fn machine(&self) -> Machine<'_> {
        let now_ms = self.clock.now_ms();
        let Driver { program, limits, identity, .. } = self;
        Machine { program, limits, identity: *identity, now_ms }
    }

    fn call<'b>(
        &'b self,
        execution: &Execution,
        request: &TaskRequest,
        (arguments, role): (&'b [u8], &'b str),
        wake_ms: i64,
    ) -> Call<'b> {
        let now_ms = self.clock.now_ms();
        let left_ms = u64::try_from(wake_ms.saturating_sub(now_ms)).unwrap_or(0);
        Call {
            id: CallId(0, execution.call().to_bits()),
            plan: 0,
            resource: request.resource.0 as usize,
            state: self.program.state_name(execution.step()),
            attempt: execution.attempt(),
            arguments,
            timeout: Some(Duration::from_millis(left_ms)),
            role: Some(role).filter(|role| !role.is_empty()),
            token: None,
            record: None,
            site: execution.site(),
            execution: &self.name,
            caller: self,
            now_ms,
        }
    }
}

impl Caller for Driver<'_> {
    fn machine_id(&self) -> String {
        self.identity.machine_id()
    }

    fn execution_id(&self) -> String {
        self.identity.id()
    }
}

/// Who an execution is that no record stands behind.
pub(super) struct Alone {
    pub(super) machine: String,
    pub(super) name: String,
}

impl Identity for Alone {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn machine_name(&self) -> String {
        self.machine.clone()
    }

    /// Nobody serves it, but it looks like one.
    fn link(&self, site: &CallSite, decision: Decision, _: i64) -> Option<String> {
        Some(format!(
            "http://127.0.0.1:9644/approve?token={}&decision={decision}",
            self.token(site)
        ))
    }

    fn seed(&self) -> u64 {
        hash(self.name.bytes())
    }
}

/// A task's result as JSON text, or its error.
type Reply = Result<Vec<u8>, StateError>;

/// The tasks of the one definition.
struct Calls {
    tasks: Tasks,
    /// Answers that came together with others.
    answers: VecDeque<(CallNumber, Reply)>,
    woken: Arc<Notify>,
    clock: Clock,
}

impl Calls {
    fn open(plan: Arc<Plan>, local: Rc<LocalSet>, clock: Clock) -> anyhow::Result<Calls> {
        let woken = Arc::new(Notify::new());
        let waker = woken.clone();
        let tasks = Tasks::open(vec![plan], local, Wake::new(move || waker.notify_one()))?;
        Ok(Calls { tasks, answers: VecDeque::new(), woken, clock })
    }

    /// Forgets a call.
    fn cancel(&mut self, call: CallNumber) {
        self.tasks.cancel(CallId(0, call.to_bits()));
    }

    /// The next answer; `None` where none has come by `wake_ms`.
    async fn answer(&mut self, wake_ms: i64) -> Option<(CallNumber, Reply)> {
        loop {
            let Calls { tasks, answers, .. } = self;
            tasks.poll(self.clock.now_ms(), &mut |id, reply| {
                answers.push_back((CallNumber::from_bits(id.1), reply.map(<[u8]>::to_vec)));
            });
            let now_ms = self.clock.now_ms();
            if let Some(answer) = self.answers.pop_front() {
                return Some(answer);
            }
            if now_ms >= wake_ms {
                return None;
            }
            let soon_ms = now_ms + POLL_INTERVAL.as_millis() as i64;
            let due_ms = self.tasks.next_due_ms().map_or(i64::MAX, |due_ms| due_ms.max(soon_ms));
            tokio::select! {
                () = self.woken.notified() => {}
                () = self.clock.reach(due_ms.min(wake_ms)) => {}
            }
        }
    }
}
