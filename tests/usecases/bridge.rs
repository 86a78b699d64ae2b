//! The way from a queue of moto to one of ElasticMQ: moto's EventBridge reaches moto's queues alone.
//! What arrives there goes on byte for byte, and is deleted only after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::account::Account;

/// A running bridge; it ends with its test.
pub struct Bridge {
    carried: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bridge {
    /// From the queue of one account to that of another.
    pub fn start(from: (Account, String), to: (Account, String)) -> Bridge {
        let (carried, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over) = (carried.clone(), is_over.clone());
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Acquire) {
                count.fetch_add(carry(&from, &to), Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Bridge { carried, is_over, thread: Some(thread) }
    }

    /// Messages so far.
    pub fn carried(&self) -> usize {
        self.carried.load(Ordering::Acquire)
    }
}

/// Carries what is there. How many.
fn carry((from, queue): &(Account, String), (to, target): &(Account, String)) -> usize {
    let asked = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 10 });
    let answer = from.call("sqs", "ReceiveMessage", asked);
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    for message in &messages {
        let sent = json!({ "QueueUrl": target, "MessageBody": message["Body"] });
        to.call("sqs", "SendMessage", sent);
        let done = json!({ "QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"] });
        from.call("sqs", "DeleteMessage", done);
    }
    messages.len()
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the bridge broke");
        }
    }
}
