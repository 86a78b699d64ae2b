//! Arguments in, exit code out.

use std::process::ExitCode;

/// Records come and go by the million a second; the system's allocator is slower at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    expressway::cli::run(std::env::args_os())
}
