//! Our HTTP client under AWS's credential providers, so that there is one TLS stack.

use std::error::Error as _;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use reqwest::{Client, Method, Url};

/// A client for the providers of credentials; their own time limits hold.
pub(super) fn client(http: Client) -> SharedHttpClient {
    http_client_fn(move |_, _| SharedHttpConnector::new(Connector(http.clone())))
}

#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = outgoing(&request).map_err(|e| ConnectorError::user(e.into()))?;
            let response = client.execute(request).await.map_err(failed)?;
            let status = StatusCode::try_from(response.status().as_u16());
            let status = status.map_err(|e| ConnectorError::other(e.into(), None))?;
            let headers = response.headers().clone();
            let body = response.bytes().await.map_err(failed)?;
            let mut answer = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in &headers {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                let added = answer.headers_mut().try_append(name.as_str().to_owned(), value);
                added.map_err(|e| ConnectorError::other(e.into(), None))?;
            }
            Ok(answer)
        })
    }
}

fn outgoing(request: &HttpRequest) -> Result<reqwest::Request, String> {
    let method = Method::from_bytes(request.method().as_bytes()).map_err(|e| e.to_string())?;
    let url = Url::parse(request.uri()).map_err(|e| e.to_string())?;
    let mut made = reqwest::Request::new(method, url);
    for (name, value) in request.headers() {
        let name = reqwest::header::HeaderName::from_bytes(name.as_bytes());
        let value = reqwest::header::HeaderValue::from_str(value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err("a header of a credentials request is malformed".to_owned());
        };
        made.headers_mut().append(name, value);
    }
    let body = request.body().bytes().ok_or("a credentials request has a streaming body")?;
    *made.body_mut() = Some(body.to_vec().into());
    Ok(made)
}

fn failed(error: reqwest::Error) -> ConnectorError {
    let is_timeout = error.is_timeout();
    let is_io = error.is_connect() || error.source().is_some();
    let error = error.without_url().into();
    match (is_timeout, is_io) {
        (true, _) => ConnectorError::timeout(error),
        (_, true) => ConnectorError::io(error),
        _ => ConnectorError::other(error, None),
    }
}
