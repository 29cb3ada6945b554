//! The kernels of a cnn-vae step at batch 128, one by one: `cargo bench -p inkgrad-benches -- conv3`.
//!
//! `INKGRAD_THREADS` sets the number of threads (default 1). Items per second are floating-point operations.

use divan::Bencher;
use divan::counter::ItemsCount;
use inkgrad_kernels::cpu::conv::{self, Geometry, Grid, Store};
use inkgrad_kernels::cpu::gemm;
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::cpu::optimizer::{self, AdamStep};
use inkgrad_kernels::cpu::{Pool, activation, loss, rng};

const BATCH: usize = 128;

/// Side and channels of a picture.
type Picture = (usize, usize);

/// Name, small side, big side, kernel, stride.
const LAYERS: [(&str, Picture, Picture, usize, usize); 6] = [
    ("conv1", (14, 32), (28, 1), 3, 2),
    ("conv2", (7, 64), (14, 32), 3, 2),
    ("conv3", (7, 128), (7, 64), 3, 1),
    ("deconv1", (7, 128), (14, 64), 4, 2),
    ("deconv2", (14, 64), (28, 32), 4, 2),
    ("deconv3", (28, 32), (28, 1), 3, 1),
];

fn main() {
    divan::main();
}

fn pool() -> Pool {
    Pool::new(std::env::var("INKGRAD_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1))
}

/// Numbers that are neither zero nor equal.
fn numbers(pool: &Pool, n: usize) -> Vec<f32> {
    let mut values = vec![0.0; n];
    pool.enter(|team| rng::fill_normal(team, 1, 2, 0, &mut values));
    values
}

fn geometry(name: &str) -> Geometry {
    let &(_, small, big, kernel, stride) = LAYERS.iter().find(|layer| layer.0 == name).expect("a layer's name");
    let grid = |(side, channels)| Grid { height: side, width: side, channels };
    Geometry {
        batch: BATCH,
        small: grid(small),
        big: grid(big),
        kernel: (kernel, kernel),
        stride: (stride, stride),
        padding: (1, 1),
    }
}

#[divan::bench(args = LAYERS.map(|layer| layer.0))]
fn conv_down(bencher: Bencher, layer: &str) {
    let (pool, g) = (pool(), geometry(layer));
    let (big, w) = (numbers(&pool, BATCH * g.big.len()), numbers(&pool, g.weights()));
    let (mut small, mut scratch) = (vec![0.0; BATCH * g.small.len()], vec![0.0; g.down_scratch()]);
    pool.enter(|team| {
        bencher
            .counter(ItemsCount::new(g.flops()))
            .bench_local(|| conv::down(team, &g, &big, &w, None, Store::Write, &mut small, &mut scratch));
    });
}

#[divan::bench(args = LAYERS.map(|layer| layer.0))]
fn conv_up(bencher: Bencher, layer: &str) {
    let (pool, g) = (pool(), geometry(layer));
    let (small, w) = (numbers(&pool, BATCH * g.small.len()), numbers(&pool, g.weights()));
    let (mut big, mut scratch) = (vec![0.0; BATCH * g.big.len()], vec![0.0; g.up_scratch()]);
    pool.enter(|team| {
        bencher
            .counter(ItemsCount::new(g.flops()))
            .bench_local(|| conv::up(team, &g, &small, &w, None, Store::Write, &mut big, &mut scratch));
    });
}

#[divan::bench(args = LAYERS.map(|layer| layer.0))]
fn conv_weight_gradient(bencher: Bencher, layer: &str) {
    let (pool, g) = (pool(), geometry(layer));
    let (small, big) = (numbers(&pool, BATCH * g.small.len()), numbers(&pool, BATCH * g.big.len()));
    let (mut dw, mut scratch) = (vec![0.0; g.weights()], vec![0.0; conv::weight_gradient_scratch(&g)]);
    pool.enter(|team| {
        bencher
            .counter(ItemsCount::new(g.flops()))
            .bench_local(|| conv::weight_gradient(team, &g, &small, &big, &mut dw, false, &mut scratch));
    });
}

/// The dense layers of the cnn-vae and a square product: m, k, n.
#[divan::bench(args = [(128, 6272, 32), (32, 128, 6272), (128, 32, 6272), (1024, 1024, 1024)])]
fn gemm(bencher: Bencher, (m, k, n): (usize, usize, usize)) {
    let pool = pool();
    let (a, b) = (numbers(&pool, m * k), numbers(&pool, k * n));
    let (mut c, mut scratch) = (vec![0.0; m * n], vec![0.0; gemm::gemm_scratch_len(m, k, n)]);
    pool.enter(|team| {
        bencher.counter(ItemsCount::new(2 * m * k * n)).bench_local(|| {
            let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
            gemm::gemm(team, 1.0, a, b, 0.0, MatrixMut::new(&mut c, m, n), &mut scratch);
        });
    });
}

#[divan::bench]
fn sigmoid(bencher: Bencher) {
    let x = numbers(&pool(), BATCH * 784);
    let mut y = vec![0.0; x.len()];
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| activation::sigmoid(&x, &mut y));
}

#[divan::bench]
fn bce_with_logits(bencher: Bencher) {
    let (x, t) = (numbers(&pool(), BATCH * 784), vec![0.25; BATCH * 784]);
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| loss::bce_with_logits(&x, &t));
}

/// All 865,345 parameters of the cnn-vae.
#[divan::bench]
fn adam(bencher: Bencher) {
    let pool = pool();
    let (mut params, grads) = (numbers(&pool, 865_345), numbers(&pool, 865_345));
    let (mut m, mut v) = (vec![0.0; params.len()], vec![0.0; params.len()]);
    let step = AdamStep { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, step: 10 };
    pool.enter(|team| {
        bencher
            .counter(ItemsCount::new(grads.len()))
            .bench_local(|| optimizer::adam(team, step, 1.0, &mut params, &grads, &mut m, &mut v));
    });
}
