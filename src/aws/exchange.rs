//! One signed request out, one answer in, within limits.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningInstructions,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};

use super::protocol::{Reply, Request};
use super::services::{Protocol, Service};
use super::{OpenError, Settings};

/// Whom the signature names.
pub(super) struct Signer<'a> {
    /// `None`: nobody signs.
    pub(super) credentials: Option<Credentials>,
    pub(super) name: &'a str,
    pub(super) region: &'a str,
    pub(super) time: SystemTime,
    /// S3 has rules of its own.
    pub(super) is_s3: bool,
}

/// Why no whole answer came.
pub(super) enum Broken {
    /// It took too long, or there was no connection; what to tell.
    Timeout(String),
    Connection(String),
    /// The answer is too large.
    Limit,
    /// The request can't be one.
    Input(String),
}

/// A client with connections of its own. Redirects are answers: a signature holds for one host.
pub(super) fn open(settings: &Settings) -> Result<Client, OpenError> {
    let client = Client::builder()
        .user_agent(concat!("expressway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.request_timeout)
        .pool_max_idle_per_host(settings.idle_connections_max)
        .pool_idle_timeout(settings.idle_timeout)
        .redirect(Policy::none())
        .referer(false)
        .build();
    client.map_err(|error| OpenError {
        message: format!(
            "there is no HTTP client for AWS: {}. Check the system's certificates.",
            reason(&error)
        ),
    })
}

/// Signs a request and makes it one of the client's.
pub(super) fn prepare(
    request: &Request,
    url: Url,
    signer: &Signer<'_>,
) -> Result<reqwest::Request, String> {
    let added = match &signer.credentials {
        Some(credentials) => Some(signature(request, &url, signer, credentials)?),
        None => None,
    };
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|e| e.to_string())?;
    let mut made = reqwest::Request::new(method, url);
    let given = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str(), false));
    let added = added.iter().flat_map(SigningInstructions::headers);
    let added = added.map(|(name, value)| (name, value, true));
    for (name, value, is_secret) in given.chain(added) {
        let header = HeaderName::from_bytes(name.as_bytes());
        let header = header.map_err(|_| format!("{name:?} is no header's name"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of {name:?} can't be a header"))?;
        value.set_sensitive(is_secret);
        made.headers_mut().insert(header, value);
    }
    *made.body_mut() = Some(request.body.clone().into());
    Ok(made)
}

/// The headers that a signature consists of.
fn signature(
    request: &Request,
    url: &Url,
    signer: &Signer<'_>,
    credentials: &Credentials,
) -> Result<SigningInstructions, String> {
    let mut settings = SigningSettings::default();
    if signer.is_s3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(signer.region)
        .name(signer.name)
        .time(signer.time)
        .settings(settings)
        .build()
        .map_err(|e| e.to_string())?;
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(request.method, url.as_str(), headers, body);
    let signed = signable.and_then(|signable| sign(signable, &params.into()));
    let (instructions, _) = signed.map_err(|e| e.to_string())?.into_parts();
    Ok(instructions)
}

/// What signatures of a service name.
pub(super) fn is_s3(service: &Service) -> bool {
    service.protocol == Protocol::RestXml && service.id == "S3"
}

/// Sends a request and reads the answer.
pub(super) async fn send(
    client: &Client,
    request: reqwest::Request,
    bytes_max: usize,
) -> Result<Reply, Broken> {
    let mut response = client.execute(request).await.map_err(broken)?;
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Broken::Limit);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body })
}

fn broken(error: reqwest::Error) -> Broken {
    if error.is_timeout() {
        let what = if error.is_connect() { "connecting" } else { "the request" };
        return Broken::Timeout(format!("{what} took too long"));
    }
    if error.is_builder() {
        return Broken::Input(reason(&error.without_url()));
    }
    Broken::Connection(reason(&error.without_url()))
}

/// All that an error says, from the outermost to its root.
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// How far this machine's clock is behind the answer's, in seconds; negative where it is ahead.
pub(super) fn skew_of(reply: &Reply, now: SystemTime) -> Option<i64> {
    use aws_smithy_types::{DateTime, date_time::Format};
    let date = reply.headers.get("date")?.to_str().ok()?;
    let there = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    Some(there - DateTime::from(now).secs())
}

/// A time that lies so many seconds ahead.
pub(super) fn shifted(time: SystemTime, seconds: i64) -> SystemTime {
    let span = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 { time.checked_sub(span) } else { time.checked_add(span) };
    moved.unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(method: &'static str, url: &str, token: Option<&str>, signature: &str) {
        let url = Url::parse(url).expect("a URL");
        let request = Request { method, ..Request::default() };
        let token = token.map(str::to_owned);
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let signer = Signer {
            credentials: Some(Credentials::new("AKIDEXAMPLE", secret, token, None, "test")),
            name: "service",
            region: "us-east-1",
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160),
            is_s3: false,
        };
        let made = prepare(&request, url, &signer).expect("it is signed");
        let header = made.headers()["authorization"].to_str().expect("text").to_owned();
        assert!(header.ends_with(&format!("Signature={signature}")), "{header}");
        assert!(made.headers()["authorization"].is_sensitive());
        let shown = format!("{made:?}");
        assert!(!shown.contains(secret) && !shown.contains(signature), "{shown}");
    }

    /// From AWS's own test suite of Signature Version 4.
    #[test]
    fn signatures_are_those_of_awss_suite() {
        let plain = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        signs("GET", "https://example.amazonaws.com/", None, plain);
        let posted = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        signs("POST", "https://example.amazonaws.com/", None, posted);
        let query = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        let url = "https://example.amazonaws.com/?Param2=value2&Param1=value1";
        signs("GET", url, None, query);
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let session = "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8";
        signs("GET", "https://example.amazonaws.com/", Some(token), session);
    }

    #[test]
    fn clocks_are_compared() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let mut reply = Reply { status: 403, headers: Default::default(), body: Vec::new() };
        let date = HeaderValue::from_static("Sun, 30 Aug 2015 12:26:00 GMT");
        reply.headers.insert("date", date);
        assert_eq!(skew_of(&reply, now), Some(-600));
        assert_eq!(shifted(now, -600), now - Duration::from_secs(600));
    }
}
