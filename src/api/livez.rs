//! `/livez`: does the process work, or should it be restarted?

use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::{Route, Shared};

/// The resource.
pub(super) const ROUTE: Route = Route {
    path: "/livez",
    about: "200 while every shard turns its loop, 503 with the shards that hang",
    handler: || get(answer),
};

async fn answer(State(shared): State<Shared>) -> (StatusCode, String) {
    let silent = shared.health.silent(Instant::now());
    if silent.is_empty() {
        return (StatusCode::OK, "live\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("hanging: {}\n", silent.join(", ")))
}
