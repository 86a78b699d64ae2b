//! One file per state type: its fields, how they are read, what the step does. To add one, write the
//! file and a row in `state_types!`.

mod assign;
mod block;
mod ending;
mod given;
mod io;
mod lowering;
mod query;

mod choice;
mod fail;
mod map;
mod parallel;
mod pass;
mod succeed;
mod task;
mod wait;

pub use assign::Scopes;
pub use block::{Block, Row, Rows};
pub use choice::Choice;
pub use ending::Catch;
pub use fail::Fail;
pub use given::TIMEOUT_SECONDS_MAX;
pub use lowering::{Lowering, Resource};
pub use map::{
    Destination, Map, READER_FAILED, Read, ReadLimits, Sources, Transformation, WRITER_FAILED,
    Writer,
};
pub use parallel::Parallel;
pub use pass::Pass;
pub use query::Language;
pub use succeed::Succeed;
pub use task::Task;
pub use wait::Wait;

use self::ending::Ending;
use crate::asl::fields::Fields;
use crate::asl::retry::Retrier;
use crate::fault::StateError;
use crate::step::{Exit, Frame, Glance, ResourceId, StepId, Transition};
use crate::value::Value;

/// What every state type has.
pub trait StateType: Sized {
    /// Reads the fields that this type has; `None` where something was wrong, which is reported.
    fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Self>;

    /// Runs from the state's start.
    fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError>;

    /// As [`StateType::enter`], of a state that needs nothing but its input, which is in `value`, and
    /// the variables, and leaves it with its output. Where that is not so `None`, and no trace is
    /// left: `enter` does what takes more, and says what is wrong.
    #[inline]
    fn glance(&self, _: &mut Glance<'_>, _: &mut Value) -> Option<Exit> {
        None
    }

    /// Goes on with what it waited for: a task's result, the results of what it ran, or `null` from a
    /// timer.
    fn resume(&self, _: &mut Frame<'_>, result: Value) -> Result<Transition, StateError> {
        debug_assert!(false, "only a step that waits is resumed");
        Ok(Transition::Exit(Exit::End, result))
    }

    /// How it ends, where it has a result or may be retried.
    fn ending(&self) -> Option<&Ending> {
        None
    }

    /// Adds whom it calls.
    fn resources(&self, _: &mut Vec<ResourceId>) {}

    /// Where what it runs starts: branches, or the processor of items.
    fn branches(&self) -> &[StepId] {
        &[]
    }

    /// Adds where it may lead, other than by `Catch`, to `exits`.
    fn exits(&self, exits: &mut Vec<Exit>);

    /// Its fields for a listing, in the order in which they act.
    fn list(&self, out: &mut Listing);
}

/// The lines of one step's listing: an operation and its operand each.
#[derive(Debug, Default)]
pub struct Listing(pub Vec<(&'static str, String)>);

impl Listing {
    /// Adds a line.
    pub fn line(&mut self, operation: &'static str, operand: impl ToString) {
        self.0.push((operation, operand.to_string()));
    }
}

/// Makes the `Step` enum, its look-up by `Type`, and the match of every method.
macro_rules! state_types {
    ($($(#[doc = $doc:literal])+ $name:ident)+) => {
        /// A row of the step table.
        // Rows are few; a box would cost every step a hop.
        #[allow(clippy::large_enum_variant)]
        #[derive(Debug)]
        pub enum Step {
            $($(#[doc = $doc])+ $name($name),)+
        }

        impl Step {
            /// The types there are.
            pub const TYPES: &[&str] = &[$(stringify!($name)),+];

            /// Reads a state of the type `kind`.
            pub fn parse(
                kind: &str,
                fields: &mut Fields<'_>,
                lowering: &mut Lowering<'_>,
            ) -> Option<Step> {
                match kind {
                    $(stringify!($name) => $name::parse(fields, lowering).map(Step::$name),)+
                    _ => None,
                }
            }

            /// Its `Type`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Step::$name(_) => stringify!($name),)+
                }
            }

            /// Runs from the state's start.
            #[inline]
            pub fn enter(&self, frame: &mut Frame<'_>) -> Result<Transition, StateError> {
                match self {
                    $(Step::$name(state) => state.enter(frame),)+
                }
            }

            /// As [`Step::enter`], from and into `value`; `None`, and nothing is done, where that
            /// takes more than the input and the variables.
            #[inline]
            pub fn glance(&self, at: &mut Glance<'_>, value: &mut Value) -> Option<Exit> {
                match self {
                    $(Step::$name(state) => state.glance(at, value),)+
                }
            }

            /// Goes on with what it waited for.
            pub fn resume(
                &self,
                frame: &mut Frame<'_>,
                result: Value,
            ) -> Result<Transition, StateError> {
                match self {
                    $(Step::$name(state) => state.resume(frame, result),)+
                }
            }

            fn ending(&self) -> Option<&Ending> {
                match self {
                    $(Step::$name(state) => state.ending(),)+
                }
            }

            /// `Retry`
            pub fn retriers(&self) -> &[Retrier] {
                self.ending().map_or(&[], |ending| &ending.retriers)
            }

            /// `Catch`
            pub fn catchers(&self) -> &[Catch] {
                self.ending().map_or(&[], |ending| &ending.catchers)
            }

            /// May it be retried?
            pub fn is_retried(&self) -> bool {
                self.ending().is_some()
            }

            /// Whom it calls.
            pub fn resources(&self) -> Vec<ResourceId> {
                let mut resources = Vec::new();
                match self {
                    $(Step::$name(state) => state.resources(&mut resources),)+
                }
                resources
            }

            /// Where what it runs starts.
            pub fn branches(&self) -> &[StepId] {
                match self {
                    $(Step::$name(state) => state.branches(),)+
                }
            }

            /// Adds where it may lead, other than by `Catch`, to `exits`.
            pub fn exits(&self, exits: &mut Vec<Exit>) {
                match self {
                    $(Step::$name(state) => state.exits(exits),)+
                }
            }

            /// Its fields for a listing.
            pub fn list(&self, out: &mut Listing) {
                match self {
                    $(Step::$name(state) => state.list(out),)+
                }
            }
        }
    };
}

state_types! {
    /// `"Type": "Pass"`: passes its input on, or a value made from it.
    Pass
    /// `"Type": "Task"`: calls a resource.
    Task
    /// `"Type": "Choice"`: goes where the first matching rule says.
    Choice
    /// `"Type": "Wait"`: waits.
    Wait
    /// `"Type": "Succeed"`: ends the machine well.
    Succeed
    /// `"Type": "Fail"`: ends the machine with an error.
    Fail
    /// `"Type": "Parallel"`: runs branches side by side.
    Parallel
    /// `"Type": "Map"`: runs a body for every item.
    Map
}
