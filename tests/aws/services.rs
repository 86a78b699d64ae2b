//! Queues, topics, tables, objects, events, secrets.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::machine::{failed, machine, runs, runs_machine, went_well};
use crate::server::Server;

pub fn sqs(server: &Server) {
    let output = runs(
        server,
        &[
            ("Queue", "aws-sdk:sqs:createQueue", json!({ "QueueName": "orders" })),
            (
                "Send",
                "sqs:sendMessage",
                json!({ "QueueUrl.$": "$.Queue.QueueUrl", "MessageBody": { "id": 1.5 },
                        "MessageAttributes": { "a": { "DataType": "String", "StringValue": "b" } } }),
            ),
            (
                "Receive",
                "aws-sdk:sqs:receiveMessage",
                json!({ "QueueUrl.$": "$.Queue.QueueUrl", "MessageAttributeNames": ["All"] }),
            ),
            (
                "Delete",
                "aws-sdk:sqs:deleteMessage",
                json!({ "QueueUrl.$": "$.Queue.QueueUrl",
                        "ReceiptHandle.$": "$.Receive.Messages[0].ReceiptHandle" }),
            ),
        ],
    );
    let message = &output["Receive"]["Messages"][0];
    assert_eq!(message["Body"], json!("{\"id\":1.5}"), "{output:#}");
    assert_eq!(message["MessageAttributes"]["a"]["StringValue"], json!("b"));
    assert_eq!(output["Send"]["MessageId"], message["MessageId"]);
    assert_eq!(output["Send"]["MD5OfMessageBody"], message["MD5OfBody"]);
    assert_eq!(output["Delete"], json!({}));
}

pub fn sqs_errors(server: &Server) {
    let missing =
        json!({ "QueueUrl": format!("{}/123456789012/none", server.url), "MessageBody": "m" });
    let output = runs(
        server,
        &[
            ("Ours", "sqs:sendMessage", missing.clone()),
            ("Sdk", "aws-sdk:sqs:sendMessage", missing),
        ],
    );
    failed(
        &output["Ours"],
        "SQS.QueueDoesNotExistException",
        "(Service: AmazonSQS; Status Code: 400;",
    );
    failed(&output["Sdk"], "Sqs.QueueDoesNotExistException", "(Service: Sqs, Status Code: 400,");
}

pub fn sns(server: &Server) {
    let output = runs(
        server,
        &[
            ("Topic", "aws-sdk:sns:createTopic", json!({ "Name": "news" })),
            ("Queue", "aws-sdk:sqs:createQueue", json!({ "QueueName": "news" })),
            (
                "Subscribe",
                "aws-sdk:sns:subscribe",
                json!({ "TopicArn.$": "$.Topic.TopicArn", "Protocol": "sqs",
                        "Endpoint": "arn:aws:sqs:us-east-1:123456789012:news",
                        "Attributes": { "RawMessageDelivery": "true" } }),
            ),
            (
                "Publish",
                "sns:publish",
                json!({ "TopicArn.$": "$.Topic.TopicArn", "Message": { "state": "done" },
                        "MessageAttributes": { "k": { "DataType": "String", "StringValue": "v" } } }),
            ),
            (
                "Batch",
                "aws-sdk:sns:publishBatch",
                json!({ "TopicArn.$": "$.Topic.TopicArn",
                        "PublishBatchRequestEntries": [{ "Id": "1", "Message": "a & b" }] }),
            ),
            (
                "Receive",
                "aws-sdk:sqs:receiveMessage",
                json!({ "QueueUrl.$": "$.Queue.QueueUrl", "MaxNumberOfMessages": 10 }),
            ),
            (
                "Missing",
                "sns:publish",
                json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:none", "Message": "m" }),
            ),
        ],
    );
    let messages = output["Receive"]["Messages"].as_array().expect("messages");
    let bodies: Vec<_> = messages.iter().map(|message| message["Body"].as_str()).collect();
    assert_eq!(bodies, [Some("{\"state\":\"done\"}"), Some("a & b")], "{output:#}");
    assert_eq!(output["Batch"]["Successful"][0]["Id"], json!("1"));
    failed(&output["Missing"], "SNS.NotFoundException", "Error Code: NotFound;");
}

