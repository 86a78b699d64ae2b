//! Who calls: the standard chain (environment, profile, SSO, process, container, instance), found once
//! and refreshed before it expires; and roles assumed on top of it, each held until it nears its end.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::{Mutex, OnceCell};

use super::connector;

/// Credentials are fetched anew when they are valid for less than this: calls take time.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// Those that nothing can renew in time are used this long before their end at most.
const USABLE_BEFORE: Duration = Duration::from_secs(5);

/// Credentials, held until they near their end. One call at a time fetches them.
pub(super) type Keep = Mutex<Option<Credentials>>;

/// What the environment and the profile say.
pub(super) struct Found {
    provider: Option<SharedCredentialsProvider>,
    /// The region.
    pub(super) region: Option<String>,
    /// The endpoint of all services.
    pub(super) endpoint: Option<String>,
}

/// A client's credentials.
pub(super) struct Chain {
    given: Option<SharedCredentialsProvider>,
    region: Option<String>,
    http: reqwest::Client,
    found: OnceCell<Found>,
    base: Keep,
    /// By the role's ARN. One that takes long to assume keeps no other waiting.
    roles: std::sync::Mutex<BTreeMap<String, Arc<Keep>>>,
    /// Roles that are kept in mind: which ones there are may come from events.
    roles_max: usize,
}

/// Why there are none.
pub(super) struct Missing {
    /// What was tried, and what to do.
    pub(super) message: String,
    /// It may be otherwise a little later.
    pub(super) is_passing: bool,
}

impl Chain {
    pub(super) fn new(
        given: Option<SharedCredentialsProvider>,
        region: Option<String>,
        http: reqwest::Client,
        roles_max: usize,
    ) -> Chain {
        let (found, base, roles) = (OnceCell::new(), Keep::default(), Default::default());
        Chain { given, region, http, found, base, roles, roles_max }
    }

    /// What was found, at the first call.
    pub(super) async fn found(&self) -> &Found {
        // It is large, and made once: calls would carry it with them.
        self.found.get_or_init(|| Box::pin(self.find())).await
    }

    async fn find(&self) -> Found {
        if let (Some(given), Some(region)) = (&self.given, &self.region) {
            let (provider, region) = (Some(given.clone()), Some(region.clone()));
            let endpoint = std::env::var("AWS_ENDPOINT_URL").ok();
            return Found { provider, region, endpoint };
        }
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(connector::client(self.http.clone()));
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(given) = &self.given {
            loader = loader.credentials_provider(given.clone());
        }
        let config = loader.load().await;
        Found {
            provider: config.credentials_provider(),
            region: config.region().map(ToString::to_string),
            endpoint: config.endpoint_url().map(str::to_owned),
        }
    }

    /// The chain's credentials, valid for a while.
    pub(super) async fn base(&self) -> Result<Credentials, Missing> {
        let mut held = self.base.lock().await;
        if let Some(fresh) = fresh(&held) {
            return Ok(fresh);
        }
        let Some(provider) = &self.found().await.provider else {
            return Err(Missing { message: hint("there is no provider"), is_passing: false });
        };
        match provider.provide_credentials().await {
            Ok(fresh) => Ok(held.insert(fresh).clone()),
            Err(error) => match held.as_ref().filter(|it| is_valid(it, USABLE_BEFORE)) {
                Some(still) => {
                    tracing::warn!(%error, "AWS credentials could not be refreshed; the old ones still hold");
                    Ok(still.clone())
                }
                None => Err(missing(&error)),
            },
        }
    }

    /// Where a role's are held.
    pub(super) fn of_role(&self, role: &str) -> Arc<Keep> {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = roles.get(role) {
            return known.clone();
        }
        if roles.len() >= self.roles_max {
            roles.retain(|_, it| Arc::strong_count(it) > 1);
        }
        roles.entry(role.to_owned()).or_default().clone()
    }

    /// A service said that these have expired: they are fetched anew.
    pub(super) async fn forget(&self, role: Option<&str>) {
        match role {
            Some(role) => *self.of_role(role).lock().await = None,
            None => *self.base.lock().await = None,
        }
    }
}

/// Those that are held, if they are valid for a while.
pub(super) fn fresh(held: &Option<Credentials>) -> Option<Credentials> {
    held.as_ref().filter(|it| is_valid(it, REFRESH_BEFORE)).cloned()
}

fn is_valid(credentials: &Credentials, margin: Duration) -> bool {
    credentials.expiry().is_none_or(|end| end > SystemTime::now() + margin)
}

fn missing(error: &CredentialsError) -> Missing {
    let is_passing =
        matches!(error, CredentialsError::ProviderError(_) | CredentialsError::ProviderTimedOut(_));
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    Missing { message: hint(&why), is_passing }
}

fn hint(why: &str) -> String {
    format!(
        "no AWS credentials: {why}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, \
         or run where a role is attached"
    )
}
