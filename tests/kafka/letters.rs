//! What fails goes to the dead letters with all that is known, and nothing gets lost on the way.

use serde_json::json;

use crate::broker::Broker;
use crate::engine::{PASS, Setup, pipeline};
use crate::topics::{Gauge, Got, New, new, read, texts, until, write};

/// Fails where the input says so.
const FUSSY: &str = r#"{"StartAt": "Look", "States": {
    "Look": {"Type": "Choice", "Default": "Good",
        "Choices": [{"Variable": "$.bad", "IsPresent": true, "Next": "Refuse"}]},
    "Refuse": {"Type": "Fail", "Error": "Order.Refused", "CausePath": "$.bad"},
    "Good": {"Type": "Pass", "End": true}}}"#;

fn lettered(name: &str, source: &str, target: &str, letters: &str) -> String {
    let on_failure = r#"on_failure = "dead_letter""#;
    format!("{}dead_letter = {{ {letters} }}\n", pipeline(name, source, target, on_failure))
}

fn with_header(mut record: New) -> New {
    record.headers =
        vec![("trace", Some(b"t-1".to_vec())), ("none", None), ("raw", Some(vec![0xff, 0]))];
    record
}

/// Malformed, too large, failed by its definition: the letter is the record and all about it.
pub fn contents(broker: &Broker) {
    let _present = broker.present();
    for topic in ["letters.in", "letters.out", "letters.dead"] {
        broker.topic(topic, 2, &[]);
    }
    let large = format!(r#"{{"pad":"{}"}}"#, "x".repeat(300 * 1024));
    let bad = [
        ("malformed", b"{\"a\":".to_vec(), "Record.DecodeFailed", None),
        ("not-text", vec![0xff, 0xfe, 0x80], "Record.DecodeFailed", None),
        ("empty", Vec::new(), "Record.DecodeFailed", None),
        ("large", large.into_bytes(), "States.DataLimitExceeded", None),
        ("refused", br#"{"bad":"no stock"}"#.to_vec(), "Order.Refused", Some("Refuse")),
    ];
    let mut records = Vec::new();
    for at in 0..200 {
        records.push(with_header(new(&format!("good-{at}"), at.to_string().replace(' ', ""))));
        if at % 40 == 0 {
            let (key, value, ..) = &bad[at / 40];
            records.push(with_header(New {
                timestamp_ms: Some(1_700_000_000_000),
                ..new(key, value.clone())
            }));
        }
    }
    write(broker, "letters.in", records);
    let setup = Setup::new(broker, "letters", FUSSY, "");
    let run = setup.run(
        "only",
        &lettered("letters", "letters.in", "letters.out", r#"topic = "letters.dead""#),
    );
    Gauge::new(broker, "letters.in", "letters").await_commit();
    run.stop();
    assert_eq!(read(broker, "letters.out").len(), 200, "the rest goes through");
    let (sent, dead) = (read(broker, "letters.in"), read(broker, "letters.dead"));
    assert_eq!(dead.len(), bad.len());
    for (key, value, error, state) in bad {
        let of = |it: &&Got| it.key.as_deref() == Some(key.as_bytes());
        let letter = dead.iter().find(of).unwrap_or_else(|| panic!("no letter for {key}"));
        let source = sent.iter().find(of).expect("it was sent");
        let says = |name: &str| letter.header(&format!("expressway.{name}"));
        assert_eq!(letter.value.as_deref(), Some(&value[..]), "{key}");
        assert_eq!(letter.headers[..3], source.headers[..], "{key}");
        assert_eq!(says("pipeline").as_deref(), Some("letters"));
        assert_eq!(says("topic").as_deref(), Some("letters.in"));
        assert_eq!(says("partition"), Some(source.partition.to_string()));
        assert_eq!(says("offset"), Some(source.offset.to_string()));
        assert_eq!(says("timestamp").as_deref(), Some("1700000000000"));
        let name = format!("letters-letters.in-{}-{}", source.partition, source.offset);
        assert_eq!(says("execution"), Some(name));
        assert_eq!(says("definition").as_deref(), Some("definition"));
        assert_eq!(says("version").map(|it| it.len()), Some(16));
        assert_eq!(says("error").as_deref(), Some(error), "{key}");
        assert!(says("cause").is_some_and(|it| !it.is_empty()), "{key}");
        assert_eq!(says("state").as_deref(), state, "{key}");
        let attempts = if state.is_some() { "1" } else { "0" };
        assert_eq!(says("attempts").as_deref(), Some(attempts), "{key}");
    }
}

/// The broker refuses a whole batch for one large record: only that one is at fault.
pub fn oversized(broker: &Broker) {
    const LIMIT: usize = 20_000;
    let _present = broker.present();
    broker.topic("oversized.in", 1, &[]);
    broker.topic("oversized.out", 1, &[("max.message.bytes", &LIMIT.to_string())]);
    broker.topic("oversized.dead", 1, &[]);
    let value = |at: usize| {
        let pad = if at % 250 == 100 { LIMIT + 1 } else { 100 };
        json!({"at": at, "pad": "x".repeat(pad)}).to_string()
    };
    write(broker, "oversized.in", (0..2000).map(|at| new(&format!("k{at}"), value(at))));
    let setup = Setup::new(broker, "oversized", PASS, "");
    let letters = r#"topic = "oversized.dead""#;
    let run = setup.run("only", &lettered("oversized", "oversized.in", "oversized.out", letters));
    Gauge::new(broker, "oversized.in", "oversized").await_commit();
    run.stop();
    let dead = read(broker, "oversized.dead");
    let mut at: Vec<u64> =
        dead.iter().map(|it| it.json()["at"].as_u64().expect("a number")).collect();
    at.sort_unstable();
    at.dedup();
    assert_eq!(at, [100, 350, 600, 850, 1100, 1350, 1600, 1850]);
    assert!(
        dead.iter()
            .all(|it| it.header("expressway.error").as_deref() == Some("Record.OutputFailed"))
    );
    let mut passed = texts(broker, "oversized.out");
    let repeated = passed.len();
    passed.dedup();
    println!("    {} of 1992 written more than once", repeated - passed.len());
    assert_eq!(passed.len(), 1992);
}

/// A letter that its topic does not take is written to the file, in full.
pub fn fallback(broker: &Broker) {
    let _present = broker.present();
    let run_in = |setup: &Setup| {
        let letters = r#"topic = "fallback.dead", fallback_file = "large.ndjson""#;
        setup.run("only", &lettered("fallback", "fallback.in", "fallback.out", letters))
    };
    broker.topic("fallback.in", 1, &[]);
    broker.topic("fallback.out", 1, &[]);
    broker.topic("fallback.dead", 1, &[("max.message.bytes", "5000")]);
    let record = |at: usize| match at % 10 {
        0 => with_header(new(&format!("k{at}"), format!("{{{}", "x".repeat(6000)))),
        5 => new(&format!("k{at}"), "{"),
        _ => new(&format!("k{at}"), at.to_string()),
    };
    write(broker, "fallback.in", (0..100).map(record));
    let setup = Setup::new(broker, "fallback", PASS, "");
    let run = run_in(&setup);
    Gauge::new(broker, "fallback.in", "fallback").await_commit();
    run.stop();
    let mut small: Vec<_> = read(broker, "fallback.dead").into_iter().map(|it| it.key).collect();
    small.sort();
    small.dedup();
    assert_eq!(small.len(), 10, "small letters stand in the topic");
    let file =
        std::fs::read_to_string(setup.folder.join("large.ndjson")).expect("the file is there");
    let mut keys = Vec::new();
    for line in file.lines() {
        let letter: serde_json::Value = serde_json::from_str(line).expect("a line is a letter");
        assert_eq!(letter["error"], "Record.DecodeFailed");
        assert_eq!(letter["value"].as_str().map(str::len), Some(6001));
        assert_eq!(letter["headers"][0], json!({"name": "trace", "value": "t-1"}));
        keys.push(letter["key"].to_string());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 10, "large ones in the file");
    let mut passed = texts(broker, "fallback.out");
    passed.dedup();
    assert_eq!(passed.len(), 80);
}

/// Without a file such a letter pauses the pipeline: not ready, nothing committed behind it.
pub fn no_fallback(broker: &Broker) {
    let _present = broker.present();
    broker.topic("pauses.in", 1, &[]);
    broker.topic("pauses.out", 1, &[]);
    broker.topic("pauses.dead", 1, &[("max.message.bytes", "5000")]);
    let record = |at: usize| match at {
        30 => new("k30", format!("{{{}", "x".repeat(6000))),
        _ => new(&format!("k{at}"), at.to_string()),
    };
    write(broker, "pauses.in", (0..60).map(record));
    let setup = Setup::new(broker, "pauses", PASS, "");
    let letters = lettered("pauses", "pauses.in", "pauses.out", r#"topic = "pauses.dead""#);
    let run = setup.run("first", &letters);
    until("it is not ready", || run.get("/readyz").0 == 503);
    let says = run.get("/readyz").1;
    assert!(says.contains("dead letter") && says.contains("fallback_file"), "{says}");
    assert_eq!(run.get("/livez").0, 200, "it lives, and waits for an operator");
    write(broker, "pauses.in", [new("late", "60")]);
    run.stop();
    let source = Gauge::new(broker, "pauses.in", "pauses");
    assert!(source.committed()[0] <= 30, "{:?}", source.committed());
    broker.set("pauses.dead", &[("max.message.bytes", "50000")]);
    let run = setup.run("second", &letters);
    source.await_commit();
    run.stop();
    let mut passed = texts(broker, "pauses.out");
    passed.dedup();
    assert_eq!((passed.len(), read(broker, "pauses.dead").len()), (60, 1));
}

/// The topic of letters goes away: the pipeline pauses, keeps what is in flight, and commits nothing
/// past the first letter; once the topic is back, a restart brings all.
pub fn unwritable(broker: &Broker) {
    let _present = broker.present();
    broker.topic("unwritable.in", 2, &[]);
    broker.topic("unwritable.out", 2, &[]);
    broker.topic("unwritable.dead", 1, &[]);
    let record = |at: usize| match at % 50 {
        20 => new(&format!("k{at}"), format!("{{bad {at}")),
        _ => new(&format!("k{at}"), at.to_string()),
    };
    let engine = "window_records_max = 100\nbatch_records_max = 20\ndrain_timeout = \"2s\"\n\
        [kafka.producer]\n\"topic.metadata.propagation.max.ms\" = 500\n\
        \"topic.metadata.refresh.interval.ms\" = 500";
    let setup = Setup::new(broker, "unwritable", PASS, engine);
    let letters = r#"topic = "unwritable.dead""#;
    let pipeline = lettered("unwritable", "unwritable.in", "unwritable.out", letters);
    let run = setup.run("first", &pipeline);
    broker.delete("unwritable.dead");
    write(broker, "unwritable.in", (0..1000).map(record));
    until("it is not ready", || run.get("/readyz").0 == 503);
    let says = run.get("/readyz").1;
    assert!(says.contains("dead letter") && says.contains("Create the topic"), "{says}");
    run.stop();
    let sent = read(broker, "unwritable.in");
    let source = Gauge::new(broker, "unwritable.in", "unwritable");
    for (partition, at) in source.committed().into_iter().enumerate() {
        let of = |it: &&Got| it.partition == partition as i32 && it.text().starts_with('{');
        let first_bad = sent.iter().find(of).map_or(i64::MAX, |it| it.offset);
        assert!(at <= first_bad, "partition {partition} is committed to {at}");
    }
    broker.topic("unwritable.dead", 1, &[]);
    let run = setup.run("second", &pipeline);
    source.await_commit();
    run.stop();
    let mut passed = texts(broker, "unwritable.out");
    passed.dedup();
    let mut dead = texts(broker, "unwritable.dead");
    dead.dedup();
    assert_eq!((passed.len(), dead.len()), (980, 20));
}

/// `on_failure = "stop"`: the process ends with 1, says where, and keeps the record.
pub fn policy_stop(broker: &Broker) {
    let _present = broker.present();
    broker.topic("halt.in", 1, &[]);
    broker.topic("halt.out", 1, &[]);
    let record = |at: usize| new("k", if at == 70 { "{".to_owned() } else { at.to_string() });
    write(broker, "halt.in", (0..100).map(record));
    let setup = Setup::new(broker, "halt", PASS, "");
    let pipeline = pipeline("halt", "halt.in", "halt.out", r#"on_failure = "stop""#);
    for _ in 0..2 {
        let (code, log) = setup.refused("only", &pipeline);
        assert_eq!(code, 1, "{log}");
        assert!(
            log.contains("halt.in/0 offset 70") && log.contains("Record.DecodeFailed"),
            "{log}"
        );
        assert_eq!(Gauge::new(broker, "halt.in", "halt").committed(), [70]);
    }
}

/// Fails where `bad` is at least so much.
fn fails_from(bad: u32) -> String {
    r#"{"StartAt": "A", "States": {"B": {"Type": "Pass", "End": true},
        "A": {"Type": "Choice", "Default": "B", "Choices": [
            {"Variable": "$.bad", "NumericGreaterThanEquals": BAD, "Next": "C"}]},
        "C": {"Type": "Fail", "Error": "Bad"}}}"#
        .replace("BAD", &bad.to_string())
}

/// Letters run again under the names they had: dry, in part, from the file of what failed again.
pub fn replay(broker: &Broker) {
    let _present = broker.present();
    for topic in ["replay.in", "replay.out", "replay.dead"] {
        broker.topic(topic, 2, &[]);
    }
    // One of ten fails at first, one of twenty still does later.
    let bad = |id: u32| u32::from(id.is_multiple_of(10)) + u32::from(id.is_multiple_of(20));
    let event = |id: u32| new(&id.to_string(), format!(r#"{{"id":{id},"bad":{}}}"#, bad(id)));
    write(broker, "replay.in", (0..100).map(event));
    let setup = Setup::new(broker, "replay", &fails_from(1), "");
    let pipeline = lettered("replay", "replay.in", "replay.out", r#"topic = "replay.dead""#);
    let run = setup.run("only", &pipeline);
    Gauge::new(broker, "replay.in", "replay").await_commit();
    run.stop();
    let count = || read(broker, "replay.out").len();
    assert_eq!((count(), read(broker, "replay.dead").len()), (90, 10));

    let define = |bad| {
        let file = setup.folder.join("definition.asl.json");
        std::fs::write(file, fails_from(bad)).expect("written");
    };
    let failed = setup.folder.join("failed.ndjson").display().to_string();
    let replay = |code: i32, arguments: &[&str], said: &str| {
        let (ended, all) = setup.command("replay", &pipeline, arguments);
        assert!(ended == code && all.contains(said), "{said:?} and {code}, not {ended}: {all}");
    };
    define(2);
    replay(1, &["--dry-run"], "10 letters of replay: 5 would succeed, 5 fail");
    assert_eq!(count(), 90, "a dry run writes nothing");
    replay(1, &["--failed", &failed], "10 letters of replay: 5 succeeded, 5 failed");
    define(3);
    let again = setup.folder.join("again.ndjson").display().to_string();
    replay(0, &["--file", &failed, "--failed", &again], "5 letters of replay: 5 succeeded");
    replay(0, &[], "0 letters of replay");

    let sent = read(broker, "replay.in");
    let out = read(broker, "replay.out");
    assert_eq!(out.len(), 100);
    for got in out {
        let of = sent.iter().find(|it| it.key == got.key).expect("it was sent");
        let name = format!("replay-replay.in-{}-{}", of.partition, of.offset);
        assert_eq!(got.header("expressway.execution"), Some(name));
        assert_eq!(got.value, of.value);
    }
}

/// One record is run from where it stands, and a letter from its topic, and nobody notices.
pub fn one_record(broker: &Broker) {
    let _present = broker.present();
    for topic in ["one.in", "one.out", "one.dead", "one.empty"] {
        broker.topic(topic, 2, &[]);
    }
    let at = |partition: i32, text: &str| New {
        partition: Some(partition),
        ..with_header(new("key", text.as_bytes()))
    };
    write(broker, "one.in", [at(0, r#"{"n":0}"#), at(1, r#"{"n":1}"#), at(1, r#"{"bad":"so"}"#)]);
    let setup = Setup::new(broker, "one", FUSSY, "");
    let pipeline = lettered("one", "one.in", "one.out", r#"topic = "one.dead""#);
    let run = |arguments: &[&str]| setup.exec(&pipeline, arguments);
    assert_eq!(run(&["--from", "one.in:1:0"]), (0, "{\"n\":1}\n".to_owned(), String::new()));
    let (code, out, err) = run(&["--from", "one.in:1:1", "--trace"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("Refuse") && err.contains("Error: Order.Refused\nCause: so"), "{err}");
    let refuses = |place: &str, part: &str| {
        let (code, out, err) = run(&["--from", place]);
        assert_eq!((code, out.as_str()), (2, ""), "{place}: {err}");
        assert!(err.contains(part) && err.lines().count() == 1, "{place}: {err}");
    };
    refuses("one.in:1:2", "is not there yet: the last of one.in/1 is 1");
    refuses("one.in:2:0", "no partition 2: they are 0 to 1");
    refuses("one.elsewhere:0:0", "there is no topic \"one.elsewhere\"");
    refuses("one.empty:0:0", "one.empty/0 holds no record");
    assert!(Gauge::new(broker, "one.in", "one").committed() == [-1, -1], "nothing is committed");
    assert_eq!(read(broker, "one.out").len() + read(broker, "one.dead").len(), 0);
    // The pipeline itself runs; its letter is run again from its topic, under the name that it had.
    let engine = setup.run("only", &pipeline);
    Gauge::new(broker, "one.in", "one").await_commit();
    engine.stop();
    let [letter] = &read(broker, "one.dead")[..] else { panic!("one record is bad") };
    let place = format!("one.dead:{}:{}", letter.partition, letter.offset);
    let (code, _, err) = run(&["--from", &place, "--trace", "--format", "json"]);
    assert!(code == 1 && err.contains("Order.Refused"), "{code} {err}");
    // Retention takes records away.
    broker.delete_records("one.in", 1, 1);
    refuses("one.in:1:0", "offset 0 is gone: one.in/1 begins at 1");
}
