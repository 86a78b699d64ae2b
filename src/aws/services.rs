//! The services, from AWS's own models (`models/generate.py`): who they are, what they speak, and
//! which of their members are spelled or written otherwise than a state machine has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const SERVICES: &str = include_str!("models/services.tsv");
const OPERATIONS: &str = include_str!("models/operations.tsv");

static TABLE: LazyLock<BTreeMap<String, Service>> = LazyLock::new(read);

/// What goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON, with its version: `1.0`
    Json(&'static str),
    /// REST with bodies of JSON.
    RestJson,
    /// Forms, answered in XML, with the version of the API.
    Query(&'static str),
    /// REST, answered in XML.
    RestXml,
}

/// A service, a row of `services.tsv`.
#[derive(Debug)]
pub struct Service {
    /// The SDK's id: `DynamoDB`, `Secrets Manager`
    pub id: &'static str,
    /// What it speaks.
    pub protocol: Protocol,
    /// What its host starts with, or the whole host with `@` and a region where it has but one.
    pub(super) endpoint: &'static str,
    /// What signatures name.
    pub(super) signing: &'static str,
    /// What `X-Amz-Target` starts with.
    pub(super) target: &'static str,
    /// Members start in lower case.
    pub(super) is_camel: bool,
    sets: BTreeMap<&'static str, BTreeSet<&'static str>>,
    operations: BTreeMap<&'static str, Operation>,
}

/// How a REST operation spreads its members, a row of `operations.tsv`.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    columns: BTreeMap<&'static str, &'static str>,
}

/// A member that is not in the body: its name, its name on the wire, and how it is written.
pub(super) struct Placed {
    pub(super) member: &'static str,
    pub(super) wire: &'static str,
    pub(super) kind: Kind,
}

/// How a header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Text,
    /// `#`
    Number,
    /// `!`
    Boolean,
    /// `@`: HTTP's own form.
    Time,
    /// `*`: a header for each key.
    Map,
    /// `,`: one header with commas between.
    List,
}

impl Service {
    /// By the name that `aws-sdk:` resources have: `dynamodb`, `secretsmanager`, `sfn`.
    pub fn find(name: &str) -> Option<&'static Service> {
        TABLE.get(name)
    }

    /// The name that `aws-sdk:` resources have.
    pub fn name(&self) -> String {
        name_of(self.id)
    }

    /// The id as error names of `aws-sdk:` calls start: `DynamoDb`, `Sfn`, `SecretsManager`
    pub fn error_prefix(&self) -> String {
        let mut prefix = String::new();
        for word in self.id.split([' ', '-']) {
            let letters: Vec<char> = word.chars().collect();
            for (at, letter) in letters.iter().enumerate() {
                let follows_upper = at > 0 && !letters[at - 1].is_lowercase();
                let ends_word = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
                match at {
                    0 => prefix.extend(letter.to_uppercase()),
                    _ if follows_upper && !ends_word => prefix.extend(letter.to_lowercase()),
                    _ => prefix.push(*letter),
                }
            }
        }
        prefix
    }

    /// The class of one of the service's errors as error names end, `NoSuchKeyException`; `None` for
    /// codes that the service's model does not have.
    pub fn exception(&self, code: &str) -> Option<String> {
        let known = self.sets.get("errors")?;
        let named = || known.iter().find_map(|pair| pair.strip_prefix(code)?.strip_prefix(':'));
        let shape = named().or_else(|| known.get(code).copied())?;
        let stem = shape.strip_suffix("Exception").or_else(|| shape.strip_suffix("Fault"));
        Some(format!("{}Exception", stem.unwrap_or(shape)))
    }

    /// What an operation's host has in front of it: `sync-`
    pub(super) fn host_prefix(&self, operation: &str) -> Option<&'static str> {
        let pairs = self.sets.get("prefixes")?;
        pairs.iter().find_map(|pair| pair.strip_prefix(operation)?.strip_prefix(':'))
    }

    /// Is this member (as it is on the wire) one of `maps`, `documents`, `times`, `blobs`, ...?
    pub(super) fn has(&self, set: &str, member: &str) -> bool {
        self.sets.get(set).is_some_and(|names| names.contains(member))
    }

    /// The member that an element of XML stands for, where it is not named like it.
    pub(super) fn renamed(&self, element: &str) -> Option<&'static str> {
        let pairs = self.sets.get("renamed")?;
        pairs.iter().find_map(|pair| pair.strip_prefix(element)?.strip_prefix(':'))
    }

    /// A REST operation.
    pub(super) fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }
}

