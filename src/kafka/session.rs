//! One producing client of the library with its handles, and where its event loop puts the reports.

use std::error::Error;
use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use rdkafka::bindings as sys;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Statistics};

use super::access;
use super::client::{ClientError, log_line};
use super::queue::Queue;
use crate::record::Wake;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The record's tag.
    pub tag: u64,
    /// Partition and offset, or why not.
    pub result: Result<(i32, i64), RDKafkaErrorCode>,
}

/// Trouble of the client as a whole, in the library's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its code.
    pub code: RDKafkaErrorCode,
    /// Its text.
    pub text: String,
}

/// Where the event loop puts reports; read on the same thread, so the locks are never waited for.
#[derive(Default)]
pub(super) struct Reports {
    pub(super) done: Mutex<Vec<Report>>,
    pub(super) trouble: Mutex<Option<Trouble>>,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Reports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = cfg!(feature = "msk-iam");

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        super::token::oauth_token()
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(level, facility, text);
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            access::keep(&mut locked(&self.trouble), Trouble { code, text: reason.to_owned() });
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, tag: usize) {
        let result = match delivered {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        locked(&self.done).push(Report { tag: tag as u64, result });
    }
}

/// A handle to a topic of one client; destroyed before the client.
pub(super) struct TopicHandle(pub(super) NonNull<sys::rd_kafka_topic_t>);

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: made by `open`, destroyed once, before its client (see the order in `Session`).
        unsafe { sys::rd_kafka_topic_destroy(self.0.as_ptr()) };
    }
}

/// One client of the library and its handles. Fields are dropped in order: the client is last.
pub(super) struct Session {
    pub(super) topics: Vec<TopicHandle>,
    pub(super) events: Queue,
    pub(super) client: BaseProducer<Reports, NoCustomPartitioner>,
}

impl Session {
    pub(super) fn open(config: &ClientConfig, wake: &Wake) -> Result<Session, ClientError> {
        let failed = |why: String| {
            let advice = access::making_advice(&why);
            ClientError::new(format!("a Kafka producer could not be made: {why}. {advice}"))
        };
        let client: BaseProducer<Reports, NoCustomPartitioner> = config
            .create_with_context(Reports::default())
            .map_err(|error| failed(error.to_string()))?;
        let events = Queue::main(client.client(), wake.clone())
            .ok_or_else(|| failed("it has no event queue".into()))?;
        Ok(Session { topics: Vec::new(), events, client })
    }

    pub(super) fn topic(&self, name: &CString) -> Result<TopicHandle, ClientError> {
        let client = self.client.client().native_ptr();
        // SAFETY: client and name are live for the call; default topic configuration.
        let raw = unsafe { sys::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut()) };
        NonNull::new(raw).map(TopicHandle).ok_or_else(|| {
            ClientError::new(format!("topic {name:?} can't be written: not a topic's name"))
        })
    }

    pub(super) fn reports(&self) -> &Reports {
        self.client.context()
    }
}
