//! How kernels are launched: one interface before a GPU's driver and before the emulator.
//!
//! A kernel is an entry point of a module of PTX text. Its arguments are passed in the order of its parameters; pointers
//! are passed as [`Buffer`]s, which say how far they reach and what the kernel may do there. A GPU sees the address
//! alone; the emulator holds the kernel to the rest, also where buffers are neighbours in one arena.
//!
//! ```
//! use inkgrad_kernels::launch::{Access, Arg, Buffer};
//!
//! let pixels = Buffer::read(0x1000, 4 * 784);
//! assert_eq!(pixels.access, Access::Read);
//! assert_eq!(Arg::Buffer(pixels).bits(), (0x1000, 8)); // a 64-bit parameter
//! assert_eq!(Arg::F32(1.0).bits(), (0x3f80_0000, 4));
//! ```

mod apart;
mod shared;

pub use apart::Apart;

use std::fmt;

/// A range of device memory that a kernel is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Where it begins.
    pub address: u64,
    /// How far it reaches.
    pub bytes: u64,
    /// How the kernel may use it.
    pub access: Access,
}

/// How a kernel may use a [`Buffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only reads.
    Read,
    /// It writes, and reads at most what it has written: what stood there before counts as never written. For a buffer
    /// that a kernel fills; where it fills a part and the rest has to keep its values, that is [`Access::ReadWrite`].
    Write,
    /// It reads what is there, and writes.
    ReadWrite,
}

impl Buffer {
    /// A buffer that a kernel only reads.
    pub fn read(address: u64, bytes: u64) -> Self {
        Buffer { address, bytes, access: Access::Read }
    }

    /// A buffer that a kernel fills.
    pub fn write(address: u64, bytes: u64) -> Self {
        Buffer { address, bytes, access: Access::Write }
    }

    /// A buffer that a kernel updates.
    pub fn read_write(address: u64, bytes: u64) -> Self {
        Buffer { address, bytes, access: Access::ReadWrite }
    }
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg {
    /// The address of a range of device memory, for a 64-bit parameter.
    Buffer(Buffer),
    /// An address with no range of its own, for a 64-bit parameter: the emulator allows the whole allocation that holds it.
    Pointer(u64),
    /// For a 32-bit integer parameter.
    U32(u32),
    /// For a 32-bit integer parameter.
    I32(i32),
    /// For a 64-bit integer parameter.
    U64(u64),
    /// For an `f32` parameter.
    F32(f32),
}

impl Arg {
    /// The bits that the kernel's parameter receives, and how many bytes of them.
    pub fn bits(self) -> (u64, usize) {
        match self {
            Arg::Buffer(buffer) => (buffer.address, 8),
            Arg::Pointer(x) | Arg::U64(x) => (x, 8),
            Arg::U32(x) => (u64::from(x), 4),
            Arg::I32(x) => (u64::from(x.cast_unsigned()), 4),
            Arg::F32(x) => (u64::from(x.to_bits()), 4),
        }
    }
}

/// One launch of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The entry point's name, unique among the modules that the device has loaded.
    pub entry: &'static str,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z.
    pub block: [u32; 3],
    /// Blocks along x that make a cluster, which run at once and see each other's shared memory; 1 for none. Clusters need an
    /// architecture from 90 on.
    pub cluster: u32,
    /// Bytes of dynamic shared memory a block (`.extern .shared`).
    pub shared_bytes: u32,
    /// The arguments, in the order of the kernel's parameters.
    pub args: Vec<Arg>,
}

/// Runs kernels: a GPU's driver or the [emulator](crate::emulator). Addresses are device addresses; work is done in the order of the
/// calls.
pub trait Device {
    /// Loads the entry points of a module. `name` is what messages call it: its file's name.
    ///
    /// # Errors
    /// If the text does not compile, or an entry point has the name of one that was loaded from other text.
    fn load_module(&mut self, name: &str, ptx: &str) -> Result<()>;

    /// The architecture as NVIDIA counts: 90 for an H100, whose name for the assembler is `sm_90`.
    fn architecture(&self) -> u32;

