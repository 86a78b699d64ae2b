//! The exchange itself: one request out, one answer in, within limits.

use std::collections::BTreeMap;
use std::error::Error as _;

use reqwest::header::HeaderMap;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Identity, Method, Request, StatusCode, Url};
use tokio::time::timeout;

use super::guard::Guard;
use super::oauth::{self, OAuth, Token};
use super::request::Prepared;
use super::{Settings, Tls};
use crate::fault::{StateError, names};
use crate::tasks::OpenError;

/// No whole answer came.
pub(super) const SOCKET: &str = "States.Http.Socket";

/// What to do about certificates that are refused, by what the TLS library and the alerts of servers
/// call it.
const ADVICE: [(&str, &str); 4] = [
    ("UnknownIssuer", "name who vouches for the server in authorities of the connection"),
    ("CertificateRequired", "the server asks for certificate and key of the connection"),
    ("UnknownCA", "the server does not trust who vouches for certificate of the connection"),
    ("BadCertificate", "the server does not take certificate of the connection"),
];

const USER_AGENT: &str = concat!("expressway/", env!("CARGO_PKG_VERSION"));

/// A request and its answer.
pub(super) struct Exchange {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Exchange {
    /// What was asked of whom.
    pub(super) fn asked(&self) -> String {
        format!("{} {}", self.method, place_of(&self.url))
    }

    async fn run(
        &mut self,
        client: &Client,
        request: Request,
        settings: &Settings,
    ) -> Result<(), StateError> {
        let answered = client.execute(request).await;
        let mut response = answered.map_err(|error| self.broken(error))?;
        self.status = response.status();
        self.headers = std::mem::take(response.headers_mut());
        if self.url != *response.url() {
            self.url = response.url().clone();
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            let room = settings.response_bytes_max.saturating_sub(self.body.len());
            if chunk.len() > room && self.status.is_success() {
                let cause = format!(
                    "{} answered with more than {} bytes (http.response_size_max).",
                    self.asked(),
                    settings.response_bytes_max
                );
                return Err(StateError::new(names::DATA_LIMIT_EXCEEDED, cause));
            }
            self.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                // Enough for a cause.
                break;
            }
        }
        Ok(())
    }

    #[cold]
    fn broken(&mut self, error: reqwest::Error) -> StateError {
        if let Some(url) = error.url() {
            self.url = url.clone();
        }
        let why = reason(&error.without_url());
        let advice = ADVICE.iter().find(|(what, _)| why.contains(what));
        let advice = advice.map(|(_, advice)| format!(": {advice}")).unwrap_or_default();
        self.no_answer(&why, &advice)
    }

    #[cold]
    fn no_answer(&self, why: &str, advice: &str) -> StateError {
        StateError::new(SOCKET, format!("{} got no answer: {why}{advice}.", self.asked()))
    }
}

/// Why there is no answer.
pub(super) enum Failure {
    /// The API gave none.
    Call(StateError),
    /// It was not asked: no token could be had.
    Token(StateError),
}

impl From<Failure> for StateError {
    fn from(failure: Failure) -> StateError {
        match failure {
            Failure::Call(error) | Failure::Token(error) => error,
        }
    }
}

/// The clients of one shard, and the tokens of its connections.
pub(super) struct Clients {
    plain: Client,
    /// Those that show a certificate or trust others, by the connection.
    special: BTreeMap<String, Client>,
    tokens: BTreeMap<String, Token>,
}

impl Clients {
    /// Opens them.
    pub(super) fn open(settings: &Settings, guard: &Guard) -> Result<Clients, OpenError> {
        let mut clients = Clients {
            plain: open(settings, guard, &Tls::default())?,
            special: BTreeMap::new(),
            tokens: BTreeMap::new(),
        };
        for (name, connection) in &settings.connections {
            let Tls { certificate, authorities, .. } = &connection.tls;
            if certificate.is_some() || authorities.is_some() {
                let client = open(settings, guard, &connection.tls).map_err(|e| OpenError {
                    message: format!("http.connections {name:?}: {}", e.message),
                })?;
                clients.special.insert(name.clone(), client);
            }
            if connection.oauth.is_some() {
                clients.tokens.insert(name.clone(), Token::default());
            }
        }
        Ok(clients)
    }

