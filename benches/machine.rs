//! The machine storey: one execution, JSON in and JSON out, of the machine that figures are measured
//! with. One row per shape of event and implementation of the index; throughput in executions. And
//! two machines that fork: three branches, and eight items that go through two states each.

mod events;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use events::{CASES, Runner, mean_len, program};
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

/// The same event into three branches.
const BRANCHES: &str = r#"{"StartAt": "All", "States": {"All": {"Type": "Parallel", "End": true,
    "Branches": [
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"id.$": "$.device.id"}, "End": true}}},
        {"StartAt": "B", "States": {"B": {"Type": "Pass", "InputPath": "$.ts", "End": true}}},
        {"StartAt": "C", "States": {"C": {"Type": "Succeed", "OutputPath": "$.temp"}}}]}}}"#;

/// Eight items, of which each keeps its text.
const ITEMS: &str = r#"{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
    "ItemsPath": "$.items",
    "ItemSelector": {"item.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index", "ts.$": "$.ts"},
    "ItemProcessor": {"StartAt": "Text", "States": {
        "Text": {"Type": "Pass", "Parameters": {"text.$": "States.Format('{} {}', $.at, $.item)"},
                 "Next": "Slim"},
        "Slim": {"Type": "Pass", "OutputPath": "$.text", "End": true}}}}}}"#;

fn forks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine");
    group.throughput(Throughput::Elements(1));
    let mut events = CASES[0].events();
    let mut runner = Runner::new(program(BRANCHES), Implementation::best());
    let mut next = events.iter().cycle();
    group.bench_function("parallel/3", |b| {
        b.iter(|| runner.run(black_box(next.next().expect("a cycle has no end"))).len());
    });
    for event in &mut events {
        event.truncate(event.len() - 1);
        event.extend_from_slice(br#","items":["a","b","c","d","e","f","g","h"]}"#);
    }
    let mut runner = Runner::new(program(ITEMS), Implementation::best());
    let mut next = events.iter().cycle();
    group.bench_function("map/8", |b| {
        b.iter(|| runner.run(black_box(next.next().expect("a cycle has no end"))).len());
    });
    group.finish();
}

criterion_group!(benches, machine, forks);
criterion_main!(benches);
