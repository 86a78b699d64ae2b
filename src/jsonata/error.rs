//! What can be wrong with an expression or its evaluation: the reference implementation's error
//! codes, with its messages.

use std::fmt;

macro_rules! codes {
    ($($code:ident $message:literal,)*) => {
        /// An error code of the reference implementation. `S`: syntax; `T`: a value of the wrong
        /// type; `D`: another failure of the evaluation; `U`: a limit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $message] $code,)*
        }

        impl Code {
            /// `T2001`
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => stringify!($code),)* }
            }

            /// The message; `{{x}}` stands for the insert `x` as JSON, `{{{x}}}` for its text.
            fn template(self) -> &'static str {
                match self { $(Code::$code => $message,)* }
            }
        }
    };
}

codes! {
    S0101 "String literal must be terminated by a matching quote",
    S0102 "Number out of range: {{token}}",
    S0103 "Unsupported escape sequence: \\{{token}}",
    S0104 "The escape sequence \\u must be followed by 4 hex digits",
    S0105 "Quoted property name must be terminated with a backquote (`)",
    S0106 "Comment has no closing tag",
    S0201 "Syntax error: {{token}}",
    S0202 "Expected {{value}}, got {{token}}",
    S0203 "Expected {{value}} before end of expression",
    S0204 "Unknown operator: {{token}}",
    S0207 "Unexpected end of expression",
    S0208 "Parameter {{value}} of function definition must be a variable name (start with $)",
    S0209 "A predicate cannot follow a grouping expression in a step",
    S0210 "Each step can only have one grouping expression",
    S0211 "The symbol {{token}} cannot be used as a unary operator",
    S0212 "The left side of := must be a variable name (start with $)",
    S0213 "The literal value {{value}} cannot be used as a step within a path expression",
    S0214 "The right side of {{token}} must be a variable name (start with $)",
    S0215 "A context variable binding must precede any predicates on a step",
    S0216 "A context variable binding must precede the 'order-by' clause on a step",
    S0217 "The object representing the 'parent' cannot be derived from this expression",
    S0301 "Empty regular expressions are not allowed",
    S0302 "No terminating / in regular expression",
    S0303 "The regular expression /{{{value}}}/ is not supported: {{{message}}}",
    S0401 "Type parameters can only be applied to functions and arrays",
    S0402 "Choice groups containing parameterized types are not supported",
    T0410 "Argument {{index}} of function {{token}} does not match function signature",
    T0411 "Context value is not a compatible type with argument {{index}} of function {{token}}",
    T0412 "Argument {{index}} of function {{token}} must be an array of {{type}}",
    D1001 "Number out of range: {{value}}",
    D1002 "Cannot negate a non-numeric value: {{value}}",
    T1003 "Key in object structure must evaluate to a string; got: {{value}}",
    D1004 "Regular expression matches zero length string",
    T1005 "Attempted to invoke a non-function. Did you mean ${{{token}}}?",
    T1006 "Attempted to invoke a non-function",
    T1007 "Attempted to partially apply a non-function. Did you mean ${{{token}}}?",
    T1008 "Attempted to partially apply a non-function",
    D1009 "Multiple key definitions evaluate to same key: {{value}}",
    T1010 "The matcher function argument passed to function {{token}} does not return the correct object structure",
    T2001 "The left side of the {{token}} operator must evaluate to a number",
    T2002 "The right side of the {{token}} operator must evaluate to a number",
    T2003 "The left side of the range operator (..) must evaluate to an integer",
    T2004 "The right side of the range operator (..) must evaluate to an integer",
    T2006 "The right side of the function application operator ~> must be a function",
    T2007 "Type mismatch when comparing values {{value}} and {{value2}} in order-by clause",
    T2008 "The expressions within an order-by clause must evaluate to numeric or string values",
    T2009 "The values {{value}} and {{value2}} either side of operator {{token}} must be of the same data type",
    T2010 "The expressions either side of operator {{token}} must evaluate to numeric or string values",
    T2011 "The insert/update clause of the transform expression must evaluate to an object: {{value}}",
    T2012 "The delete clause of the transform expression must evaluate to a string or array of strings: {{value}}",
    T2013 "The transform expression clones the input object using the $clone() function.  This has been overridden in the current scope by a non-function.",
    D2014 "The size of the sequence allocated by the range operator (..) must not exceed {{{limit}}}.  Attempted to allocate {{value}}.",
    D3001 "Attempting to invoke string function on Infinity or NaN",
    D3010 "Second argument of replace function cannot be an empty string",
    D3011 "Fourth argument of replace function must evaluate to a positive number",
    D3012 "Attempted to replace a matched string with a non-string value",
    D3020 "Third argument of split function must evaluate to a positive number",
    D3030 "Unable to cast value to a number: {{value}}",
    D3040 "Third argument of match function must evaluate to a positive number",
    D3050 "The second argument of reduce function must be a function with at least two arguments",
    D3060 "The sqrt function cannot be applied to a negative number: {{value}}",
    D3061 "The power function has resulted in a value that cannot be represented as a JSON number: base={{value}}, exponent={{exp}}",
    D3070 "The single argument form of the sort function can only be applied to an array of strings or an array of numbers.  Use the second argument to specify a comparison function",
    D3080 "The picture string must only contain a maximum of two sub-pictures",
    D3081 "The sub-picture must not contain more than one instance of the 'decimal-separator' character",
    D3082 "The sub-picture must not contain more than one instance of the 'percent' character",
    D3083 "The sub-picture must not contain more than one instance of the 'per-mille' character",
    D3084 "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
    D3085 "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'",
    D3086 "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
    D3087 "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character",
    D3088 "The sub-picture must not contain a 'grouping-separator' at the end of the integer part",
    D3089 "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character",
    D3090 "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'",
    D3091 "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'",
    D3092 "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'",
    D3093 "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'",
    D3100 "The radix of the formatBase function must be between 2 and 36.  It was given {{value}}",
    D3110 "The argument of the toMillis function must be an ISO 8601 formatted timestamp. Given {{value}}",
    D3120 "Syntax error in expression passed to function eval: {{value}}",
    D3121 "Dynamic error evaluating the expression passed to function eval: {{value}}",
    D3130 "Formatting or parsing an integer as a sequence starting with {{value}} is not supported by this implementation",
    D3131 "In a decimal digit pattern, all digits must be from the same decimal group",
    D3132 "Unknown component specifier {{value}} in date/time picture string",
    D3133 "The 'name' modifier can only be applied to months and days in the date/time picture string, not {{value}}",
    D3134 "The timezone integer format specifier cannot have more than four digits",
    D3135 "No matching closing bracket ']' in date/time picture string",
    D3136 "The date/time picture string is missing specifiers required to parse the timestamp",
    D3137 "{{{message}}}",
    D3138 "The $single() function expected exactly 1 matching result.  Instead it matched more.",
    D3139 "The $single() function expected exactly 1 matching result.  Instead it matched 0.",
    D3140 "Malformed URL passed to ${{{functionName}}}(): {{value}}",
    D3141 "{{{message}}}",
    D3150 "The function {{token}} can't be applied: {{{message}}}",
    U1001 "The evaluation exceeded its limit of {{{limit}}}",
    U1002 "The expression is nested deeper than {{{limit}}} levels",
}

