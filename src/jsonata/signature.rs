//! Signatures of functions, `<s-nn?:s>`: which arguments fit, and where the context stands in.

use super::error::Code;

/// The type of an argument, one bit each, by its symbol in a signature.
pub(super) type Types = u16;

pub(super) const ARRAY: Types = 1;
pub(super) const STRING: Types = 2;
pub(super) const NUMBER: Types = 4;
pub(super) const BOOL: Types = 8;
pub(super) const NULL: Types = 16;
pub(super) const FUNCTION: Types = 32;
pub(super) const OBJECT: Types = 64;
/// Of an argument that is undefined.
pub(super) const MISSING: Types = 128;

const ANY: Types = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    One,
    /// `?`, `-`
    Optional,
    /// `+`
    Many,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Param {
    types: Types,
    repeat: Repeat,
    /// `-`: the context stands in.
    takes_context: bool,
    /// `a`
    pub is_array: bool,
    /// What the array's items must be.
    pub items: Option<Types>,
    /// The symbol of `items`.
    pub items_symbol: char,
}

/// A parsed signature.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Signature {
    pub params: Vec<Param>,
}

/// How many arguments each parameter takes.
pub(super) type Taken = Vec<usize>;

/// What a match has come to.
struct Matching {
    taken: Taken,
    /// By parameter and argument: has it been tried to go on from there? Not again then.
    is_tried: Vec<bool>,
}

impl Matching {
    fn new(params: usize, args: usize) -> Matching {
        Matching { taken: vec![0; params], is_tried: vec![false; params * (args + 1)] }
    }
}

fn types_of(symbol: char) -> Types {
    match symbol {
        'a' => ARRAY,
        's' => STRING,
        'n' => NUMBER,
        'b' => BOOL,
        'l' => NULL,
        'f' => FUNCTION,
        'o' => OBJECT,
        'j' => ANY & !FUNCTION,
        'x' => ANY,
        'm' => MISSING,
        _ => 0,
    }
}

/// What error messages call the items of an array.
pub(super) fn plural(symbol: char) -> &'static str {
    match symbol {
        'a' => "arrays",
        'b' => "booleans",
        'f' => "functions",
        'n' => "numbers",
        'o' => "objects",
        's' => "strings",
        _ => "values of another type",
    }
}

