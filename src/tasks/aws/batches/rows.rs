//! The operations that have a form for many: what of a call goes into it, and what of its answer is
//! whose.

use std::ops::Range;

use serde_json::{Map, Value as Json, json};

/// How calls of an operation share a request.
pub(super) struct Row {
    /// The service, and the operation of single calls.
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    /// The operation for many.
    pub(super) batch: &'static str,
    /// It needs a right of its own: who may make single calls may be denied it.
    pub(super) has_own_right: bool,
    /// Entries that one request takes, and their bytes.
    pub(super) entries_max: usize,
    pub(super) bytes_max: usize,
    /// What a call becomes; `None`: it can't be one of many.
    pub(super) part: fn(&Json) -> Option<Part>,
    /// The request's members, from what all calls have in common and their entries.
    pub(super) request: fn(&Json, &[Json]) -> Json,
    /// What became of a call, from the answer, all entries, and which of them are its own.
    pub(super) outcome: fn(&Json, &[Json], Range<usize>) -> Outcome,
}

/// A call as part of a request for many.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// What it has in common with those that it may go with: where it goes.
    pub(super) common: Json,
    pub(super) entries: Vec<Json>,
}

/// What became of a call within a request for many.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It went well: the members that it would have been answered with alone.
    Done(Json),
    /// It did not, and has its own error when it goes alone.
    Alone,
    /// The service has left it out: it goes with the next request.
    Later,
}

/// Bytes that all queues, topics and buses take in a request.
const MESSAGES_BYTES_MAX: usize = 256 << 10;
/// The most bytes of items that are put together; the service takes 16 MiB.
const ITEMS_BYTES_MAX: usize = 4 << 20;

pub(super) static ROWS: &[Row] = &[
    Row {
        service: "sqs",
        operation: "SendMessage",
        batch: "SendMessageBatch",
        has_own_right: false,
        entries_max: 10,
        bytes_max: MESSAGES_BYTES_MAX,
        part: |members| message(members, "QueueUrl"),
        request: |queue, entries| json!({ "QueueUrl": queue, "Entries": numbered(entries) }),
        outcome: message_outcome,
    },
    Row {
        service: "sns",
        operation: "Publish",
        batch: "PublishBatch",
        has_own_right: false,
        entries_max: 10,
        bytes_max: MESSAGES_BYTES_MAX,
        part: |members| {
            // Phones and devices are not sent to in batches.
            let is_elsewhere = ["TargetArn", "PhoneNumber"].iter().any(|it| is_set(members, it));
            if is_elsewhere { None } else { message(members, "TopicArn") }
        },
        request: |topic, entries| json!({ "TopicArn": topic, "PublishBatchRequestEntries": numbered(entries) }),
        outcome: message_outcome,
    },
    Row {
        service: "eventbridge",
        operation: "PutEvents",
        batch: "PutEvents",
        has_own_right: false,
        entries_max: 10,
        bytes_max: MESSAGES_BYTES_MAX,
        part: |members| {
            let mut common = members.as_object()?.clone();
            let Json::Array(entries) = common.shift_remove("Entries")? else { return None };
            Some(Part { common: Json::Object(common), entries })
        },
        request: |common, entries| {
            let mut members = common.clone();
            members["Entries"] = entries.into();
            members
        },
        outcome: events_outcome,
    },
    Row { operation: "PutItem", part: |members| item(members, "Item", "PutRequest"), ..ITEMS },
    Row { operation: "DeleteItem", part: |members| item(members, "Key", "DeleteRequest"), ..ITEMS },
];

const ITEMS: Row = Row {
    service: "dynamodb",
    operation: "",
    batch: "BatchWriteItem",
    has_own_right: true,
    entries_max: 25,
    bytes_max: ITEMS_BYTES_MAX,
    part: |_| None,
    request: |table, entries| {
        let table = table.as_str().unwrap_or_default().to_owned();
        json!({ "RequestItems": Map::from_iter([(table, Json::from(entries))]) })
    },
    outcome: items_outcome,
};

fn is_set(members: &Json, name: &str) -> bool {
    members.get(name).is_some_and(|value| !value.is_null())
}

/// A message: all members but the one that says where it goes.
fn message(members: &Json, place: &str) -> Option<Part> {
    let mut entry = members.as_object()?.clone();
    let common = entry.shift_remove(place).filter(Json::is_string)?;
    Some(Part { common, entries: vec![Json::Object(entry)] })
}

/// An item that is put or deleted whatever is there.
fn item(members: &Json, what: &str, request: &str) -> Option<Part> {
    let members = members.as_object()?;
    let mut set = members.iter().filter(|(_, value)| !value.is_null());
    // Conditions and what is to be returned are for single calls.
    if !set.all(|(name, _)| name == "TableName" || name == what) {
        return None;
    }
    let (common, item) = (members.get("TableName")?, members.get(what)?);
    let entry = json!({ request: { what: item } });
    Some(Part { common: common.clone(), entries: vec![entry] }).filter(|it| it.common.is_string())
}

/// Messages with their places as ids.
fn numbered(entries: &[Json]) -> Json {
    let numbered = entries.iter().enumerate().map(|(place, entry)| {
        let mut entry = entry.clone();
        entry["Id"] = place.to_string().into();
        entry
    });
    numbered.collect()
}

fn message_outcome(answer: &Json, _: &[Json], own: Range<usize>) -> Outcome {
    let id = own.start.to_string();
    let taken = answer["Successful"].as_array().into_iter().flatten();
    let mut taken = taken.filter(|it| it["Id"] == id.as_str());
    let Some(Json::Object(members)) = taken.next() else { return Outcome::Alone };
    let mut members = members.clone();
    members.shift_remove("Id");
    Outcome::Done(Json::Object(members))
}

