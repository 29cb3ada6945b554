//! Approximate nearest neighbours, for more points than can all be held against each other.
//!
//! 1. Random trees: a cut lies midway between two points drawn at random, again and again (Dasgupta and Freund, "Random projection trees
//!    and low dimensional manifolds", 2008, with the cuts of Annoy). What is near lies near in most trees' orders, so that each
//!    point is held against those around it in each of some trees.
//! 2. A neighbour's neighbours are likely neighbours: they are tried, round after round (Dong, Charikar and Li, "Efficient k-nearest
//!    neighbor graph construction for generic similarity measures", 2011).
//!
//! The recall, the share of true neighbours that are found, is measured on a sample whose neighbours are looked for exactly. Rounds
//! end where it suffices, or no longer grows. Nothing depends on the number of threads.

use std::ops::Range;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::distance::squared_distances;
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::cpu::rng::Philox;

use super::super::{Points, Real};
use super::{Centred, Neighbours, nearest_of, squared};

/// Trees.
const TREES: usize = 4;
/// Points that are not divided further.
const LEAF: usize = 64;
/// A cut with a smaller share of the points on one side, one in so many, is moved to their middle.
const LEAST_SHARE: usize = 8;
/// Points, in a tree's order, that one task holds against themselves and [`MARGIN`] more on each side.
const BLOCK: usize = 256;
const MARGIN: usize = 64;
/// Points, side by side, that one task holds against their neighbours and the neighbours of those, [`REACH`] of each.
const TASK: usize = 128;
const REACH: usize = 16;
/// Those are enough once they are so many.
const MOST: usize = 16_384;
/// Others that a block is held against at a time.
const COLUMNS: usize = 1024;
/// Distances that are looked at together.
const SIDE_BY_SIDE: usize = 16;
/// Rounds of those at most.
const ROUNDS: usize = 6;
/// The recall that ends them.
const ENOUGH: f64 = 0.97;
/// What a round has to gain for another.
const GAIN: f64 = 0.003;
/// Points that the recall is measured on.
pub const SAMPLE: usize = 256;
/// The random streams of trees; samples and starts have others.
const STREAM: u64 = 1 << 43;

/// A candidate, with its squared distance in the table's unit.
#[derive(Debug, Clone, Copy)]
struct Entry {
    squared: f32,
    index: u32,
}

const NONE: Entry = Entry { squared: f32::INFINITY, index: u32::MAX };

/// The nearer first; of equally near ones the first.
fn nearer(a: &Entry, b: &Entry) -> std::cmp::Ordering {
    a.squared.total_cmp(&b.squared).then(a.index.cmp(&b.index))
}

/// What was found, of points in another order.
pub struct Found {
    /// The points, so that those beside each other are near each other, as far as that goes.
    pub order: Vec<u32>,
    /// Of the points in that order, which is also how they are numbered.
    pub neighbours: Neighbours,
    /// The share of the true neighbours, on a sample.
    pub recall: f64,
}

