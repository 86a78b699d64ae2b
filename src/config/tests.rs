use super::*;

fn parsed(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<Diagnostic>> {
    let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse(text, &Origin { folder: Path::new("/etc/expressway"), environment: &environment })
}

fn reads(text: &str) -> Config {
    parsed(text, &[]).expect("the configuration is valid")
}

/// Refused, with findings at these pointers and lines; returns the messages.
fn rejects(text: &str, expected: &[(&str, &str, u32)]) -> Vec<String> {
    let findings = parsed(text, &[]).expect_err("the configuration is not valid");
    let found: Vec<_> =
        findings.iter().map(|f| (f.code, f.location.pointer.as_str(), f.location.line)).collect();
    assert_eq!(found, expected, "{findings:#?}");
    findings.into_iter().map(|finding| finding.message).collect()
}

/// Refused, with these findings.
fn finds(text: &str) -> Vec<Diagnostic> {
    parsed(text, &[]).expect_err("the configuration is not valid")
}

const PIPELINE: &str = r#"
[[pipeline]]
name = "iot"
definition = "iot.asl.json"
on_failure = "stop"
source = { topics = ["raw"], group = "g" }
output = { topic = "$.topic", key = "$.id", value = "$.body", headers = "none", split = true }
"#;

#[test]
fn nothing_is_all_defaults() {
    assert_eq!(reads(""), Config::default());
}

#[test]
fn files_are_relative_to_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("pipeline.toml");
    std::fs::write(&file, PIPELINE).expect("the file can be written");
    let config = load(&file).expect("the configuration is valid");
    assert_eq!(config.pipeline[0].definition, Some(folder.path().join("iot.asl.json")));
    let findings = load(&folder.path().join("none.toml")).expect_err("there is no such file");
    assert_eq!(findings[0].code, "UNREADABLE_FILE");
}

#[test]
fn a_pipeline_reads_into_its_kinds() {
    let config = reads(PIPELINE);
    let pipeline = &config.pipeline[0];
    assert_eq!(pipeline.definition.as_deref(), Some(Path::new("/etc/expressway/iot.asl.json")));
    assert_eq!(pipeline.failure_policy(), FailurePolicy::Stop);
    let SourceKind::Kafka { topics, group, start } = pipeline.source.kind() else {
        panic!("a Kafka source was written")
    };
    assert_eq!((topics, group, start), (Topics::List(&["raw".to_owned()]), "g", Start::Committed));
    assert_eq!(pipeline.output.target(), Target::Topic(&Place::Path("$.topic".to_owned())));
    assert_eq!(pipeline.output.key, Key::Path("$.id".to_owned()));
    assert!(pipeline.output.split);
}

#[test]
fn a_start_is_a_word_a_time_or_an_offset() {
    let start = |text: &str| {
        let text = PIPELINE.replace("group = \"g\"", &format!("group = \"g\", start = {text}"));
        parsed(&text, &[]).map(|config| config.pipeline[0].source.start)
    };
    assert_eq!(start("\"latest\""), Ok(Start::Latest));
    assert_eq!(start("{ offset = 7 }"), Ok(Start::Offset(7)));
    assert_eq!(start("{ timestamp = 1970-01-01T00:00:01Z }"), Ok(Start::Timestamp(1000)));
    assert_eq!(start("{ timestamp = \"1970-01-01T00:00:01+00:00\" }"), Ok(Start::Timestamp(1000)));
    assert!(start("{ offset = 7, timestamp = 7 }").is_err());
    assert!(start("\"yesterday\"").is_err());
}

#[test]
fn all_problems_come_at_once_with_their_places() {
    let text = "[engine]\nshard = 2\nbyte_budget = \"12\"\n\n[http]\nlisten = 9644\n\n[logs]\n";
    let messages = rejects(
        text,
        &[
            ("UNKNOWN_KEY", "/engine/shard", 2),
            ("INVALID_VALUE", "/engine/byte_budget", 3),
            ("INVALID_VALUE", "/http/listen", 6),
            ("UNKNOWN_KEY", "/logs", 8),
        ],
    );
    assert_eq!(messages[0], "engine.shard is no setting; did you mean shards?");
    let size =
        "engine.byte_budget must be a size such as \"64MiB\" (B, KiB, MiB or GiB), not \"12\".";
    assert_eq!(messages[1], size);
}

#[test]
fn syntax_errors_have_a_line() {
    rejects("[engine]\nshards = = 2\n", &[("SYNTAX", "", 2), ("SYNTAX", "", 2)]);
}

