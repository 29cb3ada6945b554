use std::f64::consts::TAU;

use super::*;
use crate::infer::Latents;
use crate::ranks::Solo;

/// Values in [−1, 1] by a multiplicative generator.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*state >> 40) as f32 / 8_388_608.0 - 1.0)
    };
    std::iter::repeat_n((), n).scan(seed, |state, ()| step(state)).collect()
}

fn table(values: &[f32], width: usize) -> Table<'_> {
    Table::new("table", values, width).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64, error: f64) {
    assert!((found - expected).abs() <= error, "{found}, expected {expected}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (real, generated) = (numbers(300 * 20, 1), numbers(200 * 20, 2));
    let options = Options { fid_infinity: true, ..Options::default() };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| score(table(&real, 20), table(&generated, 20), Some(table(&generated, 20)), &options)).unwrap()
    };
    assert_eq!(run(1), run(3));
}

#[test]
#[ignore = "slow"]
fn any_number_of_ranks_gives_the_same_bits() {
    // Several blocks of rows in each set, and in the halves for the floor.
    let (real, generated) = (numbers(300 * 20, 1), numbers(200 * 20, 2));
    let options = Options { fid_infinity: true, ..Options::default() };
    let (real, generated) = (table(&real, 20), table(&generated, 20));
    let expected = score(real, generated, Some(generated), &options).unwrap();
    let nearest = neighbours::nearest(generated, real).unwrap();
    assert!(expected.passport.floor_fid_infinity.is_some());
    for ranks in [1, 2, 3, 5, 7] {
        let found = crate::ranks::threads::run(ranks, |rank| {
            // With two threads each.
            let scores = on_threads(2, || score_among(real, generated, Some(generated), &options, &rank)).unwrap();
            (scores, neighbours::nearest_among(generated, real, &rank).unwrap())
        });
        for (scores, of_each) in found {
            assert_eq!(scores, expected, "{ranks} ranks");
            assert_eq!(of_each, nearest, "{ranks} ranks");
        }
    }
}

#[test]
fn fid_of_one_dimension_is_its_closed_form() {
    // Means 0 and 3, variances 2 and 8: 9 + 2 + 8 − 2·√16.
    let (a, b) = ([-1.0, 1.0], [1.0, 5.0]);
    close(frechet::fid(table(&a, 1), table(&b, 1)).unwrap(), 11.0, 1e-12);
    let same = numbers(50 * 7, 3);
    close(frechet::fid(table(&same, 7), table(&same, 7)).unwrap(), 0.0, 1e-12);
}

