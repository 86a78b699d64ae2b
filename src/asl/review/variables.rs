//! Variables that are read where some way from the start has assigned them nothing. A must-analysis
//! over the machine as written: what every way to a state has assigned.

use std::collections::BTreeSet;

use crate::asl::diagnostics::Diagnostics;
use crate::asl::outline::{Outline, State, Way, Why};
use crate::asl::review::texts::each_text;
use crate::asl::source::{Node, Place};
use crate::asl::{codes, names};

type Names = BTreeSet<String>;

/// What `$states` is is the language's to say.
const RESERVED: &str = "states";

/// Warns of reads before assignments.
pub(super) fn review(outline: &Outline<'_>, diagnostics: &Diagnostics) {
    let states = outline.all_states();
    let everywhere: Names = states.iter().flat_map(|state| assigned_by(state)).collect();
    Review { everywhere, diagnostics }.machine(outline, &Names::new());
}

struct Review<'d> {
    /// What is assigned anywhere in the machine.
    everywhere: Names,
    diagnostics: &'d Diagnostics,
}

impl Review<'_> {
    fn machine(&self, outline: &Outline<'_>, outer: &Names) {
        for (state, known) in outline.states.iter().zip(flow(outline, outer)) {
            // A state that nothing reaches has been reported.
            let Some(known) = known else { continue };
            self.state(state, &known);
            let is_distributed = is_distributed(state);
            for block in &state.blocks {
                let outer = if is_distributed { &Names::new() } else { &known };
                self.machine(block, outer);
            }
        }
    }

    fn state(&self, state: &State<'_>, known: &Names) {
        each_expression(state, &mut |place, text| {
            let mut told = Names::new();
            for name in reads(text, state.is_jsonata) {
                let is_known = known.contains(&name) || name == RESERVED;
                // In JSONata a name may also be the expression's own, or a function.
                let may_be_other = state.is_jsonata && !self.everywhere.contains(&name);
                if !is_known && !may_be_other && told.insert(name.clone()) {
                    self.warn(state, &name, place);
                }
            }
        });
    }

    fn warn(&self, state: &State<'_>, name: &str, place: &Place<'_>) {
        let why = match self.everywhere.contains(name) {
            true => "not every way to this state assigns it; assign it before, on each of them",
            false => "no state assigns it; add it to an \"Assign\" before",
        };
        let message = format!("State {:?} reads the variable ${name}, and {why}.", state.name);
        self.diagnostics.warning(codes::UNASSIGNED_VARIABLE, message, place.location());
    }
}

/// What every way to each state has assigned; `None` for those that nothing reaches.
fn flow(outline: &Outline<'_>, outer: &Names) -> Vec<Option<Names>> {
    let mut known: Vec<Option<Names>> = outline.states.iter().map(|_| None).collect();
    let Some(start) = outline.start.and_then(|name| outline.state(name)) else { return known };
    known[start] = Some(outer.clone());
    let mut waiting = vec![start];
    // Sets only shrink, so this ends.
    while let Some(at) = waiting.pop() {
        let state = &outline.states[at];
        for way in &state.ways {
            let Some(to) = outline.state(way.to) else { continue };
            let mut after = known[at].clone().unwrap_or_default();
            after.extend(assigned_on(state, way));
            let joined = match &known[to] {
                None => after,
                Some(before) => before.intersection(&after).cloned().collect(),
            };
            if known[to].as_ref() != Some(&joined) {
                known[to] = Some(joined);
                waiting.push(to);
            }
        }
    }
    known
}

/// The variables that taking this way assigns.
fn assigned_on(state: &State<'_>, way: &Way<'_>) -> Names {
    let own = || assigned(state.place.node);
    match way.why {
        Why::Next | Why::Default => own(),
        // A rule's own; the state's is for the default.
        Why::Catch | Why::Rule => assigned(way.place.node),
    }
}

/// The names in an `Assign`.
fn assigned(node: &Node) -> Names {
    let members = node.get(names::ASSIGN).and_then(Node::as_object).unwrap_or_default();
    members.iter().map(|m| m.name.strip_suffix(".$").unwrap_or(&m.name).to_owned()).collect()
}

/// All that a state assigns on any way.
fn assigned_by(state: &State<'_>) -> Names {
    let ways = state.ways.iter().flat_map(|way| assigned_on(state, way));
    ways.chain(assigned(state.place.node)).collect()
}

fn is_distributed(state: &State<'_>) -> bool {
    let processor = state.place.node.get(names::ITEM_PROCESSOR);
    let mode = processor.and_then(|it| it.get(names::PROCESSOR_CONFIG)?.get(names::MODE)?.as_str());
    mode == Some("DISTRIBUTED")
}