#[test]
fn a_pipeline_without_a_failure_policy_is_shown_the_three_lines() {
    let text = PIPELINE.replace("on_failure = \"stop\"\n", "");
    let messages = rejects(&text, &[("MISSING_KEY", "/pipeline/0/on_failure", 2)]);
    for word in ["dead_letter", "stop", "drop"] {
        assert!(messages[0].contains(&format!("\n  on_failure = \"{word}\"")), "{}", messages[0]);
    }
}

#[test]
fn dead_letters_need_a_place_and_a_policy() {
    let without = PIPELINE.replace("\"stop\"", "\"dead_letter\"");
    rejects(&without, &[("INVALID_VALUE", "/pipeline/0/on_failure", 5)]);
    let unused = format!("{PIPELINE}dead_letter = {{ topic = \"dead\" }}\n");
    rejects(&unused, &[("INVALID_VALUE", "/pipeline/0/dead_letter", 8)]);
    let both = without.replace("[[pipeline]]", "[[pipeline]]\ndead_letter = {}");
    rejects(&both, &[("DEAD_LETTER", "/pipeline/0/dead_letter", 3)]);
}

#[test]
fn batches_are_for_inputs_of_several_records() {
    let text = format!("{PIPELINE}batch = {{ records_max = 5 }}\n");
    rejects(&text, &[("INVALID_VALUE", "/pipeline/0/batch", 8)]);
    let batched = format!("{text}input = \"lambda\"\n");
    assert_eq!(reads(&batched).pipeline[0].batch.records_max, 5);
    let text = batched.replace("records_max = 5", "records_max = 0, window = \"301s\"");
    let (records, window) = ("/pipeline/0/batch/records_max", "/pipeline/0/batch/window");
    rejects(&text, &[("INVALID_VALUE", records, 8), ("INVALID_VALUE", window, 8)]);
}

#[test]
fn batches_are_for_queues_too() {
    let queue = "queue_url = \"https://sqs.eu-west-1.amazonaws.com/123456789012/orders\"";
    let text = format!(
        "[[pipeline]]\nname = \"p\"\ndefinition = \"d\"\non_failure = \"redrive\"\n\
         input = \"pipes\"\nbatch = {{ records_max = 10 }}\nsource = {{ {queue} }}\n\
         output = {{ discard = true }}\n"
    );
    assert!(reads(&text).pipeline[0].is_batched());
}

#[test]
fn a_route_says_which_records_and_where_to() {
    let route = |lines: &str| format!("{PIPELINE}\n[[pipeline.route]]\n{lines}\n");
    let of = |text: &str| reads(text).pipeline[0].route[0].clone();
    let tables = of(&route("pattern = { a = [1, { exists = true }] }\naction = \"drop\""));
    let json = r#"{"a":[1,{"exists":true}]}"#;
    assert_eq!(tables.condition(), (Condition::Pattern(json), "pattern"));
    let wrong = [
        ("jsonata = \"a\"\nchoice = '{}'\naction = \"drop\"", "ROUTE", ""),
        ("jsonata = \"a\"", "ROUTE", ""),
        ("definition = \"d\"\naction = \"drop\"", "ROUTE", ""),
        (
            "action = \"drop\"\ncanary = { definition = \"d\", weight = 5 }",
            "INVALID_VALUE",
            "/canary",
        ),
        (
            "definition = \"d\"\ncanary = { definition = \"d\", weight = 101 }",
            "INVALID_VALUE",
            "/canary/weight",
        ),
        ("choice = 5\naction = \"drop\"", "INVALID_VALUE", "/choice"),
    ];
    for (lines, code, key) in wrong {
        let findings = finds(&route(lines));
        let pointer = format!("/pipeline/0/route/0{key}");
        let is_it = |it: &Diagnostic| it.code == code && it.location.pointer == pointer;
        assert!(findings.iter().any(is_it), "{lines}: {findings:#?}");
    }
    let open = route("action = \"drop\"\n[[pipeline.route]]\naction = \"drop\"");
    assert!(finds(&open)[0].message.contains("never reached"));
    let twice = "name = \"a\"\njsonata = \"true\"\naction = \"drop\"\n";
    let twice = route(&format!("{twice}[[pipeline.route]]\n{twice}"));
    assert!(finds(&twice)[0].message.contains("\"a\""));
    let none = PIPELINE.replace("definition = \"iot.asl.json\"", "");
    assert_eq!(finds(&none)[0].code, "MISSING_KEY");
    let letters = route("jsonata = \"a\"\naction = \"dead_letter\"");
    assert!(finds(&letters)[0].message.contains("needs a place"));
    let both = PIPELINE.replace("on_failure", "unmatched = \"drop\"\non_failure");
    rejects(&both, &[("INVALID_VALUE", "/pipeline/0/unmatched", 5)]);
}

