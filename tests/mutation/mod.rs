//! Damage, repeatable by its seed: to texts, and to values.

mod machine;

pub use machine::machine;

use serde_json::{Value as Json, json};

/// Pieces that damage well.
const PIECES: [&str; 40] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "0",
    "1e99",
    "99999999999",
    "\"\"",
    "{}",
    "[]",
    "\"$\"",
    "\"$$\"",
    "\"$.a[*]\"",
    "\"$..a\"",
    "\"$.a[?(@.b==1)]\"",
    "\"$v\"",
    "\"States.ALL\"",
    "\"States.Array()\"",
    "\"States.Format('{}', $.a\"",
    "\"{% $x %}\"",
    "\"JSONata\"",
    "\"JSONPath\"",
    "\"Type\":\"Map\",",
    "\"Type\":\"Parallel\",",
    "\"Next\":\"A\",",
    "\"End\":true,",
    "\"Retry\":[{}],",
    "\"Catch\":[{\"Next\":1}],",
    "\"Assign\":{\"a.b\":1},",
    "${a}",
    "${b",
    "\"${a}\"",
    "\u{e9}",
    "\\u0000",
];

/// SplitMix64.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// A number below the bound; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// A damaged copy: pieces cut out, doubled, moved, put in.
pub fn text(random: &mut Random, text: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(40)).min(text.len());
        let piece = PIECES[random.below(PIECES.len())].bytes();
        match random.below(5) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, piece)),
            2 => drop(text.splice(at..end, piece)),
            3 => {
                let copy = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                drop(text.splice(to..to, copy));
            }
            _ => member(random, text),
        }
    }
}

/// Puts a piece where a value stands, so that more than the grammar is hurt.
fn member(random: &mut Random, text: &mut Vec<u8>) {
    let colons: Vec<usize> =
        text.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at + 1).collect();
    if colons.is_empty() {
        return;
    }
    let at = colons[random.below(colons.len())];
    let length = text[at..].iter().position(|byte| b",}\n".contains(byte)).unwrap_or(0);
    let piece = PIECES[random.below(PIECES.len())].bytes();
    drop(text.splice(at..at + length, piece));
}

/// Values that programs are not prepared for.
pub fn any(random: &mut Random) -> Json {
    match random.below(24) {
        0 => Json::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1.5),
        5 => json!(1e308),
        6 => json!(9_007_199_254_740_993_i64),
        7 => json!(-0.0),
        8 => json!(""),
        9 => json!("a"),
        10 => json!("$.a"),
        11 => json!("\u{0}\u{7f}\u{e9}\u{10ffff}"),
        12 => json!("2024-02-30T25:61:61Z"),
        13 => json!("2024-01-01T00:00:00.123456789+01:00"),
        14 => json!("x".repeat(2_000)),
        15 => json!([]),
        16 => json!({}),
        17 => (0..100).fold(json!(1), |inner, _| json!([inner])),
        18 => (0..100).fold(json!(1), |inner, _| json!({ "a": inner })),
        19 => (0..300).map(|n| json!(n)).collect(),
        20 => (0..20).map(|n| json!({ "id": n, "a": n.to_string() })).collect(),
        21 => json!({"": 1, "a/b": 2, "~": 3, "$": 4, "a.b": 5, "'": 6, "[0]": 7}),
        22 => json!([[1, 2], [3, 4], "a", null, {"a": []}]),
        _ => json!({"a": {"b": [1, 2, 3]}, "n": 3, "s": "text", "t": "2024-01-01T00:00:00Z"}),
    }
}

/// Damages a value somewhere within.
pub fn value(random: &mut Random, value: &mut Json) {
    let count = match value {
        Json::Array(items) => items.len(),
        Json::Object(members) => members.len(),
        _ => 0,
    };
    let at = random.below(count);
    if count > 0 && random.below(6) > 0 {
        let inner = match value {
            Json::Array(items) => items.get_mut(at),
            Json::Object(members) => members.values_mut().nth(at),
            _ => None,
        };
        return inner.into_iter().for_each(|inner| self::value(random, inner));
    }
    match (random.below(5), &mut *value) {
        (0, Json::Array(items)) if count > 0 => drop(items.remove(at)),
        (0, Json::Object(members)) if count > 0 => {
            let name = members.keys().nth(at).cloned().unwrap_or_default();
            members.remove(&name);
        }
        (1, Json::Array(items)) if count > 0 => items.push(items[at].clone()),
        (1, Json::Object(members)) => drop(members.insert(format!("a{at}"), any(random))),
        (2, Json::String(text)) => {
            let mut bytes = text.clone().into_bytes();
            self::text(random, &mut bytes);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        (3, _) => *value = json!([value.clone()]),
        _ => *value = any(random),
    }
}
