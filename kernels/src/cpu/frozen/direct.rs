//! The convolution as it stands: each tap's pixels are multiplied where they lie (Dukhan, "The Indirect Convolution
//! Algorithm", 2019). A table says for every output pixel and tap where the input pixel's channels begin; taps outside the
//! picture point to zeros.

use super::Filter;
use super::panels::{Factors, Sums, multiply};
use crate::cpu::Team;
use crate::cpu::conv::{Geometry, LANES};
use crate::cpu::tiles::max_rows;
use crate::{Float, multiversion};

/// Rows of a panel that stay in the L1 cache while the pixels of a block go past: 16 kB of `f32`.
const TERMS: usize = 256;
/// Pixels of a block, about: its inputs and sums stay in the L2 cache.
const BLOCK: usize = 96;
/// Blocks come in multiples of this many, so that a few threads end together.
const BLOCKS: usize = 8;
/// Pointers of a table.
const TABLE: usize = 2048;

/// Packed weights and bias.
#[derive(Debug, Clone)]
pub(super) struct Direct<T> {
    /// `[panel][tap][input][LANES]`.
    panels: Vec<T>,
    /// `[panel][LANES]`.
    pub(super) bias: Vec<T>,
    /// A pixel outside the picture.
    zeros: Vec<T>,
}

impl<T: Float> Direct<T> {
    pub(super) fn new(filter: &Filter, w: &[T], bias: &[T]) -> Self {
        let (taps, inputs) = (filter.taps(), filter.inputs);
        let mut panels = vec![T::ZERO; filter.outputs.next_multiple_of(LANES) * taps * inputs];
        pack(filter, w, &mut panels);
        Direct { panels, bias: padded(bias), zeros: vec![T::ZERO; inputs] }
    }

    pub(super) fn unpack(&self, filter: &Filter, w: &mut [T]) {
        unpack(filter, &self.panels, w);
    }

    pub(super) fn run(&self, team: &Team, geometry: &Geometry, relu: bool, x: &[T], y: &mut [T]) {
        let pixels = geometry.batch * geometry.small.pixels();
        let blocks = pixels.div_ceil(BLOCK).next_multiple_of(BLOCKS);
        // Whole tiles of either height.
        let block = pixels.div_ceil(blocks).next_multiple_of(12).min(BLOCK);
        team.pieces([(y, block * geometry.small.channels)], |i, [y]| {
            direct_block(geometry, relu, i * block, x, &self.panels, &self.bias, &self.zeros, y);
        });
    }
}

/// A bias with zeros up to a whole panel.
fn padded<T: Float>(bias: &[T]) -> Vec<T> {
    let mut padded = bias.to_vec();
    padded.resize(bias.len().next_multiple_of(LANES), T::ZERO);
    padded
}

/// The place in `[panel][tap][input][LANES]` of element `i` of an output's `(input, tap)`.
#[inline(always)]
fn place(filter: &Filter, output: usize, i: usize) -> usize {
    let (taps, inputs) = (filter.taps(), filter.inputs);
    ((output / LANES * taps + i % taps) * inputs + i / taps) * LANES + output % LANES
}

multiversion! {
    /// `[panel][tap][input][LANES]` of `(output, input, tap)`, zeros beyond the last output.
    fn pack<T: Float, A: Arithmetic>(filter: &Filter, w: &[T], panels: &mut [T]) {
        for (output, w) in w.chunks_exact(filter.inputs * filter.taps()).enumerate() {
            w.iter().enumerate().for_each(|(i, &w)| panels[place(filter, output, i)] = w);
        }
    }
}

multiversion! {
    /// The opposite of [`pack`].
    fn unpack<T: Float, A: Arithmetic>(filter: &Filter, panels: &[T], w: &mut [T]) {
        for (output, w) in w.chunks_exact_mut(filter.inputs * filter.taps()).enumerate() {
            w.iter_mut().enumerate().for_each(|(i, w)| *w = panels[place(filter, output, i)]);
        }
    }
}

multiversion! {
    /// The output pixels from `first` on, as many as `y` has.
    fn direct_block<T: Float, A: Arithmetic>(
        geometry: &Geometry,
        relu: bool,
        first: usize,
        x: &[T],
        panels: &[T],
        bias: &[T],
        zeros: &[T],
        y: &mut [T],
    ) {
        let Geometry { small: s, big: b, kernel, stride, padding, .. } = *geometry;
        let (outputs, inputs, taps) = (s.channels, b.channels, geometry.taps());
        let pixels = y.len() / outputs;
        debug_assert!(pixels <= BLOCK && BLOCK.is_multiple_of(max_rows::<A>()));
        // A chunk of terms is some whole taps, or some channels of one.
        let (chunk_taps, chunk_len) = if inputs <= TERMS {
            ((TERMS / inputs).min(TABLE / BLOCK).min(taps), inputs)
        } else {
            (1, inputs.div_ceil(inputs.div_ceil(TERMS)))
        };
        let start = (first / s.pixels(), first % s.pixels() / s.width, first % s.width);
        let mut table = [zeros.as_ptr(); TABLE];
        for tap in (0..taps).step_by(chunk_taps) {
            let some_taps = chunk_taps.min(taps - tap);
            for (k, row) in table.chunks_exact_mut(pixels).take(some_taps).enumerate() {
                let (ky, kx) = ((tap + k) / kernel.1, (tap + k) % kernel.1);
                let (mut image, mut py, mut px) = start;
                for place in row {
                    // Outside above or left, these wrap and are too large.
                    let row = (py * stride.0 + ky).wrapping_sub(padding.0);
                    let column = (px * stride.1 + kx).wrapping_sub(padding.1);
                    *place = if row < b.height && column < b.width {
                        x[((image * b.height + row) * b.width + column) * inputs..][..inputs].as_ptr()
                    } else {
                        zeros.as_ptr()
                    };
                    px += 1;
                    if px == s.width {
                        (px, py) = (0, py + 1);
                    }
                    if py == s.height {
                        (py, image) = (0, image + 1);
                    }
                }
            }
            for channel in (0..inputs).step_by(chunk_len) {
                let len = chunk_len.min(inputs - channel);
                if channel > 0 {
                    table[..pixels].iter_mut().for_each(|x| *x = x.wrapping_add(chunk_len));
                }
                let factors = Factors { table: &table[..some_taps * pixels], rows: pixels, len };
                let is_first = tap == 0 && channel == 0;
                let is_last = tap + some_taps == taps && channel + len == inputs;
                for (p, panel) in panels.chunks_exact(taps * inputs * LANES).enumerate() {
                    let panel = &panel[(tap * inputs + channel) * LANES..][..some_taps * len * LANES];
                    let start = is_first.then(|| bias[p * LANES..][..LANES].as_ptr());
                    let sums = Sums { start, relu: relu && is_last };
                    let width = LANES.min(outputs - p * LANES);
                    let y = &mut y[p * LANES..];
                    // SAFETY: each pointer of the table is the start of `inputs` elements, moved on by `channel`, so that
                    // `len` are left; the panel was cut to its length; `y` has `pixels` rows of `outputs` elements, from
                    // column p · LANES of the first.
                    unsafe { multiply::<T, A>(factors, panel.as_ptr(), sums, y.as_mut_ptr(), outputs, width) };
                }
            }
        }
    }
}
