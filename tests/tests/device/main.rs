//! The GPU's kernels against the CPU: operations, steps of models, and kernels with faults.
//!
//! They run on the emulator, which also holds each access to its buffer and finds races, divergent barriers and reads of
//! what was never written; with `INKGRAD_TEST_DEVICE=cuda` on the GPU of this machine.

mod convolutions;
mod models;
mod mutants;
mod operations;
mod runs;

use inkgrad_engine::device::Device;

/// What the tests run on.
fn device() -> Device {
    match std::env::var("INKGRAD_TEST_DEVICE") {
        Err(_) => Device::Emulated,
        Ok(name) => *Device::ALL.iter().find(|device| device.name() == name).expect("cuda or emulated"),
    }
}

/// The largest difference over the largest expected number, or over `least` where that is larger.
fn error(found: &[f32], expected: &[f32], least: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(least.max(1e-3), |scale, &x| scale.max(f64::from(x).abs()));
    found.iter().zip(expected).fold(0.0, |worst, (&a, &b)| {
        let error = (f64::from(a) - f64::from(b)).abs() / scale;
        if error > worst || error.is_nan() { error } else { worst }
    })
}
