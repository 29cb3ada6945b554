//! New points in an embedding that stays as it is: Poličar, Stražar and Zupan 2023, "Embedding to reference t-SNE space addresses
//! batch effects in single-cell classification", Machine Learning 112, section 3; the constants are openTSNE's.
//!
//! A new point i has the conditional probabilities p(j|i) of its nearest points j of the data, by perplexity, and in the plane
//! q(j|i) = w / Σ w over *all* points that are there, with w = 1 / (1 + ‖yᵢ − yⱼ‖²). It begins at the median of its nearest points
//! and descends KL(p ‖ q) with
//!
//! dyᵢ = Σⱼ (c·p(j|i) − q(j|i)) · w · (yᵢ − yⱼ), c being the exaggeration.
//!
//! New points do not see each other, so that where one comes to lie depends on no other. Forces are exact sums.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::student::{Bodies, LANES, Springs, attract, repel};

use super::affinities::fit_bandwidth;
use super::attraction::Rows;
use super::knn::squared;
use super::{Points, Real, check_numbers};
use crate::error::{Error, Result};
use crate::memory;

/// Nearest points whose median a new point begins at.
const MEDIAN_OF: usize = 25;
const EXAGGERATION: f32 = 1.5;
const RATE: f32 = 0.1;
/// Momentum of the first iterations, of which there are so many, and of the rest.
const EARLY_MOMENTUM: (usize, f32) = (100, 0.5);
const MOMENTUM: f32 = 0.8;
/// A longer gradient is cut to this length.
const LONGEST: f32 = 0.25;
const LEAST_GAIN: f32 = 0.01;
/// New points that a thread takes at a time, and between two reports.
const PIECE: usize = 16;
const REPORT: usize = 1024;

/// The settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaceConfig {
    /// The number of neighbours among the points that are there which a new one effectively has.
    pub perplexity: f64,
    /// Iterations; openTSNE's 250 by default.
    pub iterations: usize,
}

impl Default for PlaceConfig {
    fn default() -> Self {
        PlaceConfig { perplexity: 30.0, iterations: 250 }
    }
}

/// New points in the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// (M, 2), row by row.
    pub points: Vec<f32>,
    /// The mean over the new points of KL(p ‖ q), without exaggeration, in nats.
    pub kl: f64,
    /// The same where they began.
    pub start_kl: f64,
}

