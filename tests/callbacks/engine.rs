//! The engine as a child process, so that it can be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::Process;

/// Nothing here takes longer unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running engine.
pub struct Engine {
    process: Process,
    pub address: String,
}

impl Engine {
    /// Starts it on a configuration, with variables of the environment.
    pub fn start(config: &Path, log: PathBuf, variables: &[(String, String)]) -> Engine {
        let file = File::create(&log).expect("a log can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_expressway"));
        command.arg("run").arg(config).envs(variables.iter().map(|(name, value)| (name, value)));
        let process = Process::start(&mut command, log, file);
        let address = until("the engine listens", || {
            let log = process.log();
            assert!(!log.contains("error"), "{log}");
            Some(log.split("http=\"").nth(1)?.split('"').next()?.to_owned())
        });
        Engine { process, address }
    }

    /// Waits until it has exchanged its definition so many times.
    pub fn reloads(&self, count: usize) {
        let reloaded = || self.process.log().matches("reloaded").count();
        until("it reloads", || (reloaded() == count).then_some(()));
    }

    /// As a crash would.
    pub fn kill(mut self) {
        self.process.child.kill().expect("it is killed");
        self.process.child.wait().expect("it ends");
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
