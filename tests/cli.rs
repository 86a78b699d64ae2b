//! Commands as a shell sees them: what is printed where, and exit codes.

mod shell;

use serde_json::{Value as Json, json};
use shell::{folder, says, written};

const IOT: &str = "config/examples/iot-ingestion/definition.asl.json";
const FAN_OUT: &str = "config/examples/event-fan-out/definition.asl.json";

#[test]
fn exec_prints_the_output() {
    let input = r#"{"device": {"id": "d"}, "ts": 1, "temp": 20}"#;
    let (code, out, err) = says(&["exec", IOT, "--input", "-"], input);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.lines().count(), 1);
    let output: Json = serde_json::from_str(&out).expect("the output is JSON");
    assert_eq!((&output["grade"], &output["id"]), (&json!("normal"), &json!("d-1")));
}

#[test]
fn exec_tells_how_an_execution_failed() {
    let (code, out, err) = says(&["exec", IOT], "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("Error: InvalidReading\nCause: A reading needs"), "{err}");
}

#[test]
fn exec_shows_where_an_expression_failed() {
    let definition = r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass",
        "Output": "{% ($x := 2;\n  $x + 'one') %}", "End": true}}}"#;
    let folder = folder();
    let file = written(folder.path(), "failing.asl.json", definition);
    let (code, out, err) = says(&["exec", &file], "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("Error: States.QueryEvaluationError\nCause: "), "{err}");
    assert!(err.ends_with("\n    $x + 'one')\n       ^\n"), "{err}");
}

#[test]
fn exec_refuses_what_it_cannot_run() {
    let (code, _, err) = says(&["exec", IOT, "--input", "-"], r#"{"a": }"#);
    assert!(code == 2 && err.contains("at byte 6"), "{code} {err}");
    let (code, _, err) = says(&["exec", FAN_OUT], "");
    assert!(code == 2 && err.contains("at /States/ToLedger/Resource"), "{code} {err}");
    assert!(err.contains("--mocks"), "{err}");
    let (code, _, err) = says(&["exec", "tests/diagnostics/unknown_field.json"], "");
    assert!(code == 2 && err.contains("UNKNOWN_FIELD"), "{code} {err}");
    assert_eq!(says(&["exec", "nowhere.json"], "").0, 2);
    assert_eq!(says(&["exec", IOT, "--name", "not a name"], "").0, 2);
    assert_eq!(says(&["exec"], "").0, 2);
}

#[test]
fn files_that_say_too_little_are_told_of() {
    let folder = folder();
    let empty = written(folder.path(), "empty.toml", "");
    let (code, out, _) = says(&["check", &empty], "");
    assert!(code == 0 && out.starts_with("warning[NO_PIPELINE]"), "{code} {out}");
    let (code, _, err) = says(&["load", &empty], "");
    assert_eq!((code, err), (2, format!("{empty}: missing field `name`\n")));
    let (code, _, err) = says(&["load", "nowhere.toml"], "");
    assert!(code == 2 && err.starts_with("nowhere.toml: can't be read: "), "{code} {err}");
}

#[test]
fn exec_reads_and_writes_objects_in_a_folder() {
    let definition = r#"{"StartAt": "Each", "States": {"Each": {"Type": "Map", "End": true,
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "in", "Key": "day/orders.csv"}},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "Id", "States": {"Id": {"Type": "Pass", "OutputPath": "$.id", "End": true}}},
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "out", "Prefix": "ids"},
            "WriterConfig": {"Transformation": "COMPACT", "OutputType": "JSON"}}}}}"#;
    let folder = folder();
    let flow = written(folder.path(), "flow.asl.json", definition);
    let bucket = folder.path().join("s3/in/day");
    std::fs::create_dir_all(&bucket).expect("a folder can be made");
    written(&bucket, "orders.csv", "id,name\n7,a\n8,b\n");
    let (code, _, err) = says(&["exec", &flow], "");
    assert!(code == 2 && err.contains("--objects DIR"), "{code} {err}");
    let objects = folder.path().join("s3").to_string_lossy().into_owned();
    let (code, out, err) = says(&["exec", &flow, "--objects", &objects], "");
    assert_eq!((code, err.as_str()), (0, ""));
    let output: Json = serde_json::from_str(&out).expect("the output is JSON");
    let manifest = output["ResultWriterDetails"]["Key"].as_str().expect("a manifest's key");
    let results = manifest.replace("manifest.json", "SUCCEEDED_0.json");
    let file = folder.path().join("s3/out").join(results);
    assert_eq!(std::fs::read_to_string(file).expect("the results"), r#"["7","8"]"#);
}

