//! Whole kernels against plain loops, and kernels with a fault, which a check has to find.

mod apart;
mod clusters;
mod examples;
mod expression;
mod faults;
mod instructions;
mod mutate;
mod parse;
mod texts;
mod timing;
mod transactions;
mod watch;

use inkgrad_kernels::emulator::Counters;
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::emulator::mutate::{Change, Mutation};
use inkgrad_kernels::launch::{Arg, Buffer, Check, Device, Error, Fault, Launch, Result, download, upload};

const TILES: &str = include_str!("tiles.ptx");
const AXPY: &str = include_str!("../../ptx/axpy.ptx");

/// Numbers with all bits of their mantissa in use.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut out = vec![0.0; count];
    inkgrad_kernels::cpu::Pool::new(1).enter(|team| inkgrad_kernels::cpu::rng::fill_normal(team, seed, 0, 0, &mut out));
    out
}

/// An emulator with one module.
fn loaded(text: &str) -> Emulator {
    let mut emulator = Emulator::new(7);
    emulator.load_module("test.ptx", text).unwrap();
    emulator
}

fn fault(result: Result<impl std::fmt::Debug>) -> Fault {
    match result {
        Err(Error::Fault(fault)) => *fault,
        other => panic!("found {other:?}, expected a fault"),
    }
}

fn axpy(text: &str, n: usize) -> Result<(Vec<f32>, Emulator)> {
    let mut emulator = Emulator::new(3);
    emulator.load_module("axpy.ptx", text)?;
    let x = upload(&mut emulator, &numbers(n, 1))?;
    let y = upload(&mut emulator, &numbers(n, 2))?;
    let bytes = 4 * n as u64;
    emulator.launch(&Launch {
        entry: "axpy",
        grid: [n.div_ceil(256) as u32, 1, 1],
        block: [256, 1, 1],
        cluster: 1,
        shared_bytes: 0,
        args: vec![
            Arg::Buffer(Buffer::read(x, bytes)),
            Arg::Buffer(Buffer::read_write(y, bytes)),
            Arg::U32(n as u32),
            Arg::F32(0.7),
        ],
    })?;
    Ok((download(&mut emulator, y, n)?, emulator))
}

#[test]
fn axpy_is_what_a_loop_computes() {
    for n in [1, 31, 256, 1000] {
        let (found, emulator) = axpy(AXPY, n).unwrap();
        let expected: Vec<f32> = numbers(n, 1).iter().zip(numbers(n, 2)).map(|(x, y)| 0.7f32.mul_add(*x, y)).collect();
        assert_eq!(found, expected);
        let counters = emulator.counters()["axpy"];
        assert_eq!((counters.launches, counters.flops), (1, 2 * n as u64));
        // Two loads and a store of n neighbouring words.
        assert_eq!(counters.lines, 3 * n.div_ceil(32) as u64);
        assert_eq!(counters.sectors, 3 * n.div_ceil(8) as u64);
    }
}

/// C of a product of two n × n matrices by the tiled kernel.
fn gemm(text: &str, n: usize, seed: u64) -> Result<(Vec<f32>, Counters)> {
    let mut emulator = Emulator::new(seed);
    emulator.load_module("tiles.ptx", text)?;
    let a = upload(&mut emulator, &numbers(n * n, 1))?;
    let b = upload(&mut emulator, &numbers(n * n, 2))?;
    let bytes = 4 * (n * n) as u64;
    let c = emulator.alloc(bytes)?;
    let grid = n.div_ceil(16) as u32;
    emulator.launch(&Launch {
        entry: "gemm",
        grid: [grid, grid, 1],
        block: [16, 16, 1],
        cluster: 1,
        shared_bytes: 0,
        args: vec![
            Arg::Buffer(Buffer::read(a, bytes)),
            Arg::Buffer(Buffer::read(b, bytes)),
            Arg::Buffer(Buffer::write(c, bytes)),
            Arg::U32(n as u32),
        ],
    })?;
    Ok((download(&mut emulator, c, n * n)?, emulator.counters()["gemm"]))
}

fn product(m: usize, n: usize, k: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
    (0..m * n).map(|i| (0..k).fold(0.0, |sum, k_| a[i / n * k + k_].mul_add(b[k_ * n + i % n], sum))).collect()
}

