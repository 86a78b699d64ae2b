//! The tools of a definition's author: tests of whole executions, templates, placeholders.

mod shell;

use serde_json::{Value as Json, json};
use shell::{folder, says, written};

const FLOW: &str = r#"{"StartAt": "Ask", "States": {
    "Ask": {"Type": "Task", "Resource": "${Function}", "TimeoutSeconds": ${Patience},
        "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60}], "Next": "Rest"},
    "Rest": {"Type": "Wait", "Seconds": 3600, "Next": "Again?"},
    "Again?": {"Type": "Choice", "Default": "Done", "Choices": [
        {"Variable": "$.again", "BooleanEquals": true, "Next": "Ask"}]},
    "Done": {"Type": "Succeed"}}}"#;

const TESTS: &str = "
substitutions: { Function: 'arn:aws:lambda:us-east-1:123456789012:function:ask' }
tests:
  - name: asked twice
    input: { id: 7 }
    mocks:
      Ask: [{ Return: { again: true } }, { Return: { again: false, at: 1 } }]
    expect:
      status: SUCCEEDED
      output: { again: false }
      ignore: [/at]
      path: [Ask, Rest, Again?, Ask, Rest, Again?, Done]
      calls: [{ state: Ask, arguments: { id: 7 } }, { state: Ask, arguments: { again: true } }]
  - name: busy once
    mocks:
      Ask: { '0': { Throw: { Error: Busy } }, '1': { Return: {}, Latency: 1m } }
    expect: { error: States.Timeout, path: [Ask] }
";

#[test]
fn the_examples_pass_their_tests() {
    let (code, out, err) = says(&["test", "config/examples"], "");
    assert!(code == 0 && err.is_empty(), "{out}{err}");
    assert!(out.contains(" passed in ") && !out.contains('✗'), "{out}");
    for example in std::fs::read_dir("config/examples").expect("there are examples") {
        let folder = example.expect("an entry").path();
        assert!(out.contains(&format!("{}/", folder.display())), "{}: {out}", folder.display());
    }
    let (code, out, _) = says(&["test", "config/examples/event-fan-out/mocks.json"], "");
    assert!(code == 0 && out.contains("✓ SecondAttempt"), "{out}");
}

