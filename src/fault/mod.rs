//! What goes wrong, as values: [`StateError`] for the running workflow, [`Diagnostic`] for the
//! definition's author. (The operator's errors live with the edge module that raises them.)

mod diagnostic;
mod state_error;

pub use diagnostic::{Diagnostic, Location, Severity};
pub use state_error::{StateError, names};

/// What a caught panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
