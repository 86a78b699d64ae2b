//! A call's attempts: where each goes, when its target lets it, as whom, and what follows from how it
//! went.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use reqwest::Url;

use super::endpoint::{self, Place};
use super::error::{Error, ErrorKind};
use super::exchange::{self, Broken, Signer};
use super::protocol::{self, Reply, Request};
use super::services::Service;
use super::{Call, Client, Endpoint, Inner, retry};
use crate::targets::{Aftermath, Held, Name, Refused, Target, Verdict};

impl Client {
    /// Sends a request that is ready, and gives the answer as it came if the call went well.
    pub async fn send(&self, call: &Call<'_>, request: Request) -> Result<Reply, Error> {
        let (mut attempt, mut troubled) = (1, 0);
        loop {
            let (mut error, aftermath) = match self.attempt(call, request.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let _aside = call.held.map(Held::aside);
            error.attempts = attempt;
            let is_last = attempt >= self.0.settings.attempts_max || !error.is_retriable();
            troubled += u32::from(error.status.is_some());
            if aftermath.allows(troubled)
                && (aftermath.is_again() || is_last && aftermath.settle().await)
            {
                // What a target that is down made of it does not count.
                continue;
            }
            if is_last {
                return Err(error);
            }
            if error.is_expired() {
                self.0.chain.forget(call.role).await;
            }
            let pause = retry::pause(&self.0.settings, attempt, &error);
            tracing::debug!(%error, attempt, ?pause, "an AWS call is tried again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// One attempt, when its target lets it. With an error comes what follows for the call.
    async fn attempt(
        &self,
        call: &Call<'_>,
        mut request: Request,
    ) -> Result<Reply, (Error, Aftermath)> {
        let alone = |error| (error, Aftermath::default());
        let place = self.place(call, &mut request).await.map_err(alone)?;
        let url = place.url_of(&request);
        let credentials = match call.is_anonymous {
            true => None,
            false => {
                // To assume a role takes a call, which has a turn of its own.
                let _aside = call.held.map(Held::aside);
                Some(self.credentials(call).await.map_err(alone)?)
            }
        };
        let target = self.target(call, &url);
        let region = &place.region;
        // Many may wait for their turn: what an attempt needs on its way is made when it is out.
        let exchange = |url| Box::pin(self.exchange(call, &request, (url, region), credentials));
        let Some(target) = target else {
            let _turn = self.0.turns.acquire().await.ok();
            return exchange(url).await.map_err(alone);
        };
        let entered = target.enter(&self.0.turns, call.held).await;
        let down = |refused: Refused| call.error(ErrorKind::Down, refused.to_string());
        let pass = entered.map_err(down).map_err(alone)?;
        let outcome = exchange(url).await;
        let aftermath = pass.leave(verdict_of(&outcome, call.caller));
        outcome.map_err(|error| (error, aftermath))
    }

    /// Whom the attempt goes to, where anybody is held to anything.
    fn target(&self, call: &Call<'_>, url: &Url) -> Option<Target> {
        let service = call.service.name();
        let (service, host) = (Some(service.as_str()), url.host_str().unwrap_or_default());
        let name = Name { service, host, port: url.port_or_known_default().unwrap_or_default() };
        self.0.targets.find(&name)
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        request: &Request,
        (url, region): (Url, &str),
        credentials: Option<Credentials>,
    ) -> Result<Reply, Error> {
        let Inner { settings, http, skew, .. } = &*self.0;
        let now = SystemTime::now();
        let signer = Signer {
            credentials,
            name: call.service.signing,
            region,
            time: exchange::shifted(now, skew.load(Ordering::Relaxed)),
            is_s3: exchange::is_s3(call.service),
        };
        let prepared = exchange::prepare(request, url, &signer);
        let prepared = prepared.map_err(|why| call.error(ErrorKind::Input, why))?;
        let limit = call.response_bytes_max;
        let limit = limit.unwrap_or((settings.response_bytes_max, "aws.response_size_max"));
        let sent = exchange::send(http, prepared, limit.0).await;
        let reply = sent.map_err(|broken| broken_error(call, broken, limit))?;
        if (200..300).contains(&reply.status) {
            return Ok(reply);
        }
        let error = protocol::failure(call.service, call.operation, &reply);
        if error.is_skewed()
            && let Some(seconds) = exchange::skew_of(&reply, now)
        {
            skew.store(seconds, Ordering::Relaxed);
        }
        Err(error)
    }

    /// Where a call goes. S3's buckets are moved into the host where they belong there.
    async fn place(&self, call: &Call<'_>, request: &mut Request) -> Result<Place, Error> {
        let Inner { settings, chain, .. } = &*self.0;
        let found = chain.found().await;
        let region = call.region.or(found.region.as_deref());
        let name = call.service.name();
        let set = call.endpoint.filter(|it| **it != Endpoint::Default);
        let set = set.or_else(|| settings.endpoints.get(&name)).unwrap_or(&settings.endpoint);
        let of_environment = || endpoint_variable(call.service).or_else(|| found.endpoint.clone());
        let custom = match set {
            Endpoint::Url(url) => Some(url.clone()),
            Endpoint::Default => of_environment(),
            Endpoint::Aws => None,
        };
        let input = |why: String| call.error(ErrorKind::Input, why);
        if let Some(url) = custom {
            // Emulators take any region.
            return endpoint::custom(&url, region.unwrap_or("us-east-1")).map_err(input);
        }
        let Some(region) = region else {
            let why = "no region is set: set aws.region, or AWS_REGION in the environment";
            return Err(call.error(ErrorKind::Credentials, why));
        };
        let place = endpoint::standard(call.service, call.operation, region).map_err(input)?;
        let is_moved = exchange::is_s3(call.service) && !settings.s3_path_style;
        Ok(is_moved.then(|| place.with_bucket_as_host(request)).flatten().unwrap_or(place))
    }
}

/// What an attempt says about its target.
fn verdict_of(outcome: &Result<Reply, Error>, caller: u64) -> Verdict {
    let Err(error) = outcome else { return Verdict::Answered };
    if error.is_throttling() {
        return Verdict::Throttled(error.retry_after);
    }
    match (error.kind, error.status) {
        (ErrorKind::Connection | ErrorKind::Timeout, _) => Verdict::Failed,
        (_, Some(500..)) => Verdict::Troubled(caller),
        (ErrorKind::Service, _) => Verdict::Answered,
        _ => Verdict::Unknown,
    }
}

fn broken_error(call: &Call<'_>, broken: Broken, limit: (usize, &str)) -> Error {
    match broken {
        Broken::Timeout(why) => call.error(ErrorKind::Timeout, why),
        Broken::Connection(why) => call.error(ErrorKind::Connection, why),
        Broken::Input(why) => call.error(ErrorKind::Input, why),
        Broken::Limit => {
            let (bytes_max, setting) = limit;
            let why = format!("the answer has more than {bytes_max} bytes ({setting})");
            call.error(ErrorKind::Limit, why)
        }
    }
}

/// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, as AWS's own SDKs have it.
pub(super) fn endpoint_variable(service: &Service) -> Option<String> {
    let id = service.id.replace([' ', '-'], "_").to_uppercase();
    std::env::var(format!("AWS_ENDPOINT_URL_{id}")).ok().filter(|url| !url.is_empty())
}
