//! serde_json with arbitrary precision as the oracle for the value model.

use expressway::value::{Implementation, Key, Kind, Limits, ParseError, Scratch, Value};
use serde_json::Value as Json;

/// A small seeded generator (SplitMix64).
pub struct Random(u64);

#[allow(dead_code)]
impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * limit as u128) >> 64) as usize
    }
}

/// A scratch per implementation that this CPU runs.
pub fn scratches(limits: Limits) -> Vec<(Implementation, Scratch)> {
    let available = Implementation::ALL.into_iter().filter(|i| i.is_available());
    let scratch = |implementation| {
        let mut scratch = Scratch::new(limits);
        scratch.set_implementation(implementation);
        (implementation, scratch)
    };
    available.map(scratch).collect()
}

/// Compares what all implementations and serde_json make of a text.
pub struct Oracle {
    scratches: Vec<(Implementation, Scratch)>,
    written: Vec<u8>,
    first: Vec<u8>,
}

impl Default for Oracle {
    fn default() -> Oracle {
        let scratches = scratches(Limits::default());
        Oracle { scratches, written: Vec::new(), first: Vec::new() }
    }
}

impl Oracle {
    /// Do all agree on `text`? Panics where they don't; true where it is a document.
    pub fn agrees(&mut self, text: &[u8]) -> bool {
        let expected: Option<Json> = serde_json::from_slice(text).ok();
        let mut verdict: Option<Result<(), ParseError>> = None;
        for (implementation, scratch) in &mut self.scratches {
            scratch.reset();
            let result = scratch.parse(text);
            let shown = || format!("{implementation:?}: {:?}", String::from_utf8_lossy(text));
            assert_eq!(result.is_ok(), expected.is_some(), "{}: {result:?}", shown());
            let said = result.map(|_| ());
            let first = *verdict.get_or_insert(said);
            assert_eq!(said, first, "{}", shown());
            let (Ok(value), Some(json)) = (result, &expected) else { continue };
            assert!(equals(scratch, value, json), "{}: want {json}", shown());
            self.written.clear();
            scratch.write(value, &mut self.written);
            assert_eq!(scratch.size(value), self.written.len(), "{}", shown());
            assert!(self.written.len() <= value.size_max(), "{}", shown());
            if *implementation == Implementation::Portable {
                // The portable one is the last: what the others wrote was compared with this.
                let again: Option<Json> = serde_json::from_slice(&self.written).ok();
                assert_eq!(again.as_ref(), Some(json), "{} was written", shown());
            }
            if self.first.is_empty() {
                std::mem::swap(&mut self.first, &mut self.written);
            } else {
                assert_eq!(self.first, self.written, "{}", shown());
            }
        }
        self.first.clear();
        expected.is_some()
    }
}

/// Is `value` what serde_json read? Objects are compared member by member, and by look-up.
pub fn equals(scratch: &Scratch, value: Value, json: &Json) -> bool {
    match (value.kind(), json) {
        (Kind::Null, Json::Null) => true,
        (Kind::Bool, Json::Bool(flag)) => value.as_bool() == Some(*flag),
        (Kind::String, Json::String(text)) => {
            scratch.says(value, text) && scratch.str(value) == *text
        }
        (Kind::Number, Json::Number(number)) => spelled(scratch.raw(value)) == number.to_string(),
        (Kind::Array, Json::Array(items)) => {
            let mut cursor = scratch.items(value);
            scratch.count(value) == items.len()
                && items.iter().enumerate().all(|(at, item)| {
                    let next = scratch.next_item(&mut cursor);
                    let same = scratch.item(value, at).zip(next).is_some_and(|(a, b)| a.is_same(b));
                    same && next.is_some_and(|next| equals(scratch, next, item))
                })
        }
        (Kind::Object, Json::Object(members)) => {
            let mut cursor = scratch.members(value);
            while let Some((key, member)) = scratch.next_member(&mut cursor) {
                let name = scratch.str(key);
                let found = scratch.get(value, &Key::new(&name));
                let by_name = scratch.member(value, &name);
                let same = |other: Option<Value>| other.is_some_and(|o| o.is_same(member));
                if !same(found) || !same(by_name) {
                    return false;
                }
                if !members.get(&*name).is_some_and(|json| equals(scratch, member, json)) {
                    return false;
                }
            }
            scratch.count(value) == members.len() && scratch.member(value, "\u{1}no").is_none()
        }
        _ => false,
    }
}

/// A number as serde_json spells it: `1E5` is `1e+5`.
fn spelled(text: &str) -> String {
    match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if exponent.starts_with(['+', '-']) => {
            format!("{mantissa}e{exponent}")
        }
        Some((mantissa, exponent)) => format!("{mantissa}e+{exponent}"),
        None => text.to_owned(),
    }
}
