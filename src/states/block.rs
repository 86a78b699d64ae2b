//! `StartAt` and `States`: a machine's body, a branch's or an iteration's.

use std::collections::HashMap;

use super::{Language, Lowering, Step, StepId};
use crate::asl::fields::Fields;
use crate::asl::source::Place;
use crate::asl::{codes, names, suggest};

/// Characters that a state's name may have (Step Functions quotas).
pub const NAME_CHARS_MAX: usize = 80;

/// A row of the step table.
#[derive(Debug)]
pub struct Row {
    /// The state's name.
    pub name: String,
    /// What it does.
    pub step: Step,
}

/// The rows of the step table. A body's steps are numbered before any is read, so that a field may
/// name a state further down; bodies within it come behind.
#[derive(Debug, Default)]
pub struct Rows(Vec<Option<Row>>);

impl Rows {
    fn reserve(&mut self, count: usize) -> u32 {
        let first = self.0.len() as u32;
        self.0.resize_with(self.0.len() + count, || None);
        first
    }

    /// The whole table, if no row is missing.
    pub fn into_table(self) -> Option<Box<[Row]>> {
        self.0.into_iter().collect()
    }
}

/// A compiled body: where it starts.
#[derive(Debug)]
pub struct Block {
    /// The first step.
    pub start: StepId,
}

impl Block {
    /// Reads `StartAt` and `States`, whose rows go to the table; `None` where something in them was
    /// wrong.
    pub fn parse(fields: &mut Fields<'_>, lowering: &mut Lowering<'_>) -> Option<Block> {
        let start = fields.required_target(names::START_AT);
        fields.required(names::STATES);
        let states = fields.place(names::STATES)?;
        let Some(members) = states.node.as_object() else {
            fields.object(names::STATES);
            return None;
        };
        if members.is_empty() {
            fields.invalid(names::STATES, codes::INVALID_VALUE, "must hold at least one state.");
        }
        let first = lowering.rows.reserve(members.len());
        let ids = (first..).map(StepId);
        let targets: HashMap<_, _> =
            members.iter().zip(ids.clone()).map(|(member, id)| (member.name.clone(), id)).collect();
        let around = std::mem::replace(&mut lowering.targets, targets);
        let start = start.and_then(|target| lowering.step(&target));
        let mut is_whole = true;
        for (member, id) in members.iter().zip(ids) {
            let place = states.below(&member.name, &member.value);
            check_name(&member.name, &place, lowering);
            let step = parse_state(&member.name, &place, lowering);
            is_whole &= step.is_some();
            let row = step.map(|step| Row { name: member.name.clone(), step });
            lowering.rows.0[id.0 as usize] = row;
        }
        lowering.targets = around;
        let block = Block { start: start? };
        is_whole.then_some(block)
    }
}

fn check_name(name: &str, place: &Place<'_>, lowering: &mut Lowering<'_>) {
    if name.chars().count() > NAME_CHARS_MAX {
        let message =
            format!("State name {name:?} is longer than {NAME_CHARS_MAX} characters; shorten it.");
        lowering.diagnostics.error(codes::INVALID_STATE_NAME, message, place.location());
    }
    if !lowering.names.insert(name.to_owned()) {
        let message = format!("State name {name:?} stands twice in the machine; rename one.");
        lowering.diagnostics.error(codes::DUPLICATE_STATE_NAME, message, place.location());
    }
}

fn parse_state(name: &str, place: &Place<'_>, lowering: &mut Lowering<'_>) -> Option<Step> {
    let owner = format!("State {name:?}");
    let mut fields = Fields::new(place, owner, lowering.diagnostics)?;
    fields.comment();
    let kind = fields.required_string(names::TYPE);
    let language = fields.one_of(names::QUERY_LANGUAGE, &["JSONPath", "JSONata"]);
    let language = match language {
        Some("JSONata") => Language::Jsonata,
        Some(_) => Language::JsonPath,
        None => lowering.default_language,
    };
    if (lowering.default_language, language) == (Language::Jsonata, Language::JsonPath) {
        let why = "can't be JSONPath: the machine is in JSONata, and so must its states be.";
        fields.invalid(names::QUERY_LANGUAGE, codes::FIELD_NOT_ALLOWED, why);
    }
    let Some(kind) = kind else {
        fields.abandon();
        return None;
    };
    if !Step::TYPES.contains(&kind) {
        let near = suggest::sentence(kind, Step::TYPES.iter().copied());
        let complaint = format!("is no state type.{near}");
        fields.invalid(names::TYPE, codes::UNKNOWN_STATE_TYPE, complaint);
    }
    if !Step::TYPES.contains(&kind) {
        fields.abandon();
        return None;
    }
    let around = std::mem::replace(&mut lowering.language, language);
    if language == Language::JsonPath {
        lowering.refuse(&mut fields, names::ARGUMENTS);
        lowering.refuse(&mut fields, names::OUTPUT);
    }
    let step = Step::parse(kind, &mut fields, lowering);
    lowering.language = around;
    fields.refuse_rest(|name| misplaced(name, kind));
    fields.finish();
    step
}

