//! The server: started by the project's script, stopped by a guard that sees this process end.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value as Json;

/// What is set to skip all tests on purpose.
pub const SKIP: &str = "EXPRESSWAY_SKIP_AWS";
/// Ports tried: another process may take one between asking and starting.
const PORT_TRIES: usize = 5;
/// Ends the server when its standard input ends, which it does however this process ends.
const GUARD: &str = r#"read -r _; "$0" down --data "$1" >/dev/null 2>&1; rm -rf "$2""#;

/// A running server.
pub struct Server {
    /// `http://127.0.0.1:5050`
    pub url: String,
    guard: Child,
    runtime: tokio::runtime::Runtime,
}

/// Are tests to be left out?
pub fn is_skipped() -> bool {
    std::env::var_os(SKIP).is_some_and(|it| !it.is_empty() && it != "0")
}

/// The one server of all tests of a process, which therefore use names of their own. Its guard ends
/// it when this process ends. `None` where it is to be left out.
pub fn moto() -> Option<&'static Server> {
    static MOTO: OnceLock<Server> = OnceLock::new();
    if is_skipped() {
        // Past the capture: a test that looked at nothing must not look like one that passed.
        let _ = writeln!(std::io::stderr(), "not run: {SKIP} is set");
        return None;
    }
    Some(MOTO.get_or_init(Server::start))
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/servers/aws")
}

fn launch(folder: &Path) -> Option<String> {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let said = Command::new(script())
        .arg("up")
        .arg("--data")
        .arg(folder.join("data"))
        .args(["--port", &port.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("the script runs");
    let url = String::from_utf8(said.stdout).expect("text").trim().to_owned();
    said.status.success().then_some(url)
}

impl Server {
    /// Starts it, or ends the tests with the script's own words.
    pub fn start() -> Server {
        let folder = tempfile::Builder::new().prefix("expressway-aws-").tempdir();
        let folder = folder.expect("a folder can be made").keep();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .args([script(), folder.join("data"), folder.clone()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the tests; the guard cleans up after them.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let Some(url) = (0..PORT_TRIES).find_map(|_| launch(&folder)) else {
            drop(guard.stdin.take());
            eprintln!("moto could not be started (see above); EXPRESSWAY_SKIP_AWS=1 skips");
            std::process::exit(1);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Server { url, guard, runtime: runtime.expect("a runtime") }
    }

    /// Posts JSON to the server's own controls.
    pub fn control(&self, path: &str, body: &Json) {
        let posted = reqwest::Client::new()
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string());
        let status = self.runtime.block_on(posted.send()).expect("it answers").status();
        assert!(status.is_success(), "{path}: {status}");
    }

    /// Calls an operation of a service that no task can call, and gives the text of an element of
    /// its answer.
    pub fn query(&self, service: &str, form: &str, element: &str) -> String {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{service}/aws4_request");
        let posted = reqwest::Client::new()
            .post(&self.url)
            .header("authorization", format!("{scope}, SignedHeaders=host, Signature=0"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let answer = self.runtime.block_on(async { posted.send().await?.text().await });
        let answer = answer.expect("it answers");
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let found = answer.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
        found.unwrap_or_else(|| panic!("{form}: {answer}")).0.to_owned()
    }

    /// A role for services that want one; made once.
    pub fn role(&self, name: &str) -> String {
        let document = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        let form = format!(
            "Action=CreateRole&Version=2010-05-08&RoleName={name}\
             &AssumeRolePolicyDocument={document}"
        );
        self.query("iam", &form, "Arn")
    }

    pub fn subnet(&self) -> String {
        self.query("ec2", "Action=DescribeSubnets&Version=2016-11-15", "subnetId")
    }

    pub fn security_group(&self) -> String {
        self.query("ec2", "Action=DescribeSecurityGroups&Version=2016-11-15", "groupId")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
