//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use expressway::cli::Arguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("expressway: {error:#}.");
            ExitCode::FAILURE
        }
    }
}
