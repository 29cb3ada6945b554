//! Convolutions of stride 1 by fewer products: tiles of the picture become points (see [`points`](super::points)), points are multiplied
//! by transformed weights, and come back as outputs.
//!
//! A thread takes a band of tiles at a time, small enough for its L2 cache, through all three steps. Whatever tiles stand beside
//! it, a tile's sums are added in one order.

#![expect(
    clippy::needless_range_loop,
    reason = "indices are rows and columns of a window, and of the picture under it"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Filter;
use super::panels::{Factors, Sums, multiply};
use super::points::{SIX, TEN};
use crate::cpu::Team;
use crate::cpu::conv::{Geometry, LANES};
use crate::cpu::lanes::{Lanes, load_first, store_first};
use crate::cpu::simd::{Arithmetic, has_fused};
use crate::{Float, multiversion};

/// Points that a band keeps, about: half a megabyte of `f32`.
const KEPT: usize = 1 << 17;
/// Tiles of a band, at least and at most: so many go past each panel of weights.
const TILES: (usize, usize) = (24, 96);
/// Terms of a panel that stay in the L1 cache.
const TERMS: usize = 256;
/// Transformed weights, at most: 16 MB of `f32`, for more come from memory for every few tiles.
const WEIGHTS: usize = 1 << 22;
/// Channels below which the transforms cost more than is saved.
const CHANNELS: usize = 16;
/// Pointers of a table.
const TABLE: usize = TILES.1;
/// The most points in one direction.
const MOST: usize = 10;

/// One direction of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    points: usize,
    /// Outputs of a tile.
    outputs: usize,
}

impl Axis {
    /// A way for this many taps, if there is one.
    fn new(taps: usize) -> Option<Self> {
        let points = match taps {
            1 => 1,
            2..=5 => 6,
            6..=8 => 10,
            _ => return None,
        };
        Some(Self { points, outputs: points - taps + 1 })
    }

    /// The transform of as many taps: a row for each point.
    fn weights(self, taps: usize) -> Vec<f64> {
        match self.points {
            6 => SIX.weights(taps),
            10 => TEN.weights(taps),
            _ => vec![1.0],
        }
    }
}

/// Transformed weights.
#[derive(Debug, Clone)]
pub(super) struct Winograd<T> {
    axes: (Axis, Axis),
    /// `[panel][point][input][LANES]`.
    panels: Vec<T>,
}

/// Some tiles, of which the outputs lie one after another: whole images, or rows of tiles of one.
#[derive(Debug, Clone, Copy)]
struct Band {
    image: usize,
    images: usize,
    /// The first row of tiles.
    row: usize,
    rows: usize,
}

impl<T: Float> Winograd<T> {
    /// Transforms `w: (outputs, inputs, kh, kw)`; `None` for a filter that the direct way does as well, and for processors without fused
    /// multiply-add, which the kernels are not compiled for.
    pub(super) fn new(filter: &Filter, w: &[T]) -> Option<Self> {
        let Filter { inputs, outputs, kernel, stride, .. } = *filter;
        let axes = (Axis::new(kernel.0)?, Axis::new(kernel.1)?);
        // Of ten points in one direction and several in the other too many digits would go.
        let digits = axes.0.points.min(axes.1.points) == 1 || axes.0.points.max(axes.1.points) < MOST;
        if stride != (1, 1) || filter.taps() < 3 || inputs.min(outputs) < CHANNELS || !digits || !has_fused() {
            return None;
        }
        let points = axes.0.points * axes.1.points;
        if points * inputs * outputs > WEIGHTS {
            return None;
        }
        let mut panels = vec![T::ZERO; outputs.next_multiple_of(LANES) * points * inputs];
        weights_to_points(filter, axes, w, &mut panels);
        Some(Self { axes, panels })
    }

    /// Whether a picture takes so many products fewer that the transforms are paid for.
    pub(super) fn pays(&self, geometry: &Geometry) -> bool {
        let (rows, columns) = self.tiles(geometry);
        let products = rows * self.axes.0.points * columns * self.axes.1.points;
        4 * products < 3 * geometry.small.pixels() * geometry.taps()
    }

    /// Rows and columns of an image's tiles.
    fn tiles(&self, geometry: &Geometry) -> (usize, usize) {
        let (v, h) = self.axes;
        (geometry.small.height.div_ceil(v.outputs), geometry.small.width.div_ceil(h.outputs))
    }

