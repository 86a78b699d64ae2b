//! Finding, replacing and splitting by strings, regular expressions, or functions that match.

use super::super::error::{Code, QueryError};
use super::super::eval::{Evaluation, Result, Target};
use super::super::item::{Closure, Function, Item, SEQUENCE};
use super::super::program::RegexId;
use super::Args;
use crate::value::Value;

/// A match, in bytes of the text.
struct Found {
    start: usize,
    end: usize,
    /// What the groups matched.
    groups: Vec<Option<String>>,
    /// As a function that replaces gets it.
    object: Option<Item>,
}

/// What finds matches.
#[derive(Clone, Copy)]
enum Matcher {
    Regex(RegexId),
    /// A function that returns `{match, start, end, groups, next}`.
    Function(Target),
}

/// How many UTF-16 units `text` takes: what positions count.
fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Counts the UTF-16 units before places that mostly lie behind each other.
struct Units<'t> {
    text: &'t str,
    byte: usize,
    count: usize,
}

impl<'t> Units<'t> {
    fn of(text: &'t str) -> Units<'t> {
        Units { text, byte: 0, count: 0 }
    }

    /// The units before a byte, as the number that an expression sees.
    fn before(&mut self, byte: usize) -> Item {
        if byte < self.byte {
            (self.byte, self.count) = (0, 0);
        }
        self.count += units(&self.text[self.byte..byte]);
        self.byte = byte;
        Item::Number(self.count as f64)
    }
}

/// The byte at which the UTF-16 unit `at` stands.
fn byte_of(text: &str, at: f64) -> usize {
    let mut left = at.max(0.0);
    for (byte, c) in text.char_indices() {
        if left < 1.0 {
            return byte;
        }
        left -= c.len_utf16() as f64;
    }
    text.len()
}

impl Evaluation<'_> {
    fn matcher(&self, args: Args, function: Item) -> Matcher {
        if let Item::Function(Function::Closure(id)) = function
            && let Closure::Regex(regex) = self.memory.closures[id as usize]
        {
            return Matcher::Regex(regex);
        }
        Matcher::Function(Target { function, frame: args.frame })
    }

    /// Gives every match in `text` to `each`, `limit` at most.
    fn each_match(
        &mut self,
        matcher: Matcher,
        text: &str,
        limit: f64,
        each: &mut dyn FnMut(&mut Self, Found) -> Result<()>,
    ) -> Result<()> {
        match matcher {
            Matcher::Regex(regex) => self.each_regex_match(regex, text, limit, each),
            Matcher::Function(target) => {
                let subject = self.string(text)?;
                let mut object = self.invoke(target, &[subject])?;
                let mut count = 0.0;
                while !object.is_nothing() && count < limit {
                    let (found, next) = self.found(text, object)?;
                    each(self, found)?;
                    count += 1.0;
                    object = self.invoke(Target { function: next, frame: target.frame }, &[])?;
                }
                Ok(())
            }
        }
    }

    fn each_regex_match(
        &mut self,
        id: RegexId,
        text: &str,
        limit: f64,
        each: &mut dyn FnMut(&mut Self, Found) -> Result<()>,
    ) -> Result<()> {
        let (mut from, mut count) = (0, 0.0);
        // The match behind the last one is looked for all the same, and may be refused.
        while count == 0.0 || from < text.len() {
            let Some(found) = self.regex_match(id, text, from)? else { break };
            if count > 0.0 && found.start == found.end {
                return Err(self.stuck(id));
            }
            if count >= limit {
                break;
            }
            from = found.end;
            each(self, found)?;
            count += 1.0;
        }
        Ok(())
    }

    #[cold]
    fn stuck(&self, id: RegexId) -> QueryError {
        let source = self.program.regexes[id.index()].regex.as_str();
        QueryError::new(Code::D1004).text("value", source)
    }

    fn regex_match(&self, id: RegexId, text: &str, from: usize) -> Result<Option<Found>> {
        let pattern = &self.program.regexes[id.index()];
        let left = text.len() - from;
        self.spend(pattern.steps_ahead(left))?;
        let captures = pattern.regex.captures_at(text, from);
        let whole = captures.as_ref().and_then(|captures| captures.get(0));
        self.spend(pattern.steps(whole.map_or(left, |whole| whole.end() - from)))?;
        let (Some(captures), Some(whole)) = (&captures, whole) else { return Ok(None) };
        let group = |group: Option<regex::Match<'_>>| group.map(|it| it.as_str().to_string());
        let groups = captures.iter().skip(1).map(group).collect();
        Ok(Some(Found { start: whole.start(), end: whole.end(), groups, object: None }))
    }

