//! Amazon MSK with IAM: a token for SASL/OAUTHBEARER is a presigned request to `kafka-cluster:Connect`,
//! in base64. Nobody sends that request: the brokers look at its signature.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;

use super::credentials::Chain;
use super::{Settings, exchange};

/// How long a token holds, as MSK has it.
const LIFETIME: Duration = Duration::from_secs(900);
/// How long finding credentials may take.
const BOUND: Duration = Duration::from_secs(10);

/// A token, and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// For the brokers.
    pub text: String,
    /// Milliseconds since 1970.
    pub expires_ms: i64,
}

/// A token by the standard chain's credentials. Waits for them, on a thread of its own: it may be
/// called from anywhere.
pub fn msk_token(region: &str) -> Result<Token, String> {
    let region = region.to_owned();
    let work = move || {
        let settings = Settings::default();
        let http = exchange::open(&settings).map_err(|e| e.message)?;
        let chain = Chain::new(None, Some(region.clone()), http, settings.roles_max);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| format!("no runtime for AWS credentials: {e}"))?;
        let found = runtime.block_on(async { tokio::time::timeout(BOUND, chain.base()).await });
        let found = found.map_err(|_| format!("no AWS credentials were found within {BOUND:?}"))?;
        let credentials = found.map_err(|missing| missing.message)?;
        signed(&region, credentials, SystemTime::now())
    };
    let worker = thread::Builder::new().name("msk-token".into()).spawn(work);
    let worker = worker.map_err(|e| format!("no thread for AWS credentials: {e}"))?;
    worker.join().map_err(|_| "making an MSK token panicked".to_owned())?
}

fn signed(region: &str, credentials: Credentials, now: SystemTime) -> Result<Token, String> {
    let url = format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect");
    let mut url = Url::parse(&url).map_err(|_| format!("{region:?} is no region's name"))?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|e| e.to_string())?;
    let body = SignableBody::Bytes(&[]);
    let signable = SignableRequest::new("GET", url.as_str(), std::iter::empty(), body);
    let signed = signable.and_then(|signable| sign(signable, &params.into()));
    let (signed, _) = signed.map_err(|e| e.to_string())?.into_parts();
    for (name, value) in signed.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    // MSK's own signers add it behind the signature, for the brokers' logs.
    url.query_pairs_mut().append_pair("User-Agent", "expressway");
    let expires = (now + LIFETIME).duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires_ms = i64::try_from(expires.as_millis()).unwrap_or(i64::MAX);
    Ok(Token { text: URL_SAFE_NO_PAD.encode(url.as_str()), expires_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_presigned_request_to_connect() {
        let session = Some("session/token+1".to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", session, None, "test");
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let token = signed("eu-west-1", credentials, now).expect("it is signed");
        assert_eq!(token.expires_ms, 1_700_000_900_000);
        assert!(!token.text.contains(['=', '+', '/']), "base64 for URLs: {}", token.text);
        let url = URL_SAFE_NO_PAD.decode(&token.text).expect("base64");
        let url = Url::parse(std::str::from_utf8(&url).expect("text")).expect("a URL");
        assert_eq!(url.host_str(), Some("kafka.eu-west-1.amazonaws.com"));
        assert_eq!((url.scheme(), url.path()), ("https", "/"));
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let says = |name: &str| {
            let found: Vec<&str> =
                pairs.iter().filter(|it| it.0 == name).map(|it| it.1.as_str()).collect();
            assert_eq!(found.len(), 1, "{name} once in {pairs:?}");
            found[0]
        };
        assert_eq!(says("Action"), "kafka-cluster:Connect");
        assert_eq!(says("X-Amz-Algorithm"), "AWS4-HMAC-SHA256");
        let scope = "AKIDEXAMPLE/20231114/eu-west-1/kafka-cluster/aws4_request";
        assert_eq!(says("X-Amz-Credential"), scope);
        assert_eq!(says("X-Amz-Date"), "20231114T221320Z");
        assert_eq!(says("X-Amz-Expires"), "900");
        assert_eq!(says("X-Amz-SignedHeaders"), "host");
        assert_eq!(says("X-Amz-Security-Token"), "session/token+1");
        assert_eq!(says("User-Agent"), "expressway");
        let signature = says("X-Amz-Signature");
        assert!(signature.len() == 64 && signature.bytes().all(|it| it.is_ascii_hexdigit()));
        assert_eq!(signature, independent_signature(&pairs), "as SigV4 is written");
    }

    /// The signature, calculated from the specification and with nothing of the library.
    fn independent_signature(pairs: &[(String, String)]) -> String {
        use sha2::{Digest, Sha256};
        let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
        let mac = |key: &[u8], text: &str| {
            let mut block = [0u8; 64];
            block[..key.len()].copy_from_slice(key);
            let pad = |with: u8| block.map(|it| it ^ with);
            let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
            Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
        };
        let escaped = |text: &str| {
            let one = |byte: u8| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    (byte as char).to_string()
                }
                _ => format!("%{byte:02X}"),
            };
            text.bytes().map(one).collect::<String>()
        };
        let is_signed = |name: &str| !matches!(name, "X-Amz-Signature" | "User-Agent");
        let mut query: Vec<String> = pairs
            .iter()
            .filter(|(name, _)| is_signed(name))
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        query.sort();
        let empty = hex(&Sha256::digest(b""));
        let request = format!(
            "GET\n/\n{}\nhost:kafka.eu-west-1.amazonaws.com\n\nhost\n{empty}",
            query.join("&")
        );
        let scope = "20231114/eu-west-1/kafka-cluster/aws4_request";
        let hash = hex(&Sha256::digest(request.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n20231114T221320Z\n{scope}\n{hash}");
        let day = mac(b"AWS4secret", "20231114");
        let key = mac(&mac(&mac(&day, "eu-west-1"), "kafka-cluster"), "aws4_request");
        hex(&mac(&key, &to_sign))
    }
}
