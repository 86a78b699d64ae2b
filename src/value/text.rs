//! Strings: decoding, encoding and comparing JSON string text.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use memchr::memchr;

use super::value::{ESCAPED, UNUSUAL};

/// Bytes that a short copy takes, whatever is asked for: the time of a copy of unknown length goes
/// into finding out how short it is.
pub(super) const CHUNK: usize = 32;

/// Text of no more than a chunk, copied as a whole chunk: whatever lies behind it goes with it.
#[derive(Clone, Copy)]
pub(super) struct Short {
    chunk: [MaybeUninit<u8>; CHUNK],
    len: usize,
}

impl Short {
    /// The first bytes of a chunk.
    #[inline(always)]
    pub(super) const fn first(len: usize, chunk: &[u8; CHUNK]) -> Short {
        assert!(len <= CHUNK, "a short text is no longer than a chunk");
        // SAFETY: what is initialized may be taken for what perhaps is not.
        let chunk = unsafe { std::mem::transmute::<[u8; CHUNK], [MaybeUninit<u8>; CHUNK]>(*chunk) };
        Short { chunk, len }
    }

    /// A part of a vector, where it is short and the vector has memory for a whole chunk.
    #[inline(always)]
    pub(super) fn of(bytes: &Vec<u8>, from: usize, len: usize) -> Option<Short> {
        if len > CHUNK || from + len > bytes.len() || from + CHUNK > bytes.capacity() {
            return None;
        }
        // SAFETY: the chunk is within the vector's memory, of which the first `len` bytes are written.
        let chunk = unsafe { bytes.as_ptr().add(from).cast::<[MaybeUninit<u8>; CHUNK]>().read() };
        Some(Short { chunk, len })
    }

    /// How long it is.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Writes the whole chunk.
    ///
    /// # Safety
    /// There is memory for it.
    #[inline(always)]
    pub(super) unsafe fn write(self, to: *mut u8) {
        // SAFETY: promised by the caller.
        unsafe { to.cast::<[MaybeUninit<u8>; CHUNK]>().write_unaligned(self.chunk) };
    }

    /// Appends it.
    #[inline(always)]
    pub(super) fn append(self, out: &mut Vec<u8>) {
        out.reserve(CHUNK);
        // SAFETY: there is room for a chunk, whose first `len` bytes are written.
        unsafe {
            self.write(out.as_mut_ptr().add(out.len()));
            out.set_len(out.len() + self.len);
        }
    }
}

/// What a string's text (without quotes) says, escapes decoded. The text is known to be valid.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    decode_into(text, &mut out);
    Cow::Owned(out)
}

/// Appends what `text` says to `out`.
pub(super) fn decode_into(text: &str, out: &mut String) {
    pieces(text, |plain, c| {
        out.push_str(plain);
        out.extend(c);
    });
}

/// Gives what `text` says piece by piece: plain text, then the character of the escape behind it.
pub(super) fn pieces(text: &str, mut each: impl FnMut(&str, Option<char>)) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (c, used) = escape(&rest.as_bytes()[at..]);
        each(&rest[..at], Some(c));
        rest = &rest[at + used..];
    }
    each(rest, None);
}

/// Does the text, decoded, equal `plain`? Allocates nothing.
pub(super) fn decoded_equals(text: &str, plain: &str) -> bool {
    let (mut rest, mut want) = (text, plain);
    let mut buffer = [0; 4];
    while let Some(at) = rest.find('\\') {
        let Some(tail) = want.strip_prefix(&rest[..at]) else { return false };
        let (c, used) = escape(&rest.as_bytes()[at..]);
        let Some(tail) = tail.strip_prefix(&*c.encode_utf8(&mut buffer)) else { return false };
        (rest, want) = (&rest[at + used..], tail);
    }
    rest == want
}

/// The character that the escape at the start of `bytes` stands for, and the escape's length.
fn escape(bytes: &[u8]) -> (char, usize) {
    match bytes[1] {
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'u' => {
            let high = hex4(&bytes[2..6]);
            if (0xd800..0xdc00).contains(&high) {
                let low = hex4(&bytes[8..12]);
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code).unwrap_or('\u{fffd}'), 12)
            } else {
                (char::from_u32(high).unwrap_or('\u{fffd}'), 6)
            }
        }
        other => (other as char, 2),
    }
}