    pub(super) fn run(&self, team: &Team, geometry: &Geometry, bias: &[T], relu: bool, x: &[T], y: &mut [T]) {
        let points = self.axes.0.points * self.axes.1.points;
        let (inputs, (rows, columns)) = (geometry.big.channels, self.tiles(geometry));
        let most = (KEPT / (points * inputs)).clamp(TILES.0, TILES.1) / 12 * 12;
        // Several images, or some rows of tiles of one, as evenly as that goes.
        let images = (most / (rows * columns)).min(geometry.batch.div_ceil(team.threads())).max(1);
        let height = rows.div_ceil(rows.div_ceil((most / columns).max(1)));
        let mut bands = Vec::new();
        let mut rest = y;
        for image in (0..geometry.batch).step_by(images) {
            let images = images.min(geometry.batch - image);
            let height = if images > 1 { rows } else { height };
            for row in (0..rows).step_by(height) {
                let band = Band { image, images, row, rows: height.min(rows - row) };
                let lines = (band.rows * self.axes.0.outputs).min(geometry.small.height - row * self.axes.0.outputs);
                let len = images * lines * geometry.small.width * geometry.small.channels;
                let (y, after) = std::mem::take(&mut rest).split_at_mut(len);
                rest = after;
                bands.push((band, Mutex::new(y)));
            }
        }
        let tiles = columns * bands.iter().map(|(band, _)| band.images * band.rows).max().unwrap_or(0);
        let len = tiles * points * (inputs + LANES);
        let mut memory = vec![T::ZERO; len * team.threads().min(bands.len())];
        let next = AtomicUsize::new(0);
        team.pieces([(&mut memory, len)], |_, [memory]| {
            while let Some((band, y)) = bands.get(next.fetch_add(1, Ordering::Relaxed)) {
                // No other thread has this number.
                let mut y = y.lock().expect("a band that nobody has had");
                self.run_band(Work { axes: self.axes, geometry, band: *band }, x, bias, relu, memory, &mut y);
            }
        });
    }

    /// The outputs of a band.
    fn run_band(&self, work: Work<'_>, x: &[T], bias: &[T], relu: bool, memory: &mut [T], y: &mut [T]) {
        let (points, tiles, inputs) = (work.points(), work.tiles(), work.geometry.big.channels);
        let (points_of_x, sums) = memory.split_at_mut(points * tiles * inputs);
        pixels_to_points(work, x, points_of_x);
        for (p, panel) in self.panels.chunks_exact(points * inputs * LANES).enumerate() {
            multiply_points(tiles, inputs, points_of_x, panel, sums);
            points_to_pixels(work, sums, bias, relu, p * LANES, y);
        }
    }
}

/// A tile's pixels, points or outputs.
type Window<T, A> = [[<A as Arithmetic>::Lanes<T>; MOST]; MOST];

/// Applies a map to column `j` of a window, of which the first `kept` rows are written back. A macro, since a closure might be compiled
/// for the baseline.
macro_rules! along {
    ($n:literal, $window:ident, $j:ident, $kept:expr, |$column:ident| $map:expr) => {{
        let mut $column = [$window[0][$j]; $n];
        for i in 1..$n {
            $column[i] = $window[i][$j];
        }
        $map;
        for i in 0..$kept {
            $window[i][$j] = $column[i];
        }
    }};
}

/// From pixels to points, in place: rows, then columns.
#[inline(always)]
fn points_of<T: Float, A: Arithmetic>(axes: (Axis, Axis), window: &mut Window<T, A>) {
    for row in &mut window[..axes.0.points] {
        match axes.1.points {
            6 => SIX.there::<T, A::Lanes<T>, 6>(row.first_chunk_mut().expect("more than six")),
            10 => TEN.there::<T, A::Lanes<T>, 10>(row),
            _ => {}
        }
    }
    for j in 0..axes.1.points {
        match axes.0.points {
            6 => along!(6, window, j, 6, |column| SIX.there::<T, A::Lanes<T>, 6>(&mut column)),
            10 => along!(10, window, j, 10, |column| TEN.there::<T, A::Lanes<T>, 10>(&mut column)),
            _ => {}
        }
    }
}

