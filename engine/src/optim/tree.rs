//! A sum in a fixed order, whoever computes which part of it.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;

use std::ops::Range;

/// Elements of a task.
pub(super) const PIECE: usize = 16_384;

/// The sum of 2ʰ neighbours: of the terms `first` to `first` + 2ʰ − 1, where `first` is a multiple of 2ʰ.
#[derive(Debug, Clone, PartialEq)]
pub struct Block<T> {
    /// The number of its first term.
    pub first: usize,
    /// h.
    pub height: u32,
    /// Element by element.
    pub sum: Vec<T>,
}

/// Adds vectors along a binary tree that depends on their number alone: of five, ((g₁ + g₂) + (g₃ + g₄)) + g₅. Blocks that are whole
/// subtrees may be summed elsewhere, each by a tree of its own, and brought together: the additions are the same ones.
///
/// ```
/// use inkgrad_engine::Team;
/// use inkgrad_engine::optim::{Block, Tree};
///
/// let (team, numbers) = (Team::solo(), [1e8_f32, 1.0, -1e8, 1.0, 1.0]);
/// let term = |i: usize| Block { first: i, height: 0, sum: vec![numbers[i]] };
/// let mut alone = Tree::default();
/// (0..5).for_each(|i| alone.push(term(i), &team));
///
/// let mut others = [Tree::default(), Tree::default()]; // 0 to 2 here, 3 and 4 there
/// (0..5).for_each(|i| others[usize::from(i > 2)].push(term(i), &team));
/// let mut together = Tree::default();
/// others.iter().flat_map(Tree::blocks).for_each(|block| together.push(block.clone(), &team));
/// assert_eq!(together.take(&team), alone.take(&team));
/// ```
#[derive(Debug, Clone)]
pub struct Tree<T> {
    /// Each as large as can be, so that heights fall from one to the next where the first is 0.
    blocks: Vec<Block<T>>,
    /// Memory of sums that were added to others.
    spare: Vec<Vec<T>>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Tree { blocks: Vec::new(), spare: Vec::new() }
    }
}

impl<T: Float> Tree<T> {
    /// The blocks that the terms of a range are summed to, as first term and height, before others join them.
    ///
    /// ```
    /// use inkgrad_engine::optim::Tree;
    ///
    /// assert_eq!(Tree::<f32>::blocks_of(3..8), [(3, 0), (4, 2)]);
    /// assert_eq!(Tree::<f32>::blocks_of(0..7), [(0, 2), (4, 1), (6, 0)]);
    /// ```
    pub fn blocks_of(mut range: Range<usize>) -> Vec<(usize, u32)> {
        let mut blocks = Vec::new();
        while !range.is_empty() {
            // 0 is a multiple of every power of 2.
            let height = range.start.trailing_zeros().min(range.len().ilog2());
            blocks.push((range.start, height));
            range.start += 1 << height;
        }
        blocks
    }

    /// Takes a block in, which begins where the one before ended, and adds it to those with which it makes a larger one.
    ///
    /// # Panics
    /// If it does not begin there, is no block, or is not as long as the others.
    #[track_caller]
    pub fn push(&mut self, block: Block<T>, team: &Team) {
        let (height, first) = (block.height, block.first);
        let starts = first.is_multiple_of(1 << height);
        assert!(
            starts,
            "a block of 2^{height} terms that begins with term {first}, expected a multiple of their number"
        );
        if let Some(last) = self.blocks.last() {
            let (end, first) = (last.first + (1 << last.height), block.first);
            assert!(end == first, "a block that begins with term {first}, but the one before it ends before {end}");
        }
        self.join(&block.sum, 0..block.sum.len(), height, team);
        self.joined(block);
    }

    /// How many of the last blocks make a larger one with a block of this height that comes next.
    fn joins(&self, mut height: u32) -> usize {
        let joins = |left: &&Block<T>| {
            let joins = left.height == height && left.first.is_multiple_of(2 << height);
            height += 1;
            joins
        };
        self.blocks.iter().rev().take_while(joins).count()
    }

    /// Adds the elements `range` of `sum`, a block of this height that comes next, to those blocks with which it makes a larger one.
    #[track_caller]
    pub(super) fn join(&mut self, sum: &[T], range: Range<usize>, height: u32, team: &Team) {
        let end = self.blocks.len();
        for at in (end - self.joins(height)..end).rev() {
            let (left, right) = self.blocks.split_at_mut(at + 1);
            let (left, right) = (&mut left[at].sum, right.first().map_or(sum, |block| &block.sum));
            let lengths = (left.len(), right.len());
            assert!(lengths.0 == lengths.1, "sums of {} elements and of {}, expected as many", lengths.0, lengths.1);
            add(&mut left[range.clone()], &right[range.clone()], team);
        }
    }

