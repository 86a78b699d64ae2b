//! What every client is told: our defaults, then the user's properties, which win.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::access::repeats_refusal;

/// Properties of the library by name, as the user wrote them.
pub type Properties = BTreeMap<String, String>;

/// Why a client could not be made: what was attempted, on what, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// For the operator.
    pub message: String,
}

impl ClientError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> ClientError {
        ClientError { message: message.into() }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ClientError {}

/// Ours alone, and why: the delivery promise stands on them.
const REFUSED: [(&str, &str); 3] = [
    ("enable.auto.commit", "offsets are committed only once their records are settled"),
    ("enable.auto.offset.store", "offsets are committed only once their records are settled"),
    ("delivery.report.only.error", "a record is settled by its delivery report"),
];

const SHARED: [(&str, &str); 1] = [("client.id", "expressway")];

/// `fetch.queue.backoff.ms`: the library's 1000 starves a fast consumer (0.16 instead of 0.82 M
/// records/s in a pass-through over 12 partitions, both cores idle).
const CONSUMER: [(&str, &str); 1] = [("fetch.queue.backoff.ms", "10")];

/// Classic groups only; the KIP-848 protocol refuses it.
const CLASSIC: [(&str, &str); 1] = [("partition.assignment.strategy", "cooperative-sticky")];

/// What only a classic group's member says, and what says it for a group of the KIP-848 protocol.
const CLASSIC_ONLY: [(&str, &str); 4] = [
    ("session.timeout.ms", "the brokers' group.consumer.session.timeout.ms"),
    ("heartbeat.interval.ms", "the brokers' group.consumer.heartbeat.interval.ms"),
    ("partition.assignment.strategy", "group.remote.assignor, \"uniform\" or \"range\""),
    ("group.protocol.type", "nothing"),
];

/// What only a member of the KIP-848 protocol says.
const NEXT_ONLY: [&str; 1] = ["group.remote.assignor"];

/// `message.timeout.ms=0`: an output waits for its broker as long as it takes; back-pressure, not a
/// timer, is what answers a broker that is away. The partitioner is the Java client's.
const PRODUCER: [(&str, &str); 4] = [
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("message.timeout.ms", "0"),
    ("partitioner", "murmur2_random"),
];

/// A consumer's configuration: our defaults, `ours` (what settings make of it), the user's.
pub fn consumer_config(
    user: &Properties,
    ours: &[(&str, String)],
) -> Result<ClientConfig, ClientError> {
    let is_classic = user.get("group.protocol").is_none_or(|name| name != "consumer");
    suits(user, is_classic)?;
    let protocol: &[_] = if is_classic { &CLASSIC } else { &[] };
    let mut config = assemble(&[&SHARED, &CONSUMER, protocol], ours, user)?;
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    check(&config)?;
    Ok(config)
}

/// Do the user's properties belong to the group's protocol?
fn suits(user: &Properties, is_classic: bool) -> Result<(), ClientError> {
    let is_given = |name: &&str| user.contains_key(*name);
    let strange = |(name, instead): &(&str, &str)| {
        format!(
            "Kafka property {name:?} is not for group.protocol=consumer: what counts there is \
             {instead}. Remove it, or group.protocol."
        )
    };
    let message = if is_classic {
        NEXT_ONLY.iter().find(|name| is_given(name)).map(|name| {
            format!("Kafka property {name:?} needs \"group.protocol\" = \"consumer\" beside it.")
        })
    } else {
        CLASSIC_ONLY.iter().find(|(name, _)| is_given(name)).map(strange)
    };
    message.map_or(Ok(()), |message| Err(ClientError::new(message)))
}

/// A producer's configuration: our defaults, `ours` (what settings make of it), the user's.
pub fn producer_config(
    user: &Properties,
    ours: &[(&str, String)],
) -> Result<ClientConfig, ClientError> {
    let config = assemble(&[&SHARED, &PRODUCER], ours, user)?;
    check(&config)?;
    Ok(config)
}

fn assemble(
    defaults: &[&[(&str, &str)]],
    ours: &[(&str, String)],
    user: &Properties,
) -> Result<ClientConfig, ClientError> {
    for (name, why) in REFUSED {
        if user.contains_key(name) {
            return Err(ClientError::new(format!(
                "Kafka property {name:?} can't be set here: {why}. Remove it."
            )));
        }
    }
    let mut config = ClientConfig::new();
    let debug = user.contains_key("debug");
    config.set_log_level(if debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    for (name, value) in defaults.iter().copied().flatten() {
        config.set(*name, *value);
    }
    for (name, value) in ours {
        config.set(*name, value);
    }
    for (name, value) in user {
        config.set(name, value);
    }
    Ok(config)
}

/// Lets the library look at every name and value; what it refuses comes in its own words.
pub fn check(config: &ClientConfig) -> Result<(), ClientError> {
    match config.create_native_config() {
        Ok(_) => Ok(()),
        // The value stays out of the message: it may be a secret.
        Err(KafkaError::ClientConfig(_, why, name, _)) => {
            let advice = if why.contains("libcurl") {
                "Build with --features oidc, which puts libcurl in."
            } else {
                "See librdkafka's CONFIGURATION.md."
            };
            Err(ClientError::new(format!("Kafka property {name:?} was refused: {why}. {advice}")))
        }
        Err(other) => Err(ClientError::new(format!("Kafka properties were refused: {other}"))),
    }
}

/// A property's value in force, the library's default included.
pub fn effective(config: &ClientConfig, name: &str) -> Result<String, ClientError> {
    let value = config.create_native_config().and_then(|native| native.get(name));
    value.map_err(|why| ClientError::new(format!("Kafka property {name:?} can't be read: {why}")))
}

/// Puts a line of the library's own log into ours.
pub fn log_line(level: RDKafkaLogLevel, facility: &str, text: &str) {
    // The client's error callback, or the transaction's next step, tells of it too, and is heard.
    let is_told = repeats_refusal(text) || facility == "TXNERR";
    let level = if is_told { RDKafkaLogLevel::Debug } else { level };
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(facility, text, "Kafka client error"),
        RDKafkaLogLevel::Warning => tracing::warn!(facility, text, "Kafka client warning"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(facility, text, "Kafka client notice");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(facility, text, "Kafka client detail"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn refuses(pairs: &[(&str, &str)], part: &str) {
        let user = properties(pairs);
        let error = consumer_config(&user, &[]).expect_err("a bad property must be refused");
        assert!(error.message.contains(part), "{error}");
        assert!(producer_config(&user, &[]).is_err());
    }

    #[test]
    fn ours_are_refused_and_unknown_ones_answered_by_the_library() {
        refuses(&[("enable.auto.commit", "true")], "only once their records are settled");
        refuses(&[("enable.auto.offset.store", "false")], "enable.auto.offset.store");
        refuses(&[("delivery.report.only.error", "true")], "delivery report");
        refuses(&[("fetch.fast", "yes")], "No such configuration property: \"fetch.fast\"");
        refuses(&[("socket.timeout.ms", "soon")], "socket.timeout.ms");
    }

    #[test]
    fn the_users_properties_win() {
        let user = properties(&[("fetch.queue.backoff.ms", "7"), ("acks", "1")]);
        let consumer = consumer_config(&user, &[]).expect("valid");
        assert_eq!(effective(&consumer, "fetch.queue.backoff.ms").as_deref(), Ok("7"));
        assert_eq!(effective(&consumer, "enable.auto.commit").as_deref(), Ok("false"));
        let producer = producer_config(&user, &[]).expect("valid");
        assert_eq!(effective(&producer, "acks").as_deref(), Ok("1"));
    }

    #[test]
    fn protocol_settings_go_only_to_their_protocol() {
        let classic = consumer_config(&properties(&[]), &[]).expect("valid");
        assert_eq!(classic.get("partition.assignment.strategy"), Some("cooperative-sticky"));
        let next = properties(&[("group.protocol", "consumer")]);
        let next = consumer_config(&next, &[]).expect("valid");
        assert_eq!(next.get("partition.assignment.strategy"), None);
        for (name, value) in [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "500")] {
            let both = properties(&[("group.protocol", "consumer"), (name, value)]);
            let error = consumer_config(&both, &[]).expect_err("the brokers say it");
            assert!(
                error.message.contains(name) && error.message.contains("the brokers'"),
                "{error}"
            );
            assert!(consumer_config(&properties(&[(name, value)]), &[]).is_ok());
        }
        let assignor = ("group.remote.assignor", "range");
        assert!(consumer_config(&properties(&[assignor]), &[]).is_err());
        let both = properties(&[assignor, ("group.protocol", "consumer")]);
        assert!(consumer_config(&both, &[]).is_ok());
    }
}
