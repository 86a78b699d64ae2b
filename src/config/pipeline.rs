//! `[[pipeline]]`: from a source through a definition to an output.

use std::path::PathBuf;
use std::time::Duration;

use super::aws::{AwsTasks, Url};
use super::output::{DeadLetter, Output, Target};
use super::route::{Canary, Route, RouteAction, Unmatched};
use super::secret::{Secret, Secrets, read_map, write_map};
use super::section::{Check, Findings, Setting, Written, choice, section};
use super::source::{Source, SourceKind};
use super::tree::Node;
use super::units::ByteSize;

/// The longest name: it is part of every execution's name, which has 80 characters.
const NAME_CHARACTERS_MAX: usize = 40;

section! {
    /// A pipeline; write as many as you like. They share shards and the byte budget.
    Pipeline {
        /// Its name in metrics, logs, dead letters and executions' names: letters, digits, "_" and
        /// "-". Keep it: names of executions derive from it.
        name: String;
        /// The state machine: a file in Amazon States Language, JSON or YAML, or one within a
        /// CloudFormation or SAM template ("template.yaml#Orders"). With routes: what records run
        /// that none of them matches; it may then be left out.
        definition: Option<PathBuf> = None, example r#""definition.asl.json""#;
        /// Another version of the definition, for a share of the records in percent: which ones
        /// follows from their keys (or, without one, from where they stand).
        canary: Option<Canary> = None, example r#"{ definition = "next.asl.json", weight = 5 }"#;
        /// Rules that say which records go where; write [[pipeline.route]] for each, the first that
        /// matches counts. A condition is a Choice rule (choice), an expression in JSONata (jsonata)
        /// or an event pattern as EventBridge has them (pattern), over {topic, partition, offset,
        /// timestamp, key, headers, value}; without one it matches everything. Where to: definition
        /// (with a canary, or without), or action = "drop" or "dead_letter". name is for metrics.
        route: Vec<Route> = Vec::new(),
            example r#"[{ name = "orders", pattern = { value = { kind = ["order"] } }, definition = "orders.asl.json" }]"#;
        /// What becomes of a record that no route matches, where there is no definition: "fail",
        /// "drop" or "dead_letter".
        unmatched: Unmatched = Unmatched::Fail;
        /// What the placeholders ${Name} in it stand for. --set NAME=VALUE wins over these; what is
        /// not here is taken from the environment.
        substitutions: Substitutions = Substitutions::default(),
            example r#"{ "TopicArn" = "arn:aws:sns:us-east-1:123456789012:orders" }"#;
        /// Refuse what Express state machines of Step Functions do not have: .sync,
        /// .waitForTaskToken, activities, distributed Maps.
        strict_aws: bool = false;
        /// What becomes of a record whose execution failed: "dead_letter", "stop", "drop", or, with a
        /// queue, "redrive" (back to it, until its redrive policy takes it). There is no default.
        on_failure: OnFailure;
        /// What a record's outputs may do: come twice after a failure ("at_least_once"), or count
        /// "exactly_once", from Kafka to Kafka, by transactions: for consumers that read committed
        /// records only. Tasks and files stay at least once.
        delivery: Delivery = Delivery::AtLeastOnce;
        /// Which records wait until an execution that came before theirs is over: those of its "key"
        /// (in its partition; records without a key wait for none), of its whole "partition", or
        /// "none". Only executions that wait for a task or a time are ever waited for.
        ordering: Ordering = Ordering::Key;
        /// What an execution's input is: "value" (the record's value), "record" ({Topic, Partition,
        /// Offset, Timestamp, Key, Headers, Value}), or several records of a partition as EventBridge
        /// "pipes" passes them (an array) or a Lambda event-source mapping ("lambda", its envelope):
        /// an output with batchItemFailures then says which of them failed.
        input: Input = Input::Value;
        /// How a value is read: "json", "string" or "bytes" (as base64).
        decode: Decode = Decode::Json;
        /// What becomes of a record without a value (a tombstone): "skip" it, run it with "null" as
        /// its value, or "dead_letter" it.
        null_value: NullValue = NullValue::Skip;
        /// Longest an execution of this pipeline may take, where that is less than the definition's
        /// TimeoutSeconds and engine.machine_timeout_max.
        timeout: Option<Duration> = None, example r#""30s""#;
        /// Failed share of the records of the window, from 0 to 1, above which the pipeline pauses
        /// until it is restarted. Guards the dead-letter topic against a bad deployment.
        failure_ratio_max: Option<f64> = None, example "0.5";
        /// The window that failure_ratio_max looks back over, a duration. Longer where records are
        /// few.
        failure_ratio_window: Duration = Duration::from_secs(60);
        /// Answers for tasks instead of calling them: a file in Step Functions Local's
        /// MockConfigFile format. For trying a definition out.
        mocks: Option<PathBuf> = None, example r#""mocks.json""#;
        /// The folder that a distributed Map's ItemReader reads from and its ResultWriter writes to
        /// (s3:getObject, s3:listObjectsV2, s3:putObject): its folders are the buckets.
        objects: Option<PathBuf> = None, example r#""objects""#;
        /// Where its records come from.
        source: Source;
        /// Where its outputs go.
        output: Output;
        /// Where failed records go.
        dead_letter: Option<DeadLetter> = None,
            example r#"{ topic = "orders.dead", fallback_file = "dead.ndjson" }"#;
        /// How many records share an execution, with input = "pipes" or "lambda".
        batch: Batch = Batch::default();
        /// When a failed record is run again, before on_failure says what becomes of it.
        retry: RecordRetry = RecordRetry::default();
        /// Tasks with the resource http:invoke.
        http: HttpTasks = HttpTasks::default();
        /// Tasks with the resource kafka:produce.
        produce: ProduceTasks = ProduceTasks::default();
        /// Tasks that call AWS. Where the definition is strict_aws, their results have the metadata
        /// that AWS adds (SdkHttpMetadata, SdkResponseMetadata).
        aws: AwsTasks = AwsTasks::default();
        /// Tasks that wait for a job (.sync).
        jobs: JobTasks = JobTasks::default();
    }
}

