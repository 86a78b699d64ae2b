//! The value storey: what it costs to index an event, look into it, write into it and write it out.
//! One row per implementation, event and step; throughput in events.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use expressway::value::{Implementation, Key, Limits, Scratch, Segment, Value};

/// An event and five paths that a machine would read of it.
struct Event {
    name: &'static str,
    text: &'static str,
    paths: [&'static str; 5],
}

const EVENTS: [Event; 3] = [
    Event {
        name: "iot",
        text: include_str!("corpus/iot.json"),
        paths: ["type", "temp", "device.id", "loc.lon", "tags"],
    },
    Event {
        name: "click",
        text: include_str!("corpus/click.json"),
        paths: ["type", "ts", "user.id", "page.url", "y"],
    },
    Event {
        name: "order",
        text: include_str!("corpus/order.json"),
        paths: ["type", "total", "customer.tier", "shipping.city", "createdAt"],
    },
];

fn look_up(scratch: &Scratch, root: Value, path: &[Key]) -> Value {
    let found = path.iter().try_fold(root, |value, key| scratch.get(value, key));
    found.expect("the corpus has all paths")
}

fn value(criterion: &mut Criterion) {
    for implementation in Implementation::ALL.into_iter().filter(|i| i.is_available()) {
        let mut group = criterion.benchmark_group("value");
        group.throughput(Throughput::Elements(1));
        for event in EVENTS {
            let text = event.text.trim_end().as_bytes();
            let name = |step: &str| {
                let which = format!("{implementation:?}").to_lowercase();
                format!("{step}/{}/{}/{which}", event.name, text.len())
            };
            let paths = event.paths.map(|p| p.split('.').map(Key::new).collect::<Vec<_>>());
            let target = [Segment::Key(Key::new("region"))];
            let mut scratch = Scratch::new(Limits::default());
            scratch.set_implementation(implementation);
            group.bench_function(name("index"), |b| {
                b.iter(|| {
                    scratch.reset();
                    scratch.parse(black_box(text)).expect("a document")
                });
            });
            scratch.reset();
            let root = scratch.parse(text).expect("a document");
            group.bench_function(name("look-up-5"), |b| {
                b.iter(|| {
                    for path in &paths {
                        black_box(look_up(&scratch, black_box(root), path));
                    }
                });
            });
            group.bench_function(name("put"), |b| {
                b.iter_batched_ref(
                    || {
                        let mut scratch = Scratch::new(Limits::default());
                        let root = scratch.parse(text).expect("a document");
                        let warm = scratch.put(root, &target, Value::TRUE);
                        assert!(warm.is_ok());
                        (scratch, root)
                    },
                    |(scratch, root)| scratch.put(*root, &target, Value::TRUE),
                    BatchSize::SmallInput,
                );
            });
            let put = scratch.put(root, &target, Value::TRUE).expect("an object");
            let mut out = Vec::new();
            group.bench_function(name("write"), |b| {
                b.iter(|| {
                    out.clear();
                    scratch.write(black_box(put), &mut out);
                    out.len()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, value);
criterion_main!(benches);
