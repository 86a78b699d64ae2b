//! JSONata beside jsonata-core in one run: from JSON text to JSON text, and evaluation alone. Before
//! anything is timed, the outputs are checked to be equal. A table of ratios comes first, for which
//! the two take turns, so that a busy machine does not bend it.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml --bench jsonata`

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway_peers::queries::{ORDER, check, tasks};

/// The allocator that the binary has; everybody gets it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 200;
const TIMES: u32 = 500;

/// Nanoseconds a call, in the fastest round, of both: neighbours only ever make a round slower.
fn take_turns(both: [&mut dyn FnMut(); 2]) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    let [ours, theirs] = both;
    for _ in 0..ROUNDS {
        for (run, times) in [&mut *ours, &mut *theirs].into_iter().zip(&mut times) {
            let start = Instant::now();
            (0..TIMES).for_each(|_| run());
            times.push(start.elapsed().as_nanos() as f64 / f64::from(TIMES));
        }
    }
    times.map(|times| times.into_iter().fold(f64::INFINITY, f64::min))
}

fn table(_: &mut Criterion) {
    println!("{:<16} {:>10} {:>10} {:>8}", "", "ours ns", "theirs ns", "times");
    for mut task in tasks() {
        check(&mut task);
        let [ours, theirs] = task.text.each_mut();
        let (mut out, mut other) = (Vec::new(), Vec::new());
        let text = take_turns([
            &mut || ours(black_box(ORDER).as_bytes(), &mut out),
            &mut || theirs(black_box(ORDER).as_bytes(), &mut other),
        ]);
        println!("{:<16} {:>10.0} {:>10.0} {:>8.2}", format!("text/{}", task.name), text[0], text[1], text[1] / text[0]);
        let Some([ours, theirs]) = &mut task.ready else { continue };
        let ready = take_turns([ours, theirs]);
        println!("{:<16} {:>10.0} {:>10.0} {:>8.2}", format!("ready/{}", task.name), ready[0], ready[1], ready[1] / ready[0]);
    }
}

fn compare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jsonata");
    group.throughput(Throughput::Elements(1));
    for mut task in tasks() {
        check(&mut task);
        for (who, transform) in ["expressway", "jsonata-core-2.2"].into_iter().zip(&mut task.text) {
            let mut out = Vec::new();
            group.bench_function(format!("text/{}/{who}", task.name), |b| {
                b.iter(|| transform(black_box(ORDER).as_bytes(), &mut out));
            });
        }
        let ready = task.ready.iter_mut().flatten();
        for (who, run) in ["expressway", "jsonata-core-2.2"].into_iter().zip(ready) {
            group.bench_function(format!("ready/{}/{who}", task.name), |b| b.iter(&mut *run));
        }
    }
    group.finish();
}

criterion_group!(benches, table, compare);
criterion_main!(benches);
