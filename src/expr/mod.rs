//! The expressions of JSONPath states: paths, reference paths, intrinsic calls, payload templates
//! and choice rules. They are parsed when a definition is compiled and evaluated in a [`Scope`].

mod condition;
mod event_pattern;
mod expression;
mod laid_out;
mod path;
mod problem;
mod reference_path;
mod scope;
mod template;
mod timestamp;

pub use condition::Condition;
pub use event_pattern::EventPattern;
pub use expression::{Expression, Invocation};
pub use path::{Path, PathError, Root};
pub use problem::Problem;
pub use reference_path::ReferencePath;
pub use scope::{Context, Scope};
pub use template::{Template, constant};
pub use timestamp::Timestamp;