/// Characters of a value that a message shows.
pub(super) const EXCERPT_MAX: usize = 1000;

/// The beginning of a text.
pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(EXCERPT_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Something that a message mentions.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Insert {
    Text(String),
    Json(String),
}

/// An error in an expression, or of its evaluation. One pointer wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    code: Code,
    position: Option<u32>,
    inserts: Vec<(&'static str, Insert)>,
}

impl QueryError {
    #[cold]
    pub(super) fn new(code: Code) -> QueryError {
        QueryError(Box::new(Parts { code, position: None, inserts: Vec::new() }))
    }

    #[cold]
    pub(super) fn limit(what: impl fmt::Display) -> QueryError {
        QueryError::new(Code::U1001).text("limit", what.to_string())
    }

    /// With the insert `name`, a text, of which the beginning is shown.
    pub(super) fn text(self, name: &'static str, text: impl Into<String>) -> QueryError {
        self.whole(name, shortened(text.into()))
    }

    /// With the insert `name`, a text that is shown as a whole.
    pub(super) fn whole(mut self, name: &'static str, text: impl Into<String>) -> QueryError {
        self.0.inserts.push((name, Insert::Text(text.into())));
        self
    }

    /// With the insert `name`, already JSON.
    pub(super) fn json(mut self, name: &'static str, json: impl fmt::Display) -> QueryError {
        self.0.inserts.push((name, Insert::Json(json.to_string())));
        self
    }

    /// At `position`, unless a place is known already.
    pub(super) fn at(mut self, position: u32) -> QueryError {
        self.0.position.get_or_insert(position);
        self
    }

    /// Concerning `token`, unless one is known already.
    pub(super) fn token(self, token: &str) -> QueryError {
        if self.0.inserts.iter().any(|(name, _)| *name == "token") {
            return self;
        }
        self.text("token", token)
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Where in the expression, in bytes, as far as known.
    pub fn position(&self) -> Option<usize> {
        self.0.position.map(|position| position as usize)
    }

    /// The message of the reference implementation.
    pub fn message(&self) -> String {
        let mut out = String::new();
        let mut rest = self.0.code.template();
        while let Some(open) = rest.find("{{") {
            out.push_str(&rest[..open]);
            let is_plain = rest[open..].starts_with("{{{");
            let (from, close) = if is_plain { (open + 3, "}}}") } else { (open + 2, "}}") };
            let end = from + rest[from..].find(close).unwrap_or(rest.len() - from);
            self.insert(&rest[from..end], is_plain, &mut out);
            rest = rest.get(end + close.len()..).unwrap_or_default();
        }
        out + rest
    }

    fn insert(&self, name: &str, is_plain: bool, out: &mut String) {
        match self.0.inserts.iter().find(|insert| insert.0 == name) {
            Some((_, Insert::Text(text))) if !is_plain => out.push_str(&format!("{text:?}")),
            Some((_, Insert::Text(text) | Insert::Json(text))) => out.push_str(text),
            None => out.push_str("undefined"),
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code().name(), self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_inserts() {
        let error = QueryError::new(Code::T2009).json("value", 1).json("value2", "\"a\"");
        let said = "T2009: The values 1 and \"a\" either side of operator \">\" must be of the same \
                    data type";
        assert_eq!(error.token(">").token("<").to_string(), said);
        let error = QueryError::new(Code::T1005).token("sum").at(3).at(7);
        assert_eq!(error.message(), "Attempted to invoke a non-function. Did you mean $sum?");
        assert_eq!(error.position(), Some(3));
        assert_eq!(size_of::<Result<(), QueryError>>(), size_of::<usize>());
    }
}