/// Rotates pairs of columns of A until all are orthogonal, and those of B alike, which leaves A·Bᵀ (one-sided Jacobi: Golub and
/// Van Loan 2013, section 8.6.3).
fn orthogonalise(a: &mut [Vec<f64>], b: &mut [Vec<f64>]) {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let least = 1e-28 * a.iter().map(|column| dot(column, column)).sum::<f64>();
    let mut turned = true;
    while turned {
        turned = false;
        for (p, q) in (0..a.len()).flat_map(|q| (0..q).map(move |p| (p, q))) {
            let (pp, qq, pq) = (dot(&a[p], &a[p]), dot(&a[q], &a[q]), dot(&a[p], &a[q]));
            if pp.min(qq) <= least || pq.abs() <= 1e-14 * (pp * qq).sqrt() {
                continue;
            }
            turned = true;
            let cotangent = (qq - pp) / (2.0 * pq);
            let tangent = cotangent.signum() / (cotangent.abs() + cotangent.hypot(1.0));
            let (cos, sin) = (1.0 / tangent.hypot(1.0), tangent / tangent.hypot(1.0));
            for columns in [&mut *a, &mut *b] {
                let (before, after) = columns.split_at_mut(q);
                for (x, y) in before[p].iter_mut().zip(&mut after[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            }
        }
    }
}

/// The Fréchet distance by the sum of the singular values of A·Bᵀ, of centred rows over √(N − 1).
fn plain_fid(a: &[f32], b: &[f32], width: usize) -> f64 {
    let moments = |values: &[f32]| {
        let n = (values.len() / width) as f64;
        let column = |j: usize| values.iter().skip(j).step_by(width).map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..width).map(column).collect();
        let means: Vec<f64> = columns.iter().map(|column| column.iter().sum::<f64>() / n).collect();
        let centred = |(column, mean): (Vec<f64>, &f64)| column.iter().map(|x| (x - mean) / (n - 1.0).sqrt()).collect();
        (columns.into_iter().zip(&means).map(centred).collect::<Vec<Vec<f64>>>(), means)
    };
    let ((mut a, of_a), (mut b, of_b)) = (moments(a), moments(b));
    let squares = |columns: &[Vec<f64>]| columns.iter().flatten().map(|x| x * x).sum::<f64>();
    let apart = of_a.iter().zip(&of_b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let traces = squares(&a) + squares(&b);
    // Of A = U·S the rotation U changes no singular value of S·Bᵀ: those are the lengths of its columns, once orthogonal.
    orthogonalise(&mut a, &mut b);
    for (a, b) in a.iter().zip(&mut b) {
        let length = squares(std::slice::from_ref(a)).sqrt();
        b.iter_mut().for_each(|x| *x *= length);
    }
    orthogonalise(&mut b, &mut a);
    apart + traces - 2.0 * b.iter().map(|column| squares(std::slice::from_ref(column)).sqrt()).sum::<f64>()
}

#[test]
fn distances_are_those_by_singular_values() {
    let width = 24;
    // More rows than columns on both sides, on one and on none; columns that are constant, equal, or tiny.
    for (m, n) in [(90, 70), (90, 20), (15, 80), (20, 12), (2, 60), (24, 25), (25, 25), (26, 26)] {
        for shape in 0..5 {
            let rows = |n: usize, seed: u64| {
                let mut values = numbers(n * width, seed);
                for row in values.chunks_exact_mut(width) {
                    match shape {
                        1 => row[3] = 0.1,
                        2 => row[5..].iter_mut().for_each(|x| *x = 0.7),
                        3 => (8..width).for_each(|j| row[j] = row[j % 8]),
                        4 => row.iter_mut().enumerate().for_each(|(j, x)| *x *= 0.3f32.powi(j as i32)),
                        _ => (),
                    }
                }
                values
            };
            let (a, b) = (rows(m, 7), rows(n, 8));
            let found = frechet::fid(table(&a, width), table(&b, width)).unwrap();
            let expected = plain_fid(&a, &b, width);
            assert!((found - expected).abs() < 1e-9, "{m} and {n} rows, shape {shape}: {found}, expected {expected}");
        }
    }
}

#[test]
fn one_pass_over_pairs_gives_kid_and_coverage() {
    for (m, n, size) in [(300, 200, 90), (70, 65, 65), (64, 129, 2)] {
        let (real, generated) = (numbers(m * 9, 21), numbers(n * 9, 22));
        let (real, generated) = (table(&real, 9), table(&generated, 9));
        let (found, coverage, _) = kid::with_coverage(real, generated, size, 3, &Solo).unwrap();
        let plain = kid::kid(real, generated, size).unwrap();
        close(found.mean, plain.mean, 1e-12);
        close(found.std, plain.std, 1e-12);
        assert_eq!(coverage, neighbours::coverage(real, generated, 3).unwrap());
        assert_eq!(coverage, plain_coverage(real, generated, 3));
    }
}

/// Pair by pair.
fn plain_coverage(real: Table, generated: Table, k: usize) -> neighbours::Coverage {
    let squared = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
    let radii = |table: Table| -> Vec<f64> {
        let of = |i: usize| {
            let others = (0..table.rows()).filter(|&j| j != i);
            let mut distances: Vec<f64> = others.map(|j| squared(table.row(i), table.row(j))).collect();
            distances.sort_unstable_by(f64::total_cmp);
            distances[k - 1]
        };
        (0..table.rows()).map(of).collect()
    };
    let (of_real, of_generated) = (radii(real), radii(generated));
    let distance = |i: usize, j: usize| squared(real.row(i), generated.row(j));
    let (reals, made) = (0..real.rows(), 0..generated.rows());
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let within = |j: usize| reals.clone().filter(|&i| distance(i, j) < of_real[i]).count();
    neighbours::Coverage {
        precision: share(
            made.clone().filter(|&j| reals.clone().any(|i| distance(i, j) <= of_real[i])).count(),
            made.len(),
        ),
        recall: share(
            reals.clone().filter(|&i| made.clone().any(|j| distance(i, j) <= of_generated[j])).count(),
            reals.len(),
        ),
        density: share(made.clone().map(within).sum(), k * made.len()),
        coverage: share(
            reals.clone().filter(|&i| made.clone().any(|j| distance(i, j) < of_real[i])).count(),
            reals.len(),
        ),
    }
}

#[test]
fn constant_features_have_a_distance() {
    let (a, b) = ([1.0f32; 40], [3.0f32; 40]);
    let scores = score(table(&a, 2), table(&b, 2), None, &Options::default()).unwrap();
    assert_eq!(scores.features.fid, 8.0);
    assert_eq!(scores.features.precision, Some(0.0));
    assert_eq!(scores.warnings.iter().filter(|warning| warning.contains("all rows are equal")).count(), 2);
}

/// Whichever way the moments are found: more rows than columns, fewer, and on one side alone.
#[test]
fn a_side_without_spread_leaves_the_means_and_the_other_sides_variance() {
    for (n, m, width) in [(300, 300, 16), (40, 9, 16), (9, 40, 16), (9, 9, 16), (300, 9, 16), (300, 300, 1)] {
        let spread = numbers(n * width, 61);
        let row = numbers(width, 62);
        let same = row.repeat(m);
        let expected: f64 = (0..width)
            .map(|j| {
                let column: Vec<f64> = spread.iter().skip(j).step_by(width).map(|&x| x.into()).collect();
                let mean = column.iter().sum::<f64>() / n as f64;
                let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
                (mean - f64::from(row[j])).powi(2) + variance
            })
            .sum();
        close(frechet::fid(table(&spread, width), table(&same, width)).unwrap(), expected, 1e-12 * expected);
        close(frechet::fid(table(&same, width), table(&spread, width)).unwrap(), expected, 1e-12 * expected);
        // A row that is a little off leaves hardly any spread.
        let mut nearly = same.clone();
        nearly[0] += 1e-6;
        let found = frechet::fid(table(&spread, width), table(&nearly, width)).unwrap();
        close(found, plain_fid(&spread, &nearly, width), 1e-9);
    }
}

#[test]
fn rows_that_have_copies_are_told_where_they_count() {
    let rows = numbers(60 * 16, 63);
    let copied: Vec<f32> = rows.chunks(16).flat_map(|row| row.repeat(6)).collect();
    let notes = |real: &[f32]| score(table(real, 16), table(&rows, 16), None, &Options::default()).unwrap().notes;
    assert!(notes(&rows).is_empty());
    let found = notes(&copied);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["coverage", "density"]);
    assert!(found.values().all(|note| note.starts_with("table: 360 of 360 rows have 3 copies or more")), "{found:?}");
    // Three rows of one kind have two copies each; four have three.
    let some = [&rows[..], &rows[..32], &rows[..32], &rows[..16]].concat();
    assert!(notes(&some)["density"].starts_with("table: 4 of 65 rows"));
}

#[test]
fn equal_sets_cover_each_other() {
    let same = numbers(90 * 6, 5);
    let found = neighbours::coverage(table(&same, 6), table(&same, 6), 3).unwrap();
    // A row is strictly within its own ball, and the balls are 3 rows wide.
    assert_eq!((found.precision, found.recall, found.coverage, found.density), (1.0, 1.0, 1.0, 1.0));
    let nearest = neighbours::nearest(table(&same[12..], 6), table(&same, 6)).unwrap();
    assert!(nearest.iter().enumerate().all(|(i, found)| found.index == i + 2 && found.distance == 0.0));
}

#[test]
fn distances_do_not_cancel() {
    let (a, b) = ([10_000.0f32, 0.0], [10_000.0f32, 0.001]);
    let found = neighbours::nearest(table(&a, 2), table(&b, 2)).unwrap()[0];
    close(found.distance, f64::from(0.001f32), 1e-18);
}

#[test]
fn certain_logits_of_every_class_score_their_number() {
    let logits: Vec<f32> = (0..40).flat_map(|i| (0..2).map(move |j| if i % 2 == j { 2000.0 } else { 0.0 })).collect();
    let found = inception_score::inception_score(table(&logits, 2)).unwrap();
    assert!(found.mean > 1.5 && found.mean <= 2.0 + 1e-12, "{found:?}");
    let one_class: Vec<f32> = [2000.0, 0.0].repeat(40);
    let found = inception_score::inception_score(table(&one_class, 2)).unwrap();
    assert_eq!((found.mean, found.std), (1.0, 0.0));
}

#[test]
fn a_dimension_without_use_is_not_active() {
    let mu = [1.0, 0.0, -1.0, 0.0];
    let logvar = [0.0; 4];
    let found = latent::usage(table(&mu, 2), table(&logvar, 2)).unwrap();
    assert_eq!((found.active, found.variance, found.kl), (1, vec![1.0, 0.0], vec![0.5, 0.0]));
    assert!(latent::usage(table(&mu, 2), table(&logvar[..2], 2)).is_err());
}

#[test]
fn intervals_are_wilsons() {
    // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    for (right, n, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)] {
        let found = classifier::wilson(right, n);
        close(found.low, low, 5e-5);
        close(found.high, high, 5e-5);
    }
    let logits = [5.0, 0.0, 0.0, 5.0, 5.0, 0.0];
    let found = classifier::on_samples(table(&logits, 2), &[0, 1, 1]).unwrap();
    assert_eq!((found.all.n, found.all.accuracy), (3, 2.0 / 3.0));
    close(found.all.confidence, 1.0 / (1.0 + (-5f64).exp()), 1e-12);
    assert_eq!(found.classes[1].map(|verdict| verdict.accuracy), Some(0.5));
    assert!(classifier::on_samples(table(&logits, 2), &[0, 1, 2]).is_err());
    assert!(classifier::on_samples(table(&logits, 2), &[0, 1]).is_err());
}