/// The commands in README's blocks, but for those that need Kafka or a terminal.
#[test]
fn the_readmes_commands_run() {
    let readme = std::fs::read_to_string("README.md").expect("README can be read");
    let folder = folder();
    let report = folder.path().join("report.xml").to_string_lossy().into_owned();
    let mut count = 0;
    for block in readme.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()) {
        for line in block.replace("\\\n", " ").lines() {
            let line = line.split(" #").next().unwrap_or_default();
            let line = line.split(" > ").next().unwrap_or_default().replace("report.xml", &report);
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["expressway", command, ..] = words[..] else { continue };
            if !["run", "demo", "load"].contains(&command) {
                let (code, out, err) = says(&words[1..], "");
                assert_eq!(code, 0, "{line}\n{out}{err}");
                count += 1;
            }
        }
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn executions_take_no_time_and_are_looked_at_closely() {
    let folder = folder();
    written(folder.path(), "flow.asl.json", FLOW);
    let tests = written(folder.path(), "flow.test.yaml", TESTS);
    let start = std::time::Instant::now();
    let (code, out, err) = says(&["test", &tests, "--set", "Patience=30"], "");
    // The machine's five minutes are over before the second hour of waiting is.
    assert!(code == 1 && err.is_empty(), "{out}{err}");
    assert!(start.elapsed().as_secs() < 30);
    assert!(out.contains("status: expected SUCCEEDED, but it was TIMED_OUT"), "{out}");
    assert!(out.contains("✓ busy once"), "{out}");
    written(folder.path(), "flow.test.yaml", &format!("machine_timeout_max: 3h\n{TESTS}"));
    let (code, out, err) = says(&["test", &tests, "--set", "Patience=30"], "");
    assert!(code == 0 && err.is_empty(), "{out}{err}");
    written(folder.path(), "flow.test.yaml", TESTS);
    written(folder.path(), "flow.asl.json", &FLOW.replace("3600", "60"));
    let report = folder.path().join("report.xml").to_string_lossy().into_owned();
    let (code, out, err) = says(&["test", &tests, "--set", "Patience=30", "--junit", &report], "");
    assert!(code == 0 && err.is_empty(), "{out}{err}");
    let report = std::fs::read_to_string(report).expect("it was written");
    assert!(report.contains("tests=\"2\" failures=\"0\""), "{report}");
    let (code, out, _) = says(&["test", &tests, "--set", "Patience=30", "--filter", "busy"], "");
    assert!(code == 0 && out.contains("\n1 passed"), "{out}");
}

#[test]
fn a_failing_test_shows_what_differs() {
    let folder = folder();
    written(folder.path(), "flow.asl.json", &FLOW.replace("3600", "60"));
    let wrong = TESTS.replace("again: false }", "again: true }").replace("[Ask] }", "[Rest] }");
    let tests = written(folder.path(), "flow.test.yaml", &wrong);
    let (code, out, _) = says(&["test", &tests, "--set", "Patience=30"], "");
    assert_eq!(code, 1);
    assert!(
        out.contains("-   \"again\": true\n") && out.contains("+   \"again\": false\n"),
        "{out}"
    );
    assert!(out.contains("- Rest\n") && out.contains("+ Ask\n"), "{out}");
    assert!(out.contains("2 failed"), "{out}");
}

#[test]
fn an_expected_output_is_not_that_of_a_failure() {
    let folder = folder();
    let flow = r#"{"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}"#;
    written(folder.path(), "flow.asl.json", flow);
    let text = "tests: [{ name: it gives 1, expect: { output: 1 } }]";
    let tests = written(folder.path(), "flow.test.yaml", text);
    let (code, out, _) = says(&["test", &tests], "");
    assert!(code == 1 && out.contains("expected SUCCEEDED, but it was FAILED\n"), "{out}");
    assert!(out.contains("E: (no cause)") && out.contains("+ (none)"), "{out}");
}

#[test]
fn tests_that_cannot_be_run_are_refused_where_they_are_wrong() {
    let folder = folder();
    written(folder.path(), "flow.asl.json", FLOW);
    let refuses = |text: &str, why: &[&str]| {
        let tests = written(folder.path(), "flow.test.yaml", text);
        let (code, out, err) = says(&["test", &tests, "--set", "Patience=30"], "");
        assert!(code == 2, "{out}{err}");
        why.iter().for_each(|why| assert!(err.contains(why), "{why}: {err}"));
    };
    refuses(&TESTS.replace("path: [Ask]", "paht: [Ask]"), &[":17:", "Did you mean \"path\"?"]);
    refuses(&TESTS.replace("Error: Busy", "Eror: Busy"), &[":16:", "Eror"]);
    refuses("tests: []", &["at least one test"]);
    refuses(&format!("machine_timeout_max: soon\n{TESTS}"), &["machine_timeout_max", "\"2h\""]);
    refuses(&TESTS.replace("substitutions", "# "), &["UNRESOLVED_PLACEHOLDER", "${Function}"]);
    let stray = written(folder.path(), "flow.test.yaml", &TESTS.replace("Ask: {", "Akss: {"));
    let (code, out, _) = says(&["test", &stray, "--set", "Patience=30"], "");
    assert!(code == 1 && out.contains("no states named [\"Akss\"]"), "{out}");
    assert_eq!(says(&["test", "nowhere.test.yaml"], "").0, 2);
}

#[test]
fn one_file_at_fault_leaves_the_others() {
    let folder = folder();
    written(folder.path(), "flow.asl.json", &FLOW.replace("3600", "60"));
    written(folder.path(), "flow.test.yaml", TESTS);
    let text = "definition: gone.asl.json\ntests: [{ name: t, expect: { output: 1 } }]";
    written(folder.path(), "another.test.yaml", text);
    let report = folder.path().join("report.xml").to_string_lossy().into_owned();
    let place = folder.path().to_string_lossy().into_owned();
    let (code, out, err) = says(&["test", &place, "--set", "Patience=30", "--junit", &report], "");
    assert!(code == 2 && err.contains("gone.asl.json"), "{out}{err}");
    assert!(out.contains("2 passed, 1 file at fault"), "{out}");
    let report = std::fs::read_to_string(report).expect("it was written");
    assert!(report.contains("tests=\"3\" failures=\"0\" errors=\"1\""), "{report}");
    assert!(report.contains("<error message=\"error: could not read "), "{report}");
}

#[test]
fn inputs_are_taken_as_they_are_spelled() {
    let folder = folder();
    let flow = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Next": "B",
        "Resource": "arn:aws:states:::sqs:sendMessage", "ResultPath": "$.r"},
        "B": {"Type": "Pass", "Parameters": {"t.$": "States.JsonToString($)"}, "End": true}}}"#;
    written(folder.path(), "flow.asl.json", flow);
    written(folder.path(), "big.json", "{\"n\": 1E2, \"m\": 1180591620717411303424}");
    let tests = written(
        folder.path(),
        "flow.test.json",
        r#"{"tests": [{"name": "t", "input_file": "big.json", "mocks": {"A": [{"Return": 2.50}]},
            "expect": {"output": {"t": "{\"n\":1E2,\"m\":1180591620717411303424,\"r\":2.50}"}}}]}"#,
    );
    let (code, out, err) = says(&["test", &tests], "");
    assert!(code == 0, "{out}{err}");
    let mocks = r#"{"StateMachines": {"flow": {"TestCases": {"t": {"A": "R"}}}},
        "MockedResponses": {"R": {"0": {"Return": 1}}}}"#;
    let mocks = written(folder.path(), "mocks.json", mocks);
    written(folder.path(), "input.json", "{oops");
    let (code, _, err) = says(&["test", &mocks], "");
    assert!(code == 2 && err.contains("input.json is no JSON"), "{err}");
    // What is there and can't be read is no empty input.
    std::fs::remove_file(folder.path().join("input.json")).expect("it is there");
    std::fs::create_dir(folder.path().join("input.json")).expect("a folder can be made");
    let (code, _, err) = says(&["test", &mocks], "");
    assert!(code == 2 && err.contains("input.json can't be read"), "{err}");
}

