//! The kernels of t-SNE against plain sums.

use proptest::prelude::*;

use inkgrad_kernels::cpu::student::*;

fn points(n: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<[f64; 2]>> {
    prop::collection::vec([-30.0..30.0, -30.0..30.0], n)
}

/// Δ from b to a, and q.
fn pair(a: [f64; 2], b: [f64; 2]) -> (f64, f64, f64) {
    let (dx, dy) = (a[0] - b[0], a[1] - b[1]);
    (dx, dy, 1.0 / (1.0 + dx * dx + dy * dy))
}

fn narrow<const N: usize>(wide: [f64; N]) -> [f32; N] {
    wide.map(|x| x as f32)
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn repulsion_is_the_plain_sum(points in points(1..9), bodies in points(1..70), seed in 0u32..9) {
        let len = bodies.len().next_multiple_of(LANES);
        let mass = |i: usize| if i < bodies.len() { f64::from((i as u32 + seed) % 7) } else { 0.0 };
        let coordinate = |axis: usize| (0..len).map(move |i| (i, axis));
        let at = |(i, axis): (usize, usize)| bodies.get(i).map_or(0.0, |body| body[axis]);
        let (x, y): (Vec<f64>, Vec<f64>) = (coordinate(0).map(at).collect(), coordinate(1).map(at).collect());
        let mass: Vec<f64> = (0..len).map(mass).collect();
        let mut forces = vec![[f64::NAN; 3]; points.len()];
        repel(&points, Bodies { x: &x, y: &y, mass: &mass }, &mut forces);
        let mut single = vec![[f32::NAN; 3]; points.len()];
        let narrow_all = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let (x, y, m) = (narrow_all(&x), narrow_all(&y), narrow_all(&mass));
        let narrow_points: Vec<[f32; 2]> = points.iter().map(|&p| narrow(p)).collect();
        repel(&narrow_points, Bodies { x: &x, y: &y, mass: &m }, &mut single);

        for ((&point, force), single) in points.iter().zip(forces).zip(single) {
            let mut expected = [0.0; 3];
            for (&body, &m) in bodies.iter().zip(&mass) {
                let (dx, dy, q) = pair(point, body);
                expected[0] += m * q * q * dx;
                expected[1] += m * q * q * dy;
                expected[2] += m * q;
            }
            for i in 0..3 {
                prop_assert!((force[i] - expected[i]).abs() < 1e-11 * (1.0 + expected[2]));
                prop_assert!((f64::from(single[i]) - expected[i]).abs() < 1e-4 * (1.0 + expected[2]));
            }
        }
    }

    #[test]
    fn attraction_and_cross_entropy_are_the_plain_sums(
        points in points(1..40),
        picks in prop::collection::vec(prop::collection::vec(0u32..1000, 0..300), 1..5),
    ) {
        let at: Vec<[f64; 2]> = (0..picks.len()).map(|i| points[i % points.len()]).collect();
        let (mut starts, mut neighbours, mut weights) = (vec![0], Vec::new(), Vec::<f64>::new());
        for picks in &picks {
            neighbours.extend(picks.iter().map(|pick| pick % points.len() as u32));
            weights.extend(picks.iter().map(|&pick| f64::from(pick) / 1000.0));
            let padded = weights.len().next_multiple_of(LANES);
            neighbours.resize(padded, 0);
            weights.resize(padded, 0.0);
            starts.push(padded);
        }
        let springs = Springs { starts: &starts, neighbours: &neighbours, weights: &weights };
        let (mut forces, mut entropies) = (vec![[f64::NAN; 2]; at.len()], vec![f64::NAN; at.len()]);
        attract(&at, springs, &points, &mut forces);
        cross_entropy(&at, springs, &points, &mut entropies);
        let narrow_weights: Vec<f32> = weights.iter().map(|&p| p as f32).collect();
        let [narrow_at, narrow_points] = [&at, &points].map(|all| all.iter().map(|&p| narrow(p)).collect::<Vec<_>>());
        let springs = Springs { starts: &starts, neighbours: &neighbours, weights: &narrow_weights };
        let (mut single, mut single_entropies) = (vec![[f32::NAN; 2]; at.len()], vec![f32::NAN; at.len()]);
        attract(&narrow_at, springs, &narrow_points, &mut single);
        cross_entropy(&narrow_at, springs, &narrow_points, &mut single_entropies);
        for (i, place) in at.iter().enumerate() {
            let (mut expected, mut entropy, mut sum) = ([0.0; 2], 0.0, 0.0);
            for at in starts[i]..starts[i + 1] {
                let (dx, dy, q) = pair(*place, points[neighbours[at] as usize]);
                expected[0] += weights[at] * q * dx;
                expected[1] += weights[at] * q * dy;
                entropy -= weights[at] * q.ln();
                sum += weights[at];
            }
            prop_assert!((entropies[i] - entropy).abs() < 1e-11 * (1.0 + sum));
            prop_assert!((f64::from(single_entropies[i]) - entropy).abs() < 1e-5 * (1.0 + sum));
            for axis in 0..2 {
                prop_assert!((forces[i][axis] - expected[axis]).abs() < 1e-11 * (1.0 + sum));
                prop_assert!((f64::from(single[i][axis]) - expected[axis]).abs() < 1e-5 * (1.0 + sum));
            }
        }
    }
}
