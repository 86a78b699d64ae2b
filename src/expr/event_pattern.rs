//! Event patterns, as EventBridge filters events: JSON in the shape of what it looks for, whose
//! leaves are lists of matchers.

mod matcher;
mod parse;

use super::problem::Problem;
use crate::value::{Key, Kind, Scratch, Value};
use matcher::Matcher;

/// A parsed pattern.
#[derive(Clone, Debug)]
pub struct EventPattern {
    root: Fields,
}

/// What an object's fields must be: all of these, and one of each `$or`.
#[derive(Clone, Debug)]
struct Fields {
    all: Box<[(Key, Field)]>,
    either: Box<[Box<[Fields]>]>,
}

#[derive(Clone, Debug)]
enum Field {
    /// `"detail": {...}`
    Object(Fields),
    /// `"type": ["order", {"prefix": "re"}]`: one of them must match.
    Leaf(Box<[Matcher]>),
}

impl EventPattern {
    /// Parses a pattern from its JSON text; `memory` is used meanwhile. All problems are found at once.
    pub fn parse(json: &str, memory: &mut Scratch) -> Result<EventPattern, Vec<Problem>> {
        parse::parse(json, memory).map(|root| EventPattern { root })
    }

    /// Does the event match?
    pub fn matches(&self, scratch: &Scratch, event: Value) -> bool {
        event.kind() == Kind::Object && self.root.match_object(scratch, event)
    }
}

impl Fields {
    fn match_object(&self, scratch: &Scratch, object: Value) -> bool {
        let field = |(key, field): &(Key, Field)| field.matches(scratch, scratch.get(object, key));
        let one = |of: &[Fields]| of.iter().any(|fields| fields.match_object(scratch, object));
        self.all.iter().all(field) && self.either.iter().all(|of| one(of))
    }

    /// An object, or an array with one among its elements that matches.
    fn matches(&self, scratch: &Scratch, value: Option<Value>) -> bool {
        match value {
            Some(value) if value.kind() == Kind::Array => {
                any(scratch, value, |item| self.matches(scratch, Some(item)))
            }
            Some(value) if value.kind() == Kind::Object => self.match_object(scratch, value),
            // Only what asks for absence matches where there is nothing.
            _ => self.match_object(scratch, Value::NULL),
        }
    }
}

impl Field {
    fn matches(&self, scratch: &Scratch, value: Option<Value>) -> bool {
        match self {
            Field::Object(fields) => fields.matches(scratch, value),
            Field::Leaf(matchers) => {
                let is_there = value.is_some_and(|value| is_leaf(scratch, value));
                matchers.iter().any(|matcher| match (matcher, value) {
                    (Matcher::Exists(wanted), _) => *wanted == is_there,
                    (_, Some(value)) => match_leaf(matcher, scratch, value),
                    (_, None) => false,
                })
            }
        }
    }
}

/// Is it a scalar, or an array that holds one?
fn is_leaf(scratch: &Scratch, value: Value) -> bool {
    match value.kind() {
        Kind::Object => false,
        Kind::Array => any(scratch, value, |item| is_leaf(scratch, item)),
        _ => true,
    }
}

/// A scalar that matches, or an array with one.
fn match_leaf(matcher: &Matcher, scratch: &Scratch, value: Value) -> bool {
    match value.kind() {
        Kind::Object => false,
        Kind::Array => any(scratch, value, |item| match_leaf(matcher, scratch, item)),
        _ => matcher.matches(scratch, value),
    }
}

