//! `expressway run` against real Apache Kafka: one broker for all tests, started and stopped by
//! `load-tests/servers/kafka`; the engine runs as a child process, so it can be killed.
//!
//! A harness of its own, because the broker must end with the tests however they end, and because
//! one test stops the broker under the others. `cargo test --test kafka -- NAME...` runs those whose
//! names hold a NAME; `EXPRESSWAY_SKIP_KAFKA=1` skips all on purpose.

#[path = "kafka/broker.rs"]
mod broker;
#[path = "kafka/crashes.rs"]
mod crashes;
#[path = "kafka/delivery.rs"]
mod delivery;
#[path = "kafka/engine.rs"]
mod engine;
#[path = "kafka/letters.rs"]
mod letters;
#[path = "kafka/membership.rs"]
mod membership;
#[path = "kafka/once.rs"]
mod once;
#[path = "kafka/records.rs"]
mod records;
#[path = "kafka/reload.rs"]
mod reload;
#[path = "kafka/security.rs"]
mod security;
#[path = "kafka/starts.rs"]
mod starts;
#[path = "kafka/tasks.rs"]
mod tasks;
#[path = "kafka/topics.rs"]
mod topics;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use broker::Broker;

/// Tests that run side by side: each drives an engine and clients of its own.
const WORKERS: usize = 3;

/// What is set to skip all tests on purpose.
const SKIP: &str = "EXPRESSWAY_SKIP_KAFKA";

type Test = (&'static str, fn(&Broker));

/// Long ones first.
const TESTS: &[Test] = &[
    ("a_crash_loses_nothing_and_repeats_at_most_the_windows", delivery::crash),
    ("a_member_that_joins_and_leaves_loses_nothing", delivery::member),
    ("a_member_that_leaves_in_a_rebalance_loses_nothing", delivery::member_in_a_rebalance),
    ("eager_members_come_and_go", membership::eager),
    ("static_members_come_and_go", membership::fixed),
    ("kip_848_members_come_and_go", membership::next),
    ("static_kip_848_members_come_and_go", membership::next_fixed),
    ("a_static_member_is_awaited_and_fenced", membership::awaited),
    ("killed_engines_leave_each_output_once", once::killed),
    ("a_zombies_outputs_do_not_count", once::zombie),
    ("a_transactional_id_is_one_process_s", once::fenced),
    ("what_a_transaction_held_is_done_again", once::aborted),
    ("only_the_culprit_of_a_crash_is_convicted", crashes::culprit),
    ("waiting_executions_survive_a_member", delivery::member_while_waiting),
    ("a_keys_outputs_come_in_its_order", delivery::order),
    ("definitions_are_exchanged_under_load", reload::hangup),
    ("a_broker_that_is_away_loses_nothing", delivery::outage),
    ("a_stop_commits_what_has_settled", delivery::stop),
    ("a_second_signal_ends_at_once", delivery::second_signal),
    ("a_compacted_topic_is_read_across_its_gaps", records::compacted),
    ("control_records_are_gaps_as_well", records::control_records),
    ("tombstones_are_skipped_run_or_dead_lettered", records::tombstones),
    ("outputs_go_where_paths_say", records::outputs_by_path),
    ("records_are_whole_inputs_on_demand", records::record_input),
    ("dead_letters_say_everything", letters::contents),
    ("an_output_too_large_for_its_topic_is_a_dead_letter_of_its_own", letters::oversized),
    ("a_letter_too_large_for_its_topic_goes_to_the_file", letters::fallback),
    ("a_letter_too_large_for_all_pauses", letters::no_fallback),
    ("an_unwritable_letter_topic_loses_nothing", letters::unwritable),
    ("letters_are_replayed_under_their_names", letters::replay),
    ("one_record_runs_from_where_it_stands", letters::one_record),
    ("policy_stop_ends_the_process", letters::policy_stop),
    ("secured_brokers_are_served", security::served),
    ("a_refusal_ends_the_start_with_one_line", security::refused),
    ("what_cannot_run_is_refused", starts::refusals),
    ("a_new_group_starts_where_it_is_told", starts::positions),
    ("topics_are_found_by_pattern", starts::pattern),
    ("a_definition_that_changes_is_reloaded", reload::change),
    ("a_task_writes_to_another_topic", tasks::produce),
    ("a_task_calls_a_server_and_tries_again", tasks::invoke),
    ("parked_executions_are_drained_by_a_stop", tasks::parked_stop),
    ("parked_executions_that_are_cut_run_again", tasks::parked_cut),
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
    if std::env::var_os(SKIP).is_some_and(|it| !it.is_empty() && it != "0") {
        println!("{SKIP} is set: {} tests against real Kafka were skipped", tests.len());
        return ExitCode::SUCCESS;
    }
    if tests.is_empty() {
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let broker = Broker::start(1, &["--secure"]);
    println!("broker at {} after {:.1?}", broker.address, started.elapsed());
    let failed = run(&tests, &broker);
    drop(broker);
    let (all, failures) = (tests.len(), failed.len());
    println!("{} of {all} tests passed in {:.1?}", all - failures, started.elapsed());
    failed.iter().for_each(|name| println!("failed: {name}"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tests, some at a time; returns the names of those that failed.
fn run(tests: &[Test], broker: &Broker) -> Vec<&'static str> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some((name, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = Instant::now();
            let passed = catch_unwind(AssertUnwindSafe(|| test(broker))).is_ok();
            let verdict = if passed { "ok" } else { "FAILED" };
            println!("test {name} ... {verdict} ({:.1?})", started.elapsed());
            if !passed {
                failed.push(*name);
            }
        }
        failed
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let failed = threads.into_iter().map(|it| it.join().expect("a worker catches its tests"));
        failed.flatten().collect()
    })
}
