//! The operations that graphs as data are made of, a row each.

use std::ops::RangeInclusive;

use inkgrad_kernels::Float;

use crate::ops::{Conv, Draw, Window};
use crate::{Error, MAX_RANK, Result, Shape, Tape, Tensor};

/// An operation in a graph that is data: which inputs it takes, and what it records.
#[derive(Debug)]
pub struct Rule {
    /// Its name in a description.
    pub name: &'static str,
    /// The inputs that it takes.
    pub operands: &'static Operands,
    /// Draws attributes for inputs of these shapes.
    pub attributes: fn(&[Shape], &mut Draw) -> Vec<f64>,
    /// How many attributes there are.
    attribute_count: RangeInclusive<usize>,
    /// Whether there is a derivative at these values of the inputs, and not only just.
    pub smooth: fn(&[&[f64]]) -> bool,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.name == other.name
    }
}

/// The inputs that an operation takes.
#[derive(Debug)]
pub struct Operands {
    /// How many.
    pub count: RangeInclusive<usize>,
    /// Whether inputs that begin with these shapes may fit.
    pub fits: fn(&[Shape]) -> bool,
    /// The shape of an input that fits after these, which do.
    pub next: fn(&[Shape], &mut Sizes<'_>) -> Shape,
}

/// Random extents of which many are equal, so that shapes fit each other.
#[derive(Debug)]
pub struct Sizes<'a> {
    /// The source.
    pub draw: &'a mut Draw,
    /// The source of extents.
    pub extents: [usize; 3],
}

impl Sizes<'_> {
    /// An extent.
    pub fn extent(&mut self) -> usize {
        self.extents[self.draw.whole(0, self.extents.len() - 1)]
    }

    fn extents<const N: usize>(&mut self) -> Shape {
        Shape::from(std::array::from_fn::<usize, N, _>(|_| self.extent()))
    }

    /// Of any rank; from the fourth axis on extents are 1 or 2.
    fn shape(&mut self) -> Shape {
        let rank = self.draw.whole(0, MAX_RANK);
        let dims: Vec<usize> = (0..rank).map(|i| if i < 3 { self.extent() } else { self.draw.whole(1, 2) }).collect();
        Shape::try_from(&dims[..]).expect("a rank within the limit")
    }
}

/// Any one tensor.
const ANY: Operands = Operands { count: 1..=1, fits: |_| true, next: |_, sizes| sizes.shape() };

/// Two tensors of one shape.
const PAIR: Operands = Operands {
    count: 2..=2,
    fits: |x| x.iter().all(|shape| *shape == x[0]),
    next: |x, sizes| x.first().copied().unwrap_or_else(|| sizes.shape()),
};

/// Three of one shape.
const TRIPLE: Operands = Operands { count: 3..=3, ..PAIR };

/// A matrix.
const MATRIX: Operands = Operands { count: 1..=1, fits: |x| x[0].rank() == 2, next: |_, sizes| sizes.extents::<2>() };

/// A sequence, (batch, time, features).
const SEQUENCE: Operands = Operands { count: 1..=1, fits: |x| x[0].rank() == 3, next: |_, sizes| sizes.extents::<3>() };

/// Pictures, (batch, height, width, channels).
const PICTURES: Operands = Operands { count: 1..=1, fits: |x| x[0].rank() == 4, next: |_, sizes| sizes.extents::<4>() };

/// Tensors whose axes but for the last are equal.
const JOINED: Operands = Operands {
    count: 1..=4,
    fits: |x| x.iter().all(|shape| shape.rank() > 0 && outer(shape) == outer(&x[0])),
    next: |x, sizes| match x.first() {
        None => sizes.extents::<2>(),
        Some(first) => with_last(first, sizes.extent()),
    },
};

/// x (B, I), weight (O, I), bias (O).
const LINEAR: Operands = Operands {
    count: 3..=3,
    fits: |x| match x.iter().map(Shape::dims).collect::<Vec<_>>()[..] {
        [[_, _]] => true,
        [[_, i], [_, j]] => i == j,
        [[_, i], [o, j], [n]] => i == j && o == n,
        _ => false,
    },
    next: |x, sizes| match *x {
        [] => sizes.extents::<2>(),
        [x] => [sizes.extent(), x.last()].into(),
        _ => [x[1].first()].into(),
    },
};

