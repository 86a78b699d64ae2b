//! What the machine promises beyond single states: budgets, timeouts, flat memory, stale answers,
//! and that a run repeats exactly.

use std::time::Duration;

use expressway::asl::source::Format;
use expressway::fault::StateError;
use expressway::machine::{
    Answer, Asked, Execution, Identity, Limits, Machine, Outcome, Rehearsal, Suspension,
};
use expressway::program::{Options, Program, compile};
use expressway::states::ReadLimits;
use expressway::step::{CallNumber, Resume};
use expressway::value::Scratch;

struct Nobody;

impl Identity for Nobody {
    fn name(&self) -> String {
        "name".to_owned()
    }
    fn machine_name(&self) -> String {
        "machine".to_owned()
    }
    fn seed(&self) -> u64 {
        7
    }
}

fn program(definition: &str) -> Program {
    let (program, findings) = compile(definition.as_bytes(), Format::Json, &Options::default());
    program.unwrap_or_else(|| panic!("{findings:?}"))
}

/// An execution under a hand-held clock.
struct Bench {
    program: Program,
    limits: Limits,
    scratch: Scratch,
    execution: Execution,
    now_ms: i64,
}

impl Bench {
    fn start(definition: &str, input: &str) -> Bench {
        let program = program(definition);
        let scratch = program.scratch();
        let (limits, execution) = (Limits::default(), Execution::default());
        let mut bench = Bench { program, limits, scratch, execution, now_ms: 1_000_000 };
        let input = bench.scratch.parse(input.as_bytes()).expect("the input is JSON");
        let machine = Machine {
            program: &bench.program,
            limits: &bench.limits,
            identity: &Nobody,
            now_ms: bench.now_ms,
        };
        machine.start(&mut bench.execution, input, 7);
        bench
    }

    fn run(&mut self, resume: Resume<'_>) -> Suspension {
        let Bench { program, limits, scratch, execution, now_ms } = self;
        let machine = Machine { program, limits, identity: &Nobody, now_ms: *now_ms };
        machine.run(execution, scratch, resume, &mut ())
    }

    fn output(&mut self, suspension: Suspension) -> String {
        let Suspension::Done(Outcome::Succeeded(output)) = suspension else {
            panic!("no success: {suspension:?}");
        };
        let mut text = Vec::new();
        self.scratch.write(output, &mut text);
        String::from_utf8(text).expect("UTF-8")
    }
}

const ENDLESS: &str = r#"{"StartAt": "A", "TimeoutSeconds": 5, "States": {
    "A": {"Type": "Choice", "Choices": [{"Variable": "$.go", "BooleanEquals": true, "Next": "B"}],
          "Default": "End"},
    "B": {"Type": "Pass", "Next": "A"},
    "End": {"Type": "Succeed"}}}"#;

