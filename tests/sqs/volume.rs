//! A hundred thousand messages, with kills in between: every id is accounted for, in the output or among
//! those that the queue's redrive has taken. The output is a file, as a queue would cost the server twice
//! as much; of queues on both sides, `a_killed_engine_loses_nothing` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::server::{ids, server};
use crate::{Engine, PICKY, source, until_empty};

const COUNT: u64 = 100_000;
/// How much has arrived when the engine is killed.
const KILLED_AT: [u64; 3] = [COUNT / 5, COUNT / 2, COUNT * 4 / 5];
const BAD_EVERY: u64 = 1_000;
/// Much longer than it takes, on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(300);
/// What may come twice for each kill: messages that were written, and not deleted.
const REPEATED_MAX: usize = 2_000;

fn is_bad(id: u64) -> bool {
    id % BAD_EVERY == 7
}

fn body(id: u64) -> String {
    let bad = if is_bad(id) { ",\"bad\":1" } else { "" };
    format!("{{\"id\":{id}{bad}}}")
}

/// How often each id stands in the output. A kill may leave half a line, which counts for nothing.
fn written(file: &Path) -> BTreeMap<u64, usize> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    ids(&lines.collect::<Vec<_>>())
}

#[test]
fn a_hundred_thousand_messages_are_accounted_for_through_kills() {
    let Some(server) = server() else { return };
    let dead = server.queue("volume-dead", json!({}));
    // More than there are kills: each of these counts as a receipt.
    let policy = json!({ "deadLetterTargetArn": dead.arn(), "maxReceiveCount": "6" });
    let from = server.queue("volume-in", json!({ "RedrivePolicy": policy.to_string() }));
    let more = ", visibility = \"5s\", redrive_interval_max = \"1s\"";
    let file = server.folder("volume").join("out.ndjson");
    let (sqs, out) = (source(&from, more), format!("file = {file:?}"));
    let tables = ["on_failure = \"redrive\"", sqs.as_str(), out.as_str()];
    let start = Instant::now();
    let run_to = |share: u64| {
        let engine = Engine::run(server, "volume", PICKY, tables);
        while (written(&file).len() as u64) < share {
            assert!(start.elapsed() < PATIENCE, "not yet {share}: {}", engine.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        engine
    };
    std::thread::scope(|scope| {
        scope.spawn(|| from.send_many(0..COUNT, body));
        KILLED_AT.iter().for_each(|share| drop(run_to(*share)));
        let engine = run_to(COUNT - COUNT / BAD_EVERY);
        until_empty(&from);
        engine.stop();
    });
    let refused = ids(&dead.take((COUNT / BAD_EVERY) as usize, Duration::from_secs(20)));
    let bad: BTreeSet<u64> = (0..COUNT).filter(|id| is_bad(*id)).collect();
    assert_eq!(refused.into_keys().collect::<BTreeSet<_>>(), bad);
    let seen = written(&file);
    assert!(seen.keys().copied().eq((0..COUNT).filter(|id| !is_bad(*id))), "ids are missing");
    let repeated: usize = seen.values().map(|times| times - 1).sum();
    assert!(repeated <= KILLED_AT.len() * REPEATED_MAX, "{repeated} came twice");
    eprintln!("{COUNT} messages, 3 kills, {repeated} came twice, {:.0?}", start.elapsed());
}
