//! How wide texts are, roughly, and where they are cut into lines: a picture is made without its
//! font.

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// 13 px, bold
    Title,
    /// 11 px
    Caption,
    /// 11 px
    Label,
}

/// Characters of a line of a title.
const LINE_CHARS_MAX: usize = 26;
/// Lines of a title; names have 80 characters at most.
const LINES_MAX: usize = 4;

/// The width in pixels, in the fonts that browsers take for `system-ui`.
pub(super) fn width(text: &str, line: Line) -> f64 {
    let size = match line {
        // As wide as in the widest of those fonts.
        Line::Title => 13.0 * 1.2,
        Line::Caption | Line::Label => 11.0 * 1.08,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// The room that the mark of retriers takes beside a caption.
pub(super) fn badge_width() -> f64 {
    width("↻ 00", Line::Caption) + 12.0
}

/// Width in units of the font's size.
fn em(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.28,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '/' | '-' | '"' | '·' => 0.37,
        'm' | 'w' | 'M' | 'W' | '@' | '…' | '%' => 0.9,
        'A'..='Z' | '≤' | '≥' | '=' | '<' | '>' | '↻' => 0.68,
        ' '..='~' => 0.56,
        '\u{2e80}'..='\u{ffff}' | '\u{1f000}'..='\u{1faff}' => 1.05,
        _ => 0.62,
    }
}

/// A name in lines, cut at spaces, dashes and where a capital letter begins a word.
pub(super) fn wrapped(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in words(name) {
        let last = lines.last_mut().expect("there is always one");
        let fits = last.chars().count() + word.trim_end().chars().count() <= LINE_CHARS_MAX;
        if fits || last.is_empty() {
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    let more = lines.len() > LINES_MAX;
    lines.truncate(LINES_MAX);
    let mut lines: Vec<String> =
        lines.iter().map(|line| super::scene::shortened(line.trim(), 2 * LINE_CHARS_MAX)).collect();
    if let Some(last) = lines.last_mut().filter(|_| more) {
        last.push('…');
    }
    lines
}

fn words(name: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut before) = (0, ' ');
    for (at, character) in name.char_indices() {
        let is_hump = character.is_uppercase() && before.is_lowercase();
        let is_after = matches!(before, ' ' | '-' | '_' | '.' | ':' | '/') && character != before;
        if at > start && (is_hump || is_after) {
            found.push(&name[start..at]);
            start = at;
        }
        before = character;
    }
    found.push(&name[start..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_words() {
        assert_eq!(wrapped("Charge"), ["Charge"]);
        assert_eq!(
            wrapped("Was the customer's order paid in full?"),
            ["Was the customer's order", "paid in full?"]
        );
        assert_eq!(
            wrapped("ValidateTheCustomersShippingAddress"),
            ["ValidateTheCustomers", "ShippingAddress"]
        );
        assert_eq!(wrapped(""), [""]);
    }

    #[test]
    fn wide_letters_are_wider() {
        assert!(width("WWW", Line::Title) > 2.0 * width("iii", Line::Title));
        assert!(width("abc", Line::Title) > width("abc", Line::Caption));
    }
}
