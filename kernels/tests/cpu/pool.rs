//! Pooling against its formula.

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::conv::Grid;
use inkgrad_kernels::cpu::pool::*;
use proptest::prelude::*;

/// The formula, pixel by pixel over the padded picture.
fn naive(window: &Window, pooling: Pooling, picture: Grid, x: &[f64]) -> Vec<f64> {
    let Grid { height, width, channels } = picture;
    let (rows, columns) = window.output((height, width)).unwrap();
    let mut y = Vec::new();
    for (image, py, px, c) in (0..x.len() / picture.len()).flat_map(|image| {
        (0..rows).flat_map(move |py| (0..columns).flat_map(move |px| (0..channels).map(move |c| (image, py, px, c))))
    }) {
        let mut values = Vec::new();
        for (ky, kx) in (0..window.kernel.0).flat_map(|ky| (0..window.kernel.1).map(move |kx| (ky, kx))) {
            let row = (py * window.stride.0 + ky) as isize - window.padding.0 as isize;
            let column = (px * window.stride.1 + kx) as isize - window.padding.1 as isize;
            if (0..height as isize).contains(&row) && (0..width as isize).contains(&column) {
                values.push(x[((image * height + row as usize) * width + column as usize) * channels + c]);
            }
        }
        let counted = match pooling {
            Pooling::Mean { count_padding: true } => window.kernel.0 * window.kernel.1,
            _ => values.len(),
        };
        y.push(match pooling {
            Pooling::Mean { .. } => values.iter().sum::<f64>() / counted as f64,
            Pooling::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        });
    }
    y
}

#[test]
fn a_window_has_pixels_and_fits_the_picture() {
    let window = |kernel, padding| Window { kernel, stride: (2, 1), padding };
    assert_eq!(window((3, 2), (1, 0)).output((5, 4)), Some((3, 3)));
    for (kernel, padding) in [((0, 2), (0, 0)), ((3, 0), (0, 0)), ((3, 2), (2, 0)), ((6, 2), (0, 0))] {
        assert_eq!(window(kernel, padding).output((5, 4)), None, "{kernel:?}, {padding:?}");
    }
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn agrees_with_the_formula(
        (batch, channels) in (1usize..4, 1usize..40),
        vertical in (1usize..4, 1usize..4, 0usize..2, 0usize..6),
        horizontal in (1usize..4, 1usize..4, 0usize..2, 0usize..6),
        pooling in prop::sample::select(vec![
            Pooling::Max, Pooling::Mean { count_padding: true }, Pooling::Mean { count_padding: false },
        ]),
    ) {
        let window = Window {
            kernel: (vertical.0, horizontal.0),
            stride: (vertical.1, horizontal.1),
            padding: (vertical.2.min(vertical.0 / 2), horizontal.2.min(horizontal.0 / 2)),
        };
        let picture = Grid { height: vertical.0 + vertical.3, width: horizontal.0 + horizontal.3, channels };
        let x: Vec<f64> = (0..batch * picture.len()).map(|i| ((i * 7919 + 13) % 1009) as f64 - 504.0).collect();
        let expected = naive(&window, pooling, picture, &x);
        let run = |threads| {
            let mut y = vec![f64::NAN; expected.len()];
            Pool::new(threads).enter(|team| pool(team, &window, pooling, picture, &x, &mut y));
            y
        };
        let found = run(1);
        prop_assert_eq!(&found, &run(3));
        for (f, e) in found.iter().zip(&expected) {
            prop_assert!((f - e).abs() <= 1e-9 * (1.0 + e.abs()), "{}, expected {}", f, e);
        }
    }
}
