//! Launches of every kernel at a size of one's choice, with inputs, for study.
//!
//! ```
//! use inkgrad_kernels::emulator::Emulator;
//! use inkgrad_kernels::emulator::examples::Example;
//! use inkgrad_kernels::launch::Device;
//!
//! let example = Example::find("transpose").expect("a kernel of the engine");
//! let mut emulator = Emulator::new(0);
//! let prepared = example.prepare(&mut emulator, None, 64)?;
//! emulator.launch(&prepared.launch)?;
//! assert_eq!(emulator.counters()["transpose"].bank_conflicts, 0);
//! # Ok::<(), inkgrad_kernels::launch::Error>(())
//! ```

mod convolutions;
mod matrices;
mod recurrent;
mod steps;
mod vectors;

use super::Emulator;
use crate::cpu::Pool;
use crate::cpu::rng::fill_normal;
use crate::gpu::{Launches, Span};
use crate::launch::{Device, Error, Launch, Result, Word, download, upload};
use crate::ptx;

/// A kernel with a launch to study it by.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The entry point.
    pub entry: &'static str,
    /// The formula.
    pub about: &'static str,
    /// The meaning of the size.
    pub size: &'static str,
    /// The size unless told.
    pub n: usize,
    prepare: fn(&mut Workshop, usize) -> Result<Output>,
}

/// A launch whose inputs are in place.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The launch.
    pub launch: Launch,
    output: Output,
}

/// The largest size; a product of this many rows takes seconds.
pub const LARGEST: usize = 1024;

/// All examples: one for each entry point of the engine's kernels.
pub fn examples() -> impl Iterator<Item = &'static Example> {
    let parts = [vectors::EXAMPLES, matrices::EXAMPLES, convolutions::EXAMPLES, recurrent::EXAMPLES, steps::EXAMPLES];
    parts.into_iter().flatten()
}

impl Example {
    /// The example of an entry point.
    pub fn find(entry: &str) -> Option<&'static Example> {
        examples().find(|example| example.entry == entry)
    }

    /// The file name and the text of the kernel's module.
    pub fn module(&self) -> (&'static str, &'static str) {
        *ptx::of_entry(self.entry).expect("each entry point stands in a module")
    }

    /// Loads the kernels, puts inputs of size `n`, normal numbers by a fixed seed, into an emulator's memory, and launches what
    /// has to come before. `other`: name and text of a module to take the kernel from instead of the engine's.
    ///
    /// # Errors
    /// If that module's text is none, there is not enough memory, or one of the launches before fails.
    pub fn prepare(&self, emulator: &mut Emulator, other: Option<(&str, &str)>, n: usize) -> Result<Prepared> {
        let own = self.module().0;
        if let Some((name, text)) = other {
            emulator.load_module(name, text)?;
            if !emulator.entries().any(|entry| entry == self.entry) {
                let problem = format!("found no entry point `{}`, expected it", self.entry);
                return Err(Error::Module { module: name.to_owned(), line: 1, problem });
            }
        }
        for (name, text) in ptx::all().filter(|(name, _)| other.is_none() || *name != own) {
            emulator.load_module(name, text)?;
        }
        let launches = Launches { shared: SHARED, ..Launches::default() };
        let mut workshop = Workshop { emulator, launches, streams: 0 };
        let output = (self.prepare)(&mut workshop, n)?;
        let list = workshop.launches.list;
        let at = list.iter().position(|launch| launch.entry == self.entry).expect("the example's own launch");
        list[..at].iter().try_for_each(|launch| emulator.launch(launch))?;
        Ok(Prepared { launch: list[at].clone(), output })
    }
}

/// Shared memory of a block: what every GPU has without being asked for more.
const SHARED: usize = 48 << 10;

/// Where a launch's result stands.
#[derive(Debug, Clone, Copy)]
enum Output {
    Singles(Span),
    /// How many numbers of 64 bits stand at an address.
    Doubles(u64, usize),
    Words(Span),
}

impl Prepared {
    /// The first `most` numbers of the result, once it has been launched; whole numbers and those of 64 bits too, as far as `f32`
    /// holds them.
    ///
    /// # Errors
    /// If some of them were not written.
    pub fn result(&self, emulator: &mut Emulator, most: usize) -> Result<Vec<f32>> {
        match self.output {
            Output::Singles(Span { address, len }) => download(emulator, address, len.min(most)),
            Output::Doubles(address, len) => {
                let values: Vec<f64> = download(emulator, address, len.min(most))?;
                Ok(values.into_iter().map(|value| value as f32).collect())
            }
            Output::Words(Span { address, len }) => {
                let values: Vec<u32> = download(emulator, address, len.min(most))?;
                Ok(values.into_iter().map(|value| value as f32).collect())
            }
        }
    }
}

/// Where an example is made.
struct Workshop<'a> {
    emulator: &'a mut Emulator,
    launches: Launches,
    /// Streams of random numbers in use.
    streams: u64,
}

impl Workshop<'_> {
    /// The same for a GPU whose tensor cores multiply in fp32.
    fn with_tensor_cores(&mut self) -> &mut Self {
        self.launches.architecture = ptx::TENSOR_FROM;
        self
    }

    fn upload<T: Word>(&mut self, values: &[T]) -> Result<u64> {
        upload(self.emulator, values)
    }

    fn floats(&mut self, values: &[f32]) -> Result<Span> {
        Ok(Span { address: self.upload(values)?, len: values.len() })
    }

    /// Normal numbers, others in each call.
    fn normal(&mut self, len: usize) -> Result<Span> {
        self.streams += 1;
        let mut values = vec![0f32; len];
        Pool::new(1).enter(|team| fill_normal(team, 0, self.streams, 0, &mut values));
        self.floats(&values)
    }

    /// Whole numbers below `classes`, in turn.
    fn labels(&mut self, len: usize, classes: usize) -> Result<Span> {
        let labels: Vec<f32> = (0..len).map(|i| (i * 7 % classes) as f32).collect();
        self.floats(&labels)
    }

    fn empty(&mut self, len: usize) -> Result<Span> {
        Ok(Span { address: self.emulator.alloc(4 * len.max(1) as u64)?, len })
    }
}