const TABLE: &str = "aws-sdk:dynamodb:createTable";

fn table(name: &str) -> Json {
    json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
    })
}

pub fn dynamodb(server: &Server) {
    let key = json!({ "id": { "S": "a" } });
    let of = |members: Json| {
        let mut all = json!({ "TableName": "items" });
        all.as_object_mut().expect("an object").extend(members.as_object().expect("too").clone());
        all
    };
    let output = runs(
        server,
        &[
            ("Table", TABLE, table("items")),
            (
                "Put",
                "dynamodb:putItem",
                of(json!({ "Item": { "id": { "S": "a" }, "n": { "N": "1" } } })),
            ),
            (
                "Update",
                "dynamodb:updateItem",
                of(
                    json!({ "Key": key, "UpdateExpression": "SET n = n + :one", "ReturnValues": "ALL_NEW",
                           "ExpressionAttributeValues": { ":one": { "N": "1" } } }),
                ),
            ),
            ("Get", "dynamodb:getItem", of(json!({ "Key": key }))),
            ("Scan", "aws-sdk:dynamodb:scan", of(json!({}))),
            ("Delete", "dynamodb:deleteItem", of(json!({ "Key": key }))),
            ("Gone", "dynamodb:getItem", of(json!({ "Key": key }))),
        ],
    );
    let item = json!({ "id": { "S": "a" }, "n": { "N": "2" } });
    assert_eq!((&output["Put"], &output["Get"]), (&json!({}), &json!({ "Item": item })));
    assert_eq!(output["Update"]["Attributes"], item);
    assert_eq!(
        (&output["Scan"]["Items"], &output["Gone"]),
        (&json!([item]), &json!({})),
        "{output:#}"
    );
}

pub fn dynamodb_errors(server: &Server) {
    let put = json!({ "TableName": "once", "Item": { "id": { "S": "a" } },
                      "ConditionExpression": "attribute_not_exists(id)" });
    let missing = json!({ "TableName": "none", "Key": { "id": { "S": "a" } } });
    let output = runs(
        server,
        &[
            ("Table", TABLE, table("once")),
            ("First", "dynamodb:putItem", put.clone()),
            ("Ours", "dynamodb:putItem", put.clone()),
            ("Sdk", "aws-sdk:dynamodb:putItem", put),
            ("Missing", "dynamodb:getItem", missing),
            (
                "Invalid",
                "dynamodb:getItem",
                json!({ "TableName": "once", "Key": { "x": { "S": "a" } } }),
            ),
        ],
    );
    went_well(&output, "First");
    failed(
        &output["Ours"],
        "DynamoDB.ConditionalCheckFailedException",
        "Service: AmazonDynamoDBv2;",
    );
    failed(&output["Sdk"], "DynamoDb.ConditionalCheckFailedException", "Service: DynamoDb,");
    failed(&output["Missing"], "DynamoDB.ResourceNotFoundException", "Status Code: 400");
    failed(
        &output["Invalid"],
        "DynamoDB.AmazonDynamoDBException",
        "Error Code: ValidationException",
    );
}

pub fn s3(server: &Server) {
    let object = |key: &str| json!({ "Bucket": "photos", "Key": key });
    let output = runs(
        server,
        &[
            ("Bucket", "aws-sdk:s3:createBucket", json!({ "Bucket": "photos" })),
            (
                "Put",
                "aws-sdk:s3:putObject",
                json!({ "Bucket": "photos", "Key": "2026/a b.json", "Body": { "w": 1 },
                        "ContentType": "application/json", "Metadata": { "team": "t" } }),
            ),
            ("List", "aws-sdk:s3:listObjectsV2", json!({ "Bucket": "photos", "Prefix": "2026/" })),
            ("Get", "aws-sdk:s3:getObject", object("2026/a b.json")),
            ("Head", "aws-sdk:s3:headObject", object("2026/a b.json")),
            ("Delete", "aws-sdk:s3:deleteObject", object("2026/a b.json")),
            ("Gone", "aws-sdk:s3:getObject", object("2026/a b.json")),
            ("Nowhere", "aws-sdk:s3:getObject", json!({ "Bucket": "none", "Key": "k" })),
        ],
    );
    let (get, head) = (went_well(&output, "Get"), went_well(&output, "Head"));
    assert_eq!(
        (&get["Body"], &get["ContentLength"]),
        (&json!("{\"w\":1}"), &json!(7)),
        "{output:#}"
    );
    assert_eq!(
        (&get["Metadata"], &head["ContentType"]),
        (&json!({ "team": "t" }), &json!("application/json"))
    );
    assert_eq!(get["ETag"], output["Put"]["ETag"]);
    let listed = &output["List"]["Contents"][0];
    assert_eq!((&listed["Key"], &listed["Size"]), (&json!("2026/a b.json"), &json!(7)));
    failed(&output["Gone"], "S3.NoSuchKeyException", "(Service: S3, Status Code: 404,");
    failed(&output["Nowhere"], "S3.NoSuchBucketException", "Status Code: 404");
}

