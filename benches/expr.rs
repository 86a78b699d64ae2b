//! The expression storey: what a state pays for a path, a rule and a template, over an event that is
//! indexed already. Throughput in evaluations.

mod events;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use events::{CASES, mean_len};
use expressway::expr::{Condition, Path, Scope, Template};
use expressway::intrinsics::Random;
use expressway::jsonata::{Environment, Expression, Memory, Options, Outcome};
use expressway::value::{Limits, Scratch, Value};

const PATHS: [(&str, &str); 4] = [
    ("path-1", "$.type"),
    ("path-2", "$.device.id"),
    ("path-slice", "$.tags[0:1]"),
    ("path-filter", "$.items[?(@.qty > 2)].sku"),
];
const RULES: [(&str, &str); 3] = [
    ("rule-number", r#"{"Variable":"$.temp","NumericGreaterThan":40}"#),
    ("rule-text", r#"{"Variable":"$.type","StringEquals":"alarm"}"#),
    (
        "rule-and",
        r#"{"And":[{"Variable":"$.temp","IsPresent":true},{"Variable":"$.active","BooleanEquals":true}]}"#,
    ),
];
const TEMPLATES: [(&str, &str); 3] = [
    ("template-constant", r#"{"source":"ingest","v":1}"#),
    (
        "template-5",
        r#"{"a":1,"b.$":"$.device.id","c.$":"$.ts","d":{"e.$":"$.temp"},"f.$":"$.loc"}"#,
    ),
    ("template-format", r#"{"m.$":"States.Format('{} reports {}', $.device.id, $.temp)"}"#),
];

fn expr(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("expr");
    group.throughput(Throughput::Elements(1));
    let [iot, order] = [CASES[0], CASES[2]].map(|case| case.events());
    for (name, text) in PATHS {
        let path = Path::parse(text).expect("a path");
        let events = if text.contains("items") { &order } else { &iot };
        run(&mut group, name, events, &mut Scratch::new(Limits::default()), |scope| {
            black_box(path.evaluate(scope).expect("a path that works"));
        });
    }
    for (name, text) in RULES {
        let mut scratch = Scratch::new(Limits::default());
        let rule = Condition::parse(text, &mut scratch).expect("a rule");
        run(&mut group, name, &iot, &mut scratch, |scope| {
            black_box(rule.evaluate(scope).expect("a rule that works"));
        });
    }
    for (name, text) in TEMPLATES {
        let mut scratch = Scratch::new(Limits::default());
        let template = Template::parse(text, &mut scratch).expect("a template");
        run(&mut group, name, &iot, &mut scratch, |scope| {
            black_box(template.evaluate(scope).expect("a template that works"));
        });
    }
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

/// All events lie in the memory; what an evaluation makes is forgotten before the next round.
fn run(
    group: &mut Group<'_>,
    name: &str,
    events: &[Vec<u8>],
    scratch: &mut Scratch,
    mut evaluate: impl FnMut(&mut Scope<'_>),
) {
    let inputs: Vec<Value> =
        events.iter().map(|event| scratch.parse(event).expect("events are JSON")).collect();
    scratch.seal();
    let (context, random) = (&mut Value::NULL.clone(), &mut Random::new(1));
    let mut at = 0;
    group.bench_function(format!("{name}/{}", mean_len(events)), |b| {
        b.iter(|| {
            let input = black_box(inputs[at]);
            evaluate(&mut Scope { scratch, input, context, random });
            at += 1;
            if at == inputs.len() {
                at = 0;
                scratch.reset();
            }
        });
    });
}

/// About 500 bytes.
const ORDER: &str = r#"{"id":"ord-20931","type":"order","temp":36.5,"customer":{"id":"c-77","name":"Ada","country":"PT"},"items":[{"sku":"A-1","name":"Hammer","price":12.5,"qty":3},{"sku":"B-7","name":"Nails","price":0.25,"qty":400},{"sku":"C-3","name":"Saw","price":32,"qty":1},{"sku":"D-9","name":"Glue","price":4.75,"qty":6},{"sku":"E-2","name":"Drill","price":99.9,"qty":1}],"shipping":{"method":"express","address":"Rua das Flores 12, Lisboa"},"note":"leave at the door","ts":"2024-05-01T10:00:00Z"}"#;

const QUERIES: [(&str, &str); 4] = [
    ("sum", "$sum(items.(price*qty))"),
    ("object", r#"{"id": id, "hot": temp > 30, "label": type & "-" & id}"#),
    ("filter", "items[price>10].sku"),
    ("path", "customer.name"),
];

/// JSONata: alone with the data ready, and from JSON text to JSON text.
fn jsonata(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("jsonata");
    group.throughput(Throughput::Elements(1));
    for (name, text) in QUERIES {
        let mut scratch = Scratch::new(Limits::default());
        let query = Expression::parse(text, Options::default(), &mut scratch).expect("it is good");
        let mut memory = Memory::default();
        scratch.seal();
        let mut out = Vec::new();
        group.bench_function(format!("text/{name}"), |b| {
            b.iter(|| {
                scratch.reset();
                let input = scratch.parse(black_box(ORDER).as_bytes()).expect("it is JSON");
                let result = evaluate(&query, &mut scratch, input, &mut memory);
                out.clear();
                scratch.write(result, &mut out);
                black_box(&out);
            });
        });
        scratch.reset();
        let input = scratch.parse(ORDER.as_bytes()).expect("it is JSON");
        scratch.seal();
        group.bench_function(format!("ready/{name}"), |b| {
            b.iter(|| {
                scratch.reset();
                black_box(evaluate(&query, &mut scratch, black_box(input), &mut memory))
            });
        });
    }
    group.finish();
}

fn evaluate(query: &Expression, scratch: &mut Scratch, input: Value, memory: &mut Memory) -> Value {
    let limits = expressway::jsonata::Limits::default();
    let environment = Environment { now: 0, random: &mut || 7, limits, memory };
    match query.evaluate(scratch, Some(input), &mut |_, _| None, environment) {
        Ok(Outcome::Value(value)) => value,
        other => panic!("{}: {other:?}", query.text()),
    }
}

criterion_group!(benches, expr, jsonata);
criterion_main!(benches);
