//! Both convolutions and their gradients. They are implicit GEMMs: the kernels look up the elements of the matrix of patches in the
//! picture (`conv_down.ptx`, `conv_up.ptx`, `conv_weight.ptx`; the last two have a twin for big pictures of one channel, all three
//! one for tensor cores). [`Geometry`] names the sides as [`cpu::conv`](crate::cpu::conv) does.

use super::gemm::{ENOUGH_TILES, Epilogue, TENSOR_THREADS, slices};
use super::launches::{Launches, Span, THREADS, Target, int, read_or_none};
use super::layout::transpose;
use super::reduce::{UNAIDED, column_sums};
use crate::cpu::conv::{Geometry, Grid};
use crate::launch::Arg;
use crate::ptx::TENSOR_FROM;

/// Pixels and channels of the output that a block of `conv_down` and `conv_up` owns.
const TILE_PIXELS: usize = 128;
const TILE_CHANNELS: usize = 32;
/// Terms of one tap that the kernels for tensor cores take at a time, and numbers of a picture that they read or write
/// together.
const TERMS: usize = 16;
const NEIGHBOURS: usize = 4;
/// Pixels that a warp of `conv_up_single` owns, and warps of a block.
const SINGLE_PIXELS: usize = 8;
const SINGLE_WARPS: usize = 8;
/// Bytes of weights that `conv_up_single` keeps in shared memory: what every GPU has without being asked for more.
const SINGLE_SHARED: usize = 48 << 10;
/// Rows and columns of the weights that a block of `conv_weight` owns, and pixels that it sums at a time.
const WEIGHT_TILE: usize = 64;
const WEIGHT_DEPTH: usize = 16;
/// Blocks that a weight gradient is cut into where its weights are few: two for each multiprocessor of an H100, since one waits at each
/// turn.
const WEIGHT_BLOCKS: usize = 264;
/// Channels and taps that a block of `conv_weight_single` owns, and pixels that its warps sum at a time.
const WEIGHT_SINGLE_CHANNELS: usize = 32;
const WEIGHT_SINGLE_TAPS: usize = 16;
const WEIGHT_SINGLE_DEPTH: usize = 64;

/// Numbers that [`pack_weights`] fills: none where the order in which the kernels read weights, (small, taps, big), is the stored
/// one.
pub fn packed_len(geometry: &Geometry) -> usize {
    if geometry.big.channels > 1 && geometry.taps() > 1 { geometry.weights() } else { 0 }
}

/// The weights as the step's convolutions read them, given what [`pack_weights`] has filled.
pub fn packed_weights(w: Span, packed: Span) -> Span {
    if packed.len == 0 { w } else { packed }
}

/// Lays the weights out for the kernels, channels of the big side next to each other as pictures have them, in
/// `packed` of [`packed_len`] numbers. Returns [`packed_weights`].
pub fn pack_weights(launches: &mut Launches, geometry: &Geometry, w: Span, packed: Span) -> Span {
    if packed.len > 0 {
        let extents = [geometry.small.channels, geometry.big.channels, geometry.taps()];
        transpose(launches, w, extents, Target::write(packed));
    }
    packed_weights(w, packed)
}

/// Numbers of scratch for [`weight_gradient`].
pub fn weight_gradient_scratch_len(geometry: &Geometry) -> usize {
    let (_, columns) = patches(geometry);
    WeightCut::of(geometry).parts * geometry.small.channels * columns
}

/// `small[s] = Σₖ big[b]·W[k]`: a convolution's forward, a transposed convolution's input gradient. `w`: what
/// [`pack_weights`] returned.
pub fn down(launches: &mut Launches, geometry: &Geometry, big: Span, w: Span, epilogue: Epilogue, small: Target) {
    let ((pixels, _), n) = (patches(geometry), geometry.small.channels);
    let mut args = vec![big.read(), w.read(), read_or_none(epilogue.bias), small.arg(), int(pixels), int(n)];
    args.extend(extents(geometry));
    args.push(epilogue.flags(small.add, launches.precision));
    let grid = [n.div_ceil(TILE_CHANNELS), pixels.div_ceil(TILE_PIXELS), 1];
    let multiples = [(geometry.big.channels, TERMS), (n, NEIGHBOURS)];
    let (entry, threads) = match on_tensor_cores(launches, multiples, [big, w, small.span]) {
        true => ("conv_down_tensor", TENSOR_THREADS),
        false => ("conv_down", THREADS),
    };
    launches.grid(entry, grid, [threads, 1, 1], 0, args);
}

