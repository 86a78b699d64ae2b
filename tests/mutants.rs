//! Damaged definitions, and damaged executions: whatever stands in them, compiling ends, with a program
//! or with reasons; an execution ends or is given up; nothing panics, hangs or takes memory without
//! bound. Seeds are our own definitions and cases, and those of others where their folder stands
//! beside the repository.
//!
//! `MUTANTS` sets how many of each, `MUTANTS_SEED` where to start.

mod beside;
mod mutation;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use expressway::asl::source::{Format, Substitutions};
use expressway::fault::StateError;
use expressway::machine::{Answer, Asked, Ended, Identity, Limits, Observer, Outcome, Rehearsal};
use expressway::program::{Options, Program, compile};
use expressway::step::{Exit, Stage, Stages, StepId};
use expressway::value::{Scratch, Value, hash_on};
use mutation::Random;
use serde_json::{Value as Json, json};

/// Where definitions are.
const FOLDERS: [&str; 4] =
    ["tests/listings", "tests/graphs", "tests/diagnostics", "config/examples"];
/// Definitions of others, one a line.
const CORPUS: &str = "conformance/definitions/definitions.jsonl";
/// Cases of others: definitions, inputs, answers of tasks.
const CASES: [&str; 2] = ["conformance/asl", "conformance/definitions/floe-cases.jsonl"];
/// Our own cases.
const OWN_CASES: [&str; 2] = ["tests/cases", "config/examples"];
/// One mutant takes far less, also where the machine is busy.
const TIME_MAX: Duration = Duration::from_secs(20);
/// What all of them together take, one after the other.
const MEMORY_MIB_MAX: u64 = 1024;
/// Steps between two looks at the time, and how many looks: a loop that never ends is given up.
const STEPS_MAX: u32 = 1_000;
const SUSPENSIONS_MAX: usize = 200;

fn collect(folder: &Path, seeds: &mut Vec<(Format, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of definitions") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, seeds);
        } else if let Some(format) = Format::of_file(&path.to_string_lossy()) {
            seeds.push((format, std::fs::read(&path).expect("it can be read")));
        }
    }
}

fn seeds() -> Vec<(Format, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), &mut seeds));
    seeds.sort_by(|left, right| left.1.cmp(&right.1));
    for record in beside::shared(CORPUS).iter().flat_map(|file| records(file)) {
        seeds.push((Format::Json, record["definition"].to_string().into_bytes()));
    }
    seeds
}

