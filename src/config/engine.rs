//! `[engine]`, `[http]`, `[log]`: the process and its limits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::section::{Check, Findings, Setting, Written, choice, section};
use super::tree::Node;
use super::units::ByteSize;

/// The largest document that may be configured: positions in one are 32 bits, with room to spare.
pub const DOCUMENT_SIZE_LIMIT: ByteSize = ByteSize::mib(64);
/// The most that may be configured for what one Map reads: positions of all that it holds meanwhile
/// are 32 bits.
pub const OBJECTS_SIZE_LIMIT: ByteSize = ByteSize::mib(512);
/// The most memory that may be configured for an evaluation of JSONata: its text's positions are 32
/// bits too.
pub const QUERY_MEMORY_LIMIT: ByteSize = ByteSize::mib(1024);
/// The deepest nesting that may be configured.
pub const DOCUMENT_DEPTH_LIMIT: u32 = 512;
/// The most shards that may be configured.
pub const SHARDS_LIMIT: u32 = 1024;
/// Where the operator's HTTP endpoint listens by default.
pub const HTTP_PORT: u16 = 9644;
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), HTTP_PORT);

section! {
    /// The engine: how much it takes on, and when it lets go.
    default Engine {
        /// Shards, each a thread that owns its partitions: a number, or "cores" for one a core.
        /// Lower it to leave cores to others.
        shards: Shards = Shards::Cores;
        /// Keep each shard's thread on a core of its own: true or false. For machines, or a set of
        /// cores, given to this process alone; elsewhere the system places threads better.
        pin_shards: bool = false;
        /// Bytes that queues, executions and sinks may hold together. Raise it when the budget
        /// metric stays near its limit while cores idle; what the process needs beyond it is small.
        byte_budget: ByteSize = ByteSize::mib(512);
        /// Largest document of a record, a task or a state, in bytes; larger ones fail with
        /// States.DataLimitExceeded. 256KiB as AWS has it, up to 64MiB.
        document_size_max: ByteSize = ByteSize::kib(256);
        /// Deepest nesting of a document, in levels; deeper ones fail. Up to 512.
        document_depth_max: u32 = 128;
        /// Largest input or output of a state, in bytes; a larger one fails with
        /// States.DataLimitExceeded. 256KiB as AWS has it; raise it along with document_size_max.
        state_data_max: ByteSize = ByteSize::kib(256);
        /// Steps an execution may take before its shard turns to others. Lower it if long loops
        /// delay other records.
        work_budget_steps: u32 = 10_000;
        /// Iterations of one Map at once, whatever its MaxConcurrency says. 40 as AWS was seen to run
        /// inline Maps; raise it for Maps over slow tasks.
        map_concurrency_max: u32 = 40;
        /// Largest object that a Map's ItemReader reads, as it is stored. Up to 64MiB.
        object_size_max: ByteSize = ByteSize::mib(64);
        /// Most keys that a Map's ItemReader lists; with more it fails, and narrowing its Prefix helps.
        object_keys_max: u32 = 1_000_000;
        /// Most objects that one Map reads: those that a listing (LOAD_AND_FLATTEN) or a manifest names.
        objects_max: u32 = 100_000;
        /// Largest of them, or of their manifests, once unpacked from gzip. Up to 64MiB.
        object_unpacked_max: ByteSize = ByteSize::mib(64);
        /// Bytes of all of them, unpacked, that one Map reads: its execution holds them in memory. Up to
        /// 512MiB.
        objects_size_max: ByteSize = ByteSize::mib(512);
        /// Files of the folder "objects" of a pipeline that a shard reads or writes at the same time;
        /// more wait.
        object_files_max: u32 = 64;
        /// Steps that one evaluation of a JSONata expression may take: expressions within it and
        /// items looked at.
        query_steps_max: u32 = 10_000_000;
        /// Levels that one evaluation of a JSONata expression may go down, by recursion mostly.
        query_depth_max: u32 = 2_000;
        /// Largest string that a JSONata expression may make, up to 1GiB.
        query_string_max: ByteSize = ByteSize::mib(8);
        /// Most memory that one evaluation of a JSONata expression may take, up to 1GiB. A shard keeps
        /// little of it.
        query_memory_max: ByteSize = ByteSize::mib(64);
        /// Longest any execution may take, whatever its definition's TimeoutSeconds says. 5m as AWS
        /// has it for Express.
        machine_timeout_max: Duration = Duration::from_secs(300);
        /// Executions a shard holds that wait for a task or a time. Raise it for slow tasks, if the
        /// byte budget has room.
        parked_executions_max: u32 = 100_000;
        /// Calls of one shard and pipeline that wait for their turn (http.calls_max, aws.calls_max):
        /// with more the shard takes on no records, which would only wait with them while their
        /// TimeoutSeconds goes on.
        calls_waiting_max: u32 = 1_000;
        /// Executions of one shard that others have started (states:startExecution) and that are not
        /// over. They are held in memory beside those that have started them.
        nested_executions_max: u32 = 10_000;
        /// How deep such executions may be within each other.
        nested_depth_max: u32 = 16;
        /// Records a shard takes from a source before it looks at anything else.
        batch_records_max: u32 = 1_000;
        /// Records of one partition that may be ahead of its last confirmed commit: the most that
        /// can be processed twice after a crash. Raise it where slow tasks leave cores idle.
        window_records_max: u32 = 100_000;
        /// The same bound in bytes of those records' keys, values and headers.
        window_bytes_max: ByteSize = ByteSize::mib(64);
        /// How often settled offsets are committed. Longer needs a larger window.
        commit_interval: Duration = Duration::from_millis(250);
        /// A partition with something to do that has neither been read nor settled for so long is
        /// stalled: the log, /metrics and /readyz say so. Longer than the longest execution.
        stall_timeout: Duration = Duration::from_secs(360);
        /// A shard that has hung for so long, in one call of an execution or anywhere else, brings the
        /// process down, to be started again. Longer than any step takes; "0s" for never.
        hang_timeout: Duration = Duration::from_secs(60);
        /// Where is marked what each shard runs, so that a record whose execution brings the process
        /// down (a crash or hang_timeout; not a kill) is found out at the next start, run alone, and
        /// failed if it does so again. A file of 0.5KiB a shard and 32KiB besides; "auto" has one in
        /// the folder for temporary files, "off" none. In a container, name one on a volume.
        suspects_file: SuspectsFile = SuspectsFile::Auto;
        /// How long a stop waits for what is in flight. Keep it below what your orchestrator grants
        /// (Kubernetes: 30s).
        drain_timeout: Duration = Duration::from_secs(20);
        /// How often shards hand their counters to /metrics.
        metrics_interval: Duration = Duration::from_secs(1);
        /// How often the configuration, definitions and mocks are looked at: what has changed is
        /// reloaded, as with SIGHUP. "0s" for never.
        watch_interval: Duration = Duration::from_secs(1);
    }
}

