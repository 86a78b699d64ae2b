//! Getting in: a client that the brokers refuse tries again for ever, and tells of every attempt. Here
//! what it tells is heard once, with what to do about it.

use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::producer::BaseProducer;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::client::{ClientError, Properties, consumer_config, log_line, producer_config};
use super::session::{Trouble, locked};

/// Events that are looked at after an attempt.
const EVENTS_HEARD: usize = 32;
/// How long the first attempt at an answer may take; each further one twice as long.
const FIRST_ATTEMPT: Duration = Duration::from_millis(250);

/// What to do about credentials or certificates that a broker, or this side, has refused; `None` where
/// the trouble is of another kind. `text`: the library's words.
pub fn access_advice(code: Code, text: &str) -> Option<&'static str> {
    let says = |part: &str| text.contains(part);
    Some(match code {
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => {
            "set sasl.mechanism to one that the brokers offer"
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "check sasl.mechanism, sasl.username and sasl.password in kafka.properties"
        }
        Code::SSL if says("certificate verify failed") => {
            "name the CA that signed the brokers' certificates by ssl.ca.location in kafka.properties"
        }
        Code::SSL if says("hostname") || says("Hostname") => {
            "reach the brokers by a name that their certificates are for"
        }
        // An alert comes once the handshake seemed to be over: of a certificate that is missing, say.
        Code::SSL | Code::BrokerTransportFailure
            if code == Code::SSL || says("SSL alert number") =>
        {
            "check the certificates in kafka.properties: ssl.ca.location; and where the brokers ask \
             for this side's, ssl.certificate.location with ssl.key.location, or \
             ssl.keystore.location"
        }
        _ => return None,
    })
}

/// Is it one of the many lines about a refusal that is told of elsewhere?
pub(super) fn repeats_refusal(text: &str) -> bool {
    text.contains("SASL authentication error")
        || text.contains("SSL handshake failed")
        || text.contains("SSL alert number")
}

/// The context of a client that asks the brokers something and goes: it keeps why it was refused.
#[derive(Default)]
pub struct Errand {
    trouble: Mutex<Option<Trouble>>,
}

impl ClientContext for Errand {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = cfg!(feature = "msk-iam");

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        super::token::oauth_token()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            keep(&mut locked(&self.trouble), Trouble { code, text: reason.to_owned() });
        }
    }
}

impl ConsumerContext for Errand {}

/// Keeps the latest trouble; but a refusal is not hidden by what follows from it.
pub(super) fn keep(kept: &mut Option<Trouble>, trouble: Trouble) {
    let is_refusal = |it: &Trouble| access_advice(it.code, &it.text).is_some();
    if !kept.as_ref().is_some_and(is_refusal) {
        *kept = Some(trouble);
    }
}

/// What to do where a client can't be made at all.
pub fn making_advice(why: &str) -> &'static str {
    if why.contains("No provider for SASL mechanism") {
        "Set sasl.mechanism to one of them (Kerberos is not built in)"
    } else {
        "Check the settings"
    }
}

/// A consumer for an errand.
pub fn errand(config: &ClientConfig) -> Result<BaseConsumer<Errand>, ClientError> {
    let failed = |why: KafkaError| {
        let advice = making_advice(&why.to_string());
        ClientError::new(format!("a Kafka client could not be made: {why}. {advice}"))
    };
    config.create_with_context(Errand::default()).map_err(failed)
}

/// Do these properties make a consumer? No broker is asked.
pub fn try_consumer(user: &Properties) -> Result<(), ClientError> {
    let group = ("group.id", "expressway-check".to_owned());
    errand(&consumer_config(user, &[group])?).map(drop)
}

/// Do these properties make a producer? No broker is asked.
pub fn try_producer(user: &Properties) -> Result<(), ClientError> {
    let failed = |why| ClientError::new(format!("a Kafka producer could not be made: {why}"));
    let config = producer_config(user, &[])?;
    let made: Result<BaseProducer, KafkaError> = config.create();
    made.map(drop).map_err(failed)
}

/// The cluster's topics, or one of them (which must not be made by asking for it: not by a producer).
/// Waits at most `bound`, and not at all once the client was refused.
pub fn topics(
    consumer: &BaseConsumer<Errand>,
    topic: Option<&str>,
    bound: Duration,
) -> Result<Metadata, ClientError> {
    use rdkafka::consumer::Consumer as _;
    let mut heard = || {
        // A line of the log or an error a call; there are no records, as nothing is assigned.
        for _ in 0..EVENTS_HEARD {
            let _ = consumer.poll(Duration::ZERO);
        }
        locked(&consumer.context().trouble).clone()
    };
    metadata(consumer.client(), topic, bound, &mut heard)
}

/// Metadata; `heard`: what has befallen the client since.
pub(super) fn metadata<C: ClientContext>(
    client: &Client<C>,
    topic: Option<&str>,
    bound: Duration,
    heard: &mut dyn FnMut() -> Option<Trouble>,
) -> Result<Metadata, ClientError> {
    let end = Instant::now() + bound;
    let mut attempt = FIRST_ATTEMPT;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let why = match client.fetch_metadata(topic, attempt.min(left)) {
            Ok(metadata) => return Ok(metadata),
            Err(why) => why,
        };
        let trouble = heard();
        let advice = trouble.as_ref().and_then(|it| access_advice(it.code, &it.text));
        if let (Some(trouble), Some(advice)) = (trouble, advice) {
            return Err(ClientError::new(format!("{}: {advice}", trouble.text)));
        }
        if left <= attempt {
            return Err(ClientError::new(format!(
                "{why}: check that the brokers can be reached from here, and that \
                 security.protocol is theirs"
            )));
        }
        attempt *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_hidden_by_what_follows() {
        let trouble = |code, text: &str| Trouble { code, text: text.to_owned() };
        let mut kept = None;
        keep(&mut kept, trouble(Code::BrokerTransportFailure, "gone"));
        keep(&mut kept, trouble(Code::SSL, "certificate verify failed"));
        keep(&mut kept, trouble(Code::AllBrokersDown, "1/1 brokers are down"));
        let kept = kept.expect("there was trouble");
        assert_eq!(kept.code, Code::SSL);
        let advice = access_advice(kept.code, &kept.text).expect("it is a refusal");
        assert!(advice.contains("ssl.ca.location"), "{advice}");
        assert_eq!(access_advice(Code::AllBrokersDown, "1/1 brokers are down"), None);
    }
}
