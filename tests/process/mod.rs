//! A process of the program's with its log in a file.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running process; killed when dropped, and its log shown where the test has failed.
pub struct Process {
    pub child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it. `file`: the log, as it is to be written.
    pub fn start(command: &mut Command, log: PathBuf, file: File) -> Process {
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn();
        Process { child: child.expect("it starts"), log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
