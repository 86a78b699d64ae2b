//! Whether what came of a recorded case is what was recorded: status, output, error, the requests
//! sent; causes where the case says that they are exact. Numbers are compared by value, and
//! placeholders (`<name>`, `<name:1>`) stand for what differs from run to run. The same rules as
//! those of the cases' own `compare.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex(r"<[A-Za-z0-9_][A-Za-z0-9_.:-]*>"));
static TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?$"));
/// Placeholders that stand for one value throughout a case.
static BOUND: LazyLock<Regex> = LazyLock::new(|| regex(r"(:\d+|_\d+idx)>$"));
/// The fewest characters of what passes for a unique id.
const UNIQUE_CHARS_MIN: usize = 8;

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is well-formed")
}

/// What the placeholders of a case have stood for so far.
type Bindings = BTreeMap<String, String>;

/// `Err` says where they differ.
type Verdict = Result<(), String>;

/// Is `result` what `case` wants?
pub fn compare(case: &Json, result: &Json) -> Verdict {
    if let Some(why) = result["crashed"].as_str() {
        return Err(format!("crashed: {why}"));
    }
    match case["kind"].as_str() {
        Some("execution") => execution(case, result),
        Some("create_error") => creation(case, result),
        Some("validate") => {
            let (wanted, found) = (&case["expect"]["validate"], &result["validate"]);
            equal("result", &wanted["result"], &found["result"])?;
            equal("diagnostics", &wanted["diagnostics"], &found["diagnostics"])
        }
        kind => Err(format!("cases of kind {kind:?} are not compared here")),
    }
}

fn creation(case: &Json, result: &Json) -> Verdict {
    let (wanted, found) =
        (&case["expect"]["create_error"]["code"], &result["create_error"]["code"]);
    equal("create_error", wanted, found)
}

fn execution(case: &Json, result: &Json) -> Verdict {
    let expect = &case["expect"];
    let mut bindings = Bindings::new();
    equal("status", &expect["status"], &result["status"])
        .map_err(|why| format!("{why} ({}: {})", result["error"], result["cause"]))?;
    if expect["status"] == "SUCCEEDED" && expect.get("output").is_some() {
        let mut matcher = Matcher::at(case, "expect.output", &mut bindings);
        matcher.matches(&expect["output"], &result["output"], "")?;
    }
    if expect["status"] == "FAILED" {
        equal("error", &expect["error"], &result["error"])?;
        if expect["cause_exact"] == true {
            cause(&expect["cause"], &result["cause"], &mut bindings)?;
        }
    }
    requests(case, &result["requests"], &mut bindings)?;
    if case["states"].is_array() && case["states_ordered"] == true {
        equal("states entered", &case["states"], &result["states"])?;
    }
    Ok(())
}

fn equal(what: &str, wanted: &Json, found: &Json) -> Verdict {
    if wanted == found { Ok(()) } else { Err(format!("{what}: want {wanted}, got {found}")) }
}

/// A cause that is the JSON text of an object is compared as that object.
fn cause(wanted: &Json, found: &Json, bindings: &mut Bindings) -> Verdict {
    let object = |text: &Json| serde_json::from_str::<Json>(text.as_str()?).ok();
    let mut matcher = Matcher { placeholders: None, bindings };
    match (object(wanted).filter(Json::is_object), object(found)) {
        (Some(wanted), Some(found)) => matcher.matches(&wanted, &found, ""),
        _ => matcher.matches(wanted, found, ""),
    }
}

fn requests(case: &Json, sent: &Json, bindings: &mut Bindings) -> Verdict {
    let tasks = case["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    let is_known = |task: &Json| {
        !task["parameters"].is_null() && task["unlinked"] != true && task["unfinished"] != true
    };
    let mut left: Vec<&Json> = sent.as_array().into_iter().flatten().collect();
    let mut wanted = 0;
    for (index, task) in tasks.iter().enumerate().filter(|(_, task)| is_known(task)) {
        wanted += 1;
        let title = format!("request {index} ({})", task["state"]);
        if left.is_empty() {
            return Err(format!("{title}: no request was sent"));
        }
        // None of these machines runs two things at once, so the order is known.
        let request = left.remove(0);
        equal(&title, &task["state"], &request["state"])?;
        equal(&title, &task["attempt"], &request["attempt"])?;
        let at = format!("tasks[{index}].parameters");
        Matcher::at(case, &at, bindings)
            .matches(&task["parameters"], &request["parameters"], "")
            .map_err(|why| format!("{title}: {why}"))?;
    }
    match left.first() {
        Some(first) if wanted == tasks.len() && wanted > 0 => {
            Err(format!("more requests than recorded: {first}"))
        }
        _ => Ok(()),
    }
}