#[test]
fn evidence_of_a_linear_gaussian_model() {
    // x = w·z + N(0, s²·I) with z ~ N(0, 1): p(x) = N(0, w·wᵀ + s²·I), and q is nearly, not quite, the posterior.
    let (w, s2): ([f64; 3], f64) = ([0.7, -0.3, 1.1], 0.5);
    let (ww, dot) = (w.iter().map(|w| w * w).sum::<f64>(), |x: &[f64; 3]| x.iter().zip(w).map(|(x, w)| x * w).sum());
    let xs = [[0.4, -0.2, 1.0], [-1.5, 0.3, -0.9]];
    let variance = s2 / (ww + s2);
    let mu = xs
        .iter()
        .map(|x| {
            let d: f64 = dot(x);
            (d / (ww + s2) + 0.01) as f32
        })
        .collect();
    let posterior = Latents { width: 1, mu, logvar: Some(vec![(variance * 1.03).ln() as f32; 2]) };
    let normal = |d: f64| -0.5 * (d * d / s2 + (TAU * s2).ln());
    let model = |i: usize, z: &[f32]| {
        Ok(z.iter().map(|&z| xs[i].iter().zip(w).map(|(x, w)| normal(x - w * f64::from(z))).sum()).collect())
    };
    // 5,003: chunks with a remainder, which counts too.
    let (mut seen, mut done) = (0, Vec::new());
    let found = likelihood::estimate(&posterior, None, 5003, 42, &mut |i, n| done.push((i, n)), |i, z| {
        seen += z.len();
        model(i, z)
    })
    .unwrap();
    assert_eq!((seen, done), (2 * 5003, vec![(1, 2), (2, 2)]));
    let exact: f64 = xs
        .iter()
        .map(|x| {
            let (d, xx): (f64, f64) = (dot(x), x.iter().map(|x| x * x).sum());
            // By the matrix determinant lemma and Sherman and Morrison.
            0.5 * (3.0 * TAU.ln() + 2.0 * s2.ln() + (s2 + ww).ln() + (xx - d * d / (s2 + ww)) / s2)
        })
        .sum::<f64>()
        / 2.0;
    close(found.nll, exact, 1e-3);
    assert!(found.nll <= -found.elbo, "{found:?}");

    // A mixture of N(0, 1) with itself is the same prior.
    let twice = Latents { width: 1, mu: vec![0.0; 2], logvar: Some(vec![0.0; 2]) };
    let same = likelihood::estimate(&posterior, Some(&twice), 5003, 42, &mut |_, _| (), model).unwrap();
    close(same.nll, found.nll, 1e-9);
    close(same.elbo, found.elbo, 1e-9);

    // Under Σ_k N(m_k, v_k)/2 x is a mixture of N(w·m_k, v_k·w·wᵀ + s²·I), and a wide q finds both parts.
    let (means, variances) = ([-1.0f32, 0.5], [0.3f32, 2.0]);
    let prior = Latents { width: 1, mu: means.to_vec(), logvar: Some(variances.iter().map(|v| v.ln()).collect()) };
    let wide = Latents { width: 1, mu: vec![0.0; 2], logvar: Some(vec![1.0; 2]) };
    let found = likelihood::estimate(&wide, Some(&prior), 100_000, 7, &mut |_, _| (), model).unwrap();
    let density = |x: &[f64; 3]| -> f64 {
        let of = |(&m, &v): (&f32, &f32)| -> f64 {
            let (m, v) = (f64::from(m), f64::from(v));
            let away: [f64; 3] = std::array::from_fn(|j| x[j] - w[j] * m);
            let (d, xx): (f64, f64) = (dot(&away), away.iter().map(|x| x * x).sum());
            let volume = 3.0 * TAU.ln() + 2.0 * s2.ln() + (s2 + v * ww).ln();
            (-0.5 * (volume + (xx - v * d * d / (s2 + v * ww)) / s2)).exp()
        };
        means.iter().zip(&variances).map(of).sum::<f64>() / 2.0
    };
    close(found.nll, -xs.iter().map(|x| density(x).ln()).sum::<f64>() / 2.0, 5e-3);
}

