//! Gradients that go from device to device: each sums those of its rank's parts, gets those of the other ranks for the parameters that
//! its rank moves, and gives the processor that share of the sum. Parameters that were moved come back the same way. The additions are
//! those of [`Tree`], so that the bits are those of sums on the processor.

use inkgrad_engine::optim::Tree;
use inkgrad_engine::{Clock, Params, Result};
use inkgrad_kernels::gpu::elementwise::scale;
use inkgrad_kernels::gpu::{Launches, Span, Target};
use inkgrad_kernels::launch::{self, Device, Transfer, bytes_of, bytes_of_mut};

use super::{DeviceStepper, Losses};
use crate::model::Network;
use crate::ranks::{Ranks, agree, own_parts, shares};

/// Sums of gradients on a device that has a link to those of the other ranks.
#[derive(Debug, Default)]
pub(super) struct Linked {
    /// Those of this rank's parts.
    sums: Sums,
    /// Where the others' arrive, as many numbers as were needed so far.
    arriving: Option<Span>,
}

/// A sum of neighbours, as [`inkgrad_engine::optim::Block`].
#[derive(Debug, Clone, Copy)]
struct Block {
    first: usize,
    height: u32,
    sum: Span,
}

/// A [`Tree`] in device memory.
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

/// Ends this rank, and by that all: the others wait for its device, where no message from here reaches them.
fn exchange(device: &mut dyn Device, ranks: &dyn Ranks, out: &[Transfer], into: &[Transfer]) {
    if let Err(error) = device.exchange(out, into).and_then(|()| device.synchronize()) {
        panic!("rank {} on {}: {error}", ranks.rank(), ranks.host());
    }
}

impl DeviceStepper {
    /// Links the devices of all ranks, where each has a way to the others; else gradients go through the hosts.
    ///
    /// # Errors
    /// If one that has a way does not reach the others.
    pub(in crate::trainer) fn link(&mut self, ranks: &dyn Ranks) -> crate::Result<()> {
        let begun = match self.device.link() {
            Ok(_) if ranks.is_root() => self.device.begin_group(),
            link => link.map(|_| Vec::new()),
        };
        // A first byte, which says that there is a way; from rank 0 the group comes with it.
        let said = begun.map(|group| [&[1], &group[..]].concat()).unwrap_or_default();
        let all = ranks.all_gather_bytes(&said);
        if all.iter().any(Vec::is_empty) {
            return Ok(());
        }
        let joined = self.device.join_group(&all[0][1..], ranks.rank(), ranks.size());
        agree(ranks, joined.map_err(|error| inkgrad_engine::Error::from(error).into()))?;
        self.linked = Some(Linked::default());
        Ok(())
    }

    /// Whether [`DeviceStepper::link`] has found a way.
    pub(in crate::trainer) fn is_linked(&self) -> bool {
        self.linked.is_some()
    }

    /// Forgets the parts of the step before.
    pub(in crate::trainer) fn begin_parts(&mut self) {
        self.linked.iter_mut().for_each(|linked| linked.sums.clear());
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
    /// If another rank's device is lost: that ends all of them.
    pub(in crate::trainer) fn exchange_gradients(
        &mut self,
        ranks: &dyn Ranks,
        parts: usize,
        params: &mut Params<f32>,
    ) -> Result<()> {
        let (rank, size) = (ranks.rank(), ranks.size());
        let shares = shares(params.count(), size);
        let own = shares[rank].clone();
        let others = || (0..size).filter(|&other| other != rank);
        let blocks = |of| Tree::<f32>::blocks_of(own_parts(parts, of, size));
        let device = &mut *self.device;
        let Linked { sums, arriving } = self.linked.get_or_insert_default();

        let len = others().map(|from| blocks(from).len()).sum::<usize>() * own.len();
        let arriving = match *arriving {
            Some(span) if span.len >= len => span,
            _ => {
                let span = Span { address: device.alloc(4 * len.max(1) as u64)?, len };
                if let Some(small) = arriving.replace(span) {
                    device.free(small.address)?;
                }
                span
            }
        };
        let mut out = Vec::new();
        for to in others() {
            let share = |block: &Block| transfer(to, block.sum.part(shares[to].start, shares[to].len()));
            out.extend(sums.blocks.iter().filter_map(share));
        }
        let mut into = Vec::new();
        // The sum of this share alone, with the blocks of all in their order.
        let (mut sum, mut next) = (Sums::default(), 0);
        let mut ready = Vec::new();
        for from in 0..size {
            for (b, (first, height)) in blocks(from).into_iter().enumerate() {
                let part = if from == rank {
                    sums.blocks[b].sum.part(own.start, own.len())
                } else {
                    next += own.len();
                    arriving.part(next - own.len(), own.len())
                };
                into.extend(transfer(from, part).filter(|_| from != rank));
                ready.push(Block { first, height, sum: part });
            }
        }
        exchange(device, ranks, &out, &into);
        for block in ready.into_iter().filter(|_| !own.is_empty()) {
            sum.push(block, device)?;
        }
        if let Some(sum) = sum.take(device)? {
            device.read(sum.address, bytes_of_mut(&mut params.grads_mut()[own]))?;
        }
        Ok(())
    }

    /// Gives all devices, and this rank, the parameters that each rank has moved.
    ///
    /// # Panics
    /// If another rank's device is lost: that ends all of them.
    pub(in crate::trainer) fn exchange_moved(&mut self, ranks: &dyn Ranks, params: &mut Params<f32>) -> Result<()> {
        let (rank, values) = (ranks.rank(), self.state.values);
        let shares = shares(params.count(), ranks.size());
        let share = |of: usize| values.part(shares[of].start, shares[of].len());
        if !shares[rank].is_empty() {
            self.device.write(share(rank).address, bytes_of(&params.values[shares[rank].clone()]))?;
        }
        let others = || (0..ranks.size()).filter(|&other| other != rank);
        let out: Vec<Transfer> = others().filter_map(|to| transfer(to, share(rank))).collect();
        let into: Vec<Transfer> = others().filter_map(|from| transfer(from, share(from))).collect();
        exchange(&mut *self.device, ranks, &out, &into);
        self.device.read(values.address, bytes_of_mut(&mut params.values))?;
        Ok(())
    }
}
