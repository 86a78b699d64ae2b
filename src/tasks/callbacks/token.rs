//! Task tokens: where a call stands, signed under the group's key. The same call has the same token
//! whenever and wherever its record is run, and nobody without the key can make one.
//!
//! ```text
//! base64url(form, stream 8, version 8, [scope 8], partition, offset, step, visit, attempt, MAC 16)
//! ```
//!
//! Numbers after the scope are LEB128; the MAC is HMAC-SHA256 over what is before it, cut to 128 bits.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::step::{CallSite, StepId};
use crate::value::hash;

/// Bytes of a signature.
const MAC_BYTES: usize = 16;
/// Characters of the longest text that may be a token; all of ours are below 100.
const TOKEN_CHARS_MAX: usize = 200;
/// What signatures are of, so that one can't stand for another.
const TOKEN_PURPOSE: &[u8] = b"expressway task token\0";
/// First byte: outside of branches and iterations, and within.
const FORM_PLAIN: u8 = 1;
const FORM_SCOPED: u8 = 2;

/// A call that waits for an answer from outside: of which record, and where in its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The record.
    pub record: RecordId,
    /// Where in the execution.
    pub site: CallSite,
}

/// The record that an execution is over, and the version that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId {
    /// The pipeline and the topic, as [`stream_of`] names them.
    pub stream: u64,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The definition's version.
    pub version: u64,
}

/// Names a pipeline's part of a topic.
pub fn stream_of(pipeline: &str, topic: &str) -> u64 {
    hash(pipeline.bytes().chain([0]).chain(topic.bytes()))
}

/// The key that tokens and links are signed with.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key that a group shares.
    pub fn shared(secret: &str) -> Key {
        Key::of(secret.as_bytes())
    }

    /// A key that is drawn once for this process: what it signs is void when the process ends.
    pub fn drawn() -> Key {
        static DRAWN: OnceLock<Key> = OnceLock::new();
        let draw = || {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).expect("the system gives random numbers");
            Key::of(&bytes)
        };
        DRAWN.get_or_init(draw).clone()
    }

    fn of(bytes: &[u8]) -> Key {
        Key(Hmac::new_from_slice(bytes).expect("HMAC takes keys of any length"))
    }

    /// Signs these parts for a purpose.
    pub(super) fn sign(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; MAC_BYTES] {
        let whole = self.mac(purpose, parts).finalize().into_bytes();
        let mut cut = [0; MAC_BYTES];
        cut.copy_from_slice(&whole[..MAC_BYTES]);
        cut
    }

    /// Is it the signature of these parts? Takes the same time whatever differs.
    pub(super) fn verify(&self, purpose: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
        signature.len() == MAC_BYTES
            && self.mac(purpose, parts).verify_truncated_left(signature).is_ok()
    }

    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(purpose);
        for part in parts {
            // With its length, so that no two lists of parts are the same bytes.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }

    /// A token as text.
    pub fn write(&self, token: &Token) -> String {
        let Token { record, site } = token;
        let mut bytes = Vec::with_capacity(64);
        let form = if site.scope == 0 { FORM_PLAIN } else { FORM_SCOPED };
        bytes.push(form);
        bytes.extend_from_slice(&record.stream.to_le_bytes());
        bytes.extend_from_slice(&record.version.to_le_bytes());
        if form == FORM_SCOPED {
            bytes.extend_from_slice(&site.scope.to_le_bytes());
        }
        let rest = [record.partition as u32, site.step.0, site.visit, site.attempt];
        put(record.offset as u64, &mut bytes);
        rest.into_iter().for_each(|number| put(number.into(), &mut bytes));
        let mac = self.sign(TOKEN_PURPOSE, &[&bytes]);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A token from its text; `None` unless it was signed with this key.
    pub fn read(&self, text: &str) -> Option<Token> {
        if text.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, mac) = bytes.split_at(bytes.len().checked_sub(MAC_BYTES)?);
        if !self.verify(TOKEN_PURPOSE, &[signed], mac) {
            return None;
        }
        let mut rest = Rest(signed);
        let form = rest.byte()?;
        let (stream, version) = (rest.u64()?, rest.u64()?);
        let scope = if form == FORM_SCOPED { rest.u64()? } else { 0 };
        let offset = rest.number()? as i64;
        let partition = rest.u32()? as i32;
        let record = RecordId { stream, partition, offset, version };
        let step = StepId(rest.u32()?);
        let (visit, attempt) = (rest.u32()?, rest.u32()?);
        Some(Token { record, site: CallSite { scope, step, visit, attempt } })
    }
}

/// LEB128.
fn put(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(scope: u64, offset: i64) -> Token {
        let stream = stream_of("orders", "incoming");
        let record = RecordId { stream, partition: 11, offset, version: u64::MAX - 7 };
        Token { record, site: CallSite { scope, step: StepId(3), visit: 2, attempt: 300 } }
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let key = Key::shared("0123456789abcdef");
        for token in [token(0, 0), token(u64::MAX, i64::MAX), token(7, -1)] {
            let text = key.write(&token);
            assert!(text.len() < 90, "{text}");
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            assert_eq!(key.read(&text), Some(token));
            assert_eq!(key.write(&token), text);
        }
    }

    #[test]
    fn no_other_text_is_a_token() {
        let key = Key::shared("0123456789abcdef");
        let text = key.write(&token(9, 4711));
        assert_eq!(Key::shared("another key, as long").read(&text), None);
        assert_eq!(Key::drawn().read(&text), None);
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("it is base64");
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.read(&URL_SAFE_NO_PAD.encode(forged)), None, "bit {bit}");
        }
        for length in 0..text.len() {
            assert_eq!(key.read(&text[..length]), None, "{length}");
        }
        for other in ["", "Invalid token", "AAAA", &"A".repeat(201), &format!("{text}A"), "é"] {
            assert_eq!(key.read(other), None, "{other}");
        }
    }

    #[test]
    fn parts_can_not_be_shifted_into_each_other() {
        let key = Key::shared("k");
        let of = |parts: &[&[u8]]| key.sign(b"p", parts);
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(key.sign(b"p", &[b"a"]), key.sign(b"q", &[b"a"]));
        assert!(key.verify(b"p", &[b"ab", b"c"], &of(&[b"ab", b"c"])));
        assert!(!key.verify(b"p", &[b"ab", b"c"], &of(&[b"ab", b"c"])[..8]));
        assert!(!key.verify(b"p", &[b"ab", b"c"], b""));
    }
}
