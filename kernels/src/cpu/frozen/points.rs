//! Short filters in one direction by fewer products: Toom and Cook's way of multiplying polynomials, turned around (Winograd,
//! "Arithmetic Complexity of Computations", 1980; Lavin and Gray, arXiv 1509.09308; the points: Barabasz et al., arXiv 1803.10986).
//!
//! m outputs of a filter of r taps are `y = Aᵀ[(G·g) ⊙ (Bᵀ·d)]` with n = m + r − 1 products, one for each point q of 0, ±a, ±b, … and ∞:
//!
//! | | row of q | row of ∞ |
//! |---|---|---|
//! | Bᵀ, n × n | the coefficients of M(x) / (x − q), where M(x) = x·(x² − a²)·(x² − b²)… | those of M |
//! | G, n × r | qʲ / N(q), where N(q) is the polynomial of Bᵀ's row at q | 0 … 0 1 |
//! | A, n × m | qⁱ | 0 … 0 1 |
//!
//! The rows of +a and −a have the same even and, but for the sign, the same odd part, which is computed once.

#![expect(clippy::needless_range_loop, reason = "indices are degrees, of several polynomials at once")]

use crate::Float;
use crate::cpu::lanes::Lanes;

/// The points 0, ±p₀, ±p₁, … and ∞ with the polynomials' coefficients: (−1)ⁱ times the elementary symmetric functions of squares.
#[derive(Debug)]
pub(super) struct Points<const PAIRS: usize> {
    pairs: [f64; PAIRS],
    /// Of all squares, degree 1 first: those of Π(x² − p²) but for the first, which is 1.
    all: [f64; PAIRS],
    /// Of all but the k-th.
    others: [[f64; PAIRS]; PAIRS],
}

/// Four outputs of three taps by 6 products instead of 12, two of five by 6 instead of 10.
pub(super) const SIX: Points<2> = Points::new([0.5, 1.5]);
/// Four outputs of seven taps by 10 products instead of 28.
pub(super) const TEN: Points<4> = Points::new([0.5, 0.75, 1.25, 3.0]);

impl<const PAIRS: usize> Points<PAIRS> {
    const fn new(pairs: [f64; PAIRS]) -> Self {
        let (mut all, mut others) = ([0.0; PAIRS], [[0.0; PAIRS]; PAIRS]);
        let mut k = 0;
        while k < PAIRS {
            all = times(all, pairs[k]);
            let mut other = 0;
            while other < PAIRS {
                if other != k {
                    others[k] = times(others[k], pairs[other]);
                }
                other += 1;
            }
            k += 1;
        }
        Self { pairs, all, others }
    }

    /// The rows of G for some taps, in the order of [`Points::there`].
    pub(super) fn weights(&self, taps: usize) -> Vec<f64> {
        let signed = self.pairs.iter().flat_map(|&p| [p, -p]);
        let mut rows = Vec::with_capacity((2 * PAIRS + 2) * taps);
        for q in std::iter::once(0.0).chain(signed) {
            let others: f64 = self.pairs.iter().filter(|&&p| p != q.abs()).map(|p| q * q - p * p).product();
            let divisor = if q == 0.0 { others } else { 2.0 * q * q * others };
            rows.extend((0..taps).map(|j| power(q, j) / divisor));
        }
        rows.extend((1..=taps).map(|j| f64::from(u8::from(j == taps))));
        rows
    }

    /// `Bᵀ·d`, in place, for lanes of channels: 0, +p₀, −p₀, …, ∞.
    #[inline(always)]
    pub(super) fn there<T: Float, L: Lanes<T>, const N: usize>(&self, d: &mut [L; N]) {
        const { assert!(N == 2 * PAIRS + 2) };
        let mut points = *d;
        points[0] = every_second(d, 2 * PAIRS, &self.all, PAIRS);
        points[N - 1] = every_second(d, 2 * PAIRS + 1, &self.all, PAIRS);
        for k in 0..PAIRS {
            let even = every_second(d, 2 * PAIRS, &self.others[k], PAIRS - 1);
            let odd = every_second(d, 2 * PAIRS - 1, &self.others[k], PAIRS - 1);
            points[2 * k + 1] = odd.mul_add(splat(self.pairs[k]), even);
            points[2 * k + 2] = odd.mul_add(splat(-self.pairs[k]), even);
        }
        *d = points;
    }

    /// `Aᵀ·p`, in place, for lanes of channels: the first `outputs` of them.
    #[inline(always)]
    pub(super) fn back<T: Float, L: Lanes<T>, const N: usize>(&self, p: &mut [L; N], outputs: usize) {
        const { assert!(N == 2 * PAIRS + 2) };
        let (zero, infinity) = (p[0], p[N - 1]);
        // The sums and the differences of pairs: what even and odd powers of their points are multiplied by.
        let (mut even, mut odd) = ([zero; PAIRS], [zero; PAIRS]);
        for k in 0..PAIRS {
            even[k] = p[2 * k + 1].add(p[2 * k + 2]);
            odd[k] = p[2 * k + 2].mul_add(splat(-1.0), p[2 * k + 1]);
        }
        for i in 0..N - 1 {
            if i < outputs {
                let mut sum = if i == 0 { zero } else { splat(0.0) };
                for k in 0..PAIRS {
                    let of_parity = if i % 2 == 0 { even[k] } else { odd[k] };
                    sum = of_parity.mul_add(splat(power(self.pairs[k], i)), sum);
                }
                p[i] = if i + 1 == outputs { sum.add(infinity) } else { sum };
            }
        }
    }
}

#[inline(always)]
fn splat<T: Float, L: Lanes<T>>(x: f64) -> L {
    L::splat(T::from_f64(x))
}

/// `d[top] + c₀·d[top − 2] + c₁·d[top − 4] + …`, for some `terms` after the first.
#[inline(always)]
fn every_second<T: Float, L: Lanes<T>>(d: &[L], top: usize, coefficients: &[f64], terms: usize) -> L {
    let mut sum = d[top];
    for i in 0..terms {
        sum = splat::<T, L>(coefficients[i]).mul_add(d[top - 2 * (i + 1)], sum);
    }
    sum
}

/// `x` to the `n`.
#[inline(always)]
const fn power(x: f64, n: usize) -> f64 {
    let (mut power, mut i) = (1.0, 0);
    while i < n {
        power *= x;
        i += 1;
    }
    power
}

/// The coefficients of a polynomial of x² times (x² − p²), without the highest, which is 1.
const fn times<const N: usize>(coefficients: [f64; N], p: f64) -> [f64; N] {
    let mut product = coefficients;
    let mut i = 0;
    while i < N {
        let before = if i == 0 { 1.0 } else { coefficients[i - 1] };
        product[i] -= before * p * p;
        i += 1;
    }
    product
}
