//! Records out: staged by topic, handed to the library in one call a topic, their delivery reports
//! read through the wrapper's event loop. (A raw poll or flush would discard the reports.)

use std::ffi::{CString, c_void};
use std::mem;
use std::ptr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::producer::{
    BaseProducer, NoCustomPartitioner, PARTITION_UA, Producer as _, PurgeConfig,
};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use super::access;
use super::client::ClientError;
use super::code;
use super::session::{Report, Reports, Session, Trouble, locked};
use crate::record::{Header, Wake};

/// Tags travel as the library's opaque pointers.
const _: () = assert!(usize::BITS >= u64::BITS, "a tag must fit an opaque pointer");

/// Records staged for one topic before they are handed over without being asked to.
const STAGED_RECORDS_MAX: usize = 1024;

/// Staged bytes of all topics after which everything is handed over without being asked to.
const STAGED_BYTES_MAX: usize = 1024 * 1024;

/// Report events read in one poll; an event holds the reports of many records.
const EVENTS_MAX: usize = 64;

/// How long an abandoned producer may take to give its outputs back.
const PURGE_BOUND: Duration = Duration::from_millis(500);

/// A record to write.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` writes a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [Header<'a>],
    /// Comes back in the [`Report`].
    pub tag: u64,
}

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The library's queue is full: later, after a poll.
    Full,
    /// There is no producer any more, and no new one can be made.
    Dead(ClientError),
}

/// A range of the staged bytes; `None` where there is no key or value.
type Span = Option<(u32, u32)>;

struct Staged {
    tag: u64,
    key: Span,
    value: Span,
    headers: (u32, u32),
}

struct Topic {
    name: CString,
    staged: Vec<Staged>,
    // Staged records that the library has taken or refused.
    sent: usize,
}

/// A producer that takes records in batches. One thread owns it.
pub struct Producer {
    session: Session,
    config: ClientConfig,
    wake: Wake,
    topics: Vec<Topic>,
    bytes: Vec<u8>,
    headers: Vec<(Span, Span)>,
    messages: Vec<sys::rd_kafka_message_t>,
    reports: Vec<Report>,
    refused: Vec<Report>,
    in_flight: usize,
    full: bool,
    dead: Option<ClientError>,
}

// SAFETY: what its raw pointers point to (topics, staged bytes) is its own or thread-safe.
unsafe impl Send for Producer {}

impl Producer {
    /// A producer; `wake` is called when reports have come, and must not call the producer.
    pub fn new(config: ClientConfig, wake: Wake) -> Result<Producer, ClientError> {
        Ok(Producer {
            session: Session::open(&config, &wake)?,
            config,
            wake,
            topics: Vec::new(),
            bytes: Vec::with_capacity(STAGED_BYTES_MAX),
            headers: Vec::new(),
            messages: Vec::with_capacity(STAGED_RECORDS_MAX),
            reports: Vec::new(),
            refused: Vec::new(),
            in_flight: 0,
            full: false,
            dead: None,
        })
    }

    /// The index by which records name this topic.
    pub fn topic(&mut self, name: &str) -> Result<usize, ClientError> {
        let known = self.topics.iter().position(|it| it.name.as_bytes() == name.as_bytes());
        if let Some(index) = known {
            return Ok(index);
        }
        let name = CString::new(name).map_err(|_| {
            ClientError::new(format!("topic {name:?} can't be written: it holds a zero byte"))
        })?;
        self.session.topics.push(self.session.topic(&name)?);
        let staged = Vec::with_capacity(STAGED_RECORDS_MAX);
        self.topics.push(Topic { name, staged, sent: 0 });
        Ok(self.topics.len() - 1)
    }

    /// The topic's name.
    pub fn topic_name(&self, index: usize) -> &str {
        self.topics.get(index).and_then(|it| it.name.to_str().ok()).unwrap_or_default()
    }

