//! Approval links: a token, a decision and an expiry, signed, so that a click can answer a task and
//! nothing else can be made of the link.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::token::{Key, Token};

const LINK_PURPOSE: &[u8] = b"expressway approval link\0";
/// Links expire at a full minute: one made again soon is mostly the same text.
const EXPIRY_STEP_MS: i64 = 60_000;

/// Where people reach the endpoint, and how long a link is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// The URL that the endpoint has from outside, without a slash at its end.
    pub base_url: String,
    /// Milliseconds from the call on.
    pub valid_ms: i64,
}

/// Why a link is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLink {
    /// It was not made here, or something in it was changed.
    Forged,
    /// It was good once.
    Expired,
}

impl Links {
    /// A link that answers a call with a decision, `approve` say.
    pub fn write(&self, key: &Key, token: &Token, decision: &str, now_ms: i64) -> String {
        let expires_ms = now_ms.saturating_add(self.valid_ms);
        let minutes = expires_ms.div_euclid(EXPIRY_STEP_MS).saturating_add(1);
        let expires = (minutes * (EXPIRY_STEP_MS / 1000)).to_string();
        let (base, token) = (&self.base_url, key.write(token));
        let signature = key.sign(LINK_PURPOSE, &parts(&token, decision, &expires));
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!(
            "{base}/approve?token={token}&decision={decision}&expires={expires}&sig={signature}"
        )
    }
}

fn parts<'a>(token: &'a str, decision: &'a str, expires: &'a str) -> [&'a [u8]; 3] {
    [token.as_bytes(), decision.as_bytes(), expires.as_bytes()]
}

impl Key {
    /// The token of a link's parts, if they are all as they were signed and it is not too late.
    pub fn read_link(
        &self,
        (token, decision, expires): (&str, &str, &str),
        signature: &str,
        now_ms: i64,
    ) -> Result<Token, BadLink> {
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadLink::Forged)?;
        if !self.verify(LINK_PURPOSE, &parts(token, decision, expires), &signature) {
            return Err(BadLink::Forged);
        }
        let expires_s: i64 = expires.parse().map_err(|_| BadLink::Forged)?;
        if now_ms > expires_s.saturating_mul(1000) {
            return Err(BadLink::Expired);
        }
        self.read(token).ok_or(BadLink::Forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{CallSite, StepId};
    use crate::tasks::callbacks::RecordId;

    #[test]
    fn a_link_is_good_as_it_is_and_in_time() {
        let key = Key::shared("0123456789abcdef");
        let record = RecordId { stream: 1, partition: 2, offset: 3, version: 4 };
        let site = CallSite { scope: 0, step: StepId(5), visit: 1, attempt: 0 };
        let token = Token { record, site };
        let links = Links { base_url: "https://e.example".into(), valid_ms: 3_600_000 };
        let link = links.write(&key, &token, "approve", 90_000);
        assert_eq!(link, links.write(&key, &token, "approve", 91_000), "the same minute");
        let query = link.strip_prefix("https://e.example/approve?").expect("where it leads");
        let parts: Vec<&str> =
            query.split('&').map(|part| part.split_once('=').expect("named").1).collect();
        let [text, decision, expires, signature] = parts[..] else { panic!("{link}") };
        assert_eq!((decision, expires), ("approve", "3720"));
        let read = |parts, signature, now_ms| key.read_link(parts, signature, now_ms);
        let good = (text, decision, expires);
        assert_eq!(read(good, signature, 3_720_000), Ok(token));
        assert_eq!(read(good, signature, 3_720_001), Err(BadLink::Expired));
        for (parts, signature) in [
            ((text, "reject", expires), signature),
            ((text, decision, "99999999"), signature),
            ((&text[1..], decision, expires), signature),
            (good, &signature[1..]),
            (good, ""),
            (good, "%"),
        ] {
            assert_eq!(read(parts, signature, 0), Err(BadLink::Forged));
        }
    }
}
