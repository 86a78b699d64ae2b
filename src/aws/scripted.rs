//! A server for tests that answers what a script says, in order, or what a function makes of the
//! request, and keeps what it was asked. Tests of the whole program use it too.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// Answers: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Never answers.
    Nothing,
    /// Announces more than it sends, and hangs up.
    Half,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `POST /path?query`
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }
}

/// An answer of JSON.
pub(crate) fn json(status: u16, body: &str) -> Say {
    let headers = vec![
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amzn-RequestId", "r-1".to_owned()),
    ];
    Say::Answer(status, headers, body.to_owned())
}

/// What is answered to a request.
type Answer = dyn Fn(&Asked) -> Say + Send + Sync;

pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers what a script says; its last step is repeated.
    pub(crate) fn start(script: Vec<Say>) -> Server {
        let script = Mutex::new(VecDeque::from(script));
        Server::answering(move |_| {
            let mut script = script.lock().expect("nobody panicked");
            let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
            next.expect("a script has a step")
        })
    }

    /// Answers what a function makes of the request.
    pub(crate) fn answering(answer: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer): (_, Arc<Answer>) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer) = (kept.clone(), answer.clone());
                let stream = stream.expect("a connection");
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Server { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Asked>>, answer: &Answer) {
    let mut writer = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader) {
        let is_head = asked.line.starts_with("HEAD");
        kept.lock().expect("nobody panicked").push(asked.clone());
        match answer(&asked) {
            Say::Nothing => std::thread::sleep(Duration::from_secs(60)),
            Say::Half => {
                let _ = writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a\":");
                return;
            }
            Say::Answer(status, headers, body) => {
                let mut text = format!("HTTP/1.1 {status} Said\r\n");
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                let shown = if is_head { "" } else { body.as_str() };
                text.push_str(&format!("content-length: {}\r\n\r\n{shown}", body.len()));
                if writer.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let line = line.rsplit_once(' ').map_or(line.as_str(), |(asked, _)| asked).to_owned();
    let mut asked = Asked { line, headers: Vec::new(), body: String::new() };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).expect("bodies in tests are text");
    Some(asked)
}
