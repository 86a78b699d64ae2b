//! Any bytes: all implementations and serde_json must agree on them.

#![no_main]

#[path = "../../tests/value_oracle/mod.rs"]
mod value_oracle;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use value_oracle::Oracle;

thread_local! {
    static ORACLE: RefCell<Oracle> = RefCell::default();
}

fuzz_target!(|text: &[u8]| {
    ORACLE.with_borrow_mut(|oracle| oracle.agrees(text));
});
