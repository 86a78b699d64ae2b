//! A task's arguments, read in place: fields by name, each checked for its kind.

use std::borrow::Cow;

use crate::fault::StateError;
use crate::value::{Kind, Limits, Scratch, Value};

/// Memory for one document at a time, reused.
pub(super) struct Arguments {
    scratch: Scratch,
    root: Value,
}

/// As large as any configuration allows: the machine has limited the arguments already.
const LIMITS: Limits =
    Limits { bytes_max: Limits::BYTES_CEILING, height_max: Limits::HEIGHT_CEILING };

/// Memory kept from call to call.
const KEPT_BYTES: usize = 1 << 20;

impl Arguments {
    pub(super) fn new() -> Arguments {
        Arguments { scratch: Scratch::new(LIMITS), root: Value::NULL }
    }

    /// Reads an object.
    pub(super) fn read(&mut self, text: &[u8]) -> Result<(), StateError> {
        self.root = self.parse(text).map_err(|why| bad(format!("the arguments are {why}")))?;
        match self.root.kind() {
            Kind::Object => Ok(()),
            _ => Err(bad("the arguments must be a JSON object".to_owned())),
        }
    }

    /// Reads any document, forgetting the one before.
    pub(super) fn parse(&mut self, text: &[u8]) -> Result<Value, String> {
        self.scratch.reset();
        self.scratch.shrink_to(KEPT_BYTES);
        self.scratch.parse(text).map_err(|error| error.to_string())
    }

    /// The values in it.
    pub(super) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The object's members of these names, in one walk; `null` is none. Others are refused.
    pub(super) fn fields<const N: usize>(
        &self,
        known: &[&str; N],
    ) -> Result<[Option<Value>; N], StateError> {
        let (mut found, mut cursor) = ([None; N], self.scratch.members(self.root));
        while let Some((key, value)) = self.scratch.next_member(&mut cursor) {
            let Some(at) = known.iter().position(|name| self.scratch.says(key, name)) else {
                let (name, known) = (self.scratch.str(key), known.join(", "));
                return Err(bad(format!("{name:?} is not known here; there are {known}")));
            };
            found[at] = Some(value).filter(|value| !value.is_null());
        }
        Ok(found)
    }

    /// A field's text, which must be a string.
    pub(super) fn string(
        &self,
        name: &str,
        field: Option<Value>,
    ) -> Result<Cow<'_, str>, StateError> {
        match field {
            Some(value) if value.kind() == Kind::String => Ok(self.scratch.str(value)),
            Some(_) => Err(bad(format!("{name:?} must be a string"))),
            None => Err(bad(format!("{name:?} is missing"))),
        }
    }

    /// The members of a field that must be an object: keys and values, in their order; none where it is
    /// missing.
    pub(super) fn members(
        &self,
        name: &str,
        field: Option<Value>,
    ) -> Result<Vec<(Cow<'_, str>, Value)>, StateError> {
        match field {
            None => Ok(Vec::new()),
            Some(object) if object.kind() == Kind::Object => Ok(members(&self.scratch, object)),
            Some(_) => Err(bad(format!("{name:?} must be an object"))),
        }
    }

    /// A member of a field, not `null`.
    pub(super) fn within(&self, field: Option<Value>, name: &str) -> Option<Value> {
        self.scratch.member(field?, name).filter(|value| !value.is_null())
    }

    /// What a value says as plain text: a string's text, anything else as JSON.
    pub(super) fn text(&self, value: Value) -> Cow<'_, str> {
        text(&self.scratch, value)
    }
}

/// `States.Runtime`, for arguments that can't be used.
pub(super) fn bad(what: String) -> StateError {
    StateError::runtime(format!("Task arguments: {what}."))
}

/// An object's members.
pub(super) fn members(scratch: &Scratch, object: Value) -> Vec<(Cow<'_, str>, Value)> {
    let mut cursor = scratch.members(object);
    let mut found = Vec::new();
    while let Some((key, value)) = scratch.next_member(&mut cursor) {
        found.push((scratch.str(key), value));
    }
    found
}

/// An array's items.
pub(super) fn items(scratch: &Scratch, array: Value) -> Vec<Value> {
    let mut cursor = scratch.items(array);
    std::iter::from_fn(|| scratch.next_item(&mut cursor)).collect()
}

/// What a value says as plain text: a string's text, anything else as JSON.
pub(super) fn text(scratch: &Scratch, value: Value) -> Cow<'_, str> {
    if value.kind() == Kind::String {
        return scratch.str(value);
    }
    let mut json = Vec::new();
    scratch.write(value, &mut json);
    Cow::Owned(String::from_utf8(json).expect("JSON is written as UTF-8"))
}

/// Appends `plain` as a JSON string.
pub(super) fn push_string(plain: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, plain).expect("a string is written to memory");
}