#[test]
fn an_endless_loop_yields_until_its_timeout_ends_it() {
    let mut bench = Bench::start(ENDLESS, r#"{"go": true}"#);
    for _ in 0..10 {
        assert!(matches!(bench.run(Resume::Continue), Suspension::Yield));
        bench.now_ms += 499;
    }
    bench.now_ms += 10;
    let suspension = bench.run(Resume::Continue);
    assert!(matches!(suspension, Suspension::Done(Outcome::TimedOut)), "{suspension:?}");
}

#[test]
fn the_ceiling_ends_a_machine_without_a_timeout() {
    let mut bench =
        Bench::start(&ENDLESS.replace(r#""TimeoutSeconds": 5, "#, ""), r#"{"go": true}"#);
    assert!(matches!(bench.run(Resume::Continue), Suspension::Yield));
    bench.now_ms += Duration::from_secs(300).as_millis() as i64;
    assert!(matches!(bench.run(Resume::Continue), Suspension::Done(Outcome::TimedOut)));
}

#[test]
fn a_million_iterations_run_in_flat_memory() {
    let definition = r#"{"StartAt": "Add", "States": {
        "Add": {"Type": "Pass", "Next": "More", "Parameters": {
            "n.$": "States.MathAdd($.n, 1)", "note.$": "States.Format('round {}', $.n)",
            "kept.$": "$.kept"}},
        "More": {"Type": "Choice", "Default": "Done",
                 "Choices": [{"Variable": "$.n", "NumericLessThan": 1000000, "Next": "Add"}]},
        "Done": {"Type": "Succeed"}}}"#;
    let mut bench = Bench::start(definition, r#"{"n": 0, "kept": {"a": [1, "two"]}}"#);
    let mut most = 0;
    let suspension = loop {
        match bench.run(Resume::Continue) {
            Suspension::Yield => most = most.max(bench.scratch.capacity()),
            other => break other,
        }
    };
    let output = bench.output(suspension);
    assert_eq!(output, r#"{"n":1000000,"note":"round 999999","kept":{"a":[1,"two"]}}"#);
    assert!(most < 1 << 20, "the scratch memory grew to {most} bytes");
}

const RETRIED: &str = r#"{"StartAt": "T", "States": {"T": {"Type": "Task", "End": true,
    "Resource": "arn:aws:states:::http:invoke", "TimeoutSeconds": 1,
    "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]}}}"#;

#[test]
fn every_suspension_has_a_number_of_its_own() {
    let mut bench = Bench::start(RETRIED, "{}");
    assert!(matches!(bench.run(Resume::Continue), Suspension::Call { .. }));
    let first = bench.execution.call();
    assert!(matches!(bench.run(Resume::Continue), Suspension::Wait { until_ms: 1_001_000 }));
    bench.now_ms += 1_000;
    assert!(matches!(bench.run(Resume::Timer), Suspension::Wait { .. }));
    bench.now_ms += 1_000;
    assert!(matches!(bench.run(Resume::Timer), Suspension::Call { .. }));
    // A reply that names the first call is told from one that names this call.
    assert_ne!(bench.execution.call(), first);
    assert_eq!(bench.execution.attempt(), 1);
    let stale = bench.run(Resume::Reply(first, Ok(br#"{"late": true}"#)));
    assert!(matches!(stale, Suspension::Wait { .. }), "{stale:?}");
    let second = bench.execution.call();
    let suspension = bench.run(Resume::Reply(second, Ok(br#"{"late": false}"#)));
    assert_eq!(bench.output(suspension), r#"{"late":false}"#);
}

#[test]
fn what_nobody_asked_for_changes_nothing() {
    let mut bench = Bench::start(RETRIED, "{}");
    let unasked = CallNumber { thread: 7, number: 9 };
    let suspension = bench.run(Resume::Reply(unasked, Err(StateError::runtime("too early"))));
    assert!(matches!(suspension, Suspension::Call { .. }), "it starts: {suspension:?}");
}

#[test]
fn a_run_repeats_exactly_from_its_seed() {
    let definition = r#"{"StartAt": "R", "States": {"R": {"Type": "Pass", "End": true,
        "Parameters": {"u.$": "States.UUID()", "r.$": "States.MathRandom(0, 1000000)"}}}}"#;
    let once = || {
        let mut bench = Bench::start(definition, "{}");
        let suspension = bench.run(Resume::Continue);
        bench.output(suspension)
    };
    assert_eq!(once(), once());
}

#[test]
fn parked_values_come_back() {
    let definition = r#"{"StartAt": "P", "States": {
        "P": {"Type": "Pass", "Parameters": {"in.$": "$", "n": 1}, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 3, "OutputPath": "$.in.a", "End": true}}}"#;
    let mut bench = Bench::start(definition, r#"{"a": {"b": [1, "\u00e4\"", null]}}"#);
    assert!(matches!(bench.run(Resume::Continue), Suspension::Wait { .. }));
    let mut block = expressway::value::Block::default();
    bench.execution.park(&mut bench.scratch, &mut block);
    bench.scratch.reset();
    bench.scratch.parse(br#"["somebody else's"]"#).expect("JSON");
    bench.scratch.reset();
    bench.execution.unpark(&mut bench.scratch, &block);
    bench.now_ms += 3_000;
    let suspension = bench.run(Resume::Timer);
    assert_eq!(bench.output(suspension), r#"{"b":[1,"ä\"",null]}"#);
}

/// For each item three more, which wait for each other; then one small result.
const NESTED: &str = r#"{"StartAt": "Outer", "States": {"Outer": {"Type": "Map", "End": true,
    "ItemSelector": {"list": [1, 2, 3], "text": "some text that is garbage soon"},
    "ItemProcessor": {"StartAt": "Inner", "States": {
        "Inner": {"Type": "Map", "ItemsPath": "$.list", "ResultPath": "$.done", "Next": "Slim",
            "ItemProcessor": {"StartAt": "Note", "States": {
                "Note": {"Type": "Pass", "Parameters": {"n.$": "States.Format('n {}', $)"},
                         "End": true}}}},
        "Slim": {"Type": "Pass", "Result": 1, "End": true}}}}}}"#;

#[test]
fn forty_thousand_nested_items_run_in_flat_memory() {
    let input = format!("[{}1]", "1,".repeat(39_999));
    let mut bench = Bench::start(NESTED, &input);
    let (mut most, mut least) = (0, usize::MAX);
    let suspension = loop {
        match bench.run(Resume::Continue) {
            Suspension::Yield => {
                most = most.max(bench.scratch.capacity());
                least = least.min(bench.scratch.capacity());
            }
            other => break other,
        }
    };
    assert_eq!(bench.output(suspension), input);
    // Its input as text and tape, the results, and garbage of twice that before it is swept.
    assert!(most < 12 << 20, "the scratch memory grew from {least} to {most} bytes");
}

/// Two tasks side by side; the second fails.
const BOTH: &str = r#"{"StartAt": "Both", "States": {"Both": {"Type": "Parallel", "End": true,
    "Branches": [{"StartAt": "A", "States": {
                     "A": {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": true}}},
                 {"StartAt": "B", "States": {
                     "B": {"Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": true}}}],
    "Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}]}}}"#;

#[test]
fn calls_of_branches_are_told_apart_and_cancelled() {
    let mut bench = Bench::start(BOTH, r#"{"in": 1}"#);
    let mut calls = [(); 2].map(|()| {
        assert!(matches!(bench.run(Resume::Continue), Suspension::Call { .. }));
        bench.execution.call()
    });
    assert!(matches!(bench.run(Resume::Continue), Suspension::Wait { .. }));
    let again = || StateError::new("Again", "once");
    let suspension = bench.run(Resume::Reply(calls[1], Err(again())));
    assert!(matches!(suspension, Suspension::Wait { until_ms: 1_001_000 }), "{suspension:?}");
    let cancelled: Vec<_> = bench.execution.cancelled().collect();
    assert_eq!(cancelled, [calls[0]]);
    let late = bench.run(Resume::Reply(calls[0], Ok(b"1")));
    assert!(matches!(late, Suspension::Wait { .. }), "it is stale: {late:?}");
    bench.now_ms += 1_000;
    assert!(matches!(bench.run(Resume::Timer), Suspension::Call { .. }));
    calls[0] = bench.execution.call();
    assert!(matches!(bench.run(Resume::Continue), Suspension::Call { .. }));
    calls[1] = bench.execution.call();
    // The second answers first, and between both the execution is parked.
    assert!(matches!(bench.run(Resume::Continue), Suspension::Wait { .. }));
    let suspension = bench.run(Resume::Reply(calls[1], Ok(br#"{"b": 2}"#)));
    assert!(matches!(suspension, Suspension::Wait { .. }), "{suspension:?}");
    let mut block = expressway::value::Block::default();
    bench.execution.park(&mut bench.scratch, &mut block);
    bench.scratch.reset();
    bench.execution.unpark(&mut bench.scratch, &block);
    let suspension = bench.run(Resume::Reply(calls[0], Ok(b"1")));
    assert_eq!(bench.output(suspension), r#"[1,{"b":2}]"#);
}

#[test]
fn a_timeout_gives_up_what_branches_called() {
    let mut bench = Bench::start(BOTH, "{}");
    for _ in 0..2 {
        assert!(matches!(bench.run(Resume::Continue), Suspension::Call { .. }));
    }
    bench.now_ms += 300_000;
    assert!(matches!(bench.run(Resume::Timer), Suspension::Done(Outcome::TimedOut)));
    assert_eq!(bench.execution.cancelled().count(), 2);
}

/// A Map over what objects hold; `objects` are found by key, and the answer without one is the
/// listing or manifest.
fn reads(config: &str, resource: &str, objects: &[(&str, &[u8])]) -> Result<String, String> {
    selects("$$.Map.Item.Value", config, resource, objects)
}

/// The same; of each item what the path says.
fn selects(
    path: &str,
    config: &str,
    resource: &str,
    objects: &[(&str, &[u8])],
) -> Result<String, String> {
    selects_within(ReadLimits::default(), path, config, resource, objects)
}

/// The same within these limits.
fn selects_within(
    limits: ReadLimits,
    path: &str,
    config: &str,
    resource: &str,
    objects: &[(&str, &[u8])],
) -> Result<String, String> {
    let definition = format!(
        r#"{{"StartAt": "M", "States": {{"M": {{"Type": "Map", "End": true,
        "ItemReader": {{"Resource": "arn:aws:states:::s3:{resource}", "ReaderConfig": {config},
            "Parameters": {{"Bucket": "b", "Key": "index"}}}},
        "ItemSelector": {{"it.$": "{path}"}},
        "ItemProcessor": {{"ProcessorConfig": {{"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}},
            "StartAt": "P", "States": {{"P": {{"Type": "Pass", "InputPath": "$.it", "End": true}}}}}}}}}}}}"#
    );
    let program = program(&definition);
    let mut scratch = program.scratch();
    let input = scratch.parse(b"{}").expect("it is JSON");
    // Whatever is not rooted is lost at once.
    let limits = Limits { garbage_bytes_max: 1, reads: limits, ..Limits::default() };
    let rehearsal = Rehearsal {
        program: &program,
        limits: &limits,
        identity: &Nobody,
        started_ms: 0,
        suspensions_max: 1_000,
    };
    let mut ask = |asked: &Asked<'_>| {
        let at: serde_json::Value = serde_json::from_slice(asked.arguments).expect("arguments");
        let is_listing = asked.resource.ends_with("listObjectsV2");
        let key = if is_listing { "index" } else { at["Key"].as_str().unwrap_or_default() };
        let found = objects.iter().find(|(name, _)| *name == key);
        let missing = || StateError::new("S3.NoSuchKey", format!("no {key}"));
        let result = found.map(|(_, text)| text.to_vec()).ok_or_else(missing);
        Ok(Some(Answer { at_ms: asked.now_ms, result }))
    };
    match rehearsal.run(&mut scratch, input, &mut (), &mut ask).expect("it ends").outcome {
        Outcome::Succeeded(output) => {
            let mut text = Vec::new();
            scratch.write(output, &mut text);
            Ok(String::from_utf8(text).expect("UTF-8"))
        }
        Outcome::Failed(error) => Err(format!("{:?} {:?}", error.name(), error.cause())),
        Outcome::TimedOut => Err("timed out".to_owned()),
    }
}

#[test]
fn items_of_several_objects() {
    let listing: (&str, &[u8]) =
        ("index", br#"{"Contents": [{"Key": "x/"}, {"Key": "x/1"}, {"Key": "x/2"}]}"#);
    let lines = r#"{"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN", "MaxItems": 3}"#;
    let objects: [(&str, &[u8]); 3] = [listing, ("x/1", b"1\n{\"a\":2}\n"), ("x/2", b"3\n4\n")];
    assert_eq!(reads(lines, "listObjectsV2", &objects).as_deref(), Ok(r#"[1,{"a":2},3]"#));
    let json = r#"{"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"}"#;
    let objects: [(&str, &[u8]); 3] = [listing, ("x/1", b"[1, [2]]"), ("x/2", b"{\"a\":3}")];
    assert_eq!(reads(json, "listObjectsV2", &objects).as_deref(), Ok(r#"[1,[2],{"a":3}]"#));
    let places = selects("$$.Map.Item.Source", json, "listObjectsV2", &objects);
    assert_eq!(places.as_deref(), Ok(r#"["S3://b/x/1","S3://b/x/1","S3://b/x/2"]"#));
    let listed = selects("$$.Map.Item.Source", "{}", "listObjectsV2", &objects[..1]);
    assert_eq!(listed.as_deref(), Ok(r#"["S3://b","S3://b","S3://b"]"#));
    let gone = reads(json, "listObjectsV2", &objects[..2]);
    assert!(gone.as_ref().is_err_and(|why| why.contains("ItemReaderFailed")), "{gone:?}");
}

#[test]
fn items_of_manifests() {
    let manifest = br#"{"destinationBucket": "arn:aws:s3:::b", "fileFormat": "CSV",
        "fileSchema": "Bucket, Key", "files": [{"key": "1"}, {"key": "2"}]}"#;
    let objects: [(&str, &[u8]); 3] =
        [("index", manifest), ("1", b"\"b\",\"k1\"\n"), ("2", b"\"b\",\"k2\"\n")];
    let rows = r#"[{"Bucket":"b","Key":"k1"},{"Bucket":"b","Key":"k2"}]"#;
    for config in
        [r#"{"InputType": "MANIFEST"}"#, r#"{"InputType": "CSV", "ManifestType": "S3_INVENTORY"}"#]
    {
        assert_eq!(reads(config, "getObject", &objects).as_deref(), Ok(rows), "{config}");
    }
    let athena = r#"{"ManifestType": "ATHENA_DATA", "InputType": "CSV", "CSVHeaderLocation": "GIVEN",
        "CSVHeaders": ["id"]}"#;
    let objects: [(&str, &[u8]); 3] =
        [("index", b"s3://b/1\ns3://b/2\n"), ("1", b"a\nb\n"), ("2", b"c\n")];
    let rows = r#"[{"id":"a"},{"id":"b"},{"id":"c"}]"#;
    assert_eq!(reads(athena, "getObject", &objects).as_deref(), Ok(rows));
    let none = reads(athena, "getObject", &[("index", b"")]);
    assert_eq!(none.as_deref(), Ok("[]"));
}

#[test]
fn objects_are_read_within_limits() {
    let listing: (&str, &[u8]) = ("index", br#"{"Contents": [{"Key": "1"}, {"Key": "2"}]}"#);
    let objects: [(&str, &[u8]); 3] = [listing, ("1", b"[1, 2]"), ("2", b"[3, 4]")];
    let json = r#"{"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"}"#;
    let read =
        |limits| selects_within(limits, "$$.Map.Item.Value", json, "listObjectsV2", &objects);
    let fits = ReadLimits { objects_max: 2, bytes_max: 12, ..ReadLimits::default() };
    assert_eq!(read(fits).as_deref(), Ok("[1,2,3,4]"));
    for (limits, why) in [
        (ReadLimits { objects_max: 1, ..fits }, "more than 1 objects to read (engine.objects_max)"),
        (ReadLimits { bytes_max: 11, ..fits }, "more than 11 bytes (engine.objects_size_max)"),
    ] {
        let told = read(limits).expect_err("it is too much");
        assert!(told.contains("ItemReaderFailed") && told.contains(why), "{told}");
    }
}
