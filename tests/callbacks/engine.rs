//! The engine as a child process, so that it can be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// A running engine; killed when dropped, and its log shown where the test has failed.
pub struct Engine {
    child: Child,
    log: PathBuf,
    pub address: String,
}

impl Engine {
    /// Starts it on a configuration, with variables of the environment.
    pub fn start(config: &Path, log: PathBuf, variables: &[(String, String)]) -> Engine {
        let file = std::fs::File::create(&log).expect("a log can be made");
        let child = Command::new(env!("CARGO_BIN_EXE_expressway"))
            .arg("run")
            .arg(config)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn();
        let mut engine = Engine { child: child.expect("it starts"), log, address: String::new() };
        engine.address = until("the engine listens", || {
            let log = engine.log();
            assert!(!log.contains("error"), "{log}");
            Some(log.split("http=\"").nth(1)?.split('"').next()?.to_owned())
        });
        engine
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has exchanged its definition so many times.
    pub fn reloads(&self, count: usize) {
        until("it reloads", || (self.log().matches("reloaded").count() == count).then_some(()));
    }

    /// As a crash would.
    pub fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