pub fn s3_map(server: &Server) {
    let mut definition = machine(&[
        ("Bucket", "aws-sdk:s3:createBucket", json!({ "Bucket": "rows" })),
        (
            "Put",
            "aws-sdk:s3:putObject",
            json!({ "Bucket": "rows", "Key": "in/a.csv", "Body": "id\n1\n2\n" }),
        ),
        (
            "Put2",
            "aws-sdk:s3:putObject",
            json!({ "Bucket": "rows", "Key": "in/b.csv", "Body": "id\n3\n" }),
        ),
    ]);
    let processor = |keep: &str| {
        json!({
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
            "StartAt": keep, "States": { keep: { "Type": "Pass", "End": true } },
        })
    };
    definition["States"]["Done"] = json!({
        "Type": "Map", "ItemProcessor": processor("Keep"), "Next": "Listed", "ResultPath": "$.Rows",
        "ItemReader": { "Resource": "arn:aws:states:::s3:getObject",
                        "ReaderConfig": { "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" },
                        "Parameters": { "Bucket": "rows", "Key": "in/a.csv" } },
    });
    definition["States"]["Listed"] = json!({
        "Type": "Map", "ItemProcessor": processor("Keep too"), "End": true, "ResultPath": "$.Run",
        "ItemReader": { "Resource": "arn:aws:states:::s3:listObjectsV2",
                        "Parameters": { "Bucket": "rows", "Prefix": "in/" } },
        "ResultWriter": { "Resource": "arn:aws:states:::s3:putObject",
                          "Parameters": { "Bucket": "rows", "Prefix": "out" } },
    });
    let output = runs_machine(server, &definition);
    assert_eq!(output["Rows"], json!([{ "id": "1" }, { "id": "2" }]), "{output:#}");
    let written = &output["Run"]["ResultWriterDetails"];
    assert_eq!(written["Bucket"], json!("rows"), "{output:#}");
    let get = json!({ "Bucket": "rows", "Key": written["Key"] });
    let manifest = runs(server, &[("Get", "aws-sdk:s3:getObject", get)]);
    let manifest = went_well(&manifest, "Get")["Body"].as_str().expect("text").to_owned();
    assert!(manifest.contains("SUCCEEDED"), "{manifest}");
}

pub fn events(server: &Server) {
    let pattern = json!({ "source": ["shop"] });
    let output = runs(
        server,
        &[
            ("Queue", "aws-sdk:sqs:createQueue", json!({ "QueueName": "events" })),
            (
                "Rule",
                "aws-sdk:eventbridge:putRule",
                json!({ "Name": "shop", "EventPattern": pattern }),
            ),
            (
                "Target",
                "aws-sdk:eventbridge:putTargets",
                json!({ "Rule": "shop", "Targets": [{ "Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:events" }] }),
            ),
            (
                "Put",
                "events:putEvents",
                json!({ "Entries": [{ "Source": "shop", "DetailType": "order", "Detail": { "id": 7 } }] }),
            ),
            ("Receive", "aws-sdk:sqs:receiveMessage", json!({ "QueueUrl.$": "$.Queue.QueueUrl" })),
            (
                "Refused",
                "events:putEvents",
                json!({ "Entries": [{ "Source": "shop", "DetailType": "order", "Detail": "no JSON" }] }),
            ),
        ],
    );
    assert_eq!(output["Put"]["FailedEntryCount"], json!(0), "{output:#}");
    let body = output["Receive"]["Messages"][0]["Body"].as_str().expect("a message");
    let event: Json = serde_json::from_str(body).expect("JSON");
    assert_eq!(event["detail"], json!({ "id": 7 }));
    let kinds = [":stateMachine:", ":express:"];
    for (at, kind) in kinds.into_iter().enumerate() {
        let resource = event["resources"][at].as_str().unwrap_or_default();
        assert!(resource.starts_with("arn:aws:states:") && resource.contains(kind), "{event:#}");
    }
    failed(&output["Refused"], "EventBridge.FailedEntry", "MalformedDetail");
}

