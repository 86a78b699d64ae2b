//! Chaos: three real Kafka brokers, one to four engines in one group, and a seeded schedule of what
//! may befall them. Every event is told by its id: none may be lost, and no more may come twice than
//! README promises for what happened.
//!
//! `cargo test --test chaos` runs a short form; `load-tests/chaos --seconds N` as long as is asked
//! for, and writes a timeline to look at.

#[path = "kafka/broker.rs"]
#[expect(dead_code, reason = "tests/kafka.rs uses the rest")]
mod broker;
#[path = "chaos/conduct.rs"]
mod conduct;
#[path = "kafka/engine.rs"]
#[expect(dead_code, reason = "tests/kafka.rs uses the rest")]
mod engine;
#[path = "chaos/flow.rs"]
mod flow;
#[path = "chaos/members.rs"]
mod members;
#[path = "chaos/page.rs"]
mod page;
#[path = "chaos/plan.rs"]
mod plan;
#[path = "chaos/story.rs"]
mod story;
#[path = "kafka/topics.rs"]
#[expect(dead_code, reason = "tests/kafka.rs uses the rest")]
mod topics;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// What is set to skip all tests with real Kafka on purpose.
const SKIP: &str = "EXPRESSWAY_SKIP_KAFKA";
/// What `cargo test` runs: enough for one of each that may happen.
const SHORT: &str = "--seconds 50 --rate 2000 --seed 1";

/// Chaos against real Kafka
///
/// The last line is `events E lost L duplicated D kills K rebalances R`; the exit code is 0 only
/// where L is 0 and D within the documented bound.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos")]
pub struct Asked {
    /// How long events flow and things happen, in seconds; it takes about a minute more
    #[arg(long)]
    seconds: u64,
    /// Events a second
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// Repeats the schedule of a run that had this seed; by default a new one
    #[arg(long)]
    seed: Option<u64>,
    /// `engine.window_records_max` of every member: what may come twice grows with it
    #[arg(long, default_value_t = 3_000)]
    window: u64,
    /// The generator waits where so many events have no result yet
    #[arg(long, default_value_t = 200_000)]
    ahead: u64,
    /// How many times longer than 2.5 to 6 s it takes from one mishap to the next
    #[arg(long, default_value_t = 1.0)]
    pace: f64,
    /// Where the timeline goes, a page that needs no network
    #[arg(long, default_value = "load-tests/results/chaos.html")]
    timeline: PathBuf,
    /// Keep the engines' logs beside the timeline, as is done where the run fails
    #[arg(long)]
    keep: bool,
}

/// What is asked for: as a program by `--seconds`, as a test by anything else. `None`: nothing.
fn asked() -> Option<Asked> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|it| ["--seconds", "--help", "-h"].contains(&it.as_str())) {
        return Some(Asked::parse());
    }
    let mut filters = arguments.iter().skip(1).filter(|it| !it.starts_with('-'));
    let is_meant = filters.clone().next().is_none() || filters.any(|it| "chaos".contains(it));
    if arguments.iter().any(|it| it == "--list") {
        println!("chaos: test");
        return None;
    }
    if is_meant && std::env::var_os(SKIP).is_some_and(|it| !it.is_empty() && it != "0") {
        println!("{SKIP} is set: chaos was skipped");
        return None;
    }
    is_meant.then(|| Asked::parse_from(["chaos"].into_iter().chain(SHORT.split(' '))))
}

fn main() -> ExitCode {
    let Some(asked) = asked() else { return ExitCode::SUCCESS };
    let seed = asked.seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("chaos: {} s at {} events/s, seed {seed}", asked.seconds, asked.rate);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(&asked.timeline);
    let logs = file.with_extension("logs");
    let story = conduct::conduct(&asked, seed, &logs);
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    match made.and_then(|()| std::fs::write(&file, page::page(&story))) {
        Ok(()) => println!("timeline: {}", file.display()),
        Err(why) => println!("the timeline could not be written to {}: {why}", file.display()),
    }
    story.complaints().iter().for_each(|it| println!("FAILED: {it}"));
    println!("{}", story.last_line());
    if story.complaints().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
