//! Both convolutions and their gradients as launches: patches laid out as a matrix, and products with the weights as
//! they are. `geometry` names the sides as `kernels::cpu::conv` does.

use inkgrad_kernels::cpu::conv::Geometry;

use super::launches::{
    Epilogue, Launches, Span, Strided, Target, column_sums_scratch, gemm_scratch, int, read_or_none,
};
use crate::Shape;
use crate::op::Memory;
use crate::ops::relu_scratch;

/// Rows and columns of the matrix of patches: small pixels, and big channels times taps.
fn patches(geometry: &Geometry) -> (usize, usize) {
    (geometry.batch * geometry.small.pixels(), geometry.big.channels * geometry.taps())
}

/// Numbers of scratch for any of the three: the patches, and the parts of a product.
fn scratch(geometry: &Geometry) -> usize {
    let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
    let product =
        gemm_scratch(rows, s, columns).max(gemm_scratch(rows, columns, s)).max(gemm_scratch(s, columns, rows));
    rows * columns + product
}

/// What a convolution of either kind, followed by a ReLU or not, needs for `output`.
pub fn memory(geometry: &Geometry, relu: bool, output: Shape) -> Memory {
    let columns = output.last();
    Memory {
        saved: 0,
        forward_scratch: scratch(geometry),
        backward_scratch: relu_scratch(relu, output)
            + scratch(geometry).max(column_sums_scratch(output.len() / columns, columns)),
    }
}

impl Launches {
    /// `small[s] = Σₖ big[b]·W[k]`: a convolution's forward, a transposed convolution's input gradient.
    pub fn down(&mut self, geometry: &Geometry, big: Span, w: Span, small: Target, epilogue: Epilogue, scratch: Span) {
        let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
        let (patches, scratch) = scratch.split(rows * columns);
        self.unfold(geometry, big, patches);
        let (patches, w) = (Strided::new(patches, columns), Strided::new(w, columns));
        self.gemm([rows, s, columns], patches, w.transposed(), small, s, epilogue, scratch);
    }

    /// `big[b] = Σₖ small[s]·W[k]ᵀ`: a transposed convolution's forward, a convolution's input gradient.
    pub fn up(&mut self, geometry: &Geometry, small: Span, w: Span, big: Target, epilogue: Epilogue, scratch: Span) {
        let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
        let (patches, scratch) = scratch.split(rows * columns);
        let (small, w) = (Strided::new(small, s), Strided::new(w, columns));
        self.gemm([rows, columns, s], small, w, Target::write(patches), columns, Epilogue::NONE, scratch);
        let mut args = vec![patches.read(), read_or_none(epilogue.bias), big.arg()];
        args.extend(extents(geometry, big.span.len));
        args.push(epilogue.flags(big.add));
        self.each("fold", big.span.len, args);
    }

    /// `dW[k] = Σ small[s]ᵀ·big[b]`: both weight gradients.
    pub fn weight_gradient(&mut self, geometry: &Geometry, small: Span, big: Span, dw: Target, scratch: Span) {
        let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
        let (patches, scratch) = scratch.split(rows * columns);
        self.unfold(geometry, big, patches);
        let (small, patches) = (Strided::new(small, s), Strided::new(patches, columns));
        self.gemm([s, columns, rows], small.transposed(), patches, dw, columns, Epilogue::NONE, scratch);
    }

    fn unfold(&mut self, geometry: &Geometry, big: Span, patches: Span) {
        let mut args = vec![big.read(), patches.write()];
        args.extend(extents(geometry, patches.len));
        self.each("unfold", patches.len, args);
    }
}

/// What `fold` and `unfold` are told after their pointers, `n` threads' elements first.
fn extents(geometry: &Geometry, n: usize) -> impl Iterator<Item = inkgrad_kernels::launch::Arg> {
    let Geometry { small, big, kernel, stride, padding, .. } = *geometry;
    [
        n,
        big.height,
        big.width,
        big.channels,
        small.height,
        small.width,
        kernel.0,
        kernel.1,
        stride.0,
        stride.1,
        padding.0,
        padding.1,
    ]
    .into_iter()
    .map(int)
}