    /// Sends a call as its connection has it, with a token where that needs one.
    pub(super) async fn exchange(
        &self,
        Prepared { request, connection }: Prepared,
        settings: &Settings,
    ) -> Result<Exchange, Failure> {
        let name = connection.as_deref().unwrap_or_default();
        let client = self.special.get(name).unwrap_or(&self.plain);
        let oauth = settings.connections.get(name).and_then(|it| it.oauth.as_ref());
        match oauth.zip(self.tokens.get(name)) {
            // In a box: its parts would take room in the future of every call.
            Some(token) => Box::pin(with_token(client, request, token, settings)).await,
            None => exchange(client, request, settings).await.map_err(Failure::Call),
        }
    }
}

async fn with_token(
    client: &Client,
    mut request: Request,
    (oauth, token): (&OAuth, &Token),
    settings: &Settings,
) -> Result<Exchange, Failure> {
    let call = |request| async { exchange(client, request, settings).await.map_err(Failure::Call) };
    let header = || async { token.header(client, oauth, settings).await.map_err(Failure::Token) };
    let again = request.try_clone();
    let (taken, is_held) = header().await?;
    oauth::authorize(&mut request, taken.clone());
    let answer = call(request).await?;
    // A token that was taken before may have been withdrawn.
    let (true, StatusCode::UNAUTHORIZED, Some(mut request)) = (is_held, answer.status, again)
    else {
        return Ok(answer);
    };
    token.forget(&taken).await;
    let (fresh, _) = header().await?;
    oauth::authorize(&mut request, fresh);
    call(request).await
}

/// A client with its own connections. HTTP/2 is used where the server offers it.
fn open(settings: &Settings, guard: &Guard, tls: &Tls) -> Result<Client, OpenError> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(settings.connect_timeout)
        .pool_max_idle_per_host(settings.idle_connections_max)
        .pool_idle_timeout(settings.idle_timeout)
        .redirect(redirects(settings.redirects_max))
        .dns_resolver(guard.clone())
        .referer(false);
    let failed = |what: &str, error: &reqwest::Error| OpenError {
        message: format!("http:invoke has no HTTP client: {what}{}.", reason(error)),
    };
    if let Some(certificate) = &tls.certificate {
        let pem = format!("{certificate}\n{}", tls.key.as_deref().unwrap_or_default());
        let identity = Identity::from_pem(pem.as_bytes())
            .map_err(|e| failed("certificate and key are no pair in PEM: ", &e))?;
        builder = builder.identity(identity);
    }
    if let Some(authorities) = &tls.authorities {
        let found = Certificate::from_pem_bundle(authorities.as_bytes())
            .map_err(|e| failed("authorities are no certificates in PEM: ", &e))?;
        builder = builder.tls_certs_merge(found);
    }
    builder.build().map_err(|e| failed("check the system's certificates: ", &e))
}

/// On the same host only, and never from `https` down to `http`.
fn redirects(most: usize) -> Policy {
    Policy::custom(move |attempt: Attempt<'_>| {
        let previous = attempt.previous();
        let stays = previous.first().is_some_and(|from| is_same_host(from, attempt.url()));
        if stays && previous.len() <= most { attempt.follow() } else { attempt.stop() }
    })
}

fn is_same_host(from: &Url, to: &Url) -> bool {
    let is_raised = from.scheme() == "http" && to.scheme() == "https";
    let is_same_port = from.port_or_known_default() == to.port_or_known_default();
    from.host() == to.host() && (is_raised || from.scheme() == to.scheme() && is_same_port)
}

/// Sends the request and reads the answer, within the time that a call may take. (The client's own limit
/// would take a timer on the heap for each request, and another for its answer's body.)
pub(super) async fn exchange(
    client: &Client,
    request: Request,
    settings: &Settings,
) -> Result<Exchange, StateError> {
    let (method, url) = (request.method().clone(), request.url().clone());
    let mut exchange = Exchange {
        method,
        url,
        status: StatusCode::default(),
        headers: HeaderMap::default(),
        body: Vec::new(),
    };
    let answered = exchange.run(client, request, settings);
    let outcome = match timeout(settings.request_timeout, answered).await {
        Ok(outcome) => outcome,
        Err(_) => Err(exchange.no_answer("it took longer than http.request_timeout", "")),
    };
    outcome.map(|()| exchange)
}

/// A URL without its query, which may hold secrets.
pub(super) fn place_of(url: &Url) -> String {
    let (scheme, host, path) = (url.scheme(), url.host_str().unwrap_or_default(), url.path());
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{host}{port}{path}")
}

/// All that an error says, from the outermost to its root.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() && error.is_connect() {
        return "connecting took longer than http.connect_timeout".to_owned();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
