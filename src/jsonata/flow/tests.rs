//! The short ways give what the general way gives: expressions and documents put together at random.

use super::super::{Environment, Expression, Limits, Memory, Options, Outcome};
use super::*;
use crate::value::{self, Scratch};

const CASES: u64 = 30_000;

const DOCUMENTS: [&str; 9] = [
    r#"{"a":{"b":1,"c":"x"},"b":[1,2.5,-3],"c":"2","d":null,"e":true}"#,
    r#"{"a":[{"b":1,"c":"x"},{"b":20,"c":"y","d":[1,2]},{"c":"z"}],"b":15,"c":0.1,"e":false}"#,
    r#"{"a":[{"b":[{"c":1},{"c":[2,3]}],"d":4},{"b":[{"c":5}]}],"c":[],"d":{},"e":[[1],[2,[3]]]}"#,
    r#"{"a":[{"b":[7]}],"b":[[8]],"c":[{"a":1}],"d":"","e":0}"#,
    r#"{"a":[1,"x",null,{"b":2}],"b":{"c":[{"d":1e400},{"d":1e300}]},"c":1e300}"#,
    r#"{"a":[{"b":5,"c":[{"d":1},{"d":2}]}],"b":"x","c":{"d":{"e":[0,1]}}}"#,
    r#"[{"a":1,"b":2},{"a":[3,4],"b":30}]"#,
    r#"[[{"a":1}],[{"a":2}]]"#,
    "17",
];

struct Random(u64);

