//! A task's arguments, read in place: members by name, each checked for its kind.

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

    /// A member that is there and not `null`.
    pub(super) fn member(&self, name: &str) -> Option<Value> {
        self.scratch.member(self.root, name).filter(|value| !value.is_null())
    }

    /// A member of a member.
    pub(super) fn inner(&self, outer: &str, name: &str) -> Option<Value> {
        let outer = self.member(outer)?;
        self.scratch.member(outer, name).filter(|value| !value.is_null())
    }

    /// A string that must be there.
    pub(super) fn string(&self, name: &str) -> Result<Cow<'_, str>, StateError> {
        match self.member(name) {
            Some(value) if value.kind() == Kind::String => Ok(self.scratch.str(value)),
            Some(_) => Err(bad(format!("{name:?} must be a string"))),
            None => Err(bad(format!("{name:?} is missing"))),
        }
    }

    /// An object's members: keys and values, in their order; none where it is missing.
    pub(super) fn members(&self, name: &str) -> Result<Vec<(Cow<'_, str>, Value)>, StateError> {
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(object) if object.kind() == Kind::Object => Ok(members(&self.scratch, object)),
            Some(_) => Err(bad(format!("{name:?} must be an object"))),
        }
    }

    /// What a value says as plain text: a string's text, anything else as JSON.
    pub(super) fn text(&self, value: Value) -> Cow<'_, str> {
        text(&self.scratch, value)
    }

    /// Refuses members that the integration does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), StateError> {
        let unknown = members(&self.scratch, self.root)
            .into_iter()
            .find(|(name, _)| !known.contains(&&**name));
        match unknown {
            Some((name, _)) => {
                Err(bad(format!("{name:?} is not known here; there are {}", known.join(", "))))
            }
            None => Ok(()),
        }
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
