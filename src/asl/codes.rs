//! The codes of all diagnostics, once. They are stable: tools match on them.

/// Makes a constant of each code and one row of [`ALL`], whose text is the doc sentence.
macro_rules! codes {
    ($($(#[doc = $sentence:literal])+ $code:ident)+) => {
        $($(#[doc = $sentence])+ pub const $code: &str = stringify!($code);)+

        /// Every code with its sentence.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($code), concat!($($sentence),+)),)+];
    };
}

codes! {
    /// The text is not UTF-8.
    INVALID_UTF8
    /// The text is not JSON.
    INVALID_JSON
    /// The text is not YAML, or YAML that JSON can't express.
    INVALID_YAML
    /// Plain YAML text that is a number to YAML 1.2 and may be meant as text.
    AMBIGUOUS_SCALAR
    /// The definition is larger than the limit.
    DEFINITION_TOO_LARGE
    /// Values are nested deeper than the limit.
    NESTED_TOO_DEEP
    /// A name stands twice in one object; the last one counts.
    DUPLICATE_FIELD
    /// The definition is not an object.
    NOT_AN_OBJECT
    /// A required field is missing.
    MISSING_FIELD
    /// A field that does not exist here.
    UNKNOWN_FIELD
    /// A field that exists in the language and has no place here.
    FIELD_NOT_ALLOWED
    /// A value of the wrong type.
    WRONG_TYPE
    /// A number outside its range.
    OUT_OF_RANGE
    /// A value that is none of those allowed.
    INVALID_VALUE
    /// Fields that exclude each other.
    EXCLUSIVE_FIELDS
    /// A `Type` that is no state type.
    UNKNOWN_STATE_TYPE
    /// A state's name is too long or has characters that names may not have.
    INVALID_STATE_NAME
    /// Two states of one machine have the same name.
    DUPLICATE_STATE_NAME
    /// A transition to a state that does not exist in the same `States`.
    MISSING_TRANSITION_TARGET
    /// A state that no transition leads to.
    UNREACHABLE_STATE
    /// A machine or branch that can't end.
    NO_TERMINAL_STATE
    /// Text that is no path.
    INVALID_PATH
    /// A path that selects more than one place where only one is allowed.
    INVALID_REFERENCE_PATH
    /// A payload template that can't be read.
    INVALID_TEMPLATE
    /// A JSONata expression that can't be read.
    INVALID_EXPRESSION
    /// A name in an expression that is a member of nothing.
    UNQUALIFIED_NAME
    /// A choice rule that can't be read.
    INVALID_CHOICE_RULE
    /// A variable that can't be assigned, by its name or here.
    INVALID_VARIABLE
    /// Text that is no RFC 3339 timestamp.
    INVALID_TIMESTAMP
    /// A `Resource` that is no ARN and no URI.
    INVALID_RESOURCE
    /// A `Resource` that has neither a driver nor a mock.
    UNSUPPORTED_RESOURCE
    /// An `ErrorEquals` that breaks the language's rules.
    INVALID_ERROR_EQUALS
    /// An error name that starts with `States.` and is none the language has.
    UNKNOWN_ERROR_NAME
    /// An `ErrorEquals` names an error that is never retried nor caught.
    UNCATCHABLE_ERROR
    /// A retrier or catcher whose errors all go to others before it.
    NEVER_TAKEN
    /// Text that looks like an expression where none is read.
    LITERAL_EXPRESSION
    /// A variable that some way to its reader assigns nothing.
    UNASSIGNED_VARIABLE
    /// A placeholder of deployment that nothing fills.
    UNRESOLVED_PLACEHOLDER
    /// `MaxDelaySeconds` is below `IntervalSeconds`.
    MAX_DELAY_BELOW_INTERVAL
    /// Something that the service's Express machines do not have (only where that is asked for).
    NOT_IN_EXPRESS
    /// Part of the language that is not implemented yet.
    NOT_IMPLEMENTED
    /// A CloudFormation template whose state machine can't be read.
    INVALID_TEMPLATE_FILE
    /// A file can't be read.
    UNREADABLE_FILE
    /// There are more findings than are kept.
    TOO_MANY_FINDINGS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_upper_snake_and_explained() {
        for (code, sentence) in ALL {
            assert!(
                code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b == b'8'),
                "{code}"
            );
            assert!(sentence.trim().ends_with('.'), "{code}: {sentence}");
        }
        assert_eq!(UNKNOWN_FIELD, "UNKNOWN_FIELD");
    }
}
