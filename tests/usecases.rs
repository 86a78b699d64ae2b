//! The use cases that people know from Step Functions, off a stream: examples of `config/examples`
//! as they stand there, on an embedded broker, moto, and ElasticMQ for queues that they read and fill;
//! the engine a process of its own that can be killed. What those can't do is done by servers that
//! speak as the services do.
//!
//! `EXPRESSWAY_SKIP_AWS=1` skips all, `EXPRESSWAY_SKIP_SQS=1` what needs ElasticMQ.

#[path = "usecases/account.rs"]
mod account;
#[path = "usecases/bridge.rs"]
mod bridge;
#[path = "usecases/cloud.rs"]
mod cloud;
#[path = "usecases/data.rs"]
mod data;
#[path = "callbacks/engine.rs"]
#[allow(dead_code, reason = "tests/callbacks.rs uses the rest")]
mod engine;
#[path = "usecases/function.rs"]
mod function;
#[path = "usecases/harness.rs"]
mod harness;
#[path = "usecases/jobs.rs"]
mod jobs;
#[path = "aws/machine.rs"]
#[allow(dead_code, reason = "tests/aws.rs uses the rest")]
mod machine;
#[path = "process/mod.rs"]
mod process;
#[path = "sqs/server.rs"]
#[allow(dead_code, reason = "tests/sqs.rs uses the rest")]
mod queues;
#[path = "../src/aws/scripted.rs"]
#[allow(dead_code, reason = "the unit tests of AWS's client use the rest")]
mod scripted;
#[path = "aws/server.rs"]
#[allow(dead_code, reason = "tests/aws.rs uses the rest")]
mod server;
#[path = "callbacks/topics.rs"]
mod topics;
