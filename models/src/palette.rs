//! The colours and shapes that tell series and classes apart, the same in every chart.
//!
//! ```
//! use inkgrad_models::palette::{COLORS, Shape, mark};
//!
//! assert_eq!(mark(0), (0, Shape::Disc));
//! assert_eq!(mark(COLORS.len()), (0, Shape::Triangle)); // the first colour again, told apart by its shape
//! ```

/// Eight colours that stay apart under each of the three kinds of colour blindness, on white.
pub const COLORS: [[u8; 3]; 8] = [
    [0x04, 0x68, 0xc8],
    [0xf5, 0x5f, 0x09],
    [0x00, 0x90, 0x73],
    [0xb3, 0x26, 0x2e],
    [0x96, 0x42, 0x9a],
    [0x56, 0xa8, 0xe0],
    [0x3a, 0x3a, 0x3a],
    [0x9b, 0xa8, 0x35],
];

/// The same hues where the page is dark.
pub const ON_DARK: [[u8; 3]; 8] = [
    [0x50, 0x88, 0xa5],
    [0xbd, 0x86, 0x00],
    [0x2a, 0xd7, 0xa1],
    [0xe2, 0x6a, 0x59],
    [0xb0, 0x8e, 0xff],
    [0xb0, 0xd0, 0xff],
    [0xff, 0xff, 0xff],
    [0xff, 0xd7, 0x4b],
];

/// The shape of a point: classes beyond the eighth take the colours again, in another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The first eight.
    Disc,
    /// The next eight.
    Triangle,
    /// All others.
    Square,
}

impl Shape {
    /// Whether `(x, y)`, y pointing down, lies in the shape around the origin whose area is that of a disc of `radius`.
    pub fn holds(self, radius: f32, x: f32, y: f32) -> bool {
        let corner = self.corner(radius);
        match self {
            Shape::Disc => x.hypot(y) <= radius,
            // The centroid is at the origin: two thirds of the height above it, one below.
            Shape::Triangle => y <= corner / 2.0 && 3f32.sqrt() * x.abs() <= y + corner,
            Shape::Square => x.abs().max(y.abs()) <= corner,
        }
    }

    /// From the middle to a triangle's corner or a square's side.
    pub fn corner(self, radius: f32) -> f32 {
        match self {
            Shape::Disc => radius,
            // Of an equilateral triangle the area is 3√3/4·r².
            Shape::Triangle => radius * (4.0 * std::f32::consts::PI / 27f32.sqrt()).sqrt(),
            Shape::Square => radius * std::f32::consts::PI.sqrt() / 2.0,
        }
    }
}

/// The place of a class's or series' colour in [`COLORS`], and its shape: 24 of them are all different.
pub fn mark(index: usize) -> (usize, Shape) {
    let shape = match index / COLORS.len() % 3 {
        0 => Shape::Disc,
        1 => Shape::Triangle,
        _ => Shape::Square,
    };
    (index % COLORS.len(), shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Matrix = [[f64; 3]; 3];

    /// Colours as seen without one kind of cone (Machado, Oliveira and Fernandes, "A physiologically-based model for
    /// simulation of color vision deficiency", 2009, severity 1), on linear RGB; the first is full vision.
    const SEEN: [Matrix; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    fn times(matrix: &Matrix, v: [f64; 3]) -> [f64; 3] {
        [0, 1, 2].map(|i| (0..3).map(|j| matrix[i][j] * v[j]).sum())
    }

    /// CIELAB under D65.
    fn lab(color: [u8; 3], seen: &Matrix) -> [f64; 3] {
        const XYZ: Matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
        let linear = color.map(|byte| {
            let v = f64::from(byte) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let [x, y, z] = times(&XYZ, times(seen, linear).map(|v| v.clamp(0.0, 1.0)));
        let f = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let [x, y, z] = [f(x / 0.95047), f(y), f(z / 1.08883)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn colours_stay_apart_whoever_looks() {
        for colors in [COLORS, ON_DARK] {
            for (kind, seen) in SEEN.iter().enumerate() {
                for (i, j) in (0..8).flat_map(|j| (0..j).map(move |i| (i, j))) {
                    let [a, b] = [i, j].map(|i| lab(colors[i], seen));
                    let apart = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(apart > 15.0, "vision {kind}: colours {i} and {j} are only {apart:.1} apart");
                }
            }
        }
    }

    #[test]
    fn twenty_four_marks_differ_and_their_shapes_have_the_same_area() {
        let marks: Vec<_> = (0..24).map(mark).collect();
        assert!((0..24).all(|i| !marks[..i].contains(&marks[i])));
        assert_eq!(mark(24), mark(0));
        for shape in [Shape::Disc, Shape::Triangle, Shape::Square] {
            let grid = || (-100..=100).map(|i| i as f32 / 50.0);
            let inside = grid().flat_map(|x| grid().map(move |y| (x, y))).filter(|&(x, y)| shape.holds(1.0, x, y));
            let area = inside.count() as f32 / 2500.0;
            assert!((area - std::f32::consts::PI).abs() < 0.05, "{shape:?}: {area}");
        }
    }
}
