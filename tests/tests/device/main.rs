//! The GPU's kernels against the CPU: operations, steps of models, and kernels with faults.
//!
//! They run on the emulator, which also holds each access to its buffer and finds races, divergent barriers and reads of
//! what was never written; with `INKGRAD_TEST_DEVICE=cuda` on the GPU of this machine. `INKGRAD_TEST_APART=1` gives each
//! buffer of an operation's launches an allocation of its own, for tools that watch a GPU's memory.

mod cases;
mod convolutions;
mod estimates;
mod models;
mod mutants;
mod nearest;
mod operations;
mod pages;
mod runs;
mod sums;

use inkgrad_engine::device::{Kind, Precision};
use inkgrad_kernels::launch::{self, Apart};
use inkgrad_models::run::config::DeviceKind;

/// The device that the tests run on.
fn device() -> Kind {
    match std::env::var("INKGRAD_TEST_DEVICE") {
        Err(_) => Kind::Emulated,
        Ok(name) => *Kind::ALL.iter().find(|device| device.name() == name).expect("cuda or emulated"),
    }
}

/// The same as a run's setting.
fn setting() -> DeviceKind {
    match device() {
        Kind::Cuda => DeviceKind::Cuda,
        _ => DeviceKind::Emulated,
    }
}

/// That with all kernels of a precision loaded, for operations one by one.
fn opened(precision: Precision) -> Box<dyn launch::Device> {
    let opened = device().open(precision).unwrap().expect("a device beside the processor");
    match std::env::var("INKGRAD_TEST_APART").as_deref() {
        Err(_) | Ok("0") => opened,
        Ok("1") => Box::new(Apart::new(opened)),
        Ok(other) => panic!("INKGRAD_TEST_APART: found {other}, expected 0 or 1"),
    }
}
