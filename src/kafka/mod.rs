//! librdkafka's fast doors, and the only FFI of the project: records come in batches out of queues
//! that partitions are forwarded to, and go out in batches, one topic a call. Sources and sinks
//! stand on it; nothing here knows a shard.

mod access;
mod client;
mod code;
mod mock;
mod producer;
mod queue;
mod session;
mod token;
mod transaction;

pub use access::{
    Errand, access_advice, errand, making_advice, topics, try_consumer, try_producer,
};
pub use client::{
    ClientError, Properties, check, consumer_config, effective, log_line, producer_config,
};
pub use code::name as code_name;
pub use mock::{Broker, RETAINED_BATCHES, RETAINED_BYTES};
pub use producer::{Outgoing, Producer, Refusal};
pub use queue::{Batch, Message, Queue, commit_bounded, commit_later, watermarks};
pub use session::{Report, Trouble};
pub use token::{Token, oauth_token, set_token_source};
pub use transaction::{Membership, Obstacle};
