//! How a run begins: what is refused, and where a new group starts to read.

use crate::broker::Broker;
use crate::engine::{PASS, Setup, pipeline};
use crate::topics::{Gauge, New, new, texts, until, write};

/// What can't run says so before anything is read.
pub fn refusals(broker: &Broker) {
    let _present = broker.present();
    broker.topic("refusals.in", 1, &[]);
    let setup = Setup::new(broker, "refusals", PASS, "");
    let refuses = |name: &str, pipeline: &str, codes: &[i32], parts: &[&str]| {
        let (code, said) = setup.refused(name, pipeline);
        assert!(codes.contains(&code), "{name}: {code}\n{said}");
        parts
            .iter()
            .for_each(|part| assert!(said.contains(part), "{name}: no {part:?} in\n{said}"));
    };
    let stop = r#"on_failure = "stop""#;
    let missing = pipeline("a", "refusals.in", "refusals.none", stop);
    refuses("missing-topic", &missing, &[1], &["refusals.none", "create them"]);
    let letters = pipeline("a", "refusals.in", "refusals.in", r#"on_failure = "dead_letter""#);
    let letters = format!("{letters}dead_letter = {{ topic = \"refusals.dead\" }}\n");
    refuses("missing-letters", &letters, &[1], &["refusals.dead", "create them"]);
    let fine = pipeline("a", "refusals.in", "refusals.in", stop);
    let unknown = format!("{fine}[kafka.producer]\n\"linger.fast\" = 1\n");
    refuses(
        "unknown-producer-property",
        &unknown,
        &[1, 2],
        &["No such configuration property", "linger.fast"],
    );
    let bad = format!("{fine}[kafka.properties]\n\"socket.timeout.ms\" = \"soon\"\n");
    refuses("bad-value", &bad, &[1, 2], &["socket.timeout.ms"]);
    let ours = format!("{fine}[kafka.properties]\n\"enable.auto.commit\" = true\n");
    refuses("our-property", &ours, &[1, 2], &["enable.auto.commit"]);
    let none = pipeline("a", "refusals.in", "refusals.in", "");
    refuses("no-policy", &none, &[2], &["on_failure", "dead_letter", "stop", "drop"]);
    assert_eq!(Gauge::new(broker, "refusals.in", "a").committed(), [-1]);
}

/// `start`: earliest, latest, by timestamp, at an offset; and a group that was there goes on.
pub fn positions(broker: &Broker) {
    let _present = broker.present();
    broker.topic("starts.in", 2, &[("retention.ms", "-1")]);
    let at = |id: i64| New {
        partition: Some((id % 2) as i32),
        timestamp_ms: Some(1_700_000_000_000 + id * 1000),
        ..new("k", format!("{id:03}"))
    };
    write(broker, "starts.in", (0..100).map(at));
    let starts = [
        ("committed", "\"committed\"", 0),
        ("earliest", "\"earliest\"", 0),
        ("latest", "\"latest\"", 100),
        ("timestamp", "{ timestamp = \"2023-11-14T22:14:20Z\" }", 60),
        ("offset", "{ offset = 20 }", 40),
    ];
    let mut pipelines = String::new();
    for (name, start, _) in starts {
        broker.topic(&format!("starts.{name}"), 1, &[]);
        pipelines += &format!(
            "[[pipeline]]\nname = \"{name}\"\ndefinition = \"definition.asl.json\"\n\
             on_failure = \"stop\"\ndecode = \"string\"\noutput = {{ topic = \"starts.{name}\" }}\n\
             source = {{ topics = [\"starts.in\"], group = \"starts-{name}\", start = {start} }}\n"
        );
    }
    let setup = Setup::new(broker, "starts", PASS, "");
    let run = setup.run("first", &pipelines);
    for (name, _, from) in starts {
        if from < 100 {
            Gauge::new(broker, "starts.in", &format!("starts-{name}")).await_commit();
        }
    }
    // The latest of all shows only by what comes afterwards; a record a while until it does.
    let latest = Gauge::new(broker, "starts.latest", "x");
    let mut id = 100;
    until("the latest arrive", || {
        write(broker, "starts.in", [at(id), at(id + 1)]);
        id += 2;
        latest.count() > 0
    });
    for (name, ..) in starts {
        Gauge::new(broker, "starts.in", &format!("starts-{name}")).await_commit();
    }
    run.stop();
    write(broker, "starts.in", (id..id + 10).map(at));
    let run = setup.run("second", &pipelines);
    for (name, ..) in starts {
        Gauge::new(broker, "starts.in", &format!("starts-{name}")).await_commit();
    }
    run.stop();
    for (name, _, from) in starts {
        let got = texts(broker, &format!("starts.{name}"));
        let first =
            if name == "latest" { got[0].trim_matches('"').parse().expect("one") } else { from };
        let expected: Vec<String> = (first..id + 10).map(|id| format!("\"{id:03}\"")).collect();
        assert_eq!(got, expected, "{name}");
        assert!(first >= from, "{name}");
    }
}

/// A pattern finds the topics there are, and those that come.
pub fn pattern(broker: &Broker) {
    let _present = broker.present();
    for topic in ["found.one", "found.two", "lost.three", "found-out"] {
        broker.topic(topic, 1, &[]);
        write(broker, topic, (topic != "found-out").then(|| new("k", format!("\"{topic}\""))));
    }
    let pipeline = "[kafka.properties]\n\"topic.metadata.refresh.interval.ms\" = 1000\n\
        [[pipeline]]\nname = \"found\"\ndefinition = \"definition.asl.json\"\n\
        on_failure = \"stop\"\noutput = { topic = \"found-out\" }\n\
        source = { topic_pattern = \"^found\\\\..*\", group = \"found\" }\n";
    let setup = Setup::new(broker, "found", PASS, "");
    let run = setup.run("only", pipeline);
    Gauge::new(broker, "found-out", "x").await_count(2);
    broker.topic("found.late", 1, &[]);
    write(broker, "found.late", [new("k", "\"found.late\"")]);
    Gauge::new(broker, "found-out", "x").await_count(3);
    run.stop();
    assert_eq!(texts(broker, "found-out"), ["\"found.late\"", "\"found.one\"", "\"found.two\""]);
}
