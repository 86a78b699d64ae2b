//! A state machine as it is written: its states, where each may lead, and the machines within them.
//! Read without judging, so that what does not compile can be drawn and looked at too.

use std::collections::{HashMap, HashSet};

use crate::asl::names;
use crate::asl::source::{Member, Node, NodeKind, Place};

/// A machine, a branch of a Parallel, or what a Map runs for each item.
#[derive(Debug)]
pub struct Outline<'a> {
    /// Where it stands.
    pub place: Place<'a>,
    /// `StartAt`
    pub start: Option<&'a str>,
    /// Its states, in the order of the text.
    pub states: Vec<State<'a>>,
    by_name: HashMap<&'a str, usize>,
}

/// A state as written.
#[derive(Debug)]
pub struct State<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it stands.
    pub place: Place<'a>,
    /// `Type`; empty where it has none.
    pub kind: &'a str,
    /// Does it speak JSONata, by itself or as its machine does?
    pub is_jsonata: bool,
    /// Where it may lead.
    pub ways: Vec<Way<'a>>,
    /// Does the machine end with it? `"End": true`, Succeed, Fail.
    pub is_end: bool,
    /// How many retriers it has.
    pub retriers: usize,
    /// The machines within it: branches, or what each item runs through.
    pub blocks: Vec<Outline<'a>>,
}

/// A way from a state to another one.
#[derive(Debug)]
pub struct Way<'a> {
    /// What makes it taken.
    pub why: Why,
    /// The state it leads to, whether it exists or not.
    pub to: &'a str,
    /// Where that is said: the object that has the `Next`, or the state itself.
    pub place: Place<'a>,
}

/// What makes a way taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `Next`
    Next,
    /// A rule of `Choices`.
    Rule,
    /// `Default`
    Default,
    /// A catcher.
    Catch,
}

impl<'a> Outline<'a> {
    /// Reads the machine at `place`.
    pub fn of(place: &Place<'a>) -> Outline<'a> {
        Outline::within(place, false)
    }

    fn within(place: &Place<'a>, is_jsonata: bool) -> Outline<'a> {
        let is_jsonata = language(place.node).unwrap_or(is_jsonata);
        let states = place.member(names::STATES);
        let members = states.as_ref().and_then(|states| states.node.as_object());
        let state = |member: &'a Member| {
            let place = states.as_ref()?.below(&member.name, &member.value);
            Some(State::of(&member.name, place, is_jsonata))
        };
        let states: Vec<State<'a>> = members.unwrap_or_default().iter().filter_map(state).collect();
        let by_name = states.iter().enumerate().map(|(at, state)| (state.name, at)).collect();
        let start = text(place.node, names::START_AT);
        Outline { place: place.clone(), start, states, by_name }
    }

    /// Every state, those of the machines within too, each machine's own first.
    pub fn all_states(&self) -> Vec<&State<'a>> {
        let mut found: Vec<&State<'a>> = self.states.iter().collect();
        let blocks = self.states.iter().flat_map(|state| &state.blocks);
        found.extend(blocks.flat_map(|block| block.all_states()));
        found
    }

    /// The state of that name.
    pub fn state(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The states that can be reached from the start, by index.
    pub fn reached(&self) -> HashSet<usize> {
        let mut reached = HashSet::new();
        let mut waiting: Vec<usize> =
            self.start.and_then(|name| self.state(name)).into_iter().collect();
        while let Some(at) = waiting.pop() {
            if reached.insert(at) {
                let ways = self.states[at].ways.iter();
                waiting.extend(ways.filter_map(|way| self.state(way.to)));
            }
        }
        reached
    }
}

impl<'a> State<'a> {
    fn of(name: &'a str, place: Place<'a>, is_jsonata: bool) -> State<'a> {
        let is_jsonata = language(place.node).unwrap_or(is_jsonata);
        let kind = text(place.node, names::TYPE).unwrap_or_default();
        let is_true =
            |name| matches!(place.node.get(name).map(|n| &n.kind), Some(NodeKind::Bool(true)));
        State {
            name,
            kind,
            is_jsonata,
            ways: ways(&place),
            is_end: is_true(names::END) || matches!(kind, "Succeed" | "Fail"),
            retriers: elements(&place, names::RETRY).count(),
            blocks: blocks(&place, is_jsonata),
            place,
        }
    }
}

/// `QueryLanguage`, where it is written.
fn language(node: &Node) -> Option<bool> {
    text(node, names::QUERY_LANGUAGE).map(|language| language == "JSONata")
}

fn text<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.get(name).and_then(Node::as_str)
}

/// The elements of an array that may be there.
pub(super) fn elements<'a>(place: &Place<'a>, name: &str) -> impl Iterator<Item = Place<'a>> {
    let list = place.member(name);
    let count = list.as_ref().and_then(|list| list.node.as_array()).map_or(0, <[Node]>::len);
    (0..count).filter_map(move |index| list.as_ref()?.element(index))
}

fn ways<'a>(place: &Place<'a>) -> Vec<Way<'a>> {
    let way = |why, place: &Place<'a>, name| {
        text(place.node, name).map(|to| Way { why, to, place: place.clone() })
    };
    let mut ways = Vec::new();
    ways.extend(way(Why::Next, place, names::NEXT));
    ways.extend(
        elements(place, names::CHOICES).filter_map(|rule| way(Why::Rule, &rule, names::NEXT)),
    );
    ways.extend(way(Why::Default, place, names::DEFAULT));
    ways.extend(elements(place, names::CATCH).filter_map(|it| way(Why::Catch, &it, names::NEXT)));
    ways
}

fn blocks<'a>(place: &Place<'a>, is_jsonata: bool) -> Vec<Outline<'a>> {
    let processors = [names::ITEM_PROCESSOR, names::ITERATOR].into_iter();
    elements(place, names::BRANCHES)
        .chain(processors.filter_map(|name| place.member(name)))
        .map(|place| Outline::within(&place, is_jsonata))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asl::diagnostics::Diagnostics;
    use crate::asl::source::{Format, Limits, read};

    #[test]
    fn reads_what_there_is() {
        let text = r#"{"StartAt": "P", "QueryLanguage": "JSONata", "States": {
            "P": {"Type": "Parallel", "Retry": [{}], "Branches": [
                {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}, 7],
              "Catch": [{"Next": "C"}, {}], "Next": "C"},
            "C": {"Type": "Choice", "Choices": [{"Next": "P"}], "Default": "gone"},
            "X": {"Type": "Succeed", "QueryLanguage": "JSONPath"}, "Y": 1}}"#;
        let root = read(text.as_bytes(), Format::Json, Limits::default(), &Diagnostics::new());
        let root = root.expect("valid JSON");
        let outline = Outline::of(&Place::root(&root));
        let names: Vec<_> = outline.all_states().iter().map(|state| state.name).collect();
        assert_eq!(names, ["P", "C", "X", "Y", "A"]);
        let ways: Vec<_> = outline.states[1].ways.iter().map(|way| (way.why, way.to)).collect();
        assert_eq!(ways, [(Why::Rule, "P"), (Why::Default, "gone")]);
        let catch = &outline.states[0].ways[1];
        assert_eq!((catch.why, catch.place.pointer.as_str()), (Why::Catch, "/States/P/Catch/0"));
        assert_eq!(outline.states[0].retriers, 1);
        assert!(outline.states[0].blocks[0].states[0].is_jsonata && !outline.states[2].is_jsonata);
        assert!(outline.states[2].is_end && outline.states[0].blocks[0].states[0].is_end);
        assert_eq!(outline.reached(), HashSet::from([0, 1]));
    }
}
