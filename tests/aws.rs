//! Tasks that call AWS, through the wire, against a server that speaks AWS's protocols (moto),
//! started and stopped by `load-tests/servers/aws`; each test runs a state machine by `expressway
//! exec`. What such a server can't be made to do (silence, nonsense, throttling) is in the unit tests
//! of `src/aws` and `src/tasks/aws`.
//!
//! A harness of its own, because the server must end with the tests however they end. `cargo test
//! --test aws -- NAME...` runs those whose names hold a NAME; `EXPRESSWAY_SKIP_AWS=1` skips all.

#[path = "aws/jobs.rs"]
mod jobs;
#[path = "aws/machine.rs"]
mod machine;
#[path = "aws/server.rs"]
#[allow(dead_code, reason = "other tests share a server")]
mod server;
#[path = "aws/services.rs"]
mod services;
#[path = "aws/sync.rs"]
mod sync;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use server::{SKIP, Server};

type Test = (&'static str, fn(&Server));

const TESTS: &[Test] = &[
    ("a_message_goes_to_a_queue_and_comes_back", services::sqs),
    ("a_queue_that_is_not_there_has_its_name_in_both_families", services::sqs_errors),
    ("a_topic_hands_on_to_a_queue", services::sns),
    ("items_are_put_updated_got_and_deleted", services::dynamodb),
    ("conditions_and_missing_tables_are_errors_to_catch", services::dynamodb_errors),
    ("objects_are_put_listed_got_and_deleted", services::s3),
    ("a_distributed_map_reads_and_writes_objects", services::s3_map),
    ("events_reach_a_queue", services::events),
    ("a_role_is_assumed_for_a_state", services::role),
    ("secrets_parameters_and_streams_go_by_the_sdk", services::sdk),
    ("a_function_answers", jobs::lambda),
    ("an_execution_is_started", jobs::step_functions),
    ("a_container_is_run", jobs::ecs),
    ("a_job_is_submitted", jobs::batch),
    ("a_model_is_trained_and_served", jobs::sagemaker),
    ("an_execution_is_waited_for", sync::step_functions),
    ("a_container_is_waited_for", sync::ecs),
    ("a_job_of_batch_is_waited_for", sync::batch),
    ("trainings_and_other_jobs_are_waited_for", sync::sagemaker),
    ("a_run_of_glue_is_waited_for", sync::glue),
    ("without_a_place_nothing_is_called", services::unplaced),
];

fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_meant =
        |test: &&Test| filters.is_empty() || filters.iter().any(|it| test.0.contains(it));
    let tests: Vec<Test> = TESTS.iter().filter(is_meant).copied().collect();
    if std::env::args().any(|it| it == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if server::is_skipped() {
        println!("{SKIP} is set: {} tests against moto were skipped", tests.len());
        return ExitCode::SUCCESS;
    }
    if tests.is_empty() {
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let server = Server::start();
    println!("moto at {} after {:.1?}", server.url, started.elapsed());
    let mut failed = Vec::new();
    for (name, test) in &tests {
        let begun = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(|| test(&server))).is_ok();
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({:.1?})", begun.elapsed());
        if !passed {
            failed.push(*name);
        }
    }
    drop(server);
    let (all, failures) = (tests.len(), failed.len());
    println!("{} of {all} tests passed in {:.1?}", all - failures, started.elapsed());
    failed.iter().for_each(|name| println!("failed: {name}"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
