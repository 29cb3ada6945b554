//! Blocks of a cluster together: their barrier, and accesses to each other's shared memory.
//!
//! An address of a cluster's shared memory is that within a block, and above it the block's rank plus one; one without a
//! rank is the block's own.

use super::machine::{Machine, Stop};
use super::memory::Problem;
use super::transactions::lanes;
use super::warp::{State, Warp};
use crate::launch::Check;

/// Bits of an address within a block.
const WINDOW: u32 = 24;

/// The address in a cluster's shared memory of what lies at `address` in the block of a rank.
pub fn peer_address(address: u32, rank: u32) -> u32 {
    address & ((1 << WINDOW) - 1) | rank.wrapping_add(1) << WINDOW
}

/// The barrier of the cluster that runs.
///
/// A warp arrives, goes on, and waits later; the barrier is complete when all have arrived. All who have waited see
/// the effects of everything that a warp did before it arrived, and need not see those of what it does between arriving and waiting.
#[derive(Debug, Default)]
pub struct Cluster {
    /// Warps of a block.
    pub per_block: usize,
    /// How often the barrier was complete.
    pub complete: u32,
    arrived: usize,
    /// For each warp: accesses before this tick are seen by whoever waits. Of the arrivals under way, and of the last complete
    /// ones.
    arriving: Vec<u32>,
    seen: Vec<u32>,
    /// Of each block.
    ended: Vec<bool>,
}

impl Cluster {
    /// For a cluster of blocks with so many warps.
    pub fn new(ranks: usize, per_block: usize) -> Cluster {
        let none = vec![0; ranks * per_block];
        Cluster { per_block, arriving: none.clone(), seen: none, ended: vec![false; ranks], ..Cluster::default() }
    }

    /// Lets a warp go on behind a complete barrier.
    pub fn pass(&self, warp: &mut Warp) {
        warp.seen.iter_mut().zip(&self.seen).for_each(|(seen, other)| *seen = (*seen).max(*other));
        warp.state = State::Ready;
    }
}

impl Machine<'_, '_> {
    /// `barrier.cluster.arrive`.
    pub fn arrive(&mut self, warp: &mut Warp, relaxed: bool) -> Result<(), Problem> {
        if warp.arrivals != warp.waits {
            let text = "arrives at the cluster's barrier again, before it has waited there".to_owned();
            return Err(Problem { check: Check::Barrier, lane: 0, text });
        }
        *self.tick += 1;
        warp.tick = *self.tick;
        warp.arrivals += 1;
        let Cluster { arriving, seen, arrived, complete, .. } = &mut self.cluster;
        if !relaxed {
            arriving.iter_mut().zip(&warp.seen).for_each(|(all, own)| *all = (*all).max(*own));
            arriving[warp.slot] = *self.tick;
        }
        *arrived += 1;
        if *arrived == arriving.len() {
            std::mem::swap(arriving, seen);
            arriving.fill(0);
            *arrived = 0;
            *complete += 1;
        }
        Ok(())
    }

    /// `barrier.cluster.wait`.
    pub fn wait(&mut self, warp: &mut Warp) -> Result<Option<Stop>, Problem> {
        if warp.arrivals == warp.waits {
            let text = "waits at the cluster's barrier without having arrived there".to_owned();
            return Err(Problem { check: Check::Barrier, lane: 0, text });
        }
        warp.waits += 1;
        if warp.waits <= self.cluster.complete {
            self.cluster.pass(warp);
            return Ok(None);
        }
        warp.state = State::InCluster { pc: warp.pc - 1 };
        Ok(Some(Stop::Waiting))
    }

    /// The rank of the block that a warp's access to the cluster's shared memory goes to, and the addresses within it.
    pub fn peer(&self, warp: &Warp, addresses: &[u64; 32], mask: u32) -> Result<(usize, [u64; 32]), Problem> {
        let rank_of = |lane: usize| match (addresses[lane] >> WINDOW) as usize {
            0 => self.rank,
            above => above - 1,
        };
        let first = mask.trailing_zeros() as usize;
        let (rank, ranks) = (rank_of(first), self.shared.len());
        let problem = |check: Check, lane: usize, text: String| Err(Problem { check, lane: lane as u32, text });
        if let Some(lane) = lanes(mask).find(|&lane| rank_of(lane) != rank) {
            let text = "one access goes to several blocks of the cluster, which is not emulated";
            return problem(Check::Bounds, lane, text.to_owned());
        }
        if rank >= ranks {
            return problem(Check::Bounds, first, format!("shared memory of block {rank} of a cluster of {ranks}"));
        }
        if rank != self.rank && warp.waits == 0 {
            let text =
                format!("shared memory of block {rank} of the cluster, which may not have begun: no barrier of it");
            return problem(Check::Race, first, text);
        }
        if self.cluster.ended[rank] {
            return problem(
                Check::Race,
                first,
                format!("shared memory of block {rank} of the cluster, which has ended"),
            );
        }
        Ok((rank, addresses.map(|address| address & ((1 << WINDOW) - 1))))
    }

    /// Ends the block of a rank, whose last warp this is and whose warps have all seen what `seen` says. No other block may
    /// still be at its shared memory then.
    pub fn end_block(&mut self, warp: &mut Warp, seen: &[u32]) -> Result<(), Problem> {
        self.cluster.ended[self.rank] = true;
        warp.seen.copy_from_slice(seen);
        let agent = self.agent(warp, super::inst::Space::Shared);
        match self.shared[self.rank].unfinished(&agent) {
            None => Ok(()),
            Some(earlier) => {
                let text = format!("ends while its shared memory may be {earlier}, with no barrier between");
                Err(Problem { check: Check::Race, lane: 0, text })
            }
        }
    }
}