impl Check for Engine {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let mut at_least_one = |name: &str, value: u64| {
            if value == 0 {
                findings.refuse(node, name, format!("engine.{name} must be above 0."));
            }
        };
        at_least_one("byte_budget", self.byte_budget.bytes());
        at_least_one("document_size_max", self.document_size_max.bytes());
        at_least_one("document_depth_max", u64::from(self.document_depth_max));
        at_least_one("state_data_max", self.state_data_max.bytes());
        at_least_one("work_budget_steps", u64::from(self.work_budget_steps));
        at_least_one("map_concurrency_max", u64::from(self.map_concurrency_max));
        at_least_one("object_size_max", self.object_size_max.bytes());
        at_least_one("object_keys_max", u64::from(self.object_keys_max));
        at_least_one("objects_max", u64::from(self.objects_max));
        at_least_one("object_unpacked_max", self.object_unpacked_max.bytes());
        at_least_one("objects_size_max", self.objects_size_max.bytes());
        at_least_one("object_files_max", u64::from(self.object_files_max));
        at_least_one("query_steps_max", u64::from(self.query_steps_max));
        at_least_one("query_depth_max", u64::from(self.query_depth_max));
        at_least_one("query_string_max", self.query_string_max.bytes());
        at_least_one("query_memory_max", self.query_memory_max.bytes());
        at_least_one("machine_timeout_max", self.machine_timeout_max.as_millis() as u64);
        at_least_one("parked_executions_max", u64::from(self.parked_executions_max));
        at_least_one("calls_waiting_max", u64::from(self.calls_waiting_max));
        at_least_one("nested_executions_max", u64::from(self.nested_executions_max));
        at_least_one("nested_depth_max", u64::from(self.nested_depth_max));
        at_least_one("batch_records_max", u64::from(self.batch_records_max));
        at_least_one("window_records_max", u64::from(self.window_records_max));
        at_least_one("window_bytes_max", self.window_bytes_max.bytes());
        at_least_one("commit_interval", self.commit_interval.as_millis() as u64);
        at_least_one("stall_timeout", self.stall_timeout.as_millis() as u64);
        at_least_one("metrics_interval", self.metrics_interval.as_millis() as u64);
        for (name, size, limit) in [
            ("document_size_max", self.document_size_max, DOCUMENT_SIZE_LIMIT),
            ("state_data_max", self.state_data_max, DOCUMENT_SIZE_LIMIT),
            ("object_size_max", self.object_size_max, DOCUMENT_SIZE_LIMIT),
            ("object_unpacked_max", self.object_unpacked_max, DOCUMENT_SIZE_LIMIT),
            ("objects_size_max", self.objects_size_max, OBJECTS_SIZE_LIMIT),
            ("query_string_max", self.query_string_max, QUERY_MEMORY_LIMIT),
            ("query_memory_max", self.query_memory_max, QUERY_MEMORY_LIMIT),
        ] {
            if size > limit {
                let message = format!("engine.{name} can be at most {limit}, not {size}.");
                findings.refuse(node, name, message);
            }
        }
        if self.document_depth_max > DOCUMENT_DEPTH_LIMIT {
            let message =
                format!("engine.document_depth_max can be at most {DOCUMENT_DEPTH_LIMIT}.");
            findings.refuse(node, "document_depth_max", message);
        }
        if self.byte_budget < self.document_size_max {
            let message = "engine.byte_budget must hold at least one document_size_max.";
            findings.refuse(node, "byte_budget", message);
        }
    }
}