#[test]
fn placeholders_are_filled_for_every_command() {
    let folder = folder();
    let flow = written(folder.path(), "flow.asl.json", FLOW);
    let (code, out, _) = says(&["check", &flow, "--set", "Patience=30"], "");
    assert!(
        code == 1 && out.contains("${Function}") && out.contains("/States/Ask/Resource"),
        "{out}"
    );
    assert_eq!(out.matches("error[").count(), 1, "{out}");
    let set = ["--set", "Patience=30", "--set", "Function=arn:aws:states:::sqs:sendMessage"];
    let with = |command: &[&'static str]| {
        let arguments: Vec<&str> =
            command.iter().copied().chain([flow.as_str()]).chain(set).collect();
        says(&arguments, "")
    };
    assert_eq!(with(&["check"]).0, 0);
    let (code, out, _) = with(&["listing"]);
    assert!(
        code == 0 && out.contains("timeout     30 s") && out.contains("sqs:sendMessage"),
        "{out}"
    );
    let (code, out, _) = with(&["graph", "--format", "mermaid"]);
    assert!(code == 0 && out.contains("Task · sqs:sendMessage"), "{out}");
    let (code, _, err) = with(&["exec"]);
    assert!(code == 2 && err.contains("nothing says where that is"), "{err}");
}

#[test]
fn pipelines_fill_placeholders_too() {
    let folder = folder();
    let flow =
        r#"{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": ${Rest}, "End": true}}}"#;
    written(folder.path(), "flow.asl.json", flow);
    let pipeline = |substitutions: &str| {
        let text = format!(
            "[[pipeline]]\nname = \"p\"\ndefinition = \"flow.asl.json\"\non_failure = \"stop\"\n\
             source = {{ topics = [\"in\"], group = \"g\" }}\noutput = {{ discard = true }}\n{substitutions}"
        );
        written(folder.path(), "pipeline.toml", &text)
    };
    let (code, out, _) = says(&["check", &pipeline("")], "");
    assert!(code == 1 && out.contains("UNRESOLVED_PLACEHOLDER"), "{out}");
    let (code, out, _) = says(&["check", &pipeline("substitutions = { Rest = \"5\" }")], "");
    assert!(code == 0, "{out}");
    let (code, out, _) = says(&["check", &pipeline(""), "--set", "Rest=5"], "");
    assert!(code == 0 && out.contains("Rest"), "{out}");
    let (code, out, _) =
        says(&["check", &pipeline("substitutions = { Rest = \"5\" }"), "--set", "Rest=x"], "");
    assert!(code == 1 && out.contains("/States/W/Seconds"), "{out}");
}

