//! The LSTM, the GRU, and what they share: the shape of a whole-sequence call, and how its rows are laid out.
//!
//! Sequences of a batch do not meet, so a call is cut into slices of the batch, and one thread takes a slice through
//! all its steps. Data that only the kernels see lie slice by slice, and within a slice in order of time, (T, B, ·), so that
//! a step's rows are neighbours: in the layout of x and out, (B, T, ·), they would lie as far apart as sequences are long,
//! often at distances that share few sets of a cache.

pub mod gru;
pub mod lstm;
pub mod naive;

use super::activation::put;
use crate::Float;

/// The shape of a recurrent layer's call, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrentShape {
    /// Sequences B.
    pub batch: usize,
    /// Steps T of each sequence.
    pub time: usize,
    /// Features I of each step's input.
    pub input: usize,
    /// Units H.
    pub hidden: usize,
    /// Whether the last step of the input comes first. Outputs stay at the places of their inputs.
    pub reverse: bool,
    /// Whether all steps of a sequence have the same input: x is (B, I), multiplied by its weights once.
    pub repeated: bool,
}

/// Where a gradient goes, and whether it is added to what is there; `None` where nobody asks for it.
pub type Gradient<'a, T> = Option<(&'a mut [T], bool)>;

/// An LSTM's or a GRU's input, parameters and initial states.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a, T> {
    /// (B, T, I), or (B, I) of a repeated input
    pub x: &'a [T],
    /// (gates·H, I)
    pub w_ih: &'a [T],
    /// (gates·H, H)
    pub w_hh: &'a [T],
    /// (gates·H)
    pub b_ih: &'a [T],
    /// (gates·H)
    pub b_hh: &'a [T],
    /// (B, H); zeros if absent.
    pub h0: Option<&'a [T]>,
    /// (B, H), of an LSTM; zeros if absent.
    pub c0: Option<&'a [T]>,
}

/// Where the gradients of [`Inputs`] go, each of its input's shape.
#[derive(Debug)]
pub struct Gradients<'a, T> {
    /// Of `x`.
    pub x: Gradient<'a, T>,
    /// Of `w_ih`.
    pub w_ih: Gradient<'a, T>,
    /// Of `w_hh`.
    pub w_hh: Gradient<'a, T>,
    /// Of `b_ih`.
    pub b_ih: Gradient<'a, T>,
    /// Of `b_hh`.
    pub b_hh: Gradient<'a, T>,
    /// Of `h0`.
    pub h0: Gradient<'a, T>,
    /// Of `c0`, of an LSTM.
    pub c0: Gradient<'a, T>,
}

impl RecurrentShape {
    /// # Panics
    /// If a dimension is 0.
    fn check(&self) {
        assert!(
            self.batch > 0 && self.time > 0 && self.input > 0 && self.hidden > 0,
            "a recurrent layer of no size: {self:?}"
        );
    }

    /// B·T.
    pub fn rows(&self) -> usize {
        self.batch * self.time
    }

    /// Inputs of a sequence: one for each step, or one for all.
    pub fn inputs(&self) -> usize {
        if self.repeated { 1 } else { self.time }
    }

    /// The row of x that sequence `b` has at the `step`-th step in order of time.
    fn input_row(&self, b: usize, step: usize) -> usize {
        if self.repeated { b } else { b * self.time + self.place(step) }
    }

    /// Features of x beside h' in the rows that a step multiplies.
    fn beside(&self) -> usize {
        if self.repeated { 0 } else { self.input }
    }

    /// Slices of the batch.
    fn slices(&self) -> usize {
        self.batch.div_ceil(self.slice())
    }

    /// Sequences of a task: enough to use each of the packed weights many times, few enough for several tasks.
    fn slice(&self) -> usize {
        (self.batch / 4).clamp(4, 32).next_multiple_of(4)
    }

    /// Floating-point operations of products between `gates` blocks of H and `of_x` features of every input, and as many
    /// blocks and `of_h` features of every state.
    pub fn products(&self, gates: usize, of_x: usize, of_h: usize) -> u64 {
        (2 * gates * self.hidden * self.batch * (self.inputs() * of_x + self.time * of_h)) as u64
    }

    /// The place of the `step`-th step in order of time.
    fn place(&self, step: usize) -> usize {
        if self.reverse { self.time - 1 - step } else { step }
    }
}

/// Cuts `space` into parts of these lengths.
///
/// # Panics
/// If they do not add up to its length.
fn cut<'a, T, const N: usize>(name: &str, space: &'a mut [T], lengths: [usize; N]) -> [&'a mut [T]; N] {
    check_len(name, space.len(), lengths.iter().sum());
    let mut rest = space;
    lengths.map(|len| rest.split_off_mut(..len).expect("the lengths add up"))
}

/// # Panics
/// If `found` is not `expected`.
#[track_caller]
fn check_len(name: &str, found: usize, expected: usize) {
    assert_eq!(found, expected, "{name} has {found} elements, expected {expected}");
}

/// Copies the initial state, or zeros.
fn start<T: Float>(state: &mut [T], initial: Option<&[T]>) {
    match initial {
        Some(initial) => state.copy_from_slice(initial),
        None => state.fill(T::ZERO),
    }
}

/// Writes or adds `values` to a gradient.
fn deliver<T: Float>(values: &[T], gradient: Gradient<T>) {
    let Some((places, add)) = gradient else { return };
    assert_eq!(values.len(), places.len(), "a gradient's length");
    for (place, &value) in places.iter_mut().zip(values) {
        put(place, value, add);
    }
}

/// Writes the rows that a slice of the batch is multiplied with, [x | h'] (T, B, I + H) in order of time: all of x, and
/// the first step's h'. The other steps' are for the forward pass to write. A repeated x is left out.
///
/// `x`: (B, T, I) and `h0`: (B, H), from the slice's first sequence on.
fn lay_rows<T: Float>(shape: &RecurrentShape, x: &[T], h0: Option<&[T]>, rows: &mut [T]) {
    let &RecurrentShape { time, hidden, .. } = shape;
    let (beside, width) = (shape.beside(), shape.beside() + hidden);
    let batch = rows.len() / (time * width);
    for (step, rows) in rows.chunks_exact_mut(batch * width).enumerate() {
        for (b, row) in rows.chunks_exact_mut(width).enumerate() {
            let (x_place, h_place) = row.split_at_mut(beside);
            x_place.copy_from_slice(&x[shape.input_row(b, step) * beside..][..beside]);
            if step == 0 {
                start(h_place, h0.map(|h0| &h0[b * hidden..][..hidden]));
            }
        }
    }
}

/// Σ over slices of their sums, into the first.
fn add_up<T: Float>(sums: &mut [T], len: usize) -> &[T] {
    let (total, others) = sums.split_at_mut(len);
    for other in others.chunks_exact(len) {
        for (total, &sum) in total.iter_mut().zip(other) {
            *total += sum;
        }
    }
    total
}

/// β for a product that is written or added.
fn beta<T: Float>(add: bool) -> T {
    if add { T::ONE } else { T::ZERO }
}