#[test]
fn exec_answers_from_mocks_and_traces() {
    let input = "config/examples/event-fan-out/input.json";
    let mocks = "config/examples/event-fan-out/mocks.json#Delivered";
    let (code, out, err) =
        says(&["exec", FAN_OUT, "--input", input, "--mocks", mocks, "--trace"], "");
    assert!(code == 0 && out.contains(r#""Offset":42"#), "{code} {out} {err}");
    let told = err.lines().filter(|line| line.contains(" ms  "));
    let told: Vec<_> = told.filter_map(|line| line.split_whitespace().nth(2)).collect();
    let expected =
        ["enter", "next", "enter", "call", "answer", "next", "enter", "end", "succeeded"];
    assert_eq!(told, expected, "{err}");
    assert!(
        err.contains("\n             Parameters     {\"Topic\":\"fulfilment.orders\","),
        "{err}"
    );
    let arguments =
        ["exec", FAN_OUT, "--input", input, "--mocks", mocks, "--trace", "--format", "json"];
    let (_, _, err) = says(&arguments, "");
    let told: Vec<Json> =
        err.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(told[0]["input"]["id"], "evt-7c1f2a");
    let stage = told.iter().find(|it| it["stage"] == "ResultPath").expect("a stage is told");
    assert_eq!(stage["value"]["delivery"]["Offset"], 42);
    let call = told.iter().find(|it| it["event"] == "call").expect("a call is told");
    assert_eq!(
        (&call["state"], &call["arguments"]["Key"]),
        (&json!("ToFulfilment"), &json!("order-1001"))
    );
}

#[test]
fn exec_traces_every_stage_of_jsonata() {
    let folder = folder();
    let flow = json!({"QueryLanguage": "JSONata", "StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Next": "C",
            "Arguments": {"id": "{% $states.input.id %}"}, "Assign": {"v": "{% $states.result %}"},
            "Output": {"got": "{% $states.result %}"}},
        "C": {"Type": "Choice", "Default": "M", "Choices": [
            {"Condition": "{% $v = 2 %}", "Output": {"list": "{% [$v, 3] %}"}, "Next": "M"}]},
        "M": {"Type": "Map", "Items": "{% $states.input.list %}", "End": true,
            "ItemSelector": {"n": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}}}});
    let flow = written(folder.path(), "flow.json", &flow.to_string());
    let mocks = r#"{"StateMachines": {"flow": {"TestCases": {"t": {"T": "R"}}}},
        "MockedResponses": {"R": {"0": {"Return": 2}}}}"#;
    let mocks = written(folder.path(), "mocks.json", mocks);
    let run = ["exec", &flow, "--mocks", &mocks, "--input", "-", "--trace", "--format", "json"];
    let (code, _, err) = says(&run, r#"{"id": 7}"#);
    assert_eq!(code, 0, "{err}");
    let told = err.lines().map(|line| serde_json::from_str::<Json>(line).expect("it is JSON"));
    let stages: Vec<String> = told
        .filter(|it| it["event"] == "stage")
        .map(|it| format!("{} {} {}", it["state"], it["stage"], it["value"]).replace('"', ""))
        .collect();
    let expected = [
        "T Arguments {id:7}",
        "T Assign {v:2}",
        "T Output {got:2}",
        "C Output {list:[2,3]}",
        "M Items [2,3]",
        "M ItemSelector {n:2}",
        "M ItemSelector {n:3}",
    ];
    assert_eq!(stages, expected, "{err}");
    // Without a trace there is nothing to format.
    assert_eq!(says(&["exec", &flow, "--format", "json"], "").0, 2);
}

#[test]
fn exec_waits_in_real_time_and_times_out() {
    let folder = folder();
    let wait = |seconds, timeout| {
        let text = json!({"StartAt": "W", "TimeoutSeconds": timeout,
            "States": {"W": {"Type": "Wait", "Seconds": seconds, "End": true}}});
        written(folder.path(), &format!("{seconds}.json"), &text.to_string())
    };
    let start = std::time::Instant::now();
    assert_eq!(says(&["exec", &wait(1, 9)], "").0, 0);
    assert!(start.elapsed().as_millis() >= 1000);
    let (code, _, err) = says(&["exec", &wait(60, 1)], "");
    assert!(code == 1 && err.starts_with("Error: States.Timeout"), "{code} {err}");
}