/// What becomes of a record that failed, with all that needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailurePolicy<'a> {
    /// It is written there, then settled.
    DeadLetter(&'a DeadLetter),
    /// The pipeline stops; the record stays unsettled.
    Stop,
    /// It is counted and settled.
    Drop,
    /// It goes back to its queue, whose own redrive counts.
    Redrive,
}

impl Pipeline {
    /// The failure policy; the checks have seen to it that dead letters have a place to go.
    pub fn failure_policy(&self) -> FailurePolicy<'_> {
        match (self.on_failure, &self.dead_letter) {
            (OnFailure::DeadLetter, Some(dead_letter)) => FailurePolicy::DeadLetter(dead_letter),
            (OnFailure::Drop, _) => FailurePolicy::Drop,
            (OnFailure::Redrive, _) => FailurePolicy::Redrive,
            // Never a record lost, whatever else is wrong.
            (OnFailure::Stop | OnFailure::DeadLetter, _) => FailurePolicy::Stop,
        }
    }
}

impl Check for Pipeline {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.name.len() > NAME_CHARACTERS_MAX || !self.name.chars().all(legal) {
            let message = format!(
                "A pipeline's name has at most {NAME_CHARACTERS_MAX} letters, digits, \"_\" and \
                 \"-\"; {:?} does not.",
                self.name
            );
            findings.refuse(node, "name", message);
        }
        if self.failure_ratio_max.is_some_and(|ratio| !(ratio > 0.0 && ratio <= 1.0)) {
            let message = "failure_ratio_max must be above 0 and at most 1.";
            findings.refuse(node, "failure_ratio_max", message);
        }
        if self.failure_ratio_window.is_zero() {
            findings.refuse(node, "failure_ratio_window", "failure_ratio_window must be above 0.");
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            findings.refuse(node, "timeout", "timeout must be above 0.");
        }
        if self.on_failure == OnFailure::Redrive && self.source.queue_url.is_none() {
            let message = "on_failure = \"redrive\" hands a message back to its queue: the source must \
                           have a queue_url.";
            findings.refuse(node, "on_failure", message);
        }
        if self.batch != Batch::default() && !self.is_batched() {
            let message = "batch is for input = \"pipes\" or \"lambda\": elsewhere each record has an \
                           execution of its own.";
            findings.refuse(node, "batch", message);
        }
        self.check_routes(node, findings);
        self.check_dead_letter(node, findings);
        self.check_delivery(node, findings);
    }
}

