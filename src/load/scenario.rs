//! A scenario: what is sent, how fast, where to, and what result is a pass. A TOML file; unknown
//! keys are refused, and problems are told by key path.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::keys::KeySettings;
use super::schedule::RateStep;
use super::shape::{SHAPES, Shape};

/// Bounds of what a scenario may ask for.
pub mod limits {
    use std::time::Duration;

    /// Events per second in a step.
    pub const RATE_MAX: u64 = 100_000_000;
    /// Events in all rated steps; ids have room for a hundred times that.
    pub const EVENTS_MAX: u64 = 10_000_000_000;
    /// All steps together.
    pub const DURATION_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
    /// Bytes an event may be padded to.
    pub const SIZE_MAX: usize = 1 << 20;
    /// Partitions of a topic made for a run.
    pub const PARTITIONS_MAX: i32 = 10_000;
}

/// A load test as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What reports call it.
    pub name: String,
    /// What it is to find out.
    #[serde(default)]
    pub description: String,
    /// Seeds the events: the same seed, the same events (but for ids and send times).
    #[serde(default)]
    pub seed: u64,
    /// The mix of events.
    pub event: Vec<EventKind>,
    /// Their keys.
    #[serde(default)]
    pub keys: KeySettings,
    /// How fast, one step after the other.
    pub step: Vec<StepSettings>,
    /// Where they go and come back.
    pub target: Target,
    /// What result is a pass.
    #[serde(default)]
    pub pass: Pass,
    /// The folder that template files are relative to.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// One kind of event in the mix.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventKind {
    /// `iot`, `click` or `order`; this or `template`.
    pub shape: Option<String>,
    /// A file with a shape of one's own; see [`super::shape`].
    pub template: Option<PathBuf>,
    /// How often, beside the other kinds' weights.
    #[serde(default = "one")]
    pub weight: u32,
    /// Events shorter than so many bytes are padded with a field `pad`.
    #[serde(default)]
    pub size: usize,
}

/// A rate, held for a while.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSettings {
    /// Events per second; 0 is as fast as it goes.
    pub rate: u64,
    /// For how long: `"500ms"`, `"30s"`, `"5m"`.
    #[serde(deserialize_with = "duration")]
    pub duration: Duration,
}

/// The Kafka side of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `host:port`, several by commas.
    pub bootstrap: String,
    /// Where events go.
    pub topic: String,
    /// Where their results come out; without it nothing is measured but the rate of acknowledged
    /// events. The same as `topic` measures Kafka alone.
    pub result_topic: Option<String>,
    /// Partitions of the topics, where they are made here; 0 expects them to be there.
    #[serde(default)]
    pub partitions: i32,
    /// Copies of each partition, where topics are made here.
    #[serde(default = "one_copy")]
    pub replication: i32,
    /// After the last event, how long to wait for a further result before giving up.
    #[serde(default = "patience", deserialize_with = "duration")]
    pub patience: Duration,
    /// Any librdkafka property (`security.protocol`, `linger.ms`, …); wins over ours.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// What result is a pass. What is left out does not matter, except that no event may be missing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pass {
    /// Results per second, at least, over the whole run.
    pub rate_min: Option<u64>,
    /// Half of the latencies are at most this.
    #[serde(deserialize_with = "some_duration")]
    pub p50_max: Option<Duration>,
    /// 99 % of them.
    #[serde(deserialize_with = "some_duration")]
    pub p99_max: Option<Duration>,
    /// 99.9 % of them.
    #[serde(deserialize_with = "some_duration")]
    pub p999_max: Option<Duration>,
    /// Events that Kafka acknowledged and that have no result.
    pub missing_max: u64,
    /// Results beyond an event's first.
    pub duplicates_max: Option<u64>,
}

