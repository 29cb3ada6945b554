//! The processor's kernels against their naive twins, formulas and known answers, at several numbers of threads.
//!
//! They are outside the crate because they would otherwise have it compiled twice, fully optimised for every instruction
//! set, whenever tests are built.

mod activation;
mod axis;
mod bf16;
mod bytes;
mod conv;
mod distance;
mod dropout;
mod eigen;
mod frozen;
mod gelu;
mod gemm;
mod gru;
mod loss;
mod lstm;
mod matrix;
mod norm;
mod optimizer;
mod packed;
mod peak;
mod polynomial;
mod pool;
mod raster;
mod recurrent;
mod reduce;
mod rng;
mod softmax;
mod student;
mod team;
mod threads;
mod winograd;

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// `cases` cases, the same ones in every run, and nothing written when one fails. `PROPTEST_CASES=N` draws more of them and
/// `PROPTEST_RNG_SEED=N` others.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0), ..ProptestConfig::default() }
}