impl Pipeline {
    fn check_delivery(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.delivery == Delivery::AtLeastOnce {
            return;
        }
        if self.is_batched() {
            // A batch's output is one, and its records' offsets may be committed apart.
            let message = "delivery = \"exactly_once\" is for inputs of one record; write \
                           \"at_least_once\", or input = \"value\" or \"record\".";
            findings.refuse(node, "delivery", message);
        }
        let is_kafka = matches!(self.source.kind(), SourceKind::Kafka { .. });
        let is_elsewhere = matches!(self.output.target(), Target::File(_) | Target::Queue(_));
        if !is_kafka || is_elsewhere {
            let message = "delivery = \"exactly_once\" is for pipelines from Kafka topics to Kafka \
                           topics; write \"at_least_once\", or change source or output.";
            findings.refuse(node, "delivery", message);
        }
    }

    /// Do several records share an execution?
    pub fn is_batched(&self) -> bool {
        matches!(self.input, Input::Pipes | Input::Lambda)
    }

    fn check_routes(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.definition.is_none() && self.route.is_empty() {
            let message = "A pipeline needs a definition = \"...\", or [[pipeline.route]] that say \
                           which records run which.";
            findings.error("MISSING_KEY", &node.key, message);
        }
        if self.canary.is_some() && self.definition.is_none() {
            findings.refuse(node, "canary", "canary needs a definition beside it.");
        }
        if self.unmatched != Unmatched::Fail && self.definition.is_some() {
            let message = "Records that no route matches run the pipeline's definition: remove \
                           unmatched, or definition.";
            findings.refuse(node, "unmatched", message);
        }
        let labels: Vec<String> =
            self.route.iter().enumerate().map(|it| it.1.label(it.0)).collect();
        for (index, label) in labels.iter().enumerate() {
            if labels[..index].contains(label) {
                let message = format!("Two routes are named {label:?}; metrics tell them by it.");
                findings.refuse(node, "route", message);
            }
        }
        let is_open = |route: &Route| matches!(route.condition().0, super::Condition::Always);
        if let Some(index) = self.route.iter().position(is_open)
            && index + 1 < self.route.len()
        {
            let message = format!(
                "{} has no condition and takes everything: what comes behind it is never reached.",
                self.route[index].label(index)
            );
            findings.refuse(node, "route", message);
        }
    }

    /// Do some of its records become dead letters whatever the failure policy?
    fn routes_to_dead_letter(&self) -> bool {
        let says = |route: &Route| route.action == Some(RouteAction::DeadLetter);
        self.unmatched == Unmatched::DeadLetter || self.route.iter().any(says)
    }

    fn check_dead_letter(&self, node: &Node, findings: &mut Findings<'_>) {
        let write_it = "write dead_letter = { topic = \"...\" } or { file = \"...\" }.";
        match (self.on_failure, self.null_value, &self.dead_letter) {
            (OnFailure::DeadLetter, _, None) => {
                let message =
                    format!("on_failure = \"dead_letter\" needs a place for them: {write_it}");
                findings.refuse(node, "on_failure", message);
            }
            (_, NullValue::DeadLetter, None) => {
                let message =
                    format!("null_value = \"dead_letter\" needs a place for them: {write_it}");
                findings.refuse(node, "null_value", message);
            }
            (_, _, None) if self.routes_to_dead_letter() => {
                let message = format!("A route to \"dead_letter\" needs a place: {write_it}");
                findings.refuse(node, "route", message);
            }
            (
                OnFailure::Stop | OnFailure::Drop | OnFailure::Redrive,
                NullValue::Skip | NullValue::Null,
                Some(_),
            ) if !self.routes_to_dead_letter() => {
                let message = format!(
                    "dead_letter is never used with on_failure = {:?}; write on_failure = \
                     \"dead_letter\" or remove dead_letter.",
                    self.on_failure.as_str()
                );
                findings.refuse(node, "dead_letter", message);
            }
            _ => {}
        }
    }
}

choice! {
    /// What becomes of a record whose execution failed.
    OnFailure {
        /// It is written to `dead_letter` with all that is known about it.
        DeadLetter = "dead_letter",
        /// The pipeline stops before it.
        Stop = "stop",
        /// It is counted and forgotten.
        Drop = "drop",
        /// It goes back to its queue and comes again, until the queue's redrive policy takes it.
        Redrive = "redrive",
    } missing {
        "A pipeline must say what becomes of records that fail; write one of these lines:\n  \
         on_failure = \"dead_letter\"  # to a topic or file of their own (set dead_letter too)\n  \
         on_failure = \"stop\"         # stop the pipeline at the first one, losing nothing\n  \
         on_failure = \"drop\"         # count them and go on without them\n\
         and, where the source is a queue of SQS:\n  \
         on_failure = \"redrive\"      # back to the queue, whose redrive policy counts".to_owned()
    }
}