/// Places the rows of `new: (M, width)`, called `name` in messages, in `embedding: (N, 2)` of `points`; `progress` hears how many of
/// them are done.
///
/// ```
/// use inkgrad_engine::Team;
/// use inkgrad_models::tsne::{PlaceConfig, Points, place};
///
/// // Two clusters of eight points in three dimensions, and where they lie in the plane.
/// let values: Vec<f32> = (0..48).map(|i| (i / 24 * 9) as f32 + (i as f32).sin()).collect();
/// let plane: Vec<f32> = (0..32).map(|i| (i / 16 * 20) as f32 + (i as f32).cos()).collect();
/// let config = PlaceConfig { perplexity: 3.0, ..PlaceConfig::default() };
/// let points = Points::new("clusters", &values, 16, 3)?;
/// let placed = place(&config, points, &plane, ("new", &[9.0, 9.5, 8.5]), &Team::solo(), |_| {})?;
/// assert!(placed.points.iter().all(|&x| x > 15.0)); // in the second cluster
/// # Ok::<(), inkgrad_models::Error>(())
/// ```
///
/// # Errors
/// If the perplexity does not fit the number of points, or a number of the new rows is not finite or beyond ±1e150.
///
/// # Panics
/// If the shapes do not fit together, or a point of the embedding is not finite.
pub fn place<T: Real>(
    config: &PlaceConfig,
    points: Points<T>,
    embedding: &[f32],
    (name, new): (&str, &[T]),
    team: &Team,
    mut progress: impl FnMut(usize),
) -> Result<Placed> {
    let (n, width) = (points.n, points.width);
    assert_eq!(embedding.len(), 2 * n, "a place for each point");
    assert!(embedding.iter().all(|x| x.is_finite()), "finite places");
    assert_eq!(new.len() % width, 0, "rows of {width} numbers");
    check_numbers(name, new, width)?;
    let perplexity = config.perplexity;
    // The distribution over at most n neighbours has an entropy below ln n.
    if !(perplexity >= 1.0 && perplexity < n as f64) {
        let problem = format!("{perplexity}, expected at least 1 and less than the {n} points that are there");
        return Err(Error::input("--perplexity", problem));
    }
    let k = ((3.0 * perplexity + 1.0) as usize).clamp(MEDIAN_OF.min(n), n);
    memory::check((team.threads() * n * 24) as u64, format_args!("{name}: its places"))?;
    let there = There::new(points, embedding, config, k);
    let count = new.len() / width;
    let mut placed = vec![[0.0f32; 2]; count];
    let mut kl = vec![[0.0f64; 2]; count];
    for first in (0..count).step_by(REPORT) {
        let last = count.min(first + REPORT);
        let slots = (&mut placed[first..last], PIECE);
        let kls = (kl[first..last].as_flattened_mut(), 2 * PIECE);
        let places: &mut [[f32; 2]] = slots.0;
        team.pieces([(places.as_flattened_mut(), 2 * PIECE)], |piece, [places]| {
            let (places, _) = places.as_chunks_mut::<2>();
            for (i, at) in places.iter_mut().enumerate() {
                let row = first + piece * PIECE + i;
                *at = there.descended(&new[row * width..][..width]);
            }
        });
        let places = &placed[first..last];
        team.pieces([kls], |piece, [kls]| {
            for (i, kl) in kls.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let at = piece * PIECE + i;
                let affinity = there.affinity(&new[(first + at) * width..][..width]);
                *kl = [affinity.start, places[at]].map(|at| there.divergence(&affinity, at));
            }
        });
        progress(last);
    }
    let mean = |which: usize| kl.iter().map(|kl| kl[which]).sum::<f64>() / count.max(1) as f64;
    Ok(Placed { points: placed.into_flattened(), kl: mean(1), start_kl: mean(0) })
}

/// The points that are there.
struct There<'a, T> {
    points: Points<'a, T>,
    perplexity: f64,
    iterations: usize,
    /// Neighbours of a new point.
    k: usize,
    places: &'a [[f32; 2]],
    /// The places as bodies of mass 1, padded with bodies of none.
    x: Vec<f32>,
    y: Vec<f32>,
    mass: Vec<f32>,
}

/// A new point's neighbours and how alike it is to each, as one row, and where it begins.
struct Affinity {
    neighbours: Rows,
    start: [f32; 2],
}

impl<'a, T: Real> There<'a, T> {
    fn new(points: Points<'a, T>, embedding: &'a [f32], config: &PlaceConfig, k: usize) -> Self {
        let places = embedding.as_chunks::<2>().0;
        let padded = |value: &dyn Fn(&[f32; 2]) -> f32| {
            let mut values: Vec<f32> = places.iter().map(value).collect();
            values.resize(places.len().next_multiple_of(LANES), 0.0);
            values
        };
        let (x, y, mass) = (padded(&|place| place[0]), padded(&|place| place[1]), padded(&|_| 1.0));
        There { points, perplexity: config.perplexity, iterations: config.iterations, k, places, x, y, mass }
    }

    /// Of equally near points the first.
    fn affinity(&self, row: &[T]) -> Affinity {
        let distance = |j: usize| (T::round(squared(row, self.points.row(j))), j as u32);
        let mut nearest: Vec<(f64, u32)> = (0..self.points.n).map(distance).collect();
        let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if self.k < nearest.len() {
            nearest.select_nth_unstable_by(self.k - 1, nearer);
            nearest.truncate(self.k);
        }
        nearest.sort_unstable_by(nearer);
        let (distances, nearest): (Vec<f64>, Vec<u32>) = nearest.into_iter().unzip();
        let mut p = vec![0.0; self.k];
        fit_bandwidth(&distances, self.perplexity, &mut p);
        let start = [0, 1].map(|axis| {
            let few = nearest.iter().take(MEDIAN_OF);
            median(few.map(|&j| self.places[j as usize][axis]).collect())
        });
        let p: Vec<f32> = p.into_iter().map(|p| p as f32).collect();
        Affinity { neighbours: Rows::of_one(&nearest, &p), start }
    }

