//! `[kafka]`: the brokers, and librdkafka's own properties.

use std::collections::BTreeMap;

use super::secret::{Secret, read_map, write_map};
use super::section::{Check, Findings, Setting, Written, dotted, quoted, section};
use super::tree::{Data, Node};

/// Properties that are the engine's own business, and why, or where to set them.
const RESERVED: [(&str, &str); 6] = [
    ("transactional.id", "is set by kafka.transactional_id"),
    ("bootstrap.servers", "is set by kafka.bootstrap_servers"),
    ("group.id", "is set by a pipeline's source.group"),
    (
        "enable.auto.commit",
        "must stay false: offsets are committed once their records have settled",
    ),
    (
        "enable.auto.offset.store",
        "must stay false: offsets are stored once their records have settled",
    ),
    ("delivery.report.only.error", "must stay false: a record settles on its outputs' reports"),
];

/// Parts of the names of properties whose values are secret wherever they come from.
const SECRET_PARTS: [&str; 7] =
    ["password", "secret", "ssl.key.pem", "ssl_key", "oauthbearer.config", "passphrase", ".pin"];

section! {
    /// Kafka: one cluster for all pipelines.
    default Kafka {
        /// Brokers to begin with, as host:port. Two or three suffice.
        bootstrap_servers: Vec<String> = vec!["127.0.0.1:9092".to_owned()];
        /// The region of an Amazon MSK cluster whose clients show who they are by IAM: connections are
        /// then SASL_SSL with OAUTHBEARER, by the standard chain's AWS credentials. Needs a build with
        /// --features msk-iam.
        msk_iam_region: Option<String> = None, example r#""eu-west-1""#;
        /// The first part of the transactional ids of pipelines that are delivered exactly once. Each
        /// process its own, and the same after a restart, so that what it has left open is ended at
        /// once; without, ids are made up anew, and it is ended by its timeout.
        transactional_id: Option<String> = None, example r#""orders-0""#;
        /// Properties for every client, passed to librdkafka as they are; they win over what the
        /// engine ships. A value may be { file = "..." } or { env = "..." }.
        properties: Properties = Properties::default(),
            example r#"{ "client.id" = "a", "sasl.password" = { env = "PASSWORD" } }"#;
        /// The same for consumers alone.
        consumer: Properties = Properties::default(), example r#"{ "fetch.max.bytes" = 10485760 }"#;
        /// The same for producers alone.
        producer: Properties = Properties::default(), example r#"{ "compression.type" = "zstd" }"#;
    }
}

impl Check for Kafka {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.bootstrap_servers.is_empty() {
            let message = "kafka.bootstrap_servers must name at least one broker as host:port.";
            findings.refuse(node, "bootstrap_servers", message);
        }
        if self.msk_iam_region.is_some() && !cfg!(feature = "msk-iam") {
            let message = "kafka.msk_iam_region: MSK's IAM is not in this build; build with \
                           --features msk-iam, or use SCRAM.";
            findings.refuse(node, "msk_iam_region", message);
        }
    }
}

/// A property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// Fit to be printed.
    Plain(String),
    /// From a file or the environment, or secret by its name.
    Secret(Secret),
}

impl Property {
    /// The value as librdkafka takes it; not to be logged.
    pub fn expose(&self) -> &str {
        match self {
            Property::Plain(text) => text,
            Property::Secret(secret) => secret.expose(),
        }
    }
}

impl Setting for Property {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Property> {
        let plain = match &node.data {
            Data::Integer(value) => value.to_string(),
            Data::Float(value) => value.to_string(),
            Data::Boolean(value) => value.to_string(),
            Data::Text(text) => text.clone(),
            Data::Table(entries)
                if !entries.contains_key("file") && !entries.contains_key("env") =>
            {
                let name = dotted(&node.value.pointer);
                let message = format!(
                    "{name} is a table; write a property's name in quotes (\"security.protocol\" = \
                     ...), and a secret as {{ file = \"...\" }} or {{ env = \"...\" }}."
                );
                findings.error("INVALID_VALUE", &node.key, message);
                return None;
            }
            _ => return Secret::read(node, findings).map(Property::Secret),
        };
        let name = node.key.pointer.to_lowercase();
        let is_secret = SECRET_PARTS.iter().any(|part| name.contains(part));
        Some(if is_secret { Property::Secret(Secret::new(&plain)) } else { Property::Plain(plain) })
    }

    fn write(&self) -> Written {
        match self {
            Property::Plain(text) => Written::Value(quoted(text)),
            Property::Secret(secret) => secret.write(),
        }
    }
}

/// librdkafka's properties by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties(pub BTreeMap<String, Property>);

impl Properties {
    /// Names and values as librdkafka takes them; not to be logged.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }
}

impl Setting for Properties {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Properties> {
        let properties = read_map(node, findings)?;
        let table = node.table()?;
        for (name, reason) in RESERVED {
            if let Some(child) = table.get(name) {
                let message = format!("The property {name} {reason}; remove it here.");
                findings.error("RESERVED_PROPERTY", &child.key, message);
            }
        }
        Some(Properties(properties))
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}
