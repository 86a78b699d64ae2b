//! Against a server on loopback.

mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use super::{Connection, OAuth, Settings, Tls, client, guard};
use crate::tasks;
use crate::tasks::harness::{HTTP, Shard};

/// Calls being served now, and the most there have been.
type Load = Arc<(AtomicUsize, AtomicUsize)>;

struct Server {
    port: u16,
    load: Load,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start() -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let load = Load::default();
        let router = Router::new().fallback(serve).with_state(load.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Server { port, load, _runtime: runtime }
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn get(&self, path: &str) -> Value {
        json!({"ApiEndpoint": self.at(path), "Method": "GET"})
    }
}

async fn serve(State(load): State<Load>, request: Request) -> Response {
    let port = request.headers()["host"].to_str().unwrap_or_default().to_owned();
    let port = port.rsplit(':').next().unwrap_or_default();
    match request.uri().path() {
        "/missing" => (StatusCode::NOT_FOUND, "no such order").into_response(),
        "/broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/text" => "plain".into_response(),
        "/half" => ([("content-type", "application/json")], "{\"a\":").into_response(),
        "/exact" => {
            ([("content-type", "a/b+json")], "[1.0, 100000000000000000000]").into_response()
        }
        "/image" => ([("content-type", "image/png")], "x").into_response(),
        "/bytes" => ([("content-type", "text/plain")], vec![0xff_u8]).into_response(),
        "/big" => "x".repeat(2000).into_response(),
        "/big-failure" => (StatusCode::BAD_REQUEST, "x".repeat(2000)).into_response(),
        "/here" => Redirect::temporary("/echo").into_response(),
        "/there" => Redirect::temporary(&format!("http://localhost:{port}/echo")).into_response(),
        "/round" => Redirect::temporary("/round").into_response(),
        "/slow" => {
            let now = load.0.fetch_add(1, Ordering::SeqCst) + 1;
            load.1.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
            load.0.fetch_sub(1, Ordering::SeqCst);
            "done".into_response()
        }
        "/token" => {
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
            let count = load.0.fetch_add(1, Ordering::SeqCst);
            let wanted = "grant_type=client_credentials&client_id=me&client_secret=hush&scope=a";
            if body != wanted {
                return (StatusCode::BAD_REQUEST, body).into_response();
            }
            axum::Json(json!({"access_token": format!("t{count}"), "expires_in": "3600"}))
                .into_response()
        }
        "/private" => {
            let sent = request.headers().get("authorization");
            // The first token is withdrawn after one call.
            let calls = load.1.fetch_add(1, Ordering::SeqCst);
            let wanted = if calls == 0 { "Bearer t0" } else { "Bearer t1" };
            match sent.is_some_and(|sent| sent == wanted) {
                true => "in".into_response(),
                false => StatusCode::UNAUTHORIZED.into_response(),
            }
        }
        "/stuck" => std::future::pending().await,
        _ => echo(request).await,
    }
}

async fn echo(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.append("x-twice", "1".parse().expect("a value"));
    headers.append("x-twice", "2".parse().expect("a value"));
    let of = |name: &str| {
        parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let told = json!({
        "method": parts.method.as_str(),
        "query": parts.uri.query(),
        "body": String::from_utf8_lossy(&body),
        "type": of("content-type"),
        "auth": of("authorization"),
        "key": of("x-key"),
        "agent": of("user-agent"),
    });
    (headers, axum::Json(told)).into_response()
}

fn shard(http: Settings) -> Shard {
    Shard::new(HTTP, tasks::Settings { http, ..tasks::Settings::default() }, None)
}

fn echoed(shard: &mut Shard, arguments: &Value) -> Value {
    shard.answer(arguments).expect("succeeds")["ResponseBody"].take()
}

#[test]
fn the_result_has_status_headers_and_body() {
    let server = Server::start();
    let mut shard = shard(Settings::default());
    let result = shard.answer(&server.get("/echo")).expect("succeeds");
    assert_eq!((&result["StatusCode"], &result["StatusText"]), (&json!(200), &json!("OK")));
    assert_eq!(result["Headers"]["x-twice"], json!(["1", "2"]));
    assert_eq!(result["ResponseBody"]["method"], "GET");
    let agent = result["ResponseBody"]["agent"].as_str().unwrap_or_default();
    assert!(agent.starts_with("expressway/"), "{agent}");
    assert!(shard.wakes.load(Ordering::SeqCst) > 0);
    assert_eq!(shard.answer(&server.get("/text")).expect("succeeds")["ResponseBody"], "plain");
    assert_eq!(shard.answer(&server.get("/half")).expect("succeeds")["ResponseBody"], "{\"a\":");
    let exact = shard.answer(&server.get("/exact")).expect("succeeds");
    let as_sent: Value = serde_json::from_str("[1.0, 100000000000000000000]").expect("JSON");
    assert_eq!(exact["ResponseBody"], as_sent);
}

#[test]
fn headers_query_and_body_are_encoded() {
    let server = Server::start();
    let mut shard = shard(Settings::default());
    let mut call = server.get("/echo?z=%20");
    call["Method"] = json!("POST");
    call["RequestBody"] = json!({"a": [1, 2]});
    call["Headers"] = json!({"X-Key": ["a", 1]});
    let told = echoed(&mut shard, &call);
    assert_eq!((&told["method"], &told["query"]), (&json!("POST"), &json!("z=%20")));
    assert_eq!((&told["body"], &told["key"]), (&json!("{\"a\":[1,2]}"), &json!("a,1")));
    assert_eq!(told["type"], "application/json; charset=UTF-8");
    call["QueryParameters"] = json!({"q": ["x y", true], "n": null});
    call["Transform"] = json!({"RequestBodyEncoding": "URL_ENCODED"});
    let told = echoed(&mut shard, &call);
    assert_eq!(told["query"], "z=+&q=x+y&q=true&n=");
    assert_eq!(told["body"], "a%5B0%5D=1&a%5B1%5D=2");
    assert_eq!(told["type"], "application/x-www-form-urlencoded");
    call["Transform"]["RequestEncodingOptions"] = json!({"ArrayFormat": "COMMAS"});
    assert_eq!(echoed(&mut shard, &call)["body"], "a=1%2C2");
    call["Transform"] = Value::Null;
    call["RequestBody"] = json!("as it is");
    call["Headers"] = json!({"content-type": "text/plain"});
    let told = echoed(&mut shard, &call);
    assert_eq!((&told["body"], &told["type"]), (&json!("as it is"), &json!("text/plain")));
}

#[test]
fn a_connection_wins_over_the_call() {
    let server = Server::start();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let connection = Connection {
        headers: vec![pair("X-Key", "secret")],
        query: vec![pair("token", "t&1")],
        basic: Some(pair("user", "pass")),
        ..Connection::default()
    };
    assert!(!format!("{connection:?}").contains("secret"));
    let connections = [("arn:c".to_owned(), connection)].into();
    let mut shard = shard(Settings { connections, ..Settings::default() });
    let mut call = server.get("/echo");
    call["Headers"] = json!({"X-Key": "mine", "Authorization": "mine"});
    call["QueryParameters"] = json!({"token": "mine", "a": 1});
    assert_eq!(echoed(&mut shard, &call)["auth"], "mine");
    for field in ["Authentication", "InvocationConfig"] {
        let mut call = call.clone();
        call[field] = json!({"ConnectionArn": "arn:c"});
        let told = echoed(&mut shard, &call);
        assert_eq!(told["auth"], "Basic dXNlcjpwYXNz");
        assert_eq!((&told["key"], &told["query"]), (&json!("secret"), &json!("a=1&token=t%261")));
    }
    call["InvocationConfig"] = json!({"ConnectionArn": "arn:other"});
    shard.fails(&call, "States.Runtime", "arn:other");
}

#[test]
fn tokens_are_fetched_kept_and_fetched_anew() {
    let server = Server::start();
    let oauth = |secret: &str| OAuth {
        token_url: server.at("/token"),
        client_id: "me".to_owned(),
        client_secret: secret.to_owned(),
        parameters: vec![("scope".to_owned(), "a".to_owned())],
    };
    let connection =
        |secret: &str| Connection { oauth: Some(oauth(secret)), ..Connection::default() };
    let connections = [("c".to_owned(), connection("hush")), ("bad".to_owned(), connection("x"))];
    let mut shard = shard(Settings { connections: connections.into(), ..Settings::default() });
    let mut call = server.get("/private");
    call["InvocationConfig"] = json!({"ConnectionArn": "c"});
    for _ in 0..3 {
        assert_eq!(shard.answer(&call).expect("succeeds")["ResponseBody"], "in");
    }
    assert_eq!(server.load.0.load(Ordering::SeqCst), 2, "tokens");
    call["InvocationConfig"] = json!({"ConnectionArn": "bad"});
    shard.fails(&call, "States.Http.StatusCode.400", "/token answered 400");
    assert!(!shard.answer(&call).expect_err("refused").to_string().contains("client_secret"));
}

#[test]
fn only_hosts_that_may_be_are_called() {
    let server = Server::start();
    let hosts = vec!["api.example.com".to_owned()];
    let mut shard = shard(Settings { hosts, ..Settings::default() });
    shard.fails(&server.get("/echo"), "States.Runtime", "http.hosts");
    let mut shard = self::shard(Settings::default());
    let metadata = json!({"ApiEndpoint": "http://169.254.169.254/latest", "Method": "GET"});
    shard.fails(&metadata, "States.Runtime", "link-local");
}

#[test]
fn strict_calls_are_as_aws_has_them() {
    let connections = [("c".to_owned(), Connection::default())].into();
    let mut shard = shard(Settings { is_strict: true, connections, ..Settings::default() });
    let good = json!({"ApiEndpoint": "https://127.0.0.1:1", "Method": "GET",
        "InvocationConfig": {"ConnectionArn": "c"}});
    shard.fails(&good, "States.Http.Socket", "got no answer");
    for (field, value, part) in [
        ("ApiEndpoint", json!("http://127.0.0.1:1"), "https"),
        ("InvocationConfig", Value::Null, "connection"),
        ("Headers", json!({"X-Amz-Date": "a"}), "none that AWS's HTTP Task takes"),
        ("Headers", json!({"Via": "a"}), "none that AWS's HTTP Task takes"),
    ] {
        let mut call = good.clone();
        call[field] = value;
        shard.fails(&call, "States.Runtime", part);
    }
}

#[test]
fn certificates_are_read_when_it_opens() {
    let tls = Tls { certificate: Some("no PEM".to_owned()), ..Tls::default() };
    let connections = [("c".to_owned(), Connection { tls, ..Connection::default() })].into();
    let settings = Settings { connections, ..Settings::default() };
    let error = client::Clients::open(&settings, &guard::Guard::new(&[])).err().expect("no PEM");
    assert!(error.message.contains("\"c\"") && error.message.contains("PEM"), "{error}");
}

#[test]
fn failures_have_the_services_names() {
    let server = Server::start();
    let request_timeout = Duration::from_millis(500);
    let limits = Settings { request_timeout, response_bytes_max: 1000, ..Settings::default() };
    let mut shard = shard(limits);
    shard.fails(&server.get("/missing"), "States.Http.StatusCode.404", "no such order");
    shard.fails(&server.get("/broken"), "States.Http.StatusCode.500", "/broken");
    shard.fails(&server.get("/stuck"), "States.Http.Socket", "http.request_timeout");
    shard.fails(&server.get("/big"), "States.DataLimitExceeded", "1000 bytes");
    shard.fails(&server.get("/big-failure"), "States.Http.StatusCode.400", "xxx");
    shard.fails(&server.get("/image"), "States.Runtime", "image/png");
    shard.fails(&server.get("/bytes"), "States.Runtime", "UTF-8");
    let refused = json!({"ApiEndpoint": "http://127.0.0.1:1/x?token=t", "Method": "GET"});
    shard.fails(&refused, "States.Http.Socket", "http://127.0.0.1:1/x got no answer");
    assert!(!shard.answer(&refused).expect_err("refused").to_string().contains("token"));
    let nowhere = json!({"ApiEndpoint": "http://nowhere.invalid/", "Method": "GET"});
    shard.fails(&nowhere, "States.Http.Socket", "nowhere.invalid");
}

#[test]
fn redirects_stay_on_their_host() {
    let server = Server::start();
    let mut shard = shard(Settings::default());
    assert_eq!(echoed(&mut shard, &server.get("/here"))["method"], "GET");
    shard.fails(&server.get("/there"), "States.Http.StatusCode.307", "/there");
    shard.fails(&server.get("/round"), "States.Http.StatusCode.307", "/round");
}

#[test]
fn no_more_redirects_are_followed_than_the_setting_says() {
    let server = Server::start();
    let mut strict = shard(Settings { redirects_max: 0, ..Settings::default() });
    strict.fails(&server.get("/here"), "States.Http.StatusCode.307", "/here");
    let mut once = shard(Settings { redirects_max: 1, ..Settings::default() });
    assert_eq!(echoed(&mut once, &server.get("/here"))["method"], "GET");
}

#[test]
fn bad_arguments_are_refused() {
    let mut shard = shard(Settings::default());
    let good = json!({"ApiEndpoint": "http://127.0.0.1:1", "Method": "POST", "RequestBody": [1]});
    for (field, value, part) in [
        ("ApiEndpoint", json!("ftp://a"), "no http or https URL"),
        ("ApiEndpoint", Value::Null, "missing"),
        ("Method", json!("get"), "none of GET"),
        ("Headers", json!({"Host": "a"}), "by the client itself"),
        ("Headers", json!({"a b": "a"}), "no header's name"),
        ("Headers", json!({"a": "\n"}), "control characters"),
        ("QueryParameters", json!("a=1"), "must be an object"),
        ("Transform", json!({"RequestBodyEncoding": "URL_ENCODED"}), "must be an object"),
        ("Transform", json!({"RequestBodyEncoding": "GZIP"}), "none of NONE"),
        ("Url", json!(1), "\"Url\" is not known"),
    ] {
        let mut call = good.clone();
        call[field] = value;
        shard.fails(&call, "States.Runtime", part);
    }
    shard.fails(&json!([]), "States.Runtime", "must be a JSON object");
}

#[test]
fn calls_are_bounded_and_can_be_cancelled() {
    let server = Server::start();
    let mut shard = shard(Settings { calls_max: 2, ..Settings::default() });
    let slow = server.get("/slow").to_string();
    let start = Instant::now();
    let ids: Vec<_> = (0..6).map(|_| shard.call(0, &slow)).collect();
    assert_eq!(shard.tasks.in_flight(), 6);
    let answers = shard.wait(6);
    assert!(start.elapsed() >= Duration::from_millis(300), "two at a time");
    assert_eq!(server.load.1.load(Ordering::SeqCst), 2);
    assert!(answers.iter().all(|(id, answer)| ids.contains(id) && answer.is_ok()));
    let stuck = server.get("/stuck").to_string();
    let stuck = [shard.call(0, &stuck), shard.call(0, &stuck)];
    let behind = shard.call(0, &slow);
    shard.poll();
    stuck.into_iter().for_each(|id| shard.tasks.cancel(id));
    assert_eq!(shard.wait(1)[0].0, behind);
    assert_eq!(shard.tasks.in_flight(), 0);
}

#[test]
fn http_2_is_offered_to_servers_behind_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let greeting = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut greeting = vec![0; 16 << 10];
        let read = std::io::Read::read(&mut stream, &mut greeting).expect("a greeting");
        greeting.truncate(read);
        greeting
    });
    let mut shard = shard(Settings::default());
    let arguments = json!({"ApiEndpoint": format!("https://127.0.0.1:{port}/"), "Method": "GET"});
    shard.fails(&arguments, "States.Http.Socket", "got no answer");
    let greeting = greeting.join().expect("it does not panic");
    // The names of protocols, each behind its length.
    assert!(greeting.windows(3).any(|it| it == b"\x02h2"), "{greeting:?}");
}
