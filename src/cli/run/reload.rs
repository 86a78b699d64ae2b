//! When to read the configuration again: SIGHUP, or a file that has changed; and doing so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Pipelines;
use crate::config::{self, Config};
use crate::engine::{Engine, definitions_of, prepare};
use crate::fault::Diagnostic;
use crate::program::parts_of;

impl Pipelines {
    /// Reads everything again, and has the engine run on it. Returns the configuration that runs now;
    /// `None`: what was found is logged, and the one before runs on.
    pub(super) fn reload(&self, engine: &mut Engine, why: &str) -> Option<Config> {
        let config = match config::load(&self.config) {
            Ok(config) => config.with_substitutions(self.filled.given()),
            Err(findings) => {
                tell(&self.config.to_string_lossy(), &findings);
                return refused(engine, why, "the configuration is wrong");
            }
        };
        let prepared = match prepare(&config) {
            Ok((prepared, warned)) => {
                warned.iter().for_each(|it| tell(&it.file, &it.findings));
                prepared
            }
            Err(found) => {
                found.iter().for_each(|it| tell(&it.file, &it.findings));
                return refused(engine, why, "a definition or route is wrong");
            }
        };
        match engine.reload(&config, &prepared) {
            Ok(()) => {
                let versions = prepared.iter().flat_map(|it| &it.plan.versions);
                let version = |it: &crate::shard::Version| {
                    format!("{}@{:016x}", it.machine, it.program.version)
                };
                let definitions = versions.map(version).collect::<Vec<_>>().join(", ");
                tracing::info!(why, definitions, "reloaded: new records run on this");
                Some(config)
            }
            Err(error) => {
                tracing::error!(why, error, "reload refused: what ran before runs on");
                None
            }
        }
    }
}

fn refused(engine: &Engine, why: &str, error: &str) -> Option<Config> {
    engine.metrics.count_reload(false);
    tracing::error!(why, error, "reload refused: what ran before runs on");
    None
}

/// Logs findings about a file.
fn tell(file: &str, findings: &[Diagnostic]) {
    for finding in findings {
        let Diagnostic { code, message, location, .. } = finding;
        let at = format!("{file}:{}:{}", location.line, location.column);
        let pointer = &location.pointer;
        match finding.is_error() {
            true => tracing::error!(at, pointer, code, "{message}"),
            false => tracing::warn!(at, pointer, code, "{message}"),
        }
    }
}

/// SIGHUPs, counted.
pub(super) struct Hangups(Arc<AtomicUsize>);

impl Hangups {
    /// Counts from now on.
    pub(super) fn install() -> anyhow::Result<Hangups> {
        let count = Arc::new(AtomicUsize::new(0));
        let hangups = Hangups(count.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = {
            let _guard = runtime.enter();
            listen()?
        };
        let count_all = count_all(stream, count);
        thread::Builder::new().name("hangups".into()).spawn(move || runtime.block_on(count_all))?;
        Ok(hangups)
    }

    /// Have any come since this was asked last?
    pub(super) fn take(&self) -> bool {
        self.0.swap(0, Ordering::AcqRel) > 0
    }
}

#[cfg(unix)]
fn listen() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
}

#[cfg(unix)]
async fn count_all(mut stream: tokio::signal::unix::Signal, count: Arc<AtomicUsize>) {
    while stream.recv().await.is_some() {
        count.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(not(unix))]
fn listen() -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
async fn count_all((): (), _: Arc<AtomicUsize>) {}

/// What tells one state of a file from another: when it was written, and its length.
type Stamp = Option<(SystemTime, u64)>;

/// The files that a configuration is made of, looked at from time to time. (Not told of by the system:
/// files that are mounted, exchanged by links or shared over a network tell nobody.)
pub(super) struct Watch {
    files: Vec<(PathBuf, Stamp)>,
    interval: Duration,
    looked: Instant,
    /// What was seen last; two looks must agree, so that nothing half written is read.
    seen: Vec<Stamp>,
}

impl Watch {
    /// Of the configuration `file`, as it is now.
    pub(super) fn new(file: &Path, config: &Config) -> Watch {
        let (interval, looked) = (config.engine.watch_interval, Instant::now());
        let mut watch = Watch { files: Vec::new(), interval, looked, seen: Vec::new() };
        watch.follow(file, config);
        watch
    }

    /// The files are those that this configuration names, from now on.
    pub(super) fn follow(&mut self, file: &Path, config: &Config) {
        let mut files = vec![file.to_owned()];
        files.extend(config.machines.0.values().map(|place| parts_of(place).0));
        for pipeline in &config.pipeline {
            let named = definitions_of(pipeline).into_iter().map(|(place, _)| parts_of(place).0);
            files.extend(named.chain(pipeline.mocks.clone()));
        }
        files.sort();
        files.dedup();
        self.files = files.into_iter().map(|file| (file.clone(), stamp(&file))).collect();
        self.seen = self.files.iter().map(|it| it.1).collect();
    }

    /// Has any of them changed, and rests? Each change is told once.
    pub(super) fn has_changed(&mut self, now: Instant) -> bool {
        if self.interval.is_zero() || now.saturating_duration_since(self.looked) < self.interval {
            return false;
        }
        self.looked = now;
        let stamps: Vec<Stamp> = self.files.iter().map(|it| stamp(&it.0)).collect();
        let rests = stamps == self.seen;
        self.seen = stamps;
        let changed = rests && self.files.iter().map(|it| it.1).ne(self.seen.iter().copied());
        if changed {
            for (file, stamp) in self.files.iter_mut().zip(&self.seen) {
                file.1 = *stamp;
            }
        }
        changed
    }
}

fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_when_it_rests() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("pipeline.toml");
        let write = |text: &str| std::fs::write(&file, text).expect("it can be written");
        write("");
        let mut watch = Watch::new(&file, &Config::default());
        let mut now = Instant::now();
        let mut look = || {
            now += Duration::from_secs(1);
            watch.has_changed(now)
        };
        assert!(!look() && !look());
        write("a");
        assert!(!look(), "it may still be written to");
        write("ab");
        assert!(!look());
        assert!(look());
        assert!(!look());
        std::fs::remove_file(&file).expect("it is there");
        assert!(!look());
        assert!(look(), "what is gone has changed");
    }
}
