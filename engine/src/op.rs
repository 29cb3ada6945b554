//! An operation: its shape rule, its memory, its forward and, right under it, its backward.
//!
//! An operation of your own, y = x³:
//!
//! ```
//! use std::ops::RangeInclusive;
//!
//! use inkgrad_engine::op::Gradient;
//! use inkgrad_engine::prelude::*;
//!
//! #[derive(Debug)]
//! struct Cube;
//!
//! impl<T: Float> Op<T> for Cube {
//!     fn name(&self) -> &'static str {
//!         "cube"
//!     }
//!
//!     fn inputs(&self) -> RangeInclusive<usize> {
//!         1..=1
//!     }
//!
//!     fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
//!         Ok(inputs[0])
//!     }
//!
//!     fn reads(&self) -> Reads {
//!         Reads::inputs(&[0]) // the backward reads x
//!     }
//!
//!     fn forward(&self, run: Forward<'_, T>) {
//!         run.y.iter_mut().zip(run.x[0]).for_each(|(y, &x)| *y = x * x * x);
//!     }
//!
//!     // dx = 3x² · dy
//!     fn backward(&self, mut run: Backward<'_, T>) {
//!         let Some(Gradient { values, add }) = run.dx.take(0) else { return };
//!         for ((dx, &x), &dy) in values.iter_mut().zip(run.x[0]).zip(run.dy) {
//!             put(dx, T::from_f64(3.0) * x * x * dy, add);
//!         }
//!     }
//! }
//!
//! let (mut tape, mut params) = (Tape::<f64>::new(), Params::new());
//! let w = params.declare("w", [1], Init::Normal);
//! params.value_mut(&w)[0] = 2.0;
//! let at_w = tape.param(&w);
//! let y = tape.record(Cube, &[at_w])?;
//! let refused = tape.record(Cube, &[at_w, at_w]).unwrap_err();
//! assert_eq!(refused.to_string(), "cube: 2 inputs, expected 1");
//! let mut plan = tape.compile(Compile { loss: Some(y), ..Compile::default() });
//! plan.forward(&params, &Team::solo(), Clock::default());
//! plan.backward(&mut params, &Team::solo());
//! assert_eq!((plan.value(y), params.grad(&w)), (&[8.0][..], &[12.0][..]));
//! # Ok::<(), Error>(())
//! ```

use std::fmt::Debug;
use std::ops::RangeInclusive;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::conv::Algorithm;

use crate::device::op::DeviceOp;
use crate::inspect::Attribute;
pub use crate::needs::{MAX_INPUTS, Memory, Reads};
use crate::{Result, Shape};

/// A differentiable operation on the tape. An operation without a backward does not compile; what has a default body is what
/// most operations do not need.
pub trait Op<T: Float>: Debug + Send + Sync {
    /// The name in the table of operations.
    fn name(&self) -> &'static str;

    /// The settings that it was recorded with, by name, for those who look at a tape ([`Tape::node`](crate::Tape::node)).
    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        Vec::new()
    }

    /// How many inputs it takes; one at least unless it says otherwise. [`Tape::record`](crate::Tape::record) refuses any other number,
    /// so that an operation that says so may index its inputs in [`Op::shape`] and in its runs.
    fn inputs(&self) -> RangeInclusive<usize> {
        1..=MAX_INPUTS
    }

    /// The operation as a GPU computes it; `None` if it runs on the processor alone.
    fn on_device(&self) -> Option<&dyn DeviceOp> {
        None
    }

    /// The output's shape.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the inputs do not fit the operation.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape>;

    /// The memory that a run needs beside inputs and output.
    fn memory(&self, _inputs: &[Shape], _output: Shape) -> Memory {
        Memory::NONE
    }

    /// Which values the backward reads; all others may be overwritten before it runs.
    fn reads(&self) -> Reads;

    /// Floating-point operations of the forward, a multiplication and an addition counted as two; one an element unless it
    /// says otherwise.
    fn flops(&self, _inputs: &[Shape], output: Shape) -> u64 {
        output.len() as u64
    }

    /// Floating-point operations of the backward, where somebody needs the gradient of the first input, those of any others,
    /// or both. Of a product each of the two is another product of the same size.
    fn backward_flops(&self, inputs: &[Shape], output: Shape, first: bool, others: bool) -> u64 {
        self.flops(inputs, output) * (u64::from(first) + u64::from(others))
    }

    /// How each pass is computed, where an operation has several ways and chooses by shapes: the forward, the gradient of the
    /// first input, those of the others.
    fn algorithms(&self, _inputs: &[Shape], _output: Shape) -> Option<[Algorithm; 3]> {
        None
    }

    /// Computes the output from the inputs.
    fn forward(&self, run: Forward<'_, T>);

    /// Computes the gradients of the inputs from the gradient of the output.
    fn backward(&self, run: Backward<'_, T>);
}

/// Where a run stands: what random operations draw from.
///
/// An operation of your own draws by [`rng`](crate::rng), from the run's key and its own stream: the same numbers on every
/// computer, at any number of threads and after a resumption. In a forward:
///
/// ```
/// use inkgrad_engine::{prelude::*, rng};
///
/// fn forward<T: Float>(run: Forward<'_, T>) {
///     rng::fill_normal(run.team, run.clock.key(), run.node, 0, run.y); // N(0, 1)
///     run.y.iter_mut().zip(run.x[0]).for_each(|(y, &x)| *y += x);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// The run's seed.
    pub seed: u64,
    /// The training step; the same step draws the same numbers.
    pub step: u64,
}

