//! What the LSTM and the GRU share: the shape of a whole-sequence call, and how its rows are laid out.
//!
//! Sequences of a batch do not meet, so a call is cut into slices of the batch, and one thread takes a slice through
//! all its steps. What only the kernels see lies slice by slice, and within a slice in order of time, (T, B, ·), so that
//! a step's rows are neighbours: in the layout of x and out, (B, T, ·), they would lie as far apart as sequences are long,
//! often at distances that share few places of a cache.

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
}

/// Where a gradient goes, and whether it is added to what is there; `None` where nobody asks for it.
pub type Gradient<'a, T> = Option<(&'a mut [T], bool)>;

impl RecurrentShape {
    /// # Panics
    /// If a dimension is 0.
    pub(super) fn check(&self) {
        assert!(
            self.batch > 0 && self.time > 0 && self.input > 0 && self.hidden > 0,
            "a recurrent layer of no size: {self:?}"
        );
    }

    /// B·T.
    pub(super) fn rows(&self) -> usize {
        self.batch * self.time
    }

    /// Slices of the batch.
    pub(super) fn slices(&self) -> usize {
        self.batch.div_ceil(self.slice())
    }

    /// Sequences of a task: enough to use each of the packed weights many times, few enough for several tasks.
    pub(super) fn slice(&self) -> usize {
        (self.batch / 4).clamp(4, 32).next_multiple_of(4)
    }

    /// Floating-point operations of products between `gates` blocks of H and `width` features, at all steps of all sequences.
    pub fn products(&self, gates: usize, width: usize) -> u64 {
        (2 * self.rows() * gates * self.hidden * width) as u64
    }

    /// The place of the `step`-th step in order of time.
    pub(super) fn place(&self, step: usize) -> usize {
        if self.reverse { self.time - 1 - step } else { step }
    }
}

/// Cuts `space` into parts of these lengths.
///
/// # Panics
/// If they do not add up to its length.
pub(super) fn cut<'a, T, const N: usize>(name: &str, space: &'a mut [T], lengths: [usize; N]) -> [&'a mut [T]; N] {
    check_len(name, space.len(), lengths.iter().sum());
    let mut rest = space;
    lengths.map(|len| rest.split_off_mut(..len).expect("the lengths add up"))
}

/// # Panics
/// If `found` is not `expected`.
#[track_caller]
pub(super) fn check_len(name: &str, found: usize, expected: usize) {
    assert_eq!(found, expected, "{name} has {found} elements, expected {expected}");
}

/// Copies the initial state, or zeros.
pub(super) fn start<T: Float>(state: &mut [T], initial: Option<&[T]>) {
    match initial {
        Some(initial) => state.copy_from_slice(initial),
        None => state.fill(T::ZERO),
    }
}

/// Writes or adds `values` to a gradient.
pub(super) fn deliver<T: Float>(values: &[T], gradient: Gradient<T>) {
    let Some((places, add)) = gradient else { return };
    assert_eq!(values.len(), places.len(), "a gradient's length");
    for (place, &value) in places.iter_mut().zip(values) {
        put(place, value, add);
    }
}

/// Writes the rows that a slice of the batch is multiplied with, [x | h'] (T, B, I + H) in order of time: all of x, and
/// the first step's h'. The other steps' are for the forward pass to write.
///
/// `x`: (B, T, I) and `h0`: (B, H), from the slice's first sequence on.
pub(super) fn lay_rows<T: Float>(shape: &RecurrentShape, x: &[T], h0: Option<&[T]>, rows: &mut [T]) {
    let &RecurrentShape { time, input, hidden, .. } = shape;
    let width = input + hidden;
    let batch = rows.len() / (time * width);
    for (step, rows) in rows.chunks_exact_mut(batch * width).enumerate() {
        for (b, row) in rows.chunks_exact_mut(width).enumerate() {
            let (x_place, h_place) = row.split_at_mut(input);
            x_place.copy_from_slice(&x[(b * time + shape.place(step)) * input..][..input]);
            if step == 0 {
                start(h_place, h0.map(|h0| &h0[b * hidden..][..hidden]));
            }
        }
    }
}

/// Σ over slices of their sums, into the first.
pub(super) fn add_up<T: Float>(sums: &mut [T], len: usize) -> &[T] {
    let (total, others) = sums.split_at_mut(len);
    for other in others.chunks_exact(len) {
        for (total, &sum) in total.iter_mut().zip(other) {
            *total += sum;
        }
    }
    total
}

/// β for a product that is written or added.
pub(super) fn beta<T: Float>(add: bool) -> T {
    if add { T::ONE } else { T::ZERO }
}

#[cfg(test)]
pub(super) mod testing {
    //! What the tests of both layers share. A case is a shape and its parameters, one vector each: x, w_ih, w_hh, b_ih,
    //! b_hh, then the initial states, if there are any.

    use proptest::prelude::*;

    use super::*;
    use crate::cpu::{Pool, Team};

    pub(crate) type Parameters<T> = Vec<Vec<T>>;

    type Backward<T> = fn(&Team, &RecurrentShape, &Parameters<T>, &[T], &mut Parameters<T>, bool);

