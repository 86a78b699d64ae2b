//! Start, look after, drain, stop: a configuration becomes shards on threads, and ends in order.

mod aws;
mod callbacks;
mod crashes;
mod ends;
mod machines;
mod once;
mod panics;
mod prepare;
mod progress;
mod reload;
mod remote;
mod routing;
mod targets;
mod watchdog;
mod window;

pub use aws::client_settings;
pub use callbacks::{CALLBACK_SETTINGS, callback_warnings, now_ms};
pub use ends::{consumer_properties, producer_properties};
pub use once::{NOT_COVERED, once_warnings};
pub use panics::Panics;
pub use prepare::{
    Prepared, Refused, Unanswered, document_limits, environment, machine_name, plan_for,
    plan_tasks, prepare, queue_arn, substitutions_of,
};
pub use routing::{Complaint, definitions_of, routing_of};
pub use window::{WINDOW_TOO_SMALL, ceilings, window_warnings};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use progress::Progress;
use remote::Remote;
use watchdog::Watchdog;

use crate::config::Config;
use crate::metrics::{Health, Metrics, PipelineNames, ShardCounters};
use crate::record::Wake;
use crate::shard::{
    Clock, Control, Halt, Lane, NestedLimits, Phase, Settings, Shard, Suspects, pin_to_core, wake,
};
use crate::sources::kafka::Lag;
use crate::targets::Targets;
use crate::tasks::callbacks::{Desk, Inbox};

/// How long shards may take to end once they were told to end at once.
const QUIT_BOUND: Duration = Duration::from_secs(5);

/// Why the engine could not start, for the operator.
#[derive(Debug)]
pub struct StartError {
    /// What was attempted, on what, and what to do.
    pub message: String,
}

impl StartError {
    fn new(message: impl Into<String>) -> StartError {
        StartError { message: message.into() }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

/// A shard's thread, and how to wake it.
struct Worker {
    thread: Option<JoinHandle<()>>,
    control: Arc<Control>,
    wake: Wake,
}

/// A running engine.
pub struct Engine {
    /// Everything it counts.
    pub metrics: Arc<Metrics>,
    /// Whether it is alive and ready.
    pub health: Health,
    /// Where its tasks are answered from outside.
    pub desk: Arc<Desk>,
    workers: Vec<Worker>,
    sources: Vec<Option<Remote>>,
    pipelines: Vec<Arc<str>>,
    drain_timeout: Duration,
    budget: u64,
    /// Partitions whose lag was told last, so that those that went can be taken back.
    lagging: Vec<(usize, Lag)>,
    progress: Progress,
    suspects: Arc<Suspects>,
    targets: Targets,
    /// Targets that were known when they were looked at last.
    standing: BTreeSet<String>,
    watchdog: Option<Watchdog>,
    panics: Panics,
    /// What it runs.
    config: Config,
}

/// How a stop went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything that was in flight has settled and was committed.
    Drained,
    /// The bound was reached; what was in flight will be read again.
    Cut,
}

impl Engine {
    /// Starts what was prepared from `config`.
    pub fn start(config: &Config, prepared: &[Prepared]) -> Result<Engine, StartError> {
        if prepared.is_empty() {
            return Err(StartError::new(
                "there is no pipeline to run. Add a [[pipeline]] to the configuration",
            ));
        }
        let names = |it: &Prepared| PipelineNames {
            pipeline: it.plan.name.to_string(),
            plan: it.plan.names(),
        };
        let metrics = Arc::new(Metrics::new(prepared.iter().map(names).collect()));
        let health = Health::default();
        health.not_ready("engine", "starting");
        let shards = config.engine.shards.count();
        let wakes: Vec<(Wake, Arc<Notify>)> = (0..shards).map(|_| wake()).collect();
        let bare: Vec<Wake> = wakes.iter().map(|(wake, _)| wake.clone()).collect();
        let key = callbacks::issuer(&config.callbacks).key;
        let (desk, inboxes) = Desk::open(key, config.callbacks.queue_max as usize, &bare);
        callbacks::announce(&desk, prepared);
        let mut engine = Engine {
            metrics,
            health,
            desk,
            workers: Vec::new(),
            sources: Vec::new(),
            pipelines: prepared.iter().map(|it| it.plan.name.clone()).collect(),
            drain_timeout: config.engine.drain_timeout,
            budget: config.engine.byte_budget.bytes(),
            lagging: Vec::new(),
            progress: Progress::new(config.engine.stall_timeout),
            suspects: Arc::new(crashes::suspects(config, shards)?),
            targets: Targets::new(targets::rules(&config.targets)),
            standing: BTreeSet::new(),
            watchdog: None,
            panics: Panics::default(),
            config: config.clone(),
        };
        let (sources, lanes) = ends::open(config, prepared, &bare)?;
        engine.sources = sources;
        let pairs = wakes.into_iter().zip(inboxes);
        for (at, (pair, lanes)) in pairs.zip(lanes).enumerate() {
            engine.spawn(config, at, shards, lanes, pair)?;
        }
        let bound = config.engine.hang_timeout;
        if !bound.is_zero() {
            engine.watchdog = Some(Watchdog::start(engine.suspects.clone(), bound)?);
        }
        engine.health.ready("engine");
        Ok(engine)
    }

