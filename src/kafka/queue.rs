//! Records in: a shard's queue, the partitions forwarded to it, and batches read out of it; commits
//! and watermarks, where the wrapper has no door.

use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;

use super::client::ClientError;
use super::code;
use crate::record::{Header, Wake};

/// A queue of the library with a wake-up. Destroy it before its client, or the client hangs.
pub struct Queue {
    raw: NonNull<sys::rd_kafka_queue_t>,
    // Boxed because the library keeps its address.
    _wake: Box<Wake>,
}

// SAFETY: the library's queues are thread-safe, and so is the wake-up.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

unsafe extern "C" fn on_event(_: *mut sys::rd_kafka_t, wake: *mut c_void) {
    // SAFETY: `wake` is the address given in `Queue::over`, alive until the callback is disabled.
    let wake = unsafe { &*wake.cast::<Wake>() };
    // Nothing may unwind into C; a wake-up that panics is a wake-up that was lost.
    let _ = catch_unwind(AssertUnwindSafe(|| wake.wake()));
}

impl Queue {
    /// A new queue of a consumer; `wake` is called when it stops being empty, and must not call the
    /// client.
    pub fn new<C: ClientContext>(client: &Client<C>, wake: Wake) -> Option<Queue> {
        // SAFETY: the client is live.
        Queue::over(unsafe { sys::rd_kafka_queue_new(client.native_ptr()) }, wake)
    }

    /// The client's main queue, where delivery reports arrive.
    pub fn main<C: ClientContext>(client: &Client<C>, wake: Wake) -> Option<Queue> {
        // SAFETY: the client is live; the call returns a new handle to its queue.
        Queue::over(unsafe { sys::rd_kafka_queue_get_main(client.native_ptr()) }, wake)
    }

    fn over(raw: *mut sys::rd_kafka_queue_t, wake: Wake) -> Option<Queue> {
        let raw = NonNull::new(raw)?;
        let wake = Box::new(wake);
        let address: *const Wake = &*wake;
        // SAFETY: the queue is live; `wake` is boxed and outlives the callback (see `drop`).
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(
                raw.as_ptr(),
                Some(on_event),
                address.cast_mut().cast(),
            );
        }
        Some(Queue { raw, _wake: wake })
    }

    /// Events that wait in it.
    pub fn backlog(&self) -> usize {
        // SAFETY: the queue is live.
        unsafe { sys::rd_kafka_queue_length(self.raw.as_ptr()) }
    }

    /// Sends a partition's records here from now on.
    pub fn adopt<C: ClientContext>(
        &self,
        client: &Client<C>,
        topic: &str,
        partition: i32,
    ) -> Result<(), ClientError> {
        let failed = || {
            ClientError::new(format!("partition {topic}/{partition} can't be read: unknown topic"))
        };
        let name = CString::new(topic).map_err(|_| failed())?;
        // SAFETY: client and name are live for the call.
        let source = unsafe {
            sys::rd_kafka_queue_get_partition(client.native_ptr(), name.as_ptr(), partition)
        };
        let source = NonNull::new(source).ok_or_else(failed)?;
        // SAFETY: both queues are live; the handle got above is given back.
        unsafe {
            sys::rd_kafka_queue_forward(source.as_ptr(), self.raw.as_ptr());
            sys::rd_kafka_queue_destroy(source.as_ptr());
        }
        Ok(())
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is live until here. The callback is called and disabled under the
        // queue's lock, so none runs once it is disabled, and the wake-up may go.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.raw.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.raw.as_ptr());
        }
    }
}

/// Records read together, and destroyed together before the next ones are read: each pins the
/// buffer it was fetched into.
pub struct Batch {
    messages: Vec<*mut sys::rd_kafka_message_t>,
    limit: usize,
}

// SAFETY: messages belong to whoever holds the batch; the library lets any thread destroy them.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch for at most `limit` records.
    pub fn new(limit: usize) -> Batch {
        Batch { messages: Vec::with_capacity(limit), limit }
    }

    /// Destroys what it holds and reads what is there, at most `limit`. Never waits. Fewer than
    /// could have been read means that the queue was empty.
    pub fn read(&mut self, queue: &Queue, limit: usize) -> usize {
        self.clear();
        let limit = limit.min(self.limit);
        // SAFETY: the array has room for `limit` pointers; the queue is live; timeout 0.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                queue.raw.as_ptr(),
                0,
                self.messages.as_mut_ptr(),
                limit,
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        // SAFETY: the library has filled the first `count` places, `count` <= `limit` <= capacity.
        unsafe { self.messages.set_len(count) };
        count
    }

    /// What was read, in order.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        // SAFETY: the pointers are live messages until `clear`, which needs `&mut self`.
        self.messages.iter().map(|message| Message { raw: unsafe { &**message } })
    }

    /// Destroys what it holds.
    pub fn clear(&mut self) {
        for message in self.messages.drain(..) {
            // SAFETY: each was given to us by the library and is destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A record in the library's own memory, or an error about a partition: look at `error` first.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    raw: &'a sys::rd_kafka_message_t,
}

impl<'a> Message<'a> {
    /// The error it stands for, with its text; a record has none.
    pub fn error(&self) -> Option<(RDKafkaErrorCode, String)> {
        // SAFETY: the message is live as long as `self` borrows it, and the library has written it.
        let raw = unsafe { code::raw_of(&raw const self.raw.err) };
        if raw == 0 {
            return None;
        }
        let text = bytes(self.raw.payload, self.raw.len).unwrap_or_default();
        Some((code::from_raw(raw), String::from_utf8_lossy(text).into_owned()))
    }

    /// The topic's address: the same for all records of a topic in one batch, a cheap key there.
    pub fn topic_address(&self) -> usize {
        self.raw.rkt as usize
    }

    /// The topic's name.
    pub fn topic(&self) -> &'a str {
        if self.raw.rkt.is_null() {
            return "";
        }
        // SAFETY: a message keeps its topic alive, and the topic its name.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.raw.rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.raw.partition
    }

    /// The offset.
    pub fn offset(&self) -> i64 {
        self.raw.offset
    }

    /// Milliseconds since 1970; -1 where unknown.
    pub fn timestamp_ms(&self) -> i64 {
        // SAFETY: the message is live; the type of the timestamp may be left out.
        unsafe { sys::rd_kafka_message_timestamp(self.raw, ptr::null_mut()) }
    }

    /// The key.
    pub fn key(&self) -> Option<&'a [u8]> {
        bytes(self.raw.key, self.raw.key_len)
    }

    /// The value; a tombstone has none.
    pub fn value(&self) -> Option<&'a [u8]> {
        bytes(self.raw.payload, self.raw.len)
    }

    /// Appends the headers. A name that is not UTF-8 becomes the replacement character.
    pub fn headers(&self, out: &mut Vec<Header<'a>>) {
        let mut list = ptr::null_mut();
        // SAFETY: the message is live; it keeps the list that it may give out.
        let answer = unsafe { sys::rd_kafka_message_headers(self.raw, &mut list) };
        // SAFETY: the answer is a local that the call above has written.
        if unsafe { code::raw_of(&answer) } != 0 {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the list is live; all three places are ours.
            let answer = unsafe {
                sys::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut size)
            };
            // SAFETY: the answer is a local that the call above has written.
            if unsafe { code::raw_of(&answer) } != 0 {
                return;
            }
            // SAFETY: the library ends names with a zero; they live as long as the message.
            let name: &'a CStr = unsafe { CStr::from_ptr(name) };
            let value = bytes(value.cast_mut(), size);
            out.push(Header { name: name.to_str().unwrap_or("\u{FFFD}"), value });
        }
    }
}

