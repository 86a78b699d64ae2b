//! `expressway demo` and `expressway load` as a stranger runs them.

use std::fs;
use std::process::{Command, Output};

use expressway::kafka::Broker;

fn expressway(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_expressway"));
    command.args(arguments).output().expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The number that follows `name` at the start of a line.
fn figure(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let digits = line.unwrap_or_else(|| panic!("no line {name:?} in\n{text}"));
    let digits = digits.split_whitespace().next().unwrap_or_default().replace(',', "");
    digits.parse().unwrap_or_else(|_| panic!("no number after {name:?} in\n{text}"))
}

#[test]
fn the_demo_adds_up() {
    let output = expressway(&["demo", "--duration", "3s", "--no-progress"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{output:?}\n{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let [generated, succeeded, failed] =
        ["generated", "succeeded", "failed"].map(|name| figure(&text, name));
    assert!(generated > 10_000 && failed > 0, "{text}");
    assert_eq!(generated, succeeded + failed, "{text}");
    assert!(text.contains("It adds up") && text.contains("end to end at "), "{text}");
    let shape = figure(&text, "Shape");
    assert_eq!(shape, succeeded, "{text}");
    let outputs: Vec<serde_json::Value> = json_after(&text, "out ");
    let inputs = json_after(&text, "in ");
    assert_eq!((inputs.len(), outputs.len()), (3, 3), "{text}");
    for (input, output) in inputs.iter().zip(&outputs) {
        assert_eq!(input["id"], output["id"]);
        assert_eq!(input["temp"], output["reading"]["temperature"]);
    }
}

fn json_after(text: &str, mark: &str) -> Vec<serde_json::Value> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(mark));
    lines.filter_map(|json| serde_json::from_str(json.trim()).ok()).collect()
}

#[test]
fn the_demo_refuses_a_definition_that_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.asl.json");
    fs::write(&file, r#"{"StartAt": "A", "States": {"B": {"Type": "Succeed"}}}"#).expect("written");
    let output = expressway(&["demo", "--definition", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("StartAt"), "{output:?}");
    let output = expressway(&["demo", "--duration", "10ms"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn load_measures_and_judges() {
    let broker = Broker::start(1).expect("a broker");
    broker.create_topic("in", 4).expect("a topic");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let scenario = |pass: &str| {
        let text = format!(
            "name = 'loop'\n[[event]]\nshape = 'iot'\n[[step]]\nrate = 2000\nduration = '1s'\n\
             [target]\nbootstrap = 'nowhere:1'\ntopic = 'in'\nresult_topic = 'in'\n\
             properties = {{ 'fetch.wait.max.ms' = '10' }}\n{pass}"
        );
        fs::write(path("scenario.toml"), text).expect("written");
    };
    let run = || {
        let (json, page) = (path("report.json"), path("report.html"));
        let reports = ["--report-json", json.as_str(), "--report-html", page.as_str()];
        let file = path("scenario.toml");
        let bootstrap = broker.bootstrap();
        let arguments = ["load", &file, "--bootstrap", &bootstrap, "--no-progress"];
        expressway(&[&arguments[..], &reports[..]].concat())
    };
    scenario("[pass]\nduplicates_max = 0");
    let output = run();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text.contains("loop: passed") && text.contains("results 2,000"), "{text}");
    let json = fs::read_to_string(path("report.json")).expect("a report");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["results"], &json["acknowledged"]), (&2000.into(), &2000.into()));
    let page = fs::read_to_string(path("report.html")).expect("a page");
    assert!(page.contains("</html>") && !page.contains("http://"), "it needs a network");

    scenario("[pass]\nrate_min = 100_000_000");
    assert_eq!(run().status.code(), Some(1));

    scenario("[pass]\nrate_mim = 1");
    let output = run();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rate_mim"), "{output:?}");
}
