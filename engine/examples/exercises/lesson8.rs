//! A PTX kernel with two faults: `lesson8.ptx` transposes matrices through shared memory.

use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{Arg, Buffer, Device, Error, Launch, download, upload};
use inkgrad_kernels::ptx::MODULES;

use super::{Exercise, Verdict};

pub const EXERCISE: Exercise = Exercise {
    lesson: 8,
    file: "lesson8.ptx",
    asks: "a PTX kernel with a race and bank conflicts",
    starter: || property(&Kernel { text: STARTER, matrices: Matrices::InTurn }),
    solution: || property(&engine()),
};

/// Yours.
pub const STARTER: &str = include_str!("lesson8.ptx");

/// How a kernel comes by the matrices of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Matrices {
    /// A block takes one after the other; their number is the last parameter.
    InTurn,
    /// A block takes that of its index along z; the last parameter says whether y is added to.
    ByBlock,
}

/// A `transpose` under test.
pub struct Kernel<'a> {
    /// The module.
    pub text: &'a str,
    /// How it is launched.
    pub matrices: Matrices,
}

/// The engine's own.
fn engine() -> Kernel<'static> {
    let (_, text) = MODULES.iter().find(|(name, _)| *name == "layout.ptx").expect("a module of the engine");
    Kernel { text, matrices: Matrices::ByBlock }
}

/// Matrices, and rows and columns of each: four squares of 32 × 32.
const BATCH: usize = 2;
const N: usize = 64;

/// The emulator finds no fault in any order of warps that it tries, the results are the transposes, and no access to shared
/// memory takes a second pass.
pub fn property(kernel: &Kernel) -> Verdict {
    let x: Vec<f32> = (0..BATCH * N * N).map(|i| i as f32).collect();
    for seed in 0..4 {
        let mut emulator = Emulator::new(seed);
        let y = launch(&mut emulator, kernel, &x).map_err(|error| {
            let hint = match error {
                Error::Fault(_) => {
                    ". Two things need a barrier: the square has to be whole, and read before it is overwritten"
                }
                _ => "",
            };
            format!("{error}{hint}")
        })?;
        // Element i of y is y[b][row][column].
        let expected = |i: usize| x[i / (N * N) * N * N + i % N * N + i / N % N];
        if let Some(i) = (0..y.len()).find(|&i| y[i] != expected(i)) {
            let (place, found, expected) = ([i / (N * N), i / N % N, i % N], y[i], expected(i));
            return Err(format!("y{place:?} is {found}, expected {expected}"));
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
    Ok(format!(
        "{BATCH} matrices of {N} × {N} are transposed in four orders of warps, without a race or a bank conflict"
    ))
}

/// The transposes of `x: (BATCH, N, N)`.
fn launch(emulator: &mut Emulator, kernel: &Kernel, x: &[f32]) -> Result<Vec<f32>, Error> {
    let bytes = size_of_val(x) as u64;
    emulator.load_module("lesson8.ptx", kernel.text)?;
    let (from, to) = (upload(emulator, x)?, emulator.alloc(bytes)?);
    let (extent, tiles, batch) = (Arg::U32(N as u32), N as u32 / 32, BATCH as u32);
    let (blocks, last) = match kernel.matrices {
        Matrices::InTurn => (1, batch),
        Matrices::ByBlock => (batch, 0),
    };
    let buffers = [Arg::Buffer(Buffer::read(from, bytes)), Arg::Buffer(Buffer::write(to, bytes))];
    let args = [&buffers[..], &[extent, extent, Arg::U32(last)]].concat();
    let grid = [tiles, tiles, blocks];
    emulator.launch(&Launch { entry: "transpose", grid, block: [32, 8, 1], cluster: 1, shared_bytes: 0, args })?;
    download(emulator, to, x.len())
}
