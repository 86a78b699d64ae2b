//! Proves that steady state allocates nothing: a million events, mixed sizes, parked executions with
//! mocked tasks among them. Prints the count, and fails where it is not 0.

mod events;
#[path = "events/steady.rs"]
mod steady;

use std::process::ExitCode;

use steady::{Counting, Steady, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Enough for every buffer, pool and timer to have been as large as it gets.
const WARM_UP: usize = 100_000;
const EVENTS: usize = 1_000_000;

fn main() -> ExitCode {
    let mut steady = Steady::new();
    steady.run(WARM_UP);
    let before = allocations();
    steady.run(EVENTS);
    let count = allocations() - before;
    println!("{count} allocations over {EVENTS} warmed events ({})", steady.summary());
    if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
