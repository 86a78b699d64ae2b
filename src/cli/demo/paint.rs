//! A little colour and a few bars, where they are seen; plain text elsewhere.

use std::io::{ErrorKind, IsTerminal, Write};

/// Whether colours are shown.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// Colours where `stream` is a terminal and nobody has asked for none (<https://no-color.org>).
    pub fn on(stream: &impl IsTerminal) -> Paint {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Paint(stream.is_terminal() && !unwanted)
    }

    /// No colours.
    pub const fn none() -> Paint {
        Paint(false)
    }

    /// What matters most.
    pub fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    /// What is only looked up.
    pub fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    /// What moves.
    pub fn lively(self, text: &str) -> String {
        self.code("36", text)
    }

    /// What is as it should be.
    pub fn good(self, text: &str) -> String {
        self.code("32", text)
    }

    /// What is not.
    pub fn bad(self, text: &str) -> String {
        self.code("31", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A bar of at most `width` cells, as long as the share.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// One column for each value, the highest of them full.
pub fn columns(values: &[f64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let top = values.iter().copied().fold(1.0, f64::max);
    let level = |value: &f64| LEVELS[((value / top * 7.0).round().max(0.0) as usize).min(7)];
    values.iter().map(level).collect()
}

/// Writes to standard output. A reader that has gone away, `head` say, is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|it| bar(it, 4)), ["", "██", "████", "████"]);
        assert_eq!(bar(0.03, 4), "▏");
        assert_eq!(columns(&[0.0, 50.0, 100.0]), "▁▅█");
        assert_eq!(Paint(false).bold("x"), "x");
    }
}
