//! Ranks that `mpirun` (or `srun`) has started, on one machine or many, through MPI.
//!
//! MPI counts in 32 bits: there are at most 2³¹ − 1 parameters.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use ::mpi::Threading;
use ::mpi::collective::{CommunicatorCollectives, Root};
use ::mpi::datatype::PartitionMut;
use ::mpi::environment::{Universe, initialize_with_threading, processor_name};
use ::mpi::point_to_point::{Destination, Source};
use ::mpi::request::{LocalScope, Request, scope};
use ::mpi::topology::{Communicator, SimpleCommunicator};

use super::{Message, Outbox, Ranks};
use crate::{Error, Result};

/// All processes that were started together. MPI ends when it is dropped, with all of them; where that is because one panics, it
/// takes the others with it, which would wait for it for ever.
pub struct World {
    rank: usize,
    size: usize,
    local: usize,
    host: String,
    /// Held by the thread that calls MPI: any may, one at a time.
    turn: Mutex<()>,
    /// MPI ends with it.
    _universe: Universe,
}

/// All processes, while no other thread of this one calls MPI.
struct Turn<'a> {
    world: SimpleCommunicator,
    _turn: MutexGuard<'a, ()>,
}

impl World {
    fn turn(&self) -> Turn<'_> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { world: SimpleCommunicator::world(), _turn: turn }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "rank {} of {} on {}", self.rank, self.size, self.host)
    }
}

/// Joins the others, once in a process. Without `mpirun` it is alone.
///
/// # Errors
/// If MPI cannot be called from a thread other than the first, or was started before.
pub fn start() -> Result<World> {
    let started = initialize_with_threading(Threading::Serialized);
    let (universe, threading) = started.ok_or_else(|| Error::input("MPI", "started already, expected one start"))?;
    if threading < Threading::Serialized {
        let problem = format!("supports {threading:?} threading, expected at least Serialized");
        return Err(Error::input("MPI", problem));
    }
    let host = processor_name().unwrap_or_else(|_| "a machine without a name".to_owned());
    let world = universe.world();
    let (rank, size) = (world.rank() as usize, world.size() as usize);
    let local = world.split_shared(world.rank()).rank() as usize;
    Ok(World { rank, size, local, host, turn: Mutex::new(()), _universe: universe })
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            SimpleCommunicator::world().abort(101);
        }
    }
}

/// As MPI counts.
fn count(n: usize) -> i32 {
    i32::try_from(n).expect("at most 2147483647, as MPI counts")
}

/// The counts of messages that lie one after the other, and where each begins.
fn places(counts: &[usize]) -> (Vec<i32>, Vec<i32>) {
    let mut next = 0;
    let place = |&n: &usize| {
        let begin = next;
        next += n;
        (count(n), count(begin))
    };
    counts.iter().map(place).unzip()
}

/// Messages that are not sent yet, and those under way.
struct Out<'a, 's> {
    world: &'s SimpleCommunicator,
    scope: &'s LocalScope<'a>,
    unsent: Vec<Option<Message<'a>>>,
    under_way: VecDeque<Request<'a, [f32], &'s LocalScope<'a>>>,
}

impl Drop for Out<'_, '_> {
    /// A panic in the middle takes all ranks with it: a request that is dropped would end this one alone.
    fn drop(&mut self) {
        if thread::panicking() {
            self.world.abort(101);
        }
    }
}

impl Outbox for Out<'_, '_> {
    fn send(&mut self, message: usize, write: &mut dyn FnMut(&mut [f32])) {
        let Message { rank, tag, numbers } = self.unsent[message].take().expect("a message that was not sent");
        write(numbers);
        if !numbers.is_empty() {
            let to = self.world.process_at_rank(count(rank));
            self.under_way.push_back(to.immediate_send_with_tag(self.scope, &*numbers, count(tag)));
        }
        // Libraries move all messages while they are asked about one.
        if let Some(Err(waiting)) = self.under_way.pop_front().map(Request::test) {
            self.under_way.push_front(waiting);
        }
    }
}

impl Ranks for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn local(&self) -> usize {
        self.local
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Vec<Vec<u8>> {
        let Turn { world, _turn } = self.turn();
        let mut lengths = vec![0_u64; self.size()];
        world.all_gather_into(&(own.len() as u64), &mut lengths[..]);
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let mut all = vec![0_u8; lengths.iter().sum()];
        if !all.is_empty() {
            let (counts, begins) = places(&lengths);
            world.all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], counts, begins));
        }
        let mut rest = &all[..];
        let parts = lengths.iter().map(|&length| {
            let (own, others) = rest.split_at(length);
            rest = others;
            own.to_vec()
        });
        parts.collect()
    }

    fn exchange_while(&self, out: Vec<Message>, into: Vec<Message>, work: &mut dyn FnMut(&mut dyn Outbox)) {
        let Turn { world, _turn } = self.turn();
        scope(|scope| {
            let into = into.into_iter().filter(|message| !message.numbers.is_empty());
            let receives = into.map(|Message { rank, tag, numbers }| {
                world.process_at_rank(count(rank)).immediate_receive_into_with_tag(scope, numbers, count(tag))
            });
            let under_way = receives.collect();
            let unsent = out.into_iter().map(Some).collect();
            let mut out = Out { world: &world, scope, unsent, under_way };
            work(&mut out);
            super::expect_sent(&out.unsent);
            std::mem::take(&mut out.under_way).into_iter().for_each(|request| _ = request.wait());
        });
    }

    fn all_gather(&self, values: &mut [f32], shares: &[Range<usize>]) {
        // MPI forbids that what is sent lies within what is received.
        let own = values[shares[self.rank()].clone()].to_vec();
        let counts = shares.iter().map(|share| count(share.len())).collect::<Vec<_>>();
        let begins = shares.iter().map(|share| count(share.start)).collect::<Vec<_>>();
        let Turn { world, _turn } = self.turn();
        world.all_gather_varcount_into(&own[..], &mut PartitionMut::new(values, counts, begins));
    }

    fn gather(&self, own: &[f32], counts: &[usize]) -> Vec<f32> {
        let Turn { world, _turn } = self.turn();
        let root = world.process_at_rank(0);
        if self.rank > 0 {
            root.gather_varcount_into(own);
            return Vec::new();
        }
        let mut all = vec![0.0; counts.iter().sum()];
        let (counts, begins) = places(counts);
        root.gather_varcount_into_root(own, &mut PartitionMut::new(&mut all[..], counts, begins));
        all
    }
}
