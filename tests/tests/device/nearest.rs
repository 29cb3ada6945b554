//! Nearest neighbours by the bits of their distances, against sorting.

use inkgrad_engine::DeviceError;
use inkgrad_engine::device::Precision;
use inkgrad_kernels::gpu::Launches;
use inkgrad_kernels::gpu::nearest::nearest;
use inkgrad_kernels::launch::{Device, download};
use inkgrad_tests::cases;
use proptest::prelude::*;

use crate::opened;
use crate::sums::span;

/// Products and norms of rows, which column is the first row's own, and how many neighbours are wanted.
#[derive(Debug)]
struct Rows {
    products: Vec<f32>,
    norms: Vec<f32>,
    first: usize,
    count: usize,
}

impl Rows {
    /// The fault in a device's answer, if there is one.
    fn wrong(&self, device: &mut dyn Device) -> Result<Option<String>, DeviceError> {
        let (n, count) = (self.norms.len(), self.count);
        let rows = self.products.len() / n;
        let (products, norms) = (span(device, &self.products)?, span(device, &self.norms)?);
        let (found, limits) = (span(device, &vec![0.0; rows * count])?, span(device, &vec![0.0; rows])?);
        let mut launches = Launches::default();
        nearest(&mut launches, products, norms, self.first, found, limits);
        launches.list.iter().try_for_each(|launch| device.launch(launch))?;
        let all: Vec<u32> = download(device, found.address, found.len)?;
        let limits: Vec<f32> = download(device, limits.address, rows)?;
        for (row, products) in self.products.chunks_exact(n).enumerate() {
            let own = self.first + row;
            let distance = |j: usize| products[j] + self.norms[j];
            let mut sorted: Vec<f32> = (0..n).filter(|&j| j != own).map(distance).collect();
            sorted.sort_by(f32::total_cmp);
            if limits[row].to_bits() != sorted[count - 1].to_bits() {
                return Ok(Some(format!("row {row}: limit {}, expected {}", limits[row], sorted[count - 1])));
            }
            let mut found: Vec<usize> = all[row * count..][..count].iter().map(|&j| j as usize).collect();
            found.sort_unstable();
            found.dedup();
            let mut distances: Vec<f32> = found.iter().filter(|&&j| j < n && j != own).map(|&j| distance(j)).collect();
            distances.sort_by(f32::total_cmp);
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            if distances.len() != count || !distances.iter().zip(&sorted).all(same) {
                return Ok(Some(format!(
                    "row {row}: columns {found:?} at {distances:?}, expected {:?}",
                    &sorted[..count]
                )));
            }
        }
        Ok(None)
    }
}

/// Numbers of both signs, some of which are equal.
fn number(i: usize) -> f32 {
    ((i * i % 1013) as f32 - 400.0) / 64.0 * (1 + i % 5) as f32
}

/// 0 where chosen rows have the right neighbours, else 1: in the measure of other probes.
pub fn probe(device: &mut dyn Device) -> Result<f64, DeviceError> {
    let few = |i: usize| (i % 7) as f32 - 3.0; // many are as far as the farthest neighbour
    let chosen = |(n, rows, first, count), number: fn(usize) -> f32| {
        let products = (0..rows * n).map(|i| number(i + n)).collect();
        Rows { products, norms: (0..n).map(number).collect(), first, count }
    };
    let different = [(700, 3, 400, 40), (256, 2, 254, 255), (300, 2, 0, 1), (2, 2, 0, 1)];
    for rows in different.map(|extents| chosen(extents, number)).into_iter().chain([chosen((300, 1, 7, 100), few)]) {
        if rows.wrong(device)?.is_some() {
            return Ok(1.0);
        }
    }
    Ok(0.0)
}

proptest! {
    #![proptest_config(cases!(20))]

    /// Any distances: of one size or of all, few different ones, of both signs.
    #[test]
    fn neighbours_are_those_of_sorting(
        n in 2..600_usize, rows in 1..4_usize, first in 0..600_usize, count in 1..600_usize, spread in 0..4_u32, seed in any::<u32>(),
    ) {
        let draw = |i: usize| {
            let bits = (i as u32 ^ seed).wrapping_mul(0x9E37_79B1).rotate_left(15).wrapping_mul(0x85EB_CA77);
            match spread {
                0 => f32::from_bits(bits & 0xBFFF_FFFF), // down to the smallest numbers there are
                1 => (bits % 7) as f32 - 3.0,
                2 => 1.0 + bits as f32 / 4e9,
                _ => bits as f32 - 2e9,
            }
        };
        let rows = rows.min(n);
        let products = (0..rows * n).map(draw).collect();
        let norms = (0..n).map(|i| draw(i + 1_000_000)).collect();
        let case = Rows { products, norms, first: first % (n - rows + 1), count: 1 + count % (n - 1) };
        let mut device = opened(Precision::Fp32);
        let wrong = case.wrong(&mut *device).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(wrong.is_none(), "{n} points, {} neighbours: {}", case.count, wrong.unwrap_or_default());
    }
}
