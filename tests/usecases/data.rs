//! Data on its way: from a table to a queue, from an upload to its thumbnail.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::account::{Account, arn_of};
use crate::bridge::Bridge;
use crate::engine::until;
use crate::function::Function;
use crate::harness::Stage;
use crate::queues;
use crate::server::{Server, moto};

/// Items side by side in the definition, and so the most that a crash catches between send and
/// deletion.
const CONCURRENCY: usize = 10;
/// Items of one message: several pages.
const ITEMS: usize = 60;

/// The example `table-to-queue` with a table, queues and a topic of its own.
struct Transfer {
    /// moto's.
    account: Account,
    /// ElasticMQ's: what the example reads, and what it fills.
    queues: Account,
    stage: Stage,
    table: String,
    /// Messages that each make a transfer.
    requests: String,
    /// Where items go.
    target: String,
    /// What the topic hands on.
    reports: String,
}

impl Transfer {
    fn new(server: &Server, broker: &queues::Server, name: &str) -> Transfer {
        let account = Account::new(server);
        let queues = Account::with_queues_at(server, &broker.url);
        let queue = |what: &str| queues.queue(&format!("{name}-{what}"));
        let (requests, target) = (queue("requests"), queue("target"));
        assert!(target.starts_with(&broker.url), "{target} is not at {}", broker.url);
        let reports = account.queue(&format!("{name}-reports"));
        let topic = account.topic_to(&reports, true);
        account.table(name, &["transfer", "id"]);
        let mut stage = Stage::new(server, "table-to-queue", &[]);
        stage.queues_at(&broker.url);
        read_from(&mut stage, &requests);
        let substitutions =
            format!("{{ Table = {name:?}, QueueUrl = {target:?}, TopicArn = {topic:?} }}");
        stage.set("EXPRESSWAY__PIPELINE__0__SUBSTITUTIONS", &substitutions);
        Transfer { account, queues, stage, table: name.to_owned(), requests, target, reports }
    }

    fn request(&self, count: usize) {
        let item = |at: usize| json!({ "id": format!("r-{at:03}"), "text": "t".repeat(at) });
        let items: Json = (0..count).map(item).collect();
        self.queues.send(&self.requests, &json!({ "items": items }));
    }

    /// The one report, once it is there.
    fn report(&self) -> Json {
        let mut reports = until("a report", || {
            let reports = self.account.take(&self.reports);
            (!reports.is_empty()).then_some(reports)
        });
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports.remove(0)
    }

    /// The ids of what is in the table still.
    fn left(&self) -> BTreeSet<String> {
        let items = self.account.items(&self.table);
        let own = items.iter().filter(|item| item["transfer"]["S"] != "loaded");
        own.map(|item| item["id"]["S"].as_str().expect("an id").to_owned()).collect()
    }