    fn spawn(
        &mut self,
        config: &Config,
        at: usize,
        shards: usize,
        lanes: Vec<Lane>,
        (pair, inbox): ((Wake, Arc<Notify>), Inbox),
    ) -> Result<(), StartError> {
        let control = Arc::new(Control::default());
        let settings = Settings {
            parked_max: config.engine.parked_executions_max as usize,
            calls_waiting_max: config.engine.calls_waiting_max as usize,
            bytes_max: (self.budget as usize / 2 / shards).max(1),
            metrics_interval: config.engine.metrics_interval,
            pulse: self.health.pulse(&format!("shard {at}")),
            clock: Clock::system(),
            marker: self.suspects.marker(at),
            targets: self.targets.clone(),
            callbacks: Some((inbox, callbacks::limits(&config.callbacks))),
            nested: NestedLimits {
                children_max: config.engine.nested_executions_max as usize,
                depth_max: config.engine.nested_depth_max,
            },
        };
        let counters = ShardCounters::new(&self.metrics);
        let (told, hears) = mpsc::channel();
        let (shard_control, wake) = (control.clone(), pair.0.clone());
        let (is_pinned, panics) = (config.engine.pin_shards, self.panics.clone());
        let run = move || match Shard::open(lanes, counters, pair, shard_control, settings) {
            Ok(shard) => {
                // Not before: the clients' threads that it has started would stay on its core.
                if let Some(Err(why)) = is_pinned.then(|| pin_to_core(at)) {
                    tracing::warn!(shard = at, why, "a shard runs unpinned: engine.pin_shards");
                }
                let _ = told.send(Ok(()));
                panics.watch(at, || shard.run());
            }
            Err(e) => {
                let _ = told.send(Err(StartError::new(e.message)));
            }
        };
        let thread =
            thread::Builder::new().name(format!("shard-{at}")).spawn(run).map_err(|e| {
                StartError::new(format!("shard {at}'s thread could not be started: {e}"))
            })?;
        self.workers.push(Worker { thread: Some(thread), control, wake });
        let gone = || StartError::new(format!("shard {at} ended while it was starting"));
        hears.recv().map_err(|_| gone())?
    }

