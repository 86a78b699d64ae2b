//! The library's error codes: their names, and a safe way from a raw number to one.

use std::ffi::CStr;
use std::ptr;
use std::sync::OnceLock;

use rdkafka::bindings as sys;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

struct Code {
    raw: i32,
    code: RDKafkaErrorCode,
    name: &'static str,
}

/// The code's name as the library spells it, `MSG_SIZE_TOO_LARGE` say; empty if it has none.
pub fn name(code: RDKafkaErrorCode) -> &'static str {
    table().iter().find(|row| row.code == code).map_or("", |row| row.name)
}

/// The code a raw number stands for. Brokers may send numbers newer than the library: unknown.
pub(super) fn from_raw(raw: i32) -> RDKafkaErrorCode {
    let row = table().iter().find(|row| row.raw == raw);
    row.map_or(RDKafkaErrorCode::Unknown, |row| row.code)
}

/// What stands in an error field, read as a number: the field's Rust type is an enum, and a number
/// that is no variant of it must not be read as one.
///
/// # Safety
/// `field` is the aligned address of a live field that the library or its caller has written.
pub(super) unsafe fn raw_of(field: *const RDKafkaRespErr) -> i32 {
    // SAFETY: live and aligned, as the caller promises; the C type is a 32-bit int.
    unsafe { field.cast::<i32>().read() }
}

fn table() -> &'static [Code] {
    static TABLE: OnceLock<Vec<Code>> = OnceLock::new();
    TABLE.get_or_init(load)
}

fn load() -> Vec<Code> {
    let mut rows: *const sys::rd_kafka_err_desc = ptr::null();
    let mut count = 0usize;
    // SAFETY: the call fills both places with the library's static table and its length.
    unsafe { sys::rd_kafka_get_err_descs(&mut rows, &mut count) };
    let mut table = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: `index` is below the length the library gave; the table is static.
        let row = unsafe { rows.add(index) };
        // SAFETY: the row is live and static; its name is null or a static C string.
        let name = unsafe { (*row).name };
        if name.is_null() {
            continue;
        }
        // SAFETY: just checked; static.
        let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default();
        // SAFETY: the row is live and static, and its code was written with it.
        let raw = unsafe { raw_of(&raw const (*row).code) };
        // SAFETY: the table and the Rust enum come from the same version of the library.
        let code = RDKafkaErrorCode::from(unsafe { (*row).code });
        table.push(Code { raw, code, name });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_strange_numbers_none() {
        assert_eq!(name(RDKafkaErrorCode::MessageSizeTooLarge), "MSG_SIZE_TOO_LARGE");
        assert_eq!(name(RDKafkaErrorCode::QueueFull), "_QUEUE_FULL");
        assert_eq!(from_raw(-184), RDKafkaErrorCode::QueueFull);
        assert_eq!(from_raw(31_999), RDKafkaErrorCode::Unknown);
    }
}
