//! Ours and its peers in one run. Before anything is timed, all outputs are checked to be equal.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway_peers::events::{CASES, mean_len};
use expressway_peers::{check, events_of, peers};

/// The allocator that the binary has; everybody gets it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn compare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine");
    group.throughput(Throughput::Elements(1));
    for case in CASES {
        let events = events_of(&case);
        let mut peers = peers(&case);
        check(&case, &events, &mut peers);
        for peer in &mut peers {
            let mut next = events.iter().cycle();
            let mut out = Vec::new();
            group.bench_function(format!("{}/{}/{}", case.name, mean_len(&events), peer.name), |b| {
                b.iter(|| {
                    let event = next.next().expect("a cycle has no end");
                    (peer.transform)(black_box(event), &mut out);
                    black_box(out.len())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, compare);
criterion_main!(benches);
