//! A definition and its compilation to a step table: immutable, shared by all shards.

mod compile;
mod listing;
mod open;

pub use compile::{Compiled, Options, compile, unreadable};
pub use listing::listing;
pub use open::{Definition, Opened, machines_in, open, parts_of};

use std::time::Duration;

use crate::states::{Resource, Row, Step};
use crate::step::{ResourceId, StepId};
use crate::value::Scratch;

/// A compiled state machine.
#[derive(Debug)]
pub struct Program {
    /// `StartAt`
    pub start: StepId,
    /// The step table.
    pub rows: Box<[Row]>,
    /// Whom its tasks call.
    pub resources: Box<[Resource]>,
    /// `TimeoutSeconds`
    pub timeout: Option<Duration>,
    /// Some task waits for its token, or for an activity's worker.
    pub has_tokens: bool,
    /// Some task's call must be told from others of its execution whenever it is made again.
    pub counts_visits: bool,
    /// A hash of the definition's text: its version, for output headers and dead letters.
    pub version: u64,
    constants: Constants,
}

/// Constants, at the bottom of every scratch memory that the program runs in.
struct Constants(Scratch);

impl std::fmt::Debug for Constants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Constants")
    }
}

impl Program {
    /// The step at `id`.
    #[inline]
    pub fn step(&self, id: StepId) -> &Step {
        &self.rows[id.0 as usize].step
    }

    /// The name of the state at `id`.
    pub fn state_name(&self, id: StepId) -> &str {
        &self.rows[id.0 as usize].name
    }

    /// The resource at `id`.
    pub fn resource(&self, id: ResourceId) -> &Resource {
        &self.resources[id.0 as usize]
    }

    /// Memory to run it in: its constants, and room for the rest. One per shard, reused.
    pub fn scratch(&self) -> Scratch {
        self.constants.0.clone()
    }
}
