//! A PTX kernel with two faults: `lesson8.ptx` transposes a matrix through shared memory.

use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{Arg, Buffer, Device, Error, Launch, download, upload};
use inkgrad_kernels::ptx::MODULES;

use super::{Exercise, Verdict};

pub const EXERCISE: Exercise = Exercise {
    lesson: 8,
    file: "lesson8.ptx",
    asks: "a PTX kernel with a race and bank conflicts",
    starter: || property(STARTER),
    solution: || property(engine()),
};

/// Yours.
pub const STARTER: &str = include_str!("lesson8.ptx");

/// The engine's own `transpose`, with the same parameters.
fn engine() -> &'static str {
    MODULES.iter().find(|(name, _)| *name == "layout.ptx").expect("a module of the engine").1
}

/// Rows and columns of the matrix: four squares of 32 × 32.
const N: usize = 64;

/// The emulator finds no fault in any order of warps that it tries, the result is the transpose, and no access to shared
/// memory takes a second pass.
pub fn property(text: &str) -> Verdict {
    let x: Vec<f32> = (0..N * N).map(|i| i as f32).collect();
    for seed in 0..4 {
        let mut emulator = Emulator::new(seed);
        let y = launch(&mut emulator, text, &x).map_err(|error| {
            let hint = match error {
                Error::Fault(_) => ". A warp may read the square only when all eight have written theirs",
                _ => "",
            };
            format!("{error}{hint}")
        })?;
        if let Some(i) = (0..N * N).find(|&i| y[i] != x[i % N * N + i / N]) {
            let (found, expected) = (y[i], x[i % N * N + i / N]);
            return Err(format!("y[{}][{}] is {found}, expected x[{}][{}] = {expected}", i / N, i % N, i % N, i / N));
        }
        let counters = emulator.counters()["transpose"];
        if counters.bank_conflicts > 0 {
            return Err(format!(
                "{} accesses to shared memory took {} passes more than one each. Word w lies in bank w mod 32: in rows \
                 of 32 words a column lies in one bank",
                counters.shared_accesses, counters.bank_conflicts
            ));
        }
    }
    Ok(format!("a matrix of {N} × {N} is transposed in four orders of warps, without a race or a bank conflict"))
}

/// The transpose of `x: (N, N)`.
fn launch(emulator: &mut Emulator, text: &str, x: &[f32]) -> Result<Vec<f32>, Error> {
    let bytes = size_of_val(x) as u64;
    emulator.load_module("lesson8.ptx", text)?;
    let (from, to) = (upload(emulator, x)?, emulator.alloc(bytes)?);
    let (extent, tiles) = (Arg::U32(N as u32), N as u32 / 32);
    let buffers = [Arg::Buffer(Buffer::read(from, bytes)), Arg::Buffer(Buffer::write(to, bytes))];
    let args = [&buffers[..], &[extent, extent, Arg::U32(0)]].concat();
    emulator.launch(&Launch {
        entry: "transpose",
        grid: [tiles, tiles, 1],
        block: [32, 8, 1],
        shared_bytes: 0,
        args,
    })?;
    download(emulator, to, x.len())
}
