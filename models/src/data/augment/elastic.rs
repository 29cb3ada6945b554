//! Pictures distorted as if drawn on rubber (Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
//! visual document analysis", 2003): q(p) = p + Δ(p), with a smooth random field Δ.
//!
//! Each of its two parts is noise u, uniform on (−1, 1) and independent on a grid of 28×28, smoothed by a Gaussian g of σ = 4:
//! Δ = a · (g ∗ u) / sd, where sd = ‖g‖/√3 is the standard deviation of g ∗ u, so that a is the root mean square of Δ in pixels. Simard's
//! σ = 4, α = 34 are a = 1.4 on pictures of that size. Larger pictures read the grid between its points; the smoothing goes round its
//! edges, so that Δ is as large there as in the middle.

use inkgrad_kernels::cpu::rng::Philox;

use super::Place;

/// Side of the grid.
const GRID: usize = 28;
/// Width of the smoothing, in points of the grid.
const SIGMA: f64 = 4.0;
/// Points of the Gaussian on each side of its middle: three σ.
const REACH: usize = 12;

/// A field of displacements, rows and columns.
pub(super) struct Field {
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Field {
    /// A field of which the root mean square is `pixels`, along each axis.
    pub(super) fn draw(pixels: f64, draws: Philox) -> Self {
        let mut noise = (0..).flat_map(|block| draws.uniforms(block)).map(|u| 2.0 * u - 1.0);
        let mut part = || {
            let noise: Vec<f64> = noise.by_ref().take(GRID * GRID).collect();
            smooth(&noise).into_iter().map(|v| pixels * v).collect()
        };
        Field { rows: part(), columns: part() }
    }

    /// Where a pixel of the result is read from, in a picture of `sides`, height and width.
    pub(super) fn source(&self, (y, x): Place, (height, width): Place) -> Place {
        // Middles of pixels over middles of the grid's cells.
        let at = |p: f64, side: f64| (p + 0.5) * GRID as f64 / side - 0.5;
        let place = (at(y, height), at(x, width));
        (y + between(&self.rows, place), x + between(&self.columns, place))
    }
}

/// The Gaussian's weights, divided by their norm: noise of variance 1 keeps it.
fn gaussian() -> [f64; 2 * REACH + 1] {
    let raw: [f64; 2 * REACH + 1] =
        std::array::from_fn(|i| (-(i as f64 - REACH as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp());
    let norm = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
    raw.map(|v| v / norm)
}

/// `(g ∗ u) / sd` of `noise: (28, 28)` uniform on (−1, 1), rows first, going round the edges.
fn smooth(noise: &[f64]) -> Vec<f64> {
    let weights = gaussian();
    // Smooths rows, and gives them as columns.
    let pass = |values: &[f64]| -> Vec<f64> {
        let mut out = vec![0.0; GRID * GRID];
        for (i, row) in values.chunks_exact(GRID).enumerate() {
            let round: [f64; GRID + 2 * REACH] = std::array::from_fn(|at| row[(at + GRID - REACH) % GRID]);
            for (j, around) in round.windows(weights.len()).enumerate() {
                out[j * GRID + i] = around.iter().zip(&weights).map(|(v, weight)| v * weight).sum();
            }
        }
        out
    };
    // The variance of noise that is uniform on (−1, 1) is 1/3.
    pass(&pass(noise)).into_iter().map(|v| v * 3f64.sqrt()).collect()
}

/// The value of a grid between its points, going round the edges.
fn between(grid: &[f64], (y, x): Place) -> f64 {
    let at = |y: f64, x: f64| {
        grid[y.rem_euclid(GRID as f64) as usize % GRID * GRID + x.rem_euclid(GRID as f64) as usize % GRID]
    };
    let ((top, left), (down, right)) = ((y.floor(), x.floor()), (y - y.floor(), x - x.floor()));
    let row = |y: f64| at(y, left) + right * (at(y, left + 1.0) - at(y, left));
    row(top) + down * (row(top + 1.0) - row(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_as_large_as_it_is_asked_to_be_and_smooth() {
        let (mut squares, mut steps, mut count) = (0.0, 0.0, 0.0);
        for seed in 0..200 {
            let Field { rows, columns } = Field::draw(1.4, Philox::new(seed, 1));
            for part in [rows, columns] {
                squares += part.iter().map(|v| v * v).sum::<f64>();
                steps += part
                    .chunks(GRID)
                    .flat_map(|row| row.windows(2))
                    .map(|pair| (pair[1] - pair[0]).powi(2))
                    .sum::<f64>();
                count += part.len() as f64;
            }
        }
        let size = (squares / count).sqrt();
        assert!((size - 1.4).abs() < 0.05, "{size}");
        // Of neighbours, E(Δ − Δ')² = 2·a²·(1 − e^(−1/4σ²)).
        let expected = 1.4 * (2.0 * (1.0 - (-0.25 / (SIGMA * SIGMA)).exp())).sqrt();
        let step = (steps / (count * 27.0 / 28.0)).sqrt();
        assert!((step / expected - 1.0).abs() < 0.05, "{step}, expected {expected}");
    }

    #[test]
    fn larger_pictures_read_the_grid_between_its_points() {
        let field = Field::draw(2.0, Philox::new(3, 1));
        let (y, x) = field.source((5.0, 9.0), (28.0, 28.0));
        let at = 5 * GRID + 9;
        assert_eq!((y, x), (5.0 + field.rows[at], 9.0 + field.columns[at]));
        // Pixel (2·5 + ½, …) of twice the size has its middle there.
        let (y2, x2) = field.source((10.5, 18.5), (56.0, 56.0));
        assert!((y2 - 10.5 - (y - 5.0)).abs() < 1e-12 && (x2 - 18.5 - (x - 9.0)).abs() < 1e-12);
    }
}
