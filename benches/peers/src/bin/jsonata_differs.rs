//! Generated JSONata expressions, evaluated by ours and by jsonata-core: where they disagree is told,
//! the shortest expressions first, for a person to look at with the reference's documentation.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml --bin jsonata_differs -- [CASES] [SEED] [SHOWN]`

use std::collections::BTreeMap;

use expressway::jsonata::{Environment, Expression, Limits, Memory, Options, Outcome};
use expressway::load::random::Random;
use expressway::value::{self, Scratch};
use jsonata_core::value::JValue;
use serde_json::Value as Json;

const INPUT: &str = r#"{"id":"ord-1","n":7,"f":-1.5,"z":0,"t":true,"nil":null,"s":"Hello, world","e":"",
"items":[{"sku":"A","price":12.5,"qty":3,"tags":["x","y"]},{"sku":"B","price":0.25,"qty":40},{"sku":"C","price":32,"qty":1,"tags":[]}],
"nested":{"a":{"b":[1,2,[3,4]],"c":"deep"},"d":[{"e":1},{"e":[2,3]}]},"nums":[3,1,2],"words":["b","a","c"],"empty":[],"one":[5],"none":{}}"#;

/// How deep expressions go.
const DEPTH: u32 = 4;

const NAMES: &[&str] = &[
    "id", "n", "f", "z", "t", "nil", "s", "e", "items", "nested", "nums", "words", "empty", "one",
    "none", "missing", "sku", "price", "qty", "tags", "a", "b", "c", "d",
];
const LITERALS: &[&str] =
    &["0", "1", "2", "-1", "2.5", "1e3", "'x'", "''", "'Hello'", "true", "false", "null", "[]", "{}"];
const BINARY: &[&str] = &[
    "+", "-", "*", "/", "%", "&", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in",
];
/// Functions of one argument, of two, and those that take a function.
const ONE: &[&str] = &[
    "sum", "count", "max", "min", "average", "string", "length", "uppercase", "lowercase", "trim",
    "number", "floor", "ceil", "round", "abs", "sqrt", "boolean", "not", "keys", "exists", "spread",
    "merge", "reverse", "type", "sort", "distinct", "base64encode", "zip", "formatBase",
    "encodeUrlComponent",
];
const TWO: &[&str] = &[
    "append", "lookup", "contains", "split", "join", "substring", "substringBefore",
    "substringAfter", "pad", "power", "zip", "round", "formatBase", "merge", "formatNumber",
];
const HIGHER: &[(&str, &str)] = &[
    ("map", "function($v,$i){"), ("filter", "function($v,$i){"), ("single", "function($v){"),
    ("reduce", "function($v,$w){"), ("sort", "function($v,$w){"), ("each", "function($v,$k){"),
    ("sift", "function($v,$k){"),
];

struct Writer {
    random: Random,
    out: String,
}

impl Writer {
    fn below(&mut self, end: usize) -> usize {
        (self.random.bits() % end as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn say(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn leaf(&mut self) {
        let text = match self.below(10) {
            0..=5 => self.pick(NAMES),
            6..=8 => self.pick(LITERALS),
            _ => self.pick(&["$", "$v", "$i", "$x"]),
        };
        self.say(text);
    }

    fn expression(&mut self, depth: u32) {
        if depth == 0 {
            return self.leaf();
        }
        match self.below(16) {
            0 | 1 => self.leaf(),
            2..=5 => self.path(depth),
            6 | 7 => {
                self.say("(");
                self.expression(depth - 1);
                let operator = self.pick(BINARY);
                self.say(&format!(" {operator} "));
                self.expression(depth - 1);
                self.say(")");
            }
            8 | 9 => {
                let name = self.pick(ONE);
                self.call(name, 1, depth);
            }
            10 => {
                let name = self.pick(TWO);
                self.call(name, 2, depth);
            }
            11 => self.higher(depth),
            12 => {
                self.say("[");
                self.several(depth, ",");
                self.say("]");
            }
            13 => {
                self.say("{'k': ");
                self.expression(depth - 1);
                self.say(", 'l': ");
                self.expression(depth - 1);
                self.say("}");
            }
            14 => {
                self.say("(");
                self.expression(depth - 1);
                self.say(" ? ");
                self.expression(depth - 1);
                self.say(" : ");
                self.expression(depth - 1);
                self.say(")");
            }
            _ => {
                self.say("($x := ");
                self.expression(depth - 1);
                self.say("; ");
                self.expression(depth - 1);
                self.say(")");
            }
        }
    }

    fn several(&mut self, depth: u32, separator: &str) {
        for at in 0..self.below(3) {
            if at > 0 {
                self.say(separator);
            }
            self.expression(depth - 1);
        }
    }

    fn path(&mut self, depth: u32) {
        let first = self.pick(NAMES);
        self.say(first);
        for _ in 0..=self.below(2) {
            match self.below(9) {
                0..=2 => {
                    let name = self.pick(NAMES);
                    self.say(&format!(".{name}"));
                }
                3 => {
                    let index = self.pick(&["[0]", "[-1]", "[1]", "[]", "[[0,1]]"]);
                    self.say(index);
                }
                4 | 5 => {
                    self.say("[");
                    self.expression(depth - 1);
                    self.say("]");
                }
                6 => {
                    self.say(".(");
                    self.expression(depth - 1);
                    self.say(")");
                }
                7 => {
                    let step = self.pick(&[".*", ".**", ".$string()", ".{'q': qty}", "^(price)", "^(>$)"]);
                    self.say(step);
                }
                _ => {
                    self.say("{$string(");
                    self.leaf();
                    self.say("): ");
                    self.expression(depth - 1);
                    self.say("}");
                    return;
                }
            }
        }
    }

    fn call(&mut self, name: &str, args: usize, depth: u32) {
        self.say(&format!("${name}("));
        for at in 0..args {
            if at > 0 {
                self.say(", ");
            }
            self.expression(depth - 1);
        }
        self.say(")");
    }

    fn higher(&mut self, depth: u32) {
        let (name, function) = HIGHER[self.below(HIGHER.len())];
        self.say(&format!("${name}("));
        self.expression(depth - 1);
        self.say(&format!(", {function}"));
        self.expression(depth - 1);
        self.say("})");
    }
}

/// What came of an expression, comparable.
#[derive(Clone, Debug, PartialEq)]
enum Found {
    Value(Json),
    Nothing,
    /// By its code.
    Failed(String),
}

/// Numbers as binary64 to 15 digits.
fn rounded(json: Json) -> Json {
    match json {
        Json::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            Json::String(format!("{number:.14e}"))
        }
        Json::Array(items) => items.into_iter().map(rounded).collect(),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, rounded(value))).collect())
        }
        other => other,
    }
}

