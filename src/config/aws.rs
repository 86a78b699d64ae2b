//! `[aws]` and `[pipeline.aws]`: who calls AWS, where it is, and what stands in for it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::secret::{Secret, read_map, write_map};
use super::section::{Check, Findings, Setting, Written, quoted, section};
use super::tree::Node;
use super::units::ByteSize;
use crate::aws::Service;

/// The longest that a call may be set to wait for others.
const COALESCE_LIMIT: Duration = Duration::from_secs(1);

section! {
    /// AWS, for all that calls it. Who calls is found as AWS's own tools find it: the environment
    /// (AWS_ACCESS_KEY_ID, AWS_PROFILE, ...), profiles, SSO, the container's or the machine's role.
    default Aws {
        /// The region; otherwise AWS_REGION, or the profile's.
        region: Option<String> = None, example r#""eu-west-1""#;
        /// Where all services are: "aws", or the URL of an emulator. Otherwise AWS_ENDPOINT_URL, or
        /// AWS itself.
        endpoint: Option<AwsTarget> = None, example r#""http://127.0.0.1:5050""#;
        /// Where single services are, by the names that aws-sdk: resources have.
        endpoints: AwsTargets = AwsTargets::default(),
            example r#"{ "sqs" = "http://127.0.0.1:9324", "s3" = "aws" }"#;
        /// Keys, where the standard ways to credentials are not wanted (an emulator).
        access_key_id: Option<String> = None, example r#""test""#;
        /// The secret that belongs to the key.
        secret_access_key: Option<Secret> = None, example r#"{ env = "EMULATOR_SECRET" }"#;
        /// The session's name in roles that states assume (Credentials.RoleArn).
        role_session_name: String = "expressway".to_owned();
        /// Roles whose credentials are kept until they expire; with more, those that no call needs just
        /// now are assumed anew. For roles that come from events.
        roles_max: u32 = 1_000;
        /// Buckets of S3 are in the path of URLs rather than in the host's name: true or false. With
        /// an endpoint that is set they are anyway.
        s3_path_style: bool = false;
        /// How long connecting may take.
        connect_timeout: Duration = Duration::from_secs(5);
        /// How long an attempt may take, connecting included.
        request_timeout: Duration = Duration::from_secs(60);
        /// Calls of one shard under way at the same time; more wait.
        calls_max: u32 = 256;
        /// Idle connections kept for each host.
        idle_connections_max: u32 = 256;
        /// How long an idle connection is kept.
        idle_timeout: Duration = Duration::from_secs(30);
        /// Largest answer read; a larger one fails the call. For objects that a Map reads,
        /// engine.object_size_max says it.
        response_size_max: ByteSize = ByteSize::mib(8);
        /// How often a call is tried when a service throttles, is in trouble or can't be reached;
        /// the first time counts. What a definition's Retry does comes on top.
        attempts_max: u32 = 4;
        /// The longest pause before the second attempt; it doubles from one to the next, and what is
        /// waited is drawn from it.
        backoff: Duration = Duration::from_millis(200);
        /// The longest pause of all.
        backoff_max: Duration = Duration::from_secs(20);
    }
}

impl Check for Aws {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        for (name, is_zero) in [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("request_timeout", self.request_timeout.is_zero()),
            ("roles_max", self.roles_max == 0),
            ("calls_max", self.calls_max == 0),
            ("response_size_max", self.response_size_max.bytes() == 0),
            ("attempts_max", self.attempts_max == 0),
        ] {
            if is_zero {
                findings.refuse(node, name, format!("aws.{name} must be above 0."));
            }
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            let message = "Keys are two: write both aws.access_key_id and aws.secret_access_key.";
            findings.refuse(node, "access_key_id", message);
        }
        check_services(&self.endpoints, "endpoints", node, findings);
        if self.endpoint == Some(AwsTarget::Mock) {
            let message = "aws.endpoint is \"aws\" or a URL; tasks are mocked in [pipeline.aws].";
            findings.refuse(node, "endpoint", message);
        }
        if self.endpoints.0.values().any(|target| *target == AwsTarget::Mock) {
            let message = "aws.endpoints are \"aws\" or URLs; tasks are mocked in [pipeline.aws].";
            findings.refuse(node, "endpoints", message);
        }
    }
}

