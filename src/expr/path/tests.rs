use super::*;
use crate::intrinsics::Random;
use crate::value::{Limits, Scratch};

fn found(path: &str, input: &str) -> Option<String> {
    let mut scratch = Scratch::new(Limits::default());
    let input = scratch.parse(input.as_bytes()).expect("JSON");
    let path = Path::parse(path).expect("a path");
    let mut context = scratch.parse(br#"{"Execution":{"Name":"n","Input":[1,2]}}"#).expect("JSON");
    let mut random = Random::new(0);
    let mut scope =
        Scope { scratch: &mut scratch, input, context: &mut context, random: &mut random };
    let value = path.evaluate(&mut scope).expect("no failure")?;
    let mut out = Vec::new();
    scratch.write(value, &mut out);
    Some(String::from_utf8(out).expect("UTF-8"))
}

#[track_caller]
fn gives(path: &str, input: &str, output: &str) {
    assert_eq!(found(path, input).as_deref(), Some(output), "{path}");
}

const STORE: &str = r#"{"books":[{"t":"a","p":5,"tags":["x"]},{"t":"b","p":10},{"t":"c","p":15,
    "n":"5"}],"max":10,"o":{"a":1,"b":2,"c":{"p":7}},"odd name":1,"é":2}"#;

#[test]
fn definite_paths_give_one_value() {
    for (path, output) in [
        ("$.max", "10"),
        ("$['max']", "10"),
        ("$[\"max\"]", "10"),
        ("$.books[1].t", r#""b""#),
        ("$.books[-1].t", r#""c""#),
        ("$.books.[0].t", r#""a""#),
        ("$['odd name']", "1"),
        ("$.é", "2"),
        ("$.o['a','b','x']", r#"{"a":1,"b":2}"#),
        ("$.books.length()", "3"),
        ("$$.Execution.Name", r#""n""#),
        ("$$.Execution.Input[1]", "2"),
        ("$$.Execution.Input.length()", "2"),
    ] {
        gives(path, STORE, output);
    }
    gives(r#"$['Test\""Name"']"#, r#"{"Test\\\"\"Name\"":1}"#, "1");
    for path in ["$.x", "$.max.x", "$.books.t", "$.books[3]", "$.books[-4]", "$.o[0]", "$.x[*].y"] {
        assert_eq!(found(path, STORE), None, "{path}");
    }
}

#[test]
fn indefinite_paths_give_arrays() {
    for (path, output) in [
        ("$.books[*].p", "[5,10,15]"),
        ("$.books[0,2].p", "[5,15]"),
        ("$.books[1:].p", "[10,15]"),
        ("$.books[:1].p", "[5]"),
        ("$.books[:-1].p", "[5,10]"),
        ("$.books[0:2].p", "[5,10]"),
        ("$.books[-2:].p", "[10,15]"),
        ("$.books[-2:-1].p", "[10]"),
        ("$.books[-3:2].p", "[5,10,15,5,10]"),
        ("$.books[1:-1].p", "[]"),
        ("$.books[-9:-2].p", "[5]"),
        ("$.books[7:].p", "[]"),
        ("$.o.*", r#"[1,2,{"p":7}]"#),
        ("$..p", "[5,10,15,7]"),
        ("$.books[*]['t','n']", r#"["a","b","c","5"]"#),
        ("$..nothing", "[]"),
        ("$.books[*].length()", "3"),
    ] {
        gives(path, STORE, output);
    }
}

#[test]
fn filters_choose() {
    for (filter, output) in [
        ("@.p > 5", "[10,15]"),
        ("@.p >= 5 && @.p<15", "[5,10]"),
        ("@.t == 'a' || @.t == \"c\"", "[5,15]"),
        ("@.t==b", "[10]"),
        ("!(@.p == 10)", "[5,15]"),
        ("@.tags", "[5]"),
        ("!@.tags", "[10,15]"),
        ("@.t != 'a'", "[10,15]"),
        ("@.p == $.max", "[10]"),
        ("@.t =~ /A|b/i", "[5,10]"),
        ("@.t in ['a','b']", "[5,10]"),
        ("@.t nin ['a','b']", "[15]"),
        ("@.tags contains 'x'", "[5]"),
        ("@.n == 5", "[15]"),
        ("@.tags[0] == 'x'", "[5]"),
        ("@.t > 'a'", "[10,15]"),
        ("@.tags.length() == 1", "[5]"),
        ("@.nothing < 1", "[]"),
    ] {
        gives(&format!("$.books[?({filter})].p"), STORE, output);
    }
    gives("$..[?(@.p == 7)].p", STORE, "[7]");
}

#[test]
fn refuses_what_is_no_path() {
    for text in [
        "",
        "a",
        "$.",
        "$.a.",
        "$[",
        "$[]",
        "$['a",
        "$.a[x]",
        "$.a]",
        "$.a[?(@.x ==)]",
        "$.a[?@.x]",
        "$.a[?(@.x =~ /(/)]",
        "$.a[0:2:2]",
        "$.a.sum()",
        "$['a','b'].c",
        "$.a.length().b",
        "$1",
        "$.a[99999999999999999999]",
        "$.a b",
        "$.a[?(@.x == 1)",
        "$.a.b c.d",
    ] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
    let deep = format!("$[?{}@.a", "(".repeat(100));
    assert!(Path::parse(&deep).is_err());
}

#[test]
fn says_why_it_leads_nowhere() {
    let mut scratch = Scratch::new(Limits::default());
    let input = scratch.parse(br#"{"a":{}}"#).expect("JSON");
    let (mut context, mut random) = (Value::NULL, Random::new(0));
    let mut scope =
        Scope { scratch: &mut scratch, input, context: &mut context, random: &mut random };
    for (path, why) in [
        ("$.no.such", "Missing property in path $['no']"),
        ("$.a.b", "No results for path: $['a']['b']"),
    ] {
        let error = Path::parse(path).expect("a path").require(&mut scope).expect_err("nothing");
        assert_eq!(error.cause(), Some(&*format!("Invalid path '{path}' : {why}")));
    }
}

#[test]
fn work_is_bounded() {
    let many: Vec<_> = (0..5000).map(|at| format!("{{\"x\":{at}}}")).collect();
    let input = format!("{{\"a\":[{}]}}", many.join(","));
    let mut scratch = Scratch::new(Limits::default());
    let input = scratch.parse(input.as_bytes()).expect("JSON");
    let (mut context, mut random) = (Value::NULL, Random::new(0));
    let mut scope =
        Scope { scratch: &mut scratch, input, context: &mut context, random: &mut random };
    let path = Path::parse("$.a[?(@.x in $..x)]").expect("a path");
    let error = path.evaluate(&mut scope).expect_err("too much work");
    assert!(error.to_string().contains("visits more than"), "{error}");
    assert!(Path::parse(&format!("${}", ".a".repeat(1000))).is_err());
}
