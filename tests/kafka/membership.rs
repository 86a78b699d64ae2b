//! Members come and go, in order and killed, by every group protocol: nothing is lost, little repeated.

use std::time::Duration;

use crate::broker::Broker;
use crate::delivery::{PARTITIONS, complete, event, has_records, trickle};
use crate::engine::{Engine, PASS, Setup, pipeline};
use crate::topics::{self, Gauge, until};

/// Records of a partition that may come twice after a kill.
const WINDOW: u64 = 2_000;
const CLASSIC: &str = r#""session.timeout.ms" = 6000, "heartbeat.interval.ms" = 500"#;
const NEXT: &str = r#""group.protocol" = "consumer""#;

/// All partitions are given up in each rebalance.
pub fn eager(broker: &Broker) {
    let eager = format!(r#"{CLASSIC}, "partition.assignment.strategy" = "range""#);
    come_and_go(broker, "eager", |_| eager.clone());
}

/// Static members: who leaves is awaited for the session.
pub fn fixed(broker: &Broker) {
    let member = |name: &str| format!(r#"{CLASSIC}, "group.instance.id" = "{name}""#);
    come_and_go(broker, "fixed", member);
}

/// KIP-848: the brokers assign.
pub fn next(broker: &Broker) {
    come_and_go(broker, "next", |_| NEXT.to_owned());
}

/// Both.
pub fn next_fixed(broker: &Broker) {
    let member = |name: &str| format!(r#"{NEXT}, "group.instance.id" = "{name}""#);
    come_and_go(broker, "next-fixed", member);
}

/// `consumer`: a member's properties, by its name.
fn come_and_go(broker: &Broker, name: &str, consumer: impl Fn(&str) -> String) {
    const COUNT: u64 = 200_000;
    let _present = broker.present();
    let (source, target) = (format!("{name}.in"), format!("{name}.out"));
    broker.topic(&source, PARTITIONS, &[]);
    broker.topic(&target, PARTITIONS, &[]);
    let pipeline = pipeline(name, &source, &target, r#"on_failure = "stop""#);
    let member = |member: &str| run(broker, name, member, &consumer(member), &pipeline);
    std::thread::scope(|scope| {
        let first = member("first");
        let writer = scope.spawn(|| trickle(broker, &source, COUNT, Duration::from_secs(20)));
        let second = member("second");
        until("the second member has records", || has_records(&second.get("/metrics").1));
        second.stop();
        Gauge::new(broker, &target, "x").await_count(COUNT as i64 / 2);
        let third = member("third");
        until("the third member has records", || has_records(&third.get("/metrics").1));
        third.kill();
        writer.join().expect("all are written");
        Gauge::new(broker, &source, name).await_commit();
        first.stop();
    });
    let repeated = complete(broker, &target, COUNT);
    // A member holds half of the partitions when it is killed.
    assert!(repeated <= WINDOW * PARTITIONS as u64 / 2, "{repeated} repeated");
}

fn run(broker: &Broker, group: &str, member: &str, consumer: &str, pipeline: &str) -> Engine {
    let kafka = (&*broker.address, &*format!("consumer = {{ {consumer} }}"));
    let engine = format!("window_records_max = {WINDOW}\nbatch_records_max = 500");
    let setup = Setup::over(broker, &format!("{group}-{member}"), PASS, kafka, &engine);
    setup.run("only", pipeline)
}

/// A static member that comes back in time finds its partitions, and nobody else had them; one under
/// a name that is taken ends the other, which says so.
pub fn awaited(broker: &Broker) {
    const COUNT: u64 = 20_000;
    let _present = broker.present();
    broker.topic("awaited.in", PARTITIONS, &[]);
    broker.topic("awaited.out", PARTITIONS, &[]);
    let pipeline = pipeline("awaited", "awaited.in", "awaited.out", r#"on_failure = "stop""#);
    let session = r#""session.timeout.ms" = 30000, "heartbeat.interval.ms" = 500"#;
    let member = |member: &str, id: &str| {
        let consumer = format!(r#"{session}, "group.instance.id" = "{id}""#);
        run(broker, "awaited", member, &consumer, &pipeline)
    };
    let (first, second) = (member("first", "a"), member("second", "b"));
    topics::write(broker, "awaited.in", (0..COUNT).map(event));
    Gauge::new(broker, "awaited.in", "awaited").await_commit();
    let rebalances = |engine: &Engine| engine.log().matches("partitions assigned").count();
    let before = rebalances(&first);
    second.stop();
    let second = member("second", "b");
    topics::write(broker, "awaited.in", (COUNT..2 * COUNT).map(event));
    Gauge::new(broker, "awaited.in", "awaited").await_commit();
    assert_eq!(rebalances(&first), before, "the first was not asked for more: {}", first.log());
    let thief = member("thief", "b");
    assert_eq!(second.wait(), 1, "fenced");
    let log = second.log();
    assert!(log.contains("group.instance.id") && log.contains("give each its own"), "{log}");
    thief.stop();
    first.stop();
    assert_eq!(complete(broker, "awaited.out", 2 * COUNT), 0);
}