    /// How often each id came to the queue since it was last looked at.
    fn sent(&self) -> BTreeMap<String, usize> {
        let mut sent = BTreeMap::new();
        for item in self.queues.take(&self.target) {
            *sent.entry(item["id"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
        sent
    }
}

/// The example's source is this queue, and what a killed process had comes again soon.
fn read_from(stage: &mut Stage, queue: &str) {
    let source = "EXPRESSWAY__PIPELINE__0__SOURCE";
    stage.set(&format!("{source}__QUEUE_URL"), queue);
    for (setting, value) in [("WAIT", "1s"), ("VISIBILITY", "5s"), ("RECEIVERS", "1")] {
        stage.set(&format!("{source}__SQS__{setting}"), value);
    }
}

/// Waits until nothing waits in the queue and nobody has anything of it.
fn until_empty(account: &Account, queue: &str) {
    until("the queue is empty", || (account.depth(queue) == (0, 0)).then_some(()));
}

fn all_ids() -> BTreeSet<String> {
    (0..ITEMS).map(|at| format!("r-{at:03}")).collect()
}

#[test]
fn a_table_is_loaded_and_moved_to_a_queue() {
    let (Some(server), Some(broker)) = (moto(), queues::server()) else { return };
    let transfer = Transfer::new(server, broker, "moved");
    transfer.request(ITEMS);
    let engine = transfer.stage.run("only");
    let report = transfer.report();
    assert_eq!(
        (&report["status"], &report["items"], &report["sent"]),
        (&json!("done"), &json!(ITEMS), &json!(ITEMS)),
        "{report}"
    );
    until_empty(&transfer.queues, &transfer.requests);
    drop(engine);
    assert_eq!(transfer.left(), BTreeSet::new());
    let sent = transfer.sent();
    assert_eq!(sent.keys().cloned().collect::<BTreeSet<_>>(), all_ids());
    assert!(sent.values().all(|times| *times == 1), "some came twice: {sent:?}");
}

#[test]
fn a_crash_in_the_middle_of_a_transfer_loses_no_item() {
    let (Some(server), Some(broker)) = (moto(), queues::server()) else { return };
    let transfer = Transfer::new(server, broker, "crashed");
    transfer.request(ITEMS);
    let engine = transfer.stage.run("first");
    until("some are sent", || (transfer.queues.depth(&transfer.target).0 > 15).then_some(()));
    engine.kill();
    let (left, before) = (transfer.left(), transfer.sent());
    assert!(!left.is_empty() && left.len() < ITEMS, "not in the middle: {}", left.len());
    let deleted: Vec<_> = all_ids().difference(&left).cloned().collect();
    let unsent: Vec<_> = deleted.iter().filter(|id| !before.contains_key(*id)).collect();
    assert!(unsent.is_empty(), "deleted before they were sent: {unsent:?}");

    let engine = transfer.stage.run("second");
    let report = transfer.report();
    until_empty(&transfer.queues, &transfer.requests);
    drop(engine);
    let after = transfer.sent();
    assert_eq!((&report["status"], &report["items"]), (&json!("done"), &json!(ITEMS)), "{report}");
    // The first one's last requests may have arrived after it was gone.
    let (told, count) = (report["sent"].as_u64(), after.values().sum::<usize>());
    let told = told.expect("a number") as usize;
    assert!(told <= count && count - told <= CONCURRENCY, "{told} of {count}");
    assert_eq!(transfer.left(), BTreeSet::new());
    let again: Vec<_> = after.keys().filter(|id| !left.contains(*id)).collect();
    assert!(again.is_empty(), "loaded and sent again: {again:?}");
    let all: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
    assert_eq!(all, all_ids());
    let repeated = before.values().chain(after.values()).sum::<usize>() - ITEMS;
    assert!(repeated <= CONCURRENCY, "{repeated} came twice");
}

/// The way of an upload: S3 tells EventBridge, whose rule puts its event on the queue as it is.
fn uploads(account: &Account, server: &Server, bucket: &str) -> String {
    let queue = account.queue(bucket);
    account.call("s3", "CreateBucket", json!({ "Bucket": bucket }));
    account.tell_eventbridge(server, bucket);
    let pattern = json!({ "source": ["aws.s3"], "detail-type": ["Object Created"],
                          "detail": { "bucket": { "name": [bucket] } } });
    let rule = json!({ "Name": bucket, "EventPattern": pattern.to_string() });
    account.call("eventbridge", "PutRule", rule);
    let targets = json!({ "Rule": bucket, "Targets": [{ "Id": "queue", "Arn": arn_of(&queue) }] });
    account.call("eventbridge", "PutTargets", targets);
    queue
}

fn upload(account: &Account, key: &str, body: &str) {
    let object = json!({ "Bucket": "photos", "Key": key, "Body": body, "ContentType": "image/jpeg",
                         "Metadata": { "album": "cats" } });
    account.call("s3", "PutObject", object);
}

#[test]
fn an_upload_gets_its_thumbnail_and_its_entry() {
    let (Some(server), Some(broker)) = (moto(), queues::server()) else { return };
    let account = Account::new(server);
    let told = uploads(&account, server, "photos");
    let queues = Account::with_queues_at(server, &broker.url);
    let queue = queues.queue("photos");
    account.table("photos", &["id"]);
    let function = Function::start(&server.url);
    let mut stage = Stage::new(server, "upload-thumbnail", &[]);
    read_from(&mut stage, &queue);
    stage.queues_at(&broker.url);
    let functions = format!("{{ thumbnail = {:?} }}", function.url);
    stage.set("EXPRESSWAY__PIPELINE__0__AWS__FUNCTIONS", &functions);

    upload(&account, "2026/cat.jpg", "JPEG of a cat");
    upload(&account, "2026/a dog & more.png", "PNG of a dog");
    upload(&account, "2026/notes.jpg", "none at all");
    upload(&account, "2026/notes.txt", "text");
    assert_eq!(account.depth(&told).0, 4, "S3 has told EventBridge, and that the queue");
    let bridge = Bridge::start((Account::new(server), told), (queues, queue.clone()));
    let engine = stage.run("only");
    until("entries", || (account.items("photos").len() == 3).then_some(()));
    // Thumbnails are uploads too; their events come to nothing.
    until("all events", || (bridge.carried() == 6).then_some(()));
    until_empty(&Account::with_queues_at(server, &broker.url), &queue);
    drop(engine);
    assert_eq!(bridge.carried(), 6, "none came twice");

    let items = account.items("photos");
    assert_eq!(items.len(), 3, "{items:#?}");
    let find = |key: &str| {
        let id = format!("photos/2026/{key}");
        let found = items.iter().find(|item| item["id"]["S"] == id);
        found.unwrap_or_else(|| panic!("{id} is not among {items:#?}"))
    };
    for (key, size) in [("cat.jpg", "13"), ("a dog & more.png", "12")] {
        let (item, thumbnail) = (find(key), format!("thumbnails/2026/{key}"));
        for (name, value) in [
            ("state", json!({ "S": "ready" })),
            ("thumbnail", json!({ "S": thumbnail })),
            ("width", json!({ "N": "160" })),
            ("height", json!({ "N": "120" })),
            ("size", json!({ "N": size })),
            ("type", json!({ "S": "image/jpeg" })),
            ("own", json!({ "S": "{\"album\":\"cats\"}" })),
        ] {
            assert_eq!(item[name], value, "{name}: {item:#}");
        }
        let object = json!({ "Bucket": "photos", "Key": thumbnail });
        let made = account.call("s3", "GetObject", object);
        assert!(made["Body"].as_str().is_some_and(|body| body.starts_with("small: ")), "{made}");
    }
    let broken = find("notes.jpg");
    assert_eq!(broken["state"], json!({ "S": "failed" }));
    assert!(broken["error"]["S"].as_str().is_some_and(|it| it.contains("no image")), "{broken:#}");
    assert_eq!(function.refusals(), 3, "each was busy once, and asked again");
}
