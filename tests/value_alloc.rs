//! Steady state allocates nothing: a counting allocator sees none over a million warmed events.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use expressway::value::{Block, Key, Limits, Scratch, Segment, Value};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const EVENTS: [&str; 5] = [
    include_str!("../benches/corpus/iot.json"),
    include_str!("../benches/corpus/click.json"),
    include_str!("../benches/corpus/order.json"),
    r#"{"say":"\"hi\" \u00e9","customer":"a","customel":"b","id":1,"k\u0065y":"v"}"#,
    r#"{ "spaced" : [ 1, 2, { "id" : "é" } ] }"#,
];

/// What is compiled once.
struct Plan {
    keys: [Key; 4],
    path: [Segment; 2],
}

/// What a machine does with an event: index, look up, put, compute, park, resume, write.
fn run(scratch: &mut Scratch, event: &str, plan: &Plan, block: &mut Block, out: &mut Vec<u8>) {
    scratch.reset();
    let root = scratch.parse(event.trim_end().as_bytes()).expect("a document");
    let found = plan.keys.iter().find_map(|key| scratch.get(root, key)).unwrap_or(Value::NULL);
    let made = scratch.string("a \"made\" string");
    let new = scratch.put(root, &plan.path, made).expect("an object");
    let mark = scratch.mark();
    let number = scratch.float(1.25);
    scratch.push(number);
    scratch.push(new);
    let mut roots = [scratch.array(mark).expect("flat"), found];
    scratch.park(&roots, block);
    scratch.reset();
    scratch.resume(block, &mut roots);
    out.clear();
    scratch.write(roots[0], out);
    assert!(scratch.equals(roots[1], roots[1]) && out.len() > event.len() / 2);
}

#[test]
fn a_million_events_allocate_nothing() {
    let keys = ["absent", "id", "type", "key"].map(Key::new);
    let path = ["result", "text"].map(|name| Segment::Key(Key::new(name)));
    let plan = Plan { keys, path };
    let mut scratch = Scratch::new(Limits::default());
    let (mut block, mut out) = (Block::default(), Vec::new());
    for event in EVENTS.iter().chain(&EVENTS) {
        run(&mut scratch, event, &plan, &mut block, &mut out);
    }
    let before = COUNT.get();
    for at in 0..1_000_000 {
        run(&mut scratch, EVENTS[at % EVENTS.len()], &plan, &mut block, &mut out);
    }
    assert_eq!(COUNT.get() - before, 0, "allocations over a million events");
}
