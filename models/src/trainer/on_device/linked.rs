//! Gradients that go from device to device: each sums those of its rank's parts, gets those of the other ranks for the parameters that
//! its rank moves, and gives the processor that share of the sum. Parameters that were moved come back the same way. The additions are
//! those of [`Tree`](inkgrad_engine::optim::Tree), so that the bits are those of sums on the processor.

use inkgrad_engine::{Clock, Params, Result};
use inkgrad_kernels::gpu::elementwise::scale;
use inkgrad_kernels::gpu::{Launches, Span, Target};
use inkgrad_kernels::launch::{self, Device, Transfer, bytes_of, bytes_of_mut};

use super::{DeviceStepper, Losses};
use crate::model::Network;
use crate::ranks::{Ranks, shares};
use crate::trainer::exchange::blocks;

/// Sums of gradients on a device that has a link to those of the other ranks.
#[derive(Debug, Default)]
pub(super) struct Linked {
    /// Those of this rank's parts.
    sums: Sums,
    /// Where the others' arrive, as many numbers as were needed so far.
    arriving: Span,
}

/// A sum of neighbours, as [`inkgrad_engine::optim::Block`].
#[derive(Debug, Clone, Copy)]
struct Block {
    first: usize,
    height: u32,
    sum: Span,
}

/// A [`Tree`](inkgrad_engine::optim::Tree) in device memory.
#[derive(Debug, Default)]
struct Sums {
    blocks: Vec<Block>,
    /// Memory of sums that were added to others.
    spare: Vec<Span>,
}

impl Sums {
    /// Takes a block in that begins where the one before ended, and adds it to those with which it makes a larger one.
    fn push(&mut self, mut block: Block, device: &mut dyn Device) -> launch::Result<()> {
        while let Some(&left) = self.blocks.last()
            && left.height == block.height
            && left.first.is_multiple_of(2 << block.height)
        {
            self.blocks.pop();
            add(left.sum, block.sum, device)?;
            self.spare.push(block.sum);
            block = Block { height: left.height + 1, ..left };
        }
        self.blocks.push(block);
        Ok(())
    }

    /// The sum of all, which are none afterwards.
    fn take(&mut self, device: &mut dyn Device) -> launch::Result<Option<Span>> {
        let Some(Block { mut sum, .. }) = self.blocks.pop() else { return Ok(None) };
        while let Some(Block { sum: left, .. }) = self.blocks.pop() {
            add(left, sum, device)?;
            sum = left;
        }
        Ok(Some(sum))
    }

    /// Memory for `len` numbers, which was in use before where possible.
    fn memory(&mut self, len: usize, device: &mut dyn Device) -> launch::Result<Span> {
        match self.spare.pop() {
            Some(span) => Ok(span),
            None => Ok(Span { address: device.alloc(4 * len as u64)?, len }),
        }
    }

    /// Forgets all blocks.
    fn clear(&mut self) {
        self.spare.extend(self.blocks.drain(..).map(|block| block.sum));
    }
}

/// left += right.
fn add(left: Span, right: Span, device: &mut dyn Device) -> launch::Result<()> {
    launch(device, |launches| scale(launches, right, 1.0, Target { span: left, add: true }))
}

fn launch(device: &mut dyn Device, make: impl FnOnce(&mut Launches)) -> launch::Result<()> {
    let mut launches = Launches::default();
    make(&mut launches);
    launches.list.iter().try_for_each(|launch| device.launch(launch))
}

/// A transfer, unless it is of nothing.
fn transfer(rank: usize, span: Span) -> Option<Transfer> {
    (span.len > 0).then_some(Transfer { rank, address: span.address, bytes: 4 * span.len as u64 })
}

/// A result of a rank's device after all ranks had agreed to go on. An error ends this rank, and by that all: the others wait for its
/// device, where no message from here reaches them.
fn or_end<T>(found: launch::Result<T>, ranks: &dyn Ranks) -> T {
    found.unwrap_or_else(|error| panic!("rank {} on {}: {error}", ranks.rank(), ranks.host()))
}

impl DeviceStepper {
    /// Links the devices of all ranks, where each has a way to the others; else gradients go through the hosts. Says which, unless no
    /// device has a way.
    ///
    /// # Panics
    /// If one that has a way does not reach the others, which ends all of them.
    pub(in crate::trainer) fn link(&mut self, ranks: &dyn Ranks) -> Option<String> {
        // Of each rank "+", its device's name and, of the first, the group; "-" and why not; or nothing.
        let begun = self.device.link().and_then(|name| match name {
            Some(name) if ranks.is_root() => Ok(Some((name, self.device.begin_group()?))),
            name => Ok(name.map(|name| (name, Vec::new()))),
        });
        let said = match begun {
            Ok(Some((name, group))) => [b"+", name.as_bytes(), b"\n", &group[..]].concat(),
            Ok(None) => Vec::new(),
            Err(error) => format!("-{error}").into_bytes(),
        };
        let all = ranks.all_gather_bytes(&said);
        let mut names = Vec::new();
        for (rank, said) in all.iter().enumerate() {
            let (first, rest) = said.split_first()?;
            let name = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let why = match first {
                b'+' if !names.contains(&name) => {
                    names.push(name);
                    continue;
                }
                b'+' => "has the same device as another".into(),
                _ => String::from_utf8_lossy(rest),
            };
            return Some(format!("gradients go through the hosts' memory: rank {rank}: {why}"));
        }
        let group = &all[0][2 + names[0].len()..];
        or_end(self.device.join_group(group, ranks.rank(), ranks.size()), ranks);
        self.linked = Some(Linked::default());
        Some("gradients go from device to device".to_owned())
    }