struct Matcher<'a> {
    /// The pointers at which placeholders stand, and what kind; `None`: wherever they look so.
    placeholders: Option<BTreeMap<&'a str, &'a str>>,
    bindings: &'a mut Bindings,
}

impl<'a> Matcher<'a> {
    fn at(case: &'a Json, at: &str, bindings: &'a mut Bindings) -> Matcher<'a> {
        let all = case["wildcards"].as_array().into_iter().flatten();
        let here = all.filter(|wildcard| wildcard["at"] == at);
        let entry = |wildcard: &'a Json| {
            Some((wildcard["pointer"].as_str()?, wildcard["kind"].as_str().unwrap_or("any")))
        };
        Matcher { placeholders: Some(here.filter_map(entry).collect()), bindings }
    }

    fn matches(&mut self, wanted: &Json, found: &Json, at: &str) -> Verdict {
        let differ = || Err(format!("{at}: want {wanted}, got {found}"));
        match (wanted, found) {
            (Json::String(text), _) if self.is_placeholder(text, at) => self.text(text, found, at),
            (Json::Number(wanted), Json::Number(found)) => {
                let same = wanted == found || wanted.as_f64() == found.as_f64();
                if same { Ok(()) } else { differ() }
            }
            (Json::Array(wanted), Json::Array(found)) if wanted.len() == found.len() => {
                let mut pairs = wanted.iter().zip(found).enumerate();
                pairs.try_for_each(|(index, (w, f))| self.matches(w, f, &format!("{at}/{index}")))
            }
            (Json::Object(_), Json::String(text)) if text.starts_with('{') => {
                // The recorder parses JSON texts of objects where it sees them.
                match serde_json::from_str::<Json>(text) {
                    Ok(found) if found.is_object() => self.matches(wanted, &found, at),
                    _ => differ(),
                }
            }
            (Json::Object(wanted), Json::Object(found)) => {
                let names = |object: &serde_json::Map<String, Json>| {
                    object.keys().cloned().collect::<BTreeSet<_>>()
                };
                if names(wanted) != names(found) {
                    return differ();
                }
                wanted.iter().try_for_each(|(name, value)| {
                    let token = name.replace('~', "~0").replace('/', "~1");
                    self.matches(value, &found[name], &format!("{at}/{token}"))
                })
            }
            _ if wanted == found => Ok(()),
            _ => differ(),
        }
    }

    fn is_placeholder(&self, text: &str, at: &str) -> bool {
        let stands_here = |known: &BTreeMap<&str, &str>| known.contains_key(at);
        TOKEN.is_match(text) && self.placeholders.as_ref().is_none_or(stands_here)
    }

    /// A text with placeholders in it.
    fn text(&mut self, wanted: &str, found: &Json, at: &str) -> Verdict {
        let differ = || Err(format!("{at}: want {wanted:?}, got {found}"));
        let is_whole = TOKEN.find(wanted).is_some_and(|token| token.as_str() == wanted);
        let Some(text) = found.as_str() else {
            return if is_whole { Ok(()) } else { differ() };
        };
        if wanted == text {
            return Ok(());
        }
        if is_whole {
            let kind = self.placeholders.as_ref().and_then(|known| known.get(at)).copied();
            let is_time = wanted.starts_with("<date");
            let is_open = TOKEN.is_match(text);
            let too_short = kind == Some("uuid") && text.len() < UNIQUE_CHARS_MIN;
            if !is_open && (is_time && !TIME.is_match(text) || too_short) {
                return differ();
            }
            return self.bind(wanted, text, at);
        }
        let (mut pattern, mut end) = (String::new(), 0);
        for token in TOKEN.find_iter(wanted) {
            pattern += &format!("{}(.+?)", regex::escape(&wanted[end..token.start()]));
            end = token.end();
        }
        pattern += &regex::escape(&wanted[end..]);
        let Some(parts) = regex(&format!(r"(?s)\A{pattern}\z")).captures(text) else {
            return differ();
        };
        for (token, part) in TOKEN.find_iter(wanted).zip(parts.iter().skip(1).flatten()) {
            self.bind(token.as_str(), part.as_str(), at)?;
        }
        Ok(())
    }

    fn bind(&mut self, name: &str, text: &str, at: &str) -> Verdict {
        if !BOUND.is_match(name) {
            return Ok(());
        }
        let known = self.bindings.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        if known == text || name == known.as_str() || name == text {
            return Ok(());
        }
        Err(format!("{at}: {name} was {known:?} before, now {text:?}"))
    }
}
