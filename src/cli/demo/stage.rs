//! What the demo plays on: the embedded broker with its topics, the engine over them, and the
//! generator in front.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::cli::run::complain_of;
use crate::config::{self, Config, Origin};
use crate::engine::{Engine, Prepared, prepare};
use crate::kafka::{Broker, RETAINED_BYTES};
use crate::load::clock::Clock;
use crate::load::events::Events;
use crate::load::kafka as clients;
use crate::load::produce::{Sender, Sent};
use crate::load::scenario::{Scenario, Target};
use crate::metrics::Metrics;

/// The bundled definition.
const DEFINITION: &str = include_str!("definition.asl.json");

/// Where readings come in.
pub const INPUT: &str = "demo.readings";
/// Where outputs go.
pub const OUTPUT: &str = "demo.graded";
/// Where failed readings go.
pub const DEAD: &str = "demo.dead";

/// Of each topic. The broker keeps little of each, so many; batches get smaller with more.
pub const PARTITIONS: i32 = 12;
/// Events that may be sent and not settled: the broker must keep them all, keys being uneven.
pub const AHEAD_MAX: u64 = 32_768;
/// A reading and its part of a batch are below this.
const EVENT_BYTES_MAX: u64 = 512;
/// Partitions need not be more even than this.
const SKEW_MAX: u64 = 3;

const _: () = assert!(
    AHEAD_MAX * EVENT_BYTES_MAX * SKEW_MAX < PARTITIONS as u64 * RETAINED_BYTES as u64,
    "the generator would outrun what the broker keeps"
);

/// Results are read from one of so many partitions: a sample, or reading would cost what it measures.
pub const SAMPLED: usize = 6;

/// Steps of the run: see `Demo::steps`.
const STEPS: usize = 3;
/// Events that are settled before anything is measured: clients connect, the group forms.
const WARM_UP: u64 = 1_000;
const WARM_UP_MAX: Duration = Duration::from_secs(20);

/// Everything that runs.
pub struct Stage {
    /// The definition, as the title names it.
    pub definition: String,
    /// Of the definition, in the order of the metrics.
    pub states: Vec<String>,
    /// How many shards there are.
    pub shards: usize,
    /// What the engine counts.
    pub metrics: Arc<Metrics>,
    /// What the generator counts.
    pub sent: Arc<Sent>,
    /// Marks the events of this run.
    pub run: u32,
    /// The events, to write any of them again.
    pub events: Events,
    /// Broker and topics, as the load generator's clients take them.
    pub target: Target,
    engine: Engine,
    // Last: the others talk to it until they end.
    _broker: Broker,
}

/// How far the pipeline is.
pub struct Progress(Arc<Metrics>);

impl Progress {
    /// Records settled.
    pub fn settled(&self) -> u64 {
        self.0.totals(0).counts.settled
    }
}

impl Stage {
    /// Sets it up; `None` where the definition is wrong, which has been said then.
    pub fn set(definition: Option<&Path>) -> anyhow::Result<Option<Stage>> {
        let broker = Broker::start(1)?;
        for topic in [INPUT, OUTPUT, DEAD] {
            broker.create_topic(topic, PARTITIONS)?;
        }
        let bootstrap = broker.bootstrap();
        let bundled = definition.is_none().then(Bundled::write).transpose()?;
        let file = definition.or(bundled.as_ref().map(|it| it.0.as_path()));
        let file = file.context("there is always a definition")?;
        let config = config_of(&bootstrap, file)?;
        let (prepared, warned) = match prepare(&config) {
            Ok(ready) => ready,
            Err(refused) => {
                complain_of(&refused);
                return Ok(None);
            }
        };
        complain_of(&warned);
        let name = definition.map_or("the bundled one".into(), |it| it.display().to_string());
        Stage::start(broker, &config, &prepared, name).map(Some)
    }

    fn start(
        broker: Broker,
        config: &Config,
        prepared: &[Prepared],
        definition: String,
    ) -> anyhow::Result<Stage> {
        let scenario = scenario(&broker.bootstrap())?;
        let engine = Engine::start(config, prepared)?;
        let versions = prepared.iter().flat_map(|it| &it.plan.versions);
        let rows = versions.flat_map(|it| &it.program.rows);
        Ok(Stage {
            definition,
            states: rows.map(|row| row.name.clone()).collect(),
            shards: config.engine.shards.count(),
            metrics: engine.metrics.clone(),
            sent: Arc::new(Sent::new(STEPS)),
            run: (Clock::start().now_ns() / 1_000) as u32,
            events: Events::of(&scenario)?,
            target: scenario.target,
            engine,
            _broker: broker,
        })
    }