section! {
    /// Tasks that call AWS. Where the definition is strict_aws, their results have the metadata that
    /// AWS adds (SdkHttpMetadata, SdkResponseMetadata).
    default AwsTasks {
        /// Where the calls to a service go, by its name as aws-sdk: resources have it: "aws", a URL,
        /// or "mock" (a state without a mock is refused). Otherwise as the section aws says.
        services: AwsTargets = AwsTargets::default(),
            example r#"{ "dynamodb" = "http://127.0.0.1:8000", "sns" = "mock" }"#;
        /// The same by state; it wins.
        states: AwsTargets = AwsTargets::default(),
            example r#"{ "Charge the card" = "mock" }"#;
        /// Functions that are not Lambda's: by name, the URL that events are posted to (a runtime
        /// interface emulator's, or any HTTP server's).
        functions: Functions = Functions::default(),
            example r#"{ "resize" = "http://127.0.0.1:9000/2015-03-31/functions/function/invocations" }"#;
        /// Calls of several executions that share a request, where the service has one for many.
        coalesce: Coalesce = Coalesce::default();
    }
}

section! {
    /// Calls of several executions that share a request: how long one waits for others to come, by
    /// service; not at all where nothing is set. Each has its own result or error, as if it had gone
    /// alone. Longer makes fewer requests and slower tasks.
    default Coalesce {
        /// sqs:sendMessage to the same queue: 10 messages, 256KiB.
        sqs: Option<Duration> = None, example r#""5ms""#;
        /// sns:publish to the same topic: 10 messages, 256KiB.
        sns: Option<Duration> = None, example r#""5ms""#;
        /// events:putEvents: 10 entries, 256KiB.
        eventbridge: Option<Duration> = None, example r#""5ms""#;
        /// dynamodb:putItem and dynamodb:deleteItem without conditions and of different keys in the
        /// same table: 25 items, 4MiB. It needs the rights to BatchWriteItem and DescribeTable.
        dynamodb: Option<Duration> = None, example r#""5ms""#;
        /// Tables of DynamoDB of which is kept in mind what their keys are, and for a minute that
        /// BatchWriteItem is denied; with more, those that no call needs just now are asked again. For
        /// tables that come from events.
        tables_max: u32 = 1_000;
    }
}

impl Check for Coalesce {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let all = [
            ("sqs", self.sqs),
            ("sns", self.sns),
            ("eventbridge", self.eventbridge),
            ("dynamodb", self.dynamodb),
        ];
        if self.tables_max == 0 {
            findings.refuse(node, "tables_max", "coalesce.tables_max must be above 0.");
        }
        for (name, wait) in all {
            if wait.is_some_and(|wait| wait > COALESCE_LIMIT) {
                let message = format!("coalesce.{name} is {COALESCE_LIMIT:?} at most.");
                findings.refuse(node, name, message);
            }
        }
    }
}

impl Check for AwsTasks {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        check_services(&self.services, "services", node, findings);
    }
}

/// A name that stands for nothing would send its calls elsewhere than it says.
fn check_services(targets: &AwsTargets, field: &str, node: &Node, findings: &mut Findings<'_>) {
    let is_known = |name: &str| name == "apigateway" || Service::find(name).is_some();
    for name in targets.0.keys().filter(|name| !is_known(name)) {
        let message = format!(
            "{name:?} is no service that is known; they are named as in aws-sdk: resources \
             (dynamodb, sfn, eventbridge, secretsmanager)."
        );
        findings.refuse(node, field, message);
    }
}

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsTarget {
    /// `"aws"`
    Aws,
    /// `"http://127.0.0.1:5050"`
    Url(String),
    /// `"mock"`
    Mock,
}

impl Setting for AwsTarget {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<AwsTarget> {
        match node.text() {
            Some("aws") => Some(AwsTarget::Aws),
            Some("mock") => Some(AwsTarget::Mock),
            Some(url) if is_web(url) => Some(AwsTarget::Url(url.to_owned())),
            _ => findings.expected(node, "\"aws\", \"mock\" or the URL of an endpoint"),
        }
    }

    fn write(&self) -> Written {
        Written::Value(quoted(match self {
            AwsTarget::Aws => "aws",
            AwsTarget::Mock => "mock",
            AwsTarget::Url(url) => url,
        }))
    }
}

fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// Targets by the name of what is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AwsTargets(pub BTreeMap<String, AwsTarget>);

impl Setting for AwsTargets {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<AwsTargets> {
        read_map(node, findings).map(AwsTargets)
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}

/// URLs of functions by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Functions(pub BTreeMap<String, Url>);

impl Setting for Functions {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Functions> {
        read_map(node, findings).map(Functions)
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}

/// An http or https URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(pub String);

impl Setting for Url {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Url> {
        match node.text() {
            Some(url) if is_web(url) => Some(Url(url.to_owned())),
            _ => findings.expected(node, "an http or https URL"),
        }
    }

    fn write(&self) -> Written {
        Written::Value(quoted(&self.0))
    }
}
