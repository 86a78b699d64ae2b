//! The files of `config/` say what the code does: options and their defaults, metrics, examples.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use expressway::config::{self, Config, Origin, SourceKind};
use expressway::jsonata;
use expressway::metrics::CATALOG;
use expressway::states::ReadLimits;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn parse(text: &str, folder: &Path) -> Config {
    let environment = BTreeMap::new();
    config::parse(text, &Origin { folder, environment: &environment })
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
}

#[test]
fn the_reference_file_is_what_the_code_declares() {
    let file = folder().join("engine.toml");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&file, config::reference()).expect("config/ can be written");
    }
    let hint = "run the tests with UPDATE_REFERENCE=1 to write config/engine.toml anew";
    assert!(read(&file) == config::reference(), "{hint}");
}

#[test]
fn the_reference_file_holds_the_defaults() {
    let written = parse(&read(&folder().join("engine.toml")), &folder());
    let pipeline = &written.pipeline[0];
    assert_eq!(pipeline.http, config::HttpTasks::default());
    assert_eq!(pipeline.produce, config::ProduceTasks::default());
    let defaults = Config { pipeline: written.pipeline.clone(), ..Config::default() };
    assert_eq!(written, defaults);
}

#[test]
fn evaluations_of_jsonata_have_the_budget_that_the_library_gives() {
    let (engine, limits) = (Config::default().engine, jsonata::Limits::default());
    assert_eq!(u64::from(engine.query_steps_max), limits.steps_max);
    assert_eq!(engine.query_depth_max, limits.depth_max);
    assert_eq!(engine.query_string_max.bytes(), limits.string_bytes_max as u64);
    assert_eq!(engine.query_memory_max.bytes(), limits.memory_max as u64);
}

#[test]
fn maps_read_what_the_library_lets_them() {
    let (engine, limits) = (Config::default().engine, ReadLimits::default());
    assert_eq!(engine.objects_max as usize, limits.objects_max);
    assert_eq!(engine.object_unpacked_max.bytes(), limits.object_bytes_max as u64);
    assert_eq!(engine.objects_size_max.bytes(), limits.bytes_max as u64);
}

#[test]
fn the_examples_are_complete() {
    let names = ["iot-ingestion", "event-fan-out", "benchmark"];
    let jobs = ["batch-notify", "fargate-notify", "ml-sequence"];
    for name in names.into_iter().chain(jobs) {
        let folder = folder().join("examples").join(name);
        let config = parse(&read(&folder.join("pipeline.toml")), &folder);
        assert_eq!(config.pipeline.len(), 1, "{name}");
        let pipeline = &config.pipeline[0];
        assert_eq!(pipeline.name, name);
        assert!(matches!(pipeline.source.kind(), SourceKind::Kafka { .. }));
        let definition = json(pipeline.definition.as_deref().expect("each names one"));
        check_states(&definition, name);
        assert!(json(&folder.join("input.json")).is_object(), "{name}");
        if let Some(mocks) = &pipeline.mocks {
            check_mocks(&definition, &json(mocks), name);
        }
    }
}

fn json(file: &Path) -> serde_json::Value {
    serde_json::from_str(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every state is named by another or by StartAt, and every name is a state's.
fn check_states(definition: &serde_json::Value, example: &str) {
    let states = definition["States"].as_object().expect("a definition has States");
    let mut named = BTreeSet::from([definition["StartAt"].as_str().expect("it has StartAt")]);
    for state in states.values() {
        collect_targets(state, &mut named);
    }
    let present: BTreeSet<&str> = states.keys().map(String::as_str).collect();
    assert_eq!(named, present, "{example}");
}

fn collect_targets<'a>(value: &'a serde_json::Value, named: &mut BTreeSet<&'a str>) {
    if let Some(list) = value.as_array() {
        list.iter().for_each(|element| collect_targets(element, named));
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match (key.as_str(), value.as_str()) {
            ("Next" | "Default", Some(target)) => drop(named.insert(target)),
            _ => collect_targets(value, named),
        }
    }
}

/// Every task has a mocked response in every test case.
fn check_mocks(definition: &serde_json::Value, mocks: &serde_json::Value, example: &str) {
    let states = definition["States"].as_object().expect("a definition has States");
    let cases = mocks["StateMachines"][example]["TestCases"].as_object().expect("test cases");
    for (case, answers) in cases {
        for (name, _) in states.iter().filter(|(_, state)| state["Type"] == "Task") {
            let answer = answers[name].as_str().unwrap_or_else(|| panic!("{case} mocks {name}"));
            assert!(mocks["MockedResponses"][answer].is_object(), "{case}: {answer}");
        }
    }
}

#[test]
fn metrics_are_named_once_and_alike() {
    let names: BTreeSet<&str> = CATALOG.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), CATALOG.len());
    for name in names {
        assert!(name.starts_with("expressway_"), "{name}");
    }
}

#[test]
fn commands_and_their_options_are_in_the_readme() {
    let readme = read(&folder().join("../README.md"));
    for command in expressway::cli::COMMANDS {
        let arguments = (command.arguments)();
        let name = arguments.get_name();
        assert!(readme.contains(&format!("`expressway {name}")), "README lacks {name}");
        for option in arguments.get_arguments().filter_map(|option| option.get_long()) {
            assert!(readme.contains(&format!("`--{option}")), "README lacks {name}'s --{option}");
        }
    }
}
