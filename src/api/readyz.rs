//! `/readyz`: does the process do what it is there for, and if not, why?

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::{Route, Shared};

/// The resource.
pub(super) const ROUTE: Route = Route {
    path: "/readyz",
    about: "200 while all pipelines run, 503 with a line for each reason they don't",
    handler: || get(answer),
};

async fn answer(State(shared): State<Shared>) -> (StatusCode, String) {
    let reasons = shared.health.reasons();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines = reasons.iter().map(|(part, reason)| format!("{part}: {reason}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}