    /// Reads the object that a matching function returned; what finds the next match.
    fn found(&self, text: &str, object: Item) -> Result<(Found, Item)> {
        let (start, end) = (self.member(object, "start"), self.member(object, "end"));
        let (groups, next) = (self.member(object, "groups"), self.member(object, "next"));
        let is_function = matches!(next, Item::Function(_));
        if !start.is_number() && !end.is_number() && !groups.is_array() && !is_function {
            return Err(QueryError::new(Code::T1010));
        }
        let start = byte_of(text, self.number(start).unwrap_or(0.0));
        let end = byte_of(text, self.number(end).unwrap_or(0.0)).max(start);
        let mut walk = self.walk(groups);
        let group = |item: Item| match item {
            Item::Json(value) if item.is_string() => Some(self.scratch.str(value).into_owned()),
            _ => None,
        };
        let groups = std::iter::from_fn(|| self.next(&mut walk)).map(group).collect();
        Ok((Found { start, end, groups, object: Some(object) }, next))
    }

    fn group_list(&mut self, found: &Found) -> Result<Item> {
        let mark = self.mark();
        for group in &found.groups {
            let item = match group {
                Some(text) => self.string(text)?,
                None => Item::Json(Value::NULL),
            };
            self.push(item);
        }
        self.list(mark, 0)
    }

    fn push_member(&mut self, name: &str, value: Item) -> Result<()> {
        let key = self.string(name)?;
        self.push(key);
        self.push(value);
        Ok(())
    }

    /// What calling a regular expression gives: the first match from byte `from` on.
    pub fn match_object(&mut self, id: RegexId, subject: Value, from: u32) -> Result<Item> {
        let text = self.scratch.str(subject).into_owned();
        self.tick_bytes(text.len());
        let Some(found) = self.regex_match(id, &text, from as usize)? else {
            return Ok(Item::Nothing);
        };
        self.found_object(id, subject, &text, &found)
    }

    fn found_object(
        &mut self,
        id: RegexId,
        subject: Value,
        text: &str,
        found: &Found,
    ) -> Result<Item> {
        let mark = self.mark();
        self.push_match(found, &mut Units::of(text))?;
        let from = found.end as u32;
        let next = self.closure(Closure::NextMatch { regex: id, text: subject, from });
        self.push_member("next", next)?;
        self.members(mark)
    }

    /// Pushes what there is to know of a match, as names and values in turn.
    fn push_match(&mut self, found: &Found, units: &mut Units<'_>) -> Result<()> {
        let matched = self.string(&units.text[found.start..found.end])?;
        self.push_member("match", matched)?;
        self.push_member("start", units.before(found.start))?;
        self.push_member("end", units.before(found.end))?;
        let groups = self.group_list(found)?;
        self.push_member("groups", groups)
    }

    /// The match behind the one that ended at byte `from`.
    pub fn next_match(&mut self, id: RegexId, subject: Value, from: u32) -> Result<Item> {
        let text = self.scratch.str(subject).into_owned();
        self.tick_bytes(text.len());
        if from as usize >= text.len() {
            return Ok(Item::Nothing);
        }
        match self.regex_match(id, &text, from as usize)? {
            Some(found) if found.start == found.end => Err(self.stuck(id)),
            Some(found) => self.found_object(id, subject, &text, &found),
            None => Ok(Item::Nothing),
        }
    }

    /// How often something is to be done at most; a negative number is an error.
    fn limit_arg(&self, args: Args, at: usize, code: Code) -> Result<f64> {
        match self.number_arg(args, at) {
            Some(limit) if limit < 0.0 => {
                Err(self.error(code, Item::Number(limit)).json("index", at + 1))
            }
            limit => Ok(limit.unwrap_or(f64::INFINITY)),
        }
    }
}

/// `$match`
pub(super) fn find(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let limit = e.limit_arg(args, 2, Code::D3040)?;
    let matcher = e.matcher(args, e.arg(args, 1));
    let mark = e.mark();
    if limit > 0.0 {
        let mut units = Units::of(&text);
        e.each_match(matcher, &text, limit, &mut |e, found| {
            let inner = e.mark();
            let matched = e.string(&text[found.start..found.end])?;
            e.push_member("match", matched)?;
            e.push_member("index", units.before(found.start))?;
            let groups = e.group_list(&found)?;
            e.push_member("groups", groups)?;
            let object = e.members(inner)?;
            e.push(object);
            Ok(())
        })?;
    }
    e.list(mark, SEQUENCE)
}

pub(super) fn contains(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.str_arg(args, 0) else { return Ok(Item::Nothing) };
    if let Some(part) = e.str_arg(args, 1) {
        return Ok(Item::bool(text.contains(&*part)));
    }
    let (text, mut is_found) = (text.into_owned(), false);
    let matcher = e.matcher(args, e.arg(args, 1));
    if let Matcher::Regex(id) = matcher {
        let pattern = &e.program.regexes[id.index()];
        e.spend(pattern.steps(text.len()))?;
        return Ok(Item::bool(pattern.regex.is_match(&text)));
    }
    e.each_match(matcher, &text, 1.0, &mut |_, _| {
        is_found = true;
        Ok(())
    })?;
    Ok(Item::bool(is_found))
}

