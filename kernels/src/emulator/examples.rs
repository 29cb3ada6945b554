//! Launches of kernels at a size of one's choice, with inputs, for study.

use super::Emulator;
use crate::cpu::Pool;
use crate::cpu::rng::fill_normal;
use crate::launch::{Arg, Buffer, Device, Launch, Result, upload};

/// A kernel that can be studied by itself.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The entry point.
    pub entry: &'static str,
    /// The formula.
    pub about: &'static str,
    /// The meaning of the size.
    pub size: &'static str,
    /// The size unless told.
    pub n: usize,
    /// The module's file name and text.
    pub module: (&'static str, &'static str),
    prepare: fn(&mut Emulator, usize) -> Result<Prepared>,
}

/// A launch whose inputs are in place.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The launch.
    pub launch: Launch,
    /// Where its result will stand.
    pub output: u64,
    /// How many `f32` those are.
    pub count: usize,
}

/// The largest size; a product of this many rows takes seconds.
pub const LARGEST: usize = 1024;

/// All examples.
pub const EXAMPLES: &[Example] = &[
    Example {
        entry: "axpy",
        about: "y = a*x + y, an element a thread",
        size: "elements",
        n: 300,
        module: ("axpy.ptx", include_str!("../../ptx/axpy.ptx")),
        prepare: axpy,
    },
    Example {
        entry: "activation",
        about: "y = tanh x",
        size: "elements",
        n: 300,
        module: ("elementwise.ptx", include_str!("../../ptx/elementwise.ptx")),
        prepare: activation,
    },
    Example {
        entry: "sum_terms",
        about: "a sum across lanes and warps, in a fixed order",
        size: "elements",
        n: 1000,
        module: ("reduce.ptx", include_str!("../../ptx/reduce.ptx")),
        prepare: sum,
    },
    Example {
        entry: "transpose",
        about: "a square matrix turned through shared memory",
        size: "rows",
        n: 64,
        module: ("layout.ptx", include_str!("../../ptx/layout.ptx")),
        prepare: transpose,
    },
    Example {
        entry: "gemm",
        about: "C = A*B by tiles in shared memory, square",
        size: "rows",
        n: 128,
        module: ("gemm.ptx", include_str!("../../ptx/gemm.ptx")),
        prepare: gemm,
    },
    Example {
        entry: "conv_down",
        about: "a convolution by tiles: 3x3, stride 2, 16 to 32 channels",
        size: "rows of a square picture",
        n: 28,
        module: ("conv_down.ptx", include_str!("../../ptx/conv_down.ptx")),
        prepare: convolution,
    },
];

impl Example {
    /// The example of an entry point.
    pub fn find(entry: &str) -> Option<&'static Example> {
        EXAMPLES.iter().find(|example| example.entry == entry)
    }

    /// Loads the module and puts inputs of size `n`, normal numbers by a fixed seed, into an emulator's memory.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn prepare(&self, emulator: &mut Emulator, n: usize) -> Result<Prepared> {
        let (name, text) = self.module;
        emulator.load_module(name, text)?;
        (self.prepare)(emulator, n)
    }
}

fn normal(emulator: &mut Emulator, stream: u64, count: usize) -> Result<u64> {
    let mut values = vec![0f32; count];
    Pool::new(1).enter(|team| fill_normal(team, 0, stream, 0, &mut values));
    upload(emulator, &values)
}

/// Blocks of 256 threads, a thread an element.
fn each(entry: &'static str, n: usize, args: Vec<Arg>, output: u64) -> Prepared {
    let launch = Launch { entry, grid: [n.div_ceil(256) as u32, 1, 1], block: [256, 1, 1], shared_bytes: 0, args };
    Prepared { launch, output, count: n }
}

fn read(address: u64, count: usize) -> Arg {
    Arg::Buffer(Buffer::read(address, 4 * count as u64))
}

fn write(address: u64, count: usize) -> Arg {
    Arg::Buffer(Buffer::write(address, 4 * count as u64))
}

