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

/// The evaluation ends with the name of a limit, in which `limit` occurs.
fn exceeds(text: &str, limit: &str) {
    exceeds_one_of(Limits::default(), text, limit);
}

fn exceeds_one_of(limits: Limits, text: &str, limit: &str) {
    let found = evaluate(text, "null", limits);
    let error = found.expect_err(text);
    assert_eq!(error.code(), Code::U1001, "{text}: {error}");
    assert!(error.message().contains(limit), "{text}: {error}");
}

/// An expression that doubles what `start` gives, `times` over, and does `then` with it.
fn doubled(start: &str, twice: &str, times: usize, then: &str) -> String {
    format!("($a := {start};{} {then})", format!(" $a := {twice};").repeat(times))
}

#[test]
fn walking_is_counted() {
    exceeds("($z := [1..100000].(0); [1..1e7][$z])", "steps");
    exceeds("($arr := [1..100]; [1..1e7].$arr)", "memory");
    exceeds("[1..1e7][true]", "memory");
    let with_long = |then: &str| format!("($a := $parse($string([1..30000].($))); {then})");
    exceeds(&with_long("[1..1e6].$count($a)"), "steps");
    exceeds(&with_long("[1..1e6].($a[-1])"), "steps");
}

#[test]
fn shared_parts_are_counted_as_often_as_they_occur() {
    let lists = |then: &str| doubled("[1]", "[[$a, $a]]", 40, then);
    exceeds(&lists("$string($a)"), "in a value");
    exceeds(&lists("$a"), "in a value");
    exceeds(&doubled("{'a': 1}", "{'a': $a, 'b': $a}", 40, "$a"), "in a value");
    exceeds(&doubled("{'a': $f}", "{'a': $a, 'b': $a}", 40, "$a"), "in a value");
    let both = "($b := $a; $a := [[$a, 1]]; $b := [[$b, 1]]; $a = $b)";
    gives(&doubled("[1]", "[[$a, $a]]", 12, both), "null", "true");
    let long = evaluate("-$pad('x', 1e6)", "null", Limits::default()).expect_err("no number");
    assert!(long.message().len() < 5000, "{}", long.message().len());
    let deep = doubled("[1]", "[[$a, $a]]", 18, "-$a");
    let deep = evaluate(&deep, "null", Limits::default()).expect_err("no number");
    assert!(deep.message().len() < 5000, "{}", deep.message().len());
}

#[test]
fn functions_keep_to_the_budget() {
    exceeds("$replace($pad('', 1e6, 'a'), /a+/, $pad('', 1e6, '$0'))", "in a string");
    exceeds("($a := $pad('', 5e6, 'a'); $length($a & $a))", "in a string");
    exceeds("($a := $pad('', 5e6, 'a'); $length([$a] & [$a]))", "in a string");
    exceeds("$formatNumber(1, $pad('', 2000, '0'))", "in a picture");
    exceeds("$fromMillis(0, $pad('', 2000, '[Y]'))", "in a picture");
    exceeds("$contains($pad('', 1e6, 'a'), /(a?){300}b/)", "steps");
    let few = Limits { steps_max: 100_000, ..Limits::default() };
    exceeds_one_of(few, "$count($match($pad('', 1e5, 'a'), /a.*b|a/))", "steps");
    exceeds("$count([1..1e6].($length($pad('', 1e5))))", "steps");
    exceeds("$sort([1..1e6].($ % 7), function($a, $b){$a > $b})", "memory");
    exceeds("[1..1e6].($){$string($): $}", "steps");
    // Keys among others take longer than other steps.
    let few = Limits { steps_max: 100_000, ..Limits::default() };
    exceeds_one_of(few, "$merge([1..9000].{$string($): $})", "steps");
    exceeds_one_of(few, "[1..9000]{$string($): $}", "steps");
    exceeds_one_of(few, "$distinct([1..10000])", "steps");
    gives("$count($distinct([1..10000]))", "null", "10000");
    // So does looking for a member in a large object that was made, whether it has it or not.
    let some = Limits { steps_max: 2_000_000, ..Limits::default() };
    for name in ["k1", "k9000", "gone"] {
        let large = "$o := $merge([1..9000].{'k' & $: $})";
        exceeds_one_of(some, &format!("({large}; $sum([1..20000].($o.{name})))"), "steps");
        exceeds_one_of(some, &format!("({large}; $count([1..20000][$o.{name} > $]))"), "steps");
        let found = evaluate(&format!("({large}; $exists($o.{name}))"), "null", some);
        assert_eq!(found.ok().as_deref(), Some(if name == "gone" { "false" } else { "true" }));
    }
}

