//! Nothing is lost, and little repeated, whatever happens to engine, group and broker.

use std::time::{Duration, Instant};

use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, Producer};

use crate::broker::Broker;
use crate::engine::{PASS, Setup, pipeline};
use crate::topics::{self, Gauge, New, PATIENCE, each, send, until};

pub const PARTITIONS: i32 = 12;

/// Waits half a second, then hands its input on.
const WAITS: &str = r#"{"StartAt": "A", "States": {
    "A": {"Type": "Wait", "Seconds": 1, "Next": "B"}, "B": {"Type": "Pass", "End": true}}}"#;

pub fn event(id: u64) -> New {
    let value = format!(r#"{{"id":{id},"device":"sensor-{}","celsius":21.5}}"#, id % 1000);
    New {
        key: Some(format!("sensor-{}", id % 1000).into()),
        value: Some(value.into()),
        ..New::default()
    }
}

/// How often each id stands in a topic.
fn seen(broker: &Broker, topic: &str, count: u64) -> Vec<u8> {
    let mut seen = vec![0u8; count as usize];
    each(broker, topic, |message| {
        let value = message.payload().unwrap_or_default();
        let digits = value.strip_prefix(br#"{"id":"#).unwrap_or_default();
        let digits = digits.iter().take_while(|it| it.is_ascii_digit());
        let id = digits.fold(0, |id, digit| id * 10 + usize::from(digit - b'0'));
        seen[id] = seen[id].saturating_add(1);
    });
    seen
}

/// Every id is there; returns how many are there too often.
pub fn complete(broker: &Broker, topic: &str, count: u64) -> u64 {
    let seen = seen(broker, topic, count);
    let lost: Vec<usize> = (0..seen.len()).filter(|&id| seen[id] == 0).collect();
    assert!(lost.is_empty(), "{} lost, {:?}...", lost.len(), &lost[..lost.len().min(10)]);
    let repeated = seen.iter().map(|&it| u64::from(it) - 1).sum();
    println!("    {topic}: {count} events, {repeated} repeated");
    repeated
}

/// Writes events over a span of time.
pub fn trickle(broker: &Broker, topic: &str, count: u64, span: Duration) {
    let producer: BaseProducer = topics::producer(broker).create().expect("a producer");
    let started = Instant::now();
    for id in 0..count {
        if id % 500 == 0 {
            producer.poll(Duration::ZERO);
            let due = span.mul_f64(id as f64 / count as f64);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
        send(&producer, topic, &event(id));
    }
    producer.flush(PATIENCE).expect("all are written");
}

/// A million events, the engine killed amid them and started again.
pub fn crash(broker: &Broker) {
    const COUNT: u64 = 1_000_000;
    const WINDOW: u64 = 4_000;
    let _present = broker.present();
    broker.topic("crash.in", PARTITIONS, &[]);
    broker.topic("crash.out", PARTITIONS, &[]);
    topics::write(broker, "crash.in", (0..COUNT).map(event));
    let engine = format!("window_records_max = {WINDOW}\nbatch_records_max = 500");
    let setup = Setup::new(broker, "crash", PASS, &engine);
    let pipeline = pipeline("crash", "crash.in", "crash.out", r#"on_failure = "stop""#);
    let (source, target) =
        (Gauge::new(broker, "crash.in", "crash"), Gauge::new(broker, "crash.out", "x"));
    let started = Instant::now();
    let run = setup.run("first", &pipeline);
    target.await_count(COUNT as i64 * 4 / 10);
    run.kill();
    let left = target.count();
    assert!(left < COUNT as i64, "killed too late to tell anything: {left}");
    println!("    killed at {left} after {:.1?}", started.elapsed());
    let run = setup.run("second", &pipeline);
    source.await_commit();
    println!("    done after {:.1?}", started.elapsed());
    run.stop();
    let repeated = complete(broker, "crash.out", COUNT);
    assert!(repeated <= WINDOW * PARTITIONS as u64, "{repeated} repeated");
}

/// A second member joins while events flow, and leaves again.
pub fn member(broker: &Broker) {
    let _present = broker.present();
    join_and_leave(broker, "member", PASS, 200_000, "");
}

/// A member leaves while the group waits for another one to join again: its last commit has to wait
/// with the group, too.
pub fn member_in_a_rebalance(broker: &Broker) {
    const COUNT: u64 = 200_000;
    let _present = broker.present();
    broker.topic("between.in", PARTITIONS, &[]);
    broker.topic("between.out", PARTITIONS, &[]);
    let setup = Setup::new(broker, "between", PASS, "");
    let pipeline = pipeline("between", "between.in", "between.out", r#"on_failure = "stop""#);
    let gauge = Gauge::new(broker, "between.in", "between");
    std::thread::scope(|scope| {
        let first = setup.run("first", &pipeline);
        until("the first member has all partitions", || first.log().contains("assigned"));
        let writer = scope.spawn(|| trickle(broker, "between.in", COUNT, Duration::from_secs(9)));
        std::thread::sleep(Duration::from_secs(1));
        let second = setup.run("second", &pipeline);
        until("the first member has given some up", || first.log().contains("revoked"));
        // About a second passes until the second one joins again.
        std::thread::sleep(Duration::from_millis(300));
        first.stop();
        writer.join().expect("all are written");
        gauge.await_commit();
        second.stop();
    });
    assert_eq!(complete(broker, "between.out", COUNT), 0, "repeated by an orderly handover");
}

/// The same while every event waits a second: what is parked drains before its partition goes.
pub fn member_while_waiting(broker: &Broker) {
    let _present = broker.present();
    join_and_leave(broker, "waiting", WAITS, 20_000, "ordering = \"none\"");
}

fn join_and_leave(broker: &Broker, name: &str, definition: &str, count: u64, more: &str) {
    let (source, target) = (format!("{name}.in"), format!("{name}.out"));
    broker.topic(&source, PARTITIONS, &[]);
    broker.topic(&target, PARTITIONS, &[]);
    let setup = Setup::new(broker, name, definition, "");
    let more = format!("on_failure = \"stop\"\n{more}");
    let pipeline = pipeline(name, &source, &target, &more);
    let gauge = Gauge::new(broker, &source, name);
    std::thread::scope(|scope| {
        let first = setup.run("first", &pipeline);
        let writer = scope.spawn(|| trickle(broker, &source, count, Duration::from_secs(9)));
        std::thread::sleep(Duration::from_secs(1));
        let second = setup.run("second", &pipeline);
        let taken = || second.get("/metrics").1;
        until("the second member has records", || has_records(&taken()));
        std::thread::sleep(Duration::from_secs(2));
        second.stop();
        writer.join().expect("all are written");
        gauge.await_commit();
        first.stop();
    });
    // Both hand over in order: what is drained and committed is not read again.
    assert_eq!(complete(broker, &target, count), 0, "repeated by an orderly handover");
}

/// Some wait a second and some do not, and still a key's outputs come in its order, while another
/// member takes partitions and gives them back. Keys do not wait for each other.
pub fn order(broker: &Broker) {
    const COUNT: u64 = 6_000;
    const KEYS: u64 = 150;
    let _present = broker.present();
    broker.topic("order.in", 4, &[]);
    broker.topic("order.out", 4, &[]);
    let definition = r#"{"StartAt": "A", "States": {
        "A": {"Type": "Wait", "SecondsPath": "$.wait", "Next": "B"},
        "B": {"Type": "Pass", "End": true}}}"#;
    let setup = Setup::new(broker, "order", definition, "");
    let pipeline = pipeline("order", "order.in", "order.out", r#"on_failure = "stop""#);
    let event = |id: u64| {
        let wait = u64::from((id / KEYS).is_multiple_of(3));
        topics::new(&(id % KEYS).to_string(), format!(r#"{{"id":{id},"wait":{wait}}}"#))
    };
    let write = || {
        for first in (0..COUNT).step_by(KEYS as usize) {
            topics::write(broker, "order.in", (first..first + KEYS).map(event));
            std::thread::sleep(Duration::from_millis(300));
        }
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        let first = setup.run("first", &pipeline);
        let writer = scope.spawn(write);
        let second = setup.run("second", &pipeline);
        until("the second member has records", || has_records(&second.get("/metrics").1));
        second.stop();
        writer.join().expect("all are written");
        Gauge::new(broker, "order.in", "order").await_commit();
        first.stop();
    });
    let took = started.elapsed();
    complete(broker, "order.out", COUNT);
    // What is repeated is repeated with all that came after it: the last of each id counts.
    let mut last = vec![0; COUNT as usize];
    for (at, got) in topics::read(broker, "order.out").iter().enumerate() {
        last[got.json()["id"].as_u64().expect("an id") as usize] = at;
    }
    for id in KEYS..COUNT {
        let before = id - KEYS;
        assert!(last[before as usize] < last[id as usize], "{id} came before {before}");
    }
    // Two thousand of them wait a second: if keys waited for each other, that would be too short.
    assert!(took < Duration::from_secs(100), "keys wait for each other: {took:?}");
}

pub fn has_records(metrics: &str) -> bool {
    let records = |line: &&str| line.starts_with("expressway_records_in_total");
    let count = |line: &str| line.rsplit(' ').next().and_then(|it| it.parse::<f64>().ok());
    metrics.lines().filter(records).filter_map(count).sum::<f64>() > 100.0
}

/// The broker is away for five seconds.
pub fn outage(broker: &Broker) {
    const COUNT: u64 = 150_000;
    {
        let _present = broker.present();
        broker.topic("outage.in", PARTITIONS, &[]);
        broker.topic("outage.out", PARTITIONS, &[]);
    }
    let setup = Setup::new(broker, "outage", PASS, "window_records_max = 2000");
    let pipeline = pipeline("outage", "outage.in", "outage.out", r#"on_failure = "stop""#);
    std::thread::scope(|scope| {
        let run = setup.run("only", &pipeline);
        let span = Duration::from_secs(8);
        let writer = scope.spawn(move || trickle(broker, "outage.in", COUNT, span));
        Gauge::new(broker, "outage.out", "x").await_count(COUNT as i64 / 10);
        broker.leave_for(Duration::from_secs(5));
        writer.join().expect("all are written");
        Gauge::new(broker, "outage.in", "outage").await_commit();
        assert_eq!(run.get("/readyz").0, 200, "it is ready again");
        run.stop();
    });
    complete(broker, "outage.out", COUNT);
}

/// A stop amid the stream commits exactly what stands in the output.
pub fn stop(broker: &Broker) {
    const COUNT: u64 = 400_000;
    let _present = broker.present();
    broker.topic("stop.in", PARTITIONS, &[]);
    broker.topic("stop.out", PARTITIONS, &[]);
    topics::write(broker, "stop.in", (0..COUNT).map(event));
    // A commit interval that never comes: only the stop commits.
    let setup = Setup::new(broker, "stop", PASS, "commit_interval = \"1h\"");
    let pipeline = pipeline("stop", "stop.in", "stop.out", r#"on_failure = "stop""#);
    let run = setup.run("first", &pipeline);
    let target = Gauge::new(broker, "stop.out", "x");
    target.await_count(20_000);
    run.stop();
    let committed = Gauge::new(broker, "stop.in", "stop").committed();
    let settled: i64 = committed.iter().map(|&it| it.max(0)).sum();
    assert!(settled < COUNT as i64, "stopped too late to tell anything");
    assert_eq!(settled, target.count(), "committed is what was written, on the whole");
    // And on each partition: the source's key is the output's, so partitions correspond.
    let ends = target.ends();
    let committed: Vec<i64> = committed.iter().map(|&it| it.max(0)).collect();
    assert_eq!(committed, ends, "the last settled and one");
    let setup = Setup::new(broker, "stop", PASS, "");
    let run = setup.run("second", &pipeline);
    Gauge::new(broker, "stop.in", "stop").await_commit();
    run.stop();
    assert_eq!(complete(broker, "stop.out", COUNT), 0, "a stop repeats nothing");
}

/// The first signal waits for what is in flight, the second does not.
pub fn second_signal(broker: &Broker) {
    let _present = broker.present();
    broker.topic("signal.in", 1, &[]);
    broker.topic("signal.out", 1, &[]);
    let long = WAITS.replace("\"Seconds\": 1", "\"Seconds\": 3600");
    let setup = Setup::new(broker, "signal", &long, "machine_timeout_max = \"2h\"");
    topics::write(broker, "signal.in", [event(0)]);
    let pipeline = pipeline("signal", "signal.in", "signal.out", r#"on_failure = "stop""#);
    let run = setup.run("only", &pipeline);
    until("the execution waits", || {
        run.get("/metrics").1.contains("parked_executions{pipeline=\"signal\"} 1")
    });
    run.signal("TERM");
    std::thread::sleep(Duration::from_secs(1));
    assert!(!run.has_ended(), "the execution waits, and the engine for it");
    assert_eq!(run.get("/readyz").0, 503, "it is not ready while it stops");
    let started = Instant::now();
    run.signal("TERM");
    assert_eq!(run.wait(), 130);
    assert!(started.elapsed() < Duration::from_secs(15), "at once");
    assert_eq!(Gauge::new(broker, "signal.in", "signal").committed(), [-1]);
}
