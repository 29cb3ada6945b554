//! Several processes, the *ranks*, that work together: what they say to each other, and how they share the work.
//!
//! A step's drawings are cut into parts (`accumulate`), whose gradients are summed along a tree that depends on the number of
//! parts alone ([`Tree`](inkgrad_engine::optim::Tree)). Each rank computes neighbouring parts. Each is also the owner of a share of
//! the parameters: it is sent its share of every rank's sums, adds them along the tree, moves its share of the parameters with its
//! share of the optimiser's moments (ZeRO-1, Rajbhandari et al. 2020) and sends the result to all. So a run has the same bits on any
//! number of ranks. Scores are shared as numbered tasks ([`deal`]) and as whole batches of drawings ([`deal_rows`]).
//!
//! [`Ranks`] is the interface; [`Solo`] is one process alone, [`threads`] makes ranks of threads, and with the feature `mpi`
//! `mpi::start` finds those that `mpirun` has started.
//!
//! ```
//! use inkgrad_models::ranks::{Ranks, threads};
//!
//! let greetings = threads::run(3, |rank| rank.all_gather_bytes(format!("I am {}", rank.rank()).as_bytes()));
//! assert_eq!(greetings[1], [b"I am 0", b"I am 1", b"I am 2"]);
//! ```

mod agreement;
mod dealing;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod threads;

use std::fmt;
use std::ops::Range;

pub use self::agreement::{agree, any, any_of_many, check_same, program};
pub use self::dealing::{all_gather_f64, broadcast, check_count, deal, deal_rows, shares_of_rows};

/// The processes that work together, as one of them sees them. Every method but the first four is called by all of them at the
/// same time, in the same order, from whichever of a process's threads.
pub trait Ranks: fmt::Debug + Sync {
    /// The number of this one, from 0.
    fn rank(&self) -> usize;
    /// How many there are.
    fn size(&self) -> usize;
    /// The number of this one among those on its machine, from 0: by it they share the machine's devices.
    fn local(&self) -> usize;
    /// The machine that this one runs on, for people to read.
    fn host(&self) -> String;
    /// The messages of all, in their order.
    fn all_gather_bytes(&self, own: &[u8]) -> Vec<Vec<u8>>;
    /// Sends messages to other ranks while `work` goes on, which fills each of `out` once, and receives `into` from them. A message has
    /// the tag that its receiver expects, and as many numbers. `work` uses no method of this.
    fn exchange_while(&self, out: Vec<Message>, into: Vec<Message>, work: &mut dyn FnMut(&mut dyn Outbox));
    /// Gives all of them all of `values`, of which rank *q* has the elements `shares[q]`; the shares lie one after the other.
    fn all_gather(&self, values: &mut [f32], shares: &[Range<usize>]);
    /// Gives rank 0 the numbers of all, `counts[q]` of rank *q*; others get none.
    fn gather(&self, own: &[f32], counts: &[usize]) -> Vec<f32>;

    /// Whether this one writes files and speaks to people.
    fn is_root(&self) -> bool {
        self.rank() == 0
    }
}

/// Numbers that go to a rank or come from it, where they lie or are to lie.
#[derive(Debug)]
pub struct Message<'a> {
    /// The other one; not this one itself, unless it is empty.
    pub rank: usize,
    /// Tells it apart from others between the two.
    pub tag: usize,
    /// Those that are empty on both sides are not sent.
    pub numbers: &'a mut [f32],
}

impl<'a> Message<'a> {
    /// Cuts memory into messages that lie one after the other: of each the rank, the tag and how many numbers.
    ///
    /// # Panics
    /// If there is too little of it.
    pub fn cut(mut memory: &'a mut [f32], messages: impl Iterator<Item = (usize, usize, usize)>) -> Vec<Self> {
        let cut = messages.map(|(rank, tag, len)| {
            let (numbers, rest) = std::mem::take(&mut memory).split_at_mut(len);
            memory = rest;
            Message { rank, tag, numbers }
        });
        cut.collect()
    }
}

/// Where messages are sent from while something else is done.
pub trait Outbox {
    /// Has message number `message` of those to be sent written, and sends it. What was sent before may make progress.
    ///
    /// # Panics
    /// If it was sent already.
    fn send(&mut self, message: usize, write: &mut dyn FnMut(&mut [f32]));
}

/// Panics if one of these messages has numbers, which its receiver waits for.
fn expect_sent(unsent: &[Option<Message>]) {
    let is_empty = unsent.iter().flatten().all(|message| message.numbers.is_empty());
    assert!(is_empty, "a message that is never sent");
}

/// One process alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Solo;

impl Ranks for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn local(&self) -> usize {
        0
    }

    fn host(&self) -> String {
        "here".to_owned()
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Vec<Vec<u8>> {
        vec![own.to_vec()]
    }

    fn exchange_while(&self, out: Vec<Message>, into: Vec<Message>, work: &mut dyn FnMut(&mut dyn Outbox)) {
        struct Nobody;
        impl Outbox for Nobody {
            fn send(&mut self, _: usize, _: &mut dyn FnMut(&mut [f32])) {}
        }
        assert!(
            out.iter().chain(&into).all(|message| message.numbers.is_empty()),
            "messages, and nobody else is there"
        );
        work(&mut Nobody);
    }

    fn all_gather(&self, _: &mut [f32], _: &[Range<usize>]) {}

    fn gather(&self, own: &[f32], _: &[usize]) -> Vec<f32> {
        own.to_vec()
    }
}

/// Elements that are not parted: a cache line's.
const GRAIN: usize = 16;

/// The share of each rank of `count` elements, as even as can be.
///
/// ```
/// use inkgrad_models::ranks::shares;
///
/// assert_eq!(shares(100, 3), [0..32, 32..64, 64..100]);
/// assert_eq!(shares(20, 4), [0..0, 0..16, 16..16, 16..20]);
/// ```
pub fn shares(count: usize, ranks: usize) -> Vec<Range<usize>> {
    let grains = count.div_ceil(GRAIN);
    let end = |rank: usize| (rank * grains / ranks * GRAIN).min(count);
    (0..ranks).map(|rank| end(rank)..end(rank + 1)).collect()
}

/// The neighbours among `parts` that rank `rank` of `ranks` computes.
///
/// ```
/// use inkgrad_models::ranks::own_parts;
///
/// assert_eq!([0, 1, 2].map(|rank| own_parts(4, rank, 3)), [0..1, 1..2, 2..4]);
/// ```
pub fn own_parts(parts: usize, rank: usize, ranks: usize) -> Range<usize> {
    rank * parts / ranks..(rank + 1) * parts / ranks
}
