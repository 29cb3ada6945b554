//! Gradient accumulation: the gradients of several backwards, summed in a fixed order, before one update.

use std::ops::Range;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;

use super::tree::{Block, PIECE, Tree};
use crate::Params;

/// Sums gradients along a binary tree that depends on their number alone: of five, ((g₁ + g₂) + (g₃ + g₄)) + g₅. The error of
/// rounding grows with the height of the tree, log₂ N, instead of with N as in a running sum. Memory: ⌊log₂ N⌋ + 1 sums that wait for
/// their neighbours, and one in which a gradient arrives.
///
/// ```
/// use inkgrad_engine::optim::Accumulator;
/// use inkgrad_engine::prelude::*;
///
/// let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
/// let w = params.declare("w", [2], Init::Constant(1.0));
/// let (x, at_w) = (tape.input("x", [2]), tape.param(&w));
/// let y = tape.mul(x, at_w)?;
/// let loss = tape.sum(y)?;
/// let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
///
/// let (team, mut sum) = (Team::solo(), Accumulator::default());
/// for part in 1..=3 {
///     plan.fill(x, &[part as f32, 10.0])?;
///     plan.forward(&params, &team, Clock::default());
///     plan.backward(&mut params, &team);
///     sum.take(&mut params, 0.5, &team); // half of each, and none is live afterwards
/// }
/// sum.give(&mut params, &team);
/// assert_eq!(params.grad(&w), [3.0, 15.0]); // (1 + 2 + 3)/2, ready for an update
/// assert!(params.is_live(&w));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Accumulator<T> {
    tree: Tree<T>,
    /// The number of the next gradient.
    next: usize,
    /// Which parameters' gradients were live in one of them, in the order of declaration.
    live: Vec<bool>,
    /// A gradient that is being taken.
    arriving: Vec<T>,
}

impl<T: Float> Accumulator<T> {
    /// How many sums as large as the parameters are held at most for `parts` gradients.
    pub fn buffers(parts: usize) -> usize {
        if parts < 2 { 0 } else { parts.ilog2() as usize + 2 }
    }

    /// Numbers the gradients that follow from `first` on, in place of 0: those before it are summed elsewhere.
    ///
    /// # Panics
    /// If some were taken already.
    #[track_caller]
    pub fn begin_at(&mut self, first: usize) {
        assert!(self.tree.blocks().is_empty(), "gradients were taken before, expected `Accumulator::begin_at` first");
        self.next = first;
    }

    /// Takes the live gradients, each times `scale`; none are live afterwards, so that the next backward writes.
    ///
    /// # Panics
    /// If the parameters are not as many as those before.
    #[track_caller]
    pub fn take(&mut self, params: &mut Params<T>, scale: f64, team: &Team) {
        self.begin(params);
        self.take_range(params, 0..params.count(), scale, team);
        self.end(params);
    }

    /// Begins to take gradients that are ready one after the other: [`Accumulator::take_range`] takes some, each once, and
    /// [`Accumulator::end`] ends it.
    ///
    /// ```
    /// use inkgrad_engine::optim::Accumulator;
    /// use inkgrad_engine::prelude::*;
    ///
    /// let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
    /// let (a, b) = (params.declare("a", [1], Init::Constant(3.0)), params.declare("b", [1], Init::Constant(5.0)));
    /// params.initialise(1);
    /// let at_a = tape.param(&a);
    /// let square = tape.mul(at_a, at_a)?;
    /// let at_b = tape.param(&b);
    /// let product = tape.mul(square, at_b)?;
    /// let loss = tape.sum(product)?;
    /// let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    ///
    /// let (team, mut sum, mut sent) = (Team::solo(), Accumulator::default(), Vec::new());
    /// plan.forward(&params, &team, Clock::default());
    /// sum.begin(&params);
    /// plan.backward_with(&mut params, &team, &mut |params, param| {
    ///     sum.take_range(params, param.range(), 1.0, &team);
    ///     sent.extend(sum.sums(param.range()).map(|part| (param.name.clone(), part[0]))); // while the rest is computed
    /// });
    /// sum.end(&mut params);
    /// assert_eq!(sent, [("b".to_owned(), 9.0), ("a".to_owned(), 30.0)]);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Panics
    /// If the parameters are not as many as those before.
    #[track_caller]
    pub fn begin(&mut self, params: &Params<T>) {
        if let Some(block) = self.tree.blocks().first() {
            params.expect_count("gradients", block.sum.len());
        }
        self.arriving = self.tree.memory(params.count());
        self.live.resize(params.marks.len(), false);
    }

