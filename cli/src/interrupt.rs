//! Ctrl-C and termination: the first asks for an orderly end, the second ends at once.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{output, terminal};

/// The exit status of an interrupted run, as shells have it: 128 + SIGINT.
pub const STATUS: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Starts listening for SIGINT, SIGTERM and SIGHUP.
pub fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(request).map_err(|error| match error {
        ctrlc::Error::System(error) => anyhow::anyhow!("no thread to listen for Ctrl-C with: {error}"),
        error => error.into(),
    })?;
    Ok(())
}

/// Asks for an end, as a signal does.
pub fn request() {
    if REQUESTED.swap(true, Ordering::Relaxed) {
        terminal::restore();
        process::exit(STATUS.into());
    }
    output::note("finishing this step and saving; once more ends at once");
}

/// Whether an end has been asked for.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
