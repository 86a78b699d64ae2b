//! Tokens for SASL/OAUTHBEARER that this process makes itself. There is one cluster, and so one source
//! of them.

use std::error::Error;
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::client::OAuthToken;

use super::session::locked;

/// An old token goes on being used as long as it holds so much longer.
const MARGIN_MS: i64 = 30_000;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// For the brokers.
    pub text: String,
    /// Until when it holds, in milliseconds since 1970.
    pub expires_ms: i64,
}

type Makes = Box<dyn Fn() -> Result<Token, String> + Send + Sync>;

static SOURCE: OnceLock<Makes> = OnceLock::new();
static LAST: Mutex<Option<Token>> = Mutex::new(None);

/// Has tokens made so from now on; the first call counts.
pub fn set_token_source(makes: impl Fn() -> Result<Token, String> + Send + Sync + 'static) {
    let _ = SOURCE.set(Box::new(makes));
}

/// A token for a client; the last one, where no new one is to be had and it still holds.
pub fn oauth_token() -> Result<OAuthToken, Box<dyn Error>> {
    let makes = SOURCE.get().ok_or("nothing here makes tokens: set kafka.msk_iam_region")?;
    let mut last = locked(&LAST);
    let token = match (makes(), last.as_ref()) {
        (Ok(token), _) => token,
        (Err(why), Some(old)) if old.expires_ms > now_ms() + MARGIN_MS => {
            tracing::warn!(why, "no new token for the brokers; the last one still holds");
            old.clone()
        }
        (Err(why), _) => return Err(why.into()),
    };
    *last = Some(token.clone());
    let (token, lifetime_ms) = (token.text, token.expires_ms);
    Ok(OAuthToken { token, principal_name: "expressway".to_owned(), lifetime_ms })
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_last_token_is_used_as_long_as_it_holds() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        set_token_source(|| match CALLS.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Token { text: "long".into(), expires_ms: now_ms() + 900_000 }),
            1 => Err("the metadata service is away".into()),
            2 => Ok(Token { text: "short".into(), expires_ms: now_ms() + 1_000 }),
            _ => Err("still away".into()),
        });
        let text = || oauth_token().map(|it| it.token).map_err(|why| why.to_string());
        assert_eq!(text(), Ok("long".to_owned()));
        assert_eq!(text(), Ok("long".to_owned()));
        assert_eq!(text(), Ok("short".to_owned()));
        assert_eq!(text(), Err("still away".to_owned()));
    }
}
