//! The machine storey: one execution, JSON in and JSON out, of the machine that figures are measured
//! with. One row per shape of event and implementation of the index; throughput in executions.

mod events;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use events::{CASES, Runner, mean_len};
use expressway::value::Implementation;

fn machine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine");
    group.throughput(Throughput::Elements(1));
    for case in CASES {
        let events = case.events();
        for implementation in Implementation::ALL.into_iter().filter(|i| i.is_available()) {
            let mut runner = Runner::new(case.program(), implementation);
            let which = format!("{implementation:?}").to_lowercase();
            let name = format!("{}/{}/{which}", case.name, mean_len(&events));
            let mut next = events.iter().cycle();
            group.bench_function(name, |b| {
                b.iter(|| {
                    let event = next.next().expect("a cycle has no end");
                    black_box(runner.run(black_box(event)).len())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, machine);
criterion_main!(benches);
