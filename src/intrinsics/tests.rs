use super::*;
use crate::value::{Limits, Scratch};

/// Calls `States.{name}` with the items of a JSON array.
fn called(name: &str, args: &str) -> Result<String, String> {
    let mut scratch = Scratch::new(Limits::default());
    let list = scratch.parse(args.as_bytes()).expect("JSON");
    let args: Vec<_> = (0..scratch.count(list)).filter_map(|at| scratch.item(list, at)).collect();
    let row = find(&format!("States.{name}")).expect("a function");
    assert!((row.arity.0..=row.arity.1).contains(&args.len()), "arity of {name}");
    let mut random = Random::new(1);
    let pattern = match name {
        "Format" => Pattern::new(args[0], args.len() - 1, &scratch),
        _ => None,
    };
    let scratch = &mut scratch;
    let mut call = Call { args: &args, pattern: None, scratch, random: &mut random };
    let value = (row.run)(&mut call).map_err(|e| e.to_string())?;
    if pattern.is_some() {
        call.pattern = pattern.as_ref();
        let again = (row.run)(&mut call).map_err(|e| e.to_string())?;
        assert!(scratch.equals(value, again), "{name} of a template read before");
    }
    let mut out = Vec::new();
    scratch.write(value, &mut out);
    Ok(String::from_utf8(out).expect("UTF-8"))
}

#[track_caller]
fn gives(name: &str, args: &str, output: &str) {
    assert_eq!(called(name, args).as_deref(), Ok(output), "{name} {args}");
}

#[track_caller]
fn fails(name: &str, args: &str, why: &str) {
    let error = called(name, args).expect_err("a failure");
    assert!(error.starts_with("States.Runtime: ") && error.contains(why), "{error}");
}