    /// A layer under test.
    pub(crate) struct Layer<T: Float> {
        /// Blocks of H rows in the weights.
        pub(crate) gates: usize,
        /// Initial states it can take.
        pub(crate) states: usize,
        pub(crate) forward: fn(&Team, &RecurrentShape, &Parameters<T>) -> Vec<T>,
        /// Writes or adds all gradients, from that of the output.
        pub(crate) backward: Backward<T>,
        /// One element after the other, by the formula.
        pub(crate) naive: fn(&RecurrentShape, &Parameters<f64>) -> Vec<f64>,
    }

    /// Shapes with several slices, remainders of every tile and both directions.
    pub(crate) fn shapes() -> impl Strategy<Value = RecurrentShape> {
        (1usize..12, 1usize..6, 1usize..20, 1usize..20, any::<bool>())
            .prop_map(|(batch, time, input, hidden, reverse)| RecurrentShape { batch, time, input, hidden, reverse })
    }

    /// `len` values from −scale to scale, different for each seed.
    fn values<T: Float>(len: usize, seed: usize, scale: f64) -> Vec<T> {
        (0..len).map(|i| T::from_f64(scale * ((i * 12 + seed * 7) as f64 * 0.618_034 + seed as f64).sin())).collect()
    }

    pub(crate) fn parameters<T: Float>(layer: &Layer<T>, shape: &RecurrentShape, initial: bool) -> Parameters<T> {
        let &RecurrentShape { batch, input, hidden, .. } = shape;
        let rows = layer.gates * hidden;
        let mut lengths = vec![shape.rows() * input, rows * input, rows * hidden, rows, rows];
        if initial {
            lengths.extend(std::iter::repeat_n(batch * hidden, layer.states));
        }
        lengths.into_iter().enumerate().map(|(seed, len)| values(len, seed, 0.8)).collect()
    }

    /// The forward pass against the formula, within `tolerance`.
    pub(crate) fn check_forward<T: Float>(layer: &Layer<T>, shape: &RecurrentShape, initial: bool, tolerance: f64) {
        let parameters = parameters(layer, shape, initial);
        let exact = parameters.iter().map(|p| p.iter().map(|x| x.to_f64()).collect()).collect();
        let found = (layer.forward)(&Team::solo(), shape, &parameters);
        for (found, expected) in found.iter().zip((layer.naive)(shape, &exact)) {
            assert!((found.to_f64() - expected).abs() < tolerance, "{found}, expected {expected} in {shape:?}");
        }
    }

    /// Each gradient g against the loss L = Σ u·out: ⟨g, d⟩ = (L(p + εd) − L(p − εd)) / 2ε for a direction d in which
    /// no two elements weigh the same. The error is relative to the typical size of such a product, ‖g‖·‖d‖/√n: the product
    /// itself may come out near zero, by chance. Then a second call that adds doubles every gradient.
    pub(crate) fn check_gradients(layer: &Layer<f64>, shape: &RecurrentShape, initial: bool) {
        let team = Team::solo();
        let parameters = parameters(layer, shape, initial);
        let u = values::<f64>(shape.rows() * shape.hidden, 11, 1.0);
        let mut gradients: Parameters<f64> = parameters.iter().map(|p| vec![f64::NAN; p.len()]).collect();
        (layer.backward)(&team, shape, &parameters, &u, &mut gradients, false);
        for (k, gradient) in gradients.iter().enumerate() {
            let direction = values::<f64>(gradient.len(), 20 + k, 1.0);
            let loss = |shift: f64| -> f64 {
                let mut parameters = parameters.clone();
                for (p, d) in parameters[k].iter_mut().zip(&direction) {
                    *p += shift * d;
                }
                (layer.forward)(&team, shape, &parameters).iter().zip(&u).map(|(out, u)| out * u).sum()
            };
            let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
            let found: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let typical = norm(gradient) * norm(&direction) / (gradient.len() as f64).sqrt();
            // A parameter that the loss does not depend on has a gradient of zero.
            let close = (found - slope).abs() <= 1e-6 * typical.max(found.abs());
            assert!(close, "parameter {k}: {found}, expected {slope} in {shape:?}");
        }
        let once = gradients.clone();
        (layer.backward)(&team, shape, &parameters, &u, &mut gradients, true);
        for (twice, once) in gradients.iter().flatten().zip(once.iter().flatten()) {
            assert!((twice - 2.0 * once).abs() <= 1e-12 * once.abs().max(1.0), "{twice} is not twice {once}");
        }
    }

    /// Outputs and gradients are the same to the bit with 1, 2, 3 and 8 threads, in a shape of several slices.
    pub(crate) fn check_threads(layer: &Layer<f32>) {
        let shape = RecurrentShape { batch: 70, time: 9, input: 19, hidden: 37, reverse: true };
        let parameters = parameters(layer, &shape, true);
        let u = values::<f32>(shape.rows() * shape.hidden, 11, 1.0);
        let results = [1, 2, 3, 8].map(|threads| {
            Pool::new(threads).enter(|team| {
                let out = (layer.forward)(team, &shape, &parameters);
                let mut gradients: Parameters<f32> = parameters.iter().map(|p| vec![f32::NAN; p.len()]).collect();
                (layer.backward)(team, &shape, &parameters, &u, &mut gradients, false);
                (out, gradients)
            })
        });
        assert!(results[0].1.iter().flatten().all(|g| g.is_finite()));
        assert!(results.iter().all(|result| result == &results[0]));
    }
}
