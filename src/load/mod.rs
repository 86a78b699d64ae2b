//! The load generator: sends a scenario's events to Kafka on an open-loop schedule and measures, by
//! reading the results, how many come back, how often and how late.
//!
//! ```text
//! Scenario -> Schedule (due when) + Events (what) -> produce -> Kafka -> the system under test
//!   -> Kafka -> measure (by id and send time) -> Report (JSON, page, summary, pass or not)
//! ```

pub mod chart;
pub mod clock;
pub mod events;
pub mod figures;
pub mod histogram;
pub mod kafka;
pub mod keys;
pub mod measure;
pub mod page;
pub mod produce;
pub mod random;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod shape;
mod watch;
pub mod xml;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use self::clock::Clock;
use self::events::Events;
use self::kafka::ClientError;
use self::produce::Generator;
use self::report::Report;
use self::scenario::{Problems, Scenario};
use self::watch::Watch;

/// How long the reader of results gets to connect before the first event is due.
const CONNECT: Duration = Duration::from_millis(500);

/// Why there is no report.
#[derive(Debug)]
pub enum LoadError {
    /// The scenario can't be run.
    Scenario(Problems),
    /// Kafka can't be worked with.
    Kafka(ClientError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Scenario(problems) => problems.fmt(f),
            LoadError::Kafka(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<Problems> for LoadError {
    fn from(problems: Problems) -> LoadError {
        LoadError::Scenario(problems)
    }
}

impl From<ClientError> for LoadError {
    fn from(error: ClientError) -> LoadError {
        LoadError::Kafka(error)
    }
}

/// How a run shows itself while it goes on, and how it is ended early.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

impl Progress {
    /// A bar on standard error; nothing where that is not a terminal.
    pub fn bar() -> Progress {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{elapsed:>5} {bar:30.cyan/dim} {msg}");
        bar.set_style(style.expect("the template is a constant that indicatif takes"));
        Progress { bar, stop: Arc::default() }
    }

    /// Nothing to see.
    pub fn hidden() -> Progress {
        Progress { bar: ProgressBar::hidden(), stop: Arc::default() }
    }

    /// Set it to send no more; what was sent is still waited for, and reported.
    pub fn stop(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }
}

/// Runs a scenario from start to report.
pub fn run(scenario: &Scenario, progress: &Progress) -> Result<Report, LoadError> {
    let events = Events::of(scenario)?;
    kafka::prepare(&scenario.target)?;
    let run = (Clock::start().now_ns() / 1_000) as u32 ^ std::process::id().rotate_left(16);
    let generator = Generator::new(scenario, events, run)?;
    let topic = scenario.target.result_topic.as_deref();
    let consumer = topic.map(|topic| kafka::results(&scenario.target, topic, 1)).transpose()?;
    let sent = generator.sent();
    if let Some(consumer) = &consumer {
        // Nothing of this run is there yet; polling lets the client find its partitions.
        consumer.poll(CONNECT);
    }
    let clock = Clock::start();
    let mut watch = Watch::new(scenario, clock, run, sent, consumer);
    thread::scope(|threads| {
        threads.spawn(|| generator.run(clock, &progress.stop));
        watch.until_done(&progress.bar);
    });
    progress.bar.finish_and_clear();
    Ok(watch.report(scenario, progress.stop.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::{Message, Offset, TopicPartitionList};

    use super::*;

    /// A system under test that passes records on, every tenth twice, every hundredth not at all.
    /// (The mock answers a fetch only when its wait is over, hence the short one.)
    fn echo(bootstrap: &str, stop: &AtomicBool) {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", "echo");
        config.set("fetch.queue.backoff.ms", "10").set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..4 {
            let added = partitions.add_partition_offset("in", partition, Offset::Beginning);
            added.expect("it is a list");
        }
        consumer.assign(&partitions).expect("it assigns");
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        let producer: BaseProducer = config.create().expect("a producer");
        while !stop.load(Ordering::Relaxed) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
            let value = message.payload().expect("events have values");
            let id = value.windows(13).find(|w| w[0] == b'-').expect("events have ids");
            let copies = match &id[11..] {
                b"77" => 0,
                [_, b'5'] => 2,
                _ => 1,
            };
            for _ in 0..copies {
                let record = BaseRecord::<(), [u8]>::to("out").payload(value);
                producer.send(record).map_err(|(e, _)| e).expect("it has room");
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(Duration::from_secs(5)).expect("it flushes");
    }

    fn scenario(bootstrap: &str, more: &str) -> Scenario {
        let text = format!(
            "name = 'mock'\nseed = 1\n[[event]]\nshape = 'iot'\n[[step]]\nrate = 4000\n\
             duration = '1s'\n[[step]]\nrate = 1000\nduration = '2s'\n[target]\n\
             bootstrap = '{bootstrap}'\ntopic = 'in'\nresult_topic = 'out'\npatience = '3s'\n\
             properties = {{ 'fetch.wait.max.ms' = '10' }}\n{more}"
        );
        Scenario::parse(&text, Path::new(".")).expect("it is good")
    }

    #[test]
    fn finds_what_an_echo_loses_and_repeats() {
        let mock = MockCluster::new(1).expect("a mock cluster");
        for topic in ["in", "out"] {
            mock.create_topic(topic, 4, 1).expect("a topic");
        }
        let bootstrap = mock.bootstrap_servers();
        let stop = AtomicBool::new(false);
        let scenario = scenario(&bootstrap, "[pass]\nmissing_max = 59\nduplicates_max = 600");
        let report = thread::scope(|threads| {
            threads.spawn(|| echo(&bootstrap, &stop));
            let report = run(&scenario, &Progress::hidden());
            stop.store(true, Ordering::Relaxed);
            report.expect("it runs")
        });
        assert_eq!([report.sent, report.acknowledged, report.failed], [6000, 6000, 0]);
        assert_eq!([report.missing, report.duplicates, report.results], [60, 600, 5940]);
        assert_eq!(report.latency.count, 5940);
        assert!(report.latency.p50_us > 0.0 && report.latency.p50_us < 2e5, "{report}");
        assert_eq!(report.steps.iter().map(|step| step.sent).collect::<Vec<_>>(), [4000, 2000]);
        assert!(report.series.len() > 10);
        let failed: Vec<&str> =
            report.checks.iter().filter(|c| !c.passed).map(|c| c.name.as_str()).collect();
        assert_eq!(failed, ["missing"]);
        assert!(!report.passed);
        let page = report.to_page();
        assert!(page.contains("</html>") && !page.contains("src="));
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).expect("JSON");
        assert_eq!(json["missing"], 60);
    }

    #[test]
    fn says_what_to_do_where_there_is_no_kafka() {
        let mut scenario = scenario("127.0.0.1:1", "");
        scenario.target.properties.insert("log_level".into(), "0".into());
        let start = Instant::now();
        let message = run(&scenario, &Progress::hidden()).expect_err("no Kafka").to_string();
        assert!(message.contains("is Kafka running there?"), "{message}");
        assert!(start.elapsed() < Duration::from_secs(40));
    }
}