    /// Takes the gradients of `range` among the flat buffers, each times `scale` where it is live, and else 0.
    ///
    /// # Panics
    /// If [`Accumulator::begin`] was not called for parameters as many.
    #[track_caller]
    pub fn take_range(&mut self, params: &Params<T>, range: Range<usize>, scale: f64, team: &Team) {
        params.expect_count("gradients", self.arriving.len());
        let factor = T::from_f64(scale);
        for (param, live) in params.iter().zip(&mut self.live) {
            let own = param.range();
            let own = own.start.max(range.start)..own.end.min(range.end);
            if own.is_empty() {
                continue;
            }
            let (sum, grad) = (&mut self.arriving[own.clone()], &params.grads[own]);
            match params.is_live(param) {
                false => sum.fill(T::ZERO),
                true => {
                    *live = true;
                    team.pieces([(sum, PIECE)], |i, [sum]| {
                        sum.iter_mut().zip(&grad[i * PIECE..]).for_each(|(sum, &g)| *sum = g * factor);
                    });
                }
            }
        }
        self.tree.join(&self.arriving, range, 0, team);
    }

    /// Elements that [`Accumulator::take_range`] has taken, in each of the [blocks](Accumulator::blocks) as they are in the end.
    pub fn sums(&self, range: Range<usize>) -> impl Iterator<Item = &[T]> {
        self.tree.sums_with(&self.arriving, range)
    }

    /// All gradients were taken: none are live, so that the next backward writes.
    pub fn end(&mut self, params: &mut Params<T>) {
        params.discard_gradients();
        let sum = std::mem::take(&mut self.arriving);
        self.tree.joined(Block { first: self.next, height: 0, sum });
        self.next += 1;
    }

    /// Makes the sum of all gradients that were taken the live one, and holds none afterwards.
    ///
    /// # Panics
    /// If none were taken since the last time, or the parameters are not as many as those that they were taken of.
    #[track_caller]
    pub fn give(&mut self, params: &mut Params<T>, team: &Team) {
        let sum = self.tree.take(team).expect("a gradient to give: `Accumulator::take` one before");
        params.expect_count("gradients", sum.len());
        params.grads.copy_from_slice(&sum);
        self.tree.reuse(sum);
        let live = std::mem::take(&mut self.live);
        params.set_live(&live);
        self.next = 0;
    }

    /// The sums that were taken and wait for their neighbours.
    pub fn blocks(&self) -> &[Block<T>] {
        self.tree.blocks()
    }

    /// Which parameters' gradients were live in one of those taken, in the order of declaration; none where none were taken.
    pub fn live(&self) -> &[bool] {
        &self.live
    }

    /// Forgets the gradients that were taken.
    pub fn discard(&mut self) {
        self.tree.clear();
        self.live.clear();
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Pool};

    /// The same tree by its definition: halves of the largest power of two below N, then the rest.
    fn tree(numbers: &[f32]) -> f32 {
        match numbers {
            [one] => *one,
            _ => {
                let half = numbers.len().next_power_of_two() / 2;
                tree(&numbers[..half]) + tree(&numbers[half..])
            }
        }
    }

