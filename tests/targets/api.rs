//! A real HTTP server that can go away and come back, counts what it is asked, and throttles.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How it behaves.
#[derive(Clone, Copy, Default)]
pub struct Conduct {
    /// How long an answer takes.
    pub takes: Duration,
    /// It goes away with its so many-th request.
    pub goes_away_at: Option<u64>,
    /// Requests in a second above which it answers 429.
    pub per_second: Option<u64>,
}

/// The server.
pub struct Api {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    conduct: Conduct,
    is_away: AtomicBool,
    is_over: AtomicBool,
    connections: AtomicU64,
    requests: AtomicU64,
    throttled: AtomicU64,
    under_way: AtomicU64,
    most: AtomicU64,
    second: Mutex<(Option<Instant>, u64)>,
    streams: Mutex<Vec<TcpStream>>,
}

impl Api {
    pub fn start(conduct: Conduct) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared { conduct, ..Shared::default() });
        let its = shared.clone();
        std::thread::spawn(move || its.listen(listener, port));
        Api { port, shared }
    }

    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn throttled(&self) -> u64 {
        self.shared.throttled.load(Ordering::SeqCst)
    }

    /// The most requests that were under way together.
    pub fn most(&self) -> u64 {
        self.shared.most.load(Ordering::SeqCst)
    }

    pub fn is_away(&self) -> bool {
        self.shared.is_away.load(Ordering::SeqCst)
    }

    pub fn come_back(&self) {
        self.shared.is_away.store(false, Ordering::SeqCst);
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn listen(self: Arc<Shared>, first: TcpListener, port: u16) {
        let mut listener = Some(first);
        while !self.is_over.load(Ordering::SeqCst) {
            let is_away = self.is_away.load(Ordering::SeqCst);
            if is_away && listener.take().is_some() {
                let streams = std::mem::take(&mut *self.streams.lock().expect("nobody panicked"));
                streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
            }
            if !is_away && listener.is_none() {
                listener = TcpListener::bind(("127.0.0.1", port)).ok();
            }
            let accepted = listener.as_ref().and_then(|listener| {
                listener.set_nonblocking(true).expect("it can be asked");
                listener.accept().ok()
            });
            let Some((stream, _)) = accepted else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            stream.set_nonblocking(false).expect("it can be read");
            self.connections.fetch_add(1, Ordering::SeqCst);
            let kept = stream.try_clone().expect("a second handle");
            self.streams.lock().expect("nobody panicked").push(kept);
            let its = self.clone();
            std::thread::spawn(move || its.serve(stream));
        }
    }

    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().expect("a second handle");
        let mut reader = BufReader::new(stream);
        while read(&mut reader).is_some() {
            let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            if self.conduct.goes_away_at == Some(number) {
                self.is_away.store(true, Ordering::SeqCst);
            }
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(self.conduct.takes);
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            let status = if self.is_too_much() { "429 Too Many Requests" } else { "200 OK" };
            let text = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            if self.is_away.load(Ordering::SeqCst) || writer.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn is_too_much(&self) -> bool {
        let Some(limit) = self.conduct.per_second else { return false };
        let mut second = self.second.lock().expect("nobody panicked");
        if second.0.is_none_or(|since| since.elapsed() >= Duration::from_secs(1)) {
            *second = (Some(Instant::now()), 0);
        }
        second.1 += 1;
        let is_too_much = second.1 > limit;
        self.throttled.fetch_add(u64::from(is_too_much), Ordering::SeqCst);
        is_too_much
    }
}

/// One request; `None` where the connection is over.
fn read(reader: &mut BufReader<TcpStream>) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().expect("a number");
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()
}
