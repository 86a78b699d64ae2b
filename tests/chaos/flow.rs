//! Events in, results out: the library's generator sends on its schedule, a reader of its own counts
//! what comes back by id.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use expressway::load::clock::Clock;
use expressway::load::events::Events;
use expressway::load::kafka;
use expressway::load::measure::Results;
use expressway::load::produce::{Sender, Sent};
use expressway::load::scenario::Scenario;
use expressway::load::schedule::Schedule;
use rdkafka::Message;

use crate::story::Sample;

/// How long new topics may take to be known everywhere.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// What came back so far.
#[derive(Debug, Default)]
pub struct Seen {
    distinct: AtomicU64,
    duplicates: AtomicU64,
    foreign: AtomicU64,
}

/// The generator and the reader, each on a thread.
pub struct Flow {
    sent: Arc<Sent>,
    seen: Arc<Seen>,
    started: Instant,
    stop: Arc<AtomicBool>,
    is_read: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Topics, keys and rate of a run.
fn scenario(bootstrap: &str, seed: u64, (rate, span): (u64, Duration)) -> Scenario {
    let text = format!(
        "name = 'chaos'\nseed = {seed}\n[[event]]\nshape = 'iot'\n[keys]\nkind = 'uniform'\n\
         count = 5000\n[[step]]\nrate = {rate}\nduration = '{}ms'\n[target]\n\
         bootstrap = '{bootstrap}'\ntopic = 'chaos.in'\nresult_topic = 'chaos.out'\n\
         properties = {{ 'message.timeout.ms' = '600000' }}\n",
        span.as_millis()
    );
    Scenario::parse(&text, Path::new(".")).expect("the scenario is right")
}

/// A topic is known to one broker before it is to another.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T, kafka::ClientError>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(made) => return made,
            Err(why) => assert!(Instant::now() < until, "{why}"),
        }
        thread::sleep(POLL);
    }
}

impl Flow {
    /// Starts both. The generator waits where more than `ahead` events have no result yet: what is to
    /// be seen is whether all come through, and a backlog that never ends would only hide it.
    pub fn start(bootstrap: &str, seed: u64, step: (u64, Duration), ahead: u64) -> Flow {
        let scenario = scenario(bootstrap, seed, step);
        let events = Events::of(&scenario).expect("the scenario is right");
        let run = seed as u32;
        let sent = Arc::new(Sent::new(1));
        let mut sender =
            patiently(|| Sender::new(&scenario.target, events.clone(), run, sent.clone()));
        let consumer = patiently(|| kafka::results(&scenario.target, "chaos.out", 1));
        let (seen, started) = (Arc::new(Seen::default()), Instant::now());
        let (stop, is_read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let clock = Clock::start();
        let (to_send, told, counts) = (stop.clone(), sent.clone(), seen.clone());
        let steps = scenario.steps();
        let sending = thread::spawn(move || {
            let most = || counts.distinct.load(Ordering::Relaxed) + ahead;
            sender.run(clock, Schedule::new(&steps), &to_send, &most);
            sender.finish();
            told.done.store(true, Ordering::Release);
        });
        let (to_read, told, counts) = (is_read.clone(), sent.clone(), seen.clone());
        let mut results = Results::new(run, clock.start_ns(), scenario.steps());
        let reading = thread::spawn(move || {
            while !to_read.load(Ordering::Relaxed) {
                // Errors are brokers that are away: the client goes on by itself.
                let Some(Ok(message)) = consumer.poll(POLL) else { continue };
                let offered = told.offered.load(Ordering::Relaxed);
                results.take(message.payload().unwrap_or_default(), clock.now_ns(), offered);
                counts.distinct.store(results.counts.distinct, Ordering::Relaxed);
                counts.duplicates.store(results.counts.duplicates, Ordering::Relaxed);
                counts.foreign.store(results.counts.foreign, Ordering::Relaxed);
            }
        });
        Flow { sent, seen, started, stop, is_read, threads: vec![sending, reading] }
    }

    /// Since the start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Sends no more.
    pub fn stop_sending(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Has everything been sent and answered for?
    pub fn is_sent(&self) -> bool {
        self.sent.done.load(Ordering::Acquire)
    }

    /// Events that Kafka has taken, and those that it has not.
    pub fn events(&self) -> (u64, u64) {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (of(&self.sent.acknowledged), of(&self.sent.failed))
    }

    /// The flow just now.
    pub fn sample(&self) -> Sample {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Sample {
            at_s: self.now().as_secs_f64(),
            sent: of(&self.sent.offered),
            distinct: of(&self.seen.distinct),
            duplicates: of(&self.seen.duplicates),
        }
    }

    /// Records that were read, whatever they were.
    pub fn read(&self) -> u64 {
        let Seen { distinct, duplicates, foreign } = &*self.seen;
        [distinct, duplicates, foreign].iter().map(|it| it.load(Ordering::Relaxed)).sum()
    }

    /// Records that are nobody's result.
    pub fn foreign(&self) -> u64 {
        self.seen.foreign.load(Ordering::Relaxed)
    }

    /// Ends both threads.
    pub fn end(&mut self) {
        self.stop_sending();
        self.is_read.store(true, Ordering::Relaxed);
        for it in self.threads.drain(..) {
            it.join().expect("neither panics");
        }
    }
}