/// The `k` nearest others of each point as far as they are found, 1 ≤ k < N.
pub fn nearest<T: Real>(points: Points<T>, k: usize, seed: u64, team: &Team) -> Found {
    let table = Table::new(points);
    let mut trees = table.trees(seed, team);
    // From here on points are numbered in the first tree's order, and neighbours lie near each other in memory.
    let names = trees.remove(0);
    let table = table.reordered(&names);
    let numbers = inverse(&names);
    let others = trees.into_iter().map(|tree| tree.into_iter().map(|name| numbers[name as usize]).collect());
    let itself: Vec<u32> = (0..names.len() as u32).collect();
    let mut lists = Lists::empty(k, itself.clone());
    for tree in std::iter::once(itself).chain(others) {
        lists = lists.with_tree(tree, &table, team);
    }

    let sample = super::super::sample(names.len(), SAMPLE, seed);
    let exact = nearest_of(points, &sample, k, team);
    let squared =
        |a: usize, entry: &Entry| T::round(squared(points.row(a), points.row(names[entry.index as usize] as usize)));
    let recall = |lists: &Lists| {
        let found = sample.iter().zip(exact.squared.chunks_exact(k)).map(|(&name, exact)| {
            let list = lists.of(numbers[name]).iter().filter(|entry| entry.index != NONE.index);
            list.filter(|entry| squared(name, entry) <= exact[k - 1]).count()
        });
        found.sum::<usize>() as f64 / exact.squared.len() as f64
    };
    let mut reached = 0.0;
    for _ in 0..ROUNDS {
        lists = lists.with_neighbours_of_neighbours(&table, team);
        let before = std::mem::replace(&mut reached, recall(&lists));
        // A list that is not full would be no list of neighbours.
        let full = || lists.entries.iter().all(|entry| entry.index != NONE.index);
        if (reached >= ENOUGH || reached < before + GAIN) && full() {
            break;
        }
    }
    lists.fill_up();

    let mut found = vec![(0.0, 0); names.len() * k];
    team.pieces([(&mut found, TASK * k)], |piece, [found]| {
        for (row, found) in found.chunks_exact_mut(k).enumerate() {
            let number = piece * TASK + row;
            for (slot, entry) in found.iter_mut().zip(lists.of(number as u32)) {
                *slot = (squared(names[number] as usize, entry), entry.index);
            }
            found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
    });
    let (squared, indices) = found.into_iter().unzip();
    Found { order: names, neighbours: Neighbours { k, indices, squared }, recall: reached }
}

/// Where each number stands in `order`.
fn inverse(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, &number)| place[number as usize] = at as u32);
    place
}

/// The points less their mean, as f32 between −1 and 1.
struct Table {
    width: usize,
    rows: Vec<f32>,
}

impl Table {
    fn new<T: Real>(points: Points<T>) -> Self {
        let mean = Centred::new(points).mean;
        let centred = || {
            points
                .values
                .chunks_exact(points.width)
                .flat_map(|row| row.iter().zip(&mean).map(|(&x, mean)| x.into() - mean))
        };
        let largest = centred().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let scale = if largest > 0.0 { largest.recip() } else { 1.0 };
        Table { width: points.width, rows: centred().map(|x| (x * scale) as f32).collect() }
    }

    fn len(&self) -> usize {
        self.rows.len() / self.width
    }

    fn row(&self, index: u32) -> &[f32] {
        &self.rows[index as usize * self.width..][..self.width]
    }

    fn reordered(&self, order: &[u32]) -> Table {
        Table { width: self.width, rows: order.iter().flat_map(|&index| self.row(index)).copied().collect() }
    }

    /// Gives `each` the squared distances from each row of `own` to `others`, some of them at a time.
    fn distances(&self, own: &[u32], others: &[u32], mut each: impl FnMut(usize, &[u32], &[f32])) {
        let d = self.width;
        // Less the mean of the block, so that products stay small and sums exact.
        let mut mean = vec![0.0f32; d];
        for &index in own {
            mean.iter_mut().zip(self.row(index)).for_each(|(mean, x)| *mean += x / own.len() as f32);
        }
        let gather = |some: &[u32], x: &mut Vec<f32>, norms: &mut Vec<f32>| {
            x.resize(some.len() * d, 0.0);
            norms.resize(some.len(), 0.0);
            for ((to, norm), &index) in x.chunks_exact_mut(d).zip(norms).zip(some) {
                for ((to, x), mean) in to.iter_mut().zip(self.row(index)).zip(&mean) {
                    *to = x - mean;
                }
                *norm = to.iter().map(|x| x * x).sum();
            }
        };
        let (mut x, mut norms, mut y, mut other_norms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        gather(own, &mut x, &mut norms);
        let mut tile = vec![0.0; own.len() * COLUMNS];
        let mut scratch = vec![0.0; gemm_scratch_len(own.len(), d, COLUMNS)];
        for others in others.chunks(COLUMNS) {
            let width = others.len();
            gather(others, &mut y, &mut other_norms);
            let tile = &mut tile[..own.len() * width];
            for (row, norm) in tile.chunks_exact_mut(width).zip(&norms) {
                row.iter_mut().zip(&other_norms).for_each(|(sum, other)| *sum = norm + other);
            }
            let (a, b) = (Matrix::new(&x, own.len(), d), Matrix::new(&y, width, d).transposed());
            gemm(&Team::solo(), -2.0, a, b, 1.0, MatrixMut::new(tile, own.len(), width), &mut scratch);
            for (row, distances) in tile.chunks_exact(width).enumerate() {
                each(row, others, distances);
            }
        }
    }

    /// The points in the orders of [`TREES`] trees.
    fn trees(&self, seed: u64, team: &Team) -> Vec<Vec<u32>> {
        let mut orders: Vec<Vec<u32>> = (0..TREES).map(|_| (0..self.len() as u32).collect()).collect();
        team.pieces([(&mut orders, 1)], |tree, [order]| {
            let mut cuts =
                Cuts { table: self, philox: Philox::new(seed, STREAM + tree as u64), drawn: 0, sides: Vec::new() };
            cuts.divide(&mut order[0]);
        });
        orders
    }
}

/// A tree that grows.
struct Cuts<'a> {
    table: &'a Table,
    philox: Philox,
    drawn: u64,
    sides: Vec<(f32, u32)>,
}

