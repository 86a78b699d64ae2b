//! A function that makes thumbnails, as Lambda's runtime interface emulator serves one: events are
//! posted to it, and errors are in the answer's body.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use expressway::aws::{Call, Client, Service};
use serde_json::{Value as Json, json};

use crate::account::client;

const PATH: &str = "/2015-03-31/functions/function/invocations";

/// A running function. It is busy the first time that an image is asked for.
pub struct Function {
    pub url: String,
    refused: Arc<Mutex<BTreeSet<String>>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Inside {
    aws: Client,
    refused: Arc<Mutex<BTreeSet<String>>>,
}

impl Function {
    /// Starts it, with images in this AWS.
    pub fn start(aws: &str) -> Function {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let refused = Arc::default();
        let inside = Inside { aws: client(aws), refused: Arc::clone(&refused) };
        let router = Router::new().route(PATH, axum::routing::post(serve)).with_state(inside);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let url = format!("http://{}{PATH}", listener.local_addr().expect("it is bound"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Function { url, refused, _runtime: runtime }
    }

    /// Events that it was too busy for.
    pub fn refusals(&self) -> usize {
        self.refused.lock().expect("nobody panicked").len()
    }
}

async fn serve(State(inside): State<Inside>, request: Request) -> Response {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let event: Json = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (bucket, key, target) = (text("bucket"), text("key"), text("target"));
    if inside.refused.lock().expect("nobody panicked").insert(key.clone()) {
        return (StatusCode::TOO_MANY_REQUESTS, "{}").into_response();
    }
    let s3 = Service::find("s3").expect("it is in the table");
    let get = json!({ "Bucket": bucket, "Key": key });
    let read = inside.aws.call(&Call::new(s3, "GetObject"), &get).await.expect("it is there");
    let image = read.members["Body"].as_str().unwrap_or_default();
    if !image.contains(" of a ") {
        let raised = json!({ "errorType": "UnsupportedImage", "errorMessage": "no image" });
        return axum::Json(raised).into_response();
    }
    let thumbnail = json!({ "Bucket": bucket, "Key": target, "Body": format!("small: {image}") });
    inside.aws.call(&Call::new(s3, "PutObject"), &thumbnail).await.expect("it is taken");
    axum::Json(json!({ "key": target, "width": event["width"], "height": 120 })).into_response()
}