impl Random {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % count
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// What names begin with where there is no input: a state's expression reads members of variables.
const OF_VARIABLE: &str = "$v.";

/// An expression whose names begin with `of`, but for those of what an item has.
fn expression(random: &mut Random, depth: u32, of: &str) -> String {
    let inner = |random: &mut Random| expression(random, depth.saturating_sub(1), of);
    let of_item = |random: &mut Random| expression(random, depth.saturating_sub(1), "");
    if depth == 0 || random.below(5) == 0 {
        let leaves = ["1", "-3", "0", "'x'", "true", "null", "$v", "$v.b"];
        let (names, own) = (["a", "b", "c", "d"], ["$", "$$"]);
        return match random.below(14) {
            at @ 0..4 => format!("{of}{}", names[at as usize]),
            at @ 4..6 if of.is_empty() => own[at as usize - 4].to_owned(),
            _ => random.one_of(&leaves).to_owned(),
        };
    }
    let key = random.one_of(&["a", "b", "c", "d", "e"]);
    match random.below(12) {
        0 | 1 => format!("{}.{key}", inner(random)),
        2 => format!("{of}{key}[{}].{}", of_item(random), of_item(random)),
        3 => format!("{}[{}]", inner(random), of_item(random)),
        4 => format!("{}.({})", inner(random), of_item(random)),
        5 | 6 => {
            let operator = random.one_of(&["+", "-", "*", "/", "%", ">", "<=", "=", "!="]);
            format!("({} {operator} {})", inner(random), inner(random))
        }
        7 => format!("({} & {} & {})", inner(random), inner(random), inner(random)),
        8 => {
            let operator = random.one_of(&["and", "or", "in"]);
            format!("({} {operator} {})", inner(random), inner(random))
        }
        9 => format!("{{'x': {}, 'y': {}}}", inner(random), inner(random)),
        10 => {
            let functions = [
                "sum", "count", "max", "min", "average", "string", "exists", "type", "not",
                "boolean",
            ];
            format!("${}({})", random.one_of(&functions), inner(random))
        }
        _ => format!("({} ? {} : {})", inner(random), inner(random), inner(random)),
    }
}

/// Leaves nothing but the general way.
fn forget(expression: &mut Expression) {
    let program = &mut *expression.program;
    for node in &mut program.nodes {
        match *node {
            Node::Flow(flow) => *node = Node::Path(program.flows[flow.index()].path),
            Node::Plain(plain) => *node = Node::Path(program.plains[plain.index()].path),
            _ => {}
        }
    }
    program.are_direct.fill(false);
    program.calls.iter_mut().for_each(|call| (call.fold, call.test) = (None, None));
}

/// What an expression gives that has no input, at a glance; `None`: that takes more.
fn glance(text: &str, document: &str) -> Option<String> {
    let mut scratch = Scratch::new(value::Limits::default());
    let expression = Expression::parse(text, Options::default(), &mut scratch).ok()?;
    let input = scratch.parse(document.as_bytes()).expect("it is JSON");
    let names: Vec<String> = expression.names().map(str::to_owned).collect();
    let variable = |_: &Scratch, at: usize| (names[at] == "v").then_some(input);
    let (limits, mut memory) = (Limits::default(), Memory::default());
    let value = expression
        .is_glanceable()
        .then(|| expression.glance(&mut scratch, variable, &limits, &mut memory))??;
    let mut out = Vec::new();
    scratch.write(value, &mut out);
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn a_glance_sees_what_the_general_way_leads_to() {
    let mut random = Random(2);
    let mut seen = 0;
    for _ in 0..CASES {
        let text = expression(&mut random, 3, OF_VARIABLE);
        let document = random.one_of(&DOCUMENTS);
        let Some(value) = glance(&text, document) else { continue };
        assert_eq!(Ok(value), outcome(&text, document, false, true), "{text}\nof {document}");
        seen += 1;
    }
    assert!(seen > CASES / 20, "only {seen} of {CASES} expressions gave a value");
}

fn outcome(
    text: &str,
    document: &str,
    has_input: bool,
    is_general: bool,
) -> Result<String, String> {
    let mut scratch = Scratch::new(value::Limits::default());
    let mut expression = Expression::parse(text, Options::default(), &mut scratch)
        .map_err(|e| format!("{text}: {e}"))?;
    if is_general {
        forget(&mut expression);
    }
    let data = scratch.parse(document.as_bytes()).expect("it is JSON");
    let mut memory = Memory::default();
    let environment =
        Environment { now: 0, random: &mut || 7, limits: Limits::default(), memory: &mut memory };
    let names: Vec<String> = expression.names().map(str::to_owned).collect();
    let mut variable = |_: &mut Scratch, at: usize| (names[at] == "v").then_some(data);
    let input = has_input.then_some(data);
    let outcome = expression.evaluate(&mut scratch, input, &mut variable, environment);
    match outcome.map_err(|e| e.to_string())? {
        Outcome::Value(value) => {
            let mut out = Vec::new();
            scratch.write(value, &mut out);
            Ok(String::from_utf8_lossy(&out).into_owned())
        }
        other => Ok(format!("{other:?}")),
    }
}

#[test]
fn short_ways_lead_where_the_general_way_does() {
    let mut random = Random(1);
    let mut values = 0;
    for _ in 0..CASES {
        let text = expression(&mut random, 3, "");
        let document = random.one_of(&DOCUMENTS);
        let [short, general] = [false, true].map(|it| outcome(&text, document, true, it));
        assert_eq!(short, general, "{text}\nof {document}");
        values += u64::from(short.is_ok_and(|value| value != "Undefined"));
    }
    assert!(values > CASES / 10, "only {values} of {CASES} expressions gave a value");
}

#[test]
fn members_become_variables_where_nothing_else_is_read() {
    for (text, is_split) in [
        ("$s.a", true),
        ("$s.a.b[c > 1].d & $s.e", true),
        ("$sum($s.a.(b * c))", true),
        ("$s.a[0]", true),
        ("$s", false),
        ("$s.a & $keys($s)", false),
        ("$s[0].a", false),
        ("($s := {'a': 1}; $s.a)", false),
        ("function($s){$s.a}($s.a)", false),
        ("$s.a@$s.b", false),
        ("$s.*", false),
    ] {
        let mut constants = Scratch::new(value::Limits::default());
        let mut expression = Expression::parse(text, Options::default(), &mut constants)
            .unwrap_or_else(|e| panic!("{text}: {e}"));
        expression.split("s");
        assert_eq!(expression.names().all(|name| name != "s"), is_split, "{text}");
    }
}