    /// Whether [`DeviceStepper::link`] has found a way.
    pub(in crate::trainer) fn is_linked(&self) -> bool {
        self.linked.is_some()
    }

    /// Forgets the parts of the step before, and makes room for what the others send of one of `parts`.
    pub(in crate::trainer) fn begin_parts(&mut self, ranks: &dyn Ranks, parts: usize) -> Result<()> {
        let (rank, size, device) = (ranks.rank(), ranks.size(), &mut *self.device);
        let Linked { sums, arriving } = self.linked.get_or_insert_default();
        sums.clear();
        let others = (0..size).filter(|&other| other != rank);
        let len = others.map(|from| blocks(parts, from, size).len()).sum::<usize>()
            * shares(self.state.values.len, size)[rank].len();
        if arriving.len < len {
            let small = std::mem::replace(arriving, Span { address: device.alloc(4 * len as u64)?, len });
            if small.len > 0 {
                device.free(small.address)?;
            }
        }
        Ok(())
    }

    /// Computes the gradient of part `part` of a step, the loss of the drawings `batch` to train on, and adds it, times `factor`, to
    /// those of the parts before it, where it stays.
    pub(in crate::trainer) fn add_part(
        &mut self,
        network: &Network<f32>,
        batch: &[usize],
        clock: Clock,
        epoch: f64,
        (part, factor): (usize, f64),
    ) -> Result<Losses> {
        let losses = self.gradient_there(network, batch, clock, epoch)?;
        let (device, grads) = (&mut *self.device, self.state.grads);
        let Linked { sums, .. } = self.linked.get_or_insert_default();
        let sum = sums.memory(grads.len, device)?;
        launch(device, |launches| scale(launches, grads, factor as f32, Target::write(sum)))?;
        sums.push(Block { first: part, height: 0, sum }, device)?;
        Ok(losses)
    }

    /// Sends the sums of this rank's parts of a step of `parts`, and writes this rank's share of the sum of all into the gradient.
    ///
    /// # Panics
    /// If this device fails, or one of the others is found to be lost: that ends all of them.
    pub(in crate::trainer) fn exchange_gradients(&mut self, ranks: &dyn Ranks, parts: usize, params: &mut Params<f32>) {
        let (rank, size) = (ranks.rank(), ranks.size());
        let shares = shares(params.count(), size);
        let own = shares[rank].clone();
        let device = &mut *self.device;
        let Linked { sums, arriving } = self.linked.get_or_insert_default();
        let mut out = Vec::new();
        for to in (0..size).filter(|&other| other != rank) {
            let share = |block: &Block| transfer(to, block.sum.part(shares[to].start, shares[to].len()));
            out.extend(sums.blocks.iter().filter_map(share));
        }
        // The blocks of all for this share, in their order.
        let (mut into, mut all, mut next) = (Vec::new(), Vec::new(), 0);
        for from in 0..size {
            for (b, (first, height)) in blocks(parts, from, size).into_iter().enumerate() {
                let sum = if from == rank {
                    sums.blocks[b].sum.part(own.start, own.len())
                } else {
                    let sum = arriving.part(next, own.len());
                    into.extend(transfer(from, sum));
                    next += own.len();
                    sum
                };
                all.push(Block { first, height, sum });
            }
        }
        or_end(device.exchange(&out, &into), ranks);
        if own.is_empty() {
            return;
        }
        let mut total = Sums::default();
        all.into_iter().for_each(|block| or_end(total.push(block, device), ranks));
        if let Some(sum) = or_end(total.take(device), ranks) {
            or_end(device.read(sum.address, bytes_of_mut(&mut params.grads_mut()[own])), ranks);
        }
    }

    /// Gives all devices, and this rank, the parameters that each rank has moved.
    ///
    /// # Panics
    /// If this device fails, or one of the others is found to be lost: that ends all of them.
    pub(in crate::trainer) fn exchange_moved(&mut self, ranks: &dyn Ranks, params: &mut Params<f32>) {
        let (rank, values, device) = (ranks.rank(), self.state.values, &mut *self.device);
        let shares = shares(params.count(), ranks.size());
        let share = |of: usize| values.part(shares[of].start, shares[of].len());
        if !shares[rank].is_empty() {
            or_end(device.write(share(rank).address, bytes_of(&params.values[shares[rank].clone()])), ranks);
        }
        let others = || (0..ranks.size()).filter(|&other| other != rank);
        let out: Vec<Transfer> = others().filter_map(|to| transfer(to, share(rank))).collect();
        let into: Vec<Transfer> = others().filter_map(|from| transfer(from, share(from))).collect();
        or_end(device.exchange(&out, &into), ranks);
        or_end(device.read(values.address, bytes_of_mut(&mut params.values)), ranks);
    }
}
