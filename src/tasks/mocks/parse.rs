//! Reading a mock file: all that is wrong with it at once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use super::{Mocks, Response};
use crate::fault::StateError;
use crate::tasks::arguments::{Arguments, members, text};
use crate::value::{Kind, Scratch, Value};

impl Mocks {
    /// Reads a file's text; see [`Mocks::load`].
    pub fn parse(text: &[u8], machine: &str, case: Option<&str>) -> Result<Mocks, Vec<String>> {
        let mut memory = Arguments::new();
        let root = memory.parse(text).map_err(|why| vec![format!("The file is {why}.")])?;
        let mut reader = Reader { scratch: memory.scratch(), problems: Vec::new() };
        let mocks = reader.mocks(root, machine, case).unwrap_or_default();
        if reader.problems.is_empty() { Ok(mocks) } else { Err(reader.problems) }
    }
}

struct Reader<'a> {
    scratch: &'a Scratch,
    problems: Vec<String>,
}

/// `Return` or `Throw`
type Given = Result<Box<[u8]>, StateError>;

type Members<'a> = Vec<(Cow<'a, str>, Value)>;

impl<'a> Reader<'a> {
    fn mocks(&mut self, root: Value, machine: &str, case: Option<&str>) -> Option<Mocks> {
        let top = self.known(root, "The file", &["StateMachines", "MockedResponses"])?;
        let machines = self.required(&top, "The file", "StateMachines")?;
        let machines = self.object(machines, "StateMachines")?;
        let (name, machine) = self.choose(&machines, Some(machine), "StateMachines", "")?;
        let at = format!("StateMachines.{name}");
        let machine = self.known(machine, &at, &["TestCases"])?;
        let cases = self.required(&machine, &at, "TestCases")?;
        let cases = self.object(cases, &format!("{at}.TestCases"))?;
        if let Some(case) = case
            && !cases.iter().any(|(name, _)| name == case)
        {
            self.complain(format!("{at}.TestCases has no {case:?}; it has {}.", names(&cases)));
            return None;
        }
        let how = "; name one as FILE#Case";
        let (name, states) = self.choose(&cases, case, &format!("{at}.TestCases"), how)?;
        let states = self.object(states, &format!("{at}.TestCases.{name}"))?;
        let (by_name, lists) = match self.required(&top, "The file", "MockedResponses") {
            Some(responses) => self.lists(responses),
            None => Default::default(),
        };
        let mut chosen = HashMap::new();
        for (state, response) in states {
            let found = by_name.get(&text(self.scratch, response));
            match found {
                Some(list) => drop(chosen.insert(state.as_ref().into(), *list)),
                None => self.complain(format!(
                    "{at}.TestCases.{name}.{state} must name one of MockedResponses; {} is none.",
                    text(self.scratch, response)
                )),
            }
        }
        Some(Mocks { states: chosen, lists })
    }

    /// The entry of this name, or the only one.
    fn choose(
        &mut self,
        entries: &Members<'a>,
        wanted: Option<&str>,
        at: &str,
        how: &str,
    ) -> Option<(String, Value)> {
        let named = entries.iter().find(|(name, _)| Some(name.as_ref()) == wanted);
        match (named, entries.as_slice()) {
            (Some((name, value)), _) | (None, [(name, value)]) => Some((name.to_string(), *value)),
            (None, _) => {
                let wanted =
                    wanted.map(|name| format!(" and none is {name:?}")).unwrap_or_default();
                self.complain(format!("{at} has {}{wanted}{how}.", names(entries)));
                None
            }
        }
    }

    fn lists(&mut self, responses: Value) -> (HashMap<Cow<'a, str>, usize>, Vec<Vec<Response>>) {
        let mut by_name = HashMap::new();
        let mut lists = Vec::new();
        for (name, list) in self.object(responses, "MockedResponses").unwrap_or_default() {
            let at = format!("MockedResponses.{name}");
            let list = self.list(list, &at);
            by_name.insert(name, lists.len());
            lists.push(list);
        }
        (by_name, lists)
    }

