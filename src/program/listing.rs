//! Listings: the step table as text, a row per step with its state's name beside it.

use std::fmt::Write;

use super::Program;
use crate::states::Listing;
use crate::step::Exit;

/// The program's listing. It shows what runs, so a change of the compiler shows in it.
pub fn listing(program: &Program) -> String {
    let mut text = format!("version {:016x}, start {}", program.version, program.start);
    if let Some(timeout) = program.timeout {
        let _ = write!(text, ", timeout {} s", timeout.as_secs());
    }
    text.push('\n');
    for (at, row) in program.rows.iter().enumerate() {
        let _ = write!(text, "\n@{at:<3} {:<8} ; {}\n", row.step.kind(), row.name);
        let mut lines = Listing::default();
        row.step.list(&mut lines);
        for (operation, operand) in &lines.0 {
            let _ = writeln!(text, "     {operation:<11} {operand}");
        }
        let mut exits = Vec::new();
        row.step.exits(&mut exits);
        match (row.step.kind(), &exits[..]) {
            ("Choice", _) => {}
            ("Fail", _) => text.push_str("     fail\n"),
            (_, [Exit::Next(step)]) => {
                let _ = writeln!(text, "     {:<11} {step}", "next");
            }
            _ => text.push_str("     end\n"),
        }
    }
    text
}
