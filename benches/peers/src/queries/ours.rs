//! The crate's own evaluator and machine.

use std::hint::black_box;

use expressway::jsonata::{Environment, Expression, Limits, Memory, Options, Outcome};
use expressway::value::{self, Implementation, Scratch, Value};

use super::{ORDER, Ready};
use crate::Transform;
use crate::events::{Runner, program};

/// The machine: totals, a choice, shapes.
const MACHINE: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "Total", "States": {
    "Total": {"Type": "Pass", "Next": "Size", "Assign": {
        "total": "{% $sum($states.input.items.(price*qty)) %}",
        "country": "{% $states.input.customer.country %}"}},
    "Size": {"Type": "Choice", "Default": "Shape", "Choices": [
        {"Condition": "{% $total > 1000 and $country = 'PT' %}", "Next": "Done"}]},
    "Shape": {"Type": "Pass", "Next": "Label", "Output": {
        "id": "{% $states.input.id %}", "total": "{% $total %}", "class": "small",
        "skus": "{% $states.input.items[price>10].sku %}"}},
    "Label": {"Type": "Pass", "Next": "Done", "Output":
        "{% {'id': $states.input.id, 'label': $states.input.class & '-' & $country, 'skus': $states.input.skus, 'dear': $states.input.total > 300} %}"},
    "Done": {"Type": "Succeed", "Output": {"order": "{% $states.input %}", "total": "{% $total %}"}}}}"#;

struct Evaluator {
    expression: Expression,
    scratch: Scratch,
    memory: Memory,
}

impl Evaluator {
    fn new(text: &str) -> Evaluator {
        let mut scratch = Scratch::new(value::Limits::default());
        let expression = Expression::parse(text, Options::default(), &mut scratch);
        scratch.seal();
        let expression = expression.expect("the expression compiles");
        Evaluator { expression, scratch, memory: Memory::default() }
    }

    fn parse(&mut self, text: &[u8]) -> Value {
        self.scratch.parse(text).expect("the document is JSON")
    }

    #[inline]
    fn evaluate(&mut self, input: Value) -> Value {
        let limits = Limits::default();
        let environment =
            Environment { now: 0, random: &mut || 7, limits, memory: &mut self.memory };
        let scratch = &mut self.scratch;
        match self.expression.evaluate(scratch, Some(input), &mut |_, _| None, environment) {
            Ok(Outcome::Value(value)) => value,
            other => panic!("{}: {other:?}", self.expression.text()),
        }
    }
}

/// From JSON text to JSON text.
pub fn text(expression: &str) -> Transform {
    let mut evaluator = Evaluator::new(expression);
    Box::new(move |event, out| {
        evaluator.scratch.reset();
        let input = evaluator.parse(event);
        let result = evaluator.evaluate(input);
        out.clear();
        evaluator.scratch.write(result, out);
    })
}

/// With the data ready.
pub fn ready(expression: &str) -> Ready {
    let mut evaluator = Evaluator::new(expression);
    let input = evaluator.parse(ORDER.as_bytes());
    evaluator.scratch.seal();
    Box::new(move || {
        evaluator.scratch.reset();
        black_box(evaluator.evaluate(black_box(input)));
    })
}

/// The machine, on the machine.
pub fn machine() -> Transform {
    let mut runner = Runner::new(program(MACHINE), Implementation::best());
    Box::new(move |event, out| {
        out.clear();
        out.extend_from_slice(runner.run(event));
    })
}