    /// Stages a copy of the record.
    pub fn write(&mut self, topic: usize, record: &Outgoing<'_>) -> Result<(), Refusal> {
        if let Some(error) = &self.dead {
            return Err(Refusal::Dead(error.clone()));
        }
        if self.full {
            return Err(Refusal::Full);
        }
        let key = self.stage(record.key);
        let value = self.stage(record.value);
        let first_header = self.headers.len() as u32;
        for header in record.headers {
            let pair = (self.stage(Some(header.name.as_bytes())), self.stage(header.value));
            self.headers.push(pair);
        }
        let headers = (first_header, self.headers.len() as u32);
        let topic = &mut self.topics[topic];
        topic.staged.push(Staged { tag: record.tag, key, value, headers });
        self.in_flight += 1;
        if topic.staged.len() >= STAGED_RECORDS_MAX || self.bytes.len() >= STAGED_BYTES_MAX {
            self.submit();
        }
        Ok(())
    }

    fn stage(&mut self, part: Option<&[u8]>) -> Span {
        let part = part?;
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        Some((start, part.len() as u32))
    }

    /// Hands all that is staged to the library, up to the first that finds its queue full.
    pub fn submit(&mut self) {
        self.full = false;
        for index in 0..self.topics.len() {
            while !self.full && self.topics[index].sent < self.topics[index].staged.len() {
                self.submit_run(index);
            }
            let topic = &mut self.topics[index];
            if topic.sent == topic.staged.len() {
                topic.staged.clear();
                topic.sent = 0;
            }
        }
        if !self.full {
            self.bytes.clear();
            self.headers.clear();
        }
    }

    /// One call: a record with headers, or as many without as stand together.
    fn submit_run(&mut self, index: usize) {
        let topic = &self.topics[index];
        let rest = &topic.staged[topic.sent..];
        let plain = rest.iter().take_while(|it| it.headers.0 == it.headers.1).count();
        if plain == 0 {
            let answer = self.produce_with_headers(index, &rest[0]);
            self.note(index, rest_tag(rest), answer);
            return;
        }
        self.messages.clear();
        self.messages.extend(rest[..plain].iter().map(|staged| message(&self.bytes, staged)));
        let handle = &self.session.topics[index];
        let count = i32::try_from(plain).unwrap_or(i32::MAX);
        // SAFETY: the topic is live; the messages point into `bytes`, which nobody touches during
        // the call; the library copies what they point to.
        unsafe {
            sys::rd_kafka_produce_batch(
                handle.0.as_ptr(),
                PARTITION_UA,
                sys::RD_KAFKA_MSG_F_COPY,
                self.messages.as_mut_ptr(),
                count,
            );
        }
        for place in 0..plain {
            // SAFETY: the message is an element of ours, and its error was written when it was made
            // and by the library since.
            let answer = unsafe { code::raw_of(&raw const self.messages[place].err) };
            let tag = self.messages[place]._private as u64;
            self.note(index, tag, answer);
            if self.full {
                return;
            }
        }
    }

    #[inline]
    fn note(&mut self, index: usize, tag: u64, answer: i32) {
        if answer == 0 {
            self.topics[index].sent += 1;
            return;
        }
        let code = code::from_raw(answer);
        if code == RDKafkaErrorCode::QueueFull {
            self.full = true;
            return;
        }
        self.topics[index].sent += 1;
        self.refused.push(Report { tag, result: Err(code) });
    }