#[test]
fn throwing_outputs_away_must_be_written() {
    let output = PIPELINE.lines().last().unwrap_or_default();
    let text = PIPELINE.replace(output, "output = {}");
    rejects(&text, &[("OUTPUT", "/pipeline/0/output", 7)]);
    let text = PIPELINE.replace(output, "output = { discard = true }");
    assert_eq!(reads(&text).pipeline[0].output.target(), Target::Discard);
}

#[test]
fn limits_are_held() {
    let text = "engine.document_size_max = \"65MiB\"\nengine.work_budget_steps = 0\n\
                engine.objects_size_max = \"513MiB\"\nengine.object_unpacked_max = \"65MiB\"\n\
                engine.objects_max = 0\n";
    let names = [
        ("document_size_max", 1),
        ("work_budget_steps", 2),
        ("objects_size_max", 3),
        ("object_unpacked_max", 4),
        ("objects_max", 5),
    ];
    let paths = names.map(|(name, line)| (format!("/engine/{name}"), line));
    rejects(text, &paths.each_ref().map(|(path, line)| ("INVALID_VALUE", path.as_str(), *line)));
}

#[test]
fn names_are_used_once() {
    let twice = format!("{PIPELINE}{PIPELINE}");
    let group = ("SHARED_GROUP", "/pipeline/1/source/group", 13);
    rejects(&twice, &[("DUPLICATE_NAME", "/pipeline/1/name", 10), group]);
}

#[test]
fn the_environment_wins() {
    let variables = [
        ("EXPRESSWAY__ENGINE__SHARDS", "2"),
        ("EXPRESSWAY__LOG__FORMAT", "json"),
        ("EXPRESSWAY__KAFKA__BOOTSTRAP_SERVERS", "a:1, b:2"),
        ("EXPRESSWAY__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
        ("EXPRESSWAY__PIPELINE__IOT__SOURCE__GROUP", "canary"),
        ("EXPRESSWAY__PIPELINE__0__SOURCE__START", "{ offset = 3 }"),
        ("EXPRESSWAY__PIPELINE__0__OUTPUT__SPLIT", "false"),
        ("OTHER__ENGINE__SHARDS", "9"),
    ];
    let config = parsed(PIPELINE, &variables).expect("the overrides are valid");
    assert_eq!(config.engine.shards, Shards::Count(2));
    assert_eq!(config.log.format, Format::Json);
    assert_eq!(config.kafka.bootstrap_servers, ["a:1", "b:2"]);
    let properties: Vec<_> = config.kafka.properties.iter().collect();
    assert_eq!(properties, [("sasl.password", "hunter2")]);
    assert_eq!(config.pipeline[0].source.group.as_deref(), Some("canary"));
    assert_eq!(config.pipeline[0].source.start, Start::Offset(3));
    assert!(!config.pipeline[0].output.split);
}

#[test]
fn wrong_overrides_name_their_variable() {
    for (variable, text) in [
        ("EXPRESSWAY__ENGINE__SHARD", "2"),
        ("EXPRESSWAY__PIPELINE__7__NAME", "x"),
        ("EXPRESSWAY__PIPELINE__IOT__NAME__DEEPER", "x"),
        ("EXPRESSWAY__", "x"),
    ] {
        let findings = parsed(PIPELINE, &[(variable, text)]).expect_err("the override is wrong");
        assert!(findings[0].message.contains(variable), "{findings:?}");
    }
}

#[test]
fn secrets_come_from_elsewhere_and_stay_hidden() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("token"), "hunter1\n").expect("the file can be written");
    let text = format!(
        "{PIPELINE}http.connections.billing.headers.token = {{ file = \"token\" }}\n\
         [kafka.properties]\n\"sasl.password\" = {{ env = \"PASSWORD\" }}\n\
         \"ssl.key.password\" = \"hunter3\"\n\"client.id\" = \"me\"\n"
    );
    let environment = BTreeMap::from([("PASSWORD".to_owned(), "hunter2".to_owned())]);
    let config = parse(&text, &Origin { folder: folder.path(), environment: &environment })
        .expect("the configuration is valid");
    let exposed: Vec<_> = config.kafka.properties.iter().map(|(_, value)| value).collect();
    assert_eq!(exposed, ["me", "hunter2", "hunter3"]);
    let connections = &config.pipeline[0].http.connections.0;
    assert_eq!(connections["billing"].headers.0["token"].expose(), "hunter1");
    let shown = format!("{config:?} {}", config.resolved());
    assert!(!shown.contains("hunter") && shown.contains("\"me\""), "{shown}");
}

