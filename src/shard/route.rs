//! Which definition a record runs: the pipeline's rules in their order, and canaries.
//!
//! Comes before: a record that is about to start. Comes after: its execution, or its end.

use std::fmt;
use std::sync::Arc;

use super::names::{Origin, headers_object, push_place, text_of};
use crate::expr::{Condition, EventPattern, Scope};
use crate::fault::{StateError, names};
use crate::intrinsics::Random;
use crate::jsonata::{Environment, Expression, Limits, Memory, Outcome};
use crate::machine::Identity;
use crate::value::{Scratch, Value, hash, hash_on};

/// The error name of a record that no route matches.
pub const NO_ROUTE: &str = "Record.NoRoute";
/// The error name of a record that a route sends to the dead letters.
pub const ROUTED: &str = "Record.Routed";

/// What the records that no route matches are counted as.
const UNMATCHED: &str = "unmatched";
/// What stands for all of a route's records, of those that may go to its canary.
const WHOLE: f64 = 18_446_744_073_709_551_616.0;

/// What runs what, of one pipeline.
#[derive(Debug)]
pub struct Routing {
    /// The rules, in their order.
    rules: Vec<Rule>,
    /// Where records go that none matches.
    otherwise: Destination,
    reads: Reads,
    /// What expressions of the rules refer to.
    constants: Scratch,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// Which records it takes.
    pub when: When,
    /// Where they go.
    pub destination: Destination,
}

/// Which records a rule takes.
#[derive(Debug)]
pub enum When {
    /// All.
    Always,
    /// Those that a Choice rule holds for.
    Choice(Condition),
    /// Those that an expression gives true for.
    Query(Box<Expression>),
    /// Those that an event pattern matches.
    Pattern(EventPattern),
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Destination {
    /// It runs the version of this number.
    Run(usize),
    /// It runs one of two versions.
    Split {
        /// The version that most of them run.
        stable: usize,
        /// The other.
        canary: usize,
        /// Whose share that is, in percent.
        weight: f64,
    },
    /// It is settled.
    Drop,
    /// It becomes a dead letter.
    DeadLetter,
    /// It is a failure.
    Fail,
}

/// Which parts of a record rules look at: the others are not made for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reads {
    value: bool,
    key: bool,
    headers: bool,
    /// Topic, partition, offset, timestamp.
    position: bool,
}

impl Routing {
    /// All records go there.
    pub fn to(destination: Destination) -> Routing {
        Routing::new(Vec::new(), &[], destination, Scratch::default())
    }

    /// Rules, what they are written as, where records go that none matches, and what expressions
    /// refer to.
    pub fn new(
        rules: Vec<Rule>,
        texts: &[&str],
        otherwise: Destination,
        constants: Scratch,
    ) -> Routing {
        let mut reads = Reads::default();
        for (rule, text) in rules.iter().zip(texts) {
            reads.note(&rule.when, text);
        }
        Routing { rules, otherwise, reads, constants }
    }

    /// Do rules look at the record's value?
    pub fn reads_value(&self) -> bool {
        self.reads.value
    }

    /// Are there any rules?
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Memory with what expressions refer to.
    pub fn scratch(&self) -> Scratch {
        self.constants.clone()
    }

    /// The names that records are counted by; none where there are no rules.
    pub fn names(&self) -> Vec<String> {
        let names = self.rules.iter().map(|rule| rule.name.to_string());
        let last = (!self.rules.is_empty()).then(|| UNMATCHED.to_owned());
        names.chain(last).collect()
    }

    /// The name of the route of this number.
    pub fn name(&self, route: usize) -> &str {
        self.rules.get(route).map_or(UNMATCHED, |rule| &rule.name)
    }

    /// Where the record goes, and the number of the route that says so. `value` is its value, where
    /// rules look at it.
    #[inline]
    pub fn choose(
        &self,
        origin: &Origin<'_>,
        value: Option<Value>,
        scratch: &mut Scratch,
        asking: Asking<'_>,
    ) -> Result<(usize, Destination), StateError> {
        if self.rules.is_empty() {
            return Ok((0, self.otherwise));
        }
        self.match_rules(origin, value, scratch, asking)
    }

