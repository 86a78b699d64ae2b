//! Which hosts may be called. Endpoints may come from events, and what a machine's own network
//! answers, such as the cloud's metadata service, is nobody else's business.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is said of names that lead only to where nothing is called.
pub(super) const LOCAL_ONLY: &str = "the name leads to link-local addresses only";

/// The hosts that are named: all where none is, but for link-local addresses.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<[String]>);

impl Guard {
    /// `api.example.com`, `*.example.com`
    pub(super) fn new(hosts: &[String]) -> Guard {
        Guard(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// Is the host of a URL one that may be called? `Err` goes on after `"ApiEndpoint" "..."`.
    pub(super) fn check(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        if !self.0.is_empty() && !self.names(&host) {
            return Err("is at none of the hosts in http.hosts".to_owned());
        }
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        match address {
            Some(address) if is_local_link(address) && !self.names(&host) => Err(
                "is a link-local address, as metadata services have; name it in http.hosts if it is \
                 meant"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn names(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(end) => end.starts_with('.') && host.len() > end.len() && host.ends_with(end),
            None => host == pattern,
        })
    }
}

/// Names that lead to such addresses are caught where they are resolved, so that there is nothing
/// between the check and the connection.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let is_named = self.names(&name.as_str().to_ascii_lowercase());
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let open: Vec<_> = found
                .iter()
                .copied()
                .filter(|address| is_named || !is_local_link(address.ip()))
                .collect();
            if open.is_empty() && !found.is_empty() {
                return Err(LOCAL_ONLY.into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

fn is_local_link(address: IpAddr) -> bool {
    // Where AWS has its metadata service in IPv6.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified() || v6 == METADATA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(hosts: &[&str], url: &str) -> bool {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard::new(&hosts).check(&Url::parse(url).expect("a URL")).is_ok()
    }

    #[test]
    fn only_named_hosts_are_called_where_some_are_named() {
        let hosts = ["api.example.com", "*.internal.example"];
        assert!(allows(&hosts, "https://API.example.com/x"));
        assert!(allows(&hosts, "http://a.internal.example:8080"));
        for url in
            ["https://example.com", "http://internal.example", "http://evil-internal.example"]
        {
            assert!(!allows(&hosts, url), "{url}");
        }
        assert!(!allows(&hosts, "http://api.example.com.evil.example"));
    }

    #[test]
    fn metadata_services_are_not_called_by_chance() {
        for url in [
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
            "http://0.0.0.0/",
            "http://[fe80::1]/",
        ] {
            assert!(!allows(&[], url), "{url}");
        }
        assert!(allows(&[], "http://127.0.0.1:1") && allows(&[], "http://10.0.0.1"));
        assert!(allows(&["169.254.169.254"], "http://169.254.169.254/"));
    }
}
