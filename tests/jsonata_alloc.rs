//! Common shapes of JSONata allocate nothing, once the memory is as large as it gets.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use expressway::jsonata::{Environment, Expression, Limits, Memory, Options, Outcome};
use expressway::value::{self, Scratch};

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
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ORDER: &str = r#"{"id":"ord-1","type":"order","temp":36.5,"customer":{"name":"Ada"},
"items":[{"sku":"A","price":12.5,"qty":3},{"sku":"B","price":0.25,"qty":400},{"sku":"C","price":32,"qty":1}]}"#;

const SHAPES: [&str; 13] = [
    "customer.name",
    "$order.customer.name",
    "items[price>10].sku",
    "items[0].sku",
    "temp > 30 and type = 'order' ? id : 'none'",
    "id & '-' & temp & '-' & (temp * 2)",
    "$contains(type, 'ord')",
    r#"{"id": id, "hot": temp > 30, "label": type & "-" & id, "at": [1, temp]}"#,
    "$sum(items.(price*qty))",
    "$count(items)",
    "$exists(customer.name)",
    "$string(temp * 1.1)",
    "($x := temp; $x + 1)",
];

#[test]
fn common_shapes_allocate_nothing() {
    for text in SHAPES {
        let mut scratch = Scratch::new(value::Limits::default());
        let expression = Expression::parse(text, Options::default(), &mut scratch);
        let expression = expression.expect("the shape is an expression");
        scratch.seal();
        let (mut memory, mut out) = (Memory::default(), Vec::new());
        let mut run = || {
            scratch.reset();
            let input = scratch.parse(ORDER.as_bytes()).expect("the order is JSON");
            let environment = Environment {
                now: 0,
                random: &mut || 7,
                limits: Limits::default(),
                memory: &mut memory,
            };
            let is_order = |at: usize| expression.name(at) == "order";
            let mut variable = |_: &mut Scratch, at: usize| is_order(at).then_some(input);
            let found = expression.evaluate(&mut scratch, Some(input), &mut variable, environment);
            let Ok(Outcome::Value(value)) = found else { panic!("{text}: {found:?}") };
            out.clear();
            scratch.write(value, &mut out);
        };
        run();
        run();
        let before = COUNT.get();
        (0..100).for_each(|_| run());
        assert_eq!(COUNT.get() - before, 0, "{text} allocates");
    }
}