/// From points to outputs, in place: columns, then rows.
#[inline(always)]
fn outputs_of<T: Float, A: Arithmetic>(axes: (Axis, Axis), window: &mut Window<T, A>) {
    for j in 0..axes.1.points {
        match axes.0.points {
            6 => along!(6, window, j, axes.0.outputs, |column| SIX
                .back::<T, A::Lanes<T>, 6>(&mut column, axes.0.outputs)),
            10 => along!(10, window, j, axes.0.outputs, |column| TEN
                .back::<T, A::Lanes<T>, 10>(&mut column, axes.0.outputs)),
            _ => {}
        }
    }
    for row in &mut window[..axes.0.outputs] {
        match axes.1.points {
            6 => SIX.back::<T, A::Lanes<T>, 6>(row.first_chunk_mut().expect("more than six"), axes.1.outputs),
            10 => TEN.back::<T, A::Lanes<T>, 10>(row, axes.1.outputs),
            _ => {}
        }
    }
}

/// A band of tiles as the steps see it.
#[derive(Debug, Clone, Copy)]
struct Work<'a> {
    axes: (Axis, Axis),
    geometry: &'a Geometry,
    band: Band,
}

impl Work<'_> {
    fn points(&self) -> usize {
        self.axes.0.points * self.axes.1.points
    }

    #[inline(always)]
    fn columns(&self) -> usize {
        self.geometry.small.width.div_ceil(self.axes.1.outputs)
    }

    #[inline(always)]
    fn tiles(&self) -> usize {
        self.band.images * self.band.rows * self.columns()
    }

    /// A tile's image, counted within the band, and the row and column of its first output, counted within the image.
    #[inline(always)]
    fn corner(&self, tile: usize) -> (usize, usize, usize) {
        let row = self.band.row + tile / self.columns() % self.band.rows;
        let image = tile / (self.band.rows * self.columns());
        (image, row * self.axes.0.outputs, tile % self.columns() * self.axes.1.outputs)
    }
}