choice! {
    /// How often a record's outputs count.
    Delivery {
        /// Once at least.
        AtLeastOnce = "at_least_once",
        /// Once.
        ExactlyOnce = "exactly_once",
    }
}

choice! {
    /// Which records wait until an execution that came before theirs is over.
    Ordering {
        /// None: outputs come as executions end.
        None = "none",
        /// Those of its key in its partition.
        Key = "key",
        /// Those of its partition.
        Partition = "partition",
    }
}

choice! {
    /// What an execution's input is.
    Input {
        /// The record's value.
        Value = "value",
        /// The record with its metadata.
        Record = "record",
        /// Several records, as EventBridge Pipes passes them.
        Pipes = "pipes",
        /// Several records, as a Lambda event-source mapping passes them.
        Lambda = "lambda",
    }
}

choice! {
    /// How a record's value is read.
    Decode {
        /// As JSON.
        Json = "json",
        /// As text, which becomes a JSON string.
        String = "string",
        /// As bytes, which become a JSON string of base64.
        Bytes = "bytes",
    }
}

choice! {
    /// What becomes of a record without a value.
    NullValue {
        /// It is settled unseen.
        Skip = "skip",
        /// It runs, with null as its value.
        Null = "null",
        /// It goes where failed records go.
        DeadLetter = "dead_letter",
    }
}

section! {
    /// How many records share an execution, with input = "pipes" or "lambda". A batch is of one
    /// partition, and of one route.
    default Batch {
        /// Records, at most. From 1 to 10000.
        records_max: u32 = 100;
        /// Bytes of the input that is made of them, at most; engine.document_size_max and
        /// engine.state_data_max bound it too. A record that is too large alone fails.
        bytes_max: ByteSize = ByteSize::kib(256);
        /// How long the first record waits for others; "0s": for those only that are there already.
        window: Duration = Duration::ZERO;
    }
}

impl Check for Batch {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if !(1..=10_000).contains(&self.records_max) {
            findings.refuse(node, "records_max", "batch.records_max is from 1 to 10000.");
        }
        if self.window > Duration::from_secs(300) {
            findings.refuse(node, "window", "batch.window is 300s at most.");
        }
    }
}

section! {
    /// When a record whose execution failed is run again from the start.
    default RecordRetry {
        /// How often, at most. Retry in the definition is better where one state fails; this is for
        /// what a definition does not foresee. What waits for its turn behind the record waits on.
        attempts: u32 = 0;
        /// How long to wait, the first time.
        interval: Duration = Duration::from_secs(1);
        /// What the wait is multiplied by each time.
        backoff_rate: f64 = 2.0;
        /// The longest wait.
        interval_max: Duration = Duration::from_secs(60);
    }
}

impl Check for RecordRetry {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if !(self.backoff_rate >= 1.0 && self.backoff_rate.is_finite()) {
            findings.refuse(node, "backoff_rate", "retry.backoff_rate must be at least 1.");
        }
    }
}

section! {
    /// Tasks with the resource http:invoke.
    default HttpTasks {
        /// How long connecting may take.
        connect_timeout: Duration = Duration::from_secs(5);
        /// How long a call may take, connecting included. 60s as AWS has it; a state's
        /// TimeoutSeconds may end it sooner.
        request_timeout: Duration = Duration::from_secs(60);
        /// Calls of one shard under way at the same time; more wait.
        calls_max: u32 = 256;
        /// Idle connections kept for each host.
        idle_connections_max: u32 = 256;
        /// How long an idle connection is kept.
        idle_timeout: Duration = Duration::from_secs(30);
        /// Largest answer read; a larger one fails the task.
        response_size_max: ByteSize = ByteSize::kib(256);
        /// Redirects followed, on the same host only; what redirects once more is the answer.
        redirects_max: u32 = 10;
        /// The only hosts that tasks may call, whole or "*.example.com"; all where none are named.
        /// Name them where endpoints come from events. Link-local addresses (the cloud's metadata
        /// services) are called only where they are named.
        hosts: Vec<String> = Vec::new(), example r#"["api.example.com", "*.internal.example"]"#;
        /// What to send along, by the ConnectionArn (or any name) that a task's Authentication
        /// names: headers (API keys), query parameters, a user and password, OAuth client
        /// credentials, a client's certificate.
        connections: Connections = Connections::default(),
            example r#"{ "billing" = { headers = { "X-Token" = { env = "BILLING_TOKEN" } } } }"#;
    }
}

