//! Dropout keeps what the generator says.

use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::dropout::*;
use inkgrad_kernels::cpu::{Pool, rng};

#[test]
fn what_is_kept_is_what_the_generator_says_at_any_number_of_threads() {
    let (mask, p, n) = (Mask { key: 7, stream: 3 }, 0.3, 3 * PIECE + 5);
    let mut u = vec![0.0f64; n];
    rng::fill_uniform(&Team::solo(), mask.key, mask.stream, 0, &mut u);
    let x: Vec<f32> = (0..n).map(|i| 1.0 + i as f32).collect();
    for threads in [1, 3] {
        let mut y = vec![1.0f32; n];
        Pool::new(threads).enter(|team| dropout(team, mask, p, &x, &mut y, true));
        for i in 0..n {
            let expected = if u[i] >= p { x[i] * (1.0 / 0.7) as f32 } else { 0.0 };
            assert_eq!(y[i], 1.0 + expected);
        }
    }
    let kept = u.iter().filter(|&&u| u >= p).count() as f64 / n as f64;
    assert!((kept - 0.7).abs() < 5.0 * (0.21 / n as f64).sqrt(), "{kept}");
}
