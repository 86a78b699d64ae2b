//! What a pipeline does with its records: settings shared by all shards, made by the engine.

use std::sync::Arc;
use std::time::Duration;

use super::batch::Bounds;
use super::envelope::{Form, Shape};
use super::nested::LocalMachine;
use super::route::Routing;
use crate::ack;
use crate::expr::Path;
use crate::machine;
use crate::metrics::{PlanNames, VersionNames};
use crate::program::Program;
use crate::tasks;
use crate::tasks::callbacks::{Key as TokenKey, Links};
use crate::value::Scratch;

/// A pipeline as its shards run it.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub name: Arc<str>,
    /// What runs what.
    pub routing: Routing,
    /// The definitions that it names. All of them run in the memory of the last.
    pub versions: Vec<Version>,
    /// What an execution may use.
    pub limits: machine::Limits,
    /// What an execution's input is.
    pub input: Input,
    /// What bounds a batch, where inputs are made of several records.
    pub batch: Bounds,
    /// What its source's records look like in there.
    pub form: Arc<dyn Form>,
    /// How a record's value is read.
    pub decode: Decode,
    /// What becomes of a record without a value.
    pub null_value: NullValue,
    /// What is written.
    pub output: Output,
    /// When a record whose execution failed is run again, before that.
    pub retry: Retry,
    /// What becomes of a record that failed.
    pub policy: Policy,
    /// Which records wait for which.
    pub ordering: Ordering,
    /// Records and bytes of one partition that may be unsettled.
    pub window: ack::Limits,
    /// Records asked of the source at a time.
    pub batch_max: usize,
    /// Share of failed records above which the pipeline pauses, and the time looked back over.
    pub failure_ratio: Option<(f64, Duration)>,
    /// What task tokens are made with.
    pub issuer: Issuer,
    /// The state machines that its executions may start in this process.
    pub machines: Arc<[LocalMachine]>,
}

/// What task tokens and approval links are made with.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The key that they are signed with.
    pub key: TokenKey,
    /// Where approval links lead; without it there are none.
    pub links: Option<Links>,
}

/// A definition, in one of its versions.
#[derive(Clone, Debug)]
pub struct Version {
    /// The definition's name: its file without extensions.
    pub machine: Arc<str>,
    /// What it runs.
    pub program: Arc<Program>,
    /// What answers its tasks.
    pub tasks: Arc<tasks::Plan>,
}

impl Plan {
    /// Memory to run all of its versions in.
    pub fn scratch(&self) -> Scratch {
        let last = self.versions.last();
        last.map_or_else(|| self.routing.scratch(), |version| version.program.scratch())
    }

    /// What tells it from another with other definitions.
    #[inline]
    pub fn version(&self) -> u64 {
        self.versions.iter().fold(0, |all, version| all ^ version.program.version)
    }

    /// Do tasks of any version wait for an answer from outside?
    pub fn has_tokens(&self) -> bool {
        let own = self.versions.iter().any(|version| version.program.has_tokens);
        own || self.machines.iter().any(|machine| machine.program.has_tokens)
    }

    /// What it is counted by.
    pub fn names(&self) -> PlanNames {
        let of_version = |it: &Version| VersionNames {
            definition: it.machine.to_string(),
            version: format!("{:016x}", it.program.version),
            states: it.program.rows.iter().map(|row| row.name.clone()).collect(),
        };
        let versions = self.versions.iter().map(of_version).collect();
        PlanNames { routes: self.routing.names(), versions }
    }
}

/// What an execution's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// `value`: the record's value.
    Value,
    /// `record`: `{Topic, Partition, Offset, Timestamp, Key, Headers, Value}`.
    Record,
    /// `pipes`, `lambda`: several records as AWS passes them.
    Batch(Shape),
}

/// How a record's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decode {
    /// `json`; a schema registry's prefix in front of it is skipped.
    Json,
    /// `string`: UTF-8 text.
    String,
    /// `bytes`: anything, as base64 text.
    Bytes,
}

/// What becomes of a record without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullValue {
    /// `skip`: it is settled.
    Skip,
    /// `null`: it runs.
    Null,
    /// `dead_letter`: it is one.
    DeadLetter,
}

/// Which records wait until an execution that came before theirs is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// `none`: none.
    None,
    /// `key`: those of its key in its partition; without a key, none.
    Key,
    /// `partition`: those of its partition.
    Partition,
}

/// When a record whose execution failed is run again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retry {
    /// How often, at most.
    pub attempts: u32,
    /// After how long, the first time.
    pub interval: Duration,
    /// What that is multiplied by each time.
    pub backoff_rate: f64,
    /// The longest it gets.
    pub interval_max: Duration,
}

impl Retry {
    /// How long to wait after so many executions; `None`: no more of them.
    pub fn pause(&self, runs: u32) -> Option<Duration> {
        let before = runs.checked_sub(1).filter(|before| *before < self.attempts)?;
        let factor = self.backoff_rate.powf(f64::from(before));
        let seconds = self.interval.as_secs_f64() * factor;
        Some(Duration::from_secs_f64(seconds.min(self.interval_max.as_secs_f64())))
    }
}

/// What becomes of a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `dead_letter`
    DeadLetter,
    /// `stop`: the pipeline stops before it.
    Stop,
    /// `drop`: it is counted and settled.
    Drop,
    /// `redrive`: it goes back to its queue.
    Redrive,
}

/// A topic, key or value: fixed, or read from the execution's output.
#[derive(Clone, Debug)]
pub enum Place {
    /// As written.
    Fixed(Arc<str>),
    /// Where it stands in the execution's output.
    Path(Path),
}

/// What is written when an execution has succeeded.
#[derive(Clone, Debug)]
pub struct Output {
    /// Where to; `None` discards.
    pub topic: Option<Place>,
    /// The key.
    pub key: Key,
    /// The source's headers, with the execution's name and the definition's version; or none.
    pub has_headers: bool,
    /// Which part of the execution's output; `None`: all of it.
    pub value: Option<Path>,
    /// Each element of an array is a record of its own.
    pub split: bool,
}

/// An output's key.
#[derive(Clone, Debug)]
pub enum Key {
    /// The source record's.
    Source,
    /// None.
    None,
    /// Read from the execution's output.
    Path(Path),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_end() {
        let seconds = Duration::from_secs;
        let (interval, interval_max) = (seconds(2), seconds(15));
        let retry = Retry { attempts: 4, interval, backoff_rate: 2.0, interval_max };
        let pauses: Vec<_> = (1..=5).map(|runs| retry.pause(runs)).collect();
        let expected = [Some(2), Some(4), Some(8), Some(15), None];
        assert_eq!(pauses, expected.map(|it| it.map(seconds)));
        assert_eq!(Retry::default().pause(1), None);
    }
}