/// The objects in a file with one a line, or in all such files of a folder.
fn records(place: &Path) -> Vec<Json> {
    if place.is_dir() {
        let entries = std::fs::read_dir(place).expect("a folder of cases");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        files.sort();
        return files.iter().flat_map(|file| records(file)).collect();
    }
    let text = std::fs::read_to_string(place).expect("the records can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect()
}

/// How many, and from which seed.
fn seeds_to_run(default: u64) -> std::ops::Range<u64> {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = setting("MUTANTS_SEED").unwrap_or(1);
    first..first + setting("MUTANTS").unwrap_or(default)
}

/// The most memory that the process has had, in MiB; 0 where that can't be told.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[test]
fn damaged_definitions_compile_or_are_refused() {
    let range = seeds_to_run(20_000);
    let count = range.end - range.start;
    let seeds = seeds();
    let mut substitutions = Substitutions::none();
    substitutions.set("a", "{\"b\": [1]}");
    let options = Options { substitutions: &substitutions, ..Options::default() };
    let (mut compiled, mut refused) = (0, 0);
    for seed in range {
        let mut random = Random(seed);
        let (format, mut text) = seeds[random.below(seeds.len())].clone();
        match (seed % 3, serde_json::from_slice::<Json>(&text)) {
            (0, _) | (_, Err(_)) => mutation::text(&mut random, &mut text),
            (kind, Ok(mut definition)) => {
                // JSON's grammar left whole, more of it is read; the language's too, more compiles.
                let damage = if kind == 1 { mutation::value } else { mutation::machine };
                (0..=random.below(3)).for_each(|_| damage(&mut random, &mut definition));
                text = definition.to_string().into_bytes();
            }
        }
        let start = Instant::now();
        let (program, findings) = compile(&text, format, &options);
        assert!(start.elapsed() < TIME_MAX, "mutant {seed} took {:?}", start.elapsed());
        let has_errors = findings.iter().any(expressway::fault::Diagnostic::is_error);
        assert_eq!(program.is_none(), has_errors, "mutant {seed}: a program, or reasons");
        match program {
            Some(_) => compiled += 1,
            None => refused += 1,
        }
    }
    beside::say(&format!(
        "of {count} definitions {compiled} compiled and {refused} were refused; {} MiB",
        memory_mib()
    ));
    // Mutants that are all refused would test little.
    assert!(compiled > count / 10 && refused > count / 10, "{compiled} {refused}");
    assert!(memory_mib() < MEMORY_MIB_MAX, "{} MiB", memory_mib());
}

/// A definition, an input, and what its tasks were answered.
struct Case {
    definition: Json,
    input: Json,
    answers: Vec<Json>,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases = Vec::new();
    let mut own = Vec::new();
    OWN_CASES.iter().for_each(|folder| collect(&root.join(folder), &mut own));
    own.sort_by(|left, right| left.1.cmp(&right.1));
    let parsed = own.iter().filter_map(|(_, text)| serde_json::from_slice::<Json>(text).ok());
    let definitions = parsed.filter(|it| it["States"].is_object());
    cases.extend(definitions.map(|definition| Case {
        definition,
        input: json!({"a": 1, "items": [1, 2, 3], "id": "x"}),
        answers: Vec::new(),
    }));
    for record in CASES.iter().filter_map(|it| beside::shared(it)).flat_map(|it| records(&it)) {
        if record["definition"].is_object() && record.get("input").is_some() {
            let tasks = record["tasks"].as_array().into_iter().flatten();
            cases.push(Case {
                definition: record["definition"].clone(),
                input: record["input"].clone(),
                answers: tasks.filter_map(|task| task.get("result").cloned()).collect(),
            });
        }
    }
    cases
}

/// Nobody asks who it is.
struct Nobody(u64);

impl Identity for Nobody {
    fn name(&self) -> String {
        "mutant".to_owned()
    }
    fn machine_name(&self) -> String {
        "machine".to_owned()
    }
    fn seed(&self) -> u64 {
        self.0
    }
}

/// An answer of any kind, at any time, or none.
fn answer(random: &mut Random, case: &Case, now_ms: i64) -> Option<Answer> {
    const ERRORS: [&str; 6] =
        ["States.Timeout", "States.TaskFailed", "States.Runtime", "Lambda.Unknown", "E", ""];
    let text = |value: &Json| value.to_string().into_bytes();
    let at_ms = now_ms + [0, 1, 1_000, 400_000][random.below(4)];
    let result = match random.below(8) {
        0 => return None,
        1 => Err(StateError::new(ERRORS[random.below(ERRORS.len())], "why")),
        2 => Ok(Vec::new()),
        3 => Ok(b"id,name\n1,a\n\"2\",\"b,\"".to_vec()),
        4 if !case.answers.is_empty() => Ok(text(&case.answers[random.below(case.answers.len())])),
        _ => Ok(text(&mutation::any(random))),
    };
    Some(Answer { at_ms, result })
}

/// Sees which ways an execution takes and what its states put out.
struct Watch {
    seen: u64,
    /// Looks at stages too, so that no state is left at a glance.
    is_close: bool,
}

impl Observer for Watch {
    fn entered(&mut self, step: StepId) {
        self.seen = hash_on(self.seen, step.0.to_le_bytes());
    }

    fn stages(&mut self) -> Option<&mut dyn Stages> {
        if self.is_close { Some(self) } else { None }
    }

    fn left(&mut self, _: StepId, _: Exit, output: Value, scratch: &Scratch) {
        let mut text = Vec::new();
        scratch.write(output, &mut text);
        self.seen = hash_on(self.seen, text);
    }
}

impl Stages for Watch {
    fn made(&mut self, _: Stage, _: Value, _: &Scratch) {}
}

/// How an execution of the program ended, in words.
fn ends(
    program: &Program,
    case: &Case,
    input: &Json,
    mut random: Random,
    is_close: bool,
) -> String {
    let mut watch = Watch { seen: 0, is_close };
    let told = told(program, case, input, &mut random, &mut watch);
    format!("{told}, by way of {:016x}", watch.seen)
}

fn told(
    program: &Program,
    case: &Case,
    input: &Json,
    random: &mut Random,
    watch: &mut Watch,
) -> String {
    let mut scratch = program.scratch();
    let Ok(input) = scratch.parse(input.to_string().as_bytes()) else { return "no input".into() };
    let seed = random.0;
    let rehearsal = Rehearsal {
        program,
        limits: &Limits { steps_max: STEPS_MAX, ..Limits::default() },
        identity: &Nobody(seed),
        started_ms: 1_704_067_200_000,
        suspensions_max: SUSPENSIONS_MAX,
    };
    let mut ask = |asked: &Asked<'_>| Ok(answer(random, case, asked.now_ms));
    match rehearsal.run(&mut scratch, input, watch, &mut ask) {
        Ok(Ended { outcome: Outcome::Succeeded(output), now_ms }) => {
            let mut text = Vec::new();
            scratch.write(output, &mut text);
            let text = String::from_utf8(text).expect("outputs are UTF-8");
            assert!(program.scratch().parse(text.as_bytes()).is_ok(), "no JSON: {text}");
            format!("succeeded at {now_ms} with {text}")
        }
        Ok(Ended { outcome: Outcome::Failed(error), now_ms }) => {
            format!("failed at {now_ms} with {:?}: {:?}", error.name(), error.cause())
        }
        Ok(Ended { outcome: Outcome::TimedOut, now_ms }) => format!("timed out at {now_ms}"),
        Err(given_up) => format!("given up: {given_up:?}"),
    }
}

#[test]
fn damaged_executions_end() {
    let range = seeds_to_run(10_000);
    let count = range.end - range.start;
    let cases = cases();
    let mut ended: BTreeMap<String, u64> = BTreeMap::new();
    for seed in range {
        let mut random = Random(seed);
        let case = &cases[random.below(cases.len())];
        let (mut definition, mut input) = (case.definition.clone(), case.input.clone());
        let damage = if seed % 3 == 0 { mutation::value } else { mutation::machine };
        (0..random.below(3)).for_each(|_| damage(&mut random, &mut definition));
        (0..random.below(3)).for_each(|_| mutation::value(&mut random, &mut input));
        let start = Instant::now();
        let (program, _) =
            compile(definition.to_string().as_bytes(), Format::Json, &Options::default());
        let told = program.map_or("refused".to_owned(), |program| {
            let told = ends(&program, case, &input, random.clone(), false);
            if seed % 2 == 0 {
                // What states do at a glance is what they do when somebody looks.
                let again = ends(&program, case, &input, random.clone(), true);
                assert_eq!(told, again, "mutant {seed} does not repeat itself");
            }
            told
        });
        assert!(start.elapsed() < TIME_MAX, "mutant {seed} took {:?}", start.elapsed());
        let word = told.split(' ').next().unwrap_or_default().to_owned();
        *ended.entry(word).or_default() += 1;
    }
    beside::say(&format!("of {count} executions {ended:?}; {} MiB", memory_mib()));
    for word in ["succeeded", "failed"] {
        assert!(ended.get(word).is_some_and(|it| *it > count / 100), "{word}: {ended:?}");
    }
    assert!(memory_mib() < MEMORY_MIB_MAX, "{} MiB", memory_mib());
}
