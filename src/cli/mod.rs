//! The commands, one file each.

pub mod report;
pub mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs Amazon States Language state machines, Express style, straight off Kafka.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
}

impl Arguments {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(command) => command.run(),
        }
    }
}
