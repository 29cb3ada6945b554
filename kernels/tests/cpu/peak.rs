//! The loop that measures the peak computes what it says.

use inkgrad_kernels::cpu::lanes::LANES;
use inkgrad_kernels::cpu::peak::*;

#[test]
fn the_sums_come_to_their_fixed_point() {
    // x ← x/2 + 1 has the fixed point 2.
    let mut sums = [[1.0; LANES]; SUMS_WIDE];
    let count = spin(100, 0.5f64, &mut sums) / (2 * LANES * 100);
    assert!(count == SUMS || count == SUMS_WIDE);
    assert!(sums[..count].iter().flatten().all(|&x| (x - 2.0).abs() < 1e-9), "{sums:?}");
    assert!(peak_gflops(1) > 0.0);
}