/// Visits the texts of a state that hold expressions, but for those of the machines within it.
fn each_expression(state: &State<'_>, visit: &mut dyn FnMut(&Place<'_>, &str)) {
    let blocks = [names::BRANCHES, names::ITEM_PROCESSOR, names::ITERATOR, names::COMMENT];
    for member in state.place.node.as_object().unwrap_or_default() {
        let Some(place) = state.place.member(&member.name) else { continue };
        if blocks.contains(&member.name.as_str()) {
            continue;
        }
        let is_jsonata = state.is_jsonata;
        each_text(&place, &member.name, &mut |place, key, text| {
            let is_path = key.ends_with(".$") || key == names::VARIABLE;
            let is_path = is_path || (key.ends_with("Path") && key != names::RESULT_PATH);
            match is_jsonata {
                true if place.node.as_expression().is_some() => visit(place, text),
                false if is_path => visit(place, text),
                _ => {}
            }
        });
    }
}

/// The variables that an expression reads. Quoted texts are none; in JSONata neither are names that
/// the expression itself binds.
fn reads(text: &str, is_jsonata: bool) -> Names {
    let quotes: &[char] = if is_jsonata { &['\'', '"', '`'] } else { &['\'', '"'] };
    let (mut found, mut bound) = (Names::new(), Names::new());
    let mut rest = text;
    let mut parameters = false;
    while let Some(first) = rest.chars().next() {
        if quotes.contains(&first) {
            rest = after_quote(rest, first);
            continue;
        }
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if word > 0 {
            parameters |= &rest[..word] == "function";
            rest = &rest[word..];
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            '$' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                let is_bound = parameters || after.trim_start().starts_with(":=");
                let into = if is_jsonata && is_bound { &mut bound } else { &mut found };
                if name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                    into.insert(name.to_owned());
                }
                // `$$` is the context object, or the input.
                rest = after.strip_prefix('$').filter(|_| name.is_empty()).unwrap_or(after);
            }
            'λ' => parameters = true,
            ')' => parameters = false,
            _ => {}
        }
    }
    found.difference(&bound).cloned().collect()
}

/// The text behind a quoted one.
fn after_quote(text: &str, quote: char) -> &str {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            _ if c == quote => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;

    #[test]
    fn names_in_expressions() {
        let paths = |text| Vec::from_iter(reads(text, false)).join(" ");
        assert_eq!(paths("$.a.b"), "");
        assert_eq!(paths("$$.Execution.Id"), "");
        assert_eq!(paths("$order.id"), "order");
        assert_eq!(paths("States.Format('{} $no', $x_1, $.items[?(@.a == $y)]['$n'])"), "x_1 y");
        let jsonata = |text| Vec::from_iter(reads(text, true)).join(" ");
        assert_eq!(jsonata("{% $states.input.a & $b & \"$c\" & `$d` %}"), "b states");
        assert_eq!(
            jsonata("{% ($t := 1; $map($l, function($v, $i) { $v + $t + $o })) %}"),
            "l map o"
        );
    }

    #[test]
    fn every_way_must_assign() {
        let found = finds(
            "C",
            r#""C": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": true, "Next": "A"}],
                 "Default": "R"},
               "A": {"Type": "Pass", "Assign": {"v.$": "$.x"}, "Next": "R"},
               "R": {"Type": "Pass", "Parameters": {"a.$": "$v", "b.$": "$w"}, "End": true}"#,
        );
        let at = |name| format!("UNASSIGNED_VARIABLE /States/R/Parameters/{name}.$");
        assert_eq!(found, [at("a"), at("b")]);
    }

    #[test]
    fn what_is_assigned_before_is_known_within_too() {
        let found = finds(
            "A",
            r#""A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "T"},
               "T": {"Type": "Task", "Assign": {"t": 1}, "Next": "M",
                 "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"e": 1}, "Next": "M"}]},
               "M": {"Type": "Map", "ItemsPath": "$v.list", "End": true,
                 "ItemProcessor": {"StartAt": "I", "States": {
                   "I": {"Type": "Pass", "InputPath": "$v", "OutputPath": "$t", "End": true}}}}"#,
        );
        assert_eq!(found, ["UNASSIGNED_VARIABLE /States/M/ItemProcessor/States/I/OutputPath"]);
    }

    #[test]
    fn loops_end() {
        let found = finds(
            "A",
            r#""A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"},
               "B": {"Type": "Choice", "Default": "A", "Choices": [
                 {"Variable": "$v", "IsNull": true, "Next": "B"},
                 {"Variable": "$v", "IsString": true, "Next": "E"}]},
               "E": {"Type": "Succeed"}"#,
        );
        assert!(found.is_empty(), "{found:?}");
    }
}