multiversion! {
    #[fused]
    /// `panels: [panel][point][input][LANES]` from `w: (outputs, inputs, kh, kw)`.
    fn weights_to_points<T: Float, A: Arithmetic>(filter: &Filter, axes: (Axis, Axis), w: &[T], panels: &mut [T]) {
        let Filter { inputs, kernel, .. } = *filter;
        let (vertical, horizontal) = (axes.0.weights(kernel.0), axes.1.weights(kernel.1));
        let (across, points) = (axes.1.points, axes.0.points * axes.1.points);
        let dot = |row: &[f64], taps: &[f64]| row.iter().zip(taps).map(|(a, b)| a * b).sum::<f64>();
        let (mut taps, mut columns) = (vec![0.0; filter.taps()], vec![0.0; kernel.0]);
        for (i, w) in w.chunks_exact(filter.taps()).enumerate() {
            taps.iter_mut().zip(w).for_each(|(tap, &w)| *tap = w.to_f64());
            let (output, input) = (i / inputs, i % inputs);
            let panel = &mut panels[output / LANES * points * inputs * LANES..];
            for (x, row) in horizontal.chunks_exact(kernel.1).enumerate() {
                columns.iter_mut().zip(taps.chunks_exact(kernel.1)).for_each(|(sum, taps)| *sum = dot(row, taps));
                for (y, row) in vertical.chunks_exact(kernel.0).enumerate() {
                    panel[((y * across + x) * inputs + input) * LANES + output % LANES] = T::from_f64(dot(row, &columns));
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// `points: [point][tile][input]` of a band.
    fn pixels_to_points<T: Float, A: Arithmetic>(work: Work<'_>, x: &[T], points: &mut [T]) {
        let Work { axes, geometry, band } = work;
        let (big, padding, tiles) = (geometry.big, geometry.padding, work.tiles());
        let mut window = [[A::Lanes::<T>::splat(T::ZERO); MOST]; MOST];
        for tile in 0..tiles {
            let (image, top, left) = work.corner(tile);
            let picture = &x[(band.image + image) * big.len()..][..big.len()];
            for c in (0..big.channels).step_by(LANES) {
                let width = LANES.min(big.channels - c);
                for i in 0..axes.0.points {
                    // Above and left of the picture, these wrap and are too large.
                    let row = (top + i).wrapping_sub(padding.0);
                    for j in 0..axes.1.points {
                        let column = (left + j).wrapping_sub(padding.1);
                        window[i][j] = if row < big.height && column < big.width {
                            let from = &picture[(row * big.width + column) * big.channels + c..][..width];
                            // SAFETY: `width ≤ LANES` elements.
                            unsafe { load_first::<T, A>(from.as_ptr(), width) }
                        } else {
                            A::Lanes::<T>::splat(T::ZERO)
                        };
                    }
                }
                points_of::<T, A>(axes, &mut window);
                for i in 0..axes.0.points {
                    for j in 0..axes.1.points {
                        let at = ((i * axes.1.points + j) * tiles + tile) * big.channels + c;
                        let to = &mut points[at..at + width];
                        // SAFETY: `width ≤ LANES` elements.
                        unsafe { store_first::<T, A>(window[i][j], to.as_mut_ptr(), width) };
                    }
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// `sums: [point][tile][LANES]` from `points: [point][tile][input]` and a panel of weights, `[point][input][LANES]`.
    fn multiply_points<T: Float, A: Arithmetic>(tiles: usize, inputs: usize, points: &[T], panel: &[T], sums: &mut [T]) {
        let mut table = [points.as_ptr(); TABLE];
        let zeros = [T::ZERO; LANES];
        let chunk = inputs.div_ceil(inputs.div_ceil(TERMS));
        for (point, panel) in panel.chunks_exact(inputs * LANES).enumerate() {
            for c in (0..inputs).step_by(chunk) {
                let len = chunk.min(inputs - c);
                let panel = &panel[c * LANES..][..len * LANES];
                for first in (0..tiles).step_by(TABLE) {
                    let rows = TABLE.min(tiles - first);
                    for (tile, place) in table[..rows].iter_mut().enumerate() {
                        *place = points[(point * tiles + first + tile) * inputs + c..][..len].as_ptr();
                    }
                    let factors = Factors { table: &table[..rows], rows, len };
                    let start = Sums { start: (c == 0).then_some(zeros.as_ptr()), relu: false };
                    let to = &mut sums[(point * tiles + first) * LANES..][..rows * LANES];
                    // SAFETY: each pointer of the table is the start of `len` elements, the panel was cut to its length, and
                    // there are `rows` rows of LANES sums.
                    unsafe { multiply::<T, A>(factors, panel.as_ptr(), start, to.as_mut_ptr(), LANES, LANES) };
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// The channels from `first` on, LANES at most, of a band's outputs `y` from `sums: [point][tile][LANES]`.
    fn points_to_pixels<T: Float, A: Arithmetic>(
        work: Work<'_>,
        sums: &[T],
        bias: &[T],
        relu: bool,
        first: usize,
        y: &mut [T],
    ) {
        let Work { axes, geometry, band } = work;
        let (small, tiles) = (geometry.small, work.tiles());
        let width = LANES.min(small.channels - first);
        let begin = band.row * axes.0.outputs;
        // SAFETY: a bias has whole panels.
        let bias = unsafe { A::Lanes::<T>::load(bias[first..][..LANES].as_ptr()) };
        let mut window = [[bias; MOST]; MOST];
        for tile in 0..tiles {
            for i in 0..axes.0.points {
                for j in 0..axes.1.points {
                    let from = &sums[((i * axes.1.points + j) * tiles + tile) * LANES..][..LANES];
                    // SAFETY: LANES elements.
                    window[i][j] = unsafe { A::Lanes::<T>::load(from.as_ptr()) };
                }
            }
            outputs_of::<T, A>(axes, &mut window);
            let (image, top, left) = work.corner(tile);
            for i in 0..axes.0.outputs.min(small.height - top) {
                for j in 0..axes.1.outputs.min(small.width - left) {
                    let mut sum = window[i][j].add(bias);
                    if relu {
                        // This way round, NaN stays NaN.
                        sum = A::Lanes::<T>::splat(T::ZERO).at_least(sum);
                    }
                    let pixel = (image * small.height + top - begin + i) * small.width + left + j;
                    let to = &mut y[pixel * small.channels + first..][..width];
                    // SAFETY: `width ≤ LANES` elements.
                    unsafe { store_first::<T, A>(sum, to.as_mut_ptr(), width) };
                }
            }
        }
    }
}