    /// Whether the clusters of a launch find room at all: a part of a GPU may have too few multiprocessors next to each other.
    ///
    /// # Errors
    /// If the entry point is unknown, or the device was lost.
    fn holds_clusters(&mut self, launch: &Launch) -> Result<bool>;

    /// The most shared memory that a block may have, in bytes; what a launch asks for on top of a kernel's own has to be
    /// within it.
    fn shared_bytes_per_block(&self) -> usize;

    /// New memory, aligned to 256 bytes; its contents are undefined.
    ///
    /// # Errors
    /// If there is not enough.
    fn alloc(&mut self, bytes: u64) -> Result<u64>;

    /// Gives back what [`alloc`](Device::alloc) gave.
    ///
    /// # Errors
    /// If `address` is no allocation's beginning.
    fn free(&mut self, address: u64) -> Result<()>;

    /// Copies from the host to device memory.
    ///
    /// # Errors
    /// If the range is not within one allocation.
    fn write(&mut self, to: u64, bytes: &[u8]) -> Result<()>;

    /// Waits for the work before it, then copies from device memory to the host.
    ///
    /// # Errors
    /// If the range is not within one allocation, and what the work before it met.
    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<()>;

    /// Sets a range of device memory to zero bytes.
    ///
    /// # Errors
    /// If the range is not within one allocation.
    fn zero(&mut self, to: u64, bytes: u64) -> Result<()>;

    /// Launches a kernel. A GPU may report what goes wrong in it with a later call.
    ///
    /// # Errors
    /// If the entry point is unknown, the launch does not fit it, or the kernel fails.
    fn launch(&mut self, launch: &Launch) -> Result<()>;

    /// Launches a list in order. It is known by `number`: the next call with that number has the same list, so that a GPU
    /// captures it once as a graph and then launches that.
    ///
    /// # Errors
    /// As [`Device::launch`].
    fn replay(&mut self, _number: u64, launches: &[Launch]) -> Result<()> {
        launches.iter().try_for_each(|launch| self.launch(launch))
    }

    /// Forgets the list with this number; before memory that it uses is given back.
    ///
    /// # Errors
    /// If the device was lost.
    fn forget(&mut self, _number: u64) -> Result<()> {
        Ok(())
    }

    /// Waits for all work.
    ///
    /// # Errors
    /// Errors from that work.
    fn synchronize(&mut self) -> Result<()>;

    /// A name that no other device has, if this one can send other processes' devices memory and receive theirs; most have no way
    /// to do so but through the host.
    ///
    /// # Errors
    /// Why it cannot, though it should.
    fn link(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// The identity of a group of devices that this one begins, by which others join it.
    ///
    /// # Errors
    /// If it has no [`link`](Device::link).
    fn begin_group(&mut self) -> Result<Vec<u8>> {
        Err(no_link())
    }

    /// Joins the group of `ranks` devices, as number `rank`: all of them call this at the same time.
    ///
    /// # Errors
    /// If one of them is not reached.
    fn join_group(&mut self, _group: &[u8], _rank: usize, _ranks: usize) -> Result<()> {
        Err(no_link())
    }

    /// Sends memory to other devices of the group, after the work before it, receives from them, and waits until all has come. Of two
    /// devices each sends what the other receives, as many bytes in the same order.
    ///
    /// # Errors
    /// If no group was joined, or one of the others is found to be lost: the group is of no use afterwards. A process that is gone need
    /// not be found; whoever started the processes has to end the others.
    fn exchange(&mut self, _out: &[Transfer], _into: &[Transfer]) -> Result<()> {
        Err(no_link())
    }
}

fn no_link() -> Error {
    Error::Driver("this device sends others nothing by itself".to_owned())
}

/// Device memory that goes to another device of a group, or where that device's comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The other one's number.
    pub rank: usize,
    /// Where the memory begins.
    pub address: u64,
    /// How far it reaches; not 0.
    pub bytes: u64,
}

/// A number as it lies in device memory.
pub trait Word: Copy + Default + sealed::Plain {}

impl Word for u8 {}
impl Word for u32 {}
impl Word for i32 {}
impl Word for u64 {}
impl Word for i64 {}
impl Word for f32 {}
impl Word for f64 {}

