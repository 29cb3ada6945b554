//! The exchange of a step's gradient among ranks: a piece of it goes to the rank that moves those parameters as soon as the backward
//! is done with them, so that it travels while the rest is computed.

use std::ops::Range;

use inkgrad_engine::optim::{Accumulator, Block, Tree};
use inkgrad_engine::{Param, Params, Team};

use crate::ranks::{Message, Outbox, Ranks, own_parts, shares};

/// Elements of a message, at most: enough that its latency is small beside its time.
const PIECE: usize = 1 << 16;

/// Memory to sum gradients in.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pieces: Vec<Piece>,
    /// How many parameters each has numbers of.
    params: Vec<usize>,
    /// How many numbers and ranks they are cut for.
    cut_for: (usize, usize),
    to: Vec<f32>,
    from: Vec<f32>,
    tree: Tree<f32>,
}

/// Neighbours among the parameters that one rank moves.
#[derive(Debug, PartialEq)]
struct Piece {
    range: Range<usize>,
    owner: usize,
}

impl Piece {
    fn meets(&self, range: &Range<usize>) -> bool {
        range.start < self.range.end && self.range.start < range.end
    }
}

fn pieces(count: usize, ranks: usize) -> Vec<Piece> {
    let of_owner = |(owner, share): (usize, Range<usize>)| {
        let end = share.end;
        share.step_by(PIECE).map(move |start| Piece { range: start..end.min(start + PIECE), owner })
    };
    shares(count, ranks).into_iter().enumerate().flat_map(of_owner).collect()
}

/// The blocks that a rank's parts are summed to, as first term and height.
pub(in crate::trainer) fn blocks(parts: usize, rank: usize, ranks: usize) -> Vec<(usize, u32)> {
    Tree::<f32>::blocks_of(own_parts(parts, rank, ranks))
}

/// The pieces of a rank's last gradient, which are sent one after the other.
pub(super) struct Sending<'a> {
    pieces: &'a [Piece],
    /// How many parameters of each piece the backward is not done with; none of those that are sent.
    waiting: Vec<Option<usize>>,
    rank: usize,
    outbox: &'a mut dyn Outbox,
}

impl Sending<'_> {
    /// The backward is done with a parameter: sends the pieces that waited for it alone.
    pub(super) fn done(
        &mut self,
        params: &Params<f32>,
        param: &Param,
        sum: &mut Accumulator<f32>,
        scale: f64,
        team: &Team,
    ) {
        let own = param.range();
        for i in 0..self.pieces.len() {
            if self.pieces[i].meets(&own)
                && let Some(waiting) = &mut self.waiting[i]
            {
                *waiting -= 1;
                if *waiting == 0 {
                    self.send(i, params, sum, scale, team);
                }
            }
        }
    }

    /// The backward is done: sends the other pieces.
    pub(super) fn rest(&mut self, params: &Params<f32>, sum: &mut Accumulator<f32>, scale: f64, team: &Team) {
        for i in 0..self.pieces.len() {
            if self.waiting[i].is_some() {
                self.send(i, params, sum, scale, team);
            }
        }
    }

    /// There is no gradient: the others wait for some numbers all the same.
    pub(super) fn nothing(&mut self) {
        for i in 0..self.pieces.len() {
            if self.waiting[i].take().is_some() && self.pieces[i].owner != self.rank {
                self.outbox.send(i, &mut |to| to.fill(0.0));
            }
        }
    }

    fn send(&mut self, i: usize, params: &Params<f32>, sum: &mut Accumulator<f32>, scale: f64, team: &Team) {
        let Piece { range, owner } = &self.pieces[i];
        sum.take_range(params, range.clone(), scale, team);
        if *owner != self.rank {
            let mut sums = sum.sums(range.clone());
            self.outbox.send(i, &mut |to| {
                to.chunks_exact_mut(range.len()).zip(&mut sums).for_each(|(to, sum)| to.copy_from_slice(sum));
            });
        }
        self.waiting[i] = None;
    }
}

impl Exchange {
    /// Cuts the parameters into pieces, where they are not cut yet.
    pub(super) fn prepare(&mut self, ranks: &dyn Ranks, params: &Params<f32>) {
        let cut_for = (params.count(), ranks.size());
        if self.cut_for != cut_for && ranks.size() > 1 {
            self.cut_for = cut_for;
            self.pieces = pieces(params.count(), ranks.size());
            let meets = |piece: &Piece| params.iter().filter(|param| piece.meets(&param.range())).count();
            self.params = self.pieces.iter().map(meets).collect();
        }
    }