impl Check for HttpTasks {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        for (name, is_zero) in [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("request_timeout", self.request_timeout.is_zero()),
            ("calls_max", self.calls_max == 0),
            ("response_size_max", self.response_size_max.bytes() == 0),
        ] {
            if is_zero {
                findings.refuse(node, name, format!("http.{name} must be above 0."));
            }
        }
    }
}

section! {
    /// What is sent along with every call that names this connection.
    default Connection {
        /// Headers.
        headers: Secrets = Secrets::default();
        /// Query parameters.
        query: Secrets = Secrets::default();
        /// The user of basic authentication.
        username: Option<String> = None;
        /// Its password.
        password: Option<Secret> = None;
        /// OAuth client credentials, for a bearer token.
        oauth: Option<OAuth> = None;
        /// The client's certificate in PEM, with the chain above it, where a server asks for one.
        certificate: Option<Secret> = None;
        /// The key that belongs to it, in PEM.
        key: Option<Secret> = None;
        /// Authorities to trust besides the system's, in PEM.
        authorities: Option<Secret> = None;
    }
}

section! {
    /// Where a connection gets its tokens (OAuth 2.0, client credentials).
    OAuth {
        /// The URL of the token endpoint.
        token_url: Url;
        /// Who asks.
        client_id: String;
        /// The secret of who asks.
        client_secret: Secret;
        /// What else is asked: scope, audience.
        parameters: Secrets = Secrets::default();
    }
}

impl Check for OAuth {}

impl Check for Connection {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.username.is_some() != self.password.is_some() {
            let message = "Basic authentication needs both username and password.";
            findings.error("CONNECTION", &node.key, message);
        }
        if self.certificate.is_some() != self.key.is_some() {
            let message = "A client's certificate needs its key: write both certificate and key.";
            findings.error("CONNECTION", &node.key, message);
        }
        if self.username.is_some() && self.oauth.is_some() {
            let message = "A connection has one way to authorize: username and password, or oauth.";
            findings.error("CONNECTION", &node.key, message);
        }
    }
}

/// Connections by the name that tasks give.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connections(pub std::collections::BTreeMap<String, Connection>);

impl Setting for Connections {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Connections> {
        read_map(node, findings).map(Connections)
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}

/// Values by the names of a definition's placeholders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Substitutions(pub std::collections::BTreeMap<String, String>);

impl Setting for Substitutions {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Substitutions> {
        read_map(node, findings).map(Substitutions)
    }

    fn write(&self) -> Written {
        write_map(&self.0)
    }
}

section! {
    /// Tasks that wait for a job (.sync).
    default JobTasks {
        /// A job is asked after so long after its start, and then less and less often.
        poll_interval: Duration = Duration::from_secs(1);
        /// But at least so often.
        poll_interval_max: Duration = Duration::from_secs(30);
    }
}

impl Check for JobTasks {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.poll_interval.is_zero() {
            findings.refuse(node, "poll_interval", "jobs.poll_interval must be above 0.");
        }
    }
}

section! {
    /// Tasks with the resource kafka:produce.
    default ProduceTasks {
        /// How long the broker's acknowledgement may take before the task fails.
        timeout: Duration = Duration::from_secs(30);
        /// The only topics that tasks may write to; all where none are named. Name them where
        /// topics come from events.
        topics: Vec<String> = Vec::new(), example r#"["notifications"]"#;
        /// Distinct topics that a shard's tasks may write to: each takes memory for good. A task that
        /// names one more fails.
        topics_max: u32 = 1_000;
    }
}

impl Check for ProduceTasks {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if self.topics_max == 0 {
            findings.refuse(node, "topics_max", "produce.topics_max must be above 0.");
        }
        if self.timeout.is_zero() {
            findings.refuse(node, "timeout", "produce.timeout must be above 0.");
        }
    }
}
