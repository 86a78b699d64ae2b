//! What happens in an execution, told as it happens: for people, or a JSON object a line for tools.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;

use clap::ValueEnum;
use serde_json::Value as Json;

use super::super::complain;
use super::super::demo::paint::Paint;
use super::driver::Clock;
use crate::fault::StateError;
use crate::machine::{Observer, Outcome};
use crate::program::Program;
use crate::step::{Exit, Stage, Stages, StepId};
use crate::value::{Scratch, Value};

/// Whom a trace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Lines, coloured on a terminal
    Human,
    /// One JSON object a line
    Json,
}

/// Characters of a value that people are shown.
const SHOWN_CHARS_MAX: usize = 600;

/// Tells on standard error, if anybody wants it.
pub(super) struct Trace<'a> {
    program: &'a Program,
    clock: Clock,
    started_ms: i64,
    form: Option<Form>,
    paint: Paint,
    /// Whose turn it is: 0, or a branch or iteration.
    thread: u32,
    /// The state that it is in.
    step: StepId,
    /// Whose turn was told of last.
    told: Cell<u32>,
    /// What the last stage made.
    made: RefCell<String>,
    /// The states of all.
    steps: BTreeMap<u32, StepId>,
}

/// A part of what is told: its name, and JSON.
type Field<'f> = (&'f str, String);

