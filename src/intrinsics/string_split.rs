//! `States.StringSplit(text, characters)`: the text's parts between any of the characters, empty
//! parts left out.

use std::collections::HashSet;

use super::Call;
use crate::fault::StateError;
use crate::value::{Scratch, Value};

/// Bytes of characters to split at that are searched one by one.
const FEW: usize = 32;

pub(super) fn run(call: &mut Call<'_>) -> Result<Value, StateError> {
    let (text, characters) = (call.string(0)?, call.string(1)?);
    let mark = call.scratch.mark();
    let is_long = call.scratch.inner(characters).len() > FEW;
    if is_long || [text, characters].iter().any(|&v| call.scratch.inner(v).contains('\\')) {
        split_decoded(call.scratch, text, characters);
    } else {
        split(call.scratch, text, characters);
    }
    call.collect(mark)
}

/// Where the text as it stands in JSON is what it says.
fn split(scratch: &mut Scratch, text: Value, characters: Value) {
    let mut at = 0;
    loop {
        let (rest, set) = (&scratch.inner(text)[at..], scratch.inner(characters));
        let len = rest.find(|c| set.contains(c)).unwrap_or(rest.len());
        let separator = rest[len..].chars().next().map(char::len_utf8);
        if len > 0 {
            let open = scratch.open_string();
            scratch.push_part(text, at..at + len);
            let part = scratch.close_string(open);
            scratch.push(part);
        }
        match separator {
            Some(separator) => at += len + separator,
            None => return,
        }
    }
}

#[cold]
fn split_decoded(scratch: &mut Scratch, text: Value, characters: Value) {
    let text = scratch.str(text).into_owned();
    let characters: HashSet<char> = scratch.str(characters).chars().collect();
    for part in text.split(|c| characters.contains(&c)).filter(|part| !part.is_empty()) {
        let part = scratch.string(part);
        scratch.push(part);
    }
}
