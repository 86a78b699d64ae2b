//! Steady state allocates nothing, in the machine and in a whole shard; `cargo bench --bench alloc` shows
//! the machine's over a million events.

#[path = "../benches/events/mod.rs"]
mod events;
#[path = "../benches/events/lane.rs"]
mod lane;
#[path = "allocations/shard.rs"]
mod shard;
#[path = "../benches/events/steady.rs"]
mod steady;

use steady::{Counting, Steady, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn ten_thousand_warmed_events_allocate_nothing() {
    let mut steady = Steady::new();
    // Parked executions are as many as they get after a second; then each slot must have met the
    // largest event.
    steady.run(30_000);
    let before = allocations();
    steady.run(10_000);
    assert_eq!(allocations() - before, 0, "{}", steady.summary());
}
