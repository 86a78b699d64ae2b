//! jsonata-core, every expression compiled once. What the machine's expressions read is handed to them
//! as a document, which its faster evaluator takes, and not as variables, which it does not.

use std::hint::black_box;

use indexmap::IndexMap;
use jsonata_core::Expression;
use jsonata_core::value::JValue;

use super::{ORDER, Ready};
use crate::Transform;

fn compile(text: &str) -> Expression {
    Expression::compile(text).expect("the expression compiles")
}

fn parse(event: &[u8]) -> JValue {
    let text = std::str::from_utf8(event).expect("events are UTF-8");
    JValue::from_json_str(text).expect("events are JSON")
}

fn evaluate(expression: &Expression, data: &JValue) -> JValue {
    expression.evaluate(data).expect("the expression never fails")
}

fn write(value: &JValue, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(value.to_json_string().expect("JSON").as_bytes());
}

/// From JSON text to JSON text.
pub fn text(expression: &str) -> Transform {
    let expression = compile(expression);
    Box::new(move |event, out| write(&evaluate(&expression, &parse(event)), out))
}

/// With the data ready.
pub fn ready(expression: &str) -> Ready {
    let (expression, data) = (compile(expression), parse(ORDER.as_bytes()));
    Box::new(move || drop(black_box(evaluate(&expression, black_box(&data)))))
}

fn object<const N: usize>(members: [(&str, JValue); N]) -> JValue {
    JValue::object(IndexMap::from_iter(members.map(|(name, value)| (name.to_string(), value))))
}

/// The machine's expressions, state after state.
pub fn machine() -> Transform {
    let total = compile("$sum(input.items.(price*qty))");
    let country = compile("input.customer.country");
    let is_large = compile("total > 1000 and country = 'PT'");
    let (id, skus) = (compile("input.id"), compile("input.items[price>10].sku"));
    let label = compile(
        "{'id': input.id, 'label': input.class & '-' & country, 'skus': input.skus, 'dear': input.total > 300}",
    );
    Box::new(move |event, out| {
        let mut input = parse(event);
        let state = object([("input", input.clone())]);
        let total = evaluate(&total, &state);
        let country = evaluate(&country, &state);
        let variables = object([("total", total.clone()), ("country", country.clone())]);
        if evaluate(&is_large, &variables).as_bool() != Some(true) {
            let state = object([("input", input.clone())]);
            input = object([
                ("id", evaluate(&id, &state)),
                ("total", total.clone()),
                ("class", JValue::string("small")),
                ("skus", evaluate(&skus, &state)),
            ]);
            input = evaluate(&label, &object([("input", input), ("country", country)]));
        }
        write(&object([("order", input), ("total", total)]), out);
    })
}