pub(super) fn replace(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let part = e.text_arg(args, 1);
    if part.as_deref() == Some("") {
        return Err(QueryError::new(Code::D3010).text("value", "").json("index", 2));
    }
    let limit = e.limit_arg(args, 3, Code::D3011)?;
    let replacement = e.arg(args, 2);
    let plain = e.text_arg(args, 2);
    let mut out = String::new();
    let mut last = 0;
    if let Some(part) = part {
        let plain = plain.unwrap_or_default();
        let mut count = 0.0;
        for (at, _) in text.match_indices(&part) {
            if count >= limit {
                break;
            }
            e.allow_string(out.len() + at - last + plain.len())?;
            out.push_str(&text[last..at]);
            out.push_str(&plain);
            last = at + part.len();
            count += 1.0;
        }
    } else if limit > 0.0 {
        let matcher = e.matcher(args, e.arg(args, 1));
        let mut units = Units::of(&text);
        let bytes_max = e.budget.limits.string_bytes_max;
        e.each_match(matcher, &text, limit, &mut |e, found| {
            out.push_str(text.get(last..found.start).unwrap_or_default());
            last = found.end;
            match &plain {
                Some(template) => {
                    e.tick_bytes(template.len());
                    expand(template, &text, &found, bytes_max, &mut out);
                }
                None => out.push_str(&replaced(e, args, replacement, &found, &mut units)?),
            }
            e.allow_string(out.len())
        })?;
    }
    out.push_str(&text[last..]);
    e.string(&out)
}

/// What a function replaces a match by.
fn replaced(
    e: &mut Evaluation<'_>,
    args: Args,
    function: Item,
    found: &Found,
    units: &mut Units<'_>,
) -> Result<String> {
    let object = match found.object {
        Some(object) => object,
        None => {
            let mark = e.mark();
            e.push_match(found, units)?;
            e.members(mark)?
        }
    };
    let result = e.invoke(Target { function, frame: args.frame }, &[object])?;
    match result {
        Item::Json(value) if result.is_string() => Ok(e.scratch.str(value).into_owned()),
        _ => Err(e.error(Code::D3012, result)),
    }
}

/// Appends a replacement in which `$1` is the first group, `$0` the match, `$$` a dollar; no more of it
/// when there are more than `bytes_max`.
fn expand(template: &str, text: &str, found: &Found, bytes_max: usize, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$')
        && out.len() <= bytes_max
    {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('0') {
            out.push_str(&text[found.start..found.end]);
            rest = after;
        } else {
            rest = expand_group(rest, found, out);
        }
    }
    out.push_str(rest);
}

/// The group whose number `rest` begins with; as many digits as there can be groups. What follows.
fn expand_group<'a>(rest: &'a str, found: &Found, out: &mut String) -> &'a str {
    let count = found.groups.len();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let most = count.max(1).ilog10() as usize + 1;
    let mut taken = digits.min(most);
    let number = |taken: usize| rest[..taken].parse().unwrap_or(usize::MAX);
    if taken == 0 {
        out.push('$');
        return rest;
    }
    if taken > 1 && number(taken) > count {
        taken -= 1;
    }
    if let Some(Some(group)) = number(taken).checked_sub(1).and_then(|at| found.groups.get(at)) {
        out.push_str(group);
    }
    &rest[taken..]
}

pub(super) fn split(e: &mut Evaluation<'_>, args: Args) -> Result<Item> {
    let Some(text) = e.text_arg(args, 0) else { return Ok(Item::Nothing) };
    let limit = e.limit_arg(args, 2, Code::D3020)?.floor();
    let mark = e.mark();
    if let Some(separator) = e.text_arg(args, 1) {
        let is_empty = separator.is_empty();
        let mut parts = text.split(separator.as_str());
        let mut left = limit;
        // An empty separator splits into characters, without the empty ends that Rust adds.
        let characters = if is_empty { text.chars().count() + 2 } else { usize::MAX };
        for (at, part) in parts.by_ref().enumerate() {
            if left < 1.0 {
                break;
            }
            if is_empty && (at == 0 || at + 1 == characters) {
                continue;
            }
            let part = e.string(part)?;
            e.push(part);
            e.spend(1)?;
            left -= 1.0;
        }
        return e.list(mark, 0);
    }
    let matcher = e.matcher(args, e.arg(args, 1));
    let (mut last, mut count) = (0, 0.0);
    if limit > 0.0 {
        e.each_match(matcher, &text, limit, &mut |e, found| {
            let part = e.string(text.get(last..found.start).unwrap_or_default())?;
            e.push(part);
            last = found.end;
            count += 1.0;
            Ok(())
        })?;
        if count < limit {
            let part = e.string(&text[last..])?;
            e.push(part);
        }
    }
    e.list(mark, 0)
}