    fn produce_with_headers(&self, index: usize, staged: &Staged) -> i32 {
        let list = self.header_list(staged);
        let message = message(&self.bytes, staged);
        // SAFETY: client and topic are live; each type tag is followed by the arguments it
        // announces; key and value are copied; the library takes the list over on success only. The
        // answer is a local that the call has written.
        unsafe {
            let answer = sys::rd_kafka_producev(
                self.session.client.client().native_ptr(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                self.session.topics[index].0.as_ptr(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                message.payload,
                message.len,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                message.key,
                message.key_len,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE,
                message._private,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
                list,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            );
            let answer = code::raw_of(&answer);
            if answer != 0 {
                sys::rd_kafka_headers_destroy(list);
            }
            answer
        }
    }

    fn header_list(&self, staged: &Staged) -> *mut sys::rd_kafka_headers_t {
        let (first, end) = staged.headers;
        let pairs = &self.headers[first as usize..end as usize];
        // SAFETY: makes a list of our own; freed by who takes it.
        let list = unsafe { sys::rd_kafka_headers_new(pairs.len()) };
        for (name, value) in pairs {
            let (name, name_len) = place(&self.bytes, *name);
            let (value, value_len) = place(&self.bytes, *value);
            // SAFETY: the list is live, both ranges lie in `bytes`, and both are copied.
            unsafe {
                let (name_len, value_len) = (name_len as isize, value_len as isize);
                sys::rd_kafka_header_add(list, name.cast(), name_len, value, value_len);
            }
        }
        list
    }

    /// Hands over the reports that have come back, and submits again what found the queue full.
    /// Never waits.
    pub fn poll(&mut self, take: &mut dyn FnMut(Report)) {
        let mut events = 0;
        while events < EVENTS_MAX && self.session.events.backlog() > 0 {
            self.session.client.poll(Duration::ZERO);
            events += 1;
        }
        if events == EVENTS_MAX {
            // The library wakes only when the queue stops being empty; it may not have been.
            self.wake.wake();
        }
        if self.full {
            self.submit();
        }
        let told = |it: &Trouble| it.code == RDKafkaErrorCode::Fatal;
        let told = locked(&self.session.reports().trouble).as_ref().is_some_and(told);
        let fatal = self.hand_over(take) || told;
        // What a transaction held is not written again one by one: its owner opens a new producer.
        if fatal && self.dead.is_none() && self.config.get("transactional.id").is_none() {
            self.renew();
            self.hand_over(take);
        }
    }

    /// Were there reports of a fatal error?
    fn hand_over(&mut self, take: &mut dyn FnMut(Report)) -> bool {
        self.reports.append(&mut self.refused);
        self.reports.append(&mut locked(&self.session.reports().done));
        self.in_flight -= self.reports.len().min(self.in_flight);
        let mut fatal = false;
        for report in self.reports.drain(..) {
            fatal |= report.result == Err(RDKafkaErrorCode::Fatal);
            take(report);
        }
        fatal
    }

    /// Leaves a client that had a fatal error for a new one. Everything unsettled is reported as
    /// purged, in its order, so that its owner writes it again; some of it may have been written.
    fn renew(&mut self) {
        let purge = PurgeConfig::default().queue().inflight();
        self.session.client.purge(purge);
        // What is left after the bound is reported by nobody else: the bound is generous for
        // something that waits for no broker.
        let _ = self.session.client.flush(PURGE_BOUND);
        self.reports.append(&mut locked(&self.session.reports().done));
        for topic in &mut self.topics {
            let purged = Err(RDKafkaErrorCode::PurgeQueue);
            let left = topic.staged.drain(..).skip(topic.sent);
            self.reports.extend(left.map(|it| Report { tag: it.tag, result: purged }));
            topic.sent = 0;
        }
        self.bytes.clear();
        self.headers.clear();
        self.full = false;
        if let Err(error) = self.reopen() {
            self.dead = Some(error);
        }
    }

    fn reopen(&mut self) -> Result<(), ClientError> {
        let mut session = Session::open(&self.config, &self.wake)?;
        for topic in &self.topics {
            session.topics.push(session.topic(&topic.name)?);
        }
        drop(mem::replace(&mut self.session, session));
        Ok(())
    }

    /// Gives up what was not written yet; it is reported, as the rest is.
    pub fn purge(&mut self) {
        self.session.client.purge(PurgeConfig::default().queue().inflight());
        let purged = Err(RDKafkaErrorCode::PurgeQueue);
        for topic in &mut self.topics {
            let left = topic.staged.drain(..).skip(topic.sent);
            self.refused.extend(left.map(|it| Report { tag: it.tag, result: purged }));
            topic.sent = 0;
        }
        self.bytes.clear();
        self.headers.clear();
        self.full = false;
    }

    pub(super) fn client(&self) -> &BaseProducer<Reports, NoCustomPartitioner> {
        &self.session.client
    }

    /// Records staged or with the library, and not yet reported.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Trouble of the client as a whole since the last call.
    pub fn trouble(&mut self) -> Option<Trouble> {
        locked(&self.session.reports().trouble).take()
    }

    /// Which of these topics the cluster does not have (or does not show to us).
    pub fn missing<'a>(
        &self,
        topics: &[&'a str],
        bound: Duration,
    ) -> Result<Vec<&'a str>, ClientError> {
        // All topics, because asking for one by name may create it.
        let mut heard = || {
            for _ in 0..self.session.events.backlog() {
                self.session.client.poll(Duration::ZERO);
            }
            locked(&self.session.reports().trouble).clone()
        };
        let client = self.session.client.client();
        let metadata = access::metadata(client, None, bound, &mut heard).map_err(|why| {
            let brokers = self.config.get("bootstrap.servers").unwrap_or("(none)");
            ClientError::new(format!("the topics of {brokers} could not be listed: {why}"))
        })?;
        let absent = |name: &&&str| !metadata.topics().iter().any(|it| it.name() == **name);
        Ok(topics.iter().filter(absent).copied().collect())
    }

    /// Waits until everything is reported, at most `bound`; hands over the reports. True if nothing
    /// is left.
    pub fn flush(&mut self, bound: Duration, take: &mut dyn FnMut(Report)) -> bool {
        let end = std::time::Instant::now() + bound;
        loop {
            self.submit();
            self.poll(take);
            let left = end.saturating_duration_since(std::time::Instant::now());
            if self.in_flight == 0 || left.is_zero() {
                return self.in_flight == 0;
            }
            // Returns early when an event comes; with nothing staged the library stops lingering.
            let slice = left.min(Duration::from_millis(100));
            let _ = self.session.client.flush(slice);
        }
    }
}

fn rest_tag(rest: &[Staged]) -> u64 {
    rest.first().map_or(0, |it| it.tag)
}

fn place(bytes: &[u8], span: Span) -> (*mut c_void, usize) {
    match span {
        // Not null even where it is empty: an empty value is no tombstone.
        Some((start, len)) => {
            (bytes[start as usize..].as_ptr().cast_mut().cast::<c_void>(), len as usize)
        }
        None => (ptr::null_mut(), 0),
    }
}

fn message(bytes: &[u8], staged: &Staged) -> sys::rd_kafka_message_t {
    let (payload, len) = place(bytes, staged.value);
    let (key, key_len) = place(bytes, staged.key);
    sys::rd_kafka_message_t {
        err: RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: ptr::null_mut(),
        partition: PARTITION_UA,
        payload,
        len,
        key,
        key_len,
        offset: 0,
        _private: staged.tag as usize as *mut c_void,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Broker, producer_config};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn write_all(producer: &mut Producer, topic: usize, tags: &[u64]) {
        for &tag in tags {
            let headers: &[_] = &[Header { name: "h", value: None }];
            let headers = if tag.is_multiple_of(5) { headers } else { &[] };
            let record = Outgoing { key: None, value: Some(b"1"), headers, tag };
            producer.write(topic, &record).expect("taken");
        }
    }

    #[test]
    fn after_a_fatal_error_everything_unsettled_comes_back_and_can_be_written_again() {
        let broker = Broker::start(1).expect("starts");
        broker.create_topic("t", 2).expect("a topic");
        let ours = [("bootstrap.servers", broker.bootstrap())];
        let config = producer_config(&BTreeMap::new(), &ours).expect("valid");
        let mut producer = Producer::new(config, Wake::new(|| {})).expect("a producer");
        let topic = producer.topic("t").expect("a topic");
        broker.set_up(1, false).expect("down");
        let mut unsettled: Vec<u64> = (0..100).collect();
        write_all(&mut producer, topic, &unsettled);
        producer.submit();
        let client = producer.session.client.client().native_ptr();
        let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        // SAFETY: the client is live, the text a C string.
        unsafe { sys::rd_kafka_test_fatal_error(client, fatal, c"a test's".as_ptr()) };
        let mut failed = Vec::new();
        producer.flush(PATIENCE, &mut |it| failed.push(it));
        assert_eq!((failed.len(), producer.in_flight()), (100, 0));
        assert!(failed.iter().all(|it| it.result.is_err()), "{failed:?}");
        broker.set_up(1, true).expect("up");
        // As a shard does: what has failed is written again.
        for _ in 0..3 {
            write_all(&mut producer, topic, &unsettled);
            let settle =
                &mut |it: Report| unsettled.retain(|&tag| tag != it.tag || it.result.is_err());
            assert!(producer.flush(PATIENCE, settle), "everything is reported");
        }
        assert!(unsettled.is_empty(), "{unsettled:?}");
    }
}
