use super::*;
use crate::intrinsics::Random;
use crate::value::Limits;

const INPUT: &str = r#"{"n":5,"z":0.0,"s":"B","e":"","t":true,"f":false,"null":null,"a":[],"o":{},
    "time":"2012-10-09T19:00:55Z","later":"2012-10-09T19:00:55.1Z","m":"log-2.txt*","emoji":"😀",
    "high":"\uffff","list":[{"x":1}]}"#;

fn evaluated(rule: &str) -> Result<bool, StateError> {
    let mut scratch = Scratch::new(Limits::default());
    let condition = Condition::parse(rule, &mut scratch).expect("a rule");
    let input = scratch.parse(INPUT.as_bytes()).expect("JSON");
    let (mut context, mut random) = (Value::NULL, Random::new(0));
    let (context, random) = (&mut context, &mut random);
    condition.evaluate(&mut Scope { scratch: &mut scratch, input, context, random })
}

#[track_caller]
fn holds(variable: &str, test: &str, expected: bool) {
    let rule = format!(r#"{{"Variable":"{variable}",{test}}}"#);
    assert_eq!(evaluated(&rule), Ok(expected), "{rule}");
}

#[test]
fn comparisons() {
    for (variable, test, expected) in [
        ("$.n", r#""NumericEquals":5.0"#, true),
        ("$.z", r#""NumericEquals":0"#, true),
        ("$.n", r#""NumericLessThan":5"#, false),
        ("$.n", r#""NumericGreaterThanEqualsPath":"$.z""#, true),
        ("$.s", r#""NumericEquals":0"#, false),
        ("$.s", r#""NumericEqualsPath":"$.n""#, false),
        ("$.s", r#""StringEquals":"B""#, true),
        ("$.s", r#""StringLessThan":"C""#, true),
        ("$.e", r#""StringGreaterThanEquals":"""#, true),
        ("$.n", r#""StringEquals":"5""#, false),
        ("$.null", r#""StringEqualsPath":"$.s""#, false),
        ("$.emoji", r#""StringLessThanPath":"$.high""#, true),
        ("$.t", r#""BooleanEquals":true"#, true),
        ("$.t", r#""BooleanEqualsPath":"$.f""#, false),
        ("$.null", r#""BooleanEqualsPath":"$.f""#, false),
        ("$.time", r#""TimestampEquals":"2012-10-09T20:00:55+01:00""#, true),
        ("$.time", r#""TimestampLessThanPath":"$.later""#, true),
        ("$.s", r#""TimestampLessThanEquals":"2012-10-09T20:00:55Z""#, false),
        ("$.m", r#""StringMatches":"log-*.txt\\*""#, true),
        ("$.m", r#""StringMatches":"log-*.txt""#, false),
        ("$.m", r#""StringMatches":"*o*2*""#, true),
        ("$.s", r#""StringMatches":"B*B""#, false),
        ("$.n", r#""StringMatches":"*""#, false),
        ("$.null", r#""IsNull":true"#, true),
        ("$.n", r#""IsNull":false"#, true),
        ("$.n", r#""IsNumeric":true"#, true),
        ("$.s", r#""IsString":true"#, true),
        ("$.f", r#""IsBoolean":true"#, true),
        ("$.time", r#""IsTimestamp":true"#, true),
        ("$.s", r#""IsTimestamp":false"#, true),
        ("$.null", r#""IsPresent":true"#, true),
        ("$.none", r#""IsPresent":true"#, false),
        ("$.none.x", r#""IsPresent":false"#, true),
    ] {
        holds(variable, test, expected);
    }
}

#[test]
fn rules_join_and_stop_early() {
    let yes = r#"{"Variable":"$.t","BooleanEquals":true}"#;
    let fails = r#"{"Variable":"$.none","BooleanEquals":true}"#;
    for (rule, expected) in [
        (format!(r#"{{"And":[{yes},{yes}],"Next":"N"}}"#), true),
        (format!(r#"{{"Or":[{yes},{fails}]}}"#), true),
        (format!(r#"{{"Not":{yes}}}"#), false),
        (format!(r#"{{"And":[{{"Not":{yes}}},{fails}]}}"#), false),
        (format!(r#"{{"Not":{{"Or":[{{"Not":{yes}}}]}}}}"#), true),
    ] {
        assert_eq!(evaluated(&rule), Ok(expected), "{rule}");
    }
}

#[test]
fn a_missing_path_fails() {
    let cause = "Invalid path '$.none': The choice state's condition path references an invalid \
                 value.";
    for rule in [
        r#"{"Variable":"$.none","IsNull":true}"#,
        r#"{"Variable":"$.n","NumericEqualsPath":"$.none"}"#,
    ] {
        assert_eq!(evaluated(rule), Err(StateError::runtime(cause)), "{rule}");
    }
}

#[test]
fn what_is_compared_to_must_be_of_the_operators_type() {
    for (operator, path) in [
        ("NumericEqualsPath", "$.null"),
        ("NumericLessThanPath", "$.s"),
        ("StringEqualsPath", "$.n"),
        ("BooleanEqualsPath", "$.null"),
        ("TimestampEqualsPath", "$.s"),
    ] {
        let error = evaluated(&format!(r#"{{"Variable":"$.null","{operator}":"{path}"}}"#));
        let error = error.expect_err("a failure").to_string();
        assert!(error.contains(&format!("Invalid path '{path}'")), "{error}");
    }
}

#[test]
fn wrong_rules_are_located() {
    for (rule, pointers) in [
        ("[]", &[""][..]),
        (r#"{"Variable":"$.a"}"#, &[""]),
        (r#"{"NumericEquals":1}"#, &[""]),
        (r#"{"Variable":"x","NumericEquals":"1"}"#, &["/Variable", "/NumericEquals"]),
        (r#"{"Variable":"$","NumericMatches":1}"#, &["/NumericMatches"]),
        (r#"{"Variable":"$","IsNull":true,"IsString":true}"#, &[""]),
        (r#"{"And":[]}"#, &["/And"]),
        (r#"{"Or":[{"Not":[]},{"Variable":"$","IsNull":1}]}"#, &["/Or/0/Not", "/Or/1/IsNull"]),
        (r#"{"Not":{"Variable":"$","IsNull":true,"Next":"N"}}"#, &["/Not/Next"]),
        (r#"{"Variable":"$","TimestampEquals":"now"}"#, &["/TimestampEquals"]),
        (r#"{"Variable":"$","StringMatchesPath":"$"}"#, &["/StringMatchesPath"]),
    ] {
        let problems = Condition::parse(rule, &mut Scratch::new(Limits::default()));
        let problems = problems.expect_err("a problem");
        let found: Vec<_> = problems.iter().map(|p| &*p.pointer).collect();
        assert_eq!(found, pointers, "{rule}: {problems:?}");
    }
}
