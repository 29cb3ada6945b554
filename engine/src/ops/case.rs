//! Random valid cases of operations, for gradient checks and comparisons.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use inkgrad_kernels::cpu::Team;

use crate::ops::Reduction;
use crate::{Clock, Compile, MAX_RANK, Params, Result, Shape, Tape, Tensor};

/// An operation's line in the table of operations.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The operation's name.
    pub name: &'static str,
    /// The formula, in one line.
    pub formula: &'static str,
    /// Draws a valid case.
    pub draw: fn(&mut Draw) -> Case,
}

/// One use of an operation on given values.
pub struct Case {
    /// Attributes and shapes, for messages.
    pub label: String,
    /// The inputs in order.
    pub inputs: Vec<CaseInput>,
    /// Records the operation in `f32`.
    pub f32: Recorder<f32>,
    /// Records the operation in `f64`.
    pub f64: Recorder<f64>,
}

/// Records an operation on a tape.
pub type Recorder<T> = Box<dyn Fn(&mut Tape<T>, &[Tensor]) -> Result<Tensor> + Send + Sync>;

/// One input of a case.
#[derive(Debug, Clone)]
pub struct CaseInput {
    /// Its shape.
    pub shape: Shape,
    /// Its values.
    pub values: Vec<f64>,
    /// Whether the operation has a gradient for it.
    pub differentiable: bool,
}

/// Makes a [`Case`](crate::ops::Case) from a label, inputs, and what to record: one closure for both element types, which may
/// capture what is [`Copy`].
///
/// ```
/// use inkgrad_engine::case;
/// use inkgrad_engine::gradcheck::check_case;
/// use inkgrad_engine::ops::Draw;
/// use inkgrad_engine::prelude::*;
///
/// let mut draw = Draw::small(1);
/// let inputs = vec![draw.values([2, 3]), draw.values([2, 3])];
/// let product = case!("a · a · b", inputs, |tape, x| {
///     let square = tape.mul(x[0], x[0])?;
///     tape.mul(square, x[1])
/// });
/// assert!(check_case(&product, &Team::solo(), 1)?.passes());
/// # Ok::<(), Error>(())
/// ```
#[macro_export]
macro_rules! case {
    ($label:expr, $inputs:expr, |$tape:ident, $x:ident| $record:expr) => {
        $crate::ops::Case {
            label: ::std::convert::Into::into($label),
            inputs: $inputs,
            f32: ::std::boxed::Box::new(move |$tape, $x| $record),
            f64: ::std::boxed::Box::new(move |$tape, $x| $record),
        }
    };
}
pub(crate) use case;

/// A source of random shapes, attributes and values.
#[derive(Debug)]
pub struct Draw {
    rng: ChaCha8Rng,
    /// Extents are drawn up to this many times the smallest useful ones.
    scale: usize,
}

impl Draw {
    /// A source for small cases, of which every element can be checked.
    pub fn small(seed: u64) -> Self {
        Draw { rng: ChaCha8Rng::seed_from_u64(seed), scale: 1 }
    }

    /// A source for cases that span several tiles and pieces.
    pub fn large(seed: u64) -> Self {
        Draw { rng: ChaCha8Rng::seed_from_u64(seed), scale: 4 }
    }

    /// A whole number in `low..=high`.
    pub fn whole(&mut self, low: usize, high: usize) -> usize {
        self.rng.random_range(low..=high)
    }

    /// A batch size, 1 to 9 (to 36 in large cases).
    pub fn batch(&mut self) -> usize {
        self.whole(1, 9 * self.scale)
    }

    /// An extent, 1 to 7 (to 28 in large cases).
    pub fn extent(&mut self) -> usize {
        self.whole(1, 7 * self.scale)
    }

    /// True or false.
    pub fn coin(&mut self) -> bool {
        self.rng.random()
    }

    /// A sum or a mean.
    pub fn reduction(&mut self) -> Reduction {
        if self.coin() { Reduction::Sum } else { Reduction::Mean }
    }

    /// A number in `low..high`.
    pub fn number(&mut self, low: f64, high: f64) -> f64 {
        self.rng.random_range(low..high)
    }

    /// Differentiable values in (−2, 2), none within 0.01 of zero, where a ReLU has no derivative.
    pub fn values(&mut self, shape: impl Into<Shape>) -> CaseInput {
        let shape = shape.into();
        let values = (0..shape.len())
            .map(|_| {
                let x = self.number(0.01, 2.0);
                if self.coin() { x } else { -x }
            })
            .collect();
        CaseInput { shape, values, differentiable: true }
    }

    /// Differentiable weights whose sums over `fan_in` terms stay near 1.
    pub fn weights(&mut self, shape: impl Into<Shape>, fan_in: usize) -> CaseInput {
        let mut input = self.values(shape);
        let scale = 1.0 / (fan_in.max(1) as f64).sqrt();
        input.values.iter_mut().for_each(|v| *v *= scale);
        input
    }

