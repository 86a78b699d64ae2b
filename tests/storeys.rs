//! Who may import whom: the storeys of the house, held against the sources. An import counts where
//! code that is not for tests names `crate::<module>`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// Storey, module, what it may import: whole storeys by number, single modules by name. Top down, a
/// module only names what stands below it, so whoever keeps to the table is in no ring.
const HOUSE: &[(u8, &str, &str)] = &[
    (6, "cli", "0 1 2 3 4 5 engine load api"),
    (6, "api", "0 1 2 3 4 5 engine load"),
    (6, "load", "0 1 2 3 4 5 engine"),
    (6, "engine", "0 1 2 3 4 5"),
    // The configuration shows a shard's settings; a shard is given them and reads no file.
    (5, "config", "0 1 2 3 4 shard"),
    (5, "shard", "0 1 2 3 4"),
    // A task integration is chosen by the definition's `Resource`, which asl has parsed.
    (4, "tasks", "0 kafka aws step asl"),
    // Sources and sinks see bytes, never a value.
    (4, "sources", "fault record ack metrics kafka aws"),
    (4, "sinks", "fault record ack metrics kafka aws"),
    (3, "machine", "0 1 2 program states step"),
    (3, "program", "0 1 2 states step"),
    (3, "states", "0 1 2 step"),
    (3, "step", "0 1 2"),
    (2, "asl", "0 1 expr"),
    (2, "expr", "0 1"),
    // Functions fail with state errors.
    (1, "intrinsics", "value fault"),
    (1, "jsonata", "value fault"),
    // The consumer hands over records, and a record says where it stood.
    (1, "kafka", "metrics ack record"),
    (1, "aws", "metrics ack record targets"),
    (0, "metrics", ""),
    (0, "targets", ""),
    (0, "ack", "record fault value"),
    (0, "record", "fault value"),
    (0, "fault", "value"),
    (0, "value", ""),
];

/// The machine is given the time and returns transitions; nothing it is made of may look further.
const SANS_IO: &str = "intrinsics jsonata expr asl step states program machine";
/// An address is no connection.
const IO: &str = r"(?x)\b(Instant|SystemTime|std::thread|TcpStream|TcpListener|UdpSocket|ToSocketAddrs
    |tokio|reqwest|rdkafka|crossbeam)\b";

/// The modules that `module` may import; `None`: it has no storey.
fn allowed(module: &str) -> Option<BTreeSet<&'static str>> {
    let (.., imports) = HOUSE.iter().find(|row| row.1 == module)?;
    let named = |word: &'static str| {
        HOUSE.iter().filter(move |row| row.1 == word || row.0.to_string() == word).map(|row| row.1)
    };
    Some(imports.split_whitespace().flat_map(named).collect())
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well-formed")
}

/// The text up to the brace that closes the one it starts with.
fn braced(text: &str) -> &str {
    let mut depth = 0;
    let close = text.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    &text[..close.map_or(text.len(), |at| at + 1)]
}

/// A source file without comments, literals, and items that are for tests.
fn code(text: &str) -> String {
    let opaque = concat!(
        r####"(?s)//[^\n]*|/\*.*?\*/|r"[^"]*"|r#".*?"#|r##".*?"##"####,
        r#"|"(?:\\.|[^"\\])*"|'(?:\\[^']+|\\'|[^'\\])'"#
    );
    let text = pattern(opaque).replace_all(text, " ").into_owned();
    let (mut kept, mut rest) = (String::new(), text.as_str());
    while let Some(test) = pattern(r"#\[cfg\((all\()?test\b").find(rest) {
        kept.push_str(&rest[..test.start()]);
        rest = &rest[test.end()..];
        let end = rest.find(['{', ';']).unwrap_or(rest.len());
        rest = &rest[end + braced(&rest[end..]).len().max(1).min(rest.len() - end)..];
    }
    kept + rest
}

/// The first names in `text`: of a path one, of a group `{a::b, c::{d, e}}` all (`a`, `c`).
fn first_names(text: &str) -> Vec<String> {
    if !text.starts_with('{') {
        return pattern(r"^(\w+|\*)")
            .find(text)
            .map(|name| name.as_str().into())
            .into_iter()
            .collect();
    }
    let mut group = braced(text)[1..].to_string();
    while let Some(at) = group.find('{') {
        let inner = braced(&group[at..]).len();
        group.replace_range(at..at + inner, "");
    }
    let members = group.trim_end_matches('}').split(',').map(str::trim);
    members.filter(|name| !name.is_empty()).flat_map(first_names).collect()
}

/// What follows `crate::` in the code, also where it is spelled `super::`. `depth`: how many `super`
/// lead from the file to the crate's root.
fn imports(code: &str, depth: usize) -> BTreeSet<String> {
    let root = format!(r"\bcrate\s*::\s*|(?:^|[^:\w])(?:super\s*::\s*){{{depth}}}");
    pattern(&root)
        .find_iter(code)
        .flat_map(|found| first_names(&code[found.end()..]))
        .filter(|name| name != "super")
        .collect()
}

fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder of sources can be read");
    for entry in entries {
        let path = entry.expect("the folder of sources can be read").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem == "tests" || stem.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The code of every module by file, `src/` left out; the crate's roots belong to no module.
fn modules() -> BTreeMap<String, Vec<(String, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    let mut modules: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for path in files {
        let file = path.strip_prefix(&src).expect("it was found there").display().to_string();
        let module = file.split(['/', '\\', '.']).next().unwrap_or_default().to_string();
        if !["lib", "main", "bin"].contains(&module.as_str()) {
            let text = std::fs::read_to_string(&path).expect("a source file can be read");
            modules.entry(module).or_default().push((file, code(&text)));
        }
    }
    modules
}

/// What is wrong with an import, if anything is.
fn complaint(module: &str, import: &str, exists: bool) -> Option<String> {
    let storey = |name: &str| HOUSE.iter().find(|row| row.1 == name).map(|row| row.0);
    let (Some(allowed), Some(above)) = (allowed(module), storey(module)) else {
        return Some(format!("`{module}` has no storey: give it a row in tests/storeys.rs"));
    };
    if import == module || allowed.contains(import) {
        return None;
    }
    Some(match storey(import) {
        Some(below) => {
            let may = allowed.into_iter().collect::<Vec<_>>().join(", ");
            let may = if may.is_empty() { "nothing of ours".into() } else { may };
            format!(
                "`{module}` (storey {above}) may not import `{import}` (storey {below}); it may \
                 import {may}. If two modules must know each other, one is in the wrong place"
            )
        }
        None if exists => format!("`{import}` has no storey: give it a row in tests/storeys.rs"),
        None => format!("`crate::{import}` is not a module: import from the module that owns it"),
    })
}

#[test]
fn modules_import_only_from_below() {
    let modules = modules();
    let mut complaints = BTreeSet::new();
    for (module, files) in &modules {
        for (file, code) in files {
            let depth = file.trim_end_matches("/mod.rs").split('/').count();
            let mut imports = imports(code, depth);
            imports.insert(module.clone());
            let found = imports
                .iter()
                .filter_map(|import| complaint(module, import, modules.contains_key(import)));
            complaints.extend(found.map(|found| format!("src/{file}: {found}")));
        }
    }
    let complaints = Vec::from_iter(complaints);
    assert!(complaints.is_empty(), "{} imports:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn the_table_has_no_ring() {
    for (row, (storey, module, imports)) in HOUSE.iter().enumerate() {
        for word in imports.split_whitespace() {
            let known = HOUSE.iter().any(|row| row.1 == word || row.0.to_string() == word);
            assert!(known, "{module}: `{word}` is neither a storey nor a module");
        }
        for import in allowed(module).expect("it has a row") {
            let below = HOUSE[row + 1..].iter().any(|row| row.1 == import && row.0 <= *storey);
            assert!(below, "`{module}` may import `{import}`, which does not stand below it");
        }
    }
}

#[test]
fn the_machine_knows_no_clock_thread_socket_or_runtime() {
    let io = pattern(IO);
    let mut found = Vec::new();
    for (module, files) in modules() {
        if SANS_IO.split(' ').any(|name| name == module) {
            for (file, code) in files {
                found.extend(io.find(&code).map(|name| format!("src/{file}: {}", name.as_str())));
            }
        }
    }
    assert!(found.is_empty(), "the host is to bring these in:\n{}", found.join("\n"));
}

#[test]
fn imports_are_found_in_all_spellings() {
    let found = |text: &str| Vec::from_iter(imports(&code(text), 1)).join(" ");
    assert_eq!(found("use crate::step::{Frame, StepId};"), "step");
    assert_eq!(
        found("use crate::{ack, asl::{codes, fields::{A}}, value as v,\n};"),
        "ack asl value"
    );
    assert_eq!(found("fn f<'a>(x: &'a crate :: expr::Scope) -> char { '\\'' }"), "expr");
    assert_eq!(found("use super::fault::StateError; use self::fields;"), "fault");
    assert_eq!(found("use super::super::deeper; use crate::*;"), "*");
    assert_eq!(found("/* crate::a */ // crate::b\nlet c = \"\\\" crate::c\"; r#\"crate::d\"#"), "");
    let tests = "#[cfg(test)]\nmod tests;\nuse crate::record::Position;\n\
                 #[cfg(all(test, unix))]\nmod more { fn f() { crate::cli::g() } }\nuse crate::ack;";
    assert_eq!(found(tests), "ack record");
}

#[test]
fn wrong_imports_are_told_apart() {
    assert_eq!(complaint("shard", "machine", true), None);
    let said = |module, import| complaint(module, import, false).unwrap_or_default();
    assert!(said("ack", "kafka").starts_with("`ack` (storey 0) may not import `kafka` (storey 1)"));
    assert!(
        said("sinks", "sources").contains("it may import ack, aws, fault, kafka, metrics, record.")
    );
    assert!(said("shard", "config").contains("may not import"));
    assert!(said("machine", "Frame").starts_with("`crate::Frame` is not a module"));
    assert!(said("utils", "value").starts_with("`utils` has no storey"));
}
