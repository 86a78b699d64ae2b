//! The operator's HTTP endpoint: one thread of its own, apart from the shards, one file a resource.

mod answers;
mod approve;
mod livez;
mod metrics;
mod readyz;
mod refusal;
mod step_functions;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::MethodRouter;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use answers::Answers;

use crate::metrics::{Health, Metrics};

/// How long a stop waits for answers that are under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a request, beside twice an answer's own.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What the resources read.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the process works and may be given work.
    pub health: Health,
    /// Where tasks are answered from outside; without it they are not.
    pub answers: Option<Arc<Answers>>,
}

/// A resource.
#[derive(Debug)]
pub struct Route {
    /// Where it is.
    pub path: &'static str,
    /// What it answers, in a line.
    pub about: &'static str,
    handler: fn() -> MethodRouter<Shared>,
}

/// Every resource there is.
pub static ROUTES: &[Route] =
    &[approve::ROUTE, livez::ROUTE, metrics::ROUTE, readyz::ROUTE, step_functions::ROUTE];

/// The endpoint as it serves; stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the endpoint could not be started, and what to do.
#[derive(Debug)]
pub struct ApiError(String);

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ApiError {}

/// Starts to serve at `listen`; it listens once this returns.
pub fn start(listen: SocketAddr, shared: Shared) -> Result<Server, ApiError> {
    let unusable = |error: io::Error| ApiError(explain(listen, &error));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(unusable)?;
    let listener = runtime.block_on(TcpListener::bind(listen)).map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let (stop, stopped) = oneshot::channel();
    let serve = move || {
        runtime.block_on(serve(listener, router(shared), stopped));
        runtime.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("http".to_owned()).spawn(serve);
    let thread = thread.map_err(unusable)?;
    Ok(Server { address, stop: Some(stop), thread: Some(thread) })
}

impl Server {
    /// Where it listens; the port is a real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, and waits a moment for answers under way.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP endpoint's thread had panicked");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn router(shared: Shared) -> Router {
    let add = |router: Router<Shared>, route: &Route| router.route(route.path, (route.handler)());
    // An output is escaped once more within its request.
    let output_max = shared.answers.as_ref().map_or(0, |answers| answers.output_max);
    let body_max = output_max.saturating_mul(2).saturating_add(BODY_BYTES_MAX);
    ROUTES.iter().fold(Router::new(), add).layer(DefaultBodyLimit::max(body_max)).with_state(shared)
}

async fn serve(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let (draining, drain) = oneshot::channel();
    let stop = async {
        // The sender says nothing; that it is gone is the sign.
        let _ = stopped.await;
        let _ = draining.send(());
    };
    let deadline = async {
        let _ = drain.await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stop);
    tokio::select! {
        ended = served => {
            if let Err(error) = ended {
                tracing::error!(%error, "the HTTP endpoint has failed");
            }
        }
        () = deadline => {}
    }
}

/// What went wrong, and what to do.
fn explain(listen: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "Another process has the port: stop it, or set http.listen to a free one (or \"off\")."
        }
        io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: set http.listen to one it has (127.0.0.1:9644, say)."
        }
        io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need privileges: set http.listen to a higher one."
        }
        _ => "Set http.listen to another address, or to \"off\".",
    };
    format!("Could not serve HTTP at {listen}: {error}. {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use crate::metrics::PipelineNames;

    fn server() -> (Server, Health) {
        let pipelines =
            vec![PipelineNames { pipeline: "iot".to_owned(), plan: Default::default() }];
        let health = Health::default();
        let metrics = Arc::new(Metrics::new(pipelines));
        let shared = Shared { metrics, health: health.clone(), answers: None };
        let server = start(SocketAddr::from(([127, 0, 0, 1], 0)), shared);
        (server.expect("a free port can be listened on"), health)
    }

    fn get(server: &Server, path: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn every_route_answers() {
        let (server, _) = server();
        let is_there = |route: &&Route| route.path != approve::ROUTE.path;
        for route in ROUTES.iter().filter(is_there) {
            assert!(get(&server, route.path).starts_with("HTTP/1.1 200"), "{}", route.path);
        }
        assert!(get(&server, "/nothing").starts_with("HTTP/1.1 404"));
        assert!(get(&server, "/metrics").contains("expressway_record_latency_seconds_count"));
    }

    #[test]
    fn readiness_has_reasons() {
        let (server, health) = server();
        health.not_ready("iot", "its dead letters can't be written");
        let answer = get(&server, "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("iot: its dead letters can't be written"), "{answer}");
        health.ready("iot");
        assert!(get(&server, "/readyz").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn a_port_in_use_is_explained() {
        let (first, _) = server();
        let metrics = Arc::new(Metrics::new(Vec::new()));
        let shared = Shared { metrics, health: Health::default(), answers: None };
        let error = start(first.address(), shared).expect_err("the port is taken").to_string();
        assert!(error.contains("set http.listen to a free one"), "{error}");
    }

    #[test]
    fn a_stop_ends_it_even_while_a_client_dawdles() {
        let (server, _) = server();
        let address = server.address();
        let mut idle = TcpStream::connect(address).expect("it listens");
        idle.write_all(b"GET /met").expect("it takes half a request");
        let begun = std::time::Instant::now();
        server.stop();
        assert!(begun.elapsed() < STOP_TIMEOUT * 2);
        assert!(TcpStream::connect(address).is_err());
    }
}
