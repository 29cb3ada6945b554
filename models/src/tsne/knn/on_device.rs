//! Exact neighbours with a device's help. It looks for each point's candidates in fp32, some more than are wanted, and the processor
//! measures these in f64. Where rounding could have hidden a nearer point behind the farthest candidate, or the last neighbour is as near
//! as the next point, the processor looks for that point's neighbours by itself: the result is the processor's.

use inkgrad_engine::Team;
use inkgrad_kernels::gpu::gemm::{Epilogue, Matrix, MatrixMut, gemm};
use inkgrad_kernels::gpu::nearest::nearest as columns_nearest;
use inkgrad_kernels::gpu::{Launches, Precision, Span, Target};
use inkgrad_kernels::launch::{self, Device, bytes_of, download};

use super::{Centred, Neighbours, nearest_of, squared};
use crate::Result;
use crate::tsne::{Points, Real};

/// Products that a device keeps at a time: 256 MiB.
const PRODUCTS: usize = 1 << 26;
/// Points whose candidates one of the processor's tasks measures.
const ROWS: usize = 32;
/// Numbers that a launch's offsets reach.
const REACH: usize = u32::MAX as usize;
/// In the first place of a row whose neighbours are not known.
const UNKNOWN: u32 = u32::MAX;

/// The `k` nearest others of each point, 1 ≤ k < N: those of [`nearest`](super::nearest).
///
/// # Errors
/// If the device has too little memory, or fails.
pub fn nearest_with<T: Real>(device: &mut dyn Device, points: Points<T>, k: usize, team: &Team) -> Result<Neighbours> {
    let found = surely_nearest(device, points, k, team)?;
    let unknown: Vec<usize> = (0..points.n).filter(|&i| found[i * k].1 == UNKNOWN).collect();
    let (squared, mut indices): (Vec<f64>, Vec<u32>) = found.into_iter().unzip();
    let mut squared: Vec<f64> = squared.into_iter().map(T::round).collect();
    let rest = nearest_of(points, &unknown, k, team);
    for (at, &i) in unknown.iter().enumerate() {
        indices[i * k..][..k].copy_from_slice(&rest.indices[at * k..][..k]);
        squared[i * k..][..k].copy_from_slice(&rest.squared[at * k..][..k]);
    }
    Ok(Neighbours { k, indices, squared })
}

/// The neighbours' squared distances and numbers, (N, k), of points whose candidates surely hold them; of others [`UNKNOWN`] ones.
fn surely_nearest<T: Real>(
    device: &mut dyn Device,
    points: Points<T>,
    k: usize,
    team: &Team,
) -> Result<Vec<(f64, u32)>> {
    let n = points.n;
    let scaled = Scaled::new(points);
    // So many that the farthest one is clearly farther than the last neighbour.
    let count = (k + (k / 4).max(16)).min(n - 1);
    let mut found = vec![(0.0, UNKNOWN); n * k];
    let measure = |first: usize, columns: &[u32], limits: &[f32]| {
        let found = &mut found[first * k..][..limits.len() * k];
        team.pieces([(found, ROWS * k)], |piece, [found]| {
            for (row, found) in found.chunks_exact_mut(k).enumerate() {
                let row = piece * ROWS + row;
                let own = first + row;
                let measured = |&j: &u32| (squared(points.row(own), points.row(j as usize)), j);
                let mut candidates: Vec<_> = columns[row * count..][..count].iter().map(measured).collect();
                candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let (last, next) = (candidates[k - 1].0, candidates.get(k).map(|next| next.0));
                if scaled.is_sure(own, last, next, limits[row]) {
                    found.copy_from_slice(&candidates[..k]);
                }
            }
        });
    };
    scaled.candidates(device, count, measure).map_err(inkgrad_engine::Error::from)?;
    Ok(found)
}

/// Points in fp32, less their mean, in units of their largest number.
struct Scaled {
    width: usize,
    /// (N, width)
    values: Vec<f32>,
    /// (N): squared.
    norms: Vec<f64>,
    /// The largest of them.
    largest: f64,
    /// A squared distance in these units, of one in the points' own.
    unit: f64,
}

