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
    fn attraction_is_the_plain_sum(points in points(1..40), picks in prop::collection::vec(0u32..1000, 0..70)) {
        let neighbours: Vec<u32> = picks.iter().map(|pick| pick % points.len() as u32).collect();
        let weights: Vec<f64> = picks.iter().map(|&pick| f64::from(pick) / 1000.0).collect();
        let force = attract(points[0], &neighbours, &weights, &points);
        let mut expected = [0.0; 2];
        for (&j, &p) in neighbours.iter().zip(&weights) {
            let (dx, dy, q) = pair(points[0], points[j as usize]);
            expected[0] += p * q * dx;
            expected[1] += p * q * dy;
        }
        for axis in 0..2 {
            prop_assert!((force[axis] - expected[axis]).abs() < 1e-11);
        }
    }
}
