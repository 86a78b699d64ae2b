//! Ours and its peers in one run. Before anything is timed, all outputs are checked to be equal.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway_peers::events::{CASES, Case, mean_len};
use expressway_peers::{Peer, events_of, peers};

/// The allocator that the binary has; everybody gets it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn check(case: &Case, events: &[Vec<u8>], peers: &mut [Peer]) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (first, rest) = peers.split_first_mut().expect("there are peers");
    for event in events {
        (first.transform)(event, &mut ours);
        let ours: serde_json::Value = serde_json::from_slice(&ours).expect("JSON");
        for peer in rest.iter_mut().filter(|peer| peer.is_whole) {
            (peer.transform)(event, &mut theirs);
            let theirs: serde_json::Value = serde_json::from_slice(&theirs).expect("JSON");
            assert_eq!(ours, theirs, "{} on {}", peer.name, case.name);
        }
    }
}

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
