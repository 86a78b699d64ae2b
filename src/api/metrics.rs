//! `/metrics`: everything that is counted, in Prometheus' text format.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

use super::{Route, Shared};

/// The text format's version, which scrapers ask for.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The resource.
pub(super) const ROUTE: Route =
    Route { path: "/metrics", about: "what is counted, for Prometheus", handler: || get(answer) };

async fn answer(State(shared): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT_FORMAT)], shared.metrics.render())
}