impl Cuts<'_> {
    fn divide(&mut self, order: &mut [u32]) {
        if order.len() > LEAF {
            let cut = self.cut(order);
            let (left, right) = order.split_at_mut(cut);
            self.divide(left);
            self.divide(right);
        }
    }

    /// Moves what is nearer to one of two points drawn to the front, and says how many these are.
    fn cut(&mut self, order: &mut [u32]) -> usize {
        let n = order.len();
        let draw = self.philox.block(self.drawn);
        self.drawn += 1;
        let pick = |word: u32| self.table.row(order[((u64::from(word) * n as u64) >> 32) as usize]);
        let (a, b) = (pick(draw[0]), pick(draw[1]));
        let (mut to_a, mut to_b) = (vec![0.0; n], vec![0.0; n]);
        squared_distances(a, &self.table.rows, order, &mut to_a);
        squared_distances(b, &self.table.rows, order, &mut to_b);
        self.sides.clear();
        self.sides.extend(to_a.iter().zip(&to_b).zip(&*order).map(|((a, b), &index)| (a - b, index)));
        let left = self.sides.iter().filter(|(side, _)| *side < 0.0).count();
        let least = n / LEAST_SHARE;
        if left < least || n - left < least {
            let middle = n / 2;
            self.sides.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            order.iter_mut().zip(&self.sides).for_each(|(slot, &(_, index))| *slot = index);
            return middle;
        }
        let (mut front, mut back) = (0, left);
        for &(side, index) in &self.sides {
            let at = if side < 0.0 { &mut front } else { &mut back };
            order[*at] = index;
            *at += 1;
        }
        left
    }
}

/// Each point's candidates, the nearest first.
struct Lists {
    k: usize,
    /// The points whose candidates stand side by side, and where each point stands.
    order: Vec<u32>,
    place: Vec<u32>,
    /// (N, k)
    entries: Vec<Entry>,
}

impl Lists {
    fn empty(k: usize, order: Vec<u32>) -> Self {
        Lists { k, place: inverse(&order), entries: vec![NONE; order.len() * k], order }
    }

    fn of(&self, index: u32) -> &[Entry] {
        &self.entries[self.place[index as usize] as usize * self.k..][..self.k]
    }

    /// With those that stand around each point in a tree's order.
    fn with_tree(self, order: Vec<u32>, table: &Table, team: &Team) -> Lists {
        self.renewed(order, BLOCK, table, team, |order, rows, others| {
            others.extend_from_slice(&order[rows.start.saturating_sub(MARGIN)..order.len().min(rows.end + MARGIN)]);
        })
    }

    /// With the neighbours of neighbours of points that stand side by side in the table's order: the nearest ones of each first, until
    /// there are [`MOST`].
    fn with_neighbours_of_neighbours(self, table: &Table, team: &Team) -> Lists {
        let order = (0..table.len() as u32).collect();
        self.renewed(order, TASK, table, team, |order, rows, others| {
            // The last list may go beyond.
            let mut seen = Seen::new(MOST + self.k);
            let mut gather = |from: &[u32], reach: usize, most: usize, to: &mut Vec<u32>| {
                for &index in from {
                    for entry in &self.of(index)[..reach] {
                        if entry.index != NONE.index && seen.first(entry.index) {
                            to.push(entry.index);
                        }
                    }
                    if to.len() >= most {
                        break;
                    }
                }
            };
            let own = &order[rows];
            gather(own, self.k, MOST, others);
            let near = others.clone();
            gather(&near, self.k.min(REACH), MOST, others);
        })
    }