    #[test]
    fn the_order_is_a_binary_tree_at_any_number_of_parts_and_threads() {
        let count = 2 * PIECE + 5;
        let number = |part: usize, i: usize| ((part * 31 + i) as f32 * 0.7).sin() * 10f32.powi((part % 5) as i32);
        for parts in [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 21] {
            for threads in [1, 3] {
                let mut params = Params::<f32>::new();
                let w = params.declare("w", [count], Init::Constant(0.0));
                let stays = params.declare("stays", [2], Init::Constant(0.0));
                params.freeze("stays").unwrap();
                let mut sum = Accumulator::default();
                // Twice: memory that was used before changes nothing.
                for _ in 0..2 {
                    Pool::new(threads).enter(|team| {
                        for part in 0..parts {
                            let grads = params.grads_mut();
                            grads.iter_mut().enumerate().for_each(|(i, g)| *g = number(part, i));
                            sum.take(&mut params, 1.0, team);
                            assert!(!params.is_live(&w));
                        }
                        sum.give(&mut params, team);
                    });
                    assert!(params.is_live(&w) && !params.is_live(&stays));
                    for i in (0..count).step_by(997) {
                        let numbers: Vec<f32> = (0..parts).map(|part| number(part, i)).collect();
                        assert_eq!(params.grad(&w)[i], tree(&numbers), "{parts} parts, {threads} threads, {i}");
                    }
                    assert!(sum.blocks().is_empty() && sum.tree.spare() <= Accumulator::<f32>::buffers(parts).max(2));
                }
            }
        }
    }

    #[test]
    fn a_gradient_taken_in_ranges_is_the_whole_and_each_range_is_final_at_once() {
        let (count, team) = (2 * PIECE + 5, Team::solo());
        let mut params = Params::<f32>::new();
        let (w, b) = (params.declare("w", [count], Init::Constant(0.0)), params.declare("b", [7], Init::Constant(0.0)));
        params.freeze("b").unwrap();
        let ranges = [PIECE - 3..count + 2, 0..5, count + 2..count + 7, 5..PIECE - 3];
        for parts in 1..=9 {
            let (mut whole, mut ranged) = (Accumulator::default(), Accumulator::default());
            for part in 0..parts {
                for (sum, is_whole) in [(&mut whole, true), (&mut ranged, false)] {
                    let gradient = |i: usize| ((part * 31 + i) as f32 * 0.7).sin();
                    params.grads_mut().iter_mut().enumerate().for_each(|(i, g)| *g = gradient(i));
                    if is_whole {
                        sum.take(&mut params, 0.3, &team);
                        continue;
                    }
                    sum.begin(&params);
                    let found = ranges.clone().map(|range| {
                        sum.take_range(&params, range.clone(), 0.3, &team);
                        sum.sums(range).map(<[f32]>::to_vec).collect::<Vec<_>>()
                    });
                    sum.end(&mut params);
                    for (range, found) in ranges.iter().zip(found) {
                        let blocks = sum.blocks().iter().map(|block| &block.sum[range.clone()]);
                        assert!(blocks.eq(found.iter()), "{parts} parts, {range:?}");
                    }
                }
            }
            assert_eq!(whole.blocks(), ranged.blocks(), "{parts} parts");
            assert_eq!(whole.live(), [true, false]);
            assert_eq!(whole.live(), ranged.live());
            ranged.give(&mut params, &team);
            assert!(params.is_live(&w) && !params.is_live(&b));
        }
    }

    #[test]
    fn what_is_discarded_is_not_in_the_next_sum() {
        let mut params = Params::<f64>::new();
        let w = params.declare("w", [1], Init::Constant(0.0));
        let (mut sum, team) = (Accumulator::default(), Team::solo());
        for (gradient, last) in [(f64::NAN, false), (2.0, true)] {
            params.grads_mut()[0] = gradient;
            sum.take(&mut params, 0.5, &team);
            if !last {
                sum.discard();
            }
        }
        sum.give(&mut params, &team);
        assert_eq!(params.grad(&w), [1.0]);
    }
}
