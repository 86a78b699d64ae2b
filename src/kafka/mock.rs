//! The embedded broker: librdkafka's mock cluster, for the quick start and fast tests. It speaks
//! the protocol over loopback sockets, and keeps little: see [`RETAINED_BYTES`].

use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::client::ClientError;

/// Bytes a partition keeps; what is older goes, read or not. Spread load over many partitions.
pub const RETAINED_BYTES: usize = 5 * 1024 * 1024;

/// Record batches a partition keeps.
pub const RETAINED_BATCHES: usize = 100_000;

/// The mock's own 3 s would be most of a short run.
const GROUP_DELAY_MS: i32 = 100;

/// A cluster inside this process; it lives as long as this value.
pub struct Broker {
    owner: BaseProducer,
    cluster: *mut sys::rd_kafka_mock_cluster_t,
}

// SAFETY: the mock's functions lock or hand over to its own thread; the pointer lives as long as
// `owner`, which is `Send` and `Sync` itself.
unsafe impl Send for Broker {}
// SAFETY: as above.
unsafe impl Sync for Broker {}

impl Broker {
    /// Starts a cluster of this many brokers on loopback ports.
    pub fn start(brokers: usize) -> Result<Broker, ClientError> {
        let failed = |why: String| {
            ClientError::new(format!("the embedded broker could not be started: {why}"))
        };
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", brokers.to_string());
        let owner: BaseProducer =
            config.create().map_err(|error: KafkaError| failed(error.to_string()))?;
        // SAFETY: the client is live; the call only reads its field.
        let cluster = unsafe { sys::rd_kafka_handle_mock_cluster(owner.client().native_ptr()) };
        if cluster.is_null() {
            return Err(failed("the library gave no cluster; at least 1 broker is needed".into()));
        }
        // SAFETY: the cluster lives as long as `owner`.
        unsafe { sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, GROUP_DELAY_MS) };
        Ok(Broker { owner, cluster })
    }

    /// What clients connect to: `127.0.0.1:40123,...`
    pub fn bootstrap(&self) -> String {
        // SAFETY: the cluster is live and keeps the string for as long as it lives.
        let text = unsafe { CStr::from_ptr(sys::rd_kafka_mock_cluster_bootstraps(self.cluster)) };
        text.to_string_lossy().into_owned()
    }

    /// Makes a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), ClientError> {
        let attempt = |why: &dyn std::fmt::Display| {
            ClientError::new(format!("topic {name:?} could not be created: {why}"))
        };
        let text = CString::new(name).map_err(|error| attempt(&error))?;
        // SAFETY: the cluster is live, the name is a C string that outlives the call.
        let answer =
            unsafe { sys::rd_kafka_mock_topic_create(self.cluster, text.as_ptr(), partitions, 1) };
        // SAFETY: the answer is a local that the call above has written.
        let code = super::code::from_raw(unsafe { super::code::raw_of(&answer) });
        if code == rdkafka::types::RDKafkaErrorCode::NoError { Ok(()) } else { Err(attempt(&code)) }
    }

    /// Takes a broker (from 1) down, or up again.
    pub fn set_up(&self, broker: i32, up: bool) -> Result<(), ClientError> {
        let cluster = self.owner.client().mock_cluster();
        let answer =
            cluster.map(|it| if up { it.broker_up(broker) } else { it.broker_down(broker) });
        match answer {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => Err(ClientError::new(format!("broker {broker}: {why}"))),
            None => Err(ClientError::new("the embedded broker is gone")),
        }
    }

    /// Makes every answer of a broker (from 1) take this long.
    pub fn set_round_trip(&self, broker: i32, delay: Duration) -> Result<(), ClientError> {
        let cluster = self.owner.client().mock_cluster();
        let answer = cluster.map(|it| it.broker_round_trip_time(broker, delay));
        match answer {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => Err(ClientError::new(format!("broker {broker}: {why}"))),
            None => Err(ClientError::new("the embedded broker is gone")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serves_topics_over_loopback() {
        let broker = Broker::start(2).expect("starts");
        broker.create_topic("readings", 6).expect("new topic");
        assert_eq!(broker.bootstrap().split(',').count(), 2);
        assert!(broker.create_topic("a\0b", 1).is_err());
        let mut config = ClientConfig::new();
        let client: BaseProducer =
            config.set("bootstrap.servers", broker.bootstrap()).create().expect("client");
        let wait = Duration::from_secs(10);
        let metadata = client.client().fetch_metadata(Some("readings"), wait).expect("metadata");
        assert_eq!(metadata.topics()[0].partitions().len(), 6);
    }
}
