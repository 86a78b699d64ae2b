//! `arn:aws:states:::http:invoke`: calls an HTTP endpoint, with the fields, results and error names
//! of the service's HTTP Task.
//!
//! ```json
//! {"ApiEndpoint": "https://api.example.com/v1/orders", "Method": "POST",
//!  "InvocationConfig": {"ConnectionArn": "billing"}, "Headers": {"X-Trace": "abc"},
//!  "QueryParameters": {"dry": true}, "RequestBody": {"id": 4711}}
//! ```
//!
//! The result is `{"Headers", "ResponseBody", "StatusCode", "StatusText"}`. Errors:
//! * `States.Http.StatusCode.nnn` for an answer other than 2xx, its body as the cause
//! * `States.Http.Socket` where no whole answer came: connecting, name resolution, time limit
//! * `Target.Down` where its target is down and calls are not to wait for it
//! * `States.DataLimitExceeded` for an answer above the size limit
//! * `States.Runtime` for arguments that can't be used and answers that are no text
//!
//! Other than there, unless the definition is to be strict: a connection is not required, plain `http`
//! is allowed, only headers that the client itself writes are refused. Limits are settings. Redirects are followed on the same host
//! only, so that no secret reaches another; elsewhere the 3xx is the answer.

mod caller;
mod client;
mod encoding;
mod guard;
mod oauth;
mod request;
mod response;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use self::caller::{Caller, Job};
use self::client::Exchange;
pub use self::oauth::OAuth;
use super::arguments::Arguments;
use super::line::{Line, Work};
use super::{Call, CallId, Driver, Integration, OpenError, Place, Take};
use crate::asl::resource::{Pattern, Resource};
use crate::fault::StateError;
use crate::targets::Held;

/// What `http:invoke` needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a call may take, connecting included, waiting for its turn not.
    pub request_timeout: Duration,
    /// Calls of one shard under way at the same time; more wait.
    pub calls_max: usize,
    /// Idle connections kept for each host.
    pub idle_connections_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Largest answer read, in bytes.
    pub response_bytes_max: usize,
    /// Redirects followed, on the same host.
    pub redirects_max: usize,
    /// The only hosts that are called, `*.example.com` or whole; all where none is named.
    pub hosts: Vec<String>,
    /// As AWS has it: `https` only, a connection always, and fewer headers.
    pub is_strict: bool,
    /// What to send along, by the `ConnectionArn` that a task names.
    pub connections: BTreeMap<String, Connection>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            calls_max: 256,
            idle_connections_max: 256,
            idle_timeout: Duration::from_secs(30),
            response_bytes_max: 256 << 10,
            redirects_max: 10,
            hosts: Vec::new(),
            is_strict: false,
            connections: BTreeMap::new(),
        }
    }
}

/// What is sent along with every call that names this connection; it wins over the call's own.
#[derive(Clone, Default)]
pub struct Connection {
    /// Headers: an API key, say.
    pub headers: Vec<(String, String)>,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// User and password of basic authentication.
    pub basic: Option<(String, String)>,
    /// How it gets tokens.
    pub oauth: Option<OAuth>,
    /// The certificate and key to show, and the authorities to trust besides the system's, in PEM.
    pub tls: Tls,
}

/// Certificates in PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// The client's own, and the chain above it.
    pub certificate: Option<String>,
    /// The key that belongs to it.
    pub key: Option<String>,
    /// Authorities to trust.
    pub authorities: Option<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values are secrets.
        f.write_str("Connection")
    }
}

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| {
        resource.is_integration("http", "invoke") && resource.pattern() == Pattern::RequestResponse
    },
    lacks: |_| None,
    open: |settings, place| Ok(Box::new(Invoke::open(settings.http.clone(), place)?)),
};

/// What came of a call, not yet rendered.
type Outcome = Result<Exchange, StateError>;

/// One shard's client.
struct Invoke {
    line: Line<Job, Outcome>,
    arguments: Arguments,
    answer: Vec<u8>,
}

impl Invoke {
    fn open(settings: Settings, place: &Place) -> Result<Invoke, OpenError> {
        let (held, calls_max) = (Held::default(), settings.calls_max);
        let caller = Rc::new(Caller::open(settings, place.targets.clone(), held.clone())?);
        let work = move |job| -> Work<Outcome> {
            let caller = caller.clone();
            Box::pin(async move { caller.call(job).await })
        };
        let line = Line::new(place, held, calls_max, work);
        Ok(Invoke { line, arguments: Arguments::new(), answer: Vec::new() })
    }
}

impl Driver for Invoke {
    fn call(&mut self, call: &Call<'_>, _: &Resource) {
        self.line.join(call.id, Job { arguments: call.arguments.into(), whose: call.whose() });
    }

    fn poll(&mut self, take: &mut Take<'_>) {
        while let Some((id, outcome)) = self.line.next() {
            let rendered = outcome.and_then(|exchange| {
                response::render(&exchange, &mut self.arguments, &mut self.answer)
            });
            match rendered {
                Ok(()) => take(id, Ok(&self.answer)),
                Err(error) => take(id, Err(error)),
            }
        }
    }

    fn cancel(&mut self, id: CallId) {
        self.line.cancel(id);
    }

    fn is_due(&self) -> bool {
        self.line.is_due()
    }

    fn held(&self) -> Option<&Held> {
        Some(self.line.held())
    }

    fn waiting(&self) -> usize {
        self.line.waiting()
    }

    fn in_flight(&self) -> usize {
        self.line.len()
    }
}

#[cfg(test)]
mod tests;
