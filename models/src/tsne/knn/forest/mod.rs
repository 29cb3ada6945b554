//! Approximate nearest neighbours, for more points than can all be held against each other.
//!
//! 1. Random trees: a cut lies midway between two points drawn at random, again and again (Dasgupta and Freund, "Random projection trees
//!    and low dimensional manifolds", 2008, with the cuts of Annoy). Near points are near in most trees' orders, so that each
//!    point is held against those around it in each of some trees.
//! 2. A neighbour's neighbours are likely neighbours: they are tried, round after round (Dong, Charikar and Li, "Efficient k-nearest
//!    neighbor graph construction for generic similarity measures", 2011).
//!
//! The recall, the share of true neighbours that are found, is measured on a sample whose neighbours are looked for exactly. Rounds
//! end where it suffices, or no longer grows. Nothing depends on the number of threads.

mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use inkgrad_engine::Team;

use super::super::{Points, Real};
use super::{Neighbours, nearest_of, squared};
use table::Table;

/// Points, in a tree's order, that one task holds against themselves and [`MARGIN`] more on each side.
const BLOCK: usize = 256;
const MARGIN: usize = 64;
/// Points, side by side, that one task holds against their neighbours and the neighbours of those, [`REACH`] of each.
const TASK: usize = 128;
const REACH: usize = 16;
/// Those are enough once they are so many.
const MOST: usize = 16_384;
/// Distances that are looked at together.
const SIDE_BY_SIDE: usize = 16;
/// Rounds of those at most.
const ROUNDS: usize = 6;
/// The recall that ends them.
const ENOUGH: f64 = 0.97;
/// The least gain of a round that another follows.
const GAIN: f64 = 0.003;
/// Points that the recall is measured on.
pub const SAMPLE: usize = 256;

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

/// Neighbours, of points in another order.
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

/// Whether the last entry of `a` is farther than that of `b`, as it is than none.
fn ends_farther(a: &[Entry], b: &[Entry]) -> bool {
    match (a.last(), b.last()) {
        (Some(a), Some(b)) => nearer(a, b).is_gt(),
        (a, _) => a.is_some(),
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
            let is_new = ends_farther(&self.more[..new], &list[..old]);
            if is_new { new -= 1 } else { old -= 1 }
        }
        for at in (0..list.len()).rev() {
            if new == 0 {
                break;
            }
            list[at] = if ends_farther(&self.more[..new], &list[..old]) {
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
