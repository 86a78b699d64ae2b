//! A shard's timers allocate nothing once they have been as many as they will be.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use expressway::shard::{TimerId, Timers};

thread_local! {
    /// Of this thread alone: the test runner allocates on its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor
// unwinds (the counter is a constant-initialised `Cell` without a destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` with this layout, by `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Parked executions at a time.
const PARKED: usize = 1_000;
const START: i64 = 1_790_000_000_000;

/// One millisecond: half of the timers are cancelled and set anew, at distances from now to weeks.
fn tick(timers: &mut Timers, ids: &mut [TimerId], now: i64, fired: &mut u64) {
    for (key, id) in ids.iter_mut().enumerate().skip(now as usize % 2).step_by(2) {
        timers.cancel(*id);
        let distance = 1_i64 << ((key as i64 + now) % 32);
        *id = timers.set(now + distance, key as u64);
    }
    timers.advance(now + 1, &mut |_| *fired += 1);
}

#[test]
fn a_thousand_warmed_ticks_allocate_nothing() {
    let mut timers = Timers::new(START);
    let mut ids: Vec<TimerId> =
        (0..PARKED).map(|key| timers.set(START + key as i64, key as u64)).collect();
    let warm = ALLOCATIONS.get();
    assert!(warm > 0, "the counter counts");
    let mut fired = 0;
    for now in START..START + 1_000 {
        tick(&mut timers, &mut ids, now, &mut fired);
    }
    timers.advance(START + (1 << 40), &mut |_| fired += 1);
    assert_eq!(ALLOCATIONS.get(), warm);
    assert!(fired > 10_000 && timers.is_empty(), "{fired} fired");
}
