//! `expressway run CONFIG`: runs pipelines until told to stop.

mod reload;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::definition::Filled;
use super::log::{self, Rates};
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain};
use crate::api;
use crate::asl::excerpt::render;
use crate::config::{self, Config, Listen};
use crate::engine::{Engine, Prepared, Refused, Stopped, prepare};
use reload::{Hangups, Watch};

/// How often the engine is looked after while it runs.
const ROUND: Duration = Duration::from_millis(250);

/// Run pipelines: records in, executions, outputs out
///
/// Runs every [[pipeline]] of a configuration until SIGTERM or Ctrl-C: then it takes no more records,
/// settles what is in flight within engine.drain_timeout, commits, and exits. A second signal ends it
/// at once. Where all sources are files, it ends with them.
///
/// SIGHUP, or a change of the configuration, a definition or mocks, has definitions and routes read
/// again: records that come from then on run on the new ones, those that came before stay with the old.
/// What has errors is refused, and what ran runs on.
///
/// While it runs, /metrics, /livez and /readyz are served at http.listen, and the log goes to standard
/// error.
///
/// Examples:
///   expressway run config/examples/iot-ingestion/pipeline.toml
///   EXPRESSWAY__ENGINE__SHARDS=2 expressway run pipeline.toml
///
/// Exit code: 0 after an orderly stop; 1 where a pipeline stopped, a shard panicked or the engine could
/// not start; 2 where the configuration or a definition is wrong.
#[derive(clap::Parser)]
#[command(name = "run", verbatim_doc_comment)]
pub(super) struct Pipelines {
    /// The configuration (TOML); config/engine.toml shows every setting
    config: PathBuf,
    #[command(flatten)]
    filled: Filled,
}

impl Run for Pipelines {
    fn run(self) -> anyhow::Result<u8> {
        let config = match config::load(&self.config) {
            Ok(config) => config.with_substitutions(self.filled.given()),
            Err(findings) => {
                // Without the text, and so without excerpts: a line may hold a secret.
                complain(&render(&self.config.to_string_lossy(), "", &findings));
                return Ok(REFUSED);
            }
        };
        let rates = log::start(&config.log);
        match prepare(&config) {
            Err(refused) => {
                complain_of(&refused);
                Ok(REFUSED)
            }
            Ok((prepared, warned)) => {
                complain_of(&warned);
                self.run_on(&config, &prepared, &rates).or_else(|error| {
                    tracing::error!(error = format!("{error:#}"), "could not run");
                    Ok(FAILED)
                })
            }
        }
    }
}

/// Prints findings about definitions to standard error.
pub(super) fn complain_of(refused: &[Refused]) {
    for Refused { file, text, findings } in refused {
        complain(&render(file, text, findings));
    }
}

impl Pipelines {
    fn run_on(&self, config: &Config, prepared: &[Prepared], rates: &Rates) -> anyhow::Result<u8> {
        let (signals, hangups) = (Signals::install()?, Hangups::install()?);
        let mut watch = Watch::new(&self.config, config);
        let mut engine = Engine::start(config, prepared)?;
        let server = match config.http.listen {
            Listen::Off => None,
            Listen::At(address) => {
                let (metrics, health) = (engine.metrics.clone(), engine.health.clone());
                let answers = Some(Arc::new(api::Answers::new(engine.desk.clone(), config)));
                Some(api::start(address, api::Shared { metrics, health, answers })?)
            }
        };
        let address = server.as_ref().map(|server| server.address().to_string());
        let shards = config.engine.shards.count();
        tracing::info!(pipelines = prepared.len(), shards, http = address, "running");
        let stopped = loop {
            engine.look_after();
            engine.metrics.add_log_lines_suppressed(rates.roll_over(Instant::now()));
            if let Some(why) = engine.stopped() {
                break Some(why);
            }
            if signals.count() > 0 || engine.is_over() {
                break None;
            }
            let why = if hangups.take() { Some("SIGHUP") } else { None };
            let why = why.or_else(|| watch.has_changed(Instant::now()).then_some("a file changed"));
            if let Some(config) = why.and_then(|why| self.reload(&mut engine, why)) {
                watch.follow(&self.config, &config);
            }
            thread::sleep(ROUND);
        };
        tracing::info!("stopping: settling what is in flight");
        let panics = engine.panics();
        let how = engine.stop();
        rates.finish();
        if let Some(server) = server {
            server.stop();
        }
        if how == Stopped::Cut {
            tracing::warn!(
                "engine.drain_timeout is over: what is still in flight will be read again"
            );
        }
        match stopped.or_else(|| panics.first()) {
            None => Ok(SUCCEEDED),
            Some(why) => {
                tracing::error!(why, "a pipeline stopped");
                Ok(FAILED)
            }
        }
    }
}

/// SIGTERM and SIGINT, counted; the second one ends the process.
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Counts from now on.
    pub fn install() -> anyhow::Result<Signals> {
        let count = Arc::new(AtomicUsize::new(0));
        let counts = count.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    if next_signal().await.is_err() || counts.fetch_add(1, Ordering::AcqRel) > 0 {
                        break;
                    }
                }
                std::process::exit(130);
            });
        })?;
        Ok(Signals(count))
    }

    /// How many have come.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(unix)]
async fn next_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn next_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