const TASK: &[&str] = &["Task"];
const MAP: &[&str] = &["Map"];
const WAIT: &[&str] = &["Wait"];
const FAIL: &[&str] = &["Fail"];
/// States that have a result of what they run or call.
const RUNNING: &[&str] = &["Task", "Parallel", "Map"];
/// States that lead to one other.
const LEADING: &[&str] = &["Pass", "Task", "Wait", "Parallel", "Map"];
const SHAPING: &[&str] = &["Pass", "Task", "Choice", "Wait", "Succeed", "Parallel", "Map"];

/// The types that have a field, for those that have not.
const FIELDS_OF: &[(&str, &[&str])] = &[
    (names::NEXT, LEADING),
    (names::END, LEADING),
    (names::INPUT_PATH, SHAPING),
    (names::OUTPUT_PATH, SHAPING),
    (names::OUTPUT, SHAPING),
    (names::ASSIGN, &["Pass", "Task", "Choice", "Wait", "Parallel", "Map"]),
    (names::RESULT, &["Pass"]),
    (names::PARAMETERS, &["Pass", "Task", "Parallel", "Map"]),
    (names::ARGUMENTS, &["Task", "Parallel"]),
    (names::RESULT_PATH, &["Pass", "Task", "Parallel", "Map"]),
    (names::RESULT_SELECTOR, RUNNING),
    (names::RETRY, RUNNING),
    (names::CATCH, RUNNING),
    (names::RESOURCE, TASK),
    (names::CREDENTIALS, TASK),
    (names::TIMEOUT_SECONDS, TASK),
    (names::TIMEOUT_SECONDS_PATH, TASK),
    (names::HEARTBEAT_SECONDS, TASK),
    (names::HEARTBEAT_SECONDS_PATH, TASK),
    (names::CHOICES, &["Choice"]),
    (names::DEFAULT, &["Choice"]),
    (names::SECONDS, WAIT),
    (names::SECONDS_PATH, WAIT),
    (names::TIMESTAMP, WAIT),
    (names::TIMESTAMP_PATH, WAIT),
    (names::ERROR, FAIL),
    (names::ERROR_PATH, FAIL),
    (names::CAUSE, FAIL),
    (names::CAUSE_PATH, FAIL),
    (names::BRANCHES, &["Parallel"]),
    (names::ITERATOR, MAP),
    (names::ITEM_PROCESSOR, MAP),
    (names::ITEMS, MAP),
    (names::ITEMS_PATH, MAP),
    (names::ITEM_SELECTOR, MAP),
    (names::ITEM_READER, MAP),
    (names::ITEM_BATCHER, MAP),
    (names::RESULT_WRITER, MAP),
    (names::MAX_CONCURRENCY, MAP),
    (names::MAX_CONCURRENCY_PATH, MAP),
    (names::TOLERATED_FAILURE_COUNT, MAP),
    (names::TOLERATED_FAILURE_COUNT_PATH, MAP),
    (names::TOLERATED_FAILURE_PERCENTAGE, MAP),
    (names::TOLERATED_FAILURE_PERCENTAGE_PATH, MAP),
    (names::LABEL, MAP),
];

/// Why a field of the language has no place in a state of type `kind`.
fn misplaced(name: &str, kind: &str) -> Option<String> {
    let (_, types) = FIELDS_OF.iter().find(|(known, _)| *known == name)?;
    Some(match (name, kind) {
        _ if types.contains(&kind) => return None,
        (names::NEXT | names::END, "Choice") => {
            "has no place in a Choice state, whose rules and \"Default\" say where it leads.".into()
        }
        (names::NEXT | names::END, "Succeed" | "Fail") => {
            format!("has no place in a {kind} state, which ends the machine.")
        }
        _ => format!("has no place in a {kind} state; it belongs to {} states.", types.join(", ")),
    })
}