#[test]
fn check_has_a_line_for_each_file() {
    let bad = "tests/diagnostics/missing_target.json";
    let (code, out, _) = says(&["check", "--format", "json", IOT, bad], "");
    let lines: Vec<Json> =
        out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!((code, lines.len()), (1, 2));
    assert_eq!(lines[0], json!({"file": IOT, "diagnostics": []}));
    let finding = json!({"severity": "error", "code": "MISSING_TRANSITION_TARGET",
        "message": "State \"A\" field \"Next\" value \"Bee\" is not found in \"States\".",
        "pointer": "/States/A/Next", "line": 6, "column": 15});
    assert_eq!(lines[1], json!({"file": bad, "diagnostics": [finding]}));
    let warning = "tests/diagnostics/duplicate_field.json";
    assert_eq!(says(&["check", warning], "").0, 0);
    assert_eq!(says(&["check", "nowhere.json", bad], "").0, 2);
}

#[test]
fn check_looks_behind_a_configuration() {
    let folder = folder();
    let pipeline = |definition: &str, output: &str| {
        let text = format!(
            "[kafka.properties]\n\"sasl.password\" = \"hush\"\n[[pipeline]]\nname = \"p\"\n\
             definition = \"{definition}\"\non_failure = \"stop\"\n\
             source = {{ topics = [\"in\"], group = \"g\" }}\n{output}\n"
        );
        written(folder.path(), "pipeline.toml", &text)
    };
    let task = json!({"StartAt": "T", "States": {"T": {"Type": "Task", "End": true,
        "Resource": "arn:aws:states:::teleport:send"}}});
    written(folder.path(), "task.json", &task.to_string());
    let output = "output = { topic = \"out\" }";
    let (code, out, _) = says(&["check", &pipeline("task.json", output)], "");
    assert!(code == 1 && out.contains("at /States/T/Resource"), "{code} {out}");
    assert!(out.contains("resolved to") && !out.contains("hush"), "{out}");
    let (code, out, _) = says(&["check", &pipeline("gone.json", output)], "");
    assert!(code == 1 && out.contains(":5:14 at /pipeline/0/definition"), "{code} {out}");
    let (code, out, _) =
        says(&["check", &pipeline("task.json", "output = { topic = \"$.[\" }")], "");
    assert!(code == 1 && out.contains("at /pipeline/0/output/topic"), "{code} {out}");
    let (code, out, _) = says(&["check", &pipeline("task.json", "outptu = 1\n}")], "");
    assert!(code == 1 && !out.contains("hush"), "{code} {out}");
    // A route's expression is shown with the place in it, where it stands there as it is.
    for (written, column) in
        [("\"value.n > > 1\"", 22), ("'{% value.n > > 1 %}'", 25), ("\"value.\\u006e > > 1\"", 11)]
    {
        let route = format!("{output}\n[[pipeline.route]]\njsonata = {written}\naction = \"drop\"");
        let (code, out, _) = says(&["check", &pipeline("task.json", &route)], "");
        let place = format!(":10:{column} at /pipeline/0/route/0/jsonata");
        assert!(code == 1 && out.contains(&place), "{code} {out}");
    }
}