    /// Sends the gradient of this rank's last part of `parts` while `compute` computes it, and receives those of the others. The parts
    /// before it were taken.
    pub(super) fn during(&mut self, ranks: &dyn Ranks, parts: usize, compute: &mut dyn FnMut(Sending)) {
        let (rank, size, pieces) = (ranks.rank(), ranks.size(), &self.pieces[..]);
        // A message for each piece, so that their numbers are the same; none of its own.
        let own_blocks = blocks(parts, rank, size).len();
        let outgoing = pieces.iter().enumerate().map(|(i, piece)| {
            let blocks = if piece.owner == rank { 0 } else { own_blocks };
            (piece.owner, i, blocks * piece.range.len())
        });
        let incoming = incoming(pieces, parts, rank, size);
        self.to.resize(outgoing.clone().map(|(.., len)| len).sum(), 0.0);
        self.from.resize(incoming.clone().map(|(.., len)| len).sum(), 0.0);
        let (out, into) = (Message::cut(&mut self.to, outgoing), Message::cut(&mut self.from, incoming));
        ranks.exchange_while(out, into, &mut |outbox| {
            let waiting = self.params.iter().copied().map(Some).collect();
            compute(Sending { pieces, waiting, rank, outbox });
        });
    }

    /// Adds what all ranks have sent along the tree of all parts, into this rank's share of the gradient. Where a gradient is to be
    /// shortened (`whole`) each gets all of the sum. `live` are the parameters that one of them has a gradient of.
    pub(super) fn sum(
        &mut self,
        ranks: &dyn Ranks,
        accumulator: &mut Accumulator<f32>,
        params: &mut Params<f32>,
        (parts, whole): (usize, bool),
        live: &[bool],
        team: &Team,
    ) {
        let (rank, size) = (ranks.rank(), ranks.size());
        let share = shares(params.count(), size)[rank].clone();
        for (_, piece) in own_pieces(&self.pieces, rank) {
            // Messages lie rank by rank, of each piece by piece, of each block by block.
            let (mut before, len) = (0, piece.range.len());
            for from in 0..size {
                let blocks = blocks(parts, from, size);
                let place = before + blocks.len() * (piece.range.start - share.start);
                if from != rank {
                    before += blocks.len() * share.len();
                }
                for (b, (first, height)) in blocks.into_iter().enumerate() {
                    let part = match from == rank {
                        true => &accumulator.blocks()[b].sum[piece.range.clone()],
                        false => &self.from[place + b * len..][..len],
                    };
                    let mut sum = self.tree.memory(part.len());
                    sum.copy_from_slice(part);
                    self.tree.push(Block { first, height, sum }, team);
                }
            }
            if let Some(sum) = self.tree.take(team) {
                params.grads_mut()[piece.range.clone()].copy_from_slice(&sum);
                self.tree.reuse(sum);
            }
        }
        accumulator.discard();
        Self::complete(ranks, params, whole, live);
    }

    /// Ends a gradient of which each rank has its share: where all of it is needed, each gets the others'.
    pub(super) fn complete(ranks: &dyn Ranks, params: &mut Params<f32>, whole: bool, live: &[bool]) {
        if whole {
            let shares = shares(params.count(), ranks.size());
            ranks.all_gather(params.grads_mut(), &shares);
        }
        params.set_live(live);
    }

    /// Gives each rank the shares of the parameters that the others have moved.
    pub(super) fn gather_moved(ranks: &dyn Ranks, params: &mut Params<f32>) {
        if ranks.size() > 1 {
            let shares = shares(params.count(), ranks.size());
            ranks.all_gather(&mut params.values, &shares);
        }
    }
}

/// The pieces that a rank owns, which are neighbours, each with its number.
fn own_pieces(pieces: &[Piece], rank: usize) -> impl Iterator<Item = (usize, &Piece)> + Clone {
    let begin = pieces.partition_point(|piece| piece.owner < rank);
    let end = pieces.partition_point(|piece| piece.owner <= rank);
    (begin..end).map(|i| (i, &pieces[i]))
}

/// The messages that a rank gets: who sends it, which piece, how many numbers.
fn incoming(
    pieces: &[Piece],
    parts: usize,
    rank: usize,
    size: usize,
) -> impl Iterator<Item = (usize, usize, usize)> + Clone {
    (0..size).filter(move |&from| from != rank).flat_map(move |from| {
        let blocks = blocks(parts, from, size).len();
        own_pieces(pieces, rank).map(move |(i, piece)| (from, i, blocks * piece.range.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_in_one_piece_of_its_owner() {
        for (count, ranks) in [(1, 3), (100, 2), (3 * PIECE + 5, 1), (7 * PIECE, 3), (0, 2)] {
            let (pieces, shares) = (pieces(count, ranks), shares(count, ranks));
            assert!(pieces.iter().all(|piece| (1..=PIECE).contains(&piece.range.len())), "{count} among {ranks}");
            for (owner, share) in shares.into_iter().enumerate() {
                let mut next = share.start;
                for piece in pieces.iter().filter(|piece| piece.owner == owner) {
                    assert_eq!(piece.range.start, next);
                    next = piece.range.end;
                }
                assert_eq!(next, share.end, "{count} among {ranks}");
            }
        }
    }
}
