//! A picture as a Mermaid flowchart, for pages that draw those themselves.

use std::fmt::Write;

use super::scene::{Box, Scene, Shape};

/// The whole text.
pub(super) fn mermaid(scene: &Scene) -> String {
    let mut writer = Writer { out: "flowchart TD\n".to_owned(), next: 0, depth: 1 };
    writer.machine(scene);
    writer.out
}

struct Writer {
    out: String,
    /// The number of the next box.
    next: usize,
    depth: usize,
}

impl Writer {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "  ".repeat(self.depth));
    }

    fn machine(&mut self, scene: &Scene) {
        let ids: Vec<String> = scene.nodes.iter().map(|node| self.state(node)).collect();
        for edge in &scene.edges {
            let (from, to) = (&ids[edge.from], &ids[edge.to]);
            let arrow = if edge.is_catch { "-.->" } else { "-->" };
            let label = match edge.label.is_empty() {
                true => String::new(),
                false => format!("|\"{}\"|", escaped(&edge.short_label())),
            };
            self.line(&format!("{from} {arrow}{label} {to}"));
        }
    }

    /// Writes a box and what is within it; its id.
    fn state(&mut self, node: &Box) -> String {
        let id = format!("s{}", self.next);
        self.next += 1;
        let retries = match node.retriers {
            0 => String::new(),
            count => format!(" ↻ {count}"),
        };
        let text = format!("{}<br/>{}{retries}", escaped(&node.title), escaped(&node.caption));
        if !node.inner.is_empty() {
            self.nested(&id, &text, node);
            return id;
        }
        let line = match node.shape {
            Shape::Start => format!("{id}(( ))"),
            Shape::End => format!("{id}((( )))"),
            Shape::Choice => format!("{id}{{{{\"{text}\"}}}}"),
            Shape::Succeed | Shape::Fail => format!("{id}([\"{text}\"])"),
            _ => format!("{id}[\"{text}\"]"),
        };
        self.line(&line);
        id
    }

    fn nested(&mut self, id: &str, text: &str, node: &Box) {
        self.line(&format!("subgraph {id}[\"{text}\"]"));
        self.depth += 1;
        let several = node.inner.len() > 1;
        for (at, scene) in node.inner.iter().enumerate() {
            if several {
                self.line(&format!("subgraph {id}b{at}[\" \"]"));
                self.depth += 1;
            }
            self.machine(scene);
            if several {
                self.depth -= 1;
                self.line("end");
            }
        }
        self.depth -= 1;
        self.line("end");
    }
}

/// Text as Mermaid takes it within quotes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            character if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(escaped("a \"<#>\"\n"), "a #quot;#lt;#35;#gt;#quot; ");
    }
}
