//! Pictures of dates and times: `[Y0001]-[M01]-[D01]`, `[MNn] [D1o]`.

use super::super::picture::{Case, Picture};
use super::{Code, QueryError, Result};

/// Components that are numbers.
const NUMBERS: &str = "YMDdFWwXxHhmsf";
/// The widest a component may be asked to be.
const WIDTH_MAX: usize = 1000;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Debug)]
pub(super) enum Part {
    Literal(String),
    Marker(Marker),
}

/// `[D1o,2-4]`
#[derive(Debug)]
pub(super) struct Marker {
    pub component: char,
    /// Written as a name, in this case.
    pub names: Option<Case>,
    /// Ends in `t`: UTC is `Z`.
    pub is_traditional: bool,
    pub integer: Option<Picture>,
    /// Characters of a name at most.
    pub width_max: Option<usize>,
    /// Digits of a year at most.
    pub year_digits: Option<usize>,
}

pub(super) fn parse(picture: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = picture;
    loop {
        let Some(open) = rest.find('[') else {
            push_literal(rest, &mut parts);
            return Ok(parts);
        };
        push_literal(&rest[..open], &mut parts);
        rest = &rest[open + 1..];
        if let Some(after) = rest.strip_prefix('[') {
            parts.push(Part::Literal("[".into()));
            rest = after;
            continue;
        }
        let Some(close) = rest.find(']') else { return Err(QueryError::new(Code::D3135)) };
        let marker = marker(&rest[..close])?;
        fix_width(&marker, &mut parts);
        parts.push(Part::Marker(marker));
        rest = &rest[close + 1..];
    }
}

fn push_literal(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.replace("]]", "]")));
    }
}

/// Digits that are followed by digits are parsed by their number.
fn fix_width(next: &Marker, parts: &mut [Part]) {
    let is_number = next.integer.is_some() && NUMBERS.contains(next.component);
    if let (true, Some(Part::Marker(Marker { integer: Some(picture), .. }))) =
        (is_number, parts.last_mut())
    {
        picture.parse_width = picture.digits().map(|digits| digits.mandatory);
    }
}

/// What a component is written as, if nothing is said.
fn default_presentation(component: char) -> Option<&'static str> {
    Some(match component {
        'Y' | 'M' | 'D' | 'd' | 'W' | 'w' | 'X' | 'x' | 'H' | 'h' | 'f' => "1",
        'F' | 'P' | 'C' | 'E' => "n",
        'm' | 's' => "01",
        'Z' | 'z' => "01:01",
        _ => return None,
    })
}

fn marker(text: &str) -> Result<Marker> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let component = text.chars().next().unwrap_or(' ');
    let rest = &text[text.chars().next().map_or(0, char::len_utf8)..];
    let (presentation, width) = match rest.rsplit_once(',') {
        Some((presentation, width)) => (presentation, widths(width)),
        None => (rest, (None, None)),
    };
    let is_long = presentation.chars().count() > 1;
    let modifier = presentation.chars().last().filter(|c| is_long && "atco".contains(*c));
    let mut first = &presentation[..presentation.len() - modifier.map_or(0, char::len_utf8)];
    if first.is_empty() {
        let unknown = || QueryError::new(Code::D3132).text("value", component.to_string());
        first = default_presentation(component).ok_or_else(unknown)?;
    }
    let names = names(first);
    let mut marker = Marker {
        component,
        names,
        is_traditional: modifier == Some('t'),
        integer: None,
        width_max: width.1,
        year_digits: None,
    };
    if names.is_none() && NUMBERS.contains(component) {
        let suffix = modifier.map_or(String::new(), |modifier| format!(";{modifier}"));
        let mut picture = Picture::parse(&format!("{first}{suffix}"))?;
        widen(&mut marker, &mut picture, width);
        marker.integer = Some(picture);
    }
    if component == 'Z' || component == 'z' {
        marker.integer = Some(Picture::parse(first)?);
    }
    Ok(marker)
}

fn names(presentation: &str) -> Option<Case> {
    let mut chars = presentation.chars();
    match (chars.next(), chars.next()) {
        (Some('n'), _) => Some(Case::Lower),
        (Some('N'), Some('n')) => Some(Case::Title),
        (Some('N'), _) => Some(Case::Upper),
        _ => None,
    }
}

type Widths = (Option<usize>, Option<usize>);

/// `2`, `*-4`: the least and the most.
fn widths(text: &str) -> Widths {
    let width = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        text[..digits].parse().ok().map(|width: usize| width.min(WIDTH_MAX))
    };
    match text.split_once('-') {
        Some((least, most)) => (width(least), width(most)),
        None => (width(text), None),
    }
}

fn widen(marker: &mut Marker, picture: &mut Picture, (least, most): Widths) {
    let Some(digits) = picture.digits_mut() else { return };
    digits.mandatory = digits.mandatory.max(least.unwrap_or(0));
    if marker.component != 'Y' {
        return;
    }
    let written = digits.mandatory + digits.optional;
    marker.year_digits = match most {
        Some(most) => {
            digits.mandatory = most;
            Some(most)
        }
        None => (written >= 2).then_some(written),
    };
}