/// x (B, H, W, C), weight (O, C, 2, 2), bias (O).
const CONV: Operands = Operands {
    count: 3..=3,
    fits: |x| match x.iter().map(Shape::dims).collect::<Vec<_>>()[..] {
        [[_, _, _, _]] => true,
        [[_, _, _, c], [_, d, 2, 2]] => c == d,
        [[_, _, _, c], [o, d, 2, 2], [n]] => c == d && o == n,
        _ => false,
    },
    next: |x, sizes| match *x {
        [] => sizes.extents::<4>(),
        [x] => [sizes.extent(), x.last(), 2, 2].into(),
        _ => [x[1].first()].into(),
    },
};

/// x (B, T, I), weight_ih (4·H, I), weight_hh (4·H, H), bias_ih (4·H), bias_hh (4·H).
const LSTM: Operands =
    Operands { count: 5..=5, fits: |x| recurrent_fits(4, x), next: |x, sizes| next_of_recurrent(4, x, sizes) };

/// The same with three gates.
const GRU: Operands =
    Operands { count: 5..=5, fits: |x| recurrent_fits(3, x), next: |x, sizes| next_of_recurrent(3, x, sizes) };

fn recurrent_fits(gates: usize, x: &[Shape]) -> bool {
    let expected = |i: usize| -> Option<Shape> {
        let rows = x[1].first();
        Some(match i {
            2 => [rows, rows / gates].into(),
            _ => [rows].into(),
        })
    };
    x[0].rank() == 3
        && x.get(1).is_none_or(|w| w.rank() == 2 && w.first() % gates == 0 && w.last() == x[0].last())
        && (2..x.len()).all(|i| Some(x[i]) == expected(i))
}

fn next_of_recurrent(gates: usize, x: &[Shape], sizes: &mut Sizes<'_>) -> Shape {
    match x.len() {
        0 => sizes.extents::<3>(),
        1 => [gates * sizes.extent(), x[0].last()].into(),
        2 => [x[1].first(), x[1].first() / gates].into(),
        _ => [x[1].first()].into(),
    }
}

fn outer(shape: &Shape) -> &[usize] {
    shape.dims().split_last().map_or(&[], |(_, outer)| outer)
}

fn with_last(shape: &Shape, last: usize) -> Shape {
    let mut dims = shape.dims().to_vec();
    *dims.last_mut().expect("an axis") = last;
    Shape::try_from(&dims[..]).expect("the same rank")
}

/// No attributes.
fn none(_: &[Shape], _: &mut Draw) -> Vec<f64> {
    Vec::new()
}

/// The same number of elements under another shape: the axes in another order, some joined or split off.
fn regrouped(x: &[Shape], draw: &mut Draw) -> Vec<f64> {
    let mut dims = x[0].dims().to_vec();
    for i in (1..dims.len()).rev() {
        dims.swap(i, draw.whole(0, i));
    }
    for _ in 0..draw.whole(0, 2) {
        if dims.len() > 1 {
            let last = dims.pop().expect("an axis");
            dims[0] *= last;
        }
    }
    if dims.len() < MAX_RANK && draw.coin() {
        dims.insert(draw.whole(0, dims.len()), 1);
    }
    dims.iter().map(|&n| n as f64).collect()
}

/// How far values stay from a corner: some thousand steps of a numeric gradient, which the operations before may stretch.
const CLEAR: f64 = 1e-2;

/// Everywhere.
fn anywhere(_: &[&[f64]]) -> bool {
    true
}

/// No value of the first input near zero.
fn off_zero(x: &[&[f64]]) -> bool {
    x[0].iter().all(|x| x.abs() >= CLEAR)
}

/// Attribute `i` as an extent or an index.
fn whole(attributes: &[f64], i: usize) -> usize {
    attributes[i] as usize
}

/// Makes the table, and the function that records a row on a tape of either element type.
macro_rules! rules {
    ($($name:ident: $operands:ident, $attributes:expr, $count:expr, $smooth:expr, |$tape:ident, $x:ident, $a:pat_param| $record:expr;)+) => {
        /// All of them, simple ones first: a failing graph shrinks towards those.
        pub static RULES: &[Rule] = &[$(Rule {
            name: stringify!($name),
            operands: &$operands,
            attributes: $attributes,
            attribute_count: $count,
            smooth: $smooth,
        }),+];

        /// Records the operation `name` of the table.
        fn record<T: Float>(name: &str, tape: &mut Tape<T>, x: &[Tensor], attributes: &[f64]) -> Result<Tensor> {
            match name {
                $(stringify!($name) => {
                    let ($tape, $x, $a) = (tape, x, attributes);
                    $record
                })+
                _ => unreachable!("`{name}` is a row of the table"),
            }
        }
    };
}

