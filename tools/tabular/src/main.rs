//! `hogback-tabular`: tables of what every model of a space comes to, and strategies of search replayed on them.

mod contest;
mod replay;
mod statistics;
mod synthetic;
mod table;
mod trial;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replay strategies on tables
    Replay(replay::Arguments),
}

fn main() {
    match Arguments::parse().command {
        Command::Replay(arguments) => replay::run(&arguments),
    }
}