#[test]
fn a_real_network_has_a_likelihood() {
    use crate::model::Models;
    use crate::run::config::Config;
    let dataset = crate::data::builtin(10, 42).unwrap();
    let config = Config { classes: dataset.classes.clone(), ..Models::builtin().defaults("cnn-vae").unwrap() };
    let mut network = Models::builtin().build(&config).unwrap();
    network.initialise(1);
    let mut inference = crate::infer::Inference::new(network, 1);
    let images = crate::data::Images::from_f32(dataset.train.images.image(0).to_vec()).unwrap();
    let found = likelihood::of_drawings(&mut inference, &images, None, 130, 42, &mut |_, _| ()).unwrap();
    // An untrained decoder gives each pixel about ½: 784·ln 2.
    assert!((450.0..650.0).contains(&found.nll) && found.nll <= -found.elbo, "{found:?}");
}

#[test]
fn too_little_is_refused_in_words() {
    let values = numbers(30, 1);
    let message = |error: crate::Error| error.to_string();
    let few = table(&values[..9], 3);
    assert_eq!(
        message(neighbours::coverage(table(&values, 3), few, 3).unwrap_err()),
        "table: 3 rows, expected at least 4 for 3 neighbours of each"
    );
    assert_eq!(
        message(kid::kid(table(&values, 3), few, 5).unwrap_err()),
        "table: 3 rows, expected at least 5 for a subset of KID"
    );
    assert_eq!(
        message(inception_score::inception_score(few).unwrap_err()),
        "table: 3 rows, expected at least 10 for 10 splits of the Inception Score"
    );
    assert!(frechet::fid(table(&values, 3), table(&values[..3], 3)).is_err());
    assert!(frechet::fid_infinity(table(&values, 3), few).is_err());
    assert!(frechet::fid(table(&values, 3), table(&values, 2)).is_err());
    assert!(Table::new("table", &[f32::NAN], 1).is_err());
    assert!(Table::new("table", &[], 1).is_err());
}