#[test]
fn tiles_multiply_as_loops_do() {
    let n = 64;
    let expected = product(n, n, n, &numbers(n * n, 1), &numbers(n * n, 2));
    let (found, counters) = gemm(TILES, n, 1).unwrap();
    assert_eq!(found, expected);
    assert_eq!(counters.flops, 2 * (n * n * n) as u64);
    // Another order of warps and blocks: the same bits, the same work.
    assert_eq!(gemm(TILES, n, 2).unwrap(), (found, counters));
}

fn warp_sum(text: &str, blocks: usize, threads: u32) -> Result<Vec<f32>> {
    let mut emulator = Emulator::new(5);
    emulator.load_module("tiles.ptx", text)?;
    let x = upload(&mut emulator, &numbers(32 * blocks, 4))?;
    let y = emulator.alloc(4 * blocks as u64)?;
    emulator.launch(&Launch {
        entry: "warp_sum",
        grid: [blocks as u32, 1, 1],
        block: [threads, 1, 1],
        cluster: 1,
        shared_bytes: 0,
        args: vec![Arg::Buffer(Buffer::read(x, 128 * blocks as u64)), Arg::Buffer(Buffer::write(y, 4 * blocks as u64))],
    })?;
    download(&mut emulator, y, blocks)
}

#[test]
fn shuffles_add_up() {
    let found = warp_sum(TILES, 9, 32).unwrap();
    for (found, x) in found.iter().zip(numbers(288, 4).chunks(32)) {
        let mut v = x.to_vec();
        for by in [16, 8, 4, 2, 1] {
            v = (0..32).map(|lane| v[lane] + v[lane ^ by]).collect();
        }
        assert_eq!(*found, v[0]);
    }
}

#[test]
fn tensor_cores_multiply_a_tile() {
    let mut emulator = loaded(TILES);
    let (a, b) = (numbers(128, 1), numbers(64, 2));
    let (pa, pb) = (upload(&mut emulator, &a).unwrap(), upload(&mut emulator, &b).unwrap());
    let d = emulator.alloc(512).unwrap();
    let args = vec![
        Arg::Buffer(Buffer::read(pa, 512)),
        Arg::Buffer(Buffer::read(pb, 256)),
        Arg::Buffer(Buffer::write(d, 512)),
    ];
    let launch = Launch { entry: "mma", grid: [1; 3], block: [32, 1, 1], cluster: 1, shared_bytes: 0, args };
    emulator.launch(&launch).unwrap();
    let found: Vec<f32> = download(&mut emulator, d, 128).unwrap();
    let tf32 = |x: &f32| f32::from_bits((x.to_bits() + 0x1000) & !0x1fff);
    let (a, b): (Vec<f32>, Vec<f32>) = (a.iter().map(tf32).collect(), b.iter().map(tf32).collect());
    for (found, expected) in found.iter().zip(product(16, 8, 8, &a, &b)) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    assert_eq!(emulator.counters()["mma"].flops, 2 * 16 * 8 * 8);

    let short = Launch { block: [31, 1, 1], ..launch };
    let fault = fault(emulator.launch(&short));
    assert_eq!((fault.check, fault.lane), (Check::Convergence, 31), "{fault}");
}

fn staged(text: &str) -> Result<Vec<f32>> {
    let mut emulator = Emulator::new(5);
    emulator.load_module("tiles.ptx", text)?;
    let x = upload(&mut emulator, &numbers(256, 4))?;
    let y = emulator.alloc(1024)?;
    let args = vec![Arg::Buffer(Buffer::read(x, 1024)), Arg::Buffer(Buffer::write(y, 1024))];
    emulator.launch(&Launch {
        entry: "staged",
        grid: [1; 3],
        block: [64, 1, 1],
        cluster: 1,
        shared_bytes: 1024,
        args,
    })?;
    download(&mut emulator, y, 256)
}

#[test]
fn asynchronous_copies_arrive() {
    assert_eq!(staged(TILES).unwrap(), numbers(256, 4));
}

/// The module with one change.
fn changed(text: &str, entry: &str, opcode: &str, nth: usize, change: Change) -> String {
    Mutation { opcode, nth, change }.apply(text, entry).unwrap().source
}