    /// Book-keeping, to be done every half second or so: lag, budget, readiness.
    pub fn look_after(&mut self) {
        let used: usize = self.workers.iter().map(|it| it.control.budget_used()).sum();
        self.metrics.set_budget(used as u64, self.budget);
        let mut lagging = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            for lag in source.iter().flat_map(Remote::lag) {
                let records = u64::try_from(lag.records).ok();
                self.metrics.set_lag(index, &lag.topic, lag.partition, records);
                lagging.push((index, lag));
            }
        }
        let is_same = |a: &(usize, Lag), b: &(usize, Lag)| {
            (a.0, a.1.partition) == (b.0, b.1.partition) && a.1.topic == b.1.topic
        };
        for gone in self.lagging.iter().filter(|it| !lagging.iter().any(|is| is_same(is, it))) {
            self.metrics.set_lag(gone.0, &gone.1.topic, gone.1.partition, None);
        }
        self.lagging = lagging;
        self.look_for_stalls();
        self.look_at_targets();
        for (pipeline, halt) in self.halts() {
            let (Halt::Paused(why) | Halt::Stopped(why)) = halt;
            self.health.not_ready(&format!("pipeline {pipeline}"), &why);
        }
        if let Some(why) = self.panics.first() {
            self.health.not_ready("engine", &why);
        }
    }

    fn look_for_stalls(&mut self) {
        let stalled = self.progress.look(Instant::now(), &self.lagging);
        for (index, pipeline) in self.pipelines.iter().enumerate() {
            let partitions = stalled.get(&index).map_or(&[][..], Vec::as_slice);
            self.metrics.set_stalled(index, partitions.len());
            let part = format!("progress of {pipeline}");
            if partitions.is_empty() {
                self.health.ready(&part);
            } else {
                let why = format!("partitions do not move: {}", partitions.join(", "));
                self.health.not_ready(&part, &why);
            }
        }
    }

    /// How far each partition was behind when [`Engine::look_after`] was called last.
    pub fn lags(&self) -> impl Iterator<Item = &Lag> {
        self.lagging.iter().map(|it| &it.1)
    }

    /// Pipelines that take no more records, and why.
    pub fn halts(&self) -> Vec<(String, Halt)> {
        self.workers.iter().flat_map(|it| it.control.halts()).collect()
    }

    /// Why the process must end, if a pipeline stopped for good, or a shard panicked.
    pub fn stopped(&self) -> Option<String> {
        let halted = self.halts().into_iter().find_map(|(pipeline, halt)| match halt {
            Halt::Stopped(why) => Some(format!("pipeline {pipeline:?} stopped: {why}")),
            Halt::Paused(_) => None,
        });
        halted.or_else(|| self.panics.first())
    }

    /// The panics that shards end by, also while the engine stops.
    pub fn panics(&self) -> Panics {
        self.panics.clone()
    }

    /// Have all sources ended, and everything settled? (Files end; topics never do.)
    pub fn is_over(&self) -> bool {
        self.workers.iter().all(|it| it.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// The pipelines' names, in the order of the metrics.
    pub fn pipelines(&self) -> &[Arc<str>] {
        &self.pipelines
    }

    /// Stops in order: take no more, settle what is in flight within the bound, commit, leave.
    pub fn stop(mut self) -> Stopped {
        self.health.not_ready("engine", "stopping");
        self.sources.iter().flatten().for_each(Remote::stop);
        self.tell(Phase::Drain);
        let how = if self.wait(self.drain_timeout) { Stopped::Drained } else { Stopped::Cut };
        self.tell(Phase::Quit);
        if self.wait(QUIT_BOUND) {
            for worker in &mut self.workers {
                if let Some(thread) = worker.thread.take() {
                    // A panic of a shard's own code was noted; the process ends either way.
                    let _ = thread.join();
                }
            }
        }
        for source in self.sources.drain(..).flatten() {
            source.close();
        }
        how
    }

    fn tell(&self, phase: Phase) {
        for worker in &self.workers {
            worker.control.set_phase(phase);
            worker.wake.wake();
        }
    }

    /// Waits for all shards to end; `false` where the bound was reached.
    fn wait(&self, bound: Duration) -> bool {
        let until = Instant::now() + bound;
        while !self.is_over() {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }
}
