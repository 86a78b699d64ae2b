//! How fast records pass from topic to topic through the seam, doing nothing to them. Ignored:
//! `cargo test --release --test kafka_rate -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use expressway::kafka::Broker;
use expressway::record::Wake;
use expressway::sinks::kafka::{KafkaSink, Settings as SinkSettings};
use expressway::sinks::{Output, Sink, SinkErrorKind};
use expressway::sources::kafka::{KafkaSource, Settings};
use expressway::sources::{Arrival, Source};

const PARTITIONS: i32 = 48;
const RECORDS: u64 = 800_000;
const VALUE: [u8; 250] = [b'x'; 250];
const SHARDS: usize = 2;

fn waker(thread: Thread) -> Wake {
    Wake::new(move || thread.unpark())
}

/// Nanoseconds of CPU by threads' names.
fn cpu_ns() -> BTreeMap<String, u64> {
    let mut spent = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ns = read("schedstat").split(' ').next().and_then(|it| it.parse().ok());
        *spent.entry(read("comm").trim().to_owned()).or_default() += ns.unwrap_or(0u64);
    }
    spent
}

fn write(sink: &mut KafkaSink, output: Output<'_>, done: &mut u64) {
    while let Err(error) = sink.write(output) {
        assert_eq!(error.kind, SinkErrorKind::Full, "{error}");
        sink.poll(&mut |_| *done += 1);
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn fill(settings: &SinkSettings) {
    let mut sink = KafkaSink::new(settings, 1, waker(thread::current())).expect("a producer");
    let topic = sink.topic("in").expect("a topic");
    let mut done = 0;
    for tag in 0..RECORDS {
        let key = tag.to_le_bytes();
        let output = Output { topic, key: Some(&key), value: Some(&VALUE), headers: &[], tag };
        write(&mut sink, output, &mut done);
        if tag % 1000 == 0 {
            sink.poll(&mut |_| done += 1);
        }
    }
    assert!(sink.flush(Duration::from_secs(60), &mut |_| done += 1));
}

/// One shard that writes what it reads; ends when all shards together have had every receipt.
fn pass(mut end: Box<dyn Source>, mut sink: KafkaSink, total: &AtomicU64) -> (u64, Instant) {
    let topic = sink.topic("out").expect("a topic");
    let (mut read, mut done, mut first) = (0u64, 0u64, None);
    while total.load(Ordering::Relaxed) < RECORDS {
        let mut receipts = 0;
        let got = end.poll(512, &mut |arrival| {
            if let Arrival::Record(record) = arrival {
                first.get_or_insert_with(Instant::now);
                let (key, value, headers) = (record.key, record.value, record.headers);
                write(&mut sink, Output { topic, key, value, headers, tag: read }, &mut receipts);
                read += 1;
            }
        });
        let got = got.expect("goes on");
        sink.submit();
        sink.poll(&mut |it| receipts += u64::from(it.result.is_ok()));
        done += receipts;
        total.fetch_add(receipts, Ordering::Relaxed);
        if got == 0 && receipts == 0 {
            thread::park_timeout(Duration::from_millis(5));
        }
    }
    assert_eq!(read, done);
    (done, first.unwrap_or_else(Instant::now))
}

#[test]
#[ignore = "a measurement: run it in release, on a quiet machine"]
fn pass_through() {
    let broker = Broker::start(1).expect("the broker starts");
    // Many to hold the input (see the mock's retention), as many as is usual for the output.
    for (topic, partitions) in [("in", PARTITIONS), ("out", 12)] {
        broker.create_topic(topic, partitions).expect("a topic");
    }
    let properties = BTreeMap::from([("linger.ms".to_owned(), "5".to_owned())]);
    let to = SinkSettings { brokers: broker.bootstrap(), properties, queue_bytes: None };
    fill(&to);
    let start = Arc::new(Barrier::new(SHARDS + 1));
    let (threads, wakes): (Vec<_>, Vec<_>) = (0..SHARDS)
        .map(|_| {
            let (send, receive) = crossbeam::channel::bounded(1);
            let (start, to) = (start.clone(), to.clone());
            let total = TOTAL.get_or_init(|| AtomicU64::new(0));
            let shard = thread::Builder::new().name("shard".into()).spawn(move || {
                let sink = KafkaSink::new(&to, SHARDS, waker(thread::current())).expect("one");
                start.wait();
                let answer = pass(receive.recv().expect("an end"), sink, total);
                // Stays for its CPU time to be read.
                start.wait();
                answer
            });
            let shard = shard.expect("a thread");
            let wake = waker(shard.thread().clone());
            ((shard, send), wake)
        })
        .unzip();
    start.wait();
    let before = cpu_ns();
    let settings = Settings::new(&broker.bootstrap(), "g", &["in"]);
    let (source, ends) = KafkaSource::start(&settings, wakes).expect("joins");
    for (end, (_, send)) in ends.into_iter().zip(&threads) {
        send.send(end).expect("a shard");
    }
    while TOTAL.get().is_some_and(|it| it.load(Ordering::Relaxed) < RECORDS) {
        thread::sleep(Duration::from_millis(1));
    }
    let end = Instant::now();
    let after = cpu_ns();
    start.wait();
    let answers = threads.into_iter().map(|(shard, _)| shard.join().expect("passes"));
    let first = answers.map(|it| it.1).min().expect("a shard");
    let rate = RECORDS as f64 / (end - first).as_secs_f64() / 1e6;
    println!("pass-through {rate:.2} M/s; CPU ns a record by thread:");
    for (name, ns) in after {
        println!("{name:16} {}", (ns - before.get(&name).copied().unwrap_or(0)) / RECORDS);
    }
    source.close();
}

static TOTAL: std::sync::OnceLock<AtomicU64> = std::sync::OnceLock::new();
