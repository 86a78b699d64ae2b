//! The use cases that people know from Step Functions, off a stream: examples of `config/examples`
//! as they stand there, on an embedded broker and moto, the engine a process of its own that can be
//! killed. What moto can't do is done by servers that speak as the services do.
//!
//! `EXPRESSWAY_SKIP_AWS=1` skips all.

#[path = "usecases/account.rs"]
mod account;
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
#[path = "../src/aws/scripted.rs"]
#[allow(dead_code, reason = "the unit tests of AWS's client use the rest")]
mod scripted;
#[path = "aws/server.rs"]
#[allow(dead_code, reason = "tests/aws.rs uses the rest")]
mod server;
#[path = "callbacks/topics.rs"]
mod topics;