    /// Differentiable biases.
    pub fn biases(&mut self, n: usize) -> CaseInput {
        self.values([n])
    }

    /// Differentiable values of which in some cases half are from within (−8, 8) or (−40, 40): where functions have become flat
    /// or straight, and where a formula that overflows shows. The first eight stay within (−2, 2), where they bend: were all
    /// gradients next to zero, rounding would be all that a numeric one shows. Each fits an `f32`, since eˣ would show what
    /// x lost.
    pub fn spread(&mut self, shape: impl Into<Shape>) -> CaseInput {
        let factor = [1.0, 1.0, 4.0, 20.0][self.whole(0, 3)];
        let mut input = self.values(shape);
        for (i, value) in input.values.iter_mut().enumerate() {
            let factor = if i >= 8 && self.coin() { factor } else { 1.0 };
            *value = f64::from((*value * factor) as f32);
        }
        input
    }

    /// Differentiable values from 0.05 on, in some cases up to 8 or 40: where logarithms and roots are steep and where they are
    /// flat.
    pub fn positive(&mut self, shape: impl Into<Shape>) -> CaseInput {
        let mut input = self.spread(shape);
        input.values.iter_mut().for_each(|x| *x = x.abs().max(0.05));
        input
    }

    /// Up to six extents, at least `least` of them: few elements in a small case, some thousands in a large one.
    pub fn shape(&mut self, least: usize) -> Shape {
        let rank = self.whole(least, MAX_RANK);
        let most = match (self.scale, rank) {
            (1, 0..=2) => 7,
            (1, 3) => 5,
            (1, _) => 3,
            (_, 0..=2) => 60,
            (_, 3) => 17,
            (_, 4) => 9,
            (_, _) => 5,
        };
        let dims: Vec<usize> = (0..rank).map(|_| self.whole(1, most)).collect();
        Shape::try_from(&dims[..]).expect("at most six axes")
    }

    /// Differentiable values of which no two along `axis` are near each other, in random order.
    pub fn apart(&mut self, shape: Shape, axis: usize) -> CaseInput {
        let mut input = self.fractions(shape);
        let inner: usize = shape.dims()[axis + 1..].iter().product();
        let count = shape.dims()[axis];
        for o in 0..shape.len() / (count * inner) {
            for i in 0..inner {
                let at = |s: usize| (o * count + s) * inner + i;
                // A half and more between any two.
                (0..count).for_each(|s| input.values[at(s)] = s as f64 + input.values[at(s)] / 2.0);
                (1..count).for_each(|s| input.values.swap(at(s), at(self.whole(0, s))));
            }
        }
        input
    }

    /// Differentiable values from 0 to 1, both ends among them.
    pub fn fractions(&mut self, shape: impl Into<Shape>) -> CaseInput {
        let shape = shape.into();
        let values = (0..shape.len()).map(|_| self.number(-0.2, 1.2).clamp(0.0, 1.0)).collect();
        CaseInput { shape, values, differentiable: true }
    }

    /// Whole numbers below `classes`, without a gradient.
    pub fn labels(&mut self, n: usize, classes: usize) -> CaseInput {
        let values = (0..n).map(|_| self.whole(0, classes - 1) as f64).collect();
        CaseInput { shape: [n].into(), values, differentiable: false }
    }
}

/// Moves the biases, input number `bias`, so that no sum comes near zero, where the ReLU that follows has no derivative.
/// `sums` records the operation without its ReLU; the biases are one number for each index of its last axis.
///
/// Within (−1, 1) the sums of one bias leave gaps; the middle of the widest is moved to zero. Of a hundred thousand sums
/// that is still some hundred times as wide as the steps of a numeric gradient, and there are sums on both sides.
pub(crate) fn keep_off_corners(inputs: &mut [CaseInput], bias: usize, sums: &Recorder<f64>) {
    let mut tape = Tape::new();
    let tensors: Vec<Tensor> = inputs.iter().map(|input| tape.input("x", input.shape)).collect();
    let y = sums(&mut tape, &tensors).expect("a valid case");
    let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
    for (&tensor, input) in tensors.iter().zip(&*inputs) {
        plan.input(tensor).copy_from_slice(&input.values);
    }
    plan.forward(&Params::new(), &Team::solo(), Clock::default());
    let biases = &mut inputs[bias].values;
    let n = biases.len();
    for (i, bias) in biases.iter_mut().enumerate() {
        *bias -= middle_of_widest_gap(plan.value(y).iter().skip(i).step_by(n).copied());
    }
}

/// The middle of the widest gap that `values` leave in (−1, 1).
fn middle_of_widest_gap(values: impl Iterator<Item = f64>) -> f64 {
    let mut inside: Vec<f64> = values.filter(|x| x.abs() < 1.0).chain([-1.0, 1.0]).collect();
    inside.sort_by(f64::total_cmp);
    let widest = inside.windows(2).max_by(|a, b| (a[1] - a[0]).total_cmp(&(b[1] - b[0]))).expect("both ends");
    (widest[0] + widest[1]) / 2.0
}