    /// Σ q²·Δ over all points, and Σ q.
    fn forces(&self, at: [f32; 2]) -> [f32; 3] {
        let mut force = [[0.0; 3]];
        repel(&[at], Bodies { x: &self.x, y: &self.y, mass: &self.mass }, &mut force);
        force[0]
    }

    /// Σ p·q·Δ over its neighbours.
    fn pull(&self, affinity: &Affinity, at: [f32; 2]) -> [f32; 2] {
        let mut force = [[0.0; 2]];
        attract(&[at], affinity.neighbours.springs(0..1), self.places, &mut force);
        force[0]
    }

    /// Where a new point comes to lie.
    fn descended(&self, row: &[T]) -> [f32; 2] {
        let affinity = self.affinity(row);
        let (mut at, mut update, mut gains) = (affinity.start, [0.0f32; 2], [1.0f32; 2]);
        for iteration in 0..self.iterations {
            let (early, slow) = EARLY_MOMENTUM;
            let momentum = if iteration < early { slow } else { MOMENTUM };
            let [fx, fy, z] = self.forces(at);
            let pull = self.pull(&affinity, at);
            // w²/Σw = q·w; far from everything Σ w may be 0, and then so are all forces.
            let inverse_z = if z > 0.0 { 1.0 / z } else { 0.0 };
            let mut dy = [EXAGGERATION * pull[0] - fx * inverse_z, EXAGGERATION * pull[1] - fy * inverse_z];
            let length = dy[0].hypot(dy[1]);
            if length > LONGEST {
                dy = dy.map(|d| d * (LONGEST / length));
            }
            for axis in 0..2 {
                let gain = &mut gains[axis];
                *gain = if update[axis] * dy[axis] < 0.0 { *gain + 0.2 } else { *gain * 0.8 };
                *gain = gain.max(LEAST_GAIN);
                update[axis] = momentum * update[axis] - RATE * *gain * dy[axis];
                at[axis] += update[axis];
            }
        }
        at
    }

    /// Σ p·ln(p / q), q = w / Σ w.
    fn divergence(&self, affinity: &Affinity, [x, y]: [f32; 2]) -> f64 {
        let ln_z = f64::from(self.forces([x, y])[2]).max(f64::MIN_POSITIVE).ln();
        let part = |(&j, &p): (&u32, &f32)| {
            let [bx, by] = self.places[j as usize];
            let inverse_w = 1.0 + f64::from(x - bx).powi(2) + f64::from(y - by).powi(2);
            let p = f64::from(p);
            if p > 0.0 { p * (p.ln() + inverse_w.ln() + ln_z) } else { 0.0 }
        };
        let Springs { neighbours, weights, .. } = affinity.neighbours.springs(0..1);
        neighbours.iter().zip(weights).map(part).sum()
    }
}

/// The middle of some numbers, or the mean of the two in the middle.
fn median(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { f32::midpoint(values[half - 1], values[half]) } else { values[half] }
}

#[cfg(test)]
mod tests {
    use inkgrad_engine::Pool;

    use super::super::tests::clouds;
    use super::super::{TsneConfig, embed};
    use super::*;

    const N: usize = 300;
    const WIDTH: usize = 10;
    const CLASSES: usize = 3;

    fn embedded(values: &[f32]) -> Vec<f32> {
        let config = TsneConfig { perplexity: 20.0, iterations: 500, ..TsneConfig::default() };
        embed(&config, Points::new("x", &values[..N * WIDTH], N, WIDTH).unwrap(), &Team::solo(), |_| {}).unwrap().points
    }