fn hex4(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, &d| sum * 16 + (d as char).to_digit(16).unwrap_or(0))
}

/// Checks the escapes of a string's text: form, and surrogates in pairs. The offset of the first bad
/// one otherwise.
pub(super) fn check_escapes(text: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    while let Some(found) = text[at..].iter().position(|&b| b == b'\\') {
        at += found;
        let used = match text.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => check_unicode(&text[at..]).ok_or(at)?,
            _ => return Err(at),
        };
        at += used;
    }
    Ok(())
}

/// A string's flags by its text, which is valid.
#[inline]
pub(super) fn escape_flags(text: &[u8]) -> u8 {
    // Most strings hold none.
    if memchr(b'\\', text).is_some() { flags_of_escapes(text) } else { 0 }
}

fn flags_of_escapes(text: &[u8]) -> u8 {
    let mut flags = 0;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == b'\\') {
        let is_usual = is_usual(&rest[at + 1..]);
        flags |= if is_usual { ESCAPED } else { ESCAPED | UNUSUAL };
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    flags
}

/// Is what follows a backslash the way [`escape_into`] writes it?
fn is_usual(escape: &[u8]) -> bool {
    matches!(
        escape,
        [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..]
            | [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
            | [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..]
    )
}

/// The length of the `\uXXXX` (or pair of them) at the start of `text`.
fn check_unicode(text: &[u8]) -> Option<usize> {
    let code = |at: usize| {
        let digits = text.get(at..at + 6).filter(|d| d.starts_with(b"\\u"))?;
        digits[2..].iter().all(u8::is_ascii_hexdigit).then(|| hex4(&digits[2..]))
    };
    match code(0)? {
        0xdc00..0xe000 => None,
        0xd800..0xdc00 => matches!(code(6)?, 0xdc00..0xe000).then_some(12),
        _ => Some(6),
    }
}

/// Appends string text with quotes, with only the escapes that must be. Allocates nothing but `out`.
pub(super) fn normalize_into(text: &str, out: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    out.push(b'"');
    pieces(text, |plain, c| {
        out.extend_from_slice(plain.as_bytes());
        if let Some(c) = c {
            escape_into(c.encode_utf8(&mut buffer), out);
        }
    });
    out.push(b'"');
}

/// Appends `plain` as JSON string text with quotes, escaping what must be.
pub(super) fn encode_into(plain: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(plain, out);
    out.push(b'"');
}

/// Appends `plain` as JSON string text without quotes.
pub(super) fn escape_into(plain: &str, out: &mut Vec<u8>) {
    let bytes = plain.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode_and_compare() {
        for (text, plain) in [
            (r"a\u0062c", "abc"),
            (r"\ud83d\ude00!", "😀!"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        ] {
            assert_eq!(decode(text), plain);
            assert!(decoded_equals(text, plain), "{text}");
            assert!(!decoded_equals(text, "other"));
            assert!(check_escapes(text.as_bytes()).is_ok());
        }
    }

    #[test]
    fn unusual_escapes_are_those_that_are_written_otherwise() {
        let escapes = (0..0x80).flat_map(|code| {
            let two = [format!("\\u{code:04x}"), format!("\\u{code:04X}")];
            two.into_iter().chain(char::from_u32(code).map(|c| format!("\\{c}")))
        });
        for text in escapes.filter(|text| check_escapes(text.as_bytes()).is_ok()) {
            let mut written = Vec::new();
            normalize_into(&text, &mut written);
            let is_same = written == format!("\"{text}\"").as_bytes();
            assert_eq!(escape_flags(text.as_bytes()) & UNUSUAL == 0, is_same, "{text}");
        }
    }

    #[test]
    fn bad_escapes_are_found() {
        for text in [r"\ud800", r"\ud800\u0041", r"\udc00", r"\x", r"\u12g4", r"\u12", "\\"] {
            assert!(check_escapes(text.as_bytes()).is_err(), "{text}");
        }
    }
}
