//! The `hogback` command.

use std::process::ExitCode;

use hogback::cli::{parse, run, say};
use hogback::error::Error;
use hogback::sys::signal::survive_file_limits;

fn main() -> ExitCode {
    // A child or controller that panics is survived and reported by the engine, in its own words.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        if !name.starts_with("child-") && !name.starts_with("controller-") {
            report(panic);
        }
    }));
    // Where it cannot be had, the process ends as without it.
    let _ = survive_file_limits();
    match parse().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let is = if matches!(error, Error::Interrupted { .. }) { "" } else { "error: " };
            say(&format!("{is}{error}"));
            ExitCode::from(error.exit_code())
        }
    }
}