    fn list(&mut self, list: Value, at: &str) -> Vec<Response> {
        let mut found: Vec<Response> = Vec::new();
        for (range, response) in self.object(list, at).unwrap_or_default() {
            let Some((first, last)) = attempts(&range) else {
                self.complain(format!("{at}: {range:?} is no attempt; write \"0\" or \"1-2\"."));
                continue;
            };
            if found.iter().any(|other| first <= other.last && other.first <= last) {
                self.complain(format!("{at}: {range:?} overlaps another range of attempts."));
            }
            let read = self.response(response, &format!("{at}.{range}"));
            found.extend(read.map(|(answer, latency)| Response { first, last, latency, answer }));
        }
        found
    }

    fn response(&mut self, response: Value, at: &str) -> Option<(Given, Duration)> {
        let fields = self.known(response, at, &["Return", "Throw", "Latency"])?;
        let latency = match find(&fields, "Latency") {
            Some(latency) => self.latency(latency, at)?,
            None => Duration::ZERO,
        };
        let answer = match (find(&fields, "Return"), find(&fields, "Throw")) {
            (Some(result), None) => {
                let mut json = Vec::new();
                self.scratch.write(result, &mut json);
                Ok(json.into_boxed_slice())
            }
            (None, Some(error)) => Err(self.throw(error, &format!("{at}.Throw"))?),
            _ => {
                self.complain(format!("{at} needs either Return or Throw."));
                return None;
            }
        };
        Some((answer, latency))
    }

    fn throw(&mut self, error: Value, at: &str) -> Option<StateError> {
        let fields = self.known(error, at, &["Error", "Cause"])?;
        if let Some((name, _)) = fields.iter().find(|(_, value)| value.kind() != Kind::String) {
            self.complain(format!("{at}.{name} must be a string."));
            return None;
        }
        let part = |name| find(&fields, name).map(|value| self.scratch.str(value).into_owned());
        let error = part("Error");
        if error.is_none() {
            self.complain(format!("{at} needs Error."));
        }
        Some(StateError::from_parts(error.map(Into::into), part("Cause")))
    }

    fn latency(&mut self, latency: Value, at: &str) -> Option<Duration> {
        let read = match latency.kind() {
            Kind::Number => self.scratch.i64(latency).and_then(|ms| u64::try_from(ms).ok()),
            Kind::String => milliseconds(&self.scratch.str(latency)),
            _ => None,
        };
        if read.is_none() {
            self.complain(format!(
                "{at}.Latency must be milliseconds or a duration: 20, \"20ms\", \"2s\" or \"1m\"."
            ));
        }
        read.map(Duration::from_millis)
    }

    fn object(&mut self, value: Value, at: &str) -> Option<Members<'a>> {
        if value.kind() != Kind::Object {
            self.complain(format!("{at} must be an object."));
            return None;
        }
        Some(members(self.scratch, value))
    }

    /// An object that may have these members only.
    fn known(&mut self, value: Value, at: &str, known: &[&str]) -> Option<Members<'a>> {
        let fields = self.object(value, at)?;
        for (name, _) in fields.iter().filter(|(name, _)| !known.contains(&name.as_ref())) {
            self.complain(format!("{at}: {name:?} is unknown; there are {}.", known.join(", ")));
        }
        Some(fields)
    }

    fn required(&mut self, fields: &Members<'a>, at: &str, name: &str) -> Option<Value> {
        let found = find(fields, name);
        if found.is_none() {
            self.complain(format!("{at} needs {name}."));
        }
        found
    }

    fn complain(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

fn find(fields: &Members<'_>, name: &str) -> Option<Value> {
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
}

fn names(entries: &Members<'_>) -> String {
    if entries.is_empty() {
        return "none".to_owned();
    }
    entries.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>().join(", ")
}

/// `"0"`, `"1-2"`
fn attempts(range: &str) -> Option<(u32, u32)> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// `"20ms"`, `"2s"`, `"1m"`
fn milliseconds(duration: &str) -> Option<u64> {
    let unit = duration.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = duration.split_at(unit);
    let scale = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}