#[test]
fn secrets_in_the_wrong_place_stay_hidden() {
    let misplaced = [
        ("http.connections", "\"hunter1\""),
        ("http.connections.x", "\"hunter1\""),
        ("http.connections.x.headers", "\"hunter1\""),
        ("http.connections.x.headers.y", "[\"hunter1\"]"),
        ("http.connections.x.headers.y", "{ vault = \"hunter1\" }"),
    ];
    for (key, value) in misplaced {
        let findings =
            parsed(&format!("{PIPELINE}{key} = {value}\n"), &[]).expect_err("wrong form");
        assert!(!format!("{findings:?}").contains("hunter"), "{findings:?}");
    }
}

#[test]
fn a_group_serves_one_pipeline() {
    let other = PIPELINE.replace("\"iot\"", "\"other\"");
    let at = "/pipeline/1/source/group";
    rejects(&format!("{PIPELINE}{other}"), &[("SHARED_GROUP", at, 13)]);
}

#[test]
fn missing_secrets_are_reported() {
    let text = "[kafka.properties]\n\"a\" = { env = \"NOT_SET\" }\n\
                \"b\" = { file = \"/no/file\" }\n\"c\" = { vault = \"x\" }\n";
    let (a, b) = ("/kafka/properties/a", "/kafka/properties/b");
    let c = ("INVALID_VALUE", "/kafka/properties/c", 4);
    rejects(text, &[("SECRET", a, 2), ("SECRET", b, 3), c]);
}

#[test]
fn the_engines_own_properties_are_refused() {
    let text = "[kafka.consumer]\n\"enable.auto.commit\" = true\n\"fetch.min.bytes\" = 1\n";
    let at = "/kafka/consumer/enable.auto.commit";
    rejects(text, &[("RESERVED_PROPERTY", at, 2)]);
}

#[test]
fn what_it_resolved_to_reads_back() {
    let config = reads(PIPELINE);
    assert_eq!(reads(&config.resolved()), config);
}

#[test]
fn every_setting_has_a_comment_and_those_absent_an_example() {
    fn visit(path: &str, written: section::Written) {
        let entries = match written {
            section::Written::Table(entries) => entries,
            section::Written::Tables(tables) => tables.into_iter().flatten().collect(),
            section::Written::Absent | section::Written::Value(_) => return,
        };
        for entry in entries {
            let path = format!("{path}.{}", entry.name);
            assert!(entry.comment.trim_end().ends_with('.'), "{path} needs a comment");
            let shown = !matches!(entry.written, section::Written::Absent);
            assert!(shown || entry.example.is_some(), "{path} needs an example");
            visit(&path, entry.written);
        }
    }
    visit("", reads(reference::SAMPLE_PIPELINE).write());
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let is_key = |key: &str| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let uncomment =
        |line: &str| match line.strip_prefix("# ").map(|rest| (rest, rest.split_once(" = "))) {
            Some((rest, Some((key, _)))) if is_key(key) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
    let text: String = reference().lines().map(uncomment).collect();
    assert!(text.contains("\nproducer = {") && text.contains("\nfailure_ratio_max = "));
    let findings = parsed(
        &text,
        &[
            ("PASSWORD", "x"),
            ("BILLING_TOKEN", "x"),
            ("EMULATOR_SECRET", "x"),
            ("CALLBACK_KEY", "sixteen or more x"),
        ],
    )
    .err();
    // Alternatives exclude each other, and some need a feature; nothing else may be wrong with them.
    let is_for_another_build = |it: &Diagnostic| it.message.contains("is not in this build");
    for finding in findings.unwrap_or_default().into_iter().filter(|it| !is_for_another_build(it)) {
        assert!(["SOURCE", "OUTPUT", "DEAD_LETTER"].contains(&finding.code), "{finding:?}");
    }
}

#[test]
fn excerpts_hold_no_secrets() {
    let text = "[kafka]\nbootstrap_servers = [\"b:1\"]\n[kafka.properties]\n\"client.id\" = \"x\"\n\
                \"sasl.password\" = \"\"\"\nhush\\\nhush\"\"\"\n[[pipeline]]\nname = \"a\"\n\
                http = { connections = { c = { headers = { K = \"hush\" } } } }\n\
                [pipeline.source]\ntopics = [\"t\"]";
    let shown = without_secrets(text);
    assert_eq!(shown.lines().count(), text.lines().count());
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("b:1") && shown.contains("topics = [\"t\"]"), "{shown}");
    assert_eq!(without_secrets("\"sasl.password\" = \"hush"), "");
    assert_eq!(locate(text, &["pipeline", "0", "name"]).line, 9);
}
