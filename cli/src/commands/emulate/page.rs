//! `inkgrad emulate KERNEL --trace --html PAGE`: what a warp does, as a page.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{Error as LaunchError, Fault, Launch};
use inkgrad_models::run::atomic;
use inkgrad_models::{Error, Result};
use serde::Serialize;

use super::{Emulate, Subject, counts};
use crate::output;
use crate::stepper::{MADE_BY, Page, Recorder};

/// Steps before a fault that its page shows.
const BEFORE_FAULT: usize = 500;

/// A page that was written.
#[derive(Debug, Serialize)]
pub struct Written {
    out: PathBuf,
    bytes: usize,
    block: u64,
    warp: u32,
    /// Steps of the warp on it.
    steps: usize,
    /// Whether the warp went on.
    cut: bool,
}

/// Refuses a place where no page can go.
pub fn check(path: &Path, force: bool) -> Result<()> {
    output::check_place(path)?;
    output::check_unowned(path)?;
    match force || output::may_replace(path, MADE_BY) {
        true => Ok(()),
        false => {
            let problem = "is no page of inkgrad emulate, expected a new name (or --force)";
            Err(Error::input(path.display(), problem))
        }
    }
}

impl Emulate {
    /// Launches the kernel and writes the page. A fault stands on the page of the warp where it is, which is written all the same.
    pub(super) fn page(
        &self,
        subject: &Subject,
        path: &Path,
        emulator: &mut Emulator,
        launch: &Launch,
    ) -> Result<Written> {
        let most = self.steps.unwrap_or(usize::MAX);
        let mut recorder = Recorder::new(listing(emulator, launch), self.skip, most);
        let watched = emulator.watch(launch, self.block, self.warp, &mut |moment| recorder.take(moment));
        let fault = match watched {
            Ok(()) => None,
            Err(LaunchError::Fault(fault)) => Some(*fault),
            Err(error) => return Err(subject.failed(error)),
        };
        let (mut block, mut warp) = (self.block, self.warp);
        if let Some(fault) = &fault {
            // The launch again, which goes the same way: the last steps of the warp that has the fault.
            block = number(fault, launch);
            warp = fault.warp;
            let (mut again, prepared) = subject.prepare()?;
            let mut steps = 0_usize;
            // It ends as it did.
            let _ = again.watch(&prepared.launch, block, warp, &mut |_| {
                steps += 1;
                true
            });
            (*emulator, _) = subject.prepare()?;
            recorder = Recorder::new(listing(emulator, launch), steps.saturating_sub(BEFORE_FAULT.min(most)), most);
            let _ = emulator.watch(launch, block, warp, &mut |moment| recorder.take(moment));
        }
        if fault.is_none() && recorder.seen() <= self.skip {
            let problem =
                format!("found {}, expected fewer than the warp's {} instructions", self.skip, recorder.seen());
            return Err(Error::input("--skip", problem));
        }
        let (listing, recorded) = recorder.finish();
        let buffers = emulator.buffers(launch).map_err(|error| subject.failed(error))?;
        let page = Page {
            file: subject.file(),
            about: subject.example.about,
            launch,
            n: (subject.n, subject.example.size),
            seed: subject.seed,
            shown: (block, warp, fault.as_ref().map_or(self.lane, |fault| fault.lane)),
            listing: &listing,
            buffers: &buffers,
            recorded: &recorded,
            profile: emulator.profile(launch.entry),
            fault: fault.as_ref(),
            counts: &counts(&emulator.counters().get(launch.entry).copied().unwrap_or_default()),
        };
        let text = page.render();
        atomic::write(path, |file| file.write_all(text.as_bytes()))?;
        let (steps, cut) = (recorded.steps.len(), recorded.cut);
        let written = Written { out: path.to_owned(), bytes: text.len(), block, warp, steps, cut };
        match fault {
            None => Ok(written),
            Some(fault) => {
                let steps = written.steps;
                output::note(format_args!("{}: the {steps} steps up to the fault, as a page", path.display()));
                Err(subject.failed(LaunchError::Fault(Box::new(fault))))
            }
        }
    }
}

fn listing(emulator: &Emulator, launch: &Launch) -> inkgrad_kernels::emulator::watch::Listing {
    emulator.listing(launch).expect("the kernel that was loaded")
}

/// The number of a fault's block, x fastest.
fn number(fault: &Fault, launch: &Launch) -> u64 {
    let ([x, y, z], [across, down, _]) = (fault.block.map(u64::from), launch.grid.map(u64::from));
    x + across * (y + down * z)
}

impl Written {
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Written { out: path, bytes, block, warp, steps, cut } = self;
        let (megabytes, cut) = (*bytes as f64 / 1e6, if *cut { "; it goes on, see --skip" } else { "" });
        writeln!(out, "{}: {steps} steps of warp {warp} of block {block}{cut}", path.display())?;
        writeln!(out, "  {megabytes:.1} MB, opens in any browser")
    }
}
