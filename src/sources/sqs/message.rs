//! A message as SQS hands it out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

/// A message on its way to a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Its number in this process, which stands for its offset. A message that comes again within
    /// the process has another one.
    pub number: i64,
    /// `MessageId`: the same each time that it is received.
    pub id: String,
    /// `MessageGroupId`
    pub group: Option<String>,
    /// `Body`
    pub body: String,
    /// `SentTimestamp`, in milliseconds since 1970; -1 where unknown.
    pub sent_ms: i64,
    /// `MessageAttributes`, and what the queue says of it.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// What settles a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    /// `ReceiptHandle`
    pub receipt: String,
    /// `ApproximateReceiveCount`
    pub receives: u32,
}

/// Headers made of what the queue says of a message: not attributes of its sender's.
pub const TOLD: [(&str, &str); 4] = [
    ("ApproximateReceiveCount", "sqs.receive-count"),
    ("MessageDeduplicationId", "sqs.deduplication-id"),
    ("SequenceNumber", "sqs.sequence-number"),
    ("AWSTraceHeader", "AWSTraceHeader"),
];
/// The same of what only envelopes have: see [`super::Settings::batch_max`].
pub const TOLD_TO_ENVELOPES: [(&str, &str); 2] = [
    ("SenderId", "sqs.sender-id"),
    ("ApproximateFirstReceiveTimestamp", "sqs.first-receive-timestamp"),
];
/// The header that has the receipt handle, for envelopes.
pub const RECEIPT_HANDLE: &str = "sqs.receipt-handle";
/// What the names of headers begin with that tell an attribute's type, for envelopes; those that are
/// missing are strings.
pub const TYPE_PREFIX: &str = "sqs.type.";

/// Reads an element of `Messages`; `None` where what settles it is missing. `is_whole`: with all that
/// envelopes have.
pub(super) fn read(number: i64, json: &Json, is_whole: bool) -> Option<(Message, Handle)> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let attributes = &json["Attributes"];
    let count = |name: &str| attributes[name].as_str().and_then(|it| it.parse::<i64>().ok());
    let own = json["MessageAttributes"].as_object().into_iter().flatten();
    let own = own.filter_map(|(name, it)| Some((name.clone(), bytes_of(it)?)));
    let more = if is_whole { &TOLD_TO_ENVELOPES[..] } else { &[] };
    let told = TOLD.iter().chain(more).filter_map(|(name, header)| {
        Some(((*header).to_owned(), attributes[*name].as_str()?.as_bytes().to_vec()))
    });
    let envelopes = if is_whole { for_envelopes(json) } else { Vec::new() };
    let message = Message {
        number,
        id: text(&json["MessageId"])?,
        group: text(&attributes["MessageGroupId"]),
        body: text(&json["Body"]).unwrap_or_default(),
        sent_ms: count("SentTimestamp").unwrap_or(-1),
        headers: own.chain(told).chain(envelopes).collect(),
    };
    let receives = count("ApproximateReceiveCount").unwrap_or(1).clamp(1, u32::MAX.into()) as u32;
    Some((message, Handle { receipt: text(&json["ReceiptHandle"])?, receives }))
}

/// Headers of what is no attribute of the queue's: the receipt handle, and types.
fn for_envelopes(json: &Json) -> Vec<(String, Vec<u8>)> {
    let receipt = json["ReceiptHandle"].as_str();
    let receipt = receipt.map(|it| (RECEIPT_HANDLE.to_owned(), it.as_bytes().to_vec()));
    let own = json["MessageAttributes"].as_object().into_iter().flatten();
    let types = own.filter_map(|(name, it)| {
        let kind = it["DataType"].as_str().filter(|kind| *kind != "String")?;
        Some((format!("{TYPE_PREFIX}{name}"), kind.as_bytes().to_vec()))
    });
    receipt.into_iter().chain(types).collect()
}

/// An attribute's value. Binary ones come in base64, or decoded where they are text.
fn bytes_of(attribute: &Json) -> Option<Vec<u8>> {
    if let Some(text) = attribute["StringValue"].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let encoded = attribute["BinaryValue"].as_str()?;
    Some(STANDARD.decode(encoded).unwrap_or_else(|_| encoded.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_that_is_known_of_a_message_is_read() {
        let json = json!({
            "MessageId": "m-1", "ReceiptHandle": "r-1", "Body": "{}",
            "Attributes": { "SentTimestamp": "1700000000000", "ApproximateReceiveCount": "3",
                            "MessageGroupId": "g", "SequenceNumber": "18" },
            "MessageAttributes": { "kind": { "DataType": "String", "StringValue": "a" } }
        });
        let (message, handle) = read(7, &json, false).expect("it is whole");
        assert_eq!((message.number, message.sent_ms), (7, 1_700_000_000_000));
        assert_eq!((message.id.as_str(), message.group.as_deref()), ("m-1", Some("g")));
        let header = |name: &str| {
            let found = message.headers.iter().find(|(header, _)| header == name);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(header("kind").as_deref(), Some("a"));
        assert_eq!(header("sqs.receive-count").as_deref(), Some("3"));
        assert_eq!(header("sqs.sequence-number").as_deref(), Some("18"));
        assert_eq!(handle, Handle { receipt: "r-1".to_owned(), receives: 3 });
        assert_eq!(header(RECEIPT_HANDLE), None);
        assert_eq!(read(1, &json!({ "MessageId": "m", "Body": "b" }), false), None);
    }

    #[test]
    fn envelopes_get_receipt_handles_and_types() {
        let json = json!({
            "MessageId": "m-1", "ReceiptHandle": "r-1", "Body": "{}",
            "Attributes": { "SenderId": "me", "ApproximateFirstReceiveTimestamp": "5" },
            "MessageAttributes": { "n": { "DataType": "Number", "StringValue": "1" },
                                   "s": { "DataType": "String", "StringValue": "a" } }
        });
        let (message, _) = read(7, &json, true).expect("it is whole");
        let of = |it: &(String, Vec<u8>)| (it.0.clone(), String::from_utf8_lossy(&it.1).into());
        let headers: Vec<(String, String)> = message.headers.iter().map(of).collect();
        let expected = [
            ("n", "1"),
            ("s", "a"),
            ("sqs.sender-id", "me"),
            ("sqs.first-receive-timestamp", "5"),
            (RECEIPT_HANDLE, "r-1"),
            ("sqs.type.n", "Number"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
