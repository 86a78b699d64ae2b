//! What a picture of a machine shows, whatever draws it: boxes, arrows between them, and the machines
//! within boxes.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::text;
use crate::asl::names;
use crate::asl::outline::{Outline, State, Way, Why};
use crate::asl::resource::Resource;
use crate::asl::source::{Node, NodeKind};

/// A machine, a branch or an iteration.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) nodes: Vec<Box>,
    pub(super) edges: Vec<Edge>,
}

/// A state, or one of the marks at which a machine starts and ends.
#[derive(Debug)]
pub(super) struct Box {
    pub(super) shape: Shape,
    /// The state's name.
    pub(super) title: String,
    /// Its type, and what it calls.
    pub(super) caption: String,
    /// `Comment`
    pub(super) comment: Option<String>,
    pub(super) retriers: usize,
    /// Branches, or what each item runs through.
    pub(super) inner: Vec<Scene>,
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Start,
    End,
    Task,
    Choice,
    Wait,
    Pass,
    Succeed,
    Fail,
    Parallel,
    Map,
    /// A state of no type that there is, or one that is named and not there.
    Unknown,
}

/// An arrow.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: String,
    pub(super) is_catch: bool,
}

/// Characters of a label; the rest is cut off.
const LABEL_CHARS_MAX: usize = 34;
/// Bytes of all labels of one arrow, roughly.
const LABELS_BYTES_MAX: usize = 1_000;
/// Nesting of conditions that a label spells out.
const CONDITION_DEPTH_MAX: usize = 3;

impl Scene {
    /// The whole machine, with its start and its end.
    pub(super) fn of(outline: &Outline<'_>) -> Scene {
        let mut scene = Scene::inner(outline);
        let start = outline.start.and_then(|name| outline.state(name));
        let first = scene.nodes.len();
        scene.nodes.push(mark(Shape::Start));
        if let Some(start) = start {
            scene.edges.insert(0, Edge::plain(first, start));
        }
        let ends: Vec<_> =
            (0..outline.states.len()).filter(|at| outline.states[*at].is_end).collect();
        if !ends.is_empty() {
            scene.nodes.push(mark(Shape::End));
            scene.edges.extend(ends.into_iter().map(|at| Edge::plain(at, first + 1)));
        }
        scene
    }

    fn inner(outline: &Outline<'_>) -> Scene {
        let mut scene = Scene::default();
        scene.nodes.extend(outline.states.iter().map(Box::of));
        let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
        // Ways between the same two states are one arrow with all their labels.
        let mut known: HashMap<(usize, usize, bool), usize> = HashMap::new();
        for (from, state) in outline.states.iter().enumerate() {
            for way in &state.ways {
                let to = outline.state(way.to).unwrap_or_else(|| {
                    *missing.entry(way.to).or_insert_with(|| {
                        scene.nodes.push(absent(way.to));
                        scene.nodes.len() - 1
                    })
                });
                let edge = Edge { from, to, label: label(way), is_catch: way.why == Why::Catch };
                match known.entry((from, to, edge.is_catch)) {
                    Entry::Occupied(there) => scene.edges[*there.get()].also(&edge.label),
                    Entry::Vacant(new) => {
                        new.insert(scene.edges.len());
                        scene.edges.push(edge);
                    }
                }
            }
        }
        scene
    }
}

impl Edge {
    fn plain(from: usize, to: usize) -> Edge {
        Edge { from, to, label: String::new(), is_catch: false }
    }

    /// Adds a label to the one that it has, up to what is ever shown.
    fn also(&mut self, label: &str) {
        if self.label != label && self.label.len() < LABELS_BYTES_MAX {
            self.label += ", ";
            self.label += label;
        }
    }

    /// The label, cut to what a picture has room for.
    pub(super) fn short_label(&self) -> String {
        shortened(&self.label, LABEL_CHARS_MAX)
    }

    /// How wide that is.
    pub(super) fn label_width(&self) -> f64 {
        text::width(&self.short_label(), text::Line::Label)
    }
}

