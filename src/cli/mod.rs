//! The commands, one file each.

pub mod demo;
pub mod load;
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
    Demo(demo::Demo),
    Load(load::Load),
}

impl Arguments {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(command) => command.run(),
            Command::Demo(command) => command.run(),
            Command::Load(command) => command.run(),
        }
    }
}
