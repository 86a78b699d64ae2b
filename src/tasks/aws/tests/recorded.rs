//! The `parameters` that AWS recorded, as they go over the wire here.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::{Settings, settings};
use crate::aws::scripted::{Asked, Say, Server};
use crate::tasks::harness::{CALLER, Shard};
use crate::tasks::{self, JobSettings};

/// Resource types that are called here, with an operation's target or path on the wire.
const CALLED: [&str; 11] = [
    "sqs",
    "sns",
    "dynamodb",
    "events",
    "states",
    "lambda",
    "apigateway",
    "aws-sdk:dynamodb",
    "aws-sdk:s3",
    "aws-sdk:sfn",
    "aws-sdk:secretsmanager",
];

#[test]
fn requests_hold_what_aws_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/asl");
    if !folder.exists() {
        // Past the capture: a test that looked at nothing must not look like one that passed.
        let _ = writeln!(std::io::stderr(), "not run: there is no {}", folder.display());
        return;
    }
    let mut checked = 0;
    for area in std::fs::read_dir(folder).expect("the folder can be read") {
        let area = area.expect("an entry").path();
        if area.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(area).expect("it can be read").lines() {
            let case: Json = serde_json::from_str(line).expect("a case is JSON");
            let tasks = case["tasks"].as_array().cloned().unwrap_or_default();
            for task in tasks.iter().filter(|task| is_called(task)) {
                check(&case["id"], task);
                checked += 1;
            }
        }
    }
    assert!(checked > 130, "{checked} requests are too few to be all");
}

fn is_called(task: &Json) -> bool {
    CALLED.contains(&task["resourceType"].as_str().unwrap_or_default())
}