#[test]
fn what_takes_linear_time_is_charged_so() {
    let text = "($t := $pad('', 200000, 'ab,'); $count($split($t, /,/)) & $count($match($t, /b/)))";
    gives(text, "null", r#""6666766667""#);
    gives("$length($replace($pad('', 200000, 'ab,'), ',', ';'))", "null", "200000");
    gives("$count($keys($merge([1..20000].{$string($): $})))", "null", "20000");
    gives("$match('€€a', /a/).index", "null", "2");
}

#[test]
fn a_breach_of_the_stack_says_so() {
    let limits = Limits { stack_bytes_max: 64 << 10, ..Limits::default() };
    let text = "($f := function($n){1 + $f($n)}; $f(1))";
    let error = evaluate(text, "null", limits).expect_err("it has no end");
    assert!(error.message().contains("65536 bytes of stack"), "{error}");
}

#[test]
fn reading_the_input_is_seen() {
    let mut scratch = Scratch::new(crate::value::Limits::default());
    for (text, place) in [
        ("$", Some(0)),
        ("$sum([1, $])", Some(9)),
        ("$states.input.a[$ > 1]", None),
        ("$states.input.a[$$.b = 1]", Some(16)),
        ("$map([1], function($v){$v & $})", Some(28)),
        ("$states.input.a.($ & 'x')", None),
        ("{'a': $.b}", Some(6)),
        ("$states.input.a{$string($): $count($)}", None),
    ] {
        let expression = Expression::parse(text, Options::default(), &mut scratch);
        assert_eq!(expression.map(|it| it.input_read()), Ok(place), "{text}");
    }
}

#[test]
fn names_without_anything_before_them_are_seen() {
    let mut scratch = Scratch::new(crate::value::Limits::default());
    for (text, place) in [
        ("a.b", Some(0)),
        ("$states.input.a & b", Some(18)),
        ("$states.input.items[price > 1].sku", None),
        ("$map($states.input.a, function($v){$v.b & c})", Some(42)),
        ("$states.input.a.(b & c)", None),
        ("{'a': *}", Some(6)),
        ("$states.input.a{id: $count($)}", None),
        ("$states.input.a^(>b)", None),
        ("$states.input ~> |a|{'b': c}|", None),
    ] {
        let expression = Expression::parse(text, Options::default(), &mut scratch);
        assert_eq!(expression.map(|it| it.member_read()), Ok(place), "{text}");
    }
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
fn arrays_that_stay_and_those_that_do_not() {
    let input = r#"{"n":7,"one":[5],"empty":[]}"#;
    gives("one^(>$)", input, "5");
    gives("n^($)[]", input, "[7]");
    gives("missing[] / 5", input, "undefined");
    gives("$spread(empty)", input, "undefined");
    gives("$sort([1, 2], function($l, $r){[]})", input, "[2,1]");
    fails("$power(1, nothing)", Code::D3061);
    gives("$spread([[]])", input, "[]");
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

#[test]
fn as_the_reference_implementation_has_it() {
    // What is open is complained of before what is missing.
    for text in ["(1 +", "[1,", "f(", "a[", "{\"a\":", "function($x){1 +"] {
        fails(text, Code::S0203);
    }
    for text in ["1 +", "a.", "a ? b :", "$x :=", ""] {
        fails(text, Code::S0207);
    }
    // The match behind the last one that is wanted is looked for.
    fails("$match('abab', /a*/, 1)", Code::D1004);
    fails("$replace('abab', /b*/, 'z', 1)", Code::D1004);
    gives("$match('abab', /a/, 1).index", "null", "0");
    fails("$formatNumber(1, '0e')", Code::D3093);
    // Functions are true but where `$boolean` is asked, and but for regular expressions.
    gives("true and $uppercase", "null", "true");
    gives("function($x){$x} ? 1 : 2", "null", "1");
    gives("/a/ ? 1 : 2", "null", "2");
    gives("[$boolean($uppercase), $not($uppercase)]", "null", "[false,true]");
}

#[test]
fn texts_are_joined() {
    let document = r#"{"a":"x\"","b":"\u0041\ud83d\ude00","c":1.50,"d":-0,"e":true,"f":1e999}"#;
    gives("a & '-' & b", document, r#""x\"-A😀""#);
    gives("a & missing & c & d & e & null", document, r#""x\"1.50truenull""#);
    // Texts that are only compared are no part of the text around them.
    gives("(a & b = 'x') & e & (b & a = b & a)", document, r#""falsetruetrue""#);
    gives("(e ? 1 : a & b) & c", document, r#""11.5""#);
    let error = evaluate("a & f", document, Limits::default()).map_err(|e| e.code());
    assert_eq!(error, Err(Code::D1001));
}