    /// Takes in a block of which all elements were joined.
    pub(super) fn joined(&mut self, block: Block<T>) {
        match self.joins(block.height) {
            0 => self.blocks.push(block),
            joins => {
                let at = self.blocks.len() - joins;
                self.blocks[at].height = block.height + joins as u32;
                self.spare.extend(self.blocks.drain(at + 1..).map(|block| block.sum).chain([block.sum]));
            }
        }
    }

    /// The elements `range` of all blocks, once those of `sum` were joined, a term that comes next.
    pub(super) fn sums_with<'a>(&'a self, sum: &'a [T], range: Range<usize>) -> impl Iterator<Item = &'a [T]> {
        let (blocks, last) = match self.joins(0) {
            0 => (&self.blocks[..], Some(sum)),
            joins => (&self.blocks[..=self.blocks.len() - joins], None),
        };
        blocks.iter().map(|block| &block.sum[..]).chain(last).map(move |sum| &sum[range.clone()])
    }

    /// The blocks that wait for their neighbours.
    pub fn blocks(&self) -> &[Block<T>] {
        &self.blocks
    }

    /// The sum of all terms, which are none afterwards; `None` where there are none.
    pub fn take(&mut self, team: &Team) -> Option<Vec<T>> {
        let mut sum = self.blocks.pop()?.sum;
        while let Some(Block { sum: mut left, .. }) = self.blocks.pop() {
            add(&mut left, &sum, team);
            self.spare.push(std::mem::replace(&mut sum, left));
        }
        Some(sum)
    }

    /// Memory for `count` elements, which was in use before where possible; they hold anything.
    pub fn memory(&mut self, count: usize) -> Vec<T> {
        let mut memory = self.spare.pop().unwrap_or_default();
        memory.resize(count, T::ZERO);
        memory
    }

    /// Gives memory back.
    pub fn reuse(&mut self, memory: Vec<T>) {
        self.spare.push(memory);
    }

    /// Forgets all terms.
    pub fn clear(&mut self) {
        self.spare.extend(self.blocks.drain(..).map(|block| block.sum));
    }

    #[cfg(test)]
    pub(super) fn spare(&self) -> usize {
        self.spare.len()
    }
}

/// left += right.
fn add<T: Float>(left: &mut [T], right: &[T], team: &Team) {
    team.pieces([(left, PIECE)], |i, [left]| {
        left.iter_mut().zip(&right[i * PIECE..]).for_each(|(left, &right)| *left += right);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_however_its_terms_are_dealt_out() {
        let (team, term) = (Team::solo(), |i: usize| ((i * 7919) % 613) as f32 * 1.7e-3 - 0.4);
        let block = |i| Block { first: i, height: 0, sum: vec![term(i), -term(i + 1)] };
        for terms in 1..=20 {
            let mut alone = Tree::default();
            (0..terms).for_each(|i| alone.push(block(i), &team));
            let expected = alone.take(&team);
            for ranks in 1..=terms + 1 {
                let mut together = Tree::default();
                for rank in 0..ranks {
                    let own = rank * terms / ranks..(rank + 1) * terms / ranks;
                    let mut tree = Tree::default();
                    own.clone().for_each(|i| tree.push(block(i), &team));
                    let places: Vec<_> = tree.blocks().iter().map(|block| (block.first, block.height)).collect();
                    assert_eq!(places, Tree::<f32>::blocks_of(own));
                    tree.blocks().iter().for_each(|block| together.push(block.clone(), &team));
                }
                assert_eq!(together.take(&team), expected, "{terms} terms, {ranks} ranks");
            }
        }
        assert_eq!(Tree::<f32>::default().take(&team), None);
    }

    #[test]
    #[should_panic(expected = "a block that begins with term 3, but the one before it ends before 2")]
    fn a_gap_is_noticed() {
        let (team, block) = (Team::solo(), |first| Block { first, height: 0, sum: vec![1.0_f32] });
        let mut tree = Tree::default();
        [0, 1, 3].into_iter().for_each(|first| tree.push(block(first), &team));
    }
}