// name: inputs, attributes, how many of them, where smooth, what it records
rules! {
    add: PAIR, none, 0..=0, anywhere, |tape, x, _| tape.add(x[0], x[1]);
    mul: PAIR, none, 0..=0, anywhere, |tape, x, _| tape.mul(x[0], x[1]);
    scale: ANY, |_, draw| vec![draw.number(-2.0, 2.0)], 1..=1, anywhere, |tape, x, a| tape.scale(x[0], a[0]);
    relu: ANY, none, 0..=0, off_zero, |tape, x, _| tape.relu(x[0]);
    sigmoid: ANY, none, 0..=0, anywhere, |tape, x, _| tape.sigmoid(x[0]);
    tanh: ANY, none, 0..=0, anywhere, |tape, x, _| tape.tanh(x[0]);
    softplus: ANY, none, 0..=0, anywhere, |tape, x, _| tape.softplus(x[0]);
    exp: ANY, none, 0..=0, anywhere, |tape, x, _| tape.exp(x[0]);
    sum: ANY, none, 0..=0, anywhere, |tape, x, _| tape.sum(x[0]);
    reshape: ANY, regrouped, 0..=MAX_RANK, anywhere, |tape, x, a| {
        let dims: Vec<usize> = a.iter().map(|&n| n as usize).collect();
        tape.reshape(x[0], Shape::try_from(&dims[..])?)
    };
    concat: JOINED, none, 0..=0, anywhere, |tape, x, _| tape.concat_all(x);
    transpose: SEQUENCE, none, 0..=0, anywhere, |tape, x, _| tape.transpose(x[0]);
    select: SEQUENCE, |x, draw| vec![draw.whole(0, x[0].dims()[1] - 1) as f64], 1..=1, anywhere, |tape, x, a| {
        tape.select(x[0], whole(a, 0))
    };
    repeat: MATRIX, |_, draw| vec![draw.whole(1, 3) as f64], 1..=1, anywhere, |tape, x, a| tape.repeat(x[0], whole(a, 0));
    channels_first: PICTURES, none, 0..=0, anywhere, |tape, x, _| tape.channels_first(x[0]);
    channels_last: PICTURES, none, 0..=0, anywhere, |tape, x, _| tape.channels_last(x[0]);
    avg_pool2d: PICTURES, none, 0..=0, anywhere, |tape, x, _| {
        tape.avg_pool2d(x[0], Window { kernel: (2, 2), stride: (1, 2), padding: (1, 1) }, false)
    };
    mse: PAIR, none, 0..=0, anywhere, |tape, x, _| tape.mse(x[0], x[1]);
    bce_with_logits: PAIR, none, 0..=0, anywhere, |tape, x, _| tape.bce_with_logits(x[0], x[1]);
    gaussian_kl: PAIR, none, 0..=0, anywhere, |tape, x, _| tape.gaussian_kl(x[0], x[1]);
    reparameterize: TRIPLE, none, 0..=0, anywhere, |tape, x, _| tape.reparameterize_with(x[0], x[1], x[2]);
    linear: LINEAR, none, 0..=0, anywhere, |tape, x, _| tape.linear(x[0], x[1], x[2]);
    conv2d: CONV, none, 0..=0, anywhere, |tape, x, _| {
        tape.conv2d(x[0], x[1], x[2], Conv { stride: (1, 1), padding: (1, 1), relu: false })
    };
    lstm: LSTM, none, 0..=0, anywhere, |tape, x, _| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], None, false);
    gru: GRU, none, 0..=0, anywhere, |tape, x, _| tape.gru(x[0], [x[1], x[2], x[3], x[4]], None, false);
}

impl Rule {
    /// The row with this name.
    ///
    /// # Errors
    /// If there is none; names those that there are.
    pub fn named(name: &str) -> Result<&'static Rule> {
        RULES.iter().find(|rule| rule.name == name).ok_or_else(|| {
            let known: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
            Error::shape("graph", format!("unknown operation `{name}`, expected one of {}", known.join(", ")))
        })
    }

    /// Records the operation.
    ///
    /// # Errors
    /// If inputs or attributes do not fit it.
    pub fn record<T: Float>(&self, tape: &mut Tape<T>, x: &[Tensor], attributes: &[f64]) -> Result<Tensor> {
        let counted = |what: &str, found: usize, expected: &RangeInclusive<usize>| match expected.contains(&found) {
            true => Ok(()),
            false => {
                let range = if expected.start() == expected.end() {
                    expected.start().to_string()
                } else {
                    format!("{} to {}", expected.start(), expected.end())
                };
                Err(Error::shape(self.name, format!("{found} {what}, expected {range}")))
            }
        };
        counted("inputs", x.len(), &self.operands.count)?;
        counted("attributes", attributes.len(), &self.attribute_count)?;
        record(self.name, tape, x, attributes)
    }
}
