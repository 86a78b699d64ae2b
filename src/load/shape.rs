//! What an event looks like: JSON text with `{{holes}}` that random values, the event's id, its key
//! and its send time fill. The shapes that come along are such files too (`shapes/`).

use super::random::Random;

/// The shapes that come along, by name.
pub const SHAPES: &[(&str, &str)] = &[
    ("iot", include_str!("shapes/iot.json")),
    ("click", include_str!("shapes/click.json")),
    ("order", include_str!("shapes/order.json")),
];

/// What an event is made from, besides its shape.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Marks this run's events; see [`id_prefix`].
    pub run: u32,
    /// The event's number, from 0.
    pub seq: u64,
    /// When it is to be sent, in nanoseconds since 1970.
    pub sent_ns: u64,
    /// Its key.
    pub key: &'a [u8],
}

/// Digits of the event's number in its id; ids have one length, so that sizes do not drift.
pub const SEQ_DIGITS: usize = 12;

/// What every event id of a run starts with. It is not found by chance in anything else, so that
/// ids can be told in results whatever field they ended up in.
pub fn id_prefix(run: u32) -> [u8; 9] {
    let mut prefix = *b"00000000-";
    for (i, byte) in prefix[..8].iter_mut().enumerate() {
        *byte = HEX[(run >> (28 - 4 * i)) as usize & 15];
    }
    prefix
}

/// A shape, ready to be filled.
#[derive(Clone, Debug)]
pub struct Shape {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    /// `{{id}}`
    Id,
    /// `{{seq}}`
    Seq,
    /// `{{sent_ns}}`
    SentNs,
    /// `{{key}}`
    Key,
    /// `{{int 1 9}}`: both ends may come
    Int(u64, u64),
    /// `{{decimal 0 45 1}}`: from, below, digits after the point; in units of the last digit
    Decimal(u64, u64, u32),
    /// `{{hex 16}}`
    Hex(usize),
    /// `{{word}}`
    Word,
    /// `{{bool}}`
    Bool,
    /// `{{pick red green blue}}`; words may repeat
    Pick(Vec<Box<[u8]>>),
    /// `{{maybe 20}} … {{end}}`: in so many of a hundred events; skips to the piece after the end
    Maybe(u64, usize),
}

const HEX: &[u8; 16] = b"0123456789abcdef";
const WORDS: [&str; 16] = [
    "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett",
    "kilo", "lima", "mike", "november", "oscar", "papa",
];
const HOLES: &str = "there are id, seq, sent_ns, key, word, bool, hex N, int FROM TO, \
                     decimal FROM BELOW DIGITS, pick WORD..., maybe PERCENT and end";
const DECIMAL_DIGITS_MAX: u32 = 9;
const HEX_DIGITS_MAX: usize = 4096;

impl Shape {
    /// The shape of that name, one of [`SHAPES`].
    pub fn named(name: &str) -> Option<Shape> {
        let (_, text) = SHAPES.iter().find(|(known, _)| *known == name)?;
        Some(Shape::parse(text).expect("a test parses every shape that comes along"))
    }

