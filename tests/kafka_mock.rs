//! The Kafka source and sink against the embedded broker: what is promised at the seam, seen from a
//! shard's side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use expressway::ack::ahead;
use expressway::kafka::Broker;
use expressway::record::{Assignment, AssignmentId, Header, Wake};
use expressway::sinks::kafka::{KafkaSink, Settings as SinkSettings};
use expressway::sinks::{Output, Sink, SinkErrorKind};
use expressway::sources::kafka::{KafkaSource, Settings, Start};
use expressway::sources::{Arrival, Source};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const TOPIC: &str = "readings";
const PATIENCE: Duration = Duration::from_secs(30);

/// The mock ends a classic rebalance only when the session timeout is nearly over.
const BRISK: [(&str, &str); 2] = [("session.timeout.ms", "3000"), ("heartbeat.interval.ms", "200")];

fn wake() -> Wake {
    Wake::new(|| {})
}

fn broker(partitions: i32) -> Broker {
    let broker = Broker::start(1).expect("the broker starts");
    broker.create_topic(TOPIC, partitions).expect("the topic is made");
    broker
}

fn sink(broker: &Broker) -> KafkaSink {
    let settings = SinkSettings { brokers: broker.bootstrap(), ..SinkSettings::default() };
    KafkaSink::new(&settings, 1, wake()).expect("a producer")
}

/// Writes records `from..to`: key and value are the number; every 10th has headers, every 7th is a
/// tombstone. Returns how many receipts were good.
fn produce(sink: &mut KafkaSink, from: u64, to: u64) -> u64 {
    let topic = sink.topic(TOPIC).expect("a topic");
    let (mut good, count) = (0, |receipt: expressway::sinks::Receipt| match receipt.result {
        Ok((partition, offset)) => u64::from(partition >= 0 && offset >= 0),
        Err(error) => panic!("{error}"),
    });
    for number in from..to {
        let text = number.to_string();
        let headers = [
            Header { name: "n", value: Some(text.as_bytes()) },
            Header { name: "none", value: None },
            Header { name: "empty", value: Some(b"") },
        ];
        let output = Output {
            topic,
            key: Some(text.as_bytes()),
            value: (!number.is_multiple_of(7)).then_some(text.as_bytes()),
            headers: if number.is_multiple_of(10) { &headers } else { &[] },
            tag: number,
        };
        while let Err(error) = sink.write(output) {
            assert_eq!(error.kind, SinkErrorKind::Full, "{error}");
            sink.poll(&mut |it| good += count(it));
        }
    }
    assert!(sink.flush(PATIENCE, &mut |it| good += count(it)), "all is acknowledged");
    good
}

/// What a shard would know: whose records came, in which order, and what it was told.
#[derive(Default)]
struct Seen {
    numbers: Vec<u64>,
    done: Vec<i64>,
    held: BTreeMap<AssignmentId, (Assignment, i64)>,
    revoking: Vec<AssignmentId>,
    lost: usize,
    assigned: usize,
    with_headers: usize,
    tombstones: usize,
}

impl Seen {
    fn take(&mut self, arrival: Arrival<'_>) {
        match arrival {
            Arrival::Assigned(it) => {
                self.assigned += 1;
                self.held.insert(it.id, (it, -1));
            }
            Arrival::Revoking(id) => self.revoking.push(id),
            Arrival::Lost(id) => {
                self.lost += 1;
                self.held.remove(&id);
            }
            Arrival::Record(record) => {
                let id = record.position.assignment;
                assert!(!self.revoking.contains(&id), "no record follows a revoke");
                let (_, last) = self.held.get_mut(&id).expect("assigned before any record");
                assert!(record.position.offset > *last, "order within the partition");
                *last = record.position.offset;
                let key = std::str::from_utf8(record.key.expect("a key")).expect("a number");
                let number: u64 = key.parse().expect("a number");
                assert_eq!(
                    record.value.is_none(),
                    number.is_multiple_of(7),
                    "tombstones stay tombstones"
                );
                self.tombstones += usize::from(record.value.is_none());
                assert_eq!(record.headers.len(), if number.is_multiple_of(10) { 3 } else { 0 });
                if let [first, none, empty] = record.headers {
                    assert_eq!((first.name, first.value), ("n", Some(key.as_bytes())));
                    assert_eq!((none.value, empty.value), (None, Some(&b""[..])));
                    self.with_headers += 1;
                }
                assert!(record.timestamp_ms > 0);
                self.numbers.push(number);
            }
            Arrival::Done(position) => self.done.push(position.offset),
            Arrival::Undone(_) => panic!("no transactions here"),
            Arrival::Queue(_) => panic!("no queues here"),
            Arrival::End => panic!("Kafka does not end"),
        }
    }
}