fn bytes<'a>(start: *mut c_void, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: the library gives start and length of bytes it keeps as long as the message, whose
    // lifetime the callers put on the result.
    Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// Sends a commit off; its result reaches the consumer's commit callback. (The wrapper's own
/// asynchronous commit reports to nobody.)
pub fn commit_later<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: the client is live; the handle is given back below.
    let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.native_ptr()) };
    let queue = NonNull::new(queue).ok_or(RDKafkaErrorCode::UnknownGroup)?;
    // SAFETY: all three are live for the call, which copies the offsets; no callback.
    let answer = unsafe {
        let (client, offsets) = (client.native_ptr(), offsets.ptr());
        sys::rd_kafka_commit_queue(client, offsets, queue.as_ptr(), None, ptr::null_mut())
    };
    // SAFETY: got above, destroyed once; the pending commit holds the queue itself.
    unsafe { sys::rd_kafka_queue_destroy(queue.as_ptr()) };
    // SAFETY: the answer is a local that the commit has written.
    outcome(unsafe { code::raw_of(&answer) })
}

/// Commits, and waits for the broker's answer at most `bound`.
pub fn commit_bounded<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
    bound: Duration,
) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: the client is live; the queue is destroyed below.
    let queue = unsafe { sys::rd_kafka_queue_new(client.native_ptr()) };
    let queue = NonNull::new(queue).ok_or(RDKafkaErrorCode::CriticalSystemResource)?;
    // SAFETY: all three are live for the call, which copies the offsets; no callback.
    let answer = unsafe {
        let (client, offsets) = (client.native_ptr(), offsets.ptr());
        sys::rd_kafka_commit_queue(client, offsets, queue.as_ptr(), None, ptr::null_mut())
    };
    // SAFETY: the answer is a local that the commit has written.
    let mut answer = outcome(unsafe { code::raw_of(&answer) });
    if answer.is_ok() {
        answer = await_commit(queue, bound);
    }
    // SAFETY: made above, destroyed once; a late answer finds a closed queue and is dropped.
    unsafe { sys::rd_kafka_queue_destroy(queue.as_ptr()) };
    answer
}

fn await_commit(
    queue: NonNull<sys::rd_kafka_queue_t>,
    bound: Duration,
) -> Result<(), RDKafkaErrorCode> {
    let wait_ms = i32::try_from(bound.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the queue is live; the event is destroyed below.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), wait_ms) };
    if event.is_null() {
        return Err(RDKafkaErrorCode::OperationTimedOut);
    }
    // SAFETY: the event is live until it is destroyed, and its list with it, whose elements the
    // library has written; its error is a local by then.
    unsafe {
        let mut answer = outcome(code::raw_of(&sys::rd_kafka_event_error(event)));
        let list = sys::rd_kafka_event_topic_partition_list(event);
        if !list.is_null() {
            for index in 0..usize::try_from((*list).cnt).unwrap_or(0) {
                let element = (*list).elems.add(index);
                answer = answer.and(outcome(code::raw_of(&raw const (*element).err)));
            }
        }
        sys::rd_kafka_event_destroy(event);
        answer
    }
}

fn outcome(raw: i32) -> Result<(), RDKafkaErrorCode> {
    if raw == 0 { Ok(()) } else { Err(code::from_raw(raw)) }
}

/// Low and high watermark as the last fetch saw them; no request. `None` where there was none yet.
pub fn watermarks<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partition: i32,
) -> Option<(i64, i64)> {
    let name = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: client and name are live for the call; both places are ours.
    let answer = unsafe {
        let client = client.native_ptr();
        sys::rd_kafka_get_watermark_offsets(client, name.as_ptr(), partition, &mut low, &mut high)
    };
    // SAFETY: the answer is a local that the call above has written.
    (unsafe { code::raw_of(&answer) } == 0 && high >= 0).then_some((low, high))
}
