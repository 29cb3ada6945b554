//! `inkgrad devices`: what can compute here.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use inkgrad_engine::device::Kind;
use serde::Serialize;

use crate::output::{self, Report};

#[derive(Debug, Args)]
pub struct Devices {}

#[derive(Debug, Serialize)]
struct Found {
    devices: Vec<State>,
}

#[derive(Debug, Serialize)]
struct State {
    name: &'static str,
    usable: bool,
    /// The device that was found, or why it cannot be used.
    detail: String,
}

impl Devices {
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        let state = |device: Kind| {
            let status = device.availability().status;
            State { name: device.name(), usable: status.is_ok(), detail: status.unwrap_or_else(|reason| reason) }
        };
        output::report(&Found { devices: Kind::ALL.map(state).into() }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Found {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.devices.iter().try_for_each(|State { name, usable, detail }| {
            writeln!(out, "{name:<9} {:<12} {detail}", if *usable { "usable" } else { "not usable" })
        })
    }
}