/// Random streams of one training step; the operations of a tape take one each.
const STREAMS_PER_STEP: u64 = 1 << 16;

impl Clock {
    /// The random generator's key at this step.
    pub fn key(self) -> u64 {
        self.seed ^ self.step.wrapping_mul(STREAMS_PER_STEP)
    }
}

/// The inputs and outputs of a forward.
pub struct Forward<'a, T> {
    /// The inputs' values.
    pub x: &'a [&'a [T]],
    /// The inputs' shapes.
    pub shapes: &'a [Shape],
    /// The output, with arbitrary content.
    pub y: &'a mut [T],
    /// The output's shape.
    pub y_shape: Shape,
    /// Kept for the backward.
    pub saved: &'a mut [T],
    /// Free for use, with arbitrary content.
    pub scratch: &'a mut [T],
    /// The threads.
    pub team: &'a Team,
    /// Seed and step.
    pub clock: Clock,
    /// The operation's index on the tape: a random operation's own stream.
    pub node: u64,
}

/// The inputs and outputs of a backward.
pub struct Backward<'a, T> {
    /// The inputs' values; empty where [`Op::reads`] does not name them.
    pub x: &'a [&'a [T]],
    /// The inputs' shapes.
    pub shapes: &'a [Shape],
    /// The output's value; empty where [`Op::reads`] does not name it.
    pub y: &'a [T],
    /// The output's gradient.
    pub dy: &'a [T],
    /// The output's shape.
    pub y_shape: Shape,
    /// The inputs' gradients, to be written or added to.
    pub dx: Gradients<'a, T>,
    /// Kept by the forward.
    pub saved: &'a [T],
    /// Free for use, with arbitrary content.
    pub scratch: &'a mut [T],
    /// The threads.
    pub team: &'a Team,
    /// Seed and step of the forward that this is the backward of.
    pub clock: Clock,
    /// The operation's index on the tape: a random operation's own stream.
    pub node: u64,
}

/// The gradients that a backward has to compute.
pub struct Gradients<'a, T> {
    pub(crate) slots: [Option<Gradient<'a, T>>; MAX_INPUTS],
}

impl<'a, T> Gradients<'a, T> {
    /// Takes the place for the gradient of input `i`; `None` where nobody needs it (or it has been taken).
    ///
    /// # Panics
    /// If `i` is not below [`MAX_INPUTS`].
    #[track_caller]
    pub fn take(&mut self, i: usize) -> Option<Gradient<'a, T>> {
        assert!(i < MAX_INPUTS, "the gradient of input {i}, expected a number below {MAX_INPUTS}");
        self.slots[i].take()
    }

    /// Says that input `i`, such as a class, has no gradient: whoever leads there gets zeros.
    ///
    /// # Panics
    /// If `i` is not below [`MAX_INPUTS`].
    #[track_caller]
    pub fn none(&mut self, i: usize)
    where
        T: Float,
    {
        if let Some(Gradient { values, add: false }) = self.take(i) {
            values.fill(T::ZERO);
        }
    }
}

/// Where the gradient of one input goes.
pub struct Gradient<'a, T> {
    /// The buffer; arbitrary content unless `add`.
    pub values: &'a mut [T],
    /// Whether an earlier writer has been there, so that the gradient is added.
    pub add: bool,
}
