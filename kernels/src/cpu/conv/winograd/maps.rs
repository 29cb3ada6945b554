//! The maps of one direction between pixels and points ([`super::axis`]), as additions of registers.

use super::axis::Kind;
use crate::Float;
use crate::cpu::lanes::Lanes;

/// `a − b`.
#[inline(always)]
fn sub<T: Float, L: Lanes<T>>(a: L, b: L) -> L {
    b.mul_add(L::splat(-T::ONE), a)
}

/// Applies a one-dimensional map to each row of a window and then to each column.
macro_rules! both {
    ($f:ident, $ky:ident, $kx:ident, $window:expr) => {{
        let rows = $window;
        let rows = [$f($kx, rows[0]), $f($kx, rows[1]), $f($kx, rows[2]), $f($kx, rows[3])];
        let column = [
            $f($ky, [rows[0][0], rows[1][0], rows[2][0], rows[3][0]]),
            $f($ky, [rows[0][1], rows[1][1], rows[2][1], rows[3][1]]),
            $f($ky, [rows[0][2], rows[1][2], rows[2][2], rows[3][2]]),
            $f($ky, [rows[0][3], rows[1][3], rows[2][3], rows[3][3]]),
        ];
        [
            [column[0][0], column[1][0], column[2][0], column[3][0]],
            [column[0][1], column[1][1], column[2][1], column[3][1]],
            [column[0][2], column[1][2], column[2][2], column[3][2]],
            [column[0][3], column[1][3], column[2][3], column[3][3]],
        ]
    }};
}

pub(super) use both;

/// From small pixels to points.
#[inline(always)]
pub(super) fn points_of_small<T: Float, L: Lanes<T>>(kind: Kind, d: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three | Kind::Pair => [sub(d[0], d[2]), d[1].add(d[2]), sub(d[2], d[1]), sub(d[3], d[1])],
        Kind::Half => [sub(d[0], d[2]), d[1].add(d[2]), sub(d[2], d[1]), d[2]],
        Kind::Two => [sub(d[0], d[1]), d[1].add(d[1]), d[1], sub(d[2], d[1])],
        Kind::One => [d[0], d[0], d[0], d[1]],
        Kind::First | Kind::Last => [d[0]; 4],
    }
}

/// The transpose of [`points_of_small`].
#[inline(always)]
pub(super) fn small_of_points<T: Float, L: Lanes<T>>(kind: Kind, p: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three | Kind::Pair => [p[0], sub(sub(p[1], p[2]), p[3]), sub(p[1].add(p[2]), p[0]), p[3]],
        Kind::Half => [p[0], sub(p[1], p[2]), sub(p[1].add(p[2]), p[0]), p[0]],
        Kind::Two => [p[0], sub(sub(p[1].add(p[1]), p[0]), p[3]), p[3], p[3]],
        Kind::One => [p[0], p[3], p[3], p[3]],
        Kind::First => [p[3]; 4],
        Kind::Last => [p[0]; 4],
    }
}

/// From points to big pixels of one residue.
#[inline(always)]
pub(super) fn big_of_points<T: Float, L: Lanes<T>>(kind: Kind, p: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three => {
            let sum = p[1].add(p[2]);
            [p[0].add(sum), sub(p[1], p[2]), sum.add(p[3]), p[3]]
        }
        Kind::Pair => [p[0].add(p[1].add(p[2])), sub(p[1], p[2]).add(p[3]), p[3], p[3]],
        Kind::Half => [p[0].add(p[1].add(p[2])); 4],
        Kind::Two => [p[0].add(p[1]), p[1].add(p[3]), p[3], p[3]],
        Kind::One => [p[0].add(p[3]); 4],
        Kind::First => [p[3]; 4],
        Kind::Last => [p[0]; 4],
    }
}

/// The transpose of [`big_of_points`].
#[inline(always)]
pub(super) fn points_of_big<T: Float, L: Lanes<T>>(kind: Kind, y: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three => {
            let sum = y[0].add(y[2]);
            [y[0], sum.add(y[1]), sub(sum, y[1]), y[2]]
        }
        Kind::Pair => [y[0], y[0].add(y[1]), sub(y[0], y[1]), y[1]],
        Kind::Two => [y[0], y[0].add(y[1]), y[1], y[1]],
        Kind::One | Kind::First | Kind::Last | Kind::Half => [y[0]; 4],
    }
}
