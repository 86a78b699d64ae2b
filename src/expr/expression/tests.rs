use super::*;
use crate::intrinsics::Random;
use crate::value::Limits;

fn value(text: &str, input: &str) -> Result<String, String> {
    let mut scratch = Scratch::new(Limits::default());
    let expression = Expression::parse(text, &mut scratch).map_err(|e| e.message)?;
    let input = scratch.parse(input.as_bytes()).expect("JSON");
    let mut context = scratch.parse(br#"{"Execution":{"Input":{"k":"v"}}}"#).expect("JSON");
    let (context, random) = (&mut context, &mut Random::new(0));
    let mut scope = Scope { scratch: &mut scratch, input, context, random };
    let value = expression.require(&mut scope).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    scratch.write(value, &mut out);
    Ok(String::from_utf8(out).expect("UTF-8"))
}

#[track_caller]
fn gives(text: &str, output: &str) {
    let input = r#"{"a":1,"s":"x,y","list":[1,2],"b":{"c":"d"},"odd)name":3}"#;
    assert_eq!(value(text, input).as_deref(), Ok(output), "{text}");
}

#[test]
fn calls_and_paths() {
    gives("$.b.c", r#""d""#);
    gives("$$.Execution.Input.k", r#""v""#);
    gives("States.Array()", "[]");
    gives("States.Array( $.a , 'b', 1.50, true, null, -2 )", r#"[1,"b",1.50,true,null,-2]"#);
    gives("States.Format('{} and {}', $.b, $$.Execution.Input)", r#""{c=d} and {k=v}""#);
    gives("States.Array($['odd)name'], $.list[?(@ > 1)], $.list[0,1])", "[3,[2],[1,2]]");
    gives("States.MathAdd(States.ArrayLength($.list), States.MathAdd(1, 2))", "5");
    gives("States.Array(1,2,3,4,5,6,7,8,9,10)", "[1,2,3,4,5,6,7,8,9,10]");
    gives("States.StringToJson('{\"a\": \"false\"}')", r#"{"a":"false"}"#);
}

#[test]
fn escapes() {
    gives(r"States.Format('it\'s \{{}\} \\', $.a)", r#""it's {1} \\""#);
    gives(r"States.Array('it\'s \{\} \\')", r#"["it's {} \\"]"#);
    gives("States.Format('a\n\"{}\"', 'b')", r#""a\n\"b\"""#);
}

#[test]
fn refusals() {
    for text in [
        "",
        "a",
        "States.Nope()",
        "States.Array(",
        "States.Array(1,)",
        "States.Array(1 2)",
        "States.UUID(1)",
        "States.MathAdd(1)",
        "States.Array('a)",
        r"States.Array('a\')",
        r"States.Array('a\n')",
        "States.Array(x)",
        "States.Array([1])",
        "States.Array()x",
        "States.Array",
        "States.Array(\"a\")",
        "States.Array($.a[)",
        "States.Format()",
    ] {
        assert!(Expression::parse(text, &mut Scratch::new(Limits::default())).is_err(), "{text}");
    }
    let nested = |depth: usize| "States.Array(".repeat(depth) + &")".repeat(depth);
    assert!(value(&nested(NESTING_MAX), "1").is_ok());
    assert!(value(&nested(NESTING_MAX + 1), "1").is_err_and(|e| e.contains("more than 10")));
}

#[test]
fn failures_name_the_call() {
    assert_eq!(
        value("States.Array(States.ArrayGetItem($.a, 5))", r#"{"a":[0]}"#),
        Err("States.Runtime: Invalid arguments in States.ArrayGetItem: The index 5 is out of \
             bounds: the array has 1 items"
            .into())
    );
    assert_eq!(
        value("States.Array($.x)", "{}"),
        Err("States.Runtime: Invalid path '$.x' : No results for path: $['x']".into())
    );
}
