//! Facts about expressions: text, input, result.

use super::*;

fn evaluate(text: &str, input: &str, limits: Limits) -> Result<String, QueryError> {
    let mut scratch = Scratch::new(crate::value::Limits::default());
    let expression = Expression::parse(text, Options::default(), &mut scratch)?;
    scratch.seal();
    let input = scratch.parse(input.as_bytes()).expect("the input is JSON");
    let mut bits = 0;
    let mut random = || {
        bits += 1;
        bits
    };
    let mut memory = Memory::default();
    let environment = Environment { now: 0, random: &mut random, limits, memory: &mut memory };
    let outcome = expression.evaluate(&mut scratch, Some(input), &mut |_, _| None, environment)?;
    Ok(match outcome {
        Outcome::Undefined => "undefined".into(),
        Outcome::Function => "function".into(),
        Outcome::Value(value) => {
            let mut out = Vec::new();
            scratch.write(value, &mut out);
            String::from_utf8(out).expect("values are written as UTF-8")
        }
    })
}

fn gives(text: &str, input: &str, result: &str) {
    let found = evaluate(text, input, Limits::default());
    assert_eq!(found.as_deref().map_err(QueryError::to_string), Ok(result), "{text}");
}

fn fails(text: &str, code: Code) {
    let found = evaluate(text, "null", Limits::default());
    assert_eq!(found.as_ref().map_err(QueryError::code), Err(code), "{text}");
}

#[test]
fn common_shapes() {
    let order = r#"{"id":"a1","temp":31,"items":[{"sku":"x","price":2,"qty":3},{"sku":"y","price":20,"qty":1}]}"#;
    gives("$sum(items.(price*qty))", order, "26");
    gives(
        r#"{"id": id, "hot": temp > 30, "label": "t-" & id & temp}"#,
        order,
        r#"{"id":"a1","hot":true,"label":"t-a131"}"#,
    );
    gives("items[price>10].sku", order, r#""y""#);
    gives("items[price>10].sku[]", order, r#"["y"]"#);
    gives("items.sku", order, r#"["x","y"]"#);
    gives("missing.path", order, "undefined");
    gives("function($x){$x}", order, "function");
}

#[test]
fn budgets_hold() {
    for text in [
        "$pad('x', 1e20)",
        "[1..1e9]",
        "($f := function($n){1 + $f($n)}; $f(1))",
        "($f := function(){$f()}; $f())",
        "($f := function($s){$f($s & $s)}; $f('abcdefgh'))",
        "$reduce([1..100000], function($a, $i){[[$a]]}, [])",
        "$map([1..100000000], function($i){$i})",
        "$formatInteger(1e15, 'I')",
    ] {
        let found = evaluate(text, "null", Limits::default());
        let code = found.as_ref().map_err(QueryError::code);
        assert!(matches!(code, Err(Code::U1001 | Code::D2014)), "{text}: {found:?}");
    }
    fails("$formatInteger(1/0, 'w')", Code::D1001);
    let deep = "(".repeat(10_000);
    fails(&deep, Code::U1002);
    let long = |count| vec!["1"; count].join("&");
    fails(&long(10_000), Code::U1002);
    gives(&format!("$length({})", long(120)), "null", "120");
}

#[test]
fn step_functions_additions() {
    gives("$partition([1,2,3,4,5], 2)", "null", "[[1,2],[3,4],[5]]");
    gives("$range(0, 10, 5)", "null", "[0,5,10]");
    gives("$range(3, 1, -1)", "null", "[3,2,1]");
    gives("$hash('abc', 'MD5')", "null", r#""900150983cd24fb0d6963f7d28e17f72""#);
    gives("$random(7) = $random(7)", "null", "true");
    gives("$parse('{\"a\":[1]}').a", "null", "[1]");
    gives("$length($uuid())", "null", "36");
    fails("$eval('1')", Code::T1006);
}

#[test]
fn parentheses_that_only_group_change_nothing() {
    let nested = r#"{"a":[{"b":[[1,2]]}],"c":{"d":[7]}}"#;
    gives("(a.b)[0]", nested, "[1,2]");
    gives("a.b[0]", nested, "[1,2]");
    gives("[(c.d)]", nested, "[7]");
    gives("[([1,2])]", nested, "[1,2]");
    gives("[[1,2]]", nested, "[[1,2]]");
    gives("(c.d)[]", nested, "[7]");
    gives("($x := 1; ($x := 2); $x)", nested, "1");
    gives("c.(d)", nested, "[7]");
    gives("{'k': 1, 'l': nothing}", nested, r#"{"k":1}"#);
    fails("{'k': 1, 'k': 2}", Code::D1009);
}