mod sealed {
    /// Has no padding, and every bit pattern is a value of it.
    pub trait Plain {}
    impl Plain for u8 {}
    impl Plain for u32 {}
    impl Plain for i32 {}
    impl Plain for u64 {}
    impl Plain for i64 {}
    impl Plain for f32 {}
    impl Plain for f64 {}
}

/// The bytes of a slice of numbers.
pub fn bytes_of<T: Word>(values: &[T]) -> &[u8] {
    // SAFETY: a `Plain` type has no padding, so all of its bytes are initialised; u8 needs no alignment.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of a slice of numbers, to be written.
pub fn bytes_of_mut<T: Word>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes_of`; and every bit pattern that is written is a value of a `Plain` type.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// Allocates and fills device memory.
///
/// # Errors
/// If there is not enough.
pub fn upload<T: Word>(device: &mut (impl Device + ?Sized), values: &[T]) -> Result<u64> {
    let address = device.alloc(size_of_val(values) as u64)?;
    device.write(address, bytes_of(values))?;
    Ok(address)
}

/// Reads `count` numbers from device memory.
///
/// # Errors
/// As [`Device::read`].
pub fn download<T: Word>(device: &mut (impl Device + ?Sized), from: u64, count: usize) -> Result<Vec<T>> {
    let mut values = vec![T::default(); count];
    device.read(from, bytes_of_mut(&mut values))?;
    Ok(values)
}

/// An error on a device, in one line.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// A module's text is not what the device understands.
    Module {
        /// The module's name.
        module: String,
        /// The line of its text, from 1.
        line: usize,
        /// The problem: what was found and what was expected.
        problem: String,
    },
    /// A launch that does not fit its kernel.
    Launch {
        /// The entry point's name.
        entry: String,
        /// The problem: what was found and what was expected.
        problem: String,
    },
    /// A range of memory that is not there, or not enough of it.
    Memory(String),
    /// A kernel did what it must not do.
    Fault(Box<Fault>),
    /// The driver refused or failed.
    Driver(String),
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A kernel's mistake, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which check found it.
    pub check: Check,
    /// The entry point's name.
    pub entry: String,
    /// The module's name.
    pub module: String,
    /// The line of the module's text, from 1.
    pub line: usize,
    /// That line, without its comment.
    pub text: String,
    /// The block's index in the grid.
    pub block: [u32; 3],
    /// The warp's index in its block.
    pub warp: u32,
    /// The lane within the warp: the lowest of those concerned.
    pub lane: u32,
    /// The event, with the address where there is one.
    pub problem: String,
}

/// The checks of the emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// Every access lies within one allocation, variable or argument, and does there what it may.
    Bounds,
    /// Addresses are multiples of the access's size.
    Alignment,
    /// Memory is written before it is read.
    Unwritten,
    /// Registers are written before they are read.
    Uninitialised,
    /// Threads that touch the same memory, one of them writing, are ordered by a barrier.
    Race,
    /// All threads reach a barrier, and the same one.
    Barrier,
    /// All lanes that a warp-wide instruction names execute it.
    Convergence,
    /// A kernel ends.
    Endless,
}

impl Check {
    /// Its finding, in words.
    pub fn name(self) -> &'static str {
        match self {
            Check::Bounds => "out of bounds",
            Check::Alignment => "misaligned access",
            Check::Unwritten => "read of unwritten memory",
            Check::Uninitialised => "read of an uninitialised register",
            Check::Race => "race",
            Check::Barrier => "divergent barrier",
            Check::Convergence => "divergent warp",
            Check::Endless => "no end",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Fault { check, entry, module, line, text, block: [x, y, z], warp, lane, problem } = self;
        write!(f, "{module}:{line}: {entry}: {check}: {problem}; at `{text}`, ")?;
        write!(f, "block ({x}, {y}, {z}), warp {warp}, lane {lane}")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Module { module, line, problem } => write!(f, "{module}:{line}: {problem}"),
            Error::Launch { entry, problem } => write!(f, "launch of {entry}: {problem}"),
            Error::Memory(problem) | Error::Driver(problem) => f.write_str(problem),
            Error::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
