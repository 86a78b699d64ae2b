//! A task's arguments as a request.

use reqwest::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use reqwest::{Method, Request, Url};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::encoding::{ArrayFormat, form, pairs};
use super::guard::Guard;
use super::{Connection, Settings};
use crate::fault::StateError;
use crate::tasks::arguments::{Arguments, bad, items, text};
use crate::value::{Kind, Scratch, Value};

const FIELDS: [&str; 8] = [
    "ApiEndpoint",
    "Method",
    "Headers",
    "QueryParameters",
    "RequestBody",
    "Transform",
    "Authentication",
    "InvocationConfig",
];

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::HEAD,
];

/// Headers that describe the connection or the body's frame, which the client writes itself.
const OWN_HEADERS: [HeaderName; 8] =
    [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TE, TRAILER, UPGRADE, EXPECT];

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Headers that AWS's HTTP Task refuses beyond those, besides what starts with `X-Amz` and
/// `X-Forwarded`.
const STRICT_HEADERS: [&str; 30] = [
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "cache-control",
    "content-encoding",
    "content-md5",
    "date",
    "forwarded",
    "from",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "proxy-authenticate",
    "range",
    "referer",
    "server",
    "set-cookie",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
];

/// A request, and the connection that it names.
pub(super) struct Prepared {
    pub(super) request: Request,
    pub(super) connection: Option<String>,
}

/// What requests are made with.
pub(super) struct Builder {
    arguments: Arguments,
    /// The endpoint of the request before, as it was spelled and as it was read: most go to one.
    endpoint: Option<(String, Url)>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder { arguments: Arguments::new(), endpoint: None }
    }

    /// Reads an endpoint.
    fn url(&mut self, endpoint: Option<Value>) -> Result<Url, StateError> {
        let endpoint = self.arguments.string("ApiEndpoint", endpoint)?;
        if let Some((known, url)) = &self.endpoint
            && *known == endpoint
        {
            return Ok(url.clone());
        }
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let Some(url) = Url::parse(&endpoint).ok().filter(is_web) else {
            return Err(bad(format!("\"ApiEndpoint\" {endpoint:?} is no http or https URL")));
        };
        self.endpoint = Some((endpoint.into_owned(), url.clone()));
        Ok(url)
    }
}

/// Reads the arguments and makes the request of them.
pub(super) fn build(
    builder: &mut Builder,
    json: &[u8],
    settings: &Settings,
    guard: &Guard,
) -> Result<Prepared, StateError> {
    builder.arguments.read(json)?;
    let [endpoint, method, headers, query, body, transform, authentication, configuration] =
        builder.arguments.fields(&FIELDS)?;
    let url = builder.url(endpoint)?;
    let arguments = &builder.arguments;
    let named = [configuration, authentication].map(|it| arguments.within(it, "ConnectionArn"));
    let (name, connection) = connection_of(arguments, named, settings)?.unzip();
    let url = with_query(url, arguments, query, connection)?;
    let refused = |why: String| bad(format!("\"ApiEndpoint\" {:?} {why}", url.host_str()));
    guard.check(&url).map_err(refused)?;
    if settings.is_strict && (url.scheme() != "https" || connection.is_none()) {
        let why = "strict_aws takes https with a connection (InvocationConfig) only";
        return Err(bad(why.to_owned()));
    }
    let mut request = Request::new(method_of(arguments, method)?, url);
    headers_of(arguments, headers, request.headers_mut(), settings.is_strict)?;
    if let Some(body) = body {
        let (body, content_type) = body_of(arguments, body, transform)?;
        request.headers_mut().entry(CONTENT_TYPE).or_insert(content_type);
        *request.body_mut() = Some(body.into());
    }
    if let Some(connection) = connection {
        authorize(connection, request.headers_mut())?;
    }
    Ok(Prepared { request, connection: name })
}

fn method_of(arguments: &Arguments, method: Option<Value>) -> Result<Method, StateError> {
    let name = arguments.string("Method", method)?;
    let method = METHODS.into_iter().find(|method| method.as_str() == name);
    method.ok_or_else(|| {
        let known: Vec<_> = METHODS.iter().map(Method::as_str).collect();
        bad(format!("\"Method\" {name:?} is none of {}", known.join(", ")))
    })
}

/// The connection that is named first.
fn connection_of<'a>(
    arguments: &Arguments,
    named: [Option<Value>; 2],
    settings: &'a Settings,
) -> Result<Option<(String, &'a Connection)>, StateError> {
    let Some(named) = named.into_iter().flatten().next() else { return Ok(None) };
    let name = arguments.text(named);
    let found = settings.connections.get(name.as_ref());
    found.map(|found| Some((name.clone().into_owned(), found))).ok_or_else(|| {
        bad(format!("\"ConnectionArn\" {name:?} is none of the connections in http.connections"))
    })
}

