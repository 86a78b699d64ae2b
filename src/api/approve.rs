//! `/approve`: where approval links lead. A `GET` shows a page that asks; what it asks is done by the
//! form's `POST`, so that a mail scanner that follows links approves nothing.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::answers::{Act, Answers};
use super::{Route, Shared};
use crate::engine::now_ms;
use crate::tasks::callbacks::{Ask, BadLink, Reply, Token};

/// The resource.
pub(super) const ROUTE: Route = Route {
    path: "/approve",
    about: "where approval links lead",
    handler: || get(answer).post(answer),
};

/// Nothing of a page is kept or passed on, and it runs nothing.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

const STYLE: &str = "body{font:1.1em/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;\
                     padding:0 1em}button{font:inherit;padding:.5em 1.5em}";

/// What a link asks for.
struct Wanted<'a> {
    text: &'a str,
    token: Token,
    /// `Approve`, `Reject`
    verb: &'static str,
    /// `Approved`, `Rejected`
    status: &'static str,
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(answers) = &shared.answers else { return not_offered() };
    if answers.settings.approval_url.is_none() {
        return not_offered();
    }
    let query = query.unwrap_or_default();
    let field = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    };
    let parts = (field("token"), field("decision"), field("expires"));
    let token = match answers.desk.key().read_link(parts, field("sig"), now_ms()) {
        Ok(token) => token,
        Err(BadLink::Expired) => {
            return page(StatusCode::GONE, "Too late", "This link has expired.", "");
        }
        Err(BadLink::Forged) => {
            let text = "This link is incomplete, or was changed on its way.";
            return page(StatusCode::FORBIDDEN, "Not a valid link", text, "");
        }
    };
    let (verb, status) = match parts.1 {
        "approve" => ("Approve", "Approved"),
        _ => ("Reject", "Rejected"),
    };
    let wanted = Wanted { text: parts.0, token, verb, status };
    let acts = method == Method::POST
        || (method == Method::GET && answers.settings.approval_one_click && !is_prefetch(&headers));
    if acts { act(answers, &wanted).await } else { ask(answers, &wanted).await }
}

/// Does a browser fetch the page before anybody wants it?
fn is_prefetch(headers: &HeaderMap) -> bool {
    let says = |value: &HeaderValue| value.to_str().is_ok_and(|it| it.contains("prefetch"));
    ["purpose", "sec-purpose", "x-moz", "x-purpose"]
        .iter()
        .any(|name| headers.get(*name).is_some_and(says))
}

/// The page that asks.
async fn ask(answers: &Answers, wanted: &Wanted<'_>) -> Response {
    let reply = answers.desk.ask_owner(&wanted.token, Ask::Look(wanted.token)).await;
    if matches!(reply, Reply::TimedOut) {
        return over();
    }
    let verb = wanted.verb;
    let form = format!("<form method=\"post\"><button>{verb}</button></form>");
    let text = "Your answer is sent with the button, and can't be taken back.";
    page(StatusCode::OK, &format!("{verb}?"), text, &form)
}

/// Answers the task, and says what came of it.
async fn act(answers: &Answers, wanted: &Wanted<'_>) -> Response {
    let status = wanted.status;
    let output = format!("{{\"Status\":\"{status}\"}}").into_bytes();
    match answers.act(wanted.text, Act::Answer(Ok(output)), false).await {
        Ok(()) => page(StatusCode::OK, status, "Your answer has arrived. Thank you.", ""),
        Err(refusal) if refusal.code == "TaskTimedOut" => over(),
        Err(refusal) => {
            let text = "Your answer could not be delivered just now. Please try again in a minute.";
            tracing::warn!(error = refusal.message, "an approval could not be delivered");
            page(StatusCode::SERVICE_UNAVAILABLE, "Not yet", text, "")
        }
    }
}

fn over() -> Response {
    let text = "This was answered before, or nobody waits for an answer any more.";
    page(StatusCode::GONE, "Already over", text, "")
}

fn not_offered() -> Response {
    let text = "Approval links are not set up here (callbacks.approval_url).";
    page(StatusCode::NOT_FOUND, "No approvals", text, "")
}

/// A page; nothing in it comes from the request.
fn page(status: StatusCode, title: &str, text: &str, rest: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{text}</p>{rest}</html>\n"
    );
    (status, HEADERS, Html(html)).into_response()
}
