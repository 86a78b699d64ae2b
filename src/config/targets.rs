//! `[targets]`: what calls of tasks are held to, by whom they call.

use std::collections::BTreeMap;
use std::time::Duration;

use super::secret::{read_map, write_map};
use super::section::{Check, Findings, Setting, Written, choice, section};
use super::tree::Node;

section! {
    /// What tasks call by HTTP or AWS's protocols: each service at its endpoint, or each host and
    /// port, is a target. What is set here holds for each target and the whole process.
    default Targets {
        /// Calls to a target under way at the same time; more wait in their order, and a state's
        /// TimeoutSeconds goes on meanwhile. Without it, what a shard allows (http.calls_max,
        /// aws.calls_max).
        calls_max: Option<u32> = None, example "64";
        /// Calls a second to a target, attempts of the AWS client included; more wait likewise.
        rate_max: Option<f64> = None, example "500.0";
        /// Call a target less often for a while when it says that it is too much (429, with its
        /// Retry-After, ThrottlingException and its like): true or false.
        adaptive: bool = true;
        /// The longest that a target's Retry-After is followed.
        retry_after_max: Duration = Duration::from_secs(60);
        /// Targets that are kept in mind and told of in metrics; beyond, those that nothing is to be
        /// remembered of go.
        kept_max: u32 = 1_000;
        /// Other limits for single targets, by their names as metrics have them
        /// ("sqs@sqs.eu-west-1.amazonaws.com:443"), by host with port or without, or by service
        /// ("sqs"): calls_max, rate_max, adaptive, and open of the breaker.
        named: NamedTargets = NamedTargets::default(),
            example r#"{ "api.example.com" = { calls_max = 8, rate_max = 50.0, open = "fail" } }"#;
        /// When a target counts as down, and what follows.
        breaker: Breaker = Breaker::default();
    }
}

section! {
    /// When a target counts as down: connections that fail, time limits and 5xx are failures, 4xx
    /// are answers. From time to time one call then tries whether it answers again.
    default Breaker {
        /// What becomes of calls meanwhile: "pause" has them wait, and their pipelines take no more
        /// records, so that an outage makes no dead letters; with "fail" they fail at once with
        /// Target.Down, for Retry and Catch to see.
        open: WhenOpen = WhenOpen::Pause;
        /// Failures in a row that make it down; 0 for never.
        failures: u32 = 5;
        /// Share of the calls of the window that failed, from 0 to 1, that makes it down; 0.0 for
        /// never.
        failure_ratio: f64 = 0.5;
        /// Calls in the window below which the share says nothing.
        calls_min: u32 = 20;
        /// The window.
        window: Duration = Duration::from_secs(10);
        /// How long it is left alone before one call tries it, the first time; doubled each time that
        /// call fails.
        probe_after: Duration = Duration::from_secs(1);
        /// The longest that is.
        probe_after_max: Duration = Duration::from_secs(30);
        /// With "pause": how long a failure is held back, so long as no call is answered, until it is
        /// clear whether the target is down; then the call is made again. "0s" for not at all.
        doubt: Duration = Duration::from_millis(500);
        /// With "pause": how often a call that is answered 5xx is made again while the target is down,
        /// and how often an execution that ran out of time meanwhile is run again: it may be the call
        /// that brings the target there. Where nothing answers there is no such bound.
        troubled_max: u32 = 10;
    }
}

choice! {
    /// What becomes of calls to a target that is down.
    WhenOpen {
        /// They wait, and their pipelines take no more records.
        Pause = "pause",
        /// They fail with Target.Down.
        Fail = "fail",
    }
}

section! {
    /// What differs for one target.
    default TargetLimits {
        /// Calls under way at the same time.
        calls_max: Option<u32> = None;
        /// Calls a second.
        rate_max: Option<f64> = None;
        /// Call it less often for a while when it says that it is too much.
        adaptive: Option<bool> = None;
        /// What becomes of calls while it is down.
        open: Option<WhenOpen> = None;
    }
}

impl Check for Targets {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.kept_max == 0 {
            findings.refuse(node, "kept_max", "targets.kept_max must be above 0.");
        }
        check_limits(self.calls_max, self.rate_max, node, findings);
    }
}

impl Check for TargetLimits {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        check_limits(self.calls_max, self.rate_max, node, findings);
    }
}

fn check_limits(
    calls_max: Option<u32>,
    rate_max: Option<f64>,
    node: &Node,
    findings: &mut Findings<'_>,
) {
    if calls_max == Some(0) {
        findings.refuse(node, "calls_max", "calls_max must be above 0.");
    }
    // Slower than one a day is as good as never.
    if rate_max.is_some_and(|rate| !(1e-5..=1e6).contains(&rate)) {
        let message = "rate_max is calls a second, from 0.00001 to 1000000.";
        findings.refuse(node, "rate_max", message);
    }
}

impl Check for Breaker {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if !(0.0..=1.0).contains(&self.failure_ratio) {
            findings.refuse(node, "failure_ratio", "failure_ratio is from 0.0 to 1.0.");
        }
        if self.probe_after.is_zero() {
            findings.refuse(node, "probe_after", "probe_after must be above 0.");
        }
        if self.probe_after_max < self.probe_after {
            let message = "probe_after_max must not be below probe_after.";
            findings.refuse(node, "probe_after_max", message);
        }
    }
}

/// Limits by the name of a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedTargets(pub BTreeMap<String, TargetLimits>);

/// May a target be called so? Services and hosts of URLs are in lower case.
fn is_name(name: &str) -> bool {
    let is_strange = |c: char| c == '/' || c.is_whitespace() || c.is_ascii_uppercase();
    !name.is_empty() && !name.contains(is_strange)
}

impl Setting for NamedTargets {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<NamedTargets> {
        let named: BTreeMap<String, TargetLimits> = read_map(node, findings)?;
        for name in named.keys().filter(|it| !is_name(it)) {
            let message = format!(
                "{name:?} names no target: write a host, \"host:port\", a service such as \"sqs\", \
                 or \"service@host:port\", in lower case and without https://."
            );
            findings.refuse(node, name, message);
        }
        Some(NamedTargets(named))
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}