/// `big[b] = Σₖ small[s]·W[k]ᵀ`: a transposed convolution's forward, a convolution's input gradient. `w`: as for [`down`].
pub fn up(launches: &mut Launches, geometry: &Geometry, small: Span, w: Span, epilogue: Epilogue, big: Target) {
    let Geometry { batch, small: Grid { channels, .. }, big: grid, stride, .. } = *geometry;
    // A class of residues has so many rows and columns of pixels at most.
    let (rows, columns) = (grid.height.div_ceil(stride.0), grid.width.div_ceil(stride.1));
    let classes = stride.0 * stride.1;
    let mut args = vec![small.read(), w.read(), read_or_none(epilogue.bias), big.arg(), int(batch), int(channels)];
    args.extend(extents(geometry));
    args.push(epilogue.flags(big.add, launches.precision));
    let weights = 4 * geometry.weights();
    if grid.channels == 1 && weights <= SINGLE_SHARED {
        let warps = batch * rows * columns.div_ceil(SINGLE_PIXELS);
        let grid = [warps.div_ceil(SINGLE_WARPS), 1, classes];
        launches.grid("conv_up_single", grid, [THREADS, 1, 1], weights, args);
    } else {
        let blocks = [grid.channels.div_ceil(TILE_CHANNELS), (batch * rows * columns).div_ceil(TILE_PIXELS), classes];
        let (entry, threads) =
            match on_tensor_cores(launches, [(channels, TERMS), (grid.channels, NEIGHBOURS)], [small, w, big.span]) {
                true => ("conv_up_tensor", TENSOR_THREADS),
                false => ("conv_up", THREADS),
            };
        launches.grid(entry, blocks, [threads, 1, 1], 0, args);
    }
}

/// `dw[k] = Σ small[s]ᵀ·big[b]`: both weight gradients. `scratch`: [`weight_gradient_scratch_len`].
pub fn weight_gradient(
    launches: &mut Launches,
    geometry: &Geometry,
    small: Span,
    big: Span,
    dw: Target,
    scratch: Span,
) {
    let ((pixels, columns), m) = (patches(geometry), geometry.small.channels);
    let WeightCut { single, slice, parts } = WeightCut::of(geometry);
    let multiples = [(m, NEIGHBOURS), (geometry.big.channels, NEIGHBOURS)];
    let tensor = !single && on_tensor_cores(launches, multiples, [small, big]);
    // Those of tensor cores have another order than dw.
    let to = if parts == 1 && !tensor { dw } else { Target::write(scratch.part(0, parts * m * columns)) };
    let mut args = vec![small.read(), big.read(), to.arg(), int(pixels), int(m)];
    args.extend(extents(geometry));
    args.push(int(slice));
    let grid = [columns.div_ceil(WEIGHT_TILE), m.div_ceil(WEIGHT_TILE), parts];
    if tensor {
        args.push(Epilogue::NONE.flags(false, launches.precision));
        launches.grid("conv_weight_tensor", grid, [TENSOR_THREADS, 1, 1], 0, args);
        let numbers = [m * columns, geometry.taps(), geometry.big.channels, parts].map(int);
        let args = [&[to.span.read(), dw.arg()], &numbers[..], &[dw.flag()]].concat();
        return launches.each("conv_weight_sums", m * columns, args);
    }
    args.push(to.flag());
    if single {
        launches.grid("conv_weight_single", [m.div_ceil(WEIGHT_SINGLE_CHANNELS), 1, parts], [THREADS, 1, 1], 0, args);
    } else {
        launches.grid("conv_weight", grid, [THREADS, 1, 1], 0, args);
    }
    if parts > 1 {
        column_sums(launches, to.span, dw, Span::default());
    }
}

/// How the sums of a weight gradient over pixels are cut.
struct WeightCut {
    /// Whether the kernels for one big channel are taken.
    single: bool,
    /// Pixels of a part.
    slice: usize,
    parts: usize,
}

impl WeightCut {
    fn of(geometry: &Geometry) -> WeightCut {
        let (pixels, columns) = patches(geometry);
        let single = geometry.big.channels == 1 && columns <= WEIGHT_SINGLE_TAPS;
        let (depth, enough) = if single { (WEIGHT_SINGLE_DEPTH, ENOUGH_TILES) } else { (WEIGHT_DEPTH, WEIGHT_BLOCKS) };
        let parts = slices([geometry.small.channels, pixels, columns], depth, enough).min(UNAIDED);
        let slice = pixels.div_ceil(parts).next_multiple_of(depth);
        WeightCut { single, slice, parts: pixels.div_ceil(slice) }
    }
}

/// Whether kernels for tensor cores can do it: where the device has them, pictures have channels in `multiples` of what they
/// take together, and what is read or written so lies on a border of 16 bytes.
fn on_tensor_cores<const N: usize>(launches: &Launches, multiples: [(usize, usize); 2], spans: [Span; N]) -> bool {
    let whole = multiples.iter().all(|&(channels, together)| channels.is_multiple_of(together));
    launches.architecture >= TENSOR_FROM && whole && spans.iter().all(|span| span.address.is_multiple_of(16))
}

/// The kernels' arguments for the extents of pictures and kernel.
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
