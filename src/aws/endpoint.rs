//! Where a call goes: an endpoint that was set, or the service's own in the region.

use reqwest::Url;

use super::protocol::Request;
use super::services::Service;

/// The partitions: what their regions start with, and what their hosts end with.
const SUFFIXES: [(&str, &str); 4] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("", "amazonaws.com"),
];

/// A call's endpoint, and the region that its signature names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) url: Url,
    pub(super) region: String,
}

/// The service's own endpoint for an operation.
pub(super) fn standard(service: &Service, operation: &str, region: &str) -> Result<Place, String> {
    let (endpoint, region) = match service.endpoint.split_once('@') {
        Some((endpoint, only)) => (endpoint, only),
        None => (service.endpoint, region),
    };
    let is_known = |(prefix, _): &&(&str, &str)| region.starts_with(prefix);
    let suffix = SUFFIXES.iter().find(is_known).map_or("amazonaws.com", |(_, suffix)| suffix);
    let is_host = endpoint.ends_with(".com") || endpoint.contains('{');
    let host = match is_host {
        true => endpoint.replace("{region}", region).replace("{suffix}", suffix),
        false => format!("{endpoint}.{region}.{suffix}"),
    };
    let prefix = service.host_prefix(operation).unwrap_or_default();
    let is_word = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let url = Url::parse(&format!("https://{prefix}{host}/")).ok();
    match url.filter(|_| !region.is_empty() && is_word(region)) {
        Some(url) => Ok(Place { url, region: region.to_owned() }),
        None => Err(format!("{region:?} is no region")),
    }
}

/// An endpoint that was set: its path comes before the request's.
pub(super) fn custom(endpoint: &str, region: &str) -> Result<Place, String> {
    let url = Url::parse(endpoint).ok();
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match url.filter(is_web) {
        Some(url) => {
            let region = region_of(url.host_str().unwrap_or_default()).unwrap_or(region).to_owned();
            Ok(Place { url, region })
        }
        None => Err(format!("the endpoint {endpoint:?} is no http or https URL")),
    }
}

/// The region that one of AWS's hosts names: `x.execute-api.eu-west-1.amazonaws.com`
fn region_of(host: &str) -> Option<&str> {
    let host = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com")?;
    let host = host.strip_suffix(".vpce").unwrap_or(host);
    let last = host.rsplit('.').next()?;
    let is_region = last.contains('-') && last.ends_with(|c: char| c.is_ascii_digit());
    is_region.then_some(last)
}

impl Place {
    /// The whole URL of a request.
    pub(super) fn url_of(&self, request: &Request) -> Url {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{}", request.path));
        if !request.query.is_empty() {
            url.set_query(Some(&request.query));
        }
        url
    }

    /// S3's own form: the bucket is the host's first part, unless a certificate for `*.s3...` would
    /// not cover it.
    pub(super) fn with_bucket_as_host(&self, request: &mut Request) -> Option<Place> {
        let (bucket, key) = request
            .path
            .strip_prefix('/')?
            .split_once('/')
            .unwrap_or((request.path.strip_prefix('/')?, ""));
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            return None;
        }
        let mut place = self.clone();
        let host = format!("{bucket}.{}", self.url.host_str()?);
        place.url.set_host(Some(&host)).ok()?;
        request.path = format!("/{key}");
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes(service: &str, region: &str, host: &str, signed: &str) {
        let service = Service::find(service).expect("it is there");
        let place = standard(service, "Any", region).expect("a region");
        assert_eq!((place.url.host_str(), place.region.as_str()), (Some(host), signed));
    }

    #[test]
    fn services_are_where_aws_has_them() {
        goes("dynamodb", "eu-west-1", "dynamodb.eu-west-1.amazonaws.com", "eu-west-1");
        goes("sfn", "cn-north-1", "states.cn-north-1.amazonaws.com.cn", "cn-north-1");
        goes(
            "sagemaker",
            "us-gov-west-1",
            "api.sagemaker.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
        );
        goes("organizations", "eu-west-1", "organizations.us-east-1.amazonaws.com", "us-east-1");
        goes("iotdataplane", "eu-west-1", "data-ats.iot.eu-west-1.amazonaws.com", "eu-west-1");
        let sfn = Service::find("sfn").expect("it is there");
        let sync = standard(sfn, "StartSyncExecution", "eu-west-1").expect("a region");
        assert_eq!(sync.url.as_str(), "https://sync-states.eu-west-1.amazonaws.com/");
        let sqs = Service::find("sqs").expect("it is there");
        assert!(
            standard(sqs, "Any", "evil.example/").is_err() && standard(sqs, "Any", "").is_err()
        );
    }

    #[test]
    fn a_bucket_is_a_host_where_it_can_be() {
        let s3 = Service::find("s3").expect("it is there");
        let place = standard(s3, "GetObject", "eu-west-1").expect("a region");
        let request = |path: &str| Request { path: path.to_owned(), ..Request::default() };
        let mut plain = request("/photos/a/b%20c");
        let moved = place.with_bucket_as_host(&mut plain).expect("a name");
        let url = moved.url_of(&plain);
        assert_eq!(url.as_str(), "https://photos.s3.eu-west-1.amazonaws.com/a/b%20c");
        assert!(place.with_bucket_as_host(&mut request("/my.photos/a")).is_none());
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com", "eu-west-1"),
            ("https://vpce-1a.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
            ("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("https://queue.amazonaws.com", "x"),
            ("http://127.0.0.1:5050", "x"),
        ] {
            assert_eq!(custom(url, "x").map(|place| place.region), Ok(region.to_owned()), "{url}");
        }
        let under = custom("http://127.0.0.1:5050/s3/", "x").expect("a URL");
        let url = under.url_of(&request("/photos/a"));
        assert_eq!(url.as_str(), "http://127.0.0.1:5050/s3/photos/a");
    }
}
