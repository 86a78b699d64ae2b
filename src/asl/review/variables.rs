//! Variables that are read where some way from the start has assigned them nothing. A must-analysis
//! over the machine as written: what every way to a state has assigned.

use std::collections::{BTreeSet, HashMap};

use crate::asl::diagnostics::Diagnostics;
use crate::asl::outline::{Outline, State, Way, Why};
use crate::asl::review::texts::each_text;
use crate::asl::source::{Node, Place};
use crate::asl::{codes, names};
use crate::fault::Location;

type Names = BTreeSet<String>;

/// What `$states` is is the language's to say.
const RESERVED: &str = "states";

/// Sets of variables: those that are followed at once, so that memory grows with the definition
/// alone and not with its states times its variables.
type Set = u64;

/// Warns of reads before assignments.
pub(super) fn review(outline: &Outline<'_>, diagnostics: &Diagnostics) {
    let states = outline.all_states();
    let everywhere: Names = states.iter().flat_map(|state| assigned_by(state)).collect();
    let mut read = Read { everywhere: &everywhere, by_name: HashMap::new() };
    let machine = Machine::of(outline, &mut read);
    let mut variables: Vec<(String, usize)> = read.by_name.into_iter().collect();
    variables.sort_unstable();
    for together in variables.chunks(Set::BITS as usize) {
        let bits = together.iter().enumerate();
        let bits = bits.map(|(at, (name, id))| (*id, (1 << at, name.as_str()))).collect();
        Review { everywhere: &everywhere, bits, diagnostics }.machine(&machine, 0);
    }
}

/// The variables that are read, by number.
struct Read<'a> {
    /// What is assigned anywhere in the machine.
    everywhere: &'a Names,
    by_name: HashMap<String, usize>,
}

impl Read<'_> {
    fn number(&mut self, name: String) -> usize {
        let next = self.by_name.len();
        *self.by_name.entry(name).or_insert(next)
    }
}

/// What matters of a machine: who reads and assigns which variables, and what leads where.
struct Machine<'a> {
    start: Option<usize>,
    states: Vec<Facts<'a>>,
}

struct Facts<'a> {
    name: &'a str,
    reads: Vec<(usize, Location)>,
    /// Where it leads, and what the way there assigns.
    ways: Vec<(usize, Vec<usize>)>,
    blocks: Vec<Machine<'a>>,
    is_distributed: bool,
}

impl<'a> Machine<'a> {
    fn of(outline: &Outline<'a>, read: &mut Read<'_>) -> Machine<'a> {
        let start = outline.start.and_then(|name| outline.state(name));
        let states = outline.states.iter().map(|state| Facts::of(state, outline, read));
        Machine { start, states: states.collect() }
    }
}

impl<'a> Facts<'a> {
    fn of(state: &State<'a>, outline: &Outline<'a>, read: &mut Read<'_>) -> Facts<'a> {
        let mut reads_found = Vec::new();
        each_expression(state, &mut |place, text| {
            for name in reads(text, state.is_jsonata) {
                // In JSONata a name may also be the expression's own, or a function.
                let may_be_other = state.is_jsonata && !read.everywhere.contains(&name);
                if name != RESERVED && !may_be_other {
                    reads_found.push((read.number(name), place.location()));
                }
            }
        });
        let way = |way: &Way<'a>| {
            let names = assigned_on(state, way).into_iter();
            let assigned = names.map(|name| read.number(name)).collect();
            Some((outline.state(way.to)?, assigned))
        };
        Facts {
            name: state.name,
            reads: reads_found,
            ways: state.ways.iter().filter_map(way).collect(),
            blocks: state.blocks.iter().map(|block| Machine::of(block, read)).collect(),
            is_distributed: is_distributed(state),
        }
    }
}

struct Review<'a> {
    everywhere: &'a Names,
    /// The variables that are followed, by number.
    bits: HashMap<usize, (Set, &'a str)>,
    diagnostics: &'a Diagnostics,
}

impl Review<'_> {
    fn machine(&self, machine: &Machine<'_>, outer: Set) {
        for (state, known) in machine.states.iter().zip(self.flow(machine, outer)) {
            // A state that nothing reaches has been reported.
            let Some(known) = known else { continue };
            for (number, location) in &state.reads {
                if let Some((bit, name)) = self.bits.get(number)
                    && known & bit == 0
                {
                    self.warn(state.name, name, location);
                }
            }
            let outer = if state.is_distributed { 0 } else { known };
            state.blocks.iter().for_each(|block| self.machine(block, outer));
        }
    }

    /// What every way to each state has assigned; `None` for those that nothing reaches.
    fn flow(&self, machine: &Machine<'_>, outer: Set) -> Vec<Option<Set>> {
        let mut known = vec![None; machine.states.len()];
        let Some(start) = machine.start else { return known };
        known[start] = Some(outer);
        let mut waiting = vec![start];
        // Sets only shrink, so this ends.
        while let Some(at) = waiting.pop() {
            for (to, assigned) in &machine.states[at].ways {
                let after = known[at].unwrap_or_default() | self.set(assigned);
                let joined = known[*to].map_or(after, |before| before & after);
                if known[*to] != Some(joined) {
                    known[*to] = Some(joined);
                    waiting.push(*to);
                }
            }
        }
        known
    }

    fn set(&self, variables: &[usize]) -> Set {
        let bits = variables.iter().filter_map(|number| self.bits.get(number));
        bits.fold(0, |set, (bit, _)| set | bit)
    }

    fn warn(&self, state: &str, name: &str, location: &Location) {
        let why = match self.everywhere.contains(name) {
            true => "not every way to this state assigns it; assign it before, on each of them",
            false => "no state assigns it; add it to an \"Assign\" before",
        };
        let message = format!("State {state:?} reads the variable ${name}, and {why}.");
        self.diagnostics.warning(codes::UNASSIGNED_VARIABLE, message, location.clone());
    }
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
        let place = state.place.below(&member.name, &member.value);
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
    fn many_variables_take_memory_once() {
        // Every state knows all variables before it: a set of names for each would take gigabytes.
        const COUNT: usize = 6_000;
        let state = |at: usize| {
            format!(
                r#""S{at}": {{"Type": "Pass", "Assign": {{"v{at}": 1, "w{at}.$": "$v{}"}}, "Next": "S{}"}},"#,
                at / 2,
                at + 1
            )
        };
        let states: String = (0..COUNT).map(state).collect();
        let start = std::time::Instant::now();
        let found = finds("S0", &format!("{states}\"S{COUNT}\": {{\"Type\": \"Succeed\"}}"));
        // The first state reads what it assigns itself.
        assert_eq!(found, ["UNASSIGNED_VARIABLE /States/S0/Assign/w0.$"]);
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
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