/// What is wrong with a scenario: each by its key path; what is wrong with all of it by none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<(String, String)>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, message)) in self.0.iter().enumerate() {
            let newline = if i > 0 { "\n" } else { "" };
            let colon = if key.is_empty() { "" } else { ": " };
            write!(f, "{newline}{key}{colon}{message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Scenario {
    /// Reads and checks a scenario file.
    pub fn read(file: &Path) -> Result<Scenario, Problems> {
        let text = std::fs::read_to_string(file)
            .map_err(|e| Problems(vec![(String::new(), format!("can't be read: {e}"))]))?;
        Scenario::parse(&text, file.parent().unwrap_or(Path::new(".")))
    }

    /// Reads and checks a scenario; template files are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Scenario, Problems> {
        let mut scenario: Scenario = toml::from_str(text).map_err(|e| {
            let key = e.span().map(|span| key_path(text, span.start)).unwrap_or_default();
            Problems(vec![(key, e.message().to_string())])
        })?;
        scenario.folder = folder.to_path_buf();
        let problems = scenario.problems();
        if problems.is_empty() { Ok(scenario) } else { Err(Problems(problems)) }
    }

    /// The steps as the schedule takes them.
    pub fn steps(&self) -> Vec<RateStep> {
        let step = |s: &StepSettings| RateStep { rate: s.rate, duration: s.duration };
        self.step.iter().map(step).collect()
    }

    /// How long all steps take.
    pub fn duration(&self) -> Duration {
        self.step.iter().map(|step| step.duration).sum()
    }

    /// How many events the rated steps send.
    pub fn events(&self) -> u64 {
        let of_step = |s: &StepSettings| (s.rate as f64 * s.duration.as_secs_f64()).ceil() as u64;
        self.step.iter().map(of_step).fold(0, u64::saturating_add)
    }

    /// The mix, the keys and the way, in a line.
    pub fn workload(&self) -> String {
        let kind = |kind: &EventKind| {
            let template = kind.template.as_ref().map(|file| file.display().to_string());
            let name = kind.shape.clone().or(template).unwrap_or_default();
            let share =
                if self.event.len() > 1 { format!("{} x ", kind.weight) } else { String::new() };
            let size = if kind.size > 0 { format!(" of {} B", kind.size) } else { String::new() };
            format!("{share}{name}{size}")
        };
        let kinds: Vec<String> = self.event.iter().map(kind).collect();
        let Target { bootstrap, topic, result_topic, .. } = &self.target;
        let result = result_topic.as_deref().map(|t| format!(" to {t}")).unwrap_or_default();
        format!("{}; {}; {topic}{result} at {bootstrap}", kinds.join(", "), self.keys)
    }

    fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut refuse = |wrong: bool, key: &str, message: String| {
            if wrong {
                found.push((key.to_string(), message));
            }
        };
        refuse(self.event.is_empty(), "event", "is empty: say at least one [[event]]".into());
        for (i, kind) in self.event.iter().enumerate() {
            let problem = kind.load(&self.folder).err();
            refuse(problem.is_some(), &format!("event[{i}]"), problem.unwrap_or_default());
        }
        let (key, message) = self.keys.problem().unwrap_or_default();
        refuse(!key.is_empty(), &format!("keys.{key}"), message);
        refuse(self.step.is_empty(), "step", "is empty: say at least one [[step]]".into());
        for (i, step) in self.step.iter().enumerate() {
            let (rate, zero) = (step.rate > limits::RATE_MAX, step.duration.is_zero());
            refuse(rate, &format!("step[{i}].rate"), format!("is above {}", limits::RATE_MAX));
            refuse(zero, &format!("step[{i}].duration"), "is zero".into());
        }
        let (long, many) =
            (self.duration() > limits::DURATION_MAX, self.events() > limits::EVENTS_MAX);
        refuse(long, "step", format!("takes longer than {:?}", limits::DURATION_MAX));
        refuse(many, "step", format!("sends more than {} events", limits::EVENTS_MAX));
        let target = &self.target;
        refuse(target.bootstrap.is_empty(), "target.bootstrap", "is empty: say host:port".into());
        refuse(target.topic.is_empty(), "target.topic", "is empty".into());
        let partitions = 0..=limits::PARTITIONS_MAX;
        let message = format!("is not 0 to {}", limits::PARTITIONS_MAX);
        refuse(!partitions.contains(&target.partitions), "target.partitions", message);
        refuse(target.replication < 1, "target.replication", "is below 1".into());
        let timed = self.pass.p50_max.or(self.pass.p99_max).or(self.pass.p999_max).is_some();
        let untimed = timed && target.result_topic.is_none();
        refuse(untimed, "pass", "bounds latencies, which needs target.result_topic".into());
        found
    }
}