    /// Sends some events and waits until the pipeline has settled them.
    pub fn warm_up(&mut self) -> anyhow::Result<Sender> {
        let (events, sent) = (self.events.clone(), self.sent.clone());
        // Another run's mark: nothing of this is measured.
        let mut sender = Sender::new(&self.target, events, !self.run, sent)?;
        let (clock, stop) = (Clock::start(), AtomicBool::new(false));
        for _ in 0..WARM_UP {
            sender.send(clock.now_ns(), &stop);
        }
        sender.finish();
        sender.set_run(self.run);
        let (start, progress) = (Instant::now(), self.progress());
        while progress.settled() < WARM_UP {
            if let Some(why) = self.look_after() {
                bail!(why);
            }
            if start.elapsed() > WARM_UP_MAX {
                let first = self.sent.first_error.lock().ok().and_then(|it| it.clone());
                bail!(
                    "the first {WARM_UP} events were not settled within {} s{}; a definition that \
                     waits for longer than that is not one for the demo",
                    WARM_UP_MAX.as_secs(),
                    first.map(|it| format!(" ({it})")).unwrap_or_default()
                );
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(sender)
    }

    /// How far the pipeline is, for another thread.
    pub fn progress(&self) -> Progress {
        Progress(self.metrics.clone())
    }

    /// Looks after the engine; says why it takes no more.
    pub fn look_after(&mut self) -> Option<String> {
        self.engine.look_after();
        let why = self.engine.stopped();
        why.or_else(|| self.engine.halts().first().map(|(name, halt)| format!("{name}: {halt:?}")))
    }

    /// Stops the engine and counts what is in the topics for good: outputs and dead letters.
    pub fn close(self) -> anyhow::Result<(u64, u64)> {
        let Stage { engine, target, _broker, .. } = self;
        engine.stop();
        Ok((clients::ends(&target, OUTPUT)?, clients::ends(&target, DEAD)?))
    }

    /// Events that the broker has acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.sent.acknowledged.load(Ordering::Relaxed)
    }
}

/// The pipeline, as anyone would write it; and what suits a broker in the same process.
fn config_of(bootstrap: &str, definition: &Path) -> anyhow::Result<Config> {
    let definition = toml::Value::String(definition.display().to_string());
    let text = format!(
        r#"
[engine]
# The generator goes by what has settled, so it must hear of it soon.
metrics_interval = "10ms"
suspects_file = "off"

[kafka]
bootstrap_servers = ["{bootstrap}"]
# The embedded broker answers a fetch that found nothing only when its wait is over.
consumer = {{ "fetch.wait.max.ms" = 5, "fetch.queue.backoff.ms" = 1 }}

[[pipeline]]
name = "demo"
definition = {definition}
on_failure = "dead_letter"

[pipeline.source]
topics = ["{INPUT}"]
group = "expressway-demo"
start = "earliest"

[pipeline.output]
topic = "{OUTPUT}"
headers = "none"

[pipeline.dead_letter]
topic = "{DEAD}"
"#
    );
    let origin = Origin { folder: Path::new(""), environment: &Default::default() };
    config::parse(&text, &origin).map_err(|findings| {
        let findings: Vec<String> = findings.iter().map(|it| it.message.clone()).collect();
        anyhow::anyhow!("the demo's configuration was refused: {}", findings.join(" "))
    })
}

/// Readings by 10,000 devices; the rates are set as the demo goes.
fn scenario(bootstrap: &str) -> anyhow::Result<Scenario> {
    let text = format!(
        r#"
name = "demo"
seed = 1
event = [{{ shape = "iot" }}]
keys = {{ kind = "uniform", count = 10_000 }}
step = [{{ rate = 1, duration = "1s" }}]

[target]
bootstrap = "{bootstrap}"
topic = "{INPUT}"
result_topic = "{OUTPUT}"
properties = {{ "fetch.wait.max.ms" = "5", "fetch.queue.backoff.ms" = "1" }}
"#
    );
    Scenario::parse(&text, Path::new("")).context("the demo's stream was refused")
}

/// The bundled definition as a file, for as long as it is read.
struct Bundled(PathBuf);

impl Bundled {
    fn write() -> anyhow::Result<Bundled> {
        let folder = std::env::temp_dir();
        let name = format!("expressway-demo-{}", std::process::id());
        let folder = folder.join(name);
        // Fails where it is there already: nobody else's file is written to.
        let written = std::fs::create_dir(&folder)
            .and_then(|()| std::fs::write(folder.join("demo.asl.json"), DEFINITION));
        written.map_err(|e: io::Error| {
            anyhow::anyhow!(
                "the bundled definition could not be written to {}: {e}. Set TMPDIR to a folder \
                 that can be written",
                folder.display()
            )
        })?;
        Ok(Bundled(folder.join("demo.asl.json")))
    }
}

impl Drop for Bundled {
    fn drop(&mut self) {
        // What is left in the temporary folder is the system's to clear.
        if let Some(folder) = self.0.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