#[test]
fn what_express_does_not_have_is_refused_on_demand() {
    let folder = folder();
    let task = json!({"StartAt": "T", "States": {"T": {"Type": "Task", "End": true,
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"}}});
    let file = written(folder.path(), "task.json", &task.to_string());
    assert_eq!(says(&["check", &file], "").0, 0);
    let (code, out, _) = says(&["check", "--strict-aws", &file], "");
    assert!(code == 1 && out.contains("Express state machine does not support"), "{code} {out}");
    let pipeline = "[[pipeline]]\nname = \"p\"\ndefinition = \"task.json\"\non_failure = \"stop\"\n\
        strict_aws = true\nsource = { topics = [\"in\"], group = \"g\" }\n\
        output = { topic = \"out\" }\n";
    let (code, out, _) = says(&["check", &written(folder.path(), "p.toml", pipeline)], "");
    assert!(code == 1 && out.contains("Express state machine does not support"), "{code} {out}");
}

#[test]
fn check_asks_librdkafka_about_every_property() {
    let folder = folder();
    let config = written(
        folder.path(),
        "pipeline.toml",
        "[kafka.properties]\n\"fetch.fast\" = true\n\"client.id\" = \"mine\"\n\
         [kafka.consumer]\n\"socket.timeout.ms\" = \"soon\"\n\
         [kafka.producer]\nacks = { env = \"PATH\" }\n\"linger.ms\" = 5\n",
    );
    let (code, out, _) = says(&["check", "--format", "json", &config], "");
    let report: Json = serde_json::from_str(&out).expect("it is JSON");
    let findings = report["diagnostics"].as_array().expect("a list");
    let places: Vec<_> = findings.iter().map(|it| (&it["pointer"], &it["line"])).collect();
    let wanted = [
        (&json!("/kafka/properties/fetch.fast"), &json!(2)),
        (&json!("/kafka/consumer/socket.timeout.ms"), &json!(5)),
        (&json!("/kafka/producer/acks"), &json!(7)),
    ];
    assert_eq!((code, &places[..]), (1, &wanted[..]), "{out}");
    assert!(findings.iter().all(|it| it["code"] == "KAFKA_PROPERTY"), "{out}");
    let its_words = "No such configuration property: \\\"fetch.fast\\\"";
    assert!(out.contains(its_words) && !out.contains("/bin"), "{out}");
}

#[test]
fn check_and_run_warn_where_the_window_is_too_small() {
    let folder = folder();
    let wait = json!({"StartAt": "Cool", "States": {
        "Cool": {"Type": "Wait", "Seconds": 1, "Next": "Done"}, "Done": {"Type": "Succeed"}}});
    written(folder.path(), "wait.json", &wait.to_string());
    written(folder.path(), "in.ndjson", "{\"a\":1}\n");
    let config = |rate: u32| {
        let text = format!(
            "http = {{ listen = \"off\" }}\n[engine]\nshards = 1\npin_shards = true\n\
             window_records_max = 1000\n[[pipeline]]\nname = \"p\"\non_failure = \"stop\"\n\
             definition = \"wait.json\"\noutput = {{ discard = true }}\n\
             source = {{ file = \"in.ndjson\", expected_rate = {rate} }}\n"
        );
        written(folder.path(), "pipeline.toml", &text)
    };
    let (code, out, _) = says(&["check", &config(1000)], "");
    assert!(code == 0 && !out.contains("WINDOW_TOO_SMALL"), "{code} {out}");
    let file = config(1001);
    let (code, out, _) = says(&["check", &file], "");
    assert!(code == 0 && out.contains("at /pipeline/0/source/expected_rate"), "{code} {out}");
    let told = "state \"Cool\" waits 1 s; at source.expected_rate = 1001 records a second and \
                partition that is 1001 records, and engine.window_records_max is 1000.";
    assert!(out.contains("WINDOW_TOO_SMALL") && out.contains(told), "{out}");
    let (code, _, err) = says(&["run", &file], "");
    assert!(code == 0 && err.contains(told), "{code} {err}");
    // Not every system lets a thread be pinned; Linux does.
    assert!(cfg!(not(target_os = "linux")) || !err.contains("unpinned"), "{err}");
    let (code, out, _) = says(&["check", &config(0)], "");
    assert!(code == 1 && out.contains("expected_rate must be above 0"), "{code} {out}");
}

#[test]
fn listing_prints_the_table_or_why_not() {
    let (code, out, _) = says(&["listing", IOT], "");
    assert!(code == 0 && out.contains("; Validate"), "{code} {out}");
    let (code, out, err) = says(&["listing", "tests/diagnostics/bad_path.json"], "");
    assert!(code == 1 && out.is_empty() && err.contains("INVALID_PATH"), "{code} {out} {err}");
    assert_eq!(says(&["listing", "nowhere.json"], "").0, 2);
}

/// Two letters as a pipeline writes them, of another shape than the definition wants.
const LETTERS: &str = concat!(
    r#"{"pipeline":"readings","topic":"in","partition":"2","offset":"41","timestamp":"5","#,
    r#""error":"States.Timeout","key":"k","value":"{\"n\": 41}","headers":[{"name":"h","value":"v"}]}"#,
    "\n",
    r#"{"pipeline":"readings","topic":"in","partition":"2","offset":"42","timestamp":"6","#,
    r#""error":"Record.DecodeFailed","key":null,"value":"{\"n\": ","headers":[]}"#,
    "\n",
);

#[test]
fn exec_runs_a_dead_letter_as_the_record_it_was() {
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {
        "n.$": "$.n", "from.$": "$$.Source", "name.$": "$$.Execution.Name"}, "End": true}}}"#;
    let config = "[[pipeline]]\nname = \"readings\"\ndefinition = \"shows.asl.json\"\n\
        on_failure = \"stop\"\nsource = { topics = [\"in\"], group = \"g\" }\noutput = { discard = true }\n\
        [[pipeline]]\nname = \"other\"\ndefinition = \"nowhere.asl.json\"\n\
        on_failure = \"stop\"\nsource = { topics = [\"in\"], group = \"h\" }\noutput = { discard = true }\n";
    let folder = folder();
    let shows = written(folder.path(), "shows.asl.json", definition);
    let config = written(folder.path(), "pipeline.toml", config);
    let letters = written(folder.path(), "dead.ndjson", LETTERS);
    // The letter tells which pipeline it is of.
    let first =
        ["exec", "--config", &config, "--dead-letter", &letters, "--number", "1", "--trace"];
    let (code, out, err) = says(&first, "");
    let output: Json = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code} {out} {err}"));
    let source = json!({"Topic": "in", "Partition": 2, "Offset": 41, "Timestamp": 5, "Key": "k",
        "Headers": {"h": "v"}});
    assert_eq!(output, json!({"n": 41, "from": source, "name": "readings-in-2-41"}));
    assert!(code == 0 && err.contains("A"), "{err}");
    let alone = written(folder.path(), "one.json", LETTERS.lines().next().expect("one"));
    let (code, out, _) = says(&["exec", &shows, "--dead-letter", &alone], "");
    assert!(code == 0 && out.contains(r#""name":"exec-in-2-41""#), "{out}");

    let refuses = |more: &[&str], parts: &[&str]| {
        let (code, out, err) = says(&[&["exec", "--config", &config], more].concat(), "");
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        parts.iter().for_each(|part| assert!(err.contains(part), "no {part:?} in {err}"));
    };
    let shown = ["holds 2 dead letters", "--number", "1  in:2:41  States.Timeout", "2  in:2:42"];
    refuses(&["--dead-letter", &letters], &shown);
    refuses(&["--dead-letter", &letters, "--number", "3"], &["there is no number 3"]);
    refuses(&["--dead-letter", &letters, "--number", "0"], &["there is no number 0"]);
    refuses(&["--dead-letter", &shows], &["no dead letter there", "topic, partition"]);
    refuses(&["--dead-letter", "nowhere.ndjson"], &["could not read the dead letters"]);
    refuses(&["--from", "in:2"], &["TOPIC:PARTITION:OFFSET"]);
    refuses(&[], &["--from or --dead-letter"]);
    // What can't be decoded fails as it does in its pipeline.
    let second = ["exec", "--config", &config, "--dead-letter", &letters, "--number", "2"];
    let (code, _, err) = says(&second, "");
    assert!(code == 1 && err.starts_with("Error: Record.DecodeFailed"), "{code} {err}");
}

/// A letter of a queue's message.
const MESSAGE: &str = concat!(
    r#"{"pipeline":"p","topic":"orders","partition":"0","offset":"7","timestamp":"5","#,
    r#""message-id":"m-1","error":"Bad","key":null,"value":"{\"n\": 41}","#,
    r#""headers":[{"name":"kind","value":"a"},{"name":"sqs.receive-count","value":"2"}]}"#,
    "\n",
);

#[test]
fn exec_runs_a_record_as_a_batch_of_one() {
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {
        "all.$": "$", "name.$": "$$.Execution.Name"}, "End": true}}}"#;
    let folder = folder();
    written(folder.path(), "d.asl.json", definition);
    let run = |input: &str, source: &str, letters: &str| {
        let config = format!(
            "[aws]\nregion = \"eu-west-1\"\n[[pipeline]]\nname = \"p\"\ndefinition = \"d.asl.json\"\n\
             on_failure = \"stop\"\ninput = \"{input}\"\nsource = {{ {source} }}\n\
             output = {{ discard = true }}\n"
        );
        let config = written(folder.path(), "pipeline.toml", &config);
        let letters = written(folder.path(), "dead.ndjson", letters);
        let (code, out, err) =
            says(&["exec", "--config", &config, "--dead-letter", &letters, "--number", "1"], "");
        assert_eq!(code, 0, "{err}");
        serde_json::from_str::<Json>(&out).expect("JSON")
    };
    let kafka = run("pipes", "topics = [\"in\"], group = \"g\"", LETTERS);
    assert_eq!((&kafka["all"][0]["topic"], &kafka["all"][0]["offset"]), (&json!("in"), &json!(41)));
    assert_eq!(kafka["all"].as_array().map(Vec::len), Some(1));
    assert_eq!(kafka["name"], "p-in-2-41");
    let queue = "queue_url = \"http://127.0.0.1:1/000000000000/orders\"";
    let message = run("lambda", queue, MESSAGE);
    let one = &message["all"]["Records"][0];
    assert_eq!((&one["messageId"], &one["body"]), (&json!("m-1"), &json!("{\"n\": 41}")));
    assert_eq!(one["attributes"], json!({"ApproximateReceiveCount": "2", "SentTimestamp": "5"}));
    assert_eq!(one["messageAttributes"]["kind"]["stringValue"], "a");
    assert_eq!(one["eventSourceARN"], "arn:aws:sqs:eu-west-1:000000000000:orders");
    assert_eq!(message["name"], "p-orders-m-1");
}