    #[test]
    fn new_points_come_to_lie_among_their_like_and_descend() {
        let values = clouds(N + 60, WIDTH, CLASSES);
        let plane = embedded(&values);
        let (old, new) = values.split_at(N * WIDTH);
        let points = Points::new("x", old, N, WIDTH).unwrap();
        let config = PlaceConfig { perplexity: 20.0, ..PlaceConfig::default() };
        let mut heard = 0;
        let placed = place(&config, points, &plane, ("new", new), &Team::solo(), |done| heard = done).unwrap();
        assert_eq!((heard, placed.points.len()), (60, 120));
        assert!(placed.kl < placed.start_kl, "{} from {}", placed.kl, placed.start_kl);
        let places = plane.as_chunks::<2>().0;
        for (i, at) in placed.points.as_chunks::<2>().0.iter().enumerate() {
            let apart = |j: &usize| (places[*j][0] - at[0]).hypot(places[*j][1] - at[1]);
            let nearest = (0..N).min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap();
            assert_eq!(nearest % CLASSES, (N + i) % CLASSES, "new point {i}");
        }
    }

    /// Threads, and which others are placed with it, change no bit of a point's place.
    #[test]
    fn a_place_depends_on_nothing_but_the_points_that_are_there() {
        let values = clouds(N + 60, WIDTH, CLASSES);
        let plane = embedded(&values);
        let (old, new) = values.split_at(N * WIDTH);
        let points = Points::new("x", old, N, WIDTH).unwrap();
        let config = PlaceConfig { iterations: 40, ..PlaceConfig::default() };
        let all = place(&config, points, &plane, ("new", new), &Team::solo(), |_| {}).unwrap();
        let on_three = Pool::new(3).enter(|team| place(&config, points, &plane, ("new", new), team, |_| {})).unwrap();
        assert_eq!(all, on_three);
        let alone =
            place(&config, points, &plane, ("new", &new[17 * WIDTH..][..WIDTH]), &Team::solo(), |_| {}).unwrap();
        assert_eq!(alone.points, all.points[34..36]);
    }

    /// dy = −∂KL/∂y / 2 of the plain formula without exaggeration, by differences.
    #[test]
    fn forces_are_the_gradient_of_the_divergence() {
        let values = clouds(N + 1, WIDTH, CLASSES);
        let plane = embedded(&values);
        let points = Points::new("x", &values[..N * WIDTH], N, WIDTH).unwrap();
        let there = There::new(points, &plane, &PlaceConfig::default(), 91);
        let affinity = there.affinity(&values[N * WIDTH..]);
        let at = affinity.start.map(|x| x + 0.3);
        let pull = there.pull(&affinity, at);
        let force = there.forces(at);
        let scale = pull.iter().fold(0.0f32, |most, f| most.max(f.abs()));
        for axis in 0..2 {
            let moved = |by: f32| {
                let mut at = at;
                at[axis] += by;
                there.divergence(&affinity, at)
            };
            let step = 1.0 / 64.0;
            let numeric = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let analytic = 2.0 * f64::from(pull[axis] - force[axis] / force[2]);
            assert!((numeric - analytic).abs() < 2e-3 * f64::from(scale), "{numeric} for {analytic}");
        }
    }

    #[test]
    fn rows_that_cannot_be_placed() {
        let values = clouds(N, WIDTH, CLASSES);
        let points = Points::new("x", &values, N, WIDTH).unwrap();
        let plane = vec![0.5; 2 * N];
        let refused = |config: PlaceConfig, row: &[f32]| {
            place(&config, points, &plane, ("new.npy", row), &Team::solo(), |_| {}).unwrap_err().to_string()
        };
        let mut row = vec![0.0; WIDTH];
        let many = PlaceConfig { perplexity: 300.0, ..PlaceConfig::default() };
        let found = refused(many, &row);
        assert_eq!(found, "--perplexity: 300, expected at least 1 and less than the 300 points that are there");
        row[3] = f32::NAN;
        assert_eq!(refused(PlaceConfig::default(), &row), "new.npy: row 0 holds NaN, expected finite numbers");
    }
}
