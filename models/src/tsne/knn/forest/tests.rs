//! Lists are whole, their recall is what is said of it, and threads change nothing.

use inkgrad_engine::Pool;

use super::super::super::tests::clouds;
use super::*;

fn found(values: &[f32], width: usize, k: usize, threads: usize) -> Found {
    let points = Points::new("x", values, values.len() / width, width).unwrap();
    Pool::new(threads).enter(|team| nearest(points, k, 7, team))
}

/// Each point once in the order, and in each list k others in the order of their true distances.
fn check(values: &[f32], width: usize, found: &Found) {
    let n = values.len() / width;
    let mut order = found.order.clone();
    order.sort_unstable();
    assert!(order.into_iter().eq(0..n as u32));
    let row = |number: usize| &values[found.order[number] as usize * width..][..width];
    let Neighbours { k, indices, squared: distances } = &found.neighbours;
    for (i, (list, distances)) in indices.chunks_exact(*k).zip(distances.chunks_exact(*k)).enumerate() {
        for (&j, &distance) in list.iter().zip(distances) {
            assert_eq!(distance, f64::from(squared(row(i), row(j as usize)) as f32));
        }
        assert!(distances.is_sorted());
        let mut list = list.to_vec();
        list.sort_unstable();
        list.dedup();
        assert!(list.len() == *k && !list.contains(&(i as u32)), "point {i}");
    }
}

#[test]
fn most_neighbours_are_found() {
    let values = clouds(3000, 20, 4);
    let found = found(&values, 20, 31, 1);
    check(&values, 20, &found);
    assert!(found.recall >= ENOUGH, "{}", found.recall);
    // The recall of all points, not of a sample.
    let points = Points::new("x", &values, 3000, 20).unwrap();
    let exact = super::super::nearest(points, 31, &Team::solo());
    let nearest = |number: usize| exact.squared[found.order[number] as usize * 31 + 30];
    let hits = |number: usize| {
        let list = &found.neighbours.squared[number * 31..][..31];
        list.iter().filter(|&&distance| distance <= nearest(number)).count()
    };
    let recall = (0..3000).map(hits).sum::<usize>() as f64 / (3000.0 * 31.0);
    assert!((recall - found.recall).abs() < 0.01, "{recall} for {}", found.recall);
}

#[test]
fn results_are_the_same_at_any_number_of_threads() {
    let values = clouds(1000, 5, 3);
    let (one, three) = (found(&values, 5, 20, 1), found(&values, 5, 20, 3));
    assert_eq!((one.order, one.neighbours, one.recall), (three.order, three.neighbours, three.recall));
}

#[test]
fn few_points_have_all_others_as_neighbours() {
    for n in [4, 5, 70, 300] {
        let values = clouds(n, 3, 2);
        let found = found(&values, 3, n - 1, 2);
        check(&values, 3, &found);
        assert_eq!(found.recall, 1.0);
    }
}

/// No cut divides them, and all distances are 0 but those to the one that differs.
#[test]
fn equal_points_are_neighbours_of_each_other() {
    let mut values = vec![3.0; 1500 * 2];
    values[0] = 4.0;
    let found = found(&values, 2, 10, 1);
    check(&values, 2, &found);
    let far = found.neighbours.squared.iter().filter(|&&distance| distance > 0.0).count();
    assert_eq!(far, 10, "only the one that differs is far from its neighbours");
    assert_eq!(found.recall, 1.0);
}
