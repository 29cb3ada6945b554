//! A list of launches under way, and the device memory that its arguments point to.

use crate::launch::{Arg, Buffer, Launch};

/// Numbers in device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Where the first one lies.
    pub address: u64,
    /// How many `f32`.
    pub len: usize,
}

impl Span {
    /// The `len` numbers from `first` on.
    ///
    /// # Panics
    /// If they are not all within the span.
    #[track_caller]
    pub fn part(self, first: usize, len: usize) -> Span {
        assert!(first + len <= self.len, "{first} and {len} more of {} numbers", self.len);
        Span { address: self.address + 4 * first as u64, len }
    }

    /// Cuts the span in two.
    ///
    /// # Panics
    /// If it is shorter than `first`.
    #[track_caller]
    pub fn split(self, first: usize) -> (Span, Span) {
        (self.part(0, first), self.part(first, self.len - first))
    }

    /// Both as one, if `next` begins where this one ends.
    pub fn joined(self, next: Span) -> Option<Span> {
        let end = self.address + (size_of::<f32>() * self.len) as u64;
        (end == next.address).then_some(Span { address: self.address, len: self.len + next.len })
    }

    /// As an argument that is read.
    pub fn read(self) -> Arg {
        Arg::Buffer(Buffer::read(self.address, 4 * self.len as u64))
    }

    /// As an argument that is written without having been read.
    pub fn write(self) -> Arg {
        Arg::Buffer(Buffer::write(self.address, 4 * self.len as u64))
    }

    /// As an argument of which a part is written, or that is read and written.
    pub fn update(self) -> Arg {
        Arg::Buffer(Buffer::read_write(self.address, 4 * self.len as u64))
    }
}

/// Where a result goes on the device, and whether it is added to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The memory.
    pub span: Span,
    /// Whether an earlier writer has been there, so that the result is added.
    pub add: bool,
}

impl Target {
    /// A target that is written.
    pub fn write(span: Span) -> Target {
        Target { span, add: false }
    }

    /// As an argument.
    pub(super) fn arg(self) -> Arg {
        if self.add { self.span.update() } else { self.span.write() }
    }

    /// The argument that says whether to add.
    pub(super) fn flag(self) -> Arg {
        flag(self.add)
    }
}

/// The argument for a pointer that is not given.
pub(super) const NONE: Arg = Arg::U64(0);

/// A span that may not be given, as an argument that is read.
pub(super) fn read_or_none(span: Option<Span>) -> Arg {
    span.map_or(NONE, Span::read)
}

/// A number as a kernel's argument.
pub(super) fn int(n: usize) -> Arg {
    Arg::U32(u32::try_from(n).expect("extents of a tensor fit 32 bits"))
}

/// A yes or no as a kernel's argument.
pub(super) fn flag(yes: bool) -> Arg {
    Arg::U32(u32::from(yes))
}

/// Threads of a block, but for recurrent layers' and single numbers'.
pub(super) const THREADS: usize = 256;

/// The precision of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 24 bits of mantissa: on tensor cores, where there are, three products for one of numbers that are each the sum of two.
    #[default]
    Fp32,
    /// Factors of 11 bits of mantissa on tensor cores, sums in fp32.
    Tf32,
}

/// Launches in order.
#[derive(Debug, Default)]
pub struct Launches {
    /// The precision of products.
    pub precision: Precision,
    /// The most shared memory that a block may have, in bytes.
    pub shared: usize,
    /// The device's [architecture](crate::launch::Device::architecture); 0 where what every GPU can do is asked for.
    pub architecture: u32,
    /// The list.
    pub list: Vec<Launch>,
}

impl Launches {
    /// One thread for each of `n` elements.
    pub(super) fn each(&mut self, entry: &'static str, n: usize, args: impl Into<Vec<Arg>>) {
        self.grid(entry, [n.div_ceil(THREADS), 1, 1], [THREADS, 1, 1], 0, args);
    }

    /// One block of `threads`.
    pub(super) fn block(&mut self, entry: &'static str, threads: usize, args: impl Into<Vec<Arg>>) {
        self.grid(entry, [1, 1, 1], [threads, 1, 1], 0, args);
    }

    /// A grid of blocks, each with `shared` bytes of dynamic shared memory. An empty grid is no launch.
    pub(super) fn grid(
        &mut self,
        entry: &'static str,
        grid: [usize; 3],
        block: [usize; 3],
        shared: usize,
        args: impl Into<Vec<Arg>>,
    ) {
        self.push(entry, grid, block, 1, shared, args.into());
    }

    /// Clusters of `blocks` blocks each, in a row.
    pub(super) fn clusters(
        &mut self,
        entry: &'static str,
        [clusters, blocks]: [usize; 2],
        threads: usize,
        shared: usize,
        args: Vec<Arg>,
    ) {
        self.push(entry, [clusters * blocks, 1, 1], [threads, 1, 1], blocks, shared, args);
    }

    fn push(
        &mut self,
        entry: &'static str,
        grid: [usize; 3],
        block: [usize; 3],
        cluster: usize,
        shared: usize,
        args: Vec<Arg>,
    ) {
        if grid.contains(&0) {
            return;
        }
        let fit = |extent: usize| u32::try_from(extent).expect("a grid's extents fit 32 bits");
        self.list.push(Launch {
            entry,
            grid: grid.map(fit),
            block: block.map(fit),
            cluster: fit(cluster),
            shared_bytes: fit(shared),
            args,
        });
    }
}