impl Scaled {
    fn new<T: Real>(points: Points<T>) -> Self {
        let centred = Centred::new(points);
        let values = || (0..points.n).flat_map(|i| centred.rows([i]));
        let scale = values().fold(0.0, |largest: f64, v| largest.max(v.abs())).recip();
        let values: Vec<f32> = values().map(|v| (scale * v) as f32).collect();
        // Of points as they are, not rounded.
        let norms: Vec<f64> = centred.norms.iter().map(|norm| norm * scale * scale).collect();
        let largest = norms.iter().fold(0.0, |largest: f64, &norm| largest.max(norm));
        Scaled { width: points.width, values, norms, largest, unit: scale * scale }
    }

    /// Whether no other point can be nearer to point `i` than its last neighbour at `last`, where the next one is at `next` and the
    /// device's farthest candidate at `limit`, less the point's own norm.
    ///
    /// With u = 2⁻²⁴, a difference |b|² − 2·a·b is off by u for each number that is rounded and by 2u for each addition, of
    /// (|a| + |b|)² at most, and by as much again for what products of two numbers of tf32 leave out; four times that is allowed for. A
    /// point b that would be a neighbour is no farther from zero than |a| + √last. The processor's products are off by as much with
    /// u = 2⁻⁵³, so that it sees which of `last` and `next` is nearer.
    fn is_sure(&self, i: usize, last: f64, next: Option<f64>, limit: f32) -> bool {
        let own = self.norms[i].sqrt();
        let extent = |distance: f64| (own + self.largest.sqrt().min(own + (distance * self.unit).sqrt())).powi(2);
        let terms = (self.width + 16) as f64;
        // Numbers so small that they have fewer digits, or none.
        let vanished = terms * 2f64.powi(-120);
        // Without a next one all others are neighbours.
        next.is_none_or(|next| {
            let apart = (next - last) * self.unit > terms * 2f64.powi(-50) * extent(next);
            let rounding = terms * 2f64.powi(-21) * extent(last) + vanished;
            apart && last * self.unit - self.norms[i] + rounding < f64::from(limit)
        })
    }

    /// Gives `each` the `count` points nearest to some on the device: the first of these, the candidates' numbers row by row in no
    /// order, and how far the farthest is. The device's memory is given back, also after an error.
    fn candidates(
        &self,
        device: &mut dyn Device,
        count: usize,
        each: impl FnMut(usize, &[u32], &[f32]),
    ) -> launch::Result<()> {
        let mut taken = Vec::new();
        let searched = self.search(device, count, &mut taken, each);
        // Of a device that was lost nothing can be given back, which is not what went wrong.
        let given_back = taken.into_iter().try_for_each(|address| device.free(address));
        searched.and(given_back)
    }

