//! Both convolutions and their gradients as launches. In fp32 they are implicit products: the kernels look up the elements
//! of the matrix of patches in the picture (`conv_down`, `conv_up`, `conv_weight`; the last two have a twin for big pictures
//! of one channel). In tf32 the patches are laid out in memory and multiplied on tensor cores (`unfold`, `gemm_tf32`,
//! `fold`). `geometry` names the sides as `kernels::cpu::conv` does.

use inkgrad_kernels::cpu::conv::{Geometry, Grid};
use inkgrad_kernels::launch::Arg;

use super::launches::{
    Epilogue, Launches, Precision, Span, Strided, THREADS, Target, column_sums_scratch, gemm_scratch, int,
    read_or_none, slices,
};
use crate::Shape;
use crate::op::Memory;
use crate::ops::relu_scratch;

/// Pixels and channels of the output that a block of `conv_down` and `conv_up` owns.
const TILE: (usize, usize) = (128, 32);
/// Rows and columns of the weights that a block of `conv_weight` owns.
const WEIGHT_TILE: usize = 64;
/// Pixels that a warp of `conv_up_single` owns, and warps of a block.
const SINGLE: (usize, usize) = (8, 8);
/// Bytes of weights that `conv_up_single` keeps in shared memory: what every GPU has without being asked for more.
const SHARED: usize = 48 << 10;
/// Channels and taps that a block of `conv_weight_single` owns.
const WEIGHT_SINGLE: (usize, usize) = (32, 16);

/// What a convolution of either kind, followed by a ReLU or not, needs for `output`.
pub fn memory(geometry: &Geometry, relu: bool, output: Shape, precision: Precision) -> Memory {
    let columns = output.last();
    let (saved, forward, backward) = match precision {
        Precision::Fp32 => {
            let [rows, columns, pixels] = weight_extents(geometry);
            let packed = if packs(geometry) { geometry.weights() } else { 0 };
            (packed, 0, gemm_scratch(rows, columns, pixels))
        }
        Precision::Tf32 => (0, unfolded_scratch(geometry), unfolded_scratch(geometry)),
    };
    Memory {
        saved,
        forward_scratch: forward,
        backward_scratch: relu_scratch(relu, output)
            + backward.max(column_sums_scratch(output.len() / columns, columns)),
    }
}

/// Whether the order in which the kernels of fp32 read weights, (small, taps, big), is another than the stored one.
fn packs(geometry: &Geometry) -> bool {
    geometry.big.channels > 1 && geometry.taps() > 1
}

/// The weights as the step's convolutions read them, given what [`Launches::pack_weights`] has filled.
pub fn packed_weights(w: Span, saved: Span) -> Span {
    if saved.len == 0 { w } else { saved }
}

/// The weights' gradient as a product: small channels, taps times big channels, and small pixels to sum over.
fn weight_extents(geometry: &Geometry) -> [usize; 3] {
    let (pixels, columns) = patches(geometry);
    [geometry.small.channels, columns, pixels]
}

impl Launches {
    /// Lays the weights out for the kernels of fp32, channels of the big side next to each other as pictures have them, in
    /// `saved`, which the backward reads. Where that is empty, in tf32 or for one channel or tap, weights are read as they
    /// are.
    pub fn pack_weights(&mut self, geometry: &Geometry, w: Span, saved: Span) -> Span {
        if saved.len > 0 {
            let extents = [geometry.small.channels, geometry.big.channels, geometry.taps()];
            self.transpose(w, extents, Target::write(saved));
        }
        packed_weights(w, saved)
    }

    /// `small[s] = Σₖ big[b]·W[k]`: a convolution's forward, a transposed convolution's input gradient. `w`: what
    /// [`Launches::pack_weights`] returned. `scratch`: for a matrix of patches in tf32.
    pub fn down(&mut self, geometry: &Geometry, big: Span, w: Span, small: Target, epilogue: Epilogue, scratch: Span) {
        if self.precision == Precision::Tf32 {
            return self.unfolded_down(geometry, big, w, small, epilogue, scratch);
        }
        let ((pixels, _), n) = (patches(geometry), geometry.small.channels);
        let mut args = vec![big.read(), w.read(), read_or_none(epilogue.bias), small.arg(), int(pixels), int(n)];
        args.extend(extents(geometry));
        args.push(epilogue.flags(small.add));
        let grid = [n.div_ceil(TILE.1), pixels.div_ceil(TILE.0), 1];
        self.grid("conv_down", grid, [THREADS, 1, 1], 0, args);
    }

