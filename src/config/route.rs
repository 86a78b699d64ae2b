//! `[[pipeline.route]]`: which records go where.

use std::path::PathBuf;

use super::section::{Check, Findings, Setting, Written, choice, quoted, section};
use super::tree::{Data, Node};

section! {
    /// A rule that says where records go; the first that matches counts. It has one condition
    /// (choice, jsonata or pattern; none matches everything), and says definition or action.
    Route {
        /// Its name in metrics and dead letters; "route" and its number where none is given.
        name: Option<String> = None, example r#""orders""#;
        /// A rule of a Choice state, in JSON or as a table.
        choice: Option<Json> = None,
            example r#"'{"Variable": "$.value.kind", "StringEquals": "order"}'"#;
        /// An expression in JSONata that gives true or false.
        jsonata: Option<String> = None, example r#""value.total > 100""#;
        /// An event pattern, as EventBridge has them, in JSON or as a table.
        pattern: Option<Json> = None, example r#"'{"value": {"kind": [{"prefix": "order"}]}}'"#;
        /// What its records run.
        definition: Option<PathBuf> = None, example r#""orders.asl.json""#;
        /// Another version of that definition for a share of them.
        canary: Option<Canary> = None, example r#"{ definition = "next.asl.json", weight = 5 }"#;
        /// Or what becomes of them instead: "drop" or "dead_letter".
        action: Option<RouteAction> = None, example r#""drop""#;
    }
}

/// A [`Route`]'s condition by its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition<'a> {
    /// Everything.
    Always,
    /// A rule of a Choice state, as JSON.
    Choice(&'a str),
    /// An expression in JSONata.
    Jsonata(&'a str),
    /// An event pattern, as JSON.
    Pattern(&'a str),
}

impl Route {
    /// Its condition, and the key it is written behind; the checks have seen to it that it is one.
    pub fn condition(&self) -> (Condition<'_>, &'static str) {
        match (&self.choice, &self.jsonata, &self.pattern) {
            (Some(Json(rule)), _, _) => (Condition::Choice(rule), "choice"),
            (_, Some(text), _) => (Condition::Jsonata(text), "jsonata"),
            (_, _, Some(Json(pattern))) => (Condition::Pattern(pattern), "pattern"),
            (None, None, None) => (Condition::Always, "name"),
        }
    }

    /// Its name, being the one at `index`.
    pub fn label(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("route {}", index + 1))
    }
}

impl Check for Route {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        let conditions = [self.choice.is_some(), self.jsonata.is_some(), self.pattern.is_some()];
        if conditions.iter().filter(|given| **given).count() > 1 {
            let message = "A route has one condition: choice, jsonata or pattern. Write two routes, \
                           or join the conditions within one.";
            findings.error("ROUTE", &node.key, message);
        }
        if self.definition.is_some() == self.action.is_some() {
            let message = "A route says where its records go: either definition = \"...\", or action \
                           = \"drop\" or \"dead_letter\".";
            findings.error("ROUTE", &node.key, message);
        }
        if self.canary.is_some() && self.definition.is_none() {
            findings.refuse(node, "canary", "canary needs a definition beside it.");
        }
    }
}

choice! {
    /// What becomes of a route's records that run nothing.
    RouteAction {
        /// They are counted and settled.
        Drop = "drop",
        /// They go where failed records go.
        DeadLetter = "dead_letter",
    }
}

choice! {
    /// What becomes of a record that no route matches.
    Unmatched {
        /// It is a failure, with the error Record.NoRoute.
        Fail = "fail",
        /// It is counted and settled.
        Drop = "drop",
        /// It goes where failed records go.
        DeadLetter = "dead_letter",
    }
}

section! {
    /// Another version of a definition, for a share of its records.
    Canary {
        /// The other version.
        definition: PathBuf;
        /// Its share in percent, from 0 to 100. Which records those are follows from their keys (or,
        /// without one, from where they stand), so that it is the same ones on redelivery.
        weight: f64;
    }
}

impl Check for Canary {
    fn check(&self, node: &Node, findings: &mut Findings<'_>) {
        if !(0.0..=100.0).contains(&self.weight) {
            findings.refuse(node, "weight", "canary.weight is a percentage from 0 to 100.");
        }
    }
}

/// JSON, written as text or as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(pub String);

impl Setting for Json {
    fn read(node: &Node, findings: &mut Findings<'_>) -> Option<Json> {
        if let Some(text) = node.text() {
            // What is wrong with the JSON is told by whoever reads it, with its place there.
            return Some(Json(text.to_owned()));
        }
        match node.table() {
            Some(_) => Some(Json(json_of(node).to_string())),
            None => findings.expected_kind(node, "JSON, as a string or as a table"),
        }
    }

    fn write(&self) -> Written {
        Written::Value(quoted(&self.0))
    }
}

fn json_of(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.data {
        Data::Text(text) | Data::Date(text) | Data::Environment { text, .. } => {
            text.as_str().into()
        }
        Data::Integer(integer) => (*integer).into(),
        Data::Float(float) => (*float).into(),
        Data::Boolean(boolean) => (*boolean).into(),
        Data::List(list) => Value::Array(list.iter().map(json_of).collect()),
        Data::Table(table) => {
            Value::Object(table.iter().map(|(key, node)| (key.clone(), json_of(node))).collect())
        }
    }
}
