//! librdkafka's fast doors, and the only FFI of the project: records come in batches out of queues
//! that partitions are forwarded to, and go out in batches, one topic a call. Sources and sinks
//! stand on it; nothing here knows a shard.

mod client;
mod code;
mod mock;
mod producer;
mod queue;
mod session;

pub use client::{
    ClientError, Properties, check, consumer_config, effective, log_line, producer_config,
};
pub use code::name as code_name;
pub use mock::{Broker, RETAINED_BATCHES, RETAINED_BYTES};
pub use producer::{Outgoing, Producer, Refusal};
pub use queue::{Batch, Message, Queue, commit_bounded, commit_later, watermarks};
pub use session::{Report, Trouble};
