//! How property tests draw their cases.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// `cases` cases, the same ones in every run, and nothing written when one fails. `PROPTEST_CASES=N` draws more of them and
/// `PROPTEST_RNG_SEED=N` others.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0), ..ProptestConfig::default() }
}
