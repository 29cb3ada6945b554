//! The complementary error function against Python's, GELU against its formulas.

use inkgrad_kernels::cpu::gelu::*;
use std::f64::consts::PI;

#[test]
fn erfc_is_pythons() {
    // math.erfc of Python 3, whose own value is within a unit or two in the last place.
    for (x, expected) in [
        (-6.0, 2.0),
        (-2.5, 1.999593047982555),
        (-1.1, 1.8802050695740817),
        (-0.84375, 1.7672256612323416),
        (-0.3, 1.3286267594591274),
        (0.0, 1.0),
        (1e-09, 0.9999999988716208),
        (0.5, 0.4795001221869535),
        (0.84, 0.23485728854500548),
        (0.85, 0.2293319423916475),
        (1.0, 0.15729920705028513),
        (1.2, 0.08968602177036465),
        (1.25, 0.07709987174354177),
        (1.3, 0.06599205505934755),
        (2.0, 0.004677734981047265),
        (2.8, 7.501319466545911e-05),
        (2.9, 4.109787809945886e-05),
        (4.0, 1.541725790028002e-08),
        (6.5, 3.8421483271206475e-20),
        (10.0, 2.088487583762545e-45),
        (20.0, 5.3958656116079005e-176),
        (26.0, 5.663192408856143e-296),
    ] {
        let found = erfc(x);
        assert!((found - expected).abs() <= 1e-15 * expected, "erfc({x}) is {found:e}, expected {expected:e}");
    }
    assert!(erfc(f64::NAN).is_nan());
    assert_eq!((erfc(f64::INFINITY), erfc(f64::NEG_INFINITY)), (0.0, 2.0));
}

#[test]
fn the_form_by_tanh_is_close_to_the_exact_one() {
    let x: Vec<f64> = (-800..=800).map(|i| f64::from(i) * 0.01).collect();
    let (mut exact, mut by_tanh) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    gelu(&x, &mut exact);
    gelu_tanh(&x, &mut by_tanh);
    assert!(exact.iter().zip(&by_tanh).all(|(a, b)| (a - b).abs() < 5e-4));
    for (x, y) in x.iter().zip(&by_tanh) {
        let by_formula = 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + CUBE * x * x * x)).tanh());
        assert!((y - by_formula).abs() < 1e-14);
    }
    // Where half of 1 + erf would have no digit left.
    let mut y = [0.0f64];
    gelu(&[-12.0], &mut y);
    assert!((y[0] / -2.131_778_534_493_242_4e-32 - 1.0).abs() < 1e-10, "{:e}", y[0]);
}