impl Signature {
    /// Parses `<...>`; the offset of what is wrong otherwise.
    pub fn parse(text: &str) -> Result<Signature, (Code, usize)> {
        let chars: Vec<char> = text.chars().collect();
        let mut params: Vec<Param> = Vec::new();
        let mut at = 1;
        while at < chars.len() && chars[at] != ':' {
            match chars[at] {
                symbol @ ('s' | 'n' | 'b' | 'l' | 'o') => {
                    params.push(Param::new(types_of(symbol) | MISSING));
                }
                'a' => params.push(Param { is_array: true, ..Param::new(ANY) }),
                'f' => params.push(Param::new(FUNCTION)),
                symbol @ ('j' | 'x') => params.push(Param::new(types_of(symbol))),
                '-' => with_last(&mut params, |last| {
                    (last.takes_context, last.repeat) = (true, Repeat::Optional);
                }),
                '?' => with_last(&mut params, |last| last.repeat = Repeat::Optional),
                '+' => with_last(&mut params, |last| last.repeat = Repeat::Many),
                '(' => {
                    let end = closing(&chars, at, '(', ')');
                    let choice = &chars[at + 1..end.min(chars.len())];
                    if choice.contains(&'<') {
                        return Err((Code::S0402, at));
                    }
                    let types = choice.iter().fold(MISSING, |types, c| types | types_of(*c));
                    params.push(Param::new(types));
                    at = end;
                }
                '<' => {
                    let end = closing(&chars, at, '<', '>');
                    let inner = chars.get(at + 1).copied().unwrap_or(' ');
                    match params.last_mut() {
                        Some(last) if last.is_array => {
                            (last.items, last.items_symbol) = (Some(types_of(inner)), inner);
                        }
                        Some(last) if last.types == FUNCTION => {}
                        _ => return Err((Code::S0401, at)),
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        Ok(Signature { params })
    }

    /// How many arguments each parameter takes, or the argument that fits none.
    pub fn matches(&self, types: &[Types]) -> Result<Taken, usize> {
        let mut matching = Matching::new(self.params.len(), types.len());
        if self.take(0, types, 0, &mut matching) {
            return Ok(matching.taken);
        }
        Err(self.culprit(types))
    }

    /// As a regular expression would: greedily, with backtracking.
    fn take(&self, param: usize, types: &[Types], at: usize, matching: &mut Matching) -> bool {
        let Some(this) = self.params.get(param) else { return at == types.len() };
        let place = param * (types.len() + 1) + at;
        if std::mem::replace(&mut matching.is_tried[place], true) {
            return false;
        }
        let fits = types[at..].iter().take_while(|found| **found & this.types != 0).count();
        let (least, most) = this.bounds(fits);
        (least..=most).rev().any(|count| {
            matching.taken[param] = count;
            self.take(param + 1, types, at + count, matching)
        })
    }

    /// The first argument at which the longest matching start of the signature ends.
    fn culprit(&self, types: &[Types]) -> usize {
        let mut good = 0;
        for count in 1..=self.params.len() {
            let part = Signature { params: self.params[..count].to_vec() };
            let longest = (0..=types.len())
                .rev()
                .find(|end| part.take(0, &types[..*end], 0, &mut Matching::new(count, *end)));
            match longest {
                Some(end) => good = end,
                None => break,
            }
        }
        good
    }
}

fn with_last(params: &mut [Param], change: impl FnOnce(&mut Param)) {
    if let Some(last) = params.last_mut() {
        change(last);
    }
}

/// Where the bracket that opens at `start` is closed.
fn closing(chars: &[char], start: usize, open: char, close: char) -> usize {
    let mut depth = 0;
    let found = chars[start..].iter().position(|c| {
        depth += i32::from(*c == open) - i32::from(*c == close);
        depth == 0
    });
    found.map_or(chars.len(), |at| start + at)
}

impl Param {
    fn new(types: Types) -> Param {
        let repeat = Repeat::One;
        let (takes_context, is_array) = (false, false);
        Param { types, repeat, takes_context, is_array, items: None, items_symbol: ' ' }
    }

    /// Takes it one argument of such a type?
    #[inline]
    pub fn takes(&self, types: Types) -> bool {
        self.repeat != Repeat::Many && types & self.types != 0
    }

    /// May its argument be left out, with nothing in its stead?
    pub fn is_optional(&self) -> bool {
        self.repeat == Repeat::Optional && !self.takes_context
    }

    fn bounds(&self, fits: usize) -> (usize, usize) {
        match self.repeat {
            Repeat::One => (1, fits.min(1)),
            Repeat::Optional => (0, fits.min(1)),
            Repeat::Many => (1, fits),
        }
    }

    /// Does the context stand in where the argument is missing, and if so, does it fit?
    pub fn context_fits(&self, context: Types) -> Option<bool> {
        self.takes_context.then_some(self.types & context != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_greedily() {
        let taken = |text: &str, types: &[Types]| {
            let signature = Signature::parse(text).expect("it is well-formed");
            signature.matches(types)
        };
        assert_eq!(taken("<s-nn?:s>", &[STRING, NUMBER]), Ok(vec![1, 1, 0]));
        assert_eq!(taken("<s-nn?:s>", &[NUMBER, NUMBER]), Ok(vec![0, 1, 1]));
        assert_eq!(taken("<s-nn?:s>", &[BOOL, NUMBER]), Err(0));
        assert_eq!(taken("<a+>", &[ARRAY, NUMBER, ARRAY]), Ok(vec![3]));
        assert_eq!(taken("<a<n>:n>", &[ARRAY, ARRAY]), Err(1));
        assert_eq!(taken("<s-(sf)(sf)n?:s>", &[STRING, STRING, FUNCTION]), Ok(vec![1, 1, 1, 0]));
        assert_eq!(taken("<nnnnnnnnnn>", &[NUMBER; 10]), Ok(vec![1; 10]));
        assert_eq!(taken("<nnnnnnnnnn>", &[NUMBER; 9]), Err(9));
    }

    #[test]
    fn malformed_signatures() {
        assert_eq!(Signature::parse("<n<n>:n>"), Err((Code::S0401, 2)));
        assert_eq!(Signature::parse("<(sa<n>)>"), Err((Code::S0402, 1)));
    }
}