fn mark(shape: Shape) -> Box {
    let (title, caption) = (String::new(), String::new());
    Box { shape, title, caption, comment: None, retriers: 0, inner: Vec::new() }
}

fn absent(name: &str) -> Box {
    let title = name.to_owned();
    Box { title, caption: "no such state".to_owned(), ..mark(Shape::Unknown) }
}

impl Box {
    fn of(state: &State<'_>) -> Box {
        let shape = match state.kind {
            "Task" => Shape::Task,
            "Choice" => Shape::Choice,
            "Wait" => Shape::Wait,
            "Pass" => Shape::Pass,
            "Succeed" => Shape::Succeed,
            "Fail" => Shape::Fail,
            "Parallel" => Shape::Parallel,
            "Map" => Shape::Map,
            _ => Shape::Unknown,
        };
        let comment = state.place.node.get(names::COMMENT).and_then(Node::as_str);
        Box {
            shape,
            title: state.name.to_owned(),
            caption: caption(state),
            comment: comment.map(str::to_owned),
            retriers: state.retriers,
            inner: state.blocks.iter().map(Scene::inner).collect(),
        }
    }
}

/// `Task · sqs:sendMessage`, `Wait · 5 s`
fn caption(state: &State<'_>) -> String {
    let field = |name| state.place.node.get(name);
    let text = |name| field(name).and_then(Node::as_str);
    let detail = match state.kind {
        "Task" => text(names::RESOURCE).map(called),
        "Wait" => waited(state),
        "Fail" => text(names::ERROR).map(str::to_owned),
        "Map" => concurrency(state),
        _ => None,
    };
    let kind = if state.kind.is_empty() { "no Type" } else { state.kind };
    match detail {
        Some(detail) => format!("{kind} · {}", shortened(&detail, LABEL_CHARS_MAX)),
        None => kind.to_owned(),
    }
}

fn concurrency(state: &State<'_>) -> Option<String> {
    match &state.place.node.get(names::MAX_CONCURRENCY)?.kind {
        NodeKind::Number(number) if number != "0" => Some(format!("{number} at a time")),
        _ => None,
    }
}

fn waited(state: &State<'_>) -> Option<String> {
    let field = |name: &str| {
        let node = state.place.node.get(name)?;
        Some(node.as_str().map_or_else(|| node.shown(), condition_text))
    };
    let seconds = field(names::SECONDS).or_else(|| field(names::SECONDS_PATH));
    let until = || field(names::TIMESTAMP).or_else(|| field(names::TIMESTAMP_PATH));
    seconds.map(|it| format!("{it} s")).or_else(|| until().map(|it| format!("until {it}")))
}

/// `sqs:sendMessage.waitForTaskToken`, `lambda name`
fn called(resource: &str) -> String {
    match Resource::parse(resource) {
        Ok(Resource::Lambda { function, .. }) => format!("lambda {function}"),
        Ok(Resource::Activity { name, .. }) => format!("activity {name}"),
        Ok(Resource::Integration(_) | Resource::AwsSdk(_)) => {
            resource.splitn(6, ':').nth(5).unwrap_or(resource).to_owned()
        }
        Ok(Resource::Other(_)) | Err(_) => resource.to_owned(),
    }
}