    /// Reads a shape. Line breaks and the blanks around them are for the reader only.
    pub fn parse(text: &str) -> Result<Shape, String> {
        let text: String = text.lines().map(str::trim).collect();
        let mut shape = Shape { pieces: Vec::new() };
        let mut open = None;
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            // `{{{` is an object that starts with a hole: the hole is the innermost pair.
            let braces = after.len() - after.trim_start_matches('{').len();
            shape.text(before, braces);
            let (hole, after) = after[braces..]
                .split_once("}}")
                .ok_or_else(|| format!("\"{{{{{}\" has no closing braces", &after[braces..]))?;
            shape.hole(hole.trim(), &mut open)?;
            rest = after;
        }
        if open.is_some() {
            return Err("{{maybe}} has no {{end}}".to_string());
        }
        shape.text(rest, 0);
        shape.check()?;
        Ok(shape)
    }

    fn text(&mut self, text: &str, braces: usize) {
        if !text.is_empty() || braces > 0 {
            let text = format!("{text}{}", "{".repeat(braces));
            self.pieces.push(Piece::Text(text.into_bytes().into()));
        }
    }

    fn hole(&mut self, hole: &str, open: &mut Option<usize>) -> Result<(), String> {
        let mut words = hole.split_whitespace();
        let name = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        match (name, rest.as_slice()) {
            ("maybe", [percent]) if open.is_none() => {
                *open = Some(self.pieces.len());
                self.pieces.push(Piece::Maybe(number(percent)?.min(100), 0));
            }
            ("end", []) => {
                let start = open.take().ok_or("{{end}} without {{maybe}}")?;
                let after = self.pieces.len();
                if let Piece::Maybe(_, skip) = &mut self.pieces[start] {
                    *skip = after;
                }
            }
            _ => self.pieces.push(piece(name, &rest)?),
        }
        Ok(())
    }

    /// An event must be JSON and carry its id; seen by writing some.
    fn check(&self) -> Result<(), String> {
        if !self.pieces.iter().any(|piece| matches!(piece, Piece::Id)) {
            return Err("no {{id}}: without it no result can be told to be this event's".into());
        }
        let mut out = Vec::new();
        for seq in 0..32 {
            out.clear();
            let facts = Facts { run: 0, seq, sent_ns: 0, key: b"key" };
            self.write(&mut Random::of(0, seq), &facts, &mut out);
            serde_json::from_slice::<serde::de::IgnoredAny>(&out)
                .map_err(|e| format!("{e} in {}", String::from_utf8_lossy(&out)))?;
        }
        Ok(())
    }

    /// Appends an event.
    pub fn write(&self, random: &mut Random, facts: &Facts<'_>, out: &mut Vec<u8>) {
        let mut i = 0;
        while let Some(piece) = self.pieces.get(i) {
            i += 1;
            match piece {
                Piece::Maybe(percent, after) if random.below(100) >= *percent => i = *after,
                piece => piece.write(random, facts, out),
            }
        }
    }
}

impl Piece {
    fn write(&self, random: &mut Random, facts: &Facts<'_>, out: &mut Vec<u8>) {
        match self {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Id => {
                out.extend_from_slice(&id_prefix(facts.run));
                write_padded(out, facts.seq, SEQ_DIGITS);
            }
            Piece::Seq => write_int(out, facts.seq),
            Piece::SentNs => write_int(out, facts.sent_ns),
            Piece::Key => out.extend_from_slice(facts.key),
            Piece::Int(from, to) => write_int(out, from + random.below(to - from + 1)),
            Piece::Decimal(from, below, digits) => {
                let (value, unit) = (from + random.below(below - from), 10u64.pow(*digits));
                write_int(out, value / unit);
                out.push(b'.');
                write_padded(out, value % unit, *digits as usize);
            }
            Piece::Hex(digits) => write_hex(out, random, *digits),
            Piece::Word => out.extend_from_slice(WORDS[random.below(16) as usize].as_bytes()),
            Piece::Bool => {
                out.extend_from_slice(if random.bits() & 1 == 0 { b"true" } else { b"false" })
            }
            Piece::Pick(words) => {
                out.extend_from_slice(&words[random.below(words.len() as u64) as usize])
            }
            Piece::Maybe(..) => {}
        }
    }
}

fn piece(name: &str, rest: &[&str]) -> Result<Piece, String> {
    let hole = || format!("{{{{{}}}}}", [&[name], rest].concat().join(" "));
    Ok(match (name, rest) {
        ("id", []) => Piece::Id,
        ("seq", []) => Piece::Seq,
        ("sent_ns", []) => Piece::SentNs,
        ("key", []) => Piece::Key,
        ("word", []) => Piece::Word,
        ("bool", []) => Piece::Bool,
        ("hex", [digits]) => Piece::Hex((number(digits)? as usize).min(HEX_DIGITS_MAX)),
        ("int", [from, to]) => match (number(from)?, number(to)?) {
            (from, to) if from <= to && to < u64::MAX => Piece::Int(from, to),
            _ => return Err(format!("{} is an empty range", hole())),
        },
        ("decimal", [from, below, digits]) => decimal(from, below, digits)
            .ok_or_else(|| format!("{} is no range of 1 to 9 digits", hole()))?,
        ("pick", [_, ..]) => Piece::Pick(rest.iter().map(|word| word.as_bytes().into()).collect()),
        _ => return Err(format!("{} is not known: {HOLES}", hole())),
    })
}