#[test]
fn what_run_takes_check_takes() {
    let folder = folder();
    let flow = r#"{"StartAt": "M", "States": {"M": {"Type": "Map", "End": true,
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket": "b", "Key": "k"}},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}}}"#;
    written(folder.path(), "flow.asl.json", flow);
    let pipeline = |objects: &str| {
        let text = format!(
            "[[pipeline]]\nname = \"p\"\ndefinition = \"flow.asl.json\"\non_failure = \"stop\"\n\
             source = {{ topics = [\"in\"], group = \"g\" }}\noutput = {{ discard = true }}\n{objects}"
        );
        written(folder.path(), "pipeline.toml", &text)
    };
    let (code, out, _) = says(&["check", &pipeline("objects = \"objects\"")], "");
    assert!(code == 0, "{out}");
    let (code, out, _) = says(&["check", &pipeline("")], "");
    assert!(code == 0, "objects are S3's: {out}");
    let mocked = pipeline("aws = { services = { s3 = \"mock\" } }");
    let (code, out, _) = says(&["check", &mocked], "");
    assert!(code == 1 && out.contains("must be mocked"), "{out}");
}

const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: { Type: AWS::SQS::Queue }
  Orders:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionSubstitutions: { QueueUrl: !Ref Queue }
      Definition:
        StartAt: Put
        States:
          Put:
            Type: Pass
            Result: { url: '${QueueUrl}', arn: !GetAtt Queue.Arn }
            End: true
  Refunds:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: !Sub |
        {\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Nxet\": \"${AWS::Region}\"}}}
";

#[test]
fn state_machines_in_templates() {
    let folder = folder();
    let template = written(folder.path(), "template.yaml", TEMPLATE);
    let (code, out, _) = says(&["check", "--format", "json", "--template", &template], "");
    let lines: Vec<Json> =
        out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!((code, lines.len()), (1, 2), "{out}");
    assert_eq!(lines[0], json!({"file": template, "diagnostics": []}));
    assert_eq!(lines[1]["file"], format!("{template}#Refunds"));
    assert_eq!(lines[1]["diagnostics"][1]["pointer"], "/States/A/Nxet");
    let orders = format!("{template}#Orders");
    let (code, out, err) = says(&["exec", "--template", &orders], "");
    let output: Json = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code} {err}"));
    let url = "https://sqs.us-east-1.amazonaws.com/123456789012/Queue";
    assert_eq!(output, json!({"url": url, "arn": "arn:aws:sqs:us-east-1:123456789012:Queue"}));
    let (code, out, _) = says(&["exec", &orders, "--set", "QueueUrl=mine"], "");
    assert!(code == 0 && out.contains("\"url\":\"mine\""), "{out}");
    let (code, out, _) = says(&["graph", "--template", &orders], "");
    assert!(code == 0 && out.contains("aria-label=\"Orders\""), "{out}");
    let (code, _, err) = says(&["listing", "--template", &template], "");
    assert!(code == 1 && err.contains("Orders, Refunds"), "{err}");
    assert_eq!(says(&["listing", "--template", &format!("{template}#Gone")], "").0, 1);
    assert_eq!(says(&["exec"], "").0, 2);
}

#[test]
fn what_does_not_compile_is_drawn_nevertheless() {
    let (code, out, err) = says(&["graph", "tests/diagnostics/missing_target.json"], "");
    assert!(code == 0 && out.contains("no such state") && err.is_empty(), "{err}");
    let (code, _, err) = says(&["graph", "tests/diagnostics/json_syntax.json"], "");
    assert!(code == 1 && err.contains("INVALID_JSON"), "{err}");
}
