//! Convolutions whose weights stay: packed once, for large pictures and any number of channels.
//!
//! The kernels of [`conv`](super::conv) pack their weights at every call and put the images of a batch into the rows of a
//! register tile: right for training on small pictures. Here the rows are consecutive pixels, whatever the picture, or tiles of it
//! by Winograd's algorithm where that saves a quarter of the products. The formula is [`conv::naive::down`](super::conv::naive::down)'s.

mod direct;
mod panels;
mod points;
mod winograd;

use self::direct::Direct;
use self::winograd::Winograd;
use super::Team;
use super::conv::{Geometry, Grid};
use crate::Float;

/// A convolution's extents, but for those of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Vertical and horizontal step.
    pub stride: (usize, usize),
    /// Zeros above and below, left and right.
    pub padding: (usize, usize),
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl Filter {
    /// Positions in the kernel.
    pub fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Elements of the weights.
    pub fn weights(&self) -> usize {
        self.outputs * self.inputs * self.taps()
    }

    /// The output's rows and columns: ⌊(in + 2·padding − kernel) / stride⌋ + 1 of each; `None` where the kernel is larger
    /// than the padded picture.
    pub fn output(&self, (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let extent = |input: usize, kernel: usize, stride: usize, padding: usize| {
            Some((input + 2 * padding).checked_sub(kernel)? / stride + 1)
        };
        let rows = extent(height, self.kernel.0, self.stride.0, self.padding.0)?;
        Some((rows, extent(width, self.kernel.1, self.stride.1, self.padding.1)?))
    }

    /// The same convolution of `batch` pictures of `height` rows and `width` columns, as the other kernels see it.
    ///
    /// # Panics
    /// If the kernel is larger than the padded picture.
    pub fn geometry(&self, batch: usize, (height, width): (usize, usize)) -> Geometry {
        let (rows, columns) = self.output((height, width)).expect("a picture at least as large as the kernel");
        Geometry {
            batch,
            small: Grid { height: rows, width: columns, channels: self.outputs },
            big: Grid { height, width, channels: self.inputs },
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

/// A convolution with its weights, packed.
#[derive(Debug, Clone)]
pub struct Frozen<T> {
    filter: Filter,
    direct: Direct<T>,
    /// Where the filter has fewer products for some pictures.
    winograd: Option<Winograd<T>>,
}

impl<T: Float> Frozen<T> {
    /// Packs `w: (outputs, inputs, kh, kw)` and `bias: (outputs)`.
    ///
    /// # Panics
    /// If the lengths differ from the filter's, or an extent or stride is zero.
    pub fn new(filter: Filter, w: &[T], bias: &[T]) -> Self {
        let Filter { inputs, outputs, kernel, stride, .. } = filter;
        assert_eq!((w.len(), bias.len()), (filter.weights(), outputs), "elements of weights and bias");
        assert!(inputs.min(outputs).min(kernel.0).min(kernel.1).min(stride.0).min(stride.1) > 0, "{filter:?}");
        Frozen { filter, direct: Direct::new(&filter, w, bias), winograd: Winograd::new(&filter, w) }
    }

    /// The filter that was packed.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The bias, `(outputs)`.
    pub fn bias(&self) -> &[T] {
        &self.direct.bias[..self.filter.outputs]
    }

    /// Whether pictures of this size are convolved by Winograd's algorithm: with a rounding error of its own, the same for any batch and
    /// number of threads.
    ///
    /// # Panics
    /// If the kernel is larger than the padded picture.
    pub fn is_winograd(&self, picture: (usize, usize)) -> bool {
        self.winograd(picture).is_some()
    }

    fn winograd(&self, picture: (usize, usize)) -> Option<&Winograd<T>> {
        let geometry = self.filter.geometry(1, picture);
        self.winograd.as_ref().filter(|winograd| winograd.pays(&geometry))
    }

    /// Writes the weights as they were given, `(outputs, inputs, kh, kw)`.
    ///
    /// # Panics
    /// If `w` has another length than [`Filter::weights`].
    pub fn unpack(&self, w: &mut [T]) {
        assert_eq!(w.len(), self.filter.weights(), "elements of the weights");
        self.direct.unpack(&self.filter, w);
    }

    /// `y[p] = b + Σₖ x[p · stride − padding + k] · W[k]`, negative values as zero where a ReLU follows.
    ///
    /// - `x`: `(batch, height, width, inputs)` with `picture = (height, width)`.
    /// - `y`: `(batch, height', width', outputs)`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn run(&self, team: &Team, batch: usize, picture: (usize, usize), x: &[T], y: &mut [T]) {
        let geometry = self.filter.geometry(batch, picture);
        assert_eq!(x.len(), batch * geometry.big.len(), "elements of the input");
        assert_eq!(y.len(), batch * geometry.small.len(), "elements of the output");
        if batch == 0 {
            return;
        }
        match self.winograd(picture) {
            Some(winograd) => winograd.run(team, &geometry, &self.direct.bias, self.filter.relu, x, y),
            None => self.direct.run(team, &geometry, self.filter.relu, x, y),
        }
    }
}
