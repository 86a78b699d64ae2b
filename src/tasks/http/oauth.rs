//! OAuth 2.0 client credentials (RFC 6749, section 4.4): a token for a connection, fetched when it is
//! first needed, used until it nears its end, and fetched anew where the API no longer takes it.

use std::fmt;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::Settings;
use super::client;
use super::encoding::form;
use crate::fault::StateError;

/// A token is fetched anew when it is good for less than this.
const REFRESH_BEFORE: Duration = Duration::from_secs(30);
/// How long a token is used that does not say how long it is good for.
const UNTOLD: Duration = Duration::from_secs(300);

/// How a connection gets its tokens.
#[derive(Clone)]
pub struct OAuth {
    /// Where they are given out.
    pub token_url: String,
    /// Who asks.
    pub client_id: String,
    /// The secret of who asks.
    pub client_secret: String,
    /// What else is asked: `scope`, `audience`.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OAuth")
    }
}

/// A connection's token.
#[derive(Default)]
pub(super) struct Token(Mutex<Option<Held>>);

struct Held {
    header: HeaderValue,
    good_until: Instant,
}

impl Token {
    /// The header to send along; `true`: it was not fetched just now.
    pub(super) async fn header(
        &self,
        http: &Client,
        oauth: &OAuth,
        settings: &Settings,
    ) -> Result<(HeaderValue, bool), StateError> {
        // One asks for all who wait.
        let mut held = self.0.lock().await;
        let soon = Instant::now() + REFRESH_BEFORE;
        if let Some(held) = held.as_ref().filter(|it| it.good_until > soon) {
            return Ok((held.header.clone(), true));
        }
        let fresh = fetch(http, oauth, settings).await?;
        let header = fresh.header.clone();
        *held = Some(fresh);
        Ok((header, false))
    }

    /// The API did not take it.
    pub(super) async fn forget(&self, refused: &HeaderValue) {
        let mut held = self.0.lock().await;
        if held.as_ref().is_some_and(|it| it.header == *refused) {
            *held = None;
        }
    }
}

/// Puts a token into a request.
pub(super) fn authorize(request: &mut Request, header: HeaderValue) {
    request.headers_mut().insert(AUTHORIZATION, header);
}

async fn fetch(http: &Client, oauth: &OAuth, settings: &Settings) -> Result<Held, StateError> {
    let unusable = |why: String| {
        let url = &oauth.token_url;
        StateError::runtime(format!("The connection's token endpoint {url} {why}."))
    };
    let url = Url::parse(&oauth.token_url).map_err(|_| unusable("is no URL".to_owned()))?;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut pairs = vec![
        pair("grant_type", "client_credentials"),
        pair("client_id", &oauth.client_id),
        pair("client_secret", &oauth.client_secret),
    ];
    pairs.extend(oauth.parameters.iter().cloned());
    let mut request = Request::new(Method::POST, url);
    let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert("content-type", content_type);
    request.headers_mut().insert("accept", HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(form(&pairs).into());
    let answer = client::exchange(http, request, settings).await?;
    if !answer.status.is_success() {
        // Its body may repeat what was sent; the status is enough.
        let (place, status) = (client::place_of(&answer.url), answer.status);
        let cause = format!("The connection's token endpoint {place} answered {status}.");
        let name = format!("States.Http.StatusCode.{}", answer.status.as_str());
        return Err(StateError::new(name, cause));
    }
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let token = body["access_token"].as_str();
    let header = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    let mut header =
        header.ok_or_else(|| unusable("answered without an access_token".to_owned()))?;
    header.set_sensitive(true);
    // Some say it as text.
    let told = &body["expires_in"];
    let seconds = told.as_u64().or_else(|| told.as_str()?.parse().ok());
    let good_until = Instant::now() + seconds.map_or(UNTOLD, Duration::from_secs);
    Ok(Held { header, good_until })
}
