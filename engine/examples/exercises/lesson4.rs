//! A transposed convolution as a scatter, of one channel.

use inkgrad_engine::prelude::*;

use super::{Exercise, Verdict, close};

pub const EXERCISE: Exercise = Exercise {
    lesson: 4,
    file: "lesson4.rs",
    asks: "a transposed convolution as a scatter",
    starter: || property(yours),
    solution: || property(engine),
};

/// A square kernel over a picture of `height` × `width` pixels.
#[derive(Debug, Clone, Copy)]
struct Layer {
    height: usize,
    width: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Layer {
    /// Rows and columns of the output: (n − 1)·stride − 2·padding + kernel.
    fn output(&self) -> (usize, usize) {
        let extent = |n: usize| (n - 1) * self.stride + self.kernel - 2 * self.padding;
        (extent(self.height), extent(self.width))
    }
}

/// From `x: (height, width)` and `w: (kernel, kernel)` to y, of [`Layer::output`]'s rows and columns.
///
/// Yours: as it stands, each pixel leaves its value at one place and no kernel is laid over it.
fn yours(layer: &Layer, x: &[f64], _w: &[f64]) -> Vec<f64> {
    let (rows, columns) = layer.output();
    let mut y = vec![0.0; rows * columns];
    for row in 0..layer.height {
        for column in 0..layer.width {
            let (to_row, to_column) = (row * layer.stride, column * layer.stride);
            if to_row < rows && to_column < columns {
                y[to_row * columns + to_column] += x[row * layer.width + column];
            }
        }
    }
    y
}

/// The engine's operation.
fn engine(layer: &Layer, x: &[f64], w: &[f64]) -> Vec<f64> {
    let &Layer { height, width, kernel, stride, padding } = layer;
    let attributes =
        ConvTranspose { stride: (stride, stride), padding: (padding, padding), output_padding: (0, 0), relu: false };
    run([(&[1, height, width, 1], x), (&[1, 1, kernel, kernel], w)], |tape, [x, w, bias]| {
        tape.conv_transpose2d(x, w, bias, attributes)
    })
}

/// The convolution that the layer is the transpose of, from `u` of the output's extent.
fn convolution(layer: &Layer, u: &[f64], w: &[f64]) -> Vec<f64> {
    let &Layer { kernel, stride, padding, .. } = layer;
    let (rows, columns) = layer.output();
    let attributes = Conv { stride: (stride, stride), padding: (padding, padding), relu: false };
    run([(&[1, rows, columns, 1], u), (&[1, 1, kernel, kernel], w)], |tape, [u, w, bias]| {
        tape.conv2d(u, w, bias, attributes)
    })
}

/// The value of an operation on a picture and weights, with a bias of zero.
fn run(inputs: [(&[usize; 4], &[f64]); 2], record: impl Fn(&mut Tape<f64>, [Tensor; 3]) -> Result<Tensor>) -> Vec<f64> {
    let mut tape = Tape::new();
    let [x, w] = inputs.map(|(shape, _)| tape.input("input", *shape));
    let bias = tape.input("bias", [1]);
    let y = record(&mut tape, [x, w, bias]).expect("a layer that fits its picture");
    let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
    let values = inputs.map(|(_, values)| values);
    for (tensor, values) in [(x, values[0]), (w, values[1]), (bias, &[0.0])] {
        plan.fill(tensor, values).expect("as many values as the shape has");
    }
    plan.forward(&Params::new(), &Team::solo(), Clock::default());
    plan.value(y).to_vec()
}

/// It is the transpose: y[q] is ⟨convolution of a single 1 at q, x⟩, for every pixel q of the output.
fn property(transposed: fn(&Layer, &[f64], &[f64]) -> Vec<f64>) -> Verdict {
    let values = |n: usize, seed: usize| (0..n).map(|i| ((i * 7 + seed) as f64 * 0.618).sin()).collect::<Vec<_>>();
    let mut compared = 0;
    for (height, width, kernel, stride, padding) in [(3, 4, 1, 1, 0), (4, 3, 3, 1, 0), (3, 3, 4, 2, 1), (2, 5, 3, 3, 1)]
    {
        let layer = Layer { height, width, kernel, stride, padding };
        let (x, w) = (values(height * width, 1), values(kernel * kernel, 2));
        let (rows, columns) = layer.output();
        let y = transposed(&layer, &x, &w);
        if y.len() != rows * columns {
            return Err(format!("{layer:?}: found {} pixels, expected {rows} × {columns}", y.len()));
        }
        for (q, &found) in y.iter().enumerate() {
            let mut single = vec![0.0; y.len()];
            single[q] = 1.0;
            let expected: f64 = convolution(&layer, &single, &w).iter().zip(&x).map(|(c, x)| c * x).sum();
            if !close(found, expected, 1e-12) {
                return Err(format!(
                    "{layer:?}: y[{}, {}] is {found:.6}, its transpose says {expected:.6}. Pixel p adds x[p]·w[k] to y \
                     at p·stride − padding + k, for every k whose place is inside",
                    q / columns,
                    q % columns
                ));
            }
            compared += 1;
        }
    }
    Ok(format!("{compared} pixels are the transpose's"))
}
