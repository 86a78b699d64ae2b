//! A server that costs little: HTTP/1.1 on one thread, which reads a request and writes an answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// From a request's `x-amz-target` and body to an answer in JSON.
pub type Answer = fn(&str, &[u8]) -> Vec<u8>;

/// A running server; it ends with the process.
pub struct Server {
    pub url: String,
    requests: Arc<AtomicU64>,
}

impl Server {
    pub fn start(answer: Answer) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("it can be polled");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(AtomicU64::new(0));
        let counted = requests.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            LocalSet::new().block_on(&runtime, async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    stream.set_nodelay(true).expect("a socket");
                    let counted = counted.clone();
                    tokio::task::spawn_local(async move {
                        // Whoever hangs up is done.
                        let _ = serve(stream, answer, &counted).await;
                    });
                }
            });
        });
        Server { url, requests }
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, answer: Answer, counted: &AtomicU64) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let (head, length) = loop {
            if let Some(found) = head_of(&buffer) {
                break found;
            }
            fill(&stream, &mut buffer).await?;
        };
        while buffer.len() < head + length {
            fill(&stream, &mut buffer).await?;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        let body = answer(target_of(&buffer[..head]), &buffer[head..head + length]);
        let mut out = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        out.extend_from_slice(&body);
        buffer.drain(..head + length);
        write(&stream, &out).await?;
    }
}

/// Where the body begins, and how long it is.
fn head_of(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let length = header(&buffer[..end], "content-length").and_then(|text| text.parse().ok());
    Some((end, length.unwrap_or(0)))
}

fn target_of(head: &[u8]) -> &str {
    header(head, "x-amz-target").unwrap_or_default()
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

async fn fill(stream: &TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 16 << 10];
    loop {
        match stream.try_read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer.extend_from_slice(&chunk[..read]);
                return Ok(());
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => stream.readable().await?,
            Err(e) => return Err(e),
        }
    }
}

async fn write(stream: &TcpStream, mut out: &[u8]) -> io::Result<()> {
    while !out.is_empty() {
        match stream.try_write(out) {
            Ok(written) => out = &out[written..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
