//! What goes wrong, as values: [`StateError`] for the running workflow, [`Diagnostic`] for the
//! definition's author. (The operator's errors live with the edge module that raises them.)

mod diagnostic;
mod state_error;

pub use diagnostic::{Diagnostic, Location, Severity};
pub use state_error::{StateError, names};
