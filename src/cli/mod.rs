//! The command line: one file per command. A command's arguments, help and examples stand in its own
//! file; to add one, write the file and a row in [`COMMANDS`].

mod check;
mod definition;
mod demo;
mod exec;
mod graph;
mod listing;
mod load;
mod log;
mod replay;
mod run;
mod test;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

/// All went as it should.
const SUCCEEDED: u8 = 0;
/// What was asked for was done, and ended badly.
const FAILED: u8 = 1;
/// What was asked for could not be done: arguments, files, definitions.
const REFUSED: u8 = 2;
/// Ended by Ctrl-C, as shells tell it: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

/// A command: its arguments are a `clap` parser with the command's name and help.
trait Run: CommandFactory + FromArgMatches {
    /// Does it; the number is the process's exit code.
    fn run(self) -> anyhow::Result<u8>;
}

/// A row of [`COMMANDS`].
pub struct Command {
    /// Its name, arguments and help.
    pub arguments: fn() -> clap::Command,
    /// Runs it with what was given; the exit code.
    pub run: fn(&ArgMatches) -> anyhow::Result<u8>,
}

/// All commands, in the order in which the help shows them.
pub static COMMANDS: &[Command] = &[
    row::<demo::Demo>(),
    row::<run::Pipelines>(),
    row::<replay::Replay>(),
    row::<exec::Exec>(),
    row::<check::Check>(),
    row::<listing::Listing>(),
    row::<graph::Graph>(),
    row::<test::Tests>(),
    row::<load::Load>(),
];

const fn row<T: Run>() -> Command {
    Command { arguments: T::command, run: |given| T::from_arg_matches(given)?.run() }
}

/// The whole command line, for parsing and for help.
pub fn command_line() -> clap::Command {
    clap::Command::new("expressway")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs Amazon States Language state machines, Express style, straight off a stream")
        .long_about(
            "Runs Amazon States Language state machines, Express style, straight off a stream.\n\n\
             Begin with `expressway demo`. Then take a definition: `expressway check FILE` says all that is wrong with it, \
             `expressway exec FILE --input EVENT` runs it once.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.arguments)()))
}

/// Runs what the arguments ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let given = match command_line().try_get_matches_from(arguments) {
        Ok(given) => given,
        Err(refusal) => {
            // Help and versions come this way too; where they can't be printed nobody reads them.
            let _ = refusal.print();
            return ExitCode::from(if refusal.use_stderr() { REFUSED } else { SUCCEEDED });
        }
    };
    let named =
        |command: &&Command| Some((command.arguments)().get_name()) == given.subcommand_name();
    let command = COMMANDS.iter().find(named).expect("clap knows no other commands");
    let (_, given) = given.subcommand().expect("one is required");
    ExitCode::from((command.run)(given).unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        REFUSED
    }))
}

/// Writes to standard output. A reader that has gone away, `head` say, is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("could not write to standard output"))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error; there is nowhere to tell that it could not be written.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_well_formed_and_explained() {
        command_line().debug_assert();
        for command in COMMANDS {
            let arguments = (command.arguments)();
            let help = arguments.get_long_about().unwrap_or_default().to_string();
            assert!(help.contains("  expressway "), "{} has no example", arguments.get_name());
        }
    }
}