impl Operation {
    /// A column: `payload`, `answer`, `status`.
    pub(super) fn column(&self, name: &str) -> Option<&'static str> {
        self.columns.get(name).copied()
    }

    /// The members that a column lists: `path`, `query`, `headers`, `answer-headers`.
    pub(super) fn places(&self, column: &str) -> impl Iterator<Item = Placed> {
        let listed = self.column(column).unwrap_or_default();
        let entries = listed.split(',').filter(|entry| !entry.is_empty());
        entries.filter_map(|entry| {
            let (member, wire) = entry.split_once('=')?;
            let kinds = [
                ("#", Kind::Number),
                ("!", Kind::Boolean),
                ("@", Kind::Time),
                ("*", Kind::Map),
                ("+", Kind::List),
            ];
            let marked =
                kinds.iter().find_map(|(mark, kind)| Some((wire.strip_suffix(mark)?, *kind)));
            let (wire, kind) = marked.unwrap_or((wire, Kind::Text));
            Some(Placed { member, wire, kind })
        })
    }
}

fn name_of(id: &str) -> String {
    let kept = id.chars().filter(|letter| letter.is_ascii_alphanumeric());
    kept.map(|letter| letter.to_ascii_lowercase()).collect()
}

fn read() -> BTreeMap<String, Service> {
    let mut operations = read_operations();
    let services = SERVICES.lines().filter_map(|line| {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [id, protocol, endpoint, signing, target, casing, ref sets @ ..] = columns[..] else {
            return None;
        };
        let protocol = match protocol {
            "rest-json" => Protocol::RestJson,
            "rest-xml" => Protocol::RestXml,
            "query" => Protocol::Query(target),
            json => Protocol::Json(json.strip_prefix("json")?),
        };
        let sets = sets.iter().filter_map(|set| set.split_once('='));
        let sets = sets.map(|(kind, names)| (kind, names.split(',').collect())).collect();
        let operations = operations.remove(id).unwrap_or_default();
        let is_camel = casing == "camel";
        let service =
            Service { id, protocol, endpoint, signing, target, is_camel, sets, operations };
        Some((name_of(id), service))
    });
    services.collect()
}

type Operations = BTreeMap<&'static str, Operation>;

fn read_operations() -> BTreeMap<&'static str, Operations> {
    let mut all: BTreeMap<_, Operations> = BTreeMap::new();
    let mut service = "";
    for line in OPERATIONS.lines() {
        if let Some(id) = line.strip_prefix("# ") {
            service = id;
            continue;
        }
        let columns: Vec<&'static str> = line.split('\t').collect();
        if let [name, method, path, ref rest @ ..] = columns[..] {
            let columns = rest.iter().filter_map(|column| column.split_once('=')).collect();
            let operation = Operation { method, path, columns };
            all.entry(service).or_default().insert(name, operation);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        assert_eq!(TABLE.len(), SERVICES.lines().count());
        let headings = OPERATIONS.lines().filter(|line| line.starts_with('#')).count();
        let read: usize = TABLE.values().map(|service| service.operations.len()).sum();
        assert_eq!(read, OPERATIONS.lines().count() - headings);
    }

    #[test]
    fn services_have_both_names() {
        for (name, prefix) in [
            ("dynamodb", "DynamoDb"),
            ("sfn", "Sfn"),
            ("sqs", "Sqs"),
            ("s3", "S3"),
            ("secretsmanager", "SecretsManager"),
            ("sagemaker", "SageMaker"),
            ("eventbridge", "EventBridge"),
            ("cloudwatchlogs", "CloudWatchLogs"),
            ("lambda", "Lambda"),
        ] {
            let service = Service::find(name).expect(name);
            assert_eq!((service.name().as_str(), service.error_prefix().as_str()), (name, prefix));
        }
        assert!(Service::find("DynamoDB").is_none());
    }

    #[test]
    fn errors_have_their_classes() {
        for (service, code, class) in [
            ("sns", "NotFound", Some("NotFoundException")),
            ("sns", "NotFoundException", Some("NotFoundException")),
            ("s3", "NoSuchKey", Some("NoSuchKeyException")),
            ("sqs", "QueueDoesNotExist", Some("QueueDoesNotExistException")),
            ("dynamodb", "ResourceNotFoundException", Some("ResourceNotFoundException")),
            ("dynamodb", "ValidationException", None),
        ] {
            let service = Service::find(service).expect(service);
            assert_eq!(service.exception(code).as_deref(), class, "{code}");
        }
    }

    #[test]
    fn members_have_their_places() {
        let s3 = Service::find("s3").expect("it is there");
        let get = s3.operation("GetObject").expect("it is there");
        assert_eq!((get.method, get.path), ("GET", "/{Bucket}/{Key+}"));
        let placed: Vec<_> = get.places("answer-headers").collect();
        let of = |member: &str| placed.iter().find(|it| it.member == member).expect("listed");
        assert_eq!(
            (of("ContentLength").wire, of("ContentLength").kind),
            ("Content-Length", Kind::Number)
        );
        assert_eq!((of("Metadata").wire, of("Metadata").kind), ("x-amz-meta-", Kind::Map));
        assert_eq!(get.column("answer"), Some("Body"));
    }
}
