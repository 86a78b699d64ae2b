//! What an example works on, seen from outside: queues, tables, buckets and topics of moto.

use expressway::aws::{Call, Client, Endpoint, Service, Settings};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::server::Server;

/// Where everything is; moto takes any, and tests/aws has this one.
pub const REGION: &str = "us-east-1";

/// moto's own number.
const NUMBER: &str = "123456789012";

/// A client of ours for moto.
pub fn client(url: &str) -> Client {
    Client::open(settings(url)).expect("a client")
}

fn settings(url: &str) -> Settings {
    let settings = Settings {
        region: Some(REGION.to_owned()),
        endpoint: Endpoint::Url(url.to_owned()),
        ..Settings::default()
    };
    settings.with_keys("test", "test")
}

/// An account.
pub struct Account {
    client: Client,
    runtime: Runtime,
}

impl Account {
    pub fn new(server: &Server) -> Account {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Account { client: client(&server.url), runtime: runtime.expect("a runtime") }
    }

    /// The same with its queues at another server (ElasticMQ).
    pub fn with_queues_at(server: &Server, url: &str) -> Account {
        let mut settings = settings(&server.url);
        settings.endpoints.insert("sqs".to_owned(), Endpoint::Url(url.to_owned()));
        let client = Client::open(settings).expect("a client");
        Account { client, ..Account::new(server) }
    }

    /// Calls an operation.
    #[track_caller]
    pub fn call(&self, service: &str, operation: &str, members: Json) -> Json {
        let service = Service::find(service).expect("it is in the table");
        let call = Call::new(service, operation);
        let answer = self.runtime.block_on(self.client.call(&call, &members));
        answer.unwrap_or_else(|error| panic!("{operation}: {error}")).members
    }

    /// Makes a queue. Its URL.
    pub fn queue(&self, name: &str) -> String {
        let made = self.call("sqs", "CreateQueue", json!({ "QueueName": name }));
        made["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// Makes a table whose keys are strings.
    pub fn table(&self, name: &str, keys: &[&str]) {
        let kinds = ["HASH", "RANGE"];
        let schema = keys.iter().zip(kinds);
        let schema = schema.map(|(key, kind)| json!({ "AttributeName": key, "KeyType": kind }));
        let attributes =
            keys.iter().map(|key| json!({ "AttributeName": key, "AttributeType": "S" }));
        let table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": schema.collect::<Json>(),
            "AttributeDefinitions": attributes.collect::<Json>(),
        });
        self.call("dynamodb", "CreateTable", table);
    }

    /// All items of a table.
    pub fn items(&self, table: &str) -> Vec<Json> {
        let scanned = self.call("dynamodb", "Scan", json!({ "TableName": table }));
        scanned["Items"].as_array().cloned().unwrap_or_default()
    }

    /// Makes a topic that hands on to a queue: what it is given as it is, or in an envelope. Its ARN.
    pub fn topic_to(&self, queue: &str, is_raw: bool) -> String {
        let name = queue.rsplit('/').next().unwrap_or_default();
        let made = self.call("sns", "CreateTopic", json!({ "Name": name }));
        let topic = made["TopicArn"].as_str().expect("an ARN").to_owned();
        let subscription = json!({
            "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn_of(queue),
            "Attributes": { "RawMessageDelivery": is_raw.to_string() },
        });
        self.call("sns", "Subscribe", subscription);
        topic
    }

    /// Puts a message on a queue.
    pub fn send(&self, queue: &str, body: &Json) {
        let message = json!({ "QueueUrl": queue, "MessageBody": body.to_string() });
        self.call("sqs", "SendMessage", message);
    }

    /// Messages that wait, and those that somebody has.
    pub fn depth(&self, queue: &str) -> (usize, usize) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let asked = json!({ "QueueUrl": queue, "AttributeNames": names });
        let answer = self.call("sqs", "GetQueueAttributes", asked);
        let of = |name: &str| answer["Attributes"][name].as_str()?.parse().ok();
        (of(names[0]).expect("a number"), of(names[1]).expect("a number"))
    }

    /// Takes the messages that are there, for good.
    pub fn take(&self, queue: &str) -> Vec<Json> {
        let mut taken = Vec::new();
        loop {
            let asked = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10 });
            let answer = self.call("sqs", "ReceiveMessage", asked);
            let Some(messages) = answer["Messages"].as_array().filter(|it| !it.is_empty()) else {
                return taken;
            };
            for message in messages {
                let body = message["Body"].as_str().expect("a body");
                taken.push(serde_json::from_str(body).expect("JSON"));
                let handle = &message["ReceiptHandle"];
                let done = json!({ "QueueUrl": queue, "ReceiptHandle": handle });
                self.call("sqs", "DeleteMessage", done);
            }
        }
    }

    /// Has a bucket of S3 tell EventBridge what happens in it.
    pub fn tell_eventbridge(&self, server: &Server, bucket: &str) {
        let body = "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <EventBridgeConfiguration/></NotificationConfiguration>";
        let put =
            reqwest::Client::new().put(format!("{}/{bucket}?notification", server.url)).body(body);
        let status = self.runtime.block_on(put.send()).expect("it answers").status();
        assert!(status.is_success(), "{status}");
    }
}

/// The ARN of a queue.
pub fn arn_of(queue: &str) -> String {
    let name = queue.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sqs:{REGION}:{NUMBER}:{name}")
}