impl<'a> Trace<'a> {
    pub(super) fn new(program: &'a Program, clock: Clock, form: Option<Form>) -> Trace<'a> {
        let (started_ms, paint) = (clock.now_ms(), Paint::on(&std::io::stderr()));
        let steps = BTreeMap::new();
        Trace {
            program,
            clock,
            started_ms,
            form,
            paint,
            thread: 0,
            step: program.start,
            told: Cell::new(0),
            made: RefCell::default(),
            steps,
        }
    }

    /// A task is called.
    pub(super) fn calls(&self, arn: &str, attempt: u32, arguments: &[u8]) {
        if self.form.is_some() {
            let arguments = String::from_utf8_lossy(arguments).into_owned();
            let fields = [
                ("resource", quoted(arn)),
                ("attempt", attempt.to_string()),
                ("arguments", arguments),
            ];
            self.tell("call", &fields);
        }
    }

    /// A task that this thread called has answered.
    pub(super) fn answers(&mut self, thread: u32, answer: &Result<Vec<u8>, StateError>) {
        self.step = self.steps.get(&thread).copied().unwrap_or(self.step);
        self.thread = thread;
        match answer {
            _ if self.form.is_none() => {}
            Ok(text) => {
                self.tell("answer", &[("result", String::from_utf8_lossy(text).into_owned())]);
            }
            Err(error) => self.tell("answer", &parts(error)),
        }
    }

    /// Nothing happens until then.
    pub(super) fn waits(&self, until_ms: i64) {
        if self.form.is_some() {
            let seconds = (until_ms - self.clock.now_ms()).max(0) as f64 / 1000.0;
            self.tell("wait", &[("seconds", format!("{seconds:.3}"))]);
        }
    }

    /// The execution has ended.
    pub(super) fn ends(&self, outcome: &Outcome, scratch: &Scratch) {
        if self.form.is_some() {
            match outcome {
                Outcome::Succeeded(output) => {
                    self.tell("succeeded", &[("output", text(*output, scratch))]);
                }
                Outcome::Failed(error) => self.tell("failed", &parts(error)),
                Outcome::TimedOut => self.tell("timed out", &[]),
            }
        }
    }

    fn tell(&self, what: &str, fields: &[Field<'_>]) {
        let since_ms = self.clock.now_ms() - self.started_ms;
        let state = self.program.state_name(self.step);
        complain(&match self.form {
            Some(Form::Json) => json_line(since_ms, self.thread, what, state, fields),
            _ => self.lines(since_ms, what, state, fields),
        });
    }

    /// The event and when it was, and a line for each value. What the next line says again is left
    /// out.
    fn lines(&self, since_ms: i64, what: &str, state: &str, fields: &[Field<'_>]) -> String {
        let paint = self.paint;
        let thread = if self.thread > 0 { format!(" #{}", self.thread) } else { String::new() };
        let time = paint.dim(&format!("{since_ms:>6} ms{thread}"));
        let is_other = self.told.replace(self.thread) != self.thread;
        if let ("stage", [(_, name), (_, value)]) = (what, fields) {
            self.made.replace(value.clone());
            let value = self.value(&unquoted(name), value);
            let heading = format!("{time}  {}\n", paint.bold(&format!("in        {state}")));
            return if is_other { heading + &value } else { value };
        }
        let is_last = fields.first().is_some_and(|(name, text)| *name == "next" && text == "null");
        let (word, of) = match what {
            "leave" if is_last => ("end", ""),
            "leave" => ("next", ""),
            "enter" => (what, state),
            _ => (what, ""),
        };
        let word = format!("{word:<9}");
        // An answer that is an error is told again as the state's.
        let is_error = what == "answer" && fields.iter().any(|(name, _)| *name == "error");
        let painted = match what {
            "enter" => paint.bold(&format!("{word} {of}")),
            "answer" if is_error => paint.bad(&word),
            "error" | "failed" | "timed out" => paint.bad(&word),
            "answer" | "succeeded" => paint.good(&word),
            _ => paint.lively(&word),
        };
        let mut text = format!("{time}  {painted}");
        let mut values = String::new();
        for (name, value) in fields {
            match *name {
                "next" if is_last => {}
                "type" | "next" | "resource" => text += &format!(" {}", unquoted(value)),
                "seconds" => text += &format!(" {value} s"),
                "error" if is_error => text += &format!(" {}", unquoted(value)),
                "cause" if is_error => {}
                "attempt" if value == "0" => {}
                "arguments" if *value == *self.made.borrow() => {}
                "output" if !is_last => {}
                _ => values += &format!("\n{}", self.value(name, value)),
            }
        }
        text + &values
    }

    fn value(&self, name: &str, value: &str) -> String {
        let name = self.paint.dim(&format!("{name:<14}"));
        format!("{:13}{name} {}", "", shortened(&unquoted(value)))
    }
}

/// A string's text, and anything else as JSON.
fn unquoted(json: &str) -> String {
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}

/// `{"ms": 3, "thread": 0, "event": "enter", "state": "Charge", "input": {}}`
fn json_line(since_ms: i64, thread: u32, what: &str, state: &str, fields: &[Field<'_>]) -> String {
    let mut line = format!(
        "{{\"ms\":{since_ms},\"thread\":{thread},\"event\":{},\"state\":{}",
        quoted(what),
        quoted(state)
    );
    for (name, value) in fields {
        line += &format!(",{}:{value}", quoted(name));
    }
    line + "}"
}

fn quoted(text: impl Display) -> String {
    Json::String(text.to_string()).to_string()
}

fn text(value: Value, scratch: &Scratch) -> String {
    let mut text = Vec::new();
    scratch.write(value, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

fn parts(error: &StateError) -> [Field<'static>; 2] {
    let part = |text: Option<&str>| text.map_or("null".to_owned(), quoted);
    [("error", part(error.name())), ("cause", part(error.cause()))]
}

impl Observer for Trace<'_> {
    fn entered(&mut self, step: StepId) {
        self.step = step;
        self.steps.insert(self.thread, step);
    }

    fn turned(&mut self, thread: u32, step: StepId) {
        (self.thread, self.step) = (thread, step);
    }

    fn given(&mut self, step: StepId, input: Value, scratch: &Scratch) {
        if self.form.is_some() {
            let kind = quoted(self.program.step(step).kind());
            self.tell("enter", &[("type", kind), ("input", text(input, scratch))]);
        }
    }

    fn stages(&mut self) -> Option<&mut dyn Stages> {
        self.form.is_some().then_some(self)
    }

    fn left(&mut self, step: StepId, exit: Exit, output: Value, scratch: &Scratch) {
        self.step = step;
        if self.form.is_some() {
            let next = match exit {
                Exit::Next(next) => quoted(self.program.state_name(next)),
                Exit::End => "null".to_owned(),
            };
            self.tell("leave", &[("next", next), ("output", text(output, scratch))]);
        }
    }

    fn failed(&mut self, step: StepId, error: &StateError) {
        self.step = step;
        if self.form.is_some() {
            self.tell("error", &parts(error));
        }
    }

    fn retried(&mut self, step: StepId) {
        self.step = step;
        if self.form.is_some() {
            self.tell("retry", &[]);
        }
    }

    fn caught(&mut self, step: StepId) {
        self.step = step;
        if self.form.is_some() {
            self.tell("catch", &[]);
        }
    }
}

impl Stages for Trace<'_> {
    fn made(&mut self, stage: Stage, value: Value, scratch: &Scratch) {
        self.tell("stage", &[("stage", quoted(stage.as_str())), ("value", text(value, scratch))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_get_json() {
        let fields = [("input", "{\"a\":1}".to_owned()), ("resource", quoted("a\"b"))];
        let line = json_line(3, 0, "enter", "A\n", &fields);
        let read: Json = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["input"]["a"], 1);
        assert_eq!((&read["state"], &read["resource"]), (&"A\n".into(), &"a\"b".into()));
        assert!(!line.contains('\n'));
    }

    #[test]
    fn long_values_are_cut_for_people() {
        let long = "é".repeat(SHOWN_CHARS_MAX + 1);
        assert!(shortened(&long).ends_with("… (1202 bytes)"));
        assert_eq!(shortened("é"), "é");
    }
}
