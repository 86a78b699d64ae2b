use serde_json::json;

use super::*;

fn service(name: &str) -> &'static Service {
    Service::find(name).expect("it is there")
}

fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| {
        let name = reqwest::header::HeaderName::from_static(name);
        (name, value.parse().expect("a value"))
    });
    Reply { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
}

#[track_caller]
fn writes(name: &str, operation: &str, members: Json) -> Request {
    request(service(name), operation, &members).expect("these are its members")
}

#[test]
fn query_writes_nested_members_with_dots() {
    let members = json!({
        "TopicArn": "arn:t", "Message": { "a": 1 }, "Subject": null,
        "MessageAttributes": { "k": { "DataType": "String", "StringValue": "v w" } },
    });
    let written = writes("sns", "Publish", members);
    let body = String::from_utf8(written.body).expect("text");
    assert_eq!(
        body,
        "Action=Publish&Version=2010-03-31&TopicArn=arn%3At&Message=%7B%22a%22%3A1%7D\
         &MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.DataType=String\
         &MessageAttributes.entry.1.Value.StringValue=v%20w"
    );
    let entries = json!({ "TopicArn": "t", "PublishBatchRequestEntries": [{ "Id": "1" }] });
    let body = String::from_utf8(writes("sns", "PublishBatch", entries).body).expect("text");
    assert!(body.ends_with("&PublishBatchRequestEntries.member.1.Id=1"), "{body}");
}

#[test]
fn query_answers_are_read_by_their_kinds() {
    let body = "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
        <PublishBatchResult><Successful><member><Id>1</Id><MessageId>m</MessageId></member>\
        </Successful><Failed><member><Id>2</Id><SenderFault>true</SenderFault></member></Failed>\
        </PublishBatchResult></PublishBatchResponse>";
    let read = answer(service("sns"), "PublishBatch", &reply(200, &[], body)).expect("XML");
    let expected = json!({
        "Successful": [{ "Id": "1", "MessageId": "m" }],
        "Failed": [{ "Id": "2", "SenderFault": true }],
    });
    assert_eq!(read, expected);
}

#[test]
fn rest_spreads_members() {
    let written = writes(
        "lambda",
        "Invoke",
        json!({ "FunctionName": "arn:aws:lambda:x:1:function:f", "InvocationType": "Event",
                "Qualifier": "PROD", "Payload": "{\"n\":1.50}" }),
    );
    assert_eq!(
        (written.path.as_str(), written.query.as_str()),
        (
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax%3A1%3Afunction%3Af/invocations",
            "Qualifier=PROD"
        )
    );
    assert!(written.headers.contains(&("X-Amz-Invocation-Type".to_owned(), "Event".to_owned())));
    assert_eq!(written.body, b"{\"n\":1.50}");
    let written =
        writes("batch", "SubmitJob", json!({ "JobName": "j", "Parameters": { "K": "v" } }));
    assert_eq!(written.body, br#"{"jobName":"j","parameters":{"K":"v"}}"#);
    let missing = request(service("lambda"), "Invoke", &json!({ "Payload": 1 }));
    assert!(missing.expect_err("no name").contains("FunctionName"));
}

#[test]
fn s3_keeps_slashes_and_metadata() {
    let written = writes(
        "s3",
        "PutObject",
        json!({ "Bucket": "b", "Key": "a/b c.json", "Body": { "x": 1 },
                "Metadata": { "team": "t" }, "Expires": "2026-01-02T03:04:05Z" }),
    );
    assert_eq!((written.method, written.path.as_str()), ("PUT", "/b/a/b%20c.json"));
    for header in [("x-amz-meta-team", "t"), ("Expires", "Fri, 02 Jan 2026 03:04:05 GMT")] {
        assert!(
            written.headers.contains(&(header.0.to_owned(), header.1.to_owned())),
            "{header:?}"
        );
    }
    assert_eq!(written.body, b"{\"x\":1}");
    let headers = [
        ("content-length", "3"),
        ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("x-amz-meta-team", "t"),
        ("etag", "\"e\""),
    ];
    let read = answer(service("s3"), "GetObject", &reply(200, &headers, "abc")).expect("an object");
    let expected = json!({
        "LastModified": "2026-01-02T03:04:05Z", "ContentLength": 3, "ETag": "\"e\"",
        "Metadata": { "team": "t" }, "Body": "abc",
    });
    assert_eq!(read, expected);
}

#[test]
fn s3_listings_are_lists_even_of_one() {
    let body = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>\
        <KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Prefix/>\
        <Contents><Key>a</Key><Size>3</Size><ETag>&quot;e&quot;</ETag></Contents>\
        </ListBucketResult>";
    let read = answer(service("s3"), "ListObjectsV2", &reply(200, &[], body)).expect("a listing");
    let expected = json!({
        "Name": "b", "KeyCount": 1, "IsTruncated": false, "Prefix": "",
        "Contents": [{ "Key": "a", "Size": 3, "ETag": "\"e\"" }],
    });
    assert_eq!(read, expected);
}

#[test]
fn failures_are_read_in_every_protocol() {
    let id = ("x-amzn-requestid", "r-1");
    for (name, status, headers, body, code, message, request_id) in [
        ("sqs", 400, vec![id], r#"{"__type":"a.b#C","Message":"m"}"#, "C", "m", "r-1"),
        (
            "lambda",
            429,
            vec![id, ("x-amzn-errortype", "TooManyRequestsException:http://x/")],
            r#"{"message":"m"}"#,
            "TooManyRequestsException",
            "m",
            "r-1",
        ),
        (
            "sns",
            404,
            vec![],
            "<ErrorResponse xmlns=\"u\"><Error><Type>Sender</Type><Code>NotFound</Code>\
             <Message>m</Message></Error><RequestId>r-2</RequestId></ErrorResponse>",
            "NotFound",
            "m",
            "r-2",
        ),
        (
            "s3",
            404,
            vec![],
            "<Error><Code>NoSuchKey</Code><Message>m</Message><RequestId>r-3</RequestId></Error>",
            "NoSuchKey",
            "m",
            "r-3",
        ),
        ("s3", 404, vec![], "", "NotFound", "Not Found", ""),
        ("dynamodb", 502, vec![], "<html>", "BadGateway", "Bad Gateway", ""),
    ] {
        let error = failure(service(name), "Op", &reply(status, &headers, body));
        let found = (error.code.as_str(), error.message.as_str(), error.request_id.as_str());
        assert_eq!(found, (code, message, request_id), "{name} {body}");
    }
}

/// HEAD has no body to say it in; AWS's clients take its status for this.
#[test]
fn what_a_head_does_not_find_has_its_name() {
    for (operation, code) in
        [("HeadObject", "NoSuchKey"), ("HeadBucket", "NoSuchBucket"), ("GetObject", "NotFound")]
    {
        let error = failure(service("s3"), operation, &reply(404, &[], ""));
        assert_eq!((error.code.as_str(), error.message.as_str()), (code, "Not Found"));
    }
}

#[test]
fn malformed_answers_are_told() {
    for (name, operation, body) in [
        ("sqs", "SendMessage", "{"),
        ("sns", "Publish", "<a>"),
        ("s3", "ListObjectsV2", "nonsense"),
    ] {
        let read = answer(service(name), operation, &reply(200, &[], body));
        assert!(read.is_err(), "{name}");
    }
    // An entity that stands for itself a billion times over is not followed.
    let bomb = "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>";
    assert!(answer(service("sns"), "Publish", &reply(200, &[], bomb)).is_err());
}
