//! Records that bring the process down, with processes that really come down: a hang that the watchdog
//! ends, a signal that is sent while an execution runs, a kill.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ABORTED: i32 = 6;
const KILLED: i32 = 9;
const SEGMENTATION_FAULT: i32 = 11;
/// Where the one record's execution goes on: round and round, or to its end.
const ENDLESS: &str = "Next=Spins";
const SHORT: &str = "Next=Done";

/// With a work budget that it never spends, the loop does not come back.
const SPINS: &str = r#"{"StartAt": "Spins", "States": {
    "Spins": {"Type": "Choice", "Default": "Done",
        "Choices": [{"Variable": "$.spins", "BooleanEquals": true, "Next": "Again"}]},
    "Again": {"Type": "Pass", "Next": "${Next}"},
    "Done": {"Type": "Pass", "OutputPath": "$.n", "End": true}}}"#;

/// Twenty records, of which the eighth spins.
fn folder(on_failure: &str, hang_timeout: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let dead_letter = match on_failure {
        "dead_letter" => "dead_letter = { file = \"dead.ndjson\" }",
        _ => "",
    };
    let config = format!(
        "[http]\nlisten = \"off\"\n[engine]\nshards = 1\nwork_budget_steps = 4_000_000_000\n\
         suspects_file = \"marks\"\nhang_timeout = \"{hang_timeout}\"\n\
         [[pipeline]]\nname = \"p\"\ndefinition = \"spins.asl.json\"\non_failure = \"{on_failure}\"\n\
         source = {{ file = \"in.ndjson\" }}\noutput = {{ file = \"out.ndjson\" }}\n{dead_letter}\n"
    );
    let lines = (0..20).map(|n| format!("{{\"n\":{n},\"spins\":{}}}\n", n == 7));
    for (name, text) in
        [("p.toml", config), ("spins.asl.json", SPINS.to_owned()), ("in.ndjson", lines.collect())]
    {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

/// Runs the pipeline to its end, or ends it with a signal while the record spins: the exit code or
/// the signal that ended it, and its log.
fn run(folder: &Path, next: &str, signal: Option<i32>) -> (Result<i32, i32>, String) {
    let log = folder.join("log");
    let out = std::fs::File::create(&log).expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_expressway"));
    let command = command.arg("run").arg(folder.join("p.toml")).args(["--set", next]);
    let mut child = command.stdin(Stdio::null()).stderr(out).spawn().expect("it starts");
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(60);
    if let Some(signal) = signal {
        while !read().contains(" running ") {
            assert!(Instant::now() < until && child.try_wait().expect("a child").is_none());
            std::thread::sleep(Duration::from_millis(10));
        }
        // The file is read at once; what comes before the record takes no time.
        std::thread::sleep(Duration::from_secs(1));
        let arguments = [format!("-{signal}"), child.id().to_string()];
        let sent = Command::new("kill").args(arguments).status().expect("kill runs");
        assert!(sent.success());
    }
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            panic!("it does not end: {}", read());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    (status.code().ok_or(status.signal().unwrap_or(0)), read())
}

/// The numbers in a file's lines, each once.
fn numbers(folder: &Path, file: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let mut all: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn a_record_that_hangs_twice_is_a_dead_letter() {
    let folder = folder("dead_letter", "1s");
    let (ended, log) = run(folder.path(), ENDLESS, None);
    assert_eq!(ended, Err(ABORTED), "{log}");
    assert!(log.contains("hung") && log.contains("in.ndjson/0 offset 8"), "{log}");
    assert!(!log.contains("suspicion"), "{log}");
    let (ended, log) = run(folder.path(), ENDLESS, None);
    assert_eq!(ended, Err(ABORTED), "{log}");
    assert!(log.contains("it is run alone") && log.contains("in.ndjson/0 offset 8"), "{log}");
    let (ended, log) = run(folder.path(), ENDLESS, None);
    assert_eq!(ended, Ok(0), "{log}");
    assert!(log.contains("brought the process down twice"), "{log}");
    let expected: Vec<u32> = (0..20).filter(|n| *n != 7).collect();
    assert_eq!(numbers(folder.path(), "out.ndjson"), expected);
    let letters = std::fs::read_to_string(folder.path().join("dead.ndjson")).expect("letters");
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let letter: serde_json::Value = serde_json::from_str(&letters).expect("JSON");
    assert_eq!((&letter["error"], &letter["offset"]), (&"Execution.Crashed".into(), &"8".into()));
}

#[test]
fn the_policy_decides_about_such_a_record() {
    let folder = folder("stop", "500ms");
    for _ in 0..2 {
        assert_eq!(run(folder.path(), ENDLESS, None).0, Err(ABORTED));
    }
    // As often as it is started.
    for _ in 0..2 {
        let (ended, log) = run(folder.path(), ENDLESS, None);
        assert_eq!(ended, Ok(1), "{log}");
        assert!(log.contains("Execution.Crashed") && log.contains("on_failure"), "{log}");
    }
    // Another program may do better with it.
    let (ended, log) = run(folder.path(), SHORT, None);
    assert_eq!(ended, Ok(0), "{log}");
    assert_eq!(numbers(folder.path(), "out.ndjson"), (0..20).collect::<Vec<u32>>());
}

#[test]
fn a_suspect_that_does_no_harm_is_let_go() {
    let folder = folder("dead_letter", "60s");
    let (ended, log) = run(folder.path(), ENDLESS, Some(SEGMENTATION_FAULT));
    assert_eq!(ended, Err(SEGMENTATION_FAULT), "{log}");
    let (ended, log) = run(folder.path(), SHORT, None);
    assert_eq!(ended, Ok(0), "{log}");
    for part in ["signal=11", "it is run alone", "has run alone", "nothing is under suspicion"] {
        assert!(log.contains(part), "no {part:?} in {log}");
    }
    assert_eq!(numbers(folder.path(), "out.ndjson"), (0..20).collect::<Vec<u32>>());
    assert_eq!(std::fs::read_to_string(folder.path().join("dead.ndjson")).unwrap_or_default(), "");
    let (ended, log) = run(folder.path(), SHORT, None);
    assert!(ended == Ok(0) && !log.contains("suspicion"), "{log}");
}

#[test]
fn nobody_is_suspected_of_a_kill() {
    let folder = folder("dead_letter", "60s");
    let (ended, log) = run(folder.path(), ENDLESS, Some(KILLED));
    assert_eq!(ended, Err(KILLED), "{log}");
    let (ended, log) = run(folder.path(), SHORT, None);
    assert!(ended == Ok(0) && !log.contains("suspicion"), "{log}");
}