/// A member of the group with its ends, pumped by hand.
struct Member {
    source: KafkaSource,
    ends: Vec<Box<dyn Source>>,
    seen: Vec<Seen>,
}

impl Member {
    fn join(settings: &Settings, shards: usize) -> Member {
        let wakes = (0..shards).map(|_| wake()).collect();
        let (source, ends) = KafkaSource::start(settings, wakes).expect("joins");
        Member { source, ends, seen: (0..shards).map(|_| Seen::default()).collect() }
    }

    /// One tick of each shard: everything handed over is settled at once.
    fn pump(&mut self) {
        for (end, seen) in self.ends.iter_mut().zip(&mut self.seen) {
            end.poll(100, &mut |arrival| seen.take(arrival)).expect("goes on");
            for (id, (_, last)) in &seen.held {
                if *last >= 0 {
                    end.commit(*id, last + 1);
                }
            }
            for id in seen.revoking.drain(..) {
                seen.held.remove(&id);
                end.release(id);
            }
        }
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.seen.iter().flat_map(|it| it.numbers.iter().copied())
    }
}

fn until(members: &mut [Member], mut done: impl FnMut(&[Member]) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done(members) {
        assert!(Instant::now() < end, "not in {PATIENCE:?}");
        members.iter_mut().for_each(Member::pump);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn all_of(members: &[Member]) -> BTreeSet<u64> {
    members.iter().flat_map(Member::numbers).collect()
}

/// What a group has committed of the first so many partitions.
fn commits(broker: &Broker, group: &str, partitions: i32) -> TopicPartitionList {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", group)
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_range(TOPIC, 0, partitions - 1);
    consumer.committed_offsets(list, PATIENCE).expect("committed offsets")
}

fn committed(broker: &Broker, group: &str, partitions: i32) -> Vec<i64> {
    let offset = |it: Offset| if let Offset::Offset(offset) = it { offset } else { -1 };
    let list = commits(broker, group, partitions);
    list.elements().iter().map(|it| offset(it.offset())).collect()
}

fn ends_of(broker: &Broker, partitions: i32) -> Vec<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .expect("a consumer");
    let high = |it| consumer.fetch_watermarks(TOPIC, it, PATIENCE).expect("watermarks").1;
    (0..partitions).map(high).collect()
}

#[test]
fn everything_arrives_in_order_and_the_commit_is_last_plus_one() {
    let broker = broker(6);
    assert_eq!(produce(&mut sink(&broker), 0, 3000), 3000);
    let mut member = [Member::join(&Settings::new(&broker.bootstrap(), "g", &["^read.*"]), 2)];
    until(&mut member, |it| it[0].numbers().count() == 3000);
    let [mut member] = member;
    assert_eq!(member.numbers().collect::<BTreeSet<_>>().len(), 3000);
    let sum = |of: fn(&Seen) -> usize| member.seen.iter().map(of).sum::<usize>();
    assert_eq!(sum(|it| it.with_headers), 300);
    assert_eq!(sum(|it| it.tombstones), 429);
    assert_eq!(member.seen.iter().map(|it| it.assigned).collect::<Vec<_>>(), [3, 3]);
    assert!(member.source.lag().iter().all(|it| it.records == 0), "{:?}", member.source.lag());
    member.pump();
    member.source.stop();
    member.source.close();
    assert_eq!(member.ends[0].poll(10, &mut |_| panic!("closed")).expect("quiet"), 0);
    assert_eq!(committed(&broker, "g", 6), ends_of(&broker, 6));
}

#[test]
fn commits_are_confirmed_on_the_interval() {
    let broker = broker(2);
    produce(&mut sink(&broker), 0, 100);
    let mut settings = Settings::new(&broker.bootstrap(), "g", &[TOPIC]);
    settings.commit_interval = Duration::from_millis(100);
    let mut member = [Member::join(&settings, 1)];
    until(&mut member, |it| {
        let held = it[0].seen[0].held.iter();
        let sure = |(id, (_, last)): (&AssignmentId, &(Assignment, i64))| {
            it[0].ends[0].committed(*id) == Some(last + 1)
        };
        it[0].numbers().count() == 100 && held.filter(|it| sure(*it)).count() == 2
    });
}

/// What stands beside the group's commit of the first partition.
fn beside_commit(broker: &Broker, group: &str) -> String {
    commits(broker, group, 1).elements()[0].metadata().to_owned()
}

#[test]
fn what_settled_ahead_of_a_commit_is_not_done_again() {
    let broker = broker(1);
    produce(&mut sink(&broker), 0, 100);
    let mut settings = Settings::new(&broker.bootstrap(), "g", &[TOPIC]);
    settings.commit_interval = Duration::from_millis(100);
    settings.properties = BRISK.map(own).into();
    for (keeps, text, done) in [
        (true, ahead::write(10, [20..60, 61..99].into_iter()), 78),
        (true, String::new(), 0),
        (false, ahead::write(10, std::iter::once(20..60)), 0),
    ] {
        settings.keeps_ahead = true;
        settings.group = format!("g-{keeps}-{done}");
        let mut first = Member::join(&settings, 1);
        let Member { ends, seen, .. } = &mut first;
        let end = Instant::now() + PATIENCE;
        while seen[0].numbers.len() < 100 || committed(&broker, &settings.group, 1) != [10] {
            assert!(Instant::now() < end, "not in {PATIENCE:?}");
            ends[0].poll(100, &mut |it| seen[0].take(it)).expect("goes on");
            let ids: Vec<AssignmentId> = seen[0].held.keys().copied().collect();
            ids.into_iter().for_each(|id| ends[0].commit(id, 10));
            std::thread::sleep(Duration::from_millis(10));
        }
        let id = *seen[0].held.keys().next().expect("one");
        while beside_commit(&broker, &settings.group) != text {
            assert!(Instant::now() < end, "not in {PATIENCE:?}");
            if ends[0].wants_ahead(id) {
                ends[0].note_ahead(id, text.clone());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        first.source.close();
        settings.keeps_ahead = keeps;
        let mut second = [Member::join(&settings, 1)];
        until(&mut second, |it| it[0].seen[0].numbers.len() + it[0].seen[0].done.len() == 90);
        let seen = &second[0].seen[0];
        assert_eq!(seen.done.len(), done);
        assert!(seen.done.iter().all(|it| (20..60).contains(it) || (61..99).contains(it)));
        assert!(seen.numbers.iter().all(|it| *it >= 10 && !seen.done.contains(&(*it as i64))));
    }
}

fn a_second_member_joins_and_leaves(properties: &[(&str, &str)]) {
    let broker = broker(6);
    let mut sink = sink(&broker);
    let mut settings = Settings::new(&broker.bootstrap(), "g", &[TOPIC]);
    settings.properties = properties.iter().copied().map(own).collect();
    let mut members = vec![Member::join(&settings, 2)];
    produce(&mut sink, 0, 1000);
    until(&mut members, |it| all_of(it).len() == 1000);
    members.push(Member::join(&settings, 2));
    let mut next = 1000;
    until(&mut members, |it| {
        produce(&mut sink, next, next + 50);
        next += 50;
        it[1].seen.iter().all(|seen| !seen.held.is_empty() && !seen.numbers.is_empty())
    });
    until(&mut members, |it| all_of(it).len() == next as usize);
    let second = members.pop().expect("joined");
    let theirs: BTreeSet<u64> = second.numbers().collect();
    let closing = std::thread::spawn(move || second.source.close());
    let target = next + 500;
    produce(&mut sink, next, target);
    until(&mut members, |it| {
        let mut seen = all_of(it);
        seen.extend(&theirs);
        seen.len() == target as usize
            && it[0].seen.iter().map(|it| it.held.len()).sum::<usize>() == 6
    });
    closing.join().expect("closes");
    let first = members.pop().expect("there");
    assert_eq!(first.seen.iter().map(|it| it.lost).sum::<usize>(), 0);
    let both = first.numbers().count() + theirs.len();
    assert!(both < target as usize * 2, "{both} handed over of {target}: too many again");
    first.source.close();
    assert_eq!(committed(&broker, "g", 6), ends_of(&broker, 6));
}

#[test]
fn nothing_is_lost_in_a_cooperative_rebalance() {
    a_second_member_joins_and_leaves(&BRISK);
}

#[test]
fn nothing_is_lost_in_an_eager_rebalance() {
    let eager = ("partition.assignment.strategy", "range,roundrobin");
    a_second_member_joins_and_leaves(&[BRISK[0], BRISK[1], eager]);
}

#[test]
fn nothing_is_lost_under_the_new_group_protocol() {
    a_second_member_joins_and_leaves(&[("group.protocol", "consumer")]);
}

#[test]
fn a_partition_that_is_not_released_in_time_is_lost() {
    let broker = broker(2);
    produce(&mut sink(&broker), 0, 100);
    let mut settings = Settings::new(&broker.bootstrap(), "g", &[TOPIC]);
    settings.drain_bound = Some(Duration::from_millis(300));
    settings.properties = BRISK.map(own).into();
    let mut members = vec![Member::join(&settings, 1)];
    until(&mut members, |it| all_of(it).len() == 100);
    members.push(Member::join(&settings, 1));
    // The first member reads on and never releases.
    let end = Instant::now() + PATIENCE;
    while members[0].seen[0].lost == 0 {
        assert!(Instant::now() < end, "not in {PATIENCE:?}");
        let Member { ends, seen, .. } = &mut members[0];
        ends[0].poll(100, &mut |it| seen[0].take(it)).expect("goes on");
        members[1].pump();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(members[0].seen[0].revoking.len(), 1);
    assert_eq!(members[0].seen[0].held.len(), 1, "the other partition stays");
    members[0].seen[0].revoking.clear();
    produce(&mut sink(&broker), 100, 200);
    until(&mut members, |it| all_of(it).len() == 200);
}

#[test]
fn a_paused_partition_goes_on_where_it_stopped() {
    let broker = broker(2);
    let mut sink = sink(&broker);
    produce(&mut sink, 0, 2000);
    let mut member = [Member::join(&Settings::new(&broker.bootstrap(), "g", &[TOPIC]), 1)];
    until(&mut member, |it| it[0].seen[0].held.values().any(|(_, last)| *last >= 0));
    let mut next = 2000;
    for _ in 0..5 {
        let paused: Vec<_> = member[0].seen[0].held.keys().copied().collect();
        paused.iter().for_each(|&id| member[0].ends[0].pause(id, true));
        let before = member[0].numbers().count();
        produce(&mut sink, next, next + 200);
        next += 200;
        for _ in 0..50 {
            member[0].pump();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(member[0].numbers().count(), before, "paused is paused");
        paused.iter().for_each(|&id| member[0].ends[0].pause(id, false));
        until(&mut member, |it| it[0].numbers().count() > before);
    }
    until(&mut member, |it| it[0].numbers().count() >= next as usize);
    assert_eq!(member[0].numbers().count(), next as usize, "everything once");
    assert_eq!(all_of(&member).len(), next as usize);
}

#[test]
fn a_new_group_starts_where_it_is_told() {
    let broker = broker(1);
    let mut sink = sink(&broker);
    produce(&mut sink, 0, 100);
    // Timestamps are for a real broker to test: the mock knows none.
    for (group, start, first) in [("a", Start::Earliest, 0), ("b", Start::Offset(60), 60)] {
        let mut settings = Settings::new(&broker.bootstrap(), group, &[TOPIC]);
        settings.start = start;
        let mut member = [Member::join(&settings, 1)];
        until(&mut member, |it| it[0].numbers().count() as u64 == 100 - first);
        assert_eq!(member[0].numbers().min(), Some(first));
    }
    let mut settings = Settings::new(&broker.bootstrap(), "d", &[TOPIC]);
    settings.start = Start::Latest;
    let mut member = [Member::join(&settings, 1)];
    until(&mut member, |it| it[0].seen[0].assigned == 1);
    // Where the log ends is asked for after the assignment.
    std::thread::sleep(Duration::from_millis(500));
    produce(&mut sink, 100, 150);
    until(&mut member, |it| it[0].numbers().count() == 50);
    assert_eq!(member[0].numbers().min(), Some(100));
}

#[test]
fn lost_records_stop_the_source_with_advice() {
    let broker = broker(1);
    produce(&mut sink(&broker), 0, 10);
    let mut settings = Settings::new(&broker.bootstrap(), "g", &[TOPIC]);
    settings.start = Start::Offset(5000);
    let mut member = Member::join(&settings, 1);
    let end = Instant::now() + PATIENCE;
    let error = loop {
        assert!(Instant::now() < end, "not in {PATIENCE:?}");
        match member.ends[0].poll(10, &mut |_| {}) {
            Err(error) => break error,
            Ok(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(error.message.contains("auto.offset.reset"), "{error}");
    assert!(!error.retriable);
}

#[test]
fn an_oversized_record_is_its_own_fault_and_the_rest_goes_through() {
    let broker = broker(1);
    let mut sink = sink(&broker);
    let topic = sink.topic(TOPIC).expect("a topic");
    let large = vec![b'x'; 2_000_000];
    for (tag, value) in [(1, &b"1"[..]), (2, &large), (3, &b"3"[..])] {
        let output = Output { topic, key: None, value: Some(value), headers: &[], tag };
        sink.write(output).expect("taken");
    }
    let mut answers = BTreeMap::new();
    assert!(sink.flush(PATIENCE, &mut |it| drop(answers.insert(it.tag, it.result))));
    assert!(answers[&1].is_ok() && answers[&3].is_ok(), "{answers:?}");
    let error = answers[&2].as_ref().expect_err("too large");
    assert_eq!((error.kind, error.code), (SinkErrorKind::Record, "MSG_SIZE_TOO_LARGE"));
    assert!(error.message.contains("message.max.bytes"), "{error}");
}

#[test]
fn outputs_wait_for_a_broker_that_is_away() {
    let broker = broker(3);
    let mut sink = sink(&broker);
    produce(&mut sink, 0, 10);
    broker.set_up(1, false).expect("down");
    let topic = sink.topic(TOPIC).expect("a topic");
    for tag in 0..100 {
        let output = Output { topic, key: None, value: Some(b"1"), headers: &[], tag };
        sink.write(output).expect("taken");
    }
    let mut good = 0;
    let mut count = |it: expressway::sinks::Receipt| good += u64::from(it.result.is_ok());
    assert!(!sink.flush(Duration::from_millis(300), &mut count), "nobody can acknowledge");
    broker.set_up(1, true).expect("up");
    assert!(sink.close(PATIENCE, &mut count));
    assert_eq!(good, 100);
}

#[test]
fn the_librarys_queue_being_full_is_told_and_passes() {
    let broker = broker(1);
    let mut settings = SinkSettings { brokers: broker.bootstrap(), ..SinkSettings::default() };
    settings.properties.insert("queue.buffering.max.messages".into(), "50".into());
    let mut sink = KafkaSink::new(&settings, 1, wake()).expect("a producer");
    assert_eq!(produce(&mut sink, 0, 5000), 5000);
    let mut member = [Member::join(&Settings::new(&broker.bootstrap(), "g", &[TOPIC]), 1)];
    until(&mut member, |it| it[0].numbers().count() == 5000);
    assert!(member[0].numbers().eq(0..5000), "in the order they were written");
}

#[test]
fn missing_topics_and_bad_settings_say_what_to_do() {
    let broker = broker(1);
    let sink = sink(&broker);
    sink.verify(&[TOPIC], PATIENCE).expect("exists");
    let error = sink.verify(&[TOPIC, "nowhere"], PATIENCE).expect_err("does not exist");
    assert_eq!((error.kind, error.code), (SinkErrorKind::Fatal, "UNKNOWN_TOPIC_OR_PART"));
    assert!(error.message.contains("[\"nowhere\"]"), "{error}");
    let mut settings = Settings::new(&broker.bootstrap(), "g", &[TOPIC]);
    settings.properties.insert("enable.auto.commit".into(), "true".into());
    let error = KafkaSource::start(&settings, vec![wake()]).err().expect("refused");
    assert!(error.message.contains("enable.auto.commit"), "{error}");
    settings.properties = BTreeMap::from([("fetch.fast".into(), "1".into())]);
    let error = KafkaSource::start(&settings, vec![wake()]).err().expect("unknown");
    assert!(error.message.contains("No such configuration property"), "{error}");
    settings.properties =
        [("group.protocol", "consumer"), ("session.timeout.ms", "9000")].map(own).into();
    let error = KafkaSource::start(&settings, vec![wake()]).err().expect("not for this protocol");
    assert!(error.message.contains("session.timeout.ms"), "{error}");
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