fn any(scratch: &Scratch, array: Value, is_it: impl Fn(Value) -> bool) -> bool {
    let mut items = scratch.items(array);
    while let Some(item) = scratch.next_item(&mut items) {
        if is_it(item) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Limits;

    fn matches(pattern: &str, event: &str) -> bool {
        let mut scratch = Scratch::new(Limits::default());
        let pattern = EventPattern::parse(pattern, &mut scratch);
        let pattern = pattern.unwrap_or_else(|problems| panic!("{problems:?}"));
        let event = scratch.parse(event.as_bytes()).expect("it is JSON");
        pattern.matches(&scratch, event)
    }

    /// Each matcher with values that it takes, and values that it does not.
    #[test]
    fn matchers_take_what_they_say() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            (r#""a""#, &[r#""a""#, r#"["b","a"]"#, r#""\u0061""#], &[r#""A""#, "1", "{}", "[]"]),
            ("5", &["5", "5.0", "5e0"], &["6", r#""5""#]),
            ("null", &["null"], &[r#""""#, "0"]),
            ("true", &["true"], &["false", r#""true""#]),
            (r#""""#, &[r#""""#], &["null"]),
            (r#"{"prefix":"ab"}"#, &[r#""abc""#], &[r#""aBc""#, "1"]),
            (r#"{"prefix":{"equals-ignore-case":"ÄB"}}"#, &[r#""äbc""#], &[r#""abc""#]),
            (r#"{"suffix":".png"}"#, &[r#""x.png""#], &[r#""x.PNG""#]),
            (r#"{"suffix":{"equals-ignore-case":".png"}}"#, &[r#""x.PNG""#], &[r#""png""#]),
            (r#"{"equals-ignore-case":"Straße"}"#, &[r#""STRAßE""#], &[r#""strase""#, "1"]),
            (r#"{"anything-but":"a"}"#, &[r#""b""#, "1", r#"["a","b"]"#], &[r#""a""#, "[]"]),
            (r#"{"anything-but":["a",5]}"#, &[r#""b""#, "6"], &[r#""a""#, "5.0"]),
            (r#"{"anything-but":{"prefix":["x","y"]}}"#, &[r#""a""#], &[r#""xa""#, r#""ya""#]),
            (r#"{"anything-but":{"suffix":"x"}}"#, &[r#""a""#], &[r#""ax""#]),
            (r#"{"anything-but":{"equals-ignore-case":"X"}}"#, &[r#""a""#], &[r#""x""#]),
            (r#"{"anything-but":{"wildcard":"a*b"}}"#, &[r#""a""#], &[r#""acb""#]),
            (r#"{"numeric":["=",300]}"#, &["300", "3.0e2"], &["301", r#""300""#]),
            (r#"{"numeric":[">",0,"<=",5]}"#, &["5", "0.1"], &["0", "5.1"]),
            (r#"{"wildcard":"a*c*e"}"#, &[r#""abcde""#, r#""ace""#], &[r#""abc""#]),
            (r#"{"wildcard":"a\\*c"}"#, &[r#""a*c""#], &[r#""abc""#]),
            (r#"{"cidr":"10.0.0.0/24"}"#, &[r#""10.0.0.255""#], &[r#""10.0.1.0""#, r#""x""#]),
            (r#"{"cidr":"2001:db8::/32"}"#, &[r#""2001:db8::1""#], &[r#""2001:db9::1""#]),
            (r#"{"exists":true}"#, &["null", r#""x""#, "[1]"], &["{}", "[]", r#"{"a":1}"#]),
            (r#"{"exists":false}"#, &["{}", "[]"], &["1"]),
        ];
        for (matcher, taken, refused) in cases {
            let pattern = format!(r#"{{"f":[{matcher}]}}"#);
            for value in *taken {
                assert!(matches(&pattern, &format!(r#"{{"f":{value}}}"#)), "{matcher} {value}");
            }
            for value in *refused {
                assert!(!matches(&pattern, &format!(r#"{{"f":{value}}}"#)), "{matcher} {value}");
            }
            let takes_absence = matcher.contains(r#""exists":false"#);
            assert_eq!(matches(&pattern, r#"{"g":1}"#), takes_absence, "{matcher}, absent");
        }
    }

    #[test]
    fn fields_nest_and_all_must_match() {
        let pattern =
            r#"{"source":["a"],"detail":{"state":["on","off"],"n":[{"numeric":["<",3]}]}}"#;
        assert!(matches(pattern, r#"{"source":"a","detail":{"state":"off","n":1},"more":1}"#));
        assert!(!matches(pattern, r#"{"source":"a","detail":{"state":"off","n":3}}"#));
        assert!(!matches(pattern, r#"{"source":"a","detail":"off"}"#));
        // One element must match as a whole.
        assert!(matches(
            pattern,
            r#"{"source":"a","detail":[{"state":"x"},{"state":"on","n":2}]}"#
        ));
        assert!(!matches(pattern, r#"{"source":"a","detail":[{"state":"on"},{"n":2}]}"#));
        let absent = r#"{"detail":{"gone":[{"exists":false}]}}"#;
        assert!(matches(absent, "{}") && matches(absent, r#"{"detail":{"x":1}}"#));
        assert!(!matches(absent, r#"{"detail":{"gone":1}}"#));
        assert!(!matches(r#"{"a":[1]}"#, "[1]"));
    }

    #[test]
    fn one_of_each_or_must_match() {
        let pattern = r#"{"t":["x"],"$or":[{"a":[1]},{"b":[2],"c":[3]}]}"#;
        assert!(matches(pattern, r#"{"t":"x","a":1}"#));
        assert!(matches(pattern, r#"{"t":"x","b":2,"c":3}"#));
        assert!(!matches(pattern, r#"{"t":"x","b":2}"#));
        assert!(!matches(pattern, r#"{"a":1}"#));
        assert!(matches(r#"{"d":{"$or":[{"a":[1]},{"b":[2]}]}}"#, r#"{"d":{"b":2}}"#));
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let mut scratch = Scratch::new(Limits::default());
        let wrong = r#"{"a":"x","b":[],"c":[{"prefx":"y"}],"d":[{"numeric":[">"]}],"e":{},
            "f":[{"cidr":"10.0.0.0/33"}],"g":[{"prefix":"a","suffix":"b"}],"h":[{"exists":1}],
            "i":[[1]],"j":[{"wildcard":"a**b"}],"k":[{"anything-but":{"numeric":[">",1]}}],
            "$or":[{"x":[1]}],"l":[{"numeric":["<",1,"<",2]}],
            "m":[{"anything-but":{"prefix":[]}}],"n":[{"anything-but":[]}]}"#;
        let problems = EventPattern::parse(wrong, &mut scratch).expect_err("it is wrong");
        let places: Vec<&str> = problems.iter().map(|it| it.pointer.as_str()).collect();
        assert_eq!(
            places,
            [
                "/a",
                "/b",
                "/c/0/prefx",
                "/d/0/numeric",
                "/e",
                "/f/0/cidr",
                "/g/0",
                "/h/0/exists",
                "/i/0",
                "/j/0/wildcard",
                "/k/0/anything-but",
                "/$or",
                "/l/0/numeric",
                "/m/0/anything-but/prefix",
                "/n/0/anything-but"
            ],
            "{problems:#?}"
        );
        for text in ["[]", "{}", "{\"a\":", "1"] {
            assert!(EventPattern::parse(text, &mut scratch).is_err(), "{text}");
        }
    }
}
