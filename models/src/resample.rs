//! Pictures resampled along their columns and then along their rows, as Pillow does: a pixel of the result is a weighted sum of
//! neighbours in a line.

/// The pixels of a line that a new pixel is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taps {
    pub(crate) first: usize,
    /// Weights of `first`, `first + 1`, …, which add up to 1.
    pub(crate) weights: Vec<f32>,
}

impl Taps {
    /// Pixel `i` of a line of `to` made of one of `from`, by a kernel that reaches `reach` pixels to either side.
    ///
    /// With s = from / to its centre is at c = (i + ½)·s, and the old pixel x, of which the centre is at x + ½, weighs
    /// kernel((x + ½ − c) / max(s, 1)): as much wider as the line shrinks, which is Pillow's and torchvision's antialiasing.
    pub(crate) fn antialiased(i: usize, from: usize, to: usize, reach: f64, kernel: impl Fn(f64) -> f64) -> Self {
        let scale = from as f64 / to as f64;
        let (centre, wider) = ((i as f64 + 0.5) * scale, scale.max(1.0));
        let first = (centre - reach * wider + 0.5).max(0.0) as usize;
        let last = ((centre + reach * wider + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..last).map(|x| kernel((x as f64 - centre + 0.5) / wider)).collect();
        let sum: f64 = raw.iter().sum();
        Taps { first, weights: raw.iter().map(|raw| (raw / sum) as f32).collect() }
    }
}

/// Mixes `picture: (height, width, channels)` into `out: (rows, columns, channels)`: columns first, then rows.
pub(crate) fn mix(
    picture: &[f32],
    (width, channels): (usize, usize),
    (rows, columns): (&[Taps], &[Taps]),
    out: &mut [f32],
) {
    let (line, row) = (width * channels, columns.len() * channels);
    let mut mixed = vec![0.0f32; picture.len() / line * row];
    for (from, mixed) in picture.chunks_exact(line).zip(mixed.chunks_exact_mut(row)) {
        for (out, taps) in mixed.chunks_exact_mut(channels).zip(columns) {
            for (channel, out) in out.iter_mut().enumerate() {
                let values = from[taps.first * channels + channel..].iter().step_by(channels);
                *out = values.zip(&taps.weights).map(|(x, weight)| x * weight).sum();
            }
        }
    }
    for (out, taps) in out.chunks_exact_mut(row).zip(rows) {
        out.fill(0.0);
        for (from, &weight) in mixed[taps.first * row..].chunks_exact(row).zip(&taps.weights) {
            out.iter_mut().zip(from).for_each(|(out, x)| *out += weight * x);
        }
    }
}