fn check(id: &Json, task: &Json) {
    let kind = task["resourceType"].as_str().expect("it has a type");
    let name = task["resource"].as_str().expect("it has a resource");
    let is_job = name.contains(".sync");
    // Waiting for a token says nothing about what is sent.
    let action = if is_job { name } else { name.split('.').next().unwrap_or(name) };
    let resource = match name.starts_with("arn:") {
        true if kind == "lambda" => "arn:aws:lambda:us-east-1:111111111111:function:f".to_owned(),
        _ => format!("arn:aws:states:::{kind}:{action}"),
    };
    let says = |body: &str| Say::Answer(200, Vec::new(), body.to_owned());
    let job = [r#"{"executionArn":"e"}"#, r#"{"status":"SUCCEEDED"}"#];
    let server = Server::start(if is_job { job.map(says).into() } else { vec![says("{}")] });
    let parameters = &task["parameters"];
    // What the server says back is no answer of some; only what it was asked counts.
    let settings = tasks::Settings {
        aws: Some(with_gateway(settings(&server), &server)),
        jobs: JobSettings { poll_interval: Duration::from_millis(1), ..JobSettings::default() },
        ..tasks::Settings::default()
    };
    let _ = Shard::new(&resource, settings, None).answer(parameters);
    let asked = server.asked();
    assert_eq!(asked.len(), if is_job { 2 } else { 1 }, "{id}: one request, and one after a job");
    let mut sent = members(kind, action, &asked[0]);
    // What makes starting idempotent is ours.
    if kind == "states" && parameters.get("Name").is_none() {
        sent.as_object_mut().expect("an object").remove("Name");
    }
    let is_plain = resource.contains(":function:");
    let recorded = if is_plain { parameters.clone() } else { without_null(parameters) };
    let same = match is_plain {
        true => sent["Payload"] == recorded,
        false => is_same(&recorded, &sent),
    };
    assert!(same, "{id}\nrecorded {recorded}\nsent     {sent}\nas {:?}", asked[0]);
}

fn with_gateway(mut here: Settings, server: &Server) -> Settings {
    let url = crate::aws::Endpoint::Url(server.url.clone());
    here.services.insert("apigateway".to_owned(), super::Target::Endpoint(url));
    here
}

fn without_null(parameters: &Json) -> Json {
    let Json::Object(members) = parameters else { return parameters.clone() };
    let kept = members.iter().filter(|(_, value)| !value.is_null());
    Json::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// What the wire says, as members.
fn members(kind: &str, action: &str, asked: &Asked) -> Json {
    match kind {
        "sns" => form(&asked.body),
        "lambda" => {
            let (_, path) = asked.line.split_once("/functions/").expect("an invocation");
            let name = path.split('/').next().unwrap_or_default().replace("%3A", ":");
            let mut sent = Map::from_iter([("FunctionName".to_owned(), name.into())]);
            if !asked.body.is_empty() {
                let payload = serde_json::from_str(&asked.body);
                sent.insert("Payload".to_owned(), payload.unwrap_or(asked.body.clone().into()));
            }
            let log = asked.header("x-amz-log-type");
            if !log.is_empty() {
                sent.insert("LogType".to_owned(), log.into());
            }
            Json::Object(sent)
        }
        "apigateway" => gateway(asked),
        "events" => events(asked),
        "aws-sdk:s3" => {
            let (method, path) = asked.line.split_once(' ').expect("a request line");
            assert_eq!((method, action), ("GET", "getObject"));
            let (bucket, key) = path[1..].split_once('/').expect("a bucket and a key");
            serde_json::json!({ "Bucket": bucket, "Key": key })
        }
        "states" | "aws-sdk:sfn" => {
            let sent = asked.json();
            let members = sent.as_object().expect("an object").iter();
            Json::Object(members.map(|(name, value)| (capital(name), value.clone())).collect())
        }
        _ => asked.json(),
    }
}

/// Without the ARNs that are appended, which recorded events show at their target only.
fn events(asked: &Asked) -> Json {
    let mut sent = asked.json();
    for entry in sent["Entries"].as_array_mut().expect("a list of entries") {
        let entry = entry.as_object_mut().expect("an object");
        let named = entry["Resources"].as_array_mut().expect("a list of ARNs");
        let own = named.split_off(named.len() - CALLER.len());
        assert_eq!(own, CALLER);
        if named.is_empty() {
            entry.remove("Resources");
        }
    }
    sent
}

fn gateway(asked: &Asked) -> Json {
    let (method, path) = asked.line.split_once(' ').expect("a request line");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (stage, path) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let mut sent = Map::new();
    for (name, value) in [("Method", method), ("Stage", stage), ("Path", path)] {
        if !value.is_empty() {
            sent.insert(name.to_owned(), value.into());
        }
    }
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let lists: Map<_, _> =
        pairs.map(|(name, value)| (name.to_owned(), serde_json::json!([value]))).collect();
    if !lists.is_empty() {
        sent.insert("QueryParameters".to_owned(), Json::Object(lists));
    }
    if !asked.body.is_empty() {
        sent.insert("RequestBody".to_owned(), asked.json());
    }
    Json::Object(sent)
}

fn capital(name: &str) -> String {
    name[..1].to_ascii_uppercase() + &name[1..]
}

/// `MessageAttributes.entry.1.Name=...`
fn form(body: &str) -> Json {
    let url = reqwest::Url::parse(&format!("http://form/?{body}")).expect("a form");
    let (mut sent, mut attributes, mut key) = (Map::new(), Map::new(), String::new());
    for (name, value) in url.query_pairs() {
        let value = Json::String(value.into_owned());
        match name.split('.').collect::<Vec<_>>()[..] {
            ["Action" | "Version"] => {}
            [plain] => drop(sent.insert(plain.to_owned(), value)),
            [_, "entry", _, "Name"] => {
                key = value.as_str().unwrap_or_default().to_owned();
                attributes.insert(key.clone(), Json::Object(Map::new()));
            }
            [_, "entry", _, "Value", member] => attributes[&key][member] = value,
            _ => panic!("{name}"),
        }
    }
    if !attributes.is_empty() {
        sent.insert("MessageAttributes".to_owned(), Json::Object(attributes));
    }
    Json::Object(sent)
}

/// Is it what was recorded? What is no text there may be text here that says the same.
fn is_same(recorded: &Json, sent: &Json) -> bool {
    match (recorded, sent) {
        (Json::Object(recorded), Json::Object(sent)) => {
            // The host, which a test's settings name, and what says how the rest is read.
            let counts = |name: &&String| *name != "ApiEndpoint" && *name != "AllowNullValues";
            recorded
                .keys()
                .filter(counts)
                .all(|name| sent.get(name).is_some_and(|value| is_same(&recorded[name], value)))
                && sent.keys().all(|name| recorded.contains_key(name))
        }
        (Json::Array(recorded), Json::Array(sent)) => {
            recorded.len() == sent.len()
                && recorded.iter().zip(sent).all(|(recorded, sent)| is_same(recorded, sent))
        }
        (Json::String(recorded), sent) if Some(recorded.as_str()) != sent.as_str() => {
            // A text of JSON that is sent as that JSON.
            serde_json::from_str::<Json>(recorded).is_ok_and(|value| value == *sent)
        }
        (recorded, Json::String(text)) if !recorded.is_string() => {
            serde_json::from_str::<Json>(text).is_ok_and(|value| value == *recorded)
        }
        (recorded, sent) => recorded == sent,
    }
}
