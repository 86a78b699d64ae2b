//! Findings for a person: printed to standard error with excerpts.

use std::path::Path;
use std::process::ExitCode;

use crate::asl::excerpt;
use crate::engine::Refused;
use crate::fault::Diagnostic;

/// The exit code of wrong usage, configurations and definitions.
pub const WRONG: u8 = 2;

/// Prints what is wrong with a configuration.
pub fn config(file: &Path, findings: &[Diagnostic]) -> ExitCode {
    // No excerpts: a line may hold a secret.
    eprint!("{}", excerpt::render(&file.display().to_string(), "", findings));
    ExitCode::from(WRONG)
}

/// Prints what is wrong with definitions.
pub fn refused(refused: &[Refused]) -> ExitCode {
    warned(refused);
    ExitCode::from(WRONG)
}

/// Prints findings that keep nothing from running.
pub fn warned(refused: &[Refused]) {
    for Refused { file, text, findings } in refused {
        eprint!("{}", excerpt::render(file, text, findings));
    }
}
