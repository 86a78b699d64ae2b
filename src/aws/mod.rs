//! The generic AWS client: any operation of the services in `models/`, by name, with members as a
//! state machine has them.
//!
//! ```text
//! Call, members -> protocol::request -> endpoint -> credentials, signature -> exchange
//!   -> Reply -> protocol::answer or Error, retried with back-off where that may help
//! ```
//!
//! A client has connections, credentials and a bound of its own: one for each shard. It is cheap to
//! clone, and a call is a future that may be dropped.

mod attempt;
mod connector;
mod credentials;
mod endpoint;
mod error;
mod exchange;
mod members;
#[cfg(feature = "msk-iam")]
mod msk;
mod protocol;
mod retry;
mod roles;
#[cfg(test)]
pub(crate) mod scripted;
mod services;
pub mod sqs;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

pub use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde_json::Value as Json;
use tokio::sync::Semaphore;

pub use error::{Error, ErrorKind};
#[cfg(feature = "msk-iam")]
pub use msk::{Token, msk_token};
pub use protocol::{Reply, Request, request_id, status_text};
pub use services::{Protocol, Service};

use self::attempt::endpoint_variable;
use self::credentials::Chain;
use crate::targets::{Held, Targets};

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region; otherwise the environment's or the profile's.
    pub region: Option<String>,
    /// Who calls; otherwise the standard chain says.
    pub credentials: Option<SharedCredentialsProvider>,
    /// Where calls go, for all services.
    pub endpoint: Endpoint,
    /// Where calls go, by the service's name as `aws-sdk:` resources have it.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The session's name in roles that are assumed.
    pub role_session_name: String,
    /// Roles whose credentials are kept; which ones there are may come from events.
    pub roles_max: usize,
    /// S3's buckets are always in the path; with endpoints that were set they are anyway.
    pub s3_path_style: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an attempt may take, connecting included, waiting for its turn not.
    pub request_timeout: Duration,
    /// Calls under way at the same time; more wait.
    pub calls_max: usize,
    /// Idle connections kept for each host.
    pub idle_connections_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Largest answer read, in bytes.
    pub response_bytes_max: usize,
    /// How often a call is tried, the first time included.
    pub attempts_max: u32,
    /// The longest pause before the second attempt; it doubles from one to the next.
    pub backoff: Duration,
    /// The longest pause at all.
    pub backoff_max: Duration,
}

/// Where calls go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// Where the environment says (`AWS_ENDPOINT_URL`), or the service's own.
    #[default]
    Default,
    /// The service's own endpoint in the region.
    Aws,
    /// An emulator, a VPC's endpoint.
    Url(String),
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            region: None,
            credentials: None,
            endpoint: Endpoint::Default,
            endpoints: BTreeMap::new(),
            role_session_name: "expressway".to_owned(),
            roles_max: 1_000,
            s3_path_style: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            calls_max: 256,
            idle_connections_max: 256,
            idle_timeout: Duration::from_secs(30),
            response_bytes_max: 8 << 20,
            attempts_max: 4,
            backoff: Duration::from_millis(200),
            backoff_max: Duration::from_secs(20),
        }
    }
}

impl Settings {
    /// With these keys rather than those of the chain.
    pub fn with_keys(mut self, key_id: &str, secret: &str) -> Settings {
        let keys = Credentials::new(key_id, secret, None, None, "settings");
        self.credentials = Some(SharedCredentialsProvider::new(keys));
        self
    }
}

/// Why there is no client, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// What was attempted, on what, and what to do.
    pub message: String,
}

/// What is called, and where.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The service.
    pub service: &'static Service,
    /// The operation: `PutItem`
    pub operation: &'a str,
    /// Where it goes, if not where the settings say.
    pub endpoint: Option<&'a Endpoint>,
    /// The region, if not the client's.
    pub region: Option<&'a str>,
    /// The ARN of a role to assume for it.
    pub role: Option<&'a str>,
    /// It goes out as it is, with nobody's signature.
    pub is_anonymous: bool,
    /// Largest answer read, in bytes, if not the settings'; and the name of what sets it.
    pub response_bytes_max: Option<(usize, &'static str)>,
    /// Told where the call waits because its target is down.
    pub held: Option<&'a Held>,
    /// Who calls, as far as targets tell callers apart.
    pub caller: u64,
}

impl<'a> Call<'a> {
    /// A call that goes where the settings say.
    pub fn new(service: &'static Service, operation: &'a str) -> Call<'a> {
        Call {
            service,
            operation,
            endpoint: None,
            region: None,
            role: None,
            is_anonymous: false,
            response_bytes_max: None,
            held: None,
            caller: 0,
        }
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, self.service, self.operation, message)
    }
}

/// The answer to a call that went well.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its members, as a state machine sees them.
    pub members: Json,
    /// How it came.
    pub reply: Reply,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
    http: reqwest::Client,
    chain: Chain,
    turns: Semaphore,
    targets: Targets,
    /// Seconds that this machine's clock is behind the services'.
    skew: AtomicI64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("aws::Client")
    }
}

impl Client {
    /// A client; who calls, and where, is found out at its first call.
    pub fn open(settings: Settings) -> Result<Client, OpenError> {
        Client::open_among(settings, Targets::default())
    }

    /// A client whose attempts are held to what these targets are held to.
    pub fn open_among(settings: Settings, targets: Targets) -> Result<Client, OpenError> {
        let http = exchange::open(&settings)?;
        let (given, region) = (settings.credentials.clone(), settings.region.clone());
        let chain = Chain::new(given, region, http.clone(), settings.roles_max);
        let turns = Semaphore::new(settings.calls_max.clamp(1, Semaphore::MAX_PERMITS));
        let skew = AtomicI64::new(0);
        Ok(Client(Arc::new(Inner { settings, http, chain, turns, targets, skew })))
    }

    /// Is it set where this service's calls go?
    pub fn has_endpoint(&self, service: &Service) -> bool {
        let Settings { endpoint, endpoints, .. } = &self.0.settings;
        let set = endpoints.get(&service.name()).unwrap_or(endpoint);
        *set != Endpoint::Default || endpoint_variable(service).is_some()
    }

    /// Calls an operation with these members, and gives the answer as it came.
    pub async fn fetch(&self, call: &Call<'_>, members: &Json) -> Result<Reply, Error> {
        let request = protocol::request(call.service, call.operation, members)
            .map_err(|why| call.error(ErrorKind::Input, why))?;
        self.send(call, request).await
    }

    /// Calls an operation with these members.
    pub async fn call(&self, call: &Call<'_>, members: &Json) -> Result<Answer, Error> {
        let reply = self.fetch(call, members).await?;
        let read = protocol::answer(call.service, call.operation, &reply);
        let members = read.map_err(|why| unreadable(call, &reply, &why))?;
        Ok(Answer { members, reply })
    }
}

fn unreadable(call: &Call<'_>, reply: &Reply, why: &str) -> Error {
    let mut error = call.error(ErrorKind::Malformed, format!("the answer can't be read: {why}"));
    error.status = Some(reply.status);
    error.request_id = request_id(&reply.headers).unwrap_or_default();
    error
}

#[cfg(test)]
mod tests;