    /// `big[b] = Σₖ small[s]·W[k]ᵀ`: a transposed convolution's forward, a convolution's input gradient. `w` and `scratch`:
    /// as for [`Launches::down`].
    pub fn up(&mut self, geometry: &Geometry, small: Span, w: Span, big: Target, epilogue: Epilogue, scratch: Span) {
        if self.precision == Precision::Tf32 {
            return self.unfolded_up(geometry, small, w, big, epilogue, scratch);
        }
        let Geometry { batch, small: Grid { channels, .. }, big: grid, stride, .. } = *geometry;
        // A class of residues has so many rows and columns of pixels at most.
        let (rows, columns) = (grid.height.div_ceil(stride.0), grid.width.div_ceil(stride.1));
        let classes = stride.0 * stride.1;
        let mut args = vec![small.read(), w.read(), read_or_none(epilogue.bias), big.arg(), int(batch), int(channels)];
        args.extend(extents(geometry));
        args.push(epilogue.flags(big.add));
        let weights = 4 * geometry.weights();
        if grid.channels == 1 && weights <= SHARED {
            let warps = batch * rows * columns.div_ceil(SINGLE.0);
            self.grid("conv_up_single", [warps.div_ceil(SINGLE.1), 1, classes], [THREADS, 1, 1], weights, args);
        } else {
            let grid = [grid.channels.div_ceil(TILE.1), (batch * rows * columns).div_ceil(TILE.0), classes];
            self.grid("conv_up", grid, [THREADS, 1, 1], 0, args);
        }
    }

    /// `dW[k] = Σ small[s]ᵀ·big[b]`: both weight gradients. `scratch`: [`gemm_scratch`] of small channels, taps times big
    /// channels, and small pixels; in tf32 a matrix of patches more.
    pub fn weight_gradient(&mut self, geometry: &Geometry, small: Span, big: Span, dw: Target, scratch: Span) {
        if self.precision == Precision::Tf32 {
            return self.unfolded_weight_gradient(geometry, small, big, dw, scratch);
        }
        let [m, n, k] = weight_extents(geometry);
        let single = geometry.big.channels == 1 && n <= WEIGHT_SINGLE.1;
        let slice = k.div_ceil(slices(m, n, k)).next_multiple_of(if single { 64 } else { 16 });
        let parts = k.div_ceil(slice);
        let to = if parts == 1 { dw } else { Target::write(scratch.part(0, parts * m * n)) };
        let mut args = vec![small.read(), big.read(), to.arg(), int(k), int(m)];
        args.extend(extents(geometry));
        args.extend([int(slice), to.flag()]);
        if single {
            self.grid("conv_weight_single", [m.div_ceil(WEIGHT_SINGLE.0), 1, parts], [THREADS, 1, 1], 0, args);
        } else {
            let grid = [n.div_ceil(WEIGHT_TILE), m.div_ceil(WEIGHT_TILE), parts];
            self.grid("conv_weight", grid, [THREADS, 1, 1], 0, args);
        }
        if parts > 1 {
            self.sum_axis(to.span, dw, [m * n, 0, m * n, parts]);
        }
    }
}

/// What the kernels are told of the pictures and the kernel.
fn extents(geometry: &Geometry) -> [Arg; 11] {
    let Geometry { small, big, kernel, stride, padding, .. } = *geometry;
    [
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
    .map(int)
}

/// Rows and columns of the matrix of patches: small pixels, and big channels times taps.
fn patches(geometry: &Geometry) -> (usize, usize) {
    (geometry.batch * geometry.small.pixels(), geometry.big.channels * geometry.taps())
}

/// Numbers of scratch for any of the three through a matrix of patches: that, and the parts of a product.
fn unfolded_scratch(geometry: &Geometry) -> usize {
    let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
    let product =
        gemm_scratch(rows, s, columns).max(gemm_scratch(rows, columns, s)).max(gemm_scratch(s, columns, rows));
    rows * columns + product
}

impl Launches {
    fn unfolded_down(
        &mut self,
        geometry: &Geometry,
        big: Span,
        w: Span,
        small: Target,
        epilogue: Epilogue,
        scratch: Span,
    ) {
        let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
        let (patches, scratch) = scratch.split(rows * columns);
        self.unfold(geometry, big, patches);
        let (patches, w) = (Strided::new(patches, columns), Strided::new(w, columns));
        self.gemm([rows, s, columns], patches, w.transposed(), small, s, epilogue, scratch);
    }

    fn unfolded_up(
        &mut self,
        geometry: &Geometry,
        small: Span,
        w: Span,
        big: Target,
        epilogue: Epilogue,
        scratch: Span,
    ) {
        let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
        let (patches, scratch) = scratch.split(rows * columns);
        let (small, w) = (Strided::new(small, s), Strided::new(w, columns));
        self.gemm([rows, columns, s], small, w, Target::write(patches), columns, Epilogue::NONE, scratch);
        let mut args = vec![patches.read(), read_or_none(epilogue.bias), big.arg(), int(big.span.len)];
        args.extend(extents(geometry));
        args.push(epilogue.flags(big.add));
        self.each("fold", big.span.len, args);
    }

    fn unfolded_weight_gradient(&mut self, geometry: &Geometry, small: Span, big: Span, dw: Target, scratch: Span) {
        let ((rows, columns), s) = (patches(geometry), geometry.small.channels);
        let (patches, scratch) = scratch.split(rows * columns);
        self.unfold(geometry, big, patches);
        let (small, patches) = (Strided::new(small, s), Strided::new(patches, columns));
        self.gemm([s, columns, rows], small.transposed(), patches, dw, columns, Epilogue::NONE, scratch);
    }

    fn unfold(&mut self, geometry: &Geometry, big: Span, patches: Span) {
        let mut args = vec![big.read(), patches.write(), int(patches.len)];
        args.extend(extents(geometry));
        self.each("unfold", patches.len, args);
    }
}