fn decimal(from: &str, below: &str, digits: &str) -> Option<Piece> {
    let digits = digits.parse().ok().filter(|d| (1..=DECIMAL_DIGITS_MAX).contains(d))?;
    let unit = 10u64.pow(digits);
    let from = from.parse::<u64>().ok()?.checked_mul(unit)?;
    let below = below.parse::<u64>().ok()?.checked_mul(unit)?;
    (from < below).then_some(Piece::Decimal(from, below, digits))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not a whole number"))
}

fn write_int(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_hex(out: &mut Vec<u8>, random: &mut Random, digits: usize) {
    let mut bits = 0;
    for i in 0..digits {
        if i % 16 == 0 {
            bits = random.bits();
        }
        out.push(HEX[bits as usize & 15]);
        bits >>= 4;
    }
}

/// A number with leading zeros, at least `digits` long.
pub(super) fn write_padded(out: &mut Vec<u8>, value: u64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    let zeros = digits.saturating_sub(text.len());
    out.resize(out.len() + zeros, b'0');
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(shape: &Shape, seed: u64, seq: u64) -> Vec<u8> {
        let facts =
            Facts { run: 0xC0FFEE, seq, sent_ns: 1_800_000_000_000_000_000, key: b"k-12345" };
        let mut out = Vec::new();
        shape.write(&mut Random::of(seed, seq), &facts, &mut out);
        out
    }

    #[test]
    fn shapes_are_json_of_their_size_and_repeat() {
        for (name, size) in [("iot", 230), ("click", 370), ("order", 690)] {
            let shape = Shape::named(name).expect("it comes along");
            let mut total = 0;
            for seq in 0..2000 {
                let text = event(&shape, 7, seq);
                let value: serde_json::Value = serde_json::from_slice(&text).expect(name);
                assert_eq!(value["id"], format!("00c0ffee-{seq:012}"));
                assert_eq!(value["sent_ns"], 1_800_000_000_000_000_000u64);
                assert_eq!(text, event(&shape, 7, seq));
                total += text.len();
            }
            assert_ne!(event(&shape, 7, 1), event(&shape, 8, 1));
            let mean = total / 2000;
            assert!(mean.abs_diff(size) <= size / 20, "{name}: {mean} bytes on average");
        }
    }

    #[test]
    fn writing_reuses_the_buffer() {
        let shape = Shape::named("order").expect("it comes along");
        let mut out = Vec::with_capacity(2048);
        let start = out.as_ptr();
        for seq in 0..1000 {
            out.clear();
            let facts = Facts { run: 1, seq, sent_ns: 1, key: b"k" };
            shape.write(&mut Random::of(1, seq), &facts, &mut out);
        }
        assert_eq!(start, out.as_ptr());
    }

    #[test]
    fn refuses_what_makes_no_event() {
        let refused = |text: &str, part: &str| {
            let message = Shape::parse(text).expect_err(text);
            assert!(message.contains(part), "{message}");
        };
        refused(r#"{"a":1}"#, "no {{id}}");
        refused(r#"{"id":"{{id}}",}"#, "key must be a string");
        refused(r#"{"id":"{{id"#, "no closing braces");
        refused(r#"{"id":"{{id}}","n":{{int 3 2}}}"#, "{{int 3 2}} is an empty range");
        refused(r#"{"id":"{{id}}","n":{{decimal 1 2 40}}}"#, "1 to 9 digits");
        refused(r#"{"id":"{{id}}","n":{{lorem 3}}}"#, "{{lorem 3}} is not known");
        refused(r#"{"id":"{{id}}"{{maybe 5}}}"#, "no {{end}}");
        refused(r#"{"id":"{{id}}"{{end}}}"#, "without {{maybe}}");
    }

    #[test]
    fn holes_may_stand_right_after_a_brace() {
        let shape =
            Shape::parse(r#"{{{maybe 100}}"a":1,{{end}}"id":"{{id}}"}"#).expect("it is one");
        assert_eq!(event(&shape, 1, 5), br#"{"a":1,"id":"00c0ffee-000000000005"}"#);
    }
}
