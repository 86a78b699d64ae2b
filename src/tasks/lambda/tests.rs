use serde_json::json;

use crate::aws::scripted::{Say, Server};
use crate::tasks::aws::tests::{scripted, settings, shard};

const INVOKE: &str = "arn:aws:states:::lambda:invoke";
const ARN: &str = "arn:aws:lambda:eu-west-1:111111111111:function:resize:PROD";

fn says(status: u16, headers: &[(&'static str, &str)], body: &str) -> Say {
    let id = ("x-amzn-RequestId", "r-1");
    let headers = headers.iter().chain([&id]).map(|(name, value)| (*name, (*value).to_owned()));
    Say::Answer(status, headers.collect(), body.to_owned())
}

const RAISED: &str = r#"{"errorMessage": "no", "errorType": "CustomError", "stackTrace": []}"#;

#[test]
fn a_functions_arn_takes_and_gives_the_payload_alone() {
    let (mut shard, server) = scripted(ARN, vec![says(200, &[], r#"{"done": 1.50}"#)]);
    let result = shard.answer(&json!({ "key": "k" })).expect("it goes well");
    assert_eq!(result.to_string(), r#"{"done":1.50}"#);
    let asked = server.asked().remove(0);
    let path = "arn%3Aaws%3Alambda%3Aeu-west-1%3A111111111111%3Afunction%3Aresize%3APROD";
    assert_eq!(asked.line, format!("POST /2015-03-31/functions/{path}/invocations"));
    assert_eq!(asked.json(), json!({ "key": "k" }));
    assert!(asked.header("authorization").contains("/eu-west-1/lambda/"), "its ARN's region");
}

#[test]
fn an_invocation_is_told_whole() {
    let headers = [("X-Amz-Executed-Version", "$LATEST"), ("X-Amz-Log-Result", "bG9n")];
    let (mut shard, server) = scripted(INVOKE, vec![says(200, &headers, "\"plain\"")]);
    let arguments = json!({
        "FunctionName": "f", "Payload": { "a": 1 }, "Qualifier": "2", "LogType": "Tail",
    });
    let expected = json!({
        "ExecutedVersion": "$LATEST", "LogResult": "bG9n", "Payload": "plain", "StatusCode": 200,
    });
    assert_eq!(shard.answer(&arguments), Ok(expected));
    let asked = server.asked().remove(0);
    assert_eq!(asked.line, "POST /2015-03-31/functions/f/invocations?Qualifier=2");
    assert_eq!((asked.header("x-amz-log-type"), asked.body.as_str()), ("Tail", "{\"a\":1}"));
}

#[test]
fn an_event_is_only_queued() {
    let (mut shard, server) = scripted(INVOKE, vec![says(202, &[], "")]);
    let arguments = json!({ "FunctionName": "f", "InvocationType": "Event", "Payload": "{}" });
    assert_eq!(shard.answer(&arguments), Ok(json!({ "StatusCode": 202 })));
    assert_eq!(server.asked()[0].header("x-amz-invocation-type"), "Event");
}

#[test]
fn what_a_function_raises_is_the_tasks_error() {
    let marked = [("X-Amz-Function-Error", "Unhandled")];
    let (mut plain, _server) = scripted(ARN, vec![says(200, &marked, RAISED)]);
    let error = plain.answer(&json!({})).expect_err("it raises");
    assert_eq!((error.name(), error.cause()), (Some("CustomError"), Some(RAISED)));
    let (mut whole, _server) = scripted(INVOKE, vec![says(200, &marked, RAISED)]);
    let error = whole.answer(&json!({ "FunctionName": "f" })).expect_err("it raises");
    let compact = r#"{"errorMessage":"no","errorType":"CustomError","stackTrace":[]}"#;
    assert_eq!((error.name(), error.cause()), (Some("CustomError"), Some(compact)));
    let untyped = r#"{"errorMessage":"exited"}"#;
    let (mut untyped, _server) = scripted(INVOKE, vec![says(200, &marked, untyped)]);
    untyped.fails(&json!({ "FunctionName": "f" }), "Lambda.Unknown", "exited");
    // The other family leaves it to the definition.
    let sdk = "arn:aws:states:::aws-sdk:lambda:invoke";
    let (mut sdk, _server) = scripted(sdk, vec![says(200, &marked, RAISED)]);
    let result = sdk.answer(&json!({ "FunctionName": "f" })).expect("no error there");
    assert_eq!(
        (&result["FunctionError"], &result["Payload"]),
        (&json!("Unhandled"), &json!(RAISED))
    );
}

#[test]
fn the_services_own_errors_are_told_apart_from_the_functions() {
    let kind = [("x-amzn-ErrorType", "ResourceNotFoundException")];
    let script = || vec![says(404, &kind, r#"{"Type":"User","Message":"Function not found"}"#)];
    let (mut invoke, _server) = scripted(INVOKE, script());
    let cause = "Function not found (Service: AWSLambda; Status Code: 404; Error Code: \
                 ResourceNotFoundException; Request ID: r-1; Proxy: null)";
    let arguments = json!({ "FunctionName": "f" });
    invoke.fails(&arguments, "Lambda.ResourceNotFoundException", cause);
    let kind = [("x-amzn-ErrorType", "TooManyRequestsException")];
    let script = vec![says(429, &kind, "{}"), says(200, &[], "1")];
    let (mut invoke, server) = scripted(INVOKE, script);
    assert_eq!(invoke.answer(&arguments).expect("the second try")["Payload"], json!(1));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn functions_need_not_be_lambdas() {
    let answer = |status: u16, body: &str| Say::Answer(status, Vec::new(), body.to_owned());
    let script = vec![answer(200, "{\"ok\":true}"), answer(200, RAISED), answer(422, RAISED)];
    let server = Server::start(script);
    let mut aws = settings(&Server::start(vec![Say::Half]));
    let url = format!("{}/2015-03-31/functions/function/invocations", server.url);
    aws.functions.insert("resize".to_owned(), url);
    let mut shard = shard(ARN, aws);
    assert_eq!(shard.answer(&json!({ "key": "k" })), Ok(json!({ "ok": true })));
    let asked = server.asked().remove(0);
    assert_eq!(asked.line, "POST /2015-03-31/functions/function/invocations");
    assert_eq!((asked.json(), asked.header("authorization")), (json!({ "key": "k" }), ""));
    for _ in 0..2 {
        shard.fails(&json!({}), "CustomError", "\"errorMessage\": \"no\"");
    }
}