/// An entry that was refused is the task's to see: what it alone would have been answered with.
fn events_outcome(answer: &Json, _: &[Json], own: Range<usize>) -> Outcome {
    let entries = answer["Entries"].as_array().and_then(|entries| entries.get(own));
    let Some(entries) = entries else { return Outcome::Alone };
    let failed = entries.iter().filter(|entry| is_set(entry, "ErrorCode")).count();
    Outcome::Done(json!({ "FailedEntryCount": failed, "Entries": entries }))
}

fn items_outcome(answer: &Json, entries: &[Json], own: Range<usize>) -> Outcome {
    let left = answer["UnprocessedItems"].as_object().into_iter().flat_map(Map::values);
    let left: Vec<&Json> = left.filter_map(Json::as_array).flatten().collect();
    // What comes back in another spelling may be anybody's; writing an item once more does no harm.
    let is_known = left.iter().all(|it| entries.contains(it));
    match !is_known || left.contains(&&entries[own.start]) {
        true => Outcome::Later,
        false => Outcome::Done(json!({})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(operation: &str) -> &'static Row {
        ROWS.iter().find(|row| row.operation == operation).expect("it is there")
    }

    #[test]
    fn a_message_goes_with_others_to_its_queue() {
        let send = row("SendMessage");
        let members = json!({ "QueueUrl": "q", "MessageBody": { "a": 1 }, "DelaySeconds": 3 });
        let part = (send.part)(&members).expect("it has a queue");
        let entry = json!({ "MessageBody": { "a": 1 }, "DelaySeconds": 3 });
        assert_eq!(part, Part { common: json!("q"), entries: vec![entry.clone()] });
        let request = (send.request)(&json!("q"), &[entry.clone(), entry]);
        assert_eq!(request["Entries"][1]["Id"], "1");
        assert_eq!(request["QueueUrl"], "q");
        let answer = json!({ "Successful": [{ "Id": "1", "MessageId": "m", "MD5OfMessageBody": "d" }],
            "Failed": [{ "Id": "0", "Code": "InvalidMessageContents", "SenderFault": true }] });
        let done = json!({ "MessageId": "m", "MD5OfMessageBody": "d" });
        assert_eq!((send.outcome)(&answer, &[], 1..2), Outcome::Done(done));
        assert_eq!((send.outcome)(&answer, &[], 0..1), Outcome::Alone);
        assert_eq!((send.part)(&json!({ "MessageBody": "m" })), None);
    }

    #[test]
    fn what_has_no_topic_is_published_alone() {
        let publish = row("Publish");
        assert!((publish.part)(&json!({ "TopicArn": "t", "Message": "m" })).is_some());
        for alone in [
            json!({ "PhoneNumber": "1", "Message": "m" }),
            json!({ "TargetArn": "t", "Message": "m" }),
        ] {
            assert_eq!((publish.part)(&alone), None);
        }
    }

    #[test]
    fn events_keep_their_places() {
        let put = row("PutEvents");
        let members = json!({ "Entries": [{ "Source": "a" }, { "Source": "b" }] });
        let part = (put.part)(&members).expect("it has entries");
        assert_eq!((part.common, part.entries.len()), (json!({}), 2));
        let answer = json!({ "FailedEntryCount": 1,
            "Entries": [{ "EventId": "1" }, { "EventId": "2" }, { "ErrorCode": "X" }] });
        let first =
            json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "1" }, { "EventId": "2" }] });
        assert_eq!((put.outcome)(&answer, &[], 0..2), Outcome::Done(first));
        let second = json!({ "FailedEntryCount": 1, "Entries": [{ "ErrorCode": "X" }] });
        assert_eq!((put.outcome)(&answer, &[], 2..3), Outcome::Done(second));
        assert_eq!((put.outcome)(&answer, &[], 2..4), Outcome::Alone);
    }

    #[test]
    fn items_without_conditions_are_written_together() {
        let item = json!({ "id": { "S": "a" }, "n": { "N": "1" } });
        let put = row("PutItem");
        let members = json!({ "TableName": "t", "Item": item, "ConditionExpression": null });
        let part = (put.part)(&members).expect("it has no condition");
        assert_eq!(part.entries, [json!({ "PutRequest": { "Item": item } })]);
        let delete = json!({ "TableName": "t", "Key": { "id": { "S": "a" } } });
        let deleted = (row("DeleteItem").part)(&delete).expect("it has no condition");
        let entries = [part.entries[0].clone(), deleted.entries[0].clone()];
        let request = (put.request)(&json!("t"), &entries);
        assert_eq!(request["RequestItems"]["t"][1]["DeleteRequest"]["Key"]["id"]["S"], "a");
        for alone in [
            json!({ "TableName": "t", "Item": item, "ConditionExpression": "x" }),
            json!({ "TableName": "t", "Item": item, "ReturnValues": "ALL_OLD" }),
            json!({ "Item": item }),
        ] {
            assert_eq!((put.part)(&alone), None);
        }
        let left = |items: Json| json!({ "UnprocessedItems": { "t": items } });
        let of = |answer: &Json, place| (put.outcome)(answer, &entries, place..place + 1);
        let one = left(json!([entries[1]]));
        assert_eq!((of(&one, 0), of(&one, 1)), (Outcome::Done(json!({})), Outcome::Later));
        let odd = left(json!([{ "PutRequest": { "Item": {} } }]));
        assert_eq!((of(&odd, 0), of(&odd, 1)), (Outcome::Later, Outcome::Later));
        assert_eq!(of(&json!({}), 1), Outcome::Done(json!({})));
    }
}
