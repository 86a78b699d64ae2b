//! The value model against serde_json: same verdict on every input, same value, on every
//! implementation this CPU runs.

use expressway::value::{Implementation, Key, Limits, Scratch, Segment, Value};

fn scratches() -> Vec<(Implementation, Scratch)> {
    let available = Implementation::ALL.into_iter().filter(|i| i.is_available());
    available
        .map(|implementation| {
            let mut scratch = Scratch::new(Limits::default());
            scratch.set_implementation(implementation);
            (implementation, scratch)
        })
        .collect()
}

fn text(scratch: &Scratch, value: Value) -> String {
    let mut out = Vec::new();
    scratch.write(value, &mut out);
    String::from_utf8(out).expect("what is written is UTF-8")
}

/// Every implementation gives `output`, or refuses where it is `None`.
fn parses(input: &str, output: Option<&str>) {
    for (implementation, mut scratch) in scratches() {
        let result = scratch.parse(input.as_bytes());
        let written = result.ok().map(|value| text(&scratch, value));
        assert_eq!(written.as_deref(), output, "{implementation:?}: {input}");
    }
}

#[test]
fn documents() {
    parses(r#"{"a":[1,2.50,{"b":null}],"c":"x"}"#, Some(r#"{"a":[1,2.50,{"b":null}],"c":"x"}"#));
    parses(" {\n\t\"a\" : [ ] , \"b\" : { } }\r\n", Some(r#"{"a":[],"b":{}}"#));
    parses("-0", Some("-0"));
    parses(r#""\u0061\/\n""#, Some(r#""a/\n""#));
    parses("1e400", Some("1e400"));
    parses(r#"{"a":1,"b":2,"\u0061":3}"#, Some(r#"{"b":2,"a":3}"#));
    parses(r#"{"k":{"a":1,"a":2},"z":[{"q":1,"q":1}]}"#, Some(r#"{"k":{"a":2},"z":[{"q":1}]}"#));
}

#[test]
fn refusals() {
    for input in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "tru",
        "truex",
        "nul",
        "\"a",
        "\"a\nb\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\u{feff}1",
        "1 2",
        "{}{}",
        "[}",
        "{]",
        "\"a\"b",
        "1\"a\"",
        "\"a\" \"b\"",
        "{\"a\" 1}",
        "{\"a\",1}",
        "[:]",
        ":",
        ",",
        "\"\\u12\"",
        "{1:2}",
    ] {
        parses(input, None);
    }
}

#[test]
fn reads_puts_and_parks() {
    for (_, mut scratch) in scratches() {
        let root = scratch.parse(br#"{"a":{"b":[10,20,30]},"k\u0065y":"v"}"#).expect("JSON");
        let key = |name: &str| Segment::Key(Key::new(name));
        let items = scratch.member(root, "a").and_then(|a| scratch.member(a, "b"));
        let item = items.and_then(|b| scratch.item(b, 1)).expect("an item");
        assert_eq!(scratch.i64(item), Some(20));
        assert!(scratch.member(root, "key").is_some_and(|v| scratch.says(v, "v")));
        let new = scratch.put(root, &[key("new"), key("x")], item).expect("put");
        assert_eq!(text(&scratch, new), r#"{"a":{"b":[10,20,30]},"key":"v","new":{"x":20}}"#);
        let over = scratch.put(new, &[key("a"), key("b"), Segment::Index(0)], root).expect("put");
        let expected =
            r#"{"key":"v","new":{"x":20},"a":{"b":[{"a":{"b":[10,20,30]},"key":"v"},20,30]}}"#;
        assert_eq!(text(&scratch, over), expected);
        assert_eq!(scratch.size(over), expected.len());
        let mut roots = [over, item, over];
        scratch.compact(&mut roots);
        assert_eq!(text(&scratch, roots[0]), expected);
        assert_eq!(text(&scratch, roots[1]), "20");
        assert!(scratch.equals(roots[0], roots[2]));
        let mut many = roots[0];
        for name in ["p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "p", "z"] {
            many = scratch.put(many, &[key(name)], roots[1]).expect("put");
        }
        assert_eq!(scratch.count(many), 14);
    }
}
