//! `expressway run CONFIG`: runs pipelines until told to stop.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::api;
use crate::cli::report;
use crate::config::{self, Config, Format, Level, Listen};
use crate::engine::{Engine, Stopped, prepare};

/// How often the engine is looked after while it runs.
const ROUND: Duration = Duration::from_millis(250);

/// Runs the pipelines of a configuration: records in, executions, outputs out.
///
/// Ends on SIGTERM or SIGINT: takes no more records, settles what is in flight within
/// engine.drain_timeout, commits, and exits with 0. A second signal ends it at once. Files that end
/// end it too. Exits with 1 where a pipeline stopped, 2 where the configuration or a definition is
/// wrong.
///
///     expressway run config/examples/iot-ingestion/pipeline.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Run {
    /// The configuration, TOML. config/engine.toml shows every setting.
    pub config: PathBuf,
}

impl Run {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = match config::load(&self.config) {
            Ok(config) => config,
            Err(findings) => return Ok(report::config(&self.config, &findings)),
        };
        start_log(&config);
        let (prepared, warned) = match prepare(&config) {
            Ok(ready) => ready,
            Err(refused) => return Ok(report::refused(&refused)),
        };
        report::warned(&warned);
        let signals = Signals::install()?;
        let mut engine = Engine::start(&config, &prepared)?;
        let server = match config.http.listen {
            Listen::Off => None,
            Listen::At(address) => {
                let shared =
                    api::Shared { metrics: engine.metrics.clone(), health: engine.health.clone() };
                Some(api::start(address, shared)?)
            }
        };
        let address = server.as_ref().map(|server| server.address().to_string());
        let shards = config.engine.shards.count();
        tracing::info!(pipelines = prepared.len(), shards, http = address, "running");
        let stopped = loop {
            engine.look_after();
            if let Some(why) = engine.stopped() {
                break Some(why);
            }
            if signals.count() > 0 || engine.is_over() {
                break None;
            }
            thread::sleep(ROUND);
        };
        tracing::info!("stopping: settling what is in flight");
        let how = engine.stop();
        if let Some(server) = server {
            server.stop();
        }
        if how == Stopped::Cut {
            tracing::warn!(
                "engine.drain_timeout is over: what is still in flight will be read again"
            );
        }
        match stopped {
            None => Ok(ExitCode::SUCCESS),
            Some(why) => {
                tracing::error!(%why, "a pipeline stopped");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn start_log(config: &Config) {
    let level = match config.log.level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
        Level::Trace => tracing::Level::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A log that was set up before, by a test say, stays.
    let _ = match config.log.format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().try_init(),
    };
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
