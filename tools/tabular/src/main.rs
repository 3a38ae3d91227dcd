//! `hogback-tabular`: tables of what every model of a space comes to, and strategies of search replayed on them.

mod contest;
mod entrant;
mod file;
mod make;
mod replay;
mod statistics;
mod synthetic;
mod table;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train every model of a space, and write what came of it
    Make(make::Arguments),
    /// Replay strategies on tables
    Replay(replay::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Make(arguments) => make::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
    };
    if let Err(error) = done {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
