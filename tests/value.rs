//! The value model against serde_json: same verdict on every input, same value, on every
//! implementation this CPU runs.

mod value_oracle;

use expressway::value::{Implementation, Key, Limits, ParseReason, Scratch, Segment, Value};
use value_oracle::{Oracle, Random};

fn scratches() -> Vec<(Implementation, Scratch)> {
    value_oracle::scratches(Limits::default())
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

/// Every implementation refuses `input` for `reason` at `offset`.
fn fails(input: &[u8], reason: ParseReason, offset: u32) {
    for (implementation, mut scratch) in scratches() {
        let error = scratch.parse(input).expect_err("it is no document");
        let shown = String::from_utf8_lossy(input);
        assert_eq!((error.reason, error.offset), (reason, offset), "{implementation:?}: {shown}");
        assert_eq!(scratch.used(), 0, "{implementation:?}: a refused document leaves nothing");
    }
}

#[test]
fn reasons_and_places() {
    fails(b"", ParseReason::Empty, 0);
    fails(b" \n ", ParseReason::Empty, 3);
    fails(b"[1,2", ParseReason::ExpectedComma, 4);
    fails(b"[1}", ParseReason::ExpectedComma, 2);
    fails(b"[1,]", ParseReason::ExpectedValue, 3);
    fails(b"{\"a\":1,}", ParseReason::ExpectedKey, 7);
    fails(b"{\"a\"=1}", ParseReason::ExpectedColon, 4);
    fails(b"{\"a\":}", ParseReason::ExpectedValue, 5);
    fails(b"{\"a\":", ParseReason::ExpectedValue, 5);
    fails(b"1,2", ParseReason::TrailingText, 1);
    fails(b"{}]", ParseReason::TrailingText, 2);
    fails(b"[-]", ParseReason::BadScalar, 1);
    fails(b"[1\x0c]", ParseReason::BadScalar, 1);
    fails(b"\\", ParseReason::BadScalar, 0);
    fails(b"\"abc", ParseReason::UnterminatedString, 4);
    fails(b"[\"a\x1f\"]", ParseReason::ControlCharacter, 3);
    fails(b"[\"a\\\n\"]", ParseReason::ControlCharacter, 4);
    fails(b"[\"a\\x\"]", ParseReason::BadEscape, 3);
    fails(b"[\"\\udc00\"]", ParseReason::BadEscape, 2);
    fails(b"[\"a\xff\"]", ParseReason::NotUtf8, 3);
    fails(b"[\"\xed\xa0\x80\"]", ParseReason::NotUtf8, 2);
    fails(b"\xef\xbb\xbf1", ParseReason::BadScalar, 0);
    fails(b"[] \xff", ParseReason::NotUtf8, 3);
}

#[test]
fn every_length_across_the_borders_of_blocks() {
    let mut oracle = Oracle::default();
    for shift in 0..140 {
        let pad = "x".repeat(shift);
        let space = " ".repeat(shift);
        let slashes = "\\".repeat(shift);
        let digits = "7".repeat(shift);
        for text in [
            format!(r#"["{pad}",1,"é",{{"{pad}":[true,false,null,-1.5e3]}}]"#),
            format!(r#"{{"{pad}":"{pad}\"{pad}","b":"\u00e9{pad}"}}"#),
            format!(r#"{space}[1{space},{space}true{space}]{space}"#),
            format!(r#"["{slashes}{slashes}","a"]"#),
            format!(r#"[1{digits},-{digits}1.0{digits},0.{digits}0e1{digits}]"#),
        ] {
            assert!(oracle.agrees(text.as_bytes()), "{text}");
        }
        for text in [
            format!(r#"["{pad}"#),
            format!(r#"["{slashes}{slashes}\"]"#),
            format!(r#"[{space}"#),
            format!(r#"["{pad}"]{space}x"#),
            format!("[\"{pad}\u{1f}\"]"),
            format!(r#"["{pad}\ud800{pad}"]"#),
            format!(r#"[0{digits}1]"#),
            format!(r#"[1{digits}x]"#),
        ] {
            assert!(!oracle.agrees(text.as_bytes()), "{text}");
        }
    }
}

#[test]
fn every_prefix_and_every_byte_replaced() {
    let mut oracle = Oracle::default();
    let text =
        r#"{"ab":[1.5,-2e7,"\u0041\n",{"c":true,"d":null}],"ab ":{"e":"é","":[]},"f":false}"#;
    for end in 0..=text.len() {
        assert_eq!(oracle.agrees(&text.as_bytes()[..end]), end == text.len());
    }
    for at in 0..text.len() {
        let mut damaged = text.as_bytes().to_vec();
        for byte in 0..=255 {
            damaged[at] = byte;
            oracle.agrees(&damaged);
        }
    }
}

#[test]
fn nesting_to_the_limit_and_beyond() {
    let nested = |levels: usize| {
        let open: String =
            (0..levels).map(|at| if at % 2 == 0 { "[" } else { "{\"a\":" }).collect();
        let close: String =
            (0..levels).rev().map(|at| if at % 2 == 0 { "]" } else { "}" }).collect();
        format!("{open}{}{close}", if levels.is_multiple_of(2) { "1" } else { "" })
    };
    let mut oracle = Oracle::default();
    assert!(oracle.agrees(nested(127).as_bytes()));
    assert!(!oracle.agrees(nested(128).as_bytes()));
    for height_max in [0, 1, 2, 64, Limits::HEIGHT_CEILING] {
        let limits = Limits { height_max, ..Limits::default() };
        for (_, mut scratch) in value_oracle::scratches(limits) {
            let levels = usize::from(height_max);
            let fits = scratch.parse(nested(levels).as_bytes()).expect("at the limit");
            assert_eq!(text(&scratch, fits), nested(levels));
            let error = scratch.parse(nested(levels + 1).as_bytes()).expect_err("beyond it");
            assert_eq!(error.reason, ParseReason::TooDeep);
            // Closed again, so never more than one level open.
            let flat = format!("[{}[]]", "[],".repeat(1000));
            assert_eq!(scratch.parse(flat.as_bytes()).is_ok(), height_max >= 2);
        }
    }
}

#[test]
fn bytes_to_the_limit_and_beyond() {
    let limits = Limits { bytes_max: 1000, ..Limits::default() };
    for (_, mut scratch) in value_oracle::scratches(limits) {
        let sized = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(scratch.parse(sized(1000).as_bytes()).is_ok());
        let error = scratch.parse(sized(1001).as_bytes()).expect_err("a byte too many");
        assert_eq!((error.reason, error.offset), (ParseReason::TooLarge, 1000));
    }
    let mut oracle = Oracle::default();
    let large = format!("[{}1]", r#"{"id":"abcdefgh","n":1.25},"#.repeat(9000));
    assert!(oracle.agrees(large.as_bytes()) && large.len() > 200_000);
}

/// The largest documents that a configuration may ask for, to the byte.
#[test]
fn sixty_four_mebibytes_are_a_document() {
    const ITEM: &str = r#"{"id":"d-1","n":[1.25,true,null]},"#;
    let ceiling = Limits::BYTES_CEILING;
    let mut input = String::with_capacity(ceiling + 1);
    input.push_str(r#"{"items":["#);
    while input.len() + ITEM.len() < ceiling - 64 {
        input.push_str(ITEM);
    }
    let items = (input.len() - r#"{"items":["#.len()) / ITEM.len() + 1;
    input.push_str(r#"7],"last":""#);
    input.extend(std::iter::repeat_n('x', ceiling - input.len() - 2));
    input.push_str(r#""}"#);
    assert_eq!(input.len(), 64 << 20);

    let limits = Limits { bytes_max: ceiling, ..Limits::default() };
    let mut scratch = Scratch::new(limits);
    let root = scratch.parse(input.as_bytes()).expect("a document at the ceiling");
    let list = scratch.get(root, &Key::new("items")).expect("its list");
    assert_eq!(scratch.count(list), items);
    let middle = scratch.item(list, items / 2).and_then(|it| scratch.member(it, "id"));
    assert!(middle.is_some_and(|id| scratch.says(id, "d-1")));
    let end = scratch.item(list, items - 1).and_then(|it| scratch.i64(it));
    assert_eq!(end, Some(7));
    let last = scratch.get(root, &Key::new("last")).expect("what stands last");
    assert!(scratch.str(last).bytes().all(|byte| byte == b'x'));
    // Not by assert_eq: nobody wants to see them.
    assert!(text(&scratch, root) == input, "it is written as it was read");
    let changed = scratch.put(root, &[Segment::Key(Key::new("last"))], Value::TRUE).expect("put");
    let shorter = input[..input.rfind(':').expect("a colon") + 1].to_owned() + "true}";
    assert!(text(&scratch, changed) == shorter, "it is written with what was put");

    input.push('\n');
    scratch.reset();
    let error = scratch.parse(input.as_bytes()).expect_err("a byte too many");
    assert_eq!((error.reason, error.offset), (ParseReason::TooLarge, ceiling as u32));
}

#[test]
fn keys_are_looked_up_by_what_they_say() {
    for (_, mut scratch) in scratches() {
        let input = r#"{"a":1,"\u0061b":2,"ab":3,"":4,"customer_id":5,"customer_no":6,"\u0000":7,
            "é":8,"\ud83d\ude00":9,"a\"b":10,"customer_id":11,"":12}"#;
        let root = scratch.parse(input.as_bytes()).expect("a document");
        for (name, value) in [
            ("a", 1),
            ("ab", 3),
            ("", 12),
            ("customer_id", 11),
            ("customer_no", 6),
            ("\0", 7),
            ("é", 8),
            ("😀", 9),
            ("a\"b", 10),
        ] {
            let found = scratch.get(root, &Key::new(name)).and_then(|v| scratch.i64(v));
            assert_eq!(found, Some(value), "{name}");
        }
        for name in ["b", "A", "customer_ie", "customer_i", "\u{1f601}", "a\\\"b", "\\u0061b"] {
            assert!(scratch.get(root, &Key::new(name)).is_none(), "{name}");
        }
        assert_eq!(scratch.count(root), 9);
    }
}

/// A look-up goes first where the key last stood: in documents that look alike only now and then,
/// with the same names at every depth, as values and escaped, it finds what a slow one finds.
#[test]
fn keys_that_are_not_there_are_not_found() {
    let name =
        |len: usize, last: char| "abcdefghijklmnopqrst"[..len].to_owned() + &last.to_string();
    for (implementation, mut scratch) in scratches() {
        for round in 0..3 {
            // Two documents, of which the filter knows the second.
            let numbers: Vec<_> =
                (0..20).map(|len| format!("{:?}:{len}", name(len, '!'))).collect();
            let text = format!("{{{}}}", numbers.join(","));
            let escaped = text.replace("!", "\\u0021");
            let both = [&text, &escaped].map(|it| scratch.parse(it.as_bytes()).expect("JSON"));
            for (len, object) in (0..20).flat_map(|len| both.map(|object| (len, object))) {
                let (there, absent) = (Key::new(&name(len, '!')), Key::new(&name(len, '?')));
                let found = scratch.get(object, &there).and_then(|it| scratch.i64(it));
                assert_eq!(found, Some(len as i64), "{implementation:?} {round}");
                assert!(scratch.get(object, &absent).is_none(), "{implementation:?} {len}");
                assert!(
                    scratch.member(object, absent.name()).is_none(),
                    "{implementation:?} {len}"
                );
            }
            scratch.reset();
        }
    }
}

#[test]
fn a_place_remembered_is_looked_at_before_it_is_believed() {
    let names = ["a", "b", "id", "a_long_name", "a_name_beyond_sixteen_bytes", "é"];
    let keys = names.map(Key::new);
    fn object(random: &mut Random, names: &[&str], depth: usize) -> serde_json::Value {
        let mut members = serde_json::Map::new();
        for _ in 0..random.below(5) {
            let value = match random.below(4) {
                0 if depth > 0 => object(random, names, depth - 1),
                1 => names[random.below(names.len())].into(),
                _ => random.below(100).into(),
            };
            members.insert(names[random.below(names.len())].to_owned(), value);
        }
        members.into()
    }
    fn agrees(scratch: &mut Scratch, keys: &[Key], value: Value, oracle: &serde_json::Value) {
        for key in keys {
            let (found, wanted) = (scratch.get(value, key), oracle.get(key.name()));
            assert_eq!(found.map(|v| text(scratch, v)), wanted.map(ToString::to_string));
            if let (Some(found), Some(wanted)) = (found, wanted) {
                agrees(scratch, keys, found, wanted);
            }
        }
    }
    for (_, mut scratch) in scratches() {
        let mut random = Random::new(7);
        for round in 0..20_000 {
            let oracle = object(&mut random, &names, 3);
            let input = oracle.to_string();
            let input =
                if round % 5 == 0 { input.replace("\"a\":", "\"\\u0061\":") } else { input };
            scratch.reset();
            let root = scratch.parse(input.as_bytes()).expect("JSON");
            agrees(&mut scratch, &keys, root, &oracle);
            // The same through an overlay, whose own pairs win.
            let over =
                scratch.put(root, &[Segment::Key(keys[2].clone())], Value::TRUE).expect("put");
            assert_eq!(scratch.get(over, &keys[2]).and_then(Value::as_bool), Some(true));
            for key in keys.iter().filter(|key| key.name() != "id") {
                let (found, wanted) = (scratch.get(over, key), oracle.get(key.name()));
                assert_eq!(found.map(|v| text(&scratch, v)), wanted.map(ToString::to_string));
            }
        }
    }
}

#[test]
fn duplicates_among_many_keys() {
    let mut oracle = Oracle::default();
    let mut random = Random::new(7);
    for keys in [1, 2, 10, 63, 64, 65, 66, 200, 1000] {
        for duplicate in [false, true] {
            let mut members: Vec<String> =
                (0..keys).map(|at| format!(r#""a key with a number {at}":{at}"#)).collect();
            if duplicate {
                let again = random.below(keys);
                let at = random.below(keys + 1);
                members.insert(at, format!(r#""\u0061 key with a number {again}":"again""#));
                members
                    .push(format!(r#""a key with a number {}":"and again""#, random.below(keys)));
            }
            assert!(oracle.agrees(format!("{{{}}}", members.join(",")).as_bytes()));
        }
    }
}

#[test]
fn escapes_are_written_only_where_they_must_be() {
    let escaped = r#"{"\u0061\/":"\u00e9\u0001\u001F\t\u0009\ud83d\ude00\"\\"}"#;
    parses(escaped, Some("{\"a/\":\"é\\u0001\\u001f\\t\\t😀\\\"\\\\\"}"));
}

#[test]
fn the_oracle_can_fail() {
    let mut scratch = Scratch::new(Limits::default());
    let root = scratch.parse(br#"{"a":[1,"x"],"b":1.0}"#).expect("a document");
    let json = |text: &str| serde_json::from_str(text).expect("JSON");
    assert!(value_oracle::equals(&scratch, root, &json(r#"{"b":1.0,"a":[1,"x"]}"#)));
    for other in [r#"{"a":[1,"x"],"b":1}"#, r#"{"a":[1,"y"],"b":1.0}"#, r#"{"a":[1,"x"]}"#] {
        assert!(!value_oracle::equals(&scratch, root, &json(other)));
    }
}