#[test]
fn arrays() {
    gives("Array", "[]", "[]");
    gives("Array", r#"[1,"a",{"b":[]},null]"#, r#"[1,"a",{"b":[]},null]"#);
    gives("ArrayPartition", "[[1,2,3,4,5],2]", "[[1,2],[3,4],[5]]");
    gives("ArrayPartition", "[[],4]", "[]");
    fails("ArrayPartition", "[[1],0]", "positive");
    gives("ArrayContains", "[[1,{\"a\":[2]}],{\"a\":[2.0]}]", "true");
    gives("ArrayContains", "[[],1]", "false");
    fails("ArrayContains", "[1,1]", "Argument 1 must be an array, but is a number");
    gives("ArrayRange", "[0,10,3]", "[0,3,6,9]");
    gives("ArrayRange", "[0,9,3]", "[0,3,6,9]");
    gives("ArrayRange", "[5,0,-2]", "[5,3,1]");
    gives("ArrayRange", "[3,3,-1]", "[3]");
    gives("ArrayRange", "[5,0,1]", "[]");
    gives("ArrayRange", "[1.6,1.4,1]", "[1]");
    gives("ArrayRange", "[5.4,-0.6,-2.4]", "[5,3,1]");
    fails("ArrayRange", "[1,10,0.49]", "step");
    fails("ArrayRange", "[0,1000,1]", "1001 items");
    fails("ArrayRange", "[0,1,0]", "step");
    gives(
        "ArrayRange",
        "[-9223372036854775808,9223372036854775807,9223372036854775807]",
        "[-9223372036854775808,-1,9223372036854775806]",
    );
    gives("ArrayGetItem", "[[1,2],1]", "2");
    fails("ArrayGetItem", "[[1,2],2]", "out of bounds");
    fails("ArrayGetItem", "[[1,2],-1]", "out of bounds");
    gives("ArrayGetItem", "[[1,2],1.9]", "2");
    gives("ArrayGetItem", "[[],999]", "null");
    gives("ArrayLength", "[[1,[2,3]]]", "2");
    fails("ArrayLength", "[\"ab\"]", "must be an array");
}

#[test]
fn unique_items_few_and_many() {
    let few = r#"1,1.1,1.0,null,[],[null],null,"a","\u0061",{"x":1,"y":2},{"y":2,"x":1}"#;
    let kept = r#"1,1.1,null,[],[null],"a",{"x":1,"y":2}"#;
    gives("ArrayUnique", &format!("[[{few}]]"), &format!("[{kept}]"));
    let many: Vec<_> = (0..40).map(|at| format!("[{}]", at % 20)).collect();
    let (many, half) = (many.join(","), many[..20].join(","));
    gives("ArrayUnique", &format!("[[{few},{many},0,-0]]"), &format!("[{kept},{half},0]"));
}

#[test]
fn encodings() {
    gives("Base64Encode", r#"["Data to encode"]"#, r#""RGF0YSB0byBlbmNvZGU=""#);
    gives("Base64Decode", r#"["RGF0YSB0byBlbmNvZGU"]"#, r#""Data to encode""#);
    gives("Base64Decode", r#"[""]"#, r#""""#);
    gives("Base64Decode", r#"[" YWJj ZA== "]"#, r#""abcd""#);
    gives("Base64Decode", r#"["YQ==cd?"]"#, r#""a""#);
    gives("Base64Decode", r#"["A"]"#, r#""""#);
    fails("Base64Encode", &format!("[\"{}\"]", "é".repeat(10_001)), "10000 characters");
    gives("Hash", r#"["abc","MD5"]"#, r#""900150983cd24fb0d6963f7d28e17f72""#);
    gives("Hash", r#"["abc","SHA-1"]"#, r#""a9993e364706816aba3e25717850c26c9cd0d89d""#);
    fails("Hash", r#"["abc","SHA1"]"#, "SHA-256");
    fails("Hash", r#"[null,"SHA-1"]"#, "null");
}

#[test]
fn json() {
    let two = r#"{"a":{"a1":1},"b":2},{"c":3,"a":{"a3":1}}"#;
    gives("JsonMerge", &format!("[{two},false]"), r#"{"a":{"a3":1},"b":2,"c":3}"#);
    fails("JsonMerge", &format!("[{two},true]"), "shallow");
    let wide: Vec<_> = (0..50).map(|at| format!("\"k{at}\":{at}")).collect();
    let wide = format!("{{{}}}", wide.join(","));
    gives("JsonMerge", &format!("[{wide},{wide},false]"), &wide);
    gives("StringToJson", r#"["{\"a\": [1, 2.0]}"]"#, r#"{"a":[1,2.0]}"#);
    gives("StringToJson", r#"[""]"#, "null");
    gives("StringToJson", r#"[" "]"#, "null");
    gives("StringToJson", r#"["-0"]"#, "0");
    fails("StringToJson", r#"["{"]"#, "no JSON");
    gives(
        "JsonToString",
        r#"[{"a": "x\"\n", "b": [1.0]}]"#,
        r#""{\"a\":\"x\\\"\\n\",\"b\":[1.0]}""#,
    );
}

#[test]
fn numbers() {
    for (a, b, sum) in [
        ("-9", "3", "-6"),
        ("1.49", "1.5", "3"),
        ("-1.49", "-1.5", "-2"),
        ("-1.51", "0", "-2"),
        ("-0.5", "0", "0"),
        ("2.5", "0", "3"),
        ("-2.5", "0", "-2"),
        ("0.5", "0", "1"),
    ] {
        gives("MathAdd", &format!("[{a},{b}]"), sum);
    }
    gives("MathAdd", "[2147483646,1]", "2147483647");
    fails("MathAdd", "[2147483647,1]", "32 bits");
    fails("MathAdd", "[3000000000,-1000000000]", "32 bits");
    fails("MathAdd", "[\"1\",1]", "must be a number, but is a string");
    gives("MathRandom", "[5,6]", "5");
    assert_eq!(called("MathRandom", "[0,1000000,7]"), called("MathRandom", "[0,1000000,7]"));
    fails("MathRandom", "[5,5]", "no integer");
}

#[test]
fn texts() {
    gives(
        "StringSplit",
        r#"["This.is+a,test=string",".+,="]"#,
        r#"["This","is","a","test","string"]"#,
    );
    gives("StringSplit", r#"[", , ,",","]"#, r#"[" "," "]"#);
    gives("StringSplit", r#"[",,,,",","]"#, "[]");
    gives("StringSplit", r#"["",","]"#, "[]");
    gives("StringSplit", r#"["aéb","é"]"#, r#"["a","b"]"#);
    gives(
        "StringSplit",
        r#"["split on T and \nnew line","T\n"]"#,
        r#"["split on "," and ","new line"]"#,
    );
    gives("Format", r#"["{}-{}!",1.10,"a\"b"]"#, r#""1.10-a\"b!""#);
    gives("Format", r#"["{}",{"Arg1":1,"Arg2":[]}]"#, r#""{Arg1=1, Arg2=[]}""#);
    gives("Format", r#"["{}",[null,"a",{}]]"#, r#""[null, a, {}]""#);
    gives("Format", r#"["\\{{}\\} \\\\ \\' \n\u00e9",true]"#, r#""{true} \\ ' \né""#);
    for template in ["Hello {", "Hello {{}}", "}"] {
        fails("Format", &format!("[\"{template}\",1]"), "brace");
    }
    fails("Format", r#"["{}"]"#, "1 '{}' but 0 values");
    fails("Format", r#"["",1]"#, "0 '{}' but 1 values");
    let uuid = called("UUID", "[]").expect("a UUID");
    assert_eq!((uuid.len(), &uuid[15..16]), (38, "4"));
    assert!("89ab".contains(&uuid[20..21]));
}