fn axpy(emulator: &mut Emulator, n: usize) -> Result<Prepared> {
    let (x, y) = (normal(emulator, 1, n)?, normal(emulator, 2, n)?);
    let update = Arg::Buffer(Buffer::read_write(y, 4 * n as u64));
    Ok(each("axpy", n, vec![read(x, n), update, Arg::U32(n as u32), Arg::F32(2.0)], y))
}

fn activation(emulator: &mut Emulator, n: usize) -> Result<Prepared> {
    /// The kernel's number for tanh.
    const TANH: u32 = 2;
    let (x, y) = (normal(emulator, 1, n)?, emulator.alloc(4 * n as u64)?);
    Ok(each("activation", n, vec![read(x, n), write(y, n), Arg::U32(n as u32), Arg::U32(TANH)], y))
}

fn sum(emulator: &mut Emulator, n: usize) -> Result<Prepared> {
    let (x, y) = (normal(emulator, 1, n)?, emulator.alloc(4)?);
    let n_ = Arg::U32(n as u32);
    // One block takes all as its piece; term 0 is x itself, with no targets.
    let args = vec![read(x, n), Arg::Pointer(0), write(y, 1), n_, n_, Arg::U32(0), Arg::F32(1.0)];
    let launch = Launch { entry: "sum_terms", grid: [1; 3], block: [256, 1, 1], shared_bytes: 0, args };
    Ok(Prepared { launch, output: y, count: 1 })
}

fn transpose(emulator: &mut Emulator, n: usize) -> Result<Prepared> {
    let (x, y) = (normal(emulator, 1, n * n)?, emulator.alloc(4 * (n * n) as u64)?);
    let tiles = n.div_ceil(32) as u32;
    let extent = Arg::U32(n as u32);
    let args = vec![read(x, n * n), write(y, n * n), extent, extent, Arg::U32(0)];
    let launch = Launch { entry: "transpose", grid: [tiles, tiles, 1], block: [32, 8, 1], shared_bytes: 0, args };
    Ok(Prepared { launch, output: y, count: n * n })
}

fn gemm(emulator: &mut Emulator, n: usize) -> Result<Prepared> {
    let (a, b) = (normal(emulator, 1, n * n)?, normal(emulator, 2, n * n)?);
    let c = emulator.alloc(4 * (n * n) as u64)?;
    let tiles = n.div_ceil(64) as u32;
    let mut args = vec![read(a, n * n), read(b, n * n), write(c, n * n), Arg::Pointer(0)];
    // m, n, k; strides of A and B; a row of C; one slice of all k; no flags.
    let rest = [n, n, n, n, 1, n, 1, n, n.next_multiple_of(16), 0, 0];
    args.extend(rest.map(|value| Arg::U32(value as u32)));
    let launch = Launch { entry: "gemm", grid: [tiles, tiles, 1], block: [256, 1, 1], shared_bytes: 0, args };
    Ok(Prepared { launch, output: c, count: n * n })
}

fn convolution(emulator: &mut Emulator, n: usize) -> Result<Prepared> {
    const CHANNELS: usize = 16;
    const SMALL_CHANNELS: usize = 32;
    let small = n.div_ceil(2);
    let (pixels, weights) = (small * small, SMALL_CHANNELS * 9 * CHANNELS);
    let (x, w) = (normal(emulator, 1, n * n * CHANNELS)?, normal(emulator, 2, weights)?);
    let (count, y) = (pixels * SMALL_CHANNELS, emulator.alloc(4 * (pixels * SMALL_CHANNELS) as u64)?);
    let mut args = vec![read(x, n * n * CHANNELS), read(w, weights), Arg::Pointer(0), write(y, count)];
    // Small pixels and channels; the picture; the small picture; kernel, stride and padding; no flags.
    let rest = [pixels, SMALL_CHANNELS, n, n, CHANNELS, small, small, 3, 3, 2, 2, 1, 1, 0];
    args.extend(rest.map(|value| Arg::U32(value as u32)));
    let grid = [1, pixels.div_ceil(128) as u32, 1];
    let launch = Launch { entry: "conv_down", grid, block: [256, 1, 1], shared_bytes: 0, args };
    Ok(Prepared { launch, output: y, count })
}