    fn search(
        &self,
        device: &mut dyn Device,
        count: usize,
        taken: &mut Vec<u64>,
        mut each: impl FnMut(usize, &[u32], &[f32]),
    ) -> launch::Result<()> {
        let (n, width) = (self.norms.len(), self.width);
        let block = (PRODUCTS / n).clamp(1, n);
        let mut empty = |device: &mut dyn Device, len: usize| {
            let address = device.alloc((size_of::<f32>() * len.max(1)) as u64)?;
            taken.push(address);
            Ok(Span { address, len })
        };
        let all = empty(device, n * width)?;
        device.write(all.address, bytes_of(&self.values))?;
        let norms = empty(device, n)?;
        device.write(norms.address, bytes_of(&self.norms.iter().map(|&norm| norm as f32).collect::<Vec<_>>()))?;
        let (some, products) = (empty(device, block * width)?, empty(device, block * n)?);
        let (found, limits) = (empty(device, block * count)?, empty(device, block)?);
        // As many of all points at a time as a launch's offsets reach.
        let columns = (REACH / width).min(n);
        for first in (0..n).step_by(block) {
            let rows = block.min(n - first);
            let doubled: Vec<f32> = self.values[first * width..][..rows * width].iter().map(|v| -2.0 * v).collect();
            device.write(some.address, bytes_of(&doubled))?;
            let (shared, architecture) = (device.shared_bytes_per_block(), device.architecture());
            let mut launches = Launches { precision: Precision::Fp32, shared, architecture, list: Vec::new() };
            let a = Matrix::new(some.part(0, rows * width), rows, width);
            let products = products.part(0, rows * n);
            for from in (0..n).step_by(columns) {
                let columns = columns.min(n - from);
                let b = Matrix::new(all.part(from * width, columns * width), columns, width).transposed();
                let to = Target { span: products.part(from, products.len - from), add: false };
                let to = MatrixMut::with_stride(to, rows, columns, n);
                gemm(&mut launches, a, b, to, Epilogue::NONE, Span::default());
            }
            let (found, limits) = (found.part(0, rows * count), limits.part(0, rows));
            columns_nearest(&mut launches, products, norms, first, found, limits);
            launches.list.iter().try_for_each(|launch| device.launch(launch))?;
            each(first, &download::<u32>(device, found.address, found.len)?, &download(device, limits.address, rows)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use inkgrad_engine::Pool;
    use inkgrad_engine::device::Kind;

    use super::super::nearest;
    use super::*;
    use crate::tsne::tests::clouds;

    /// Compares with the processor; gives how many points the device leaves to it.
    fn left_over<T: Real>(values: &[T], width: usize, k: usize) -> usize {
        let points = Points::new("clouds", values, values.len() / width, width).unwrap();
        let mut device = Kind::Emulated.open(Precision::Fp32).unwrap().unwrap();
        Pool::new(2).enter(|team| {
            let found = nearest_with(&mut *device, points, k, team).unwrap();
            assert_eq!(found, nearest(points, k, team), "{} points, {k} neighbours", points.n);
            let rows = surely_nearest(&mut *device, points, k, team).unwrap();
            rows.chunks_exact(k).filter(|row| row[0].1 == UNKNOWN).count()
        })
    }

    #[test]
    fn a_device_finds_the_processor_s_neighbours() {
        for (n, width, k) in [(400, 10, 30), (300, 1, 1), (260, 33, 91), (5, 3, 2), (5, 3, 4)] {
            let points = clouds(n, width, 5);
            assert!(left_over(&points, width, k) <= n / 50, "{n} points of {width} numbers");
            // Far from zero, and of any size.
            let far: Vec<f64> = points.iter().map(|&v| 1e9 + f64::from(v)).collect();
            assert!(left_over(&far, width, k) <= n / 50, "{n} points far away");
            let large: Vec<f64> = points.iter().map(|&v| 1e140 * f64::from(v)).collect();
            assert!(left_over(&large, width, k) <= n / 50, "{n} large points");
            let small: Vec<f64> = points.iter().map(|&v| 1e-140 * f64::from(v)).collect();
            assert!(left_over(&small, width, k) <= n / 50, "{n} small points");
        }
    }

    #[test]
    fn the_processor_decides_where_points_are_as_near_as_others() {
        // Three times the same points, and all but a few in one place.
        let repeated: Vec<f32> = clouds(100, 4, 2).repeat(3);
        assert!(left_over(&repeated, 4, 30) > 0);
        let mut lump = vec![1.0; 4 * 300];
        lump[..20].copy_from_slice(&clouds(5, 4, 2));
        assert!(left_over(&lump, 4, 10) > 250);
        // So near each other that fp32 cannot tell them apart so far from the mean.
        let mut near: Vec<f64> = clouds(300, 4, 1).iter().map(|&v| 1e-9 * f64::from(v)).collect();
        near[..600].iter_mut().for_each(|v| *v += 1.0);
        assert!(left_over(&near, 4, 10) > 250);
    }

    #[test]
    fn a_point_that_is_far_leaves_the_others_to_the_device() {
        let mut points = clouds(400, 6, 3);
        points[..6].fill(500.0);
        assert!(left_over(&points, 6, 20) <= 8);
    }
}