    /// As a shard does it, for a single record: the name of its route, where that leads, and its
    /// value, where rules have looked at it.
    pub fn resolve(
        &self,
        origin: &Origin<'_>,
        scratch: &mut Scratch,
        now_ms: i64,
    ) -> Result<(&str, Destination, Option<Value>), StateError> {
        let value = match self.reads_value() {
            true => Some(super::input::value(origin, scratch)?),
            false => None,
        };
        let (limits, mut memory) = (origin.plan.limits.queries, Memory::default());
        let asking = Asking { now_ms, limits, memory: &mut memory };
        let (route, destination) = self.choose(origin, value, scratch, asking)?;
        Ok((self.name(route), destination, value))
    }

    fn match_rules(
        &self,
        origin: &Origin<'_>,
        value: Option<Value>,
        scratch: &mut Scratch,
        mut asking: Asking<'_>,
    ) -> Result<(usize, Destination), StateError> {
        let record = self.reads.record(origin, value, scratch).ok_or_else(|| {
            StateError::new(super::input::DECODE_FAILED, "The record is nested too deeply.")
        })?;
        for (route, rule) in self.rules.iter().enumerate() {
            if rule.holds(record, origin, scratch, &mut asking)? {
                return Ok((route, rule.destination));
            }
        }
        Ok((self.rules.len(), self.otherwise))
    }
}

/// What rules may ask for beside the record.
pub struct Asking<'a> {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// What an evaluation may take.
    pub limits: Limits,
    /// Its working memory.
    pub memory: &'a mut Memory,
}

impl Rule {
    fn holds(
        &self,
        record: Value,
        origin: &Origin<'_>,
        scratch: &mut Scratch,
        asking: &mut Asking<'_>,
    ) -> Result<bool, StateError> {
        match &self.when {
            When::Always => Ok(true),
            When::Pattern(pattern) => Ok(pattern.matches(scratch, record)),
            When::Choice(rule) => {
                let mut random = Random::new(origin.seed());
                let mut context = Value::NULL;
                Ok(rule.holds(&mut Scope {
                    scratch,
                    input: record,
                    context: &mut context,
                    random: &mut random,
                }))
            }
            When::Query(expression) => {
                let mut random = Random::new(origin.seed());
                let mut bits = || random.bits();
                let environment = Environment {
                    now: asking.now_ms,
                    random: &mut bits,
                    limits: asking.limits,
                    memory: asking.memory,
                };
                let mut states = |scratch: &mut Scratch, at: usize| {
                    let mark = (expression.name(at) == "states").then(|| scratch.mark())?;
                    scratch.push_member("input", record);
                    scratch.object(mark).ok()
                };
                let outcome = expression.evaluate(scratch, Some(record), &mut states, environment);
                self.verdict(outcome)
            }
        }
    }

    fn verdict<E: fmt::Display>(&self, outcome: Result<Outcome, E>) -> Result<bool, StateError> {
        let why = match outcome {
            Ok(Outcome::Value(value)) => match value.as_bool() {
                Some(holds) => return Ok(holds),
                None => format!("gave a {}, and must give true or false.", value.kind().name()),
            },
            Ok(Outcome::Undefined) => return Ok(false),
            Ok(Outcome::Function) => "gave a function, and must give true or false.".to_owned(),
            Err(e) => format!("failed: {e}"),
        };
        let cause = format!("The expression of route {:?} {why}", self.name);
        Err(StateError::new(names::QUERY_EVALUATION_ERROR, cause))
    }
}

impl Destination {
    /// The version that the record runs, if it runs one.
    #[inline]
    pub fn version(self, origin: &Origin<'_>) -> Option<usize> {
        match self {
            Destination::Run(version) => Some(version),
            Destination::Split { stable, canary, weight } => {
                let share = (weight / 100.0 * WHOLE) as u128;
                let lot = match (origin.record.key, origin.record.id) {
                    (Some(key), _) => hash(key.iter().copied()),
                    // A message has another number each time that it is received.
                    (None, Some(id)) => hash(id.bytes()),
                    (None, None) => place(origin.topic, origin.partition, origin.offset),
                };
                Some(if u128::from(mixed(lot)) < share { canary } else { stable })
            }
            Destination::Drop | Destination::DeadLetter | Destination::Fail => None,
        }
    }
}

