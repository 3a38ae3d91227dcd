//! `hogback topology`.

use std::path::Path;

use clap::Args;

use super::{kernels, print};
use crate::engine::plan::{Plan, Request};
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::report::machine::Machine;
use crate::sys::pin::allowed_cpus;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let topology = Topology::read(Path::new("/"), &allowed_cpus())?;
    let (plan, _) = Plan::choose(&topology, &Request::default())?;
    let machine = Machine { topology: &topology, kernels: kernels()?.name(), plan: &plan };
    if flags.json {
        let json = serde_json::to_string(&machine).map_err(|error| Error::Engine(error.to_string()))?;
        print(&format!("{json}\n"))
    } else {
        print(&machine.to_string())
    }
}