pub fn role(server: &Server) {
    let role = "arn:aws:iam::222222222222:role/other";
    let output = runs(
        server,
        &[
            ("Queue", "aws-sdk:sqs:createQueue", json!({ "QueueName": "theirs", "Role": role })),
            ("There", "aws-sdk:sqs:getQueueUrl", json!({ "QueueName": "theirs", "Role": role })),
            ("Here", "aws-sdk:sqs:getQueueUrl", json!({ "QueueName": "theirs" })),
        ],
    );
    let url = output["There"]["QueueUrl"].as_str().unwrap_or_default();
    assert!(url.contains("/222222222222/theirs"), "{output:#}");
    failed(&output["Here"], "Sqs.QueueDoesNotExistException", "");
}

pub fn sdk(server: &Server) {
    let output = runs(
        server,
        &[
            (
                "Secret",
                "aws-sdk:secretsmanager:createSecret",
                json!({ "Name": "s", "SecretString": { "k": 1 } }),
            ),
            ("Got", "aws-sdk:secretsmanager:getSecretValue", json!({ "SecretId": "s" })),
            ("None", "aws-sdk:secretsmanager:getSecretValue", json!({ "SecretId": "none" })),
            (
                "Put",
                "aws-sdk:ssm:putParameter",
                json!({ "Name": "/p", "Value": "v", "Type": "String" }),
            ),
            ("Parameter", "aws-sdk:ssm:getParameter", json!({ "Name": "/p" })),
            (
                "Stream",
                "aws-sdk:kinesis:createStream",
                json!({ "StreamName": "st", "ShardCount": 1 }),
            ),
            (
                "Record",
                "aws-sdk:kinesis:putRecord",
                json!({ "StreamName": "st", "PartitionKey": "p", "Data": { "a": 1 } }),
            ),
            (
                "Shard",
                "aws-sdk:kinesis:getShardIterator",
                json!({ "StreamName": "st", "ShardId.$": "$.Record.ShardId", "ShardIteratorType": "TRIM_HORIZON" }),
            ),
            (
                "Records",
                "aws-sdk:kinesis:getRecords",
                json!({ "ShardIterator.$": "$.Shard.ShardIterator" }),
            ),
            ("Odd", "aws-sdk:kinesis:noSuchThing", json!({})),
        ],
    );
    assert_eq!(went_well(&output, "Got")["SecretString"], json!("{\"k\":1}"), "{output:#}");
    let created = output["Got"]["CreatedDate"].as_str().expect("a time in ISO 8601");
    assert!(created.ends_with('Z') && created.contains('T'), "{created}");
    failed(&output["None"], "SecretsManager.ResourceNotFoundException", "Service: SecretsManager");
    assert_eq!(output["Parameter"]["Parameter"]["Value"], json!("v"));
    assert_eq!(output["Records"]["Records"][0]["Data"], json!("{\"a\":1}"), "{output:#}");
    assert!(
        output["Odd"]["Error"].as_str().unwrap_or_default().starts_with("Kinesis."),
        "{output:#}"
    );
}

/// Nobody's account is called by a definition that is only tried out.
pub fn unplaced(_: &Server) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("definition.asl.json");
    let definition = machine(&[("Send", "sqs:sendMessage", json!({ "QueueUrl": "q" }))]);
    std::fs::write(&file, definition.to_string()).expect("the folder can be written");
    let ran = Command::new(env!("CARGO_BIN_EXE_expressway")).arg("exec").arg(&file).output();
    let ran = ran.expect("the binary starts");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(told.contains("--aws"), "{told}");
}