/// A number that stands for where a record stood.
fn place(topic: &str, partition: i32, offset: i64) -> u64 {
    let position = (partition as u64) << 48 ^ offset as u64;
    hash_on(hash(topic.bytes()), position.to_le_bytes())
}

/// SplitMix64's last steps: what is hashed is short and alike, and that must not show.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

impl Reads {
    /// What a rule may look at, judged by the words in it.
    fn note(&mut self, when: &When, text: &str) {
        let reads_all = match when {
            When::Always => return,
            When::Choice(_) => ["..", "*", "\\", "\"$\""].iter().any(|it| text.contains(it)),
            When::Query(_) => text.contains(['*', '%', '$', '\\']),
            When::Pattern(_) => text.contains('\\'),
        };
        let says = |names: &[&str]| reads_all || names.iter().any(|name| text.contains(name));
        self.value |= says(&["value"]);
        self.key |= says(&["key"]);
        self.headers |= says(&["headers"]);
        self.position |= says(&["topic", "partition", "offset", "timestamp"]);
    }

    /// The record as rules see it: `{topic, partition, offset, timestamp, key, headers, value}`.
    fn record(
        &self,
        origin: &Origin<'_>,
        value: Option<Value>,
        scratch: &mut Scratch,
    ) -> Option<Value> {
        let record = origin.record;
        let headers = match self.headers {
            true => Some(headers_object(record.headers, scratch)?),
            false => None,
        };
        let mark = scratch.mark();
        if self.position {
            push_place(origin, scratch);
        }
        if self.key
            && let Some(key) = record.key
        {
            let key = text_of(key, scratch);
            scratch.push_member("key", key);
        }
        for (name, part) in [("headers", headers), ("value", value)] {
            if let Some(part) = part {
                scratch.push_member(name, part);
            }
        }
        scratch.object(mark).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_that_share_of_keys_and_of_places() {
        let share = |percent: f64, lot: &dyn Fn(i64) -> u64| {
            let below = (percent / 100.0 * WHOLE) as u128;
            (0..100_000).filter(|at| u128::from(mixed(lot(*at))) < below).count()
        };
        let key = |at: i64| hash(format!("customer-{at}").bytes());
        let stood = |at: i64| place("orders", (at % 12) as i32, at / 12);
        for lot in [&key as &dyn Fn(i64) -> u64, &stood] {
            assert_eq!((share(0.0, lot), share(100.0, lot)), (0, 100_000));
            for percent in [0.5, 5.0, 50.0] {
                let (found, wanted) = (share(percent, lot) as f64, percent * 1000.0);
                assert!((found - wanted).abs() < 4.0 * wanted.sqrt(), "{found} of {wanted}");
            }
        }
    }

    #[test]
    fn what_a_rule_may_look_at_is_found_by_its_words() {
        let reads = |when: &When, text: &str| {
            let mut reads = Reads::default();
            reads.note(when, text);
            [reads.value, reads.key, reads.headers, reads.position]
        };
        let mut memory = Scratch::default();
        let choice = |text: &str| Condition::parse(text, &mut Scratch::default());
        let text = r#"{"Variable": "$.value.kind", "IsPresent": true}"#;
        let rule = When::Choice(choice(text).expect("it is a rule"));
        assert_eq!(reads(&rule, text), [true, false, false, false]);
        assert_eq!(reads(&rule, r#"{"Variable": "$..id", "IsNull": true}"#), [true; 4]);
        assert_eq!(reads(&rule, r#"{"Variable": "$", "IsNull": true}"#), [true; 4]);
        let query = Expression::parse("topic = 'a'", Default::default(), &mut memory);
        let query = When::Query(Box::new(query.expect("it is an expression")));
        assert_eq!(reads(&query, "topic = 'a'"), [false, false, false, true]);
        assert_eq!(reads(&query, "$exists(headers.x)"), [true; 4]);
        assert_eq!(reads(&When::Always, "value"), [false; 4]);
    }
}