fn label(way: &Way<'_>) -> String {
    match way.why {
        Why::Next => String::new(),
        Why::Default => "otherwise".to_owned(),
        Why::Rule => condition(way.place.node, 0),
        Why::Catch => {
            let errors = way.place.node.get(names::ERROR_EQUALS).and_then(Node::as_array);
            let errors = errors.unwrap_or_default().iter().filter_map(Node::as_str);
            errors.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A choice rule as people would say it: `$.total > 100 and not $.isPaid`.
fn condition(rule: &Node, depth: usize) -> String {
    if depth > CONDITION_DEPTH_MAX {
        return "…".to_owned();
    }
    if let Some(text) = rule.get(names::CONDITION).and_then(Node::as_str) {
        return condition_text(text);
    }
    let variable = rule.get(names::VARIABLE).and_then(Node::as_str).unwrap_or("?");
    for member in rule.as_object().unwrap_or_default() {
        let operand = &member.value;
        let all = |joint: &str| {
            let rules = operand.as_array().unwrap_or_default().iter();
            let rules: Vec<_> = rules.map(|rule| condition(rule, depth + 1)).collect();
            let text = rules.join(joint);
            if depth > 0 && rules.len() > 1 { format!("({text})") } else { text }
        };
        return match member.name.as_str() {
            "And" => all(" and "),
            "Or" => all(" or "),
            "Not" => format!("not {}", condition(operand, depth + 1)),
            names::VARIABLE | names::NEXT | names::COMMENT | names::ASSIGN | names::OUTPUT => {
                continue;
            }
            name => comparison(variable, name, operand),
        };
    }
    String::new()
}

/// The expression between `{%` and `%}`, or the text.
fn condition_text(text: &str) -> String {
    let inner = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}"));
    inner.unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn comparison(variable: &str, name: &str, operand: &Node) -> String {
    let shown = operand.as_str().filter(|_| name.ends_with("Path")).map(str::to_owned);
    let shown = shown.unwrap_or_else(|| operand.shown());
    let is_true = matches!(operand.kind, NodeKind::Bool(true));
    if let Some(what) = name.strip_prefix("Is") {
        let not = if is_true { "" } else { "not " };
        return format!("{variable} is {not}{}", what.to_lowercase());
    }
    let name = name.strip_suffix("Path").unwrap_or(name);
    let sign = match name.trim_start_matches(|c: char| c != 'E' && c != 'L' && c != 'G') {
        "Equals" => "=",
        "LessThan" => "<",
        "LessThanEquals" => "≤",
        "GreaterThan" => ">",
        "GreaterThanEquals" => "≥",
        _ if name == "StringMatches" => "like",
        _ => return format!("{variable} {name} {shown}"),
    };
    format!("{variable} {sign} {shown}")
}

/// The text, cut to so many characters.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::diagnostics::Diagnostics;
    use crate::asl::source::{Format, Limits, Place, read};

    fn parsed(text: &str) -> Node {
        let read = read(text.as_bytes(), Format::Json, Limits::default(), &Diagnostics::new());
        read.expect("valid JSON")
    }

    #[test]
    fn conditions_read_as_said() {
        let says = |rule: &str| condition(&parsed(rule), 0);
        assert_eq!(says(r#"{"Variable": "$.a", "StringEquals": "x", "Next": "B"}"#), "$.a = \"x\"");
        assert_eq!(says(r#"{"Variable": "$.a", "NumericLessThanEqualsPath": "$.b"}"#), "$.a ≤ $.b");
        assert_eq!(says(r#"{"Variable": "$.a", "IsPresent": false}"#), "$.a is not present");
        let nested = r#"{"And": [{"Not": {"Variable": "$.a", "IsNull": true}},
            {"Or": [{"Variable": "$.b", "BooleanEquals": true},
                    {"Variable": "$.c", "TimestampGreaterThan": "t"}]}]}"#;
        assert_eq!(says(nested), "not $.a is null and ($.b = true or $.c > \"t\")");
        assert_eq!(says(r#"{"Condition": "{% $x  > 1 %}"}"#), "$x > 1");
    }

    #[test]
    fn captions_say_what_is_called() {
        let text = r#"{"StartAt": "A", "States": {
            "A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Next": "B",
                  "Retry": [{}]},
            "B": {"Type": "Wait", "SecondsPath": "$.s", "Next": "gone"},
            "C": {"Type": "Fail", "Error": "E"}}}"#;
        let root = parsed(text);
        let scene = Scene::of(&Outline::of(&Place::root(&root)));
        let captions: Vec<_> = scene.nodes.iter().map(|node| node.caption.as_str()).collect();
        let expected =
            ["Task · sqs:sendMessage", "Wait · $.s s", "Fail · E", "no such state", "", ""];
        assert_eq!(captions, expected);
        let edges: Vec<_> = scene.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        assert_eq!(edges, [(4, 0), (0, 1), (1, 3), (2, 5)]);
    }
}