    /// Puts points into lists that are not full, at whatever distance: each point's successors.
    fn fill_up(&mut self) {
        let n = self.place.len() as u32;
        for (&index, list) in self.order.iter().zip(self.entries.chunks_exact_mut(self.k)) {
            let mut next = index;
            for at in list.iter().position(|entry| entry.index == NONE.index).unwrap_or(list.len())..list.len() {
                loop {
                    next = (next + 1) % n;
                    if next != index && list[..at].iter().all(|entry| entry.index != next) {
                        break;
                    }
                }
                list[at].index = next;
            }
        }
    }

    /// Holds the points of each block of an order against what `gather` names, a block's rows in the order at hand.
    fn renewed(
        &self,
        order: Vec<u32>,
        block: usize,
        table: &Table,
        team: &Team,
        gather: impl Fn(&[u32], Range<usize>, &mut Vec<u32>) + Sync,
    ) -> Lists {
        let mut next = Lists::empty(self.k, order);
        let (k, order) = (self.k, &next.order);
        team.pieces([(&mut next.entries, block * k)], |at, [entries]| {
            let rows = at * block..at * block + entries.len() / k;
            let own = &order[rows.clone()];
            let mut others = Vec::new();
            gather(order, rows, &mut others);
            for (list, &index) in entries.chunks_exact_mut(k).zip(own) {
                list.copy_from_slice(self.of(index));
            }
            let mut merge = Merge::default();
            table.distances(own, &others, |row, others, distances| {
                let (index, list) = (own[row], &mut entries[row * k..][..k]);
                for (others, distances) in others.chunks(SIDE_BY_SIDE).zip(distances.chunks(SIDE_BY_SIDE)) {
                    let limit = list[k - 1].squared;
                    if !distances.iter().fold(false, |any, &squared| any | (squared < limit)) {
                        continue;
                    }
                    for (&other, &squared) in others.iter().zip(distances) {
                        if squared < list[k - 1].squared && other != index && !merge.has(list, other) {
                            merge.offer(list, Entry { squared: squared.max(0.0), index: other });
                        }
                    }
                }
                merge.finish(list);
            });
        });
        next
    }
}

/// Candidates on their way into a list.
#[derive(Default)]
struct Merge {
    more: Vec<Entry>,
}

impl Merge {
    fn has(&self, list: &[Entry], index: u32) -> bool {
        list.iter().fold(false, |has, entry| has | (entry.index == index))
    }

    /// Takes one that is nearer than the list's last and not in it.
    fn offer(&mut self, list: &mut [Entry], entry: Entry) {
        self.more.push(entry);
        if self.more.len() >= list.len() {
            self.finish(list);
        }
    }

    /// Brings the list up to date.
    fn finish(&mut self, list: &mut [Entry]) {
        if self.more.is_empty() {
            return;
        }
        self.more.sort_unstable_by(nearer);
        // From behind: of what is in the list and what comes the farther ones, until as many are left as the list takes.
        let (mut old, mut new) = (list.len(), self.more.len());
        while old + new > list.len() {
            let drop_new = old == 0 || (new > 0 && nearer(&self.more[new - 1], &list[old - 1]).is_gt());
            if drop_new { new -= 1 } else { old -= 1 }
        }
        for at in (0..list.len()).rev() {
            let take_new = old == 0 || (new > 0 && nearer(&self.more[new - 1], &list[old - 1]).is_gt());
            if new == 0 {
                break;
            }
            list[at] = if take_new {
                new -= 1;
                self.more[new]
            } else {
                old -= 1;
                list[old]
            };
        }
        self.more.clear();
    }
}

/// Which numbers have been seen: a table with open addressing.
struct Seen {
    slots: Vec<u32>,
}

impl Seen {
    fn new(most: usize) -> Self {
        Seen { slots: vec![NONE.index; (2 * most).next_power_of_two()] }
    }

    /// Whether a number is seen for the first time.
    fn first(&mut self, number: u32) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = (number.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask;
        loop {
            match self.slots[at] {
                found if found == number => return false,
                found if found == NONE.index => {
                    self.slots[at] = number;
                    return true;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}