fn ours(text: &str, memory: &mut Memory) -> Found {
    let mut scratch = Scratch::new(value::Limits::default());
    let options = Options { is_strict: false, has_2_1: true };
    let expression = match Expression::parse(text, options, &mut scratch) {
        Ok(expression) => expression,
        Err(e) => return Found::Failed(e.code().name().into()),
    };
    let input = scratch.parse(INPUT.as_bytes()).expect("the input is JSON");
    let environment =
        Environment { now: 0, random: &mut || 7, limits: Limits::default(), memory };
    match expression.evaluate(&mut scratch, Some(input), &mut |_, _| None, environment) {
        Ok(Outcome::Value(value)) => {
            let mut out = Vec::new();
            scratch.write(value, &mut out);
            Found::Value(rounded(serde_json::from_slice(&out).expect("JSON")))
        }
        Ok(_) => Found::Nothing,
        Err(e) => Found::Failed(e.code().name().into()),
    }
}

fn theirs(text: &str, input: &JValue) -> Found {
    let code = |message: String| Found::Failed(message.chars().take(5).collect());
    let expression = match jsonata_core::Expression::compile(text) {
        Ok(expression) => expression,
        Err(e) => return code(e.to_string()),
    };
    match expression.evaluate(input) {
        Ok(value) if value.is_undefined() || value.is_function() => Found::Nothing,
        Ok(value) => {
            let text = value.to_json_string().unwrap_or_default();
            serde_json::from_str(&text).map_or(Found::Nothing, |json| Found::Value(rounded(json)))
        }
        Err(e) => match e.code() {
            Some(known) => Found::Failed(known.to_string()),
            None => code(e.to_string()),
        },
    }
}

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let get = |at: usize, default: u64| args.get(at).copied().unwrap_or(default);
    let (cases, seed, shown) = (get(0, 100_000), get(1, 1), get(2, 40) as usize);
    let input = JValue::from_json_str(INPUT).expect("the input is JSON");
    let mut memory = Memory::default();
    let mut differing: BTreeMap<(usize, String), (Found, Found)> = BTreeMap::new();
    let (mut values, mut failed, mut codes) = (0, 0, 0);
    for case in 0..cases {
        let mut writer = Writer { random: Random::of(seed, case), out: String::new() };
        writer.expression(DEPTH);
        let (ours, theirs) = (ours(&writer.out, &mut memory), theirs(&writer.out, &input));
        match (&ours, &theirs) {
            (Found::Failed(x), Found::Failed(y)) => {
                failed += 1;
                codes += u64::from(x != y);
            }
            _ if ours == theirs => values += 1,
            _ => drop(differing.insert((writer.out.len(), writer.out), (ours, theirs))),
        }
    }
    println!("{cases} cases: {values} the same, {failed} failed by both ({codes} with another code), {} differ", differing.len());
    for ((_, text), (ours, theirs)) in differing.iter().take(shown) {
        println!("{text}\n    ours   {ours:?}\n    theirs {theirs:?}");
    }
}
