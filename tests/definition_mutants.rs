//! Damaged definitions: whatever stands in them, compiling ends, with a program or with reasons, and
//! never panics. Seeds are our own definitions, and those of others where their folder stands beside
//! the repository.
//!
//! `DEFINITION_MUTANTS` sets how many, `DEFINITION_SEED` where to start.

use std::path::Path;
use std::time::{Duration, Instant};

use expressway::asl::source::{Format, Substitutions};
use expressway::program::{Options, compile};

/// Where definitions are.
const FOLDERS: [&str; 4] =
    ["tests/listings", "tests/graphs", "tests/diagnostics", "config/examples"];
/// Definitions of others, one a line.
const CORPUS: &str = "../shared/conformance/definitions/definitions.jsonl";
/// One mutant takes far less, also where the machine is busy.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Pieces that damage well.
const PIECES: [&str; 40] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "0",
    "1e99",
    "99999999999",
    "\"\"",
    "{}",
    "[]",
    "\"$\"",
    "\"$$\"",
    "\"$.a[*]\"",
    "\"$..a\"",
    "\"$.a[?(@.b==1)]\"",
    "\"$v\"",
    "\"States.ALL\"",
    "\"States.Array()\"",
    "\"States.Format('{}', $.a\"",
    "\"{% $x %}\"",
    "\"JSONata\"",
    "\"JSONPath\"",
    "\"Type\":\"Map\",",
    "\"Type\":\"Parallel\",",
    "\"Next\":\"A\",",
    "\"End\":true,",
    "\"Retry\":[{}],",
    "\"Catch\":[{\"Next\":1}],",
    "\"Assign\":{\"a.b\":1},",
    "${a}",
    "${b",
    "\"${a}\"",
    "\u{e9}",
    "\\u0000",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

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
    for line in std::fs::read_to_string(root.join(CORPUS)).unwrap_or_default().lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record a line");
        seeds.push((Format::Json, record["definition"].to_string().into_bytes()));
    }
    seeds
}

/// A damaged copy: pieces cut out, doubled, moved, put in.
fn mutate(random: &mut Random, text: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(40)).min(text.len());
        let piece = PIECES[random.below(PIECES.len())].bytes();
        match random.below(5) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, piece)),
            2 => drop(text.splice(at..end, piece)),
            3 => {
                let copy = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                drop(text.splice(to..to, copy));
            }
            _ => value(random, text),
        }
    }
}

/// Puts a piece where a value stands, so that more than the grammar is hurt.
fn value(random: &mut Random, text: &mut Vec<u8>) {
    let colons: Vec<usize> =
        text.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at + 1).collect();
    if colons.is_empty() {
        return;
    }
    let at = colons[random.below(colons.len())];
    let length = text[at..].iter().position(|byte| b",}\n".contains(byte)).unwrap_or(0);
    let piece = PIECES[random.below(PIECES.len())].bytes();
    drop(text.splice(at..at + length, piece));
}

#[test]
fn damaged_definitions_compile_or_are_refused() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = setting("DEFINITION_MUTANTS").unwrap_or(20_000);
    let first = setting("DEFINITION_SEED").unwrap_or(1);
    let seeds = seeds();
    let mut substitutions = Substitutions::none();
    substitutions.set("a", "{\"b\": [1]}");
    let options = Options { substitutions: &substitutions, ..Options::default() };
    let (mut compiled, mut refused) = (0, 0);
    for seed in first..first + count {
        let mut random = Random(seed);
        let (format, mut text) = seeds[random.below(seeds.len())].clone();
        mutate(&mut random, &mut text);
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
    println!("of {count} mutants {compiled} compiled and {refused} were refused");
    // Mutants that are all refused would test little.
    assert!(compiled > count / 100 && refused > count / 100, "{compiled} {refused}");
}