impl EventKind {
    /// Its shape, read and checked.
    pub fn load(&self, folder: &Path) -> Result<Shape, String> {
        if self.weight == 0 {
            return Err("weight is 0: leave this kind out instead".to_string());
        }
        if self.size > limits::SIZE_MAX {
            return Err(format!("size is above {}", limits::SIZE_MAX));
        }
        match (&self.shape, &self.template) {
            (Some(name), None) => Shape::named(name).ok_or_else(|| {
                let known: Vec<&str> = SHAPES.iter().map(|(name, _)| *name).collect();
                format!("shape \"{name}\" is none of {}", known.join(", "))
            }),
            (None, Some(file)) => {
                let file = folder.join(file);
                let text = std::fs::read_to_string(&file)
                    .map_err(|e| format!("template {} can't be read: {e}", file.display()))?;
                Shape::parse(&text).map_err(|e| format!("template {}: {e}", file.display()))
            }
            _ => Err("needs either shape or template".to_string()),
        }
    }
}

/// The key path that stands at `offset` of a TOML text: its table's header and the line's own key.
fn key_path(text: &str, offset: usize) -> String {
    let end = text[offset..].find('\n').map_or(text.len(), |n| offset + n);
    let mut tables: BTreeMap<&str, usize> = BTreeMap::new();
    let mut header = String::new();
    let mut key = "";
    for line in text[..end].lines().map(str::trim) {
        key = "";
        if let Some(name) = line.strip_prefix("[[").and_then(|l| l.split("]]").next()) {
            let seen = tables.entry(name).or_default();
            header = format!("{name}[{seen}]");
            *seen += 1;
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            header = name.to_string();
        } else if let Some((name, _)) = line.split_once('=') {
            key = name.trim();
        }
    }
    let dot = if header.is_empty() || key.is_empty() { "" } else { "." };
    format!("{header}{dot}{key}")
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(from)?).map_err(de::Error::custom)
}

/// A duration as scenarios write it: `250ms`, `30s`, `5m`, `2h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let value = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_ms));
    value
        .filter(|_| unit_ms > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("\"{text}\" is no duration: write \"250ms\", \"30s\", \"5m\""))
}

fn some_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

fn one() -> u32 {
    1
}

fn one_copy() -> i32 {
    1
}

fn patience() -> Duration {
    Duration::from_secs(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "t"
[[event]]
shape = "iot"
[[event]]
shape = "click"
weight = 3
[keys]
kind = "zipf"
count = 100
exponent = 1.1
[[step]]
rate = 1000
duration = "1500ms"
[[step]]
rate = 0
duration = "2m"
[target]
bootstrap = "127.0.0.1:9092"
topic = "in"
result_topic = "out"
[pass]
p99_max = "250ms"
"#;

    fn rejects(from: &str, to: &str, expected: &[(&str, &str)]) {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replace(from, to);
        let Problems(found) = Scenario::parse(&text, Path::new(".")).expect_err(to);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((key, message), (key_expected, part)) in found.iter().zip(expected) {
            assert_eq!(key, key_expected, "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn reads_a_scenario() {
        let scenario = Scenario::parse(GOOD, Path::new(".")).expect("it is good");
        assert_eq!(scenario.duration(), Duration::from_millis(121_500));
        assert_eq!(scenario.events(), 1500);
        assert_eq!(scenario.pass.p99_max, Some(Duration::from_millis(250)));
        assert_eq!(scenario.pass.missing_max, 0);
    }

    #[test]
    fn refuses_by_key_path() {
        rejects("weight = 3", "wieght = 3", &[("event[1].wieght", "unknown field")]);
        rejects("\"2m\"", "\"2 parsecs\"", &[("step[1].duration", "is no duration")]);
        rejects("\"2m\"", "\"0s\"", &[("step[1].duration", "is zero")]);
        rejects("\ntopic = \"in\"", "\ntopic = 7", &[("target.topic", "invalid type")]);
        rejects("\ntopic = \"in\"", "", &[("target", "missing field `topic`")]);
        rejects("\"iot\"", "\"lot\"", &[("event[0]", "none of iot, click, order")]);
        rejects("count = 100", "count = 0", &[("keys.count", "is not 1 to")]);
        let untimed = [("pass", "needs target.result_topic")];
        rejects("result_topic = \"out\"", "", &untimed);
        let many = [("step[0].rate", "is above"), ("step", "sends more than")];
        rejects("rate = 1000", "rate = 9000000000000", &many);
    }

    #[test]
    fn the_scenarios_that_come_along_are_good() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/scenarios");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let file = entry.expect("it can be listed").path();
            if file.extension().is_some_and(|ending| ending == "toml") {
                let scenario = Scenario::read(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
                assert_eq!(Some(scenario.name.as_str()), file.file_stem().and_then(|s| s.to_str()));
                names.push(scenario.name);
            }
        }
        assert!(names.len() >= 4, "{names:?}");
    }
}