fn with_query(
    mut url: Url,
    arguments: &Arguments,
    parameters: Option<Value>,
    connection: Option<&Connection>,
) -> Result<Url, StateError> {
    if parameters.is_some_and(|value| value.kind() != Kind::Object) {
        return Err(bad("\"QueryParameters\" must be an object".to_owned()));
    }
    if parameters.is_none() && connection.is_none_or(|it| it.query.is_empty()) {
        return Ok(url);
    }
    let mut query: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let untouched = query.len();
    if let Some(object) = parameters {
        query.extend(pairs(arguments.scratch(), object, ArrayFormat::Repeat));
    }
    if let Some(connection) = connection {
        let is_covered = |name: &str| connection.query.iter().any(|(secret, _)| secret == name);
        query.retain(|(name, _)| !is_covered(name));
        query.extend(connection.query.iter().cloned());
    }
    // The endpoint's own query keeps its spelling unless something changes it.
    if query.len() != untouched || connection.is_some_and(|it| !it.query.is_empty()) {
        url.set_query(Some(&form(&query)));
    }
    Ok(url)
}

/// A list is one header with commas between.
fn headers_of(
    arguments: &Arguments,
    named: Option<Value>,
    headers: &mut HeaderMap,
    is_strict: bool,
) -> Result<(), StateError> {
    for (name, value) in arguments.members("Headers", named)? {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(format!("{name:?} is no header's name")))?;
        if OWN_HEADERS.contains(&header) {
            return Err(bad(format!("header {name:?} is written by the client itself")));
        }
        if is_strict && is_refused_by_aws(header.as_str()) {
            return Err(bad(format!("header {name:?} is none that AWS's HTTP Task takes")));
        }
        let plain = header_text(arguments.scratch(), value);
        let value = HeaderValue::from_str(&plain)
            .map_err(|_| bad(format!("the value of header {name:?} has control characters")))?;
        headers.insert(header, value);
    }
    Ok(())
}

fn is_refused_by_aws(name: &str) -> bool {
    let is_theirs = ["x-amz", "x-forwarded"].iter().any(|start| name.starts_with(start));
    is_theirs || name == AUTHORIZATION.as_str() || STRICT_HEADERS.contains(&name)
}

fn header_text(scratch: &Scratch, value: Value) -> String {
    match value.kind() {
        Kind::Array => {
            let parts: Vec<_> = items(scratch, value).iter().map(|it| text(scratch, *it)).collect();
            parts.join(",")
        }
        _ => text(scratch, value).into_owned(),
    }
}

fn body_of(
    arguments: &Arguments,
    body: Value,
    transform: Option<Value>,
) -> Result<(Vec<u8>, HeaderValue), StateError> {
    let encoding = arguments.within(transform, "RequestBodyEncoding");
    let encoding = encoding.map(|value| arguments.text(value));
    match encoding.as_deref() {
        None | Some("NONE") => Ok((arguments.text(body).into_owned().into_bytes(), JSON)),
        Some("URL_ENCODED") if body.kind() == Kind::Object => {
            let pairs = pairs(arguments.scratch(), body, array_format(arguments, transform)?);
            Ok((form(&pairs).into_bytes(), FORM))
        }
        Some("URL_ENCODED") => {
            Err(bad("\"RequestBody\" must be an object to be URL_ENCODED".to_owned()))
        }
        Some(other) => {
            Err(bad(format!("\"RequestBodyEncoding\" {other:?} is none of NONE, URL_ENCODED")))
        }
    }
}

fn array_format(
    arguments: &Arguments,
    transform: Option<Value>,
) -> Result<ArrayFormat, StateError> {
    let options = arguments.within(transform, "RequestEncodingOptions");
    let named = arguments.within(options, "ArrayFormat").map(|value| arguments.text(value));
    let Some(named) = named else { return Ok(ArrayFormat::Indices) };
    let found = ArrayFormat::NAMES.into_iter().find(|(name, _)| *name == named);
    found.map(|(_, format)| format).ok_or_else(|| {
        let known = ArrayFormat::NAMES.map(|(name, _)| name).join(", ");
        bad(format!("\"ArrayFormat\" {named:?} is none of {known}"))
    })
}

/// The connection's part; it wins over the call's own.
fn authorize(connection: &Connection, headers: &mut HeaderMap) -> Result<(), StateError> {
    let mut insert = |name: &str, text: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok();
        let value = HeaderValue::from_str(text).ok();
        let (Some(name), Some(mut value)) = (name, value) else {
            // Neither is shown: they are secrets.
            return Err(bad("the connection has a header that can't be sent".to_owned()));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    for (name, text) in &connection.headers {
        insert(name, text)?;
    }
    if let Some((user, password)) = &connection.basic {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        insert(AUTHORIZATION.as_str(), &format!("Basic {encoded}"))?;
    }
    Ok(())
}
