//! What is known of the targets that calls go to, and what their calls are held to: a circuit breaker,
//! bounds on calls at once and calls a second, slowing down where a target says that it is too much.
//!
//! ```text
//! Targets::find -> Target::enter (waits for turns)     -> Pass -> the call -> Pass::leave
//!               -> Aftermath: its outcome stands, or the target is down and it is made again
//! ```
//!
//! A target is a service and its endpoint, or a host and its port. All shards share what is known of
//! one, behind a lock of its own; who calls nothing never comes here.

mod breaker;
mod entrance;
mod held;
mod pace;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use entrance::{Aftermath, Pass, Refused, Target, Verdict};
pub use held::{Aside, Held};

use entrance::Shared;

/// What calls to a target are held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Calls at the same time.
    pub calls_max: Option<usize>,
    /// Calls a second.
    pub rate_max: Option<f64>,
    /// Fewer calls a second where the target says that it is too much.
    pub is_adaptive: bool,
    /// The longest that a target's word on when to come again is followed.
    pub retry_after_max: Duration,
    /// When it counts as down, and what follows.
    pub breaker: Option<BreakerSettings>,
}

impl Default for Settings {
    /// Calls are held to nothing.
    fn default() -> Settings {
        let retry_after_max = Duration::from_secs(60);
        let (calls_max, rate_max, is_adaptive, breaker) = Default::default();
        Settings { calls_max, rate_max, is_adaptive, retry_after_max, breaker }
    }
}

impl Settings {
    /// Calls are held to nothing.
    fn is_bare(&self) -> bool {
        // A bound on a wait that nobody is asked to take is none on calls.
        let Settings { calls_max, rate_max, is_adaptive, retry_after_max: _, breaker } = self;
        calls_max.is_none() && rate_max.is_none() && !is_adaptive && breaker.is_none()
    }
}

/// When a target counts as down, and what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// After so many failures in a row; 0 for never.
    pub failures: u32,
    /// Or when this share of the calls of a window has failed.
    pub failure_ratio: Option<f64>,
    /// Calls below which a share says nothing.
    pub calls_min: u32,
    /// The window.
    pub window: Duration,
    /// When it is tried again, the first time; then less and less often.
    pub probe_after: Duration,
    /// But at least so often.
    pub probe_after_max: Duration,
    /// What becomes of calls meanwhile.
    pub when_open: WhenOpen,
    /// How long a failure is held back until it is clear whether the target is down.
    pub doubt: Duration,
    /// How often a call that a target answers with its trouble is made again while the target is
    /// down: it may be the call that brings it there, and must not be in others' way for ever.
    pub troubled_max: u32,
}

/// What becomes of calls to a target that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenOpen {
    /// They wait, and who makes them takes on nothing new.
    Pause,
    /// They fail at once.
    Fail,
}

impl Default for BreakerSettings {
    fn default() -> BreakerSettings {
        BreakerSettings {
            failures: 5,
            failure_ratio: Some(0.5),
            calls_min: 20,
            window: Duration::from_secs(10),
            probe_after: Duration::from_secs(1),
            probe_after_max: Duration::from_secs(30),
            when_open: WhenOpen::Pause,
            doubt: Duration::from_millis(500),
            troubled_max: 10,
        }
    }
}

/// The settings of all targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Of targets that have none of their own.
    pub general: Settings,
    /// By name: the target's (`sqs@sqs.eu-west-1.amazonaws.com:443`), its host with the port or
    /// without, or the service's.
    pub named: BTreeMap<String, Settings>,
    /// Targets that are kept in mind.
    pub kept_max: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { general: Settings::default(), named: BTreeMap::new(), kept_max: 1_000 }
    }
}

impl Rules {
    /// The settings of a target: those of its whole name before those of its host, before those of
    /// its service.
    fn of(&self, name: &Name<'_>) -> &Settings {
        let Name { service, host, port } = name;
        let whole = name.to_string();
        let with_port = format!("{host}:{port}");
        [Some(whole.as_str()), Some(&with_port), Some(host), *service]
            .into_iter()
            .flatten()
            .find_map(|key| self.named.get(key))
            .unwrap_or(&self.general)
    }
}

/// What a target is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// `sqs`; none for what is called by its URL.
    pub service: Option<&'a str>,
    /// `api.example.com`
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = self.service {
            write!(f, "{service}@")?;
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// All targets of a process. Cheap to clone.
#[derive(Clone)]
pub struct Targets(Arc<Inner>);

struct Inner {
    rules: Rules,
    since: Instant,
    known: RwLock<HashMap<String, Target>>,
    /// Nobody is held to anything.
    is_idle: bool,
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Targets")
    }
}

impl Default for Targets {
    /// Without any rule.
    fn default() -> Targets {
        Targets::new(Rules::default())
    }
}

/// How a target does, for metrics and for who asks whether all is well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its breaker is not closed.
    pub is_down: bool,
    /// Calls wait for it meanwhile, rather than fail.
    pub pauses: bool,
    /// Calls under way.
    pub under_way: u64,
    /// Calls that wait for their turn.
    pub waiting: u64,
    /// Calls a second that may start; `None`: as many as come.
    pub rate: Option<f64>,
    /// Requests so far.
    pub requests: u64,
    /// Those that it did not answer, or only said that it is in trouble.
    pub failures: u64,
    /// Those that were too much for it.
    pub throttled: u64,
}

impl Targets {
    /// Targets under these rules.
    pub fn new(rules: Rules) -> Targets {
        let is_idle = rules.general.is_bare() && rules.named.values().all(Settings::is_bare);
        Targets(Arc::new(Inner { rules, since: Instant::now(), known: RwLock::default(), is_idle }))
    }

    /// The target of this name; `None` where there are no rules at all.
    pub fn find(&self, name: &Name<'_>) -> Option<Target> {
        let Inner { rules, since, known, is_idle } = &*self.0;
        if *is_idle {
            return None;
        }
        let whole = name.to_string();
        if let Some(target) = known.read().unwrap_or_else(PoisonError::into_inner).get(&whole) {
            return Some(target.clone());
        }
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = known.get(&whole) {
            return Some(target.clone());
        }
        if known.len() >= rules.kept_max {
            known.retain(|_, target| !target.is_forgettable());
        }
        let target = Target::new(Shared::new(whole.clone(), rules.of(name), *since));
        known.insert(whole, target.clone());
        Some(target)
    }

    /// How often what a target answers with its trouble is done again while the target is down.
    pub fn troubled_max(&self) -> u32 {
        self.0.rules.general.breaker.as_ref().map_or(0, |breaker| breaker.troubled_max)
    }

    /// How all of them do.
    pub fn standings(&self) -> Vec<Standing> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().map(Target::standing).collect();
        drop(known);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// What is behind these locks is whole whatever their last holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
