//! The expression storey: what a state pays for a path, a rule and a template, over an event that is
//! indexed already. Throughput in evaluations.

mod events;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use events::{CASES, mean_len};
use expressway::expr::{Condition, Path, Scope, Template};
use expressway::intrinsics::Random;
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

criterion_group!(benches, expr);
criterion_main!(benches);
