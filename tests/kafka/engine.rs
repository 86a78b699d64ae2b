//! `expressway run` as a child process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::topics::until;

/// A stop settles what is in flight within engine.drain_timeout, 20 s.
const STOP_BOUND: Duration = Duration::from_secs(60);

/// A definition that hands its input on.
pub const PASS: &str = r#"{"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": true}}}"#;

/// A folder with a definition and a configuration.
pub struct Setup {
    pub folder: PathBuf,
    head: String,
}

impl Setup {
    /// Settings that all configurations begin with. `engine`: lines of the section of that name.
    pub fn new(broker: &Broker, name: &str, definition: &str, engine: &str) -> Setup {
        // Groups of tests end quickly, so that a killed member is not waited for.
        let consumer =
            r#"consumer = { "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 500 }"#;
        Setup::over(broker, name, definition, (&broker.address, consumer), engine)
    }

    /// As [`Setup::new`], with brokers and settings of the section `kafka`.
    pub fn over(
        broker: &Broker,
        name: &str,
        definition: &str,
        (address, kafka): (&str, &str),
        engine: &str,
    ) -> Setup {
        let folder = broker.folder(name);
        std::fs::write(folder.join("definition.asl.json"), definition).expect("written");
        let address = address.replace(',', "\", \"");
        let head = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[kafka]\nbootstrap_servers = [\"{address}\"]\n\
             {kafka}\n[engine]\n{engine}\n"
        );
        Setup { folder, head }
    }

    /// Runs these pipelines; `name` tells several runs of one folder apart.
    pub fn run(&self, name: &str, pipelines: &str) -> Engine {
        let engine = self.spawn(name, pipelines);
        until(&format!("{name} runs: {}", engine.log()), || {
            engine.log().contains(" running ") || engine.has_ended()
        });
        assert!(engine.log().contains(" running "), "{}", engine.log());
        engine
    }

    /// As [`Setup::run`], without waiting.
    pub fn spawn(&self, name: &str, pipelines: &str) -> Engine {
        let config = self.folder.join(format!("{name}.toml"));
        std::fs::write(&config, format!("{}{pipelines}", self.head)).expect("written");
        Engine::spawn(&config, self.folder.join(format!("{name}.log")))
    }

    /// Runs another command on these pipelines to its end: its exit code and all that it said.
    pub fn command(&self, command: &str, pipelines: &str, arguments: &[&str]) -> (i32, String) {
        let config = self.folder.join(format!("{command}.toml"));
        std::fs::write(&config, format!("{}{pipelines}", self.head)).expect("written");
        let mut program = Command::new(env!("CARGO_BIN_EXE_expressway"));
        let ended = program.arg(command).arg(&config).args(arguments).output().expect("it runs");
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs one record of these pipelines, or what else is asked for: its exit code, output, and what
    /// it said beside that.
    pub fn exec(&self, pipelines: &str, arguments: &[&str]) -> (i32, String, String) {
        let config = self.folder.join("exec.toml");
        std::fs::write(&config, format!("{}{pipelines}", self.head)).expect("written");
        let mut program = Command::new(env!("CARGO_BIN_EXE_expressway"));
        let program = program.args(["exec", "--config"]).arg(&config).args(arguments);
        let ended = program.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        (ended.status.code().unwrap_or(-1), text(ended.stdout), text(ended.stderr))
    }

    /// Runs what must be refused; returns its exit code and what it said.
    pub fn refused(&self, name: &str, pipelines: &str) -> (i32, String) {
        let engine = self.spawn(name, pipelines);
        let log = engine.log.clone();
        let code = engine.wait();
        (code, std::fs::read_to_string(log).unwrap_or_default())
    }
}

/// A pipeline from a topic to a topic. `more` comes before the tables, `output` into theirs.
pub fn pipeline(name: &str, source: &str, target: &str, more: &str) -> String {
    format!(
        "[[pipeline]]\nname = \"{name}\"\ndefinition = \"definition.asl.json\"\n{more}\n\
         source = {{ topics = [\"{source}\"], group = \"{name}\" }}\n\
         output = {{ topic = \"{target}\" }}\n"
    )
}

/// A running engine. Dropping it kills it, and shows its log where the test has failed.
pub struct Engine {
    child: std::cell::RefCell<Child>,
    log: PathBuf,
}

impl Engine {
    fn spawn(config: &Path, log: PathBuf) -> Engine {
        let file = std::fs::File::create(&log).expect("a log can be made");
        let child = Command::new(env!("CARGO_BIN_EXE_expressway"))
            .arg("run")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("the engine starts");
        Engine { child: std::cell::RefCell::new(child), log }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn exit_code(&self) -> Option<i32> {
        let ended = self.child.borrow_mut().try_wait().expect("a child");
        ended.map(|status| status.code().unwrap_or(-1))
    }

    /// Has it ended?
    pub fn has_ended(&self) -> bool {
        self.exit_code().is_some()
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.borrow().id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Where its endpoint listens, once it runs.
    pub fn address(&self) -> Option<String> {
        let log = self.log();
        let address = log.split("http=\"").nth(1)?.split('"').next()?;
        Some(address.to_owned())
    }

    /// Waits for its end; returns the exit code.
    pub fn wait(&self) -> i32 {
        let end = Instant::now() + STOP_BOUND;
        loop {
            if let Some(code) = self.exit_code() {
                return code;
            }
            assert!(Instant::now() < end, "the engine does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it; it must end well.
    pub fn stop(self) -> String {
        self.signal("TERM");
        assert_eq!(self.wait(), 0, "{}", self.log());
        self.log()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(self) {
        self.signal("KILL");
        self.wait();
    }

    /// The status and body that its endpoint answers with.
    pub fn get(&self, path: &str) -> (u16, String) {
        let address = self.address().unwrap_or_else(|| panic!("no address in {}", self.log()));
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        (status, answer)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- {}\n{}", self.log.display(), tail.join("\n"));
        }
    }
}
