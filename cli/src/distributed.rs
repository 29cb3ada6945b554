//! One of several processes that `mpirun` has started.

use std::env;
use std::fmt;
use std::thread;

use clap::ValueEnum;
use inkgrad_models::ranks::{Ranks, Solo};
use inkgrad_models::{Error, Result};

use crate::{args, output};

/// The library that ranks exchange messages by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Distributed {
    // A comment of its own would be a paragraph of the help.
    Mpi,
}

impl fmt::Display for Distributed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("mpi")
    }
}

/// A number that a launcher gives in the environment of the processes that it starts: Open MPI's, MPICH's, Slurm's name for it.
fn launched(names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| env::var(name).ok()?.parse().ok())
}

/// The processes that were started with this one.
fn size() -> usize {
    launched(&["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"]).unwrap_or(1)
}

/// Those of them on this machine.
fn local_size() -> usize {
    launched(&["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"]).unwrap_or_else(size).max(1)
}

/// Leaves it to the first process to say what is wrong with a command line that all of them have.
pub fn hush_before_start(mut words: impl Iterator<Item = impl AsRef<std::ffi::OsStr>>) {
    let is_distributed = words.any(|word| word.as_ref().to_string_lossy().starts_with("--distributed"));
    let rank = launched(&["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"]).unwrap_or(0);
    if is_distributed && rank > 0 {
        output::hush();
    }
}

/// Joins the processes that were started together; all but the first say nothing from there on. Without the option there is one
/// process, and several would each do the same.
///
/// # Errors
/// If the program has no MPI; if there are several processes and nothing is said of it.
pub fn start(asked: Option<Distributed>) -> Result<Box<dyn Ranks>> {
    let ranks = match asked {
        Some(Distributed::Mpi) => join()?,
        // Slurm's variables are there in a job of one process too.
        None if launched(&["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]).is_some_and(|size| size > 1) => {
            let problem = format!("not given to {} processes started together, expected mpi", size());
            return Err(Error::input("--distributed", problem));
        }
        None => Box::new(Solo),
    };
    if !ranks.is_root() {
        output::hush();
    }
    Ok(ranks)
}

#[cfg(feature = "mpi")]
fn join() -> Result<Box<dyn Ranks>> {
    Ok(Box::new(inkgrad_models::ranks::mpi::start()?))
}

#[cfg(not(feature = "mpi"))]
fn join() -> Result<Box<dyn Ranks>> {
    let problem =
        "mpi is not in this program, expected one built with it: cargo install --locked --path cli --features mpi";
    Err(Error::input("--distributed", problem))
}

/// The threads of each process: as many as are asked for, else those of one process alone or of each of several.
pub fn threads_among(asked: Option<usize>, ranks: usize) -> usize {
    match asked {
        None if ranks > 1 => threads(),
        asked => args::threads(asked),
    }
}

/// The threads of each process where nothing else is asked for: all cores that it is bound to, or its part of the machine's.
pub fn threads() -> usize {
    let here = thread::available_parallelism().map_or(1, usize::from);
    if is_bound(here) { here } else { (here / local_size()).max(1) }
}

/// Whether a process has fewer cores than the machine.
#[cfg(unix)]
fn is_bound(cores: usize) -> bool {
    // SAFETY: it asks for a number and touches no memory of this process.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(online).is_ok_and(|online| cores < online)
}

#[cfg(not(unix))]
fn is_bound(_: usize) -> bool {
    false
}
