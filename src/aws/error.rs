//! What can go wrong with a call, as a value.

use std::fmt;
use std::time::Duration;

use super::services::Service;

/// Where a call went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The service answered with an error: its code and message are known.
    Service,
    /// No whole answer came: name resolution, connecting, a broken connection.
    Connection,
    /// No whole answer came within `request_timeout`, or no connection within `connect_timeout`.
    Timeout,
    /// There are no credentials or no region, or a role could not be assumed.
    Credentials,
    /// The answer was larger than `response_size_max`.
    Limit,
    /// The answer could not be read.
    Malformed,
    /// The parameters are none for this operation.
    Input,
    /// It was not tried: its target is down.
    Down,
}

/// A call that failed, after as many attempts as made sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where it went wrong.
    pub kind: ErrorKind,
    /// The service's id: `DynamoDB`
    pub service: &'static str,
    /// `PutItem`
    pub operation: String,
    /// The service's code (`ConditionalCheckFailedException`); empty where it did not answer.
    pub code: String,
    /// The service's message, or what went wrong and what to do.
    pub message: String,
    /// The status, where it answered.
    pub status: Option<u16>,
    /// The request's id, where it answered.
    pub request_id: String,
    /// S3's second id.
    pub extended_request_id: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How long to wait, where the service says so.
    pub retry_after: Option<Duration>,
    /// What the service answered, up to a bound; empty where it did not answer.
    pub body: String,
    /// There are credentials, but not for the role that the call asks for.
    pub is_about_role: bool,
    /// It may be otherwise a little later, whatever the kind.
    pub(super) is_passing: bool,
}

/// Codes that mean: too much at once. Limits of a resource that stay until somebody raises them are
/// not among them.
const THROTTLING: [&str; 12] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];
const EXPIRED: [&str; 4] =
    ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
const SKEWED: [&str; 3] =
    ["RequestTimeTooSkewed", "RequestInTheFuture", "InvalidSignatureException"];
const PASSING: [&str; 4] =
    ["InternalError", "InternalFailure", "RequestTimeout", "RequestTimeoutException"];

impl Error {
    /// An error before anything was answered.
    pub fn new(
        kind: ErrorKind,
        service: &Service,
        operation: &str,
        message: impl Into<String>,
    ) -> Error {
        Error {
            kind,
            service: service.id,
            operation: operation.to_owned(),
            code: String::new(),
            message: message.into(),
            status: None,
            request_id: String::new(),
            extended_request_id: String::new(),
            attempts: 1,
            retry_after: None,
            body: String::new(),
            is_about_role: false,
            is_passing: false,
        }
    }

    /// Did the service say that this was too much at once?
    pub fn is_throttling(&self) -> bool {
        self.kind == ErrorKind::Service
            && (self.status == Some(429)
                || self.code == "ThrottledException"
                || THROTTLING.contains(&self.code.as_str()))
    }

    /// Are the credentials too old?
    pub fn is_expired(&self) -> bool {
        self.kind == ErrorKind::Service && EXPIRED.contains(&self.code.as_str())
    }

    /// Does the service think that this machine's clock is wrong?
    pub(super) fn is_skewed(&self) -> bool {
        let is_about_time = self.code != "InvalidSignatureException"
            || self.message.contains("expired")
            || self.message.contains("not yet current");
        self.kind == ErrorKind::Service && SKEWED.contains(&self.code.as_str()) && is_about_time
    }

    /// Might the same call go well a little later?
    pub fn is_retriable(&self) -> bool {
        match self.kind {
            ErrorKind::Connection | ErrorKind::Timeout => true,
            ErrorKind::Service => {
                self.is_throttling()
                    || self.is_expired()
                    || self.is_skewed()
                    || PASSING.contains(&self.code.as_str())
                    || matches!(self.status, Some(500 | 502 | 503 | 504))
            }
            _ => self.is_passing,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { service, operation, code, message, .. } = self;
        write!(f, "{service} {operation}: ")?;
        if !code.is_empty() {
            write!(f, "{code}: ")?;
        }
        f.write_str(message)?;
        if let Some(status) = self.status {
            write!(f, " (status {status}, request {:?})", self.request_id)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
