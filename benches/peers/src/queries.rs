//! JSONata, ours beside jsonata-core: expressions and a machine of five states over an order of about
//! 500 bytes.

mod ours;
mod theirs;

use crate::Transform;

/// About 500 bytes.
pub const ORDER: &str = r#"{"id":"ord-20931","type":"order","temp":36.5,"customer":{"id":"c-77","name":"Ada","country":"PT"},"items":[{"sku":"A-1","name":"Hammer","price":12.5,"qty":3},{"sku":"B-7","name":"Nails","price":0.25,"qty":400},{"sku":"C-3","name":"Saw","price":32,"qty":1},{"sku":"D-9","name":"Glue","price":4.75,"qty":6},{"sku":"E-2","name":"Drill","price":99.9,"qty":1}],"shipping":{"method":"express","address":"Rua das Flores 12, Lisboa"},"note":"leave at the door","ts":"2024-05-01T10:00:00Z"}"#;

/// The expressions.
pub const QUERIES: [(&str, &str); 3] = [
    ("sum", "$sum(items.(price*qty))"),
    ("object", r#"{"id": id, "hot": temp > 30, "label": type & "-" & id}"#),
    ("filter", "items[price>10].sku"),
];

/// Evaluates once, over data that is ready.
pub type Ready = Box<dyn FnMut()>;

/// A task, as both do it.
pub struct Task {
    /// What it is called.
    pub name: &'static str,
    /// From JSON text to JSON text: ours, theirs.
    pub text: [Transform; 2],
    /// With the data ready: ours, theirs. A machine has no such thing.
    pub ready: Option<[Ready; 2]>,
}

/// All of them.
pub fn tasks() -> Vec<Task> {
    let query = |(name, text)| Task {
        name,
        text: [ours::text(text), theirs::text(text)],
        ready: Some([ours::ready(text), theirs::ready(text)]),
    };
    let mut tasks: Vec<Task> = QUERIES.map(query).into();
    tasks.push(Task { name: "machine", text: [ours::machine(), theirs::machine()], ready: None });
    tasks
}

/// Checks that both make the same of the order.
pub fn check(task: &mut Task) {
    let [ours, theirs] = task.text.each_mut().map(|transform| {
        let mut out = Vec::new();
        transform(ORDER.as_bytes(), &mut out);
        serde_json::from_slice::<serde_json::Value>(&out).expect("JSON")
    });
    assert_eq!(ours, theirs, "{}", task.name);
}