/// Where marks are kept that outlive a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuspectsFile {
    /// `"auto"`: a file of this configuration's own, in the folder for temporary files.
    Auto,
    /// `"off"`: nowhere.
    Off,
    /// In this file.
    At(PathBuf),
}

impl Setting for SuspectsFile {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<SuspectsFile> {
        match node.text() {
            Some("auto") => Some(SuspectsFile::Auto),
            Some("off") => Some(SuspectsFile::Off),
            _ => PathBuf::read(node, findings).map(SuspectsFile::At),
        }
    }

    fn write(&self) -> Written {
        match self {
            SuspectsFile::Auto => Written::Value("\"auto\"".to_owned()),
            SuspectsFile::Off => Written::Value("\"off\"".to_owned()),
            SuspectsFile::At(file) => file.write(),
        }
    }
}

/// How many shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// `"cores"`: one for each core the process may use.
    Cores,
    /// So many.
    Count(u32),
}

impl Shards {
    /// How many that makes on this machine.
    pub fn count(self) -> usize {
        match self {
            Shards::Count(count) => count as usize,
            Shards::Cores => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Setting for Shards {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Shards> {
        let count = node.integer().and_then(|count| u32::try_from(count).ok());
        match (node.text(), count) {
            (Some("cores"), _) => Some(Shards::Cores),
            (_, Some(count)) if (1..=SHARDS_LIMIT).contains(&count) => Some(Shards::Count(count)),
            _ => {
                findings.expected(node, &format!("\"cores\" or a number from 1 to {SHARDS_LIMIT}"))
            }
        }
    }

    fn write(&self) -> Written {
        Written::Value(match self {
            Shards::Cores => "\"cores\"".to_owned(),
            Shards::Count(count) => count.to_string(),
        })
    }
}

section! {
    /// The operator's HTTP endpoint: /metrics, /livez, /readyz.
    default Http {
        /// Address and port to listen on, or "off". It has no authentication: keep it on loopback
        /// or behind something that has. Use "0.0.0.0:9644" where a scraper must reach it.
        listen: Listen = Listen::At(DEFAULT_ADDRESS);
    }
}

impl Check for Http {}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `"off"`: nowhere.
    Off,
    /// `"127.0.0.1:9644"`
    At(SocketAddr),
}

impl Setting for Listen {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Listen> {
        let address = node.text().and_then(|text| text.parse().ok());
        match (node.text(), address) {
            (Some("off"), _) => Some(Listen::Off),
            (_, Some(address)) => Some(Listen::At(address)),
            _ => findings
                .expected(node, "an address with a port, \"127.0.0.1:9644\" say, or \"off\""),
        }
    }

    fn write(&self) -> Written {
        Written::Value(match self {
            Listen::Off => "\"off\"".to_owned(),
            Listen::At(address) => format!("\"{address}\""),
        })
    }
}

section! {
    /// The log, on standard error.
    default Log {
        /// The least important level that is written: "error", "warn", "info", "debug" or "trace".
        level: Level = Level::Info;
        /// "text" for people, "json" for collectors.
        format: Format = Format::Text;
        /// Lines that one place in the code may write in 10 seconds; further ones are counted in
        /// expressway_log_lines_suppressed_total and told of in one line. 0 for no bound.
        lines_max: u32 = 20;
    }
}

impl Check for Log {}

choice! {
    /// How important a line of the log is.
    Level {
        /// Something is lost or stopped: act now.
        Error = "error",
        /// It goes on, and someone should look.
        Warn = "warn",
        /// Starts, stops, assignments.
        Info = "info",
        /// What happened to single records.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

choice! {
    /// How a line of the log looks.
    Format {
        /// For people.
        Text = "text",
        /// One object a line.
        Json = "json",
    }
}
