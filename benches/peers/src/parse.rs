//! For scale: the fastest parser there is, doing nothing but parse, and our index alone, which is what
//! we have in place of a parser.

use std::hint::black_box;

use expressway::value::{Implementation, Limits, Scratch};

use crate::Transform;

/// sonic-rs into its own tree.
pub fn sonic() -> Transform {
    Box::new(|event, out| {
        let value: sonic_rs::Value = sonic_rs::from_slice(event).expect("events are JSON");
        black_box(&value);
        out.clear();
    })
}

/// Ours into its tape: copied, checked and indexed.
pub fn index(implementation: Implementation) -> Transform {
    let mut scratch = Scratch::new(Limits::default());
    scratch.set_implementation(implementation);
    Box::new(move |event, out| {
        scratch.reset();
        black_box(scratch.parse(event).expect("events are JSON"));
        out.clear();
    })
}
