//! The operations that graphs as data are made of, a row each.

use std::ops::RangeInclusive;

use inkgrad_kernels::Float;

use super::operands::{
    ANY, CONV, CONV_TRANSPOSE, GRU, JOINED, LINEAR, LINEAR_ALONE, LSTM, MATRIX, NORMED, PAIR, PICTURES, PRODUCT,
    SEQUENCE, STRETCHED, TRIPLE, WITH_AXES, products,
};
pub use super::operands::{Operands, Sizes};
use crate::ops::{Conv, ConvTranspose, Draw, Transposed, Window};
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
    /// Where it has a derivative.
    pub smooth: Smooth,
}

/// Where an operation has a derivative, and not only just.
#[derive(Debug, Clone, Copy)]
pub enum Smooth {
    /// Everywhere, and the same one: it is linear in all inputs together, so that values need not be known.
    Linear,
    /// Everywhere.
    Everywhere,
    /// Where this says so.
    Where(fn(&Point<'_>) -> bool),
}

/// The operands that an operation is given.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a> {
    /// The shapes of its inputs.
    pub shapes: &'a [Shape],
    /// Its attributes.
    pub attributes: &'a [f64],
    /// The values of its inputs, row-major.
    pub values: &'a [&'a [f64]],
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.name == other.name
    }
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

/// How far they stay from a pole, near which slopes grow.
const FAR: f64 = 0.3;

/// The first input off zero.
fn off_zero(at: &Point<'_>) -> bool {
    at.values[0].iter().all(|x| x.abs() >= CLEAR)
}

/// The first input positive.
fn positive(at: &Point<'_>) -> bool {
    at.values[0].iter().all(|&x| x >= FAR)
}

/// The second input far from zero.
fn divisible(at: &Point<'_>) -> bool {
    at.values[1].iter().all(|x| x.abs() >= FAR)
}

/// A base whose power of [`POWERS`] has a slope.
fn raised(at: &Point<'_>) -> bool {
    let p = at.attributes[0];
    p > 1.0 && p.fract() == 0.0 || positive(at)
}

/// One maximum along an axis, by a distance.
fn one_maximum(at: &Point<'_>) -> bool {
    let (dims, axis) = (at.shapes[0].dims(), whole(at.attributes, 0));
    let inner: usize = dims[axis + 1..].iter().product();
    (0..at.values[0].len()).filter(|i| (i / inner).is_multiple_of(dims[axis])).all(|first| {
        let line = (0..dims[axis]).map(|k| at.values[0][first + k * inner]);
        apart(line)
    })
}

/// One maximum in each window of 2×2, stride (1, 2), padding (1, 1).
fn one_maximum_a_window(at: &Point<'_>) -> bool {
    let &[batch, height, width, channels] = at.shapes[0].dims() else { return false };
    let pixel = |b, y, x, c| at.values[0][((b * height + y) * width + x) * channels + c];
    let seen = |p: usize, stride: usize, extent: usize| (p * stride).saturating_sub(1)..(p * stride + 1).min(extent);
    (0..batch).all(|b| {
        (0..channels).all(|c| {
            (0..=height).all(|top| {
                (0..=width / 2).all(|left| {
                    let columns = seen(left, 2, width);
                    apart(seen(top, 1, height).flat_map(|y| columns.clone().map(move |x| pixel(b, y, x, c))))
                })
            })
        })
    })
}

/// Whether the largest value is the largest by a distance.
fn apart(values: impl Iterator<Item = f64>) -> bool {
    let (mut first, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for value in values {
        (first, second) = (first.max(value), second.max(first.min(value)));
    }
    second == f64::NEG_INFINITY || first - second >= CLEAR
}

/// Powers with and without logarithms, and one that has a pole.
const POWERS: [f64; 5] = [2.0, 3.0, -1.0, 0.5, 1.5];

fn power(_: &[Shape], draw: &mut Draw) -> Vec<f64> {
    vec![POWERS[draw.whole(0, POWERS.len() - 1)]]
}

/// An axis of the first input.
fn axis(x: &[Shape], draw: &mut Draw) -> Vec<f64> {
    vec![draw.whole(0, x[0].rank() - 1) as f64]
}

/// An axis, and where its part starts and ends.
fn part(x: &[Shape], draw: &mut Draw) -> Vec<f64> {
    let axis = draw.whole(0, x[0].rank() - 1);
    let start = draw.whole(0, x[0].dims()[axis] - 1);
    let end = draw.whole(start + 1, x[0].dims()[axis]);
    [axis, start, end].map(|n| n as f64).to_vec()
}

/// The axes in some order.
fn order(x: &[Shape], draw: &mut Draw) -> Vec<f64> {
    let mut axes: Vec<usize> = (0..x[0].rank()).collect();
    for i in (1..axes.len()).rev() {
        axes.swap(i, draw.whole(0, i));
    }
    axes.iter().map(|&axis| axis as f64).collect()
}

/// Extents that the first input can be stretched to.
fn stretched(x: &[Shape], draw: &mut Draw) -> Vec<f64> {
    let mut dims: Vec<usize> = x[0].dims().iter().map(|&n| if n == 1 { draw.whole(1, 3) } else { n }).collect();
    while dims.len() < MAX_RANK && draw.whole(0, 2) == 0 {
        dims.insert(0, draw.whole(1, 2));
    }
    dims.iter().map(|&n| n as f64).collect()
}

/// Which operands of a product lie transposed: 1 for those that do.
fn transposed(x: &[Shape], draw: &mut Draw) -> Vec<f64> {
    let ways = products(&x[0], &x[1]);
    let Transposed { a, b } = ways[draw.whole(0, ways.len() - 1)];
    [a, b].map(|yes| f64::from(u8::from(yes))).to_vec()
}

/// An eps large enough for channels without variance.
fn eps(_: &[Shape], draw: &mut Draw) -> Vec<f64> {
    vec![draw.number(0.1, 0.5)]
}

/// Attribute `i` as an extent or an index.
fn whole(attributes: &[f64], i: usize) -> usize {
    attributes[i] as usize
}

/// The attributes as a shape.
fn shape(attributes: &[f64]) -> Result<Shape> {
    let dims: Vec<usize> = attributes.iter().map(|&n| n as usize).collect();
    Shape::try_from(&dims[..])
}

/// The pooling of both kinds.
const WINDOW: Window = Window { kernel: (2, 2), stride: (1, 2), padding: (1, 1) };

use Smooth::{Everywhere, Linear, Where};

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
    add: PAIR, none, 0..=0, Linear, |tape, x, _| tape.add(x[0], x[1]);
    sub: STRETCHED, none, 0..=0, Linear, |tape, x, _| tape.sub(x[0], x[1]);
    mul: PAIR, none, 0..=0, Everywhere, |tape, x, _| tape.mul(x[0], x[1]);
    div: STRETCHED, none, 0..=0, Where(divisible), |tape, x, _| tape.div(x[0], x[1]);
    scale: ANY, |_, draw| vec![draw.number(-2.0, 2.0)], 1..=1, Linear, |tape, x, a| tape.scale(x[0], a[0]);
    neg: ANY, none, 0..=0, Linear, |tape, x, _| tape.neg(x[0]);
    relu: ANY, none, 0..=0, Where(off_zero), |tape, x, _| tape.relu(x[0]);
    leaky_relu: ANY, |_, draw| vec![draw.number(-0.5, 0.5)], 1..=1, Where(off_zero), |tape, x, a| {
        tape.leaky_relu(x[0], a[0])
    };
    abs: ANY, none, 0..=0, Where(off_zero), |tape, x, _| tape.abs(x[0]);
    sigmoid: ANY, none, 0..=0, Everywhere, |tape, x, _| tape.sigmoid(x[0]);
    tanh: ANY, none, 0..=0, Everywhere, |tape, x, _| tape.tanh(x[0]);
    softplus: ANY, none, 0..=0, Everywhere, |tape, x, _| tape.softplus(x[0]);
    gelu: ANY, none, 0..=0, Everywhere, |tape, x, _| tape.gelu(x[0]);
    gelu_tanh: ANY, none, 0..=0, Everywhere, |tape, x, _| tape.gelu_tanh(x[0]);
    exp: ANY, none, 0..=0, Everywhere, |tape, x, _| tape.exp(x[0]);
    ln: ANY, none, 0..=0, Where(positive), |tape, x, _| tape.ln(x[0]);
    sqrt: ANY, none, 0..=0, Where(positive), |tape, x, _| tape.sqrt(x[0]);
    pow: ANY, power, 1..=1, Where(raised), |tape, x, a| tape.pow(x[0], a[0]);
    dropout: ANY, |_, draw| vec![draw.number(0.1, 0.5)], 1..=1, Linear, |tape, x, a| tape.dropout(x[0], a[0]);
    sum: ANY, none, 0..=0, Linear, |tape, x, _| tape.sum(x[0]);
    mean: ANY, none, 0..=0, Linear, |tape, x, _| tape.mean(x[0]);
    sum_axis: WITH_AXES, axis, 1..=1, Linear, |tape, x, a| tape.sum_axis(x[0], whole(a, 0));
    mean_axis: WITH_AXES, axis, 1..=1, Linear, |tape, x, a| tape.mean_axis(x[0], whole(a, 0));
    max_axis: WITH_AXES, axis, 1..=1, Where(one_maximum), |tape, x, a| tape.max_axis(x[0], whole(a, 0));
    softmax: WITH_AXES, none, 0..=0, Everywhere, |tape, x, _| tape.softmax(x[0]);
    log_softmax: WITH_AXES, none, 0..=0, Everywhere, |tape, x, _| tape.log_softmax(x[0]);
    logsumexp: WITH_AXES, none, 0..=0, Everywhere, |tape, x, _| tape.logsumexp(x[0]);
    reshape: ANY, regrouped, 0..=MAX_RANK, Linear, |tape, x, a| tape.reshape(x[0], shape(a)?);
    broadcast: ANY, stretched, 0..=MAX_RANK, Linear, |tape, x, a| tape.broadcast(x[0], shape(a)?);
    permute: ANY, order, 0..=MAX_RANK, Linear, |tape, x, a| {
        let axes: Vec<usize> = a.iter().map(|&n| n as usize).collect();
        tape.permute(x[0], &axes)
    };
    slice: WITH_AXES, part, 3..=3, Linear, |tape, x, a| tape.slice(x[0], whole(a, 0), whole(a, 1)..whole(a, 2));
    concat: JOINED, none, 0..=0, Linear, |tape, x, _| tape.concat_all(x);
    transpose: SEQUENCE, none, 0..=0, Linear, |tape, x, _| tape.transpose(x[0]);
    select: SEQUENCE, |x, draw| vec![draw.whole(0, x[0].dims()[1] - 1) as f64], 1..=1, Linear, |tape, x, a| {
        tape.select(x[0], whole(a, 0))
    };
    repeat: MATRIX, |_, draw| vec![draw.whole(1, 3) as f64], 1..=1, Linear, |tape, x, a| tape.repeat(x[0], whole(a, 0));
    channels_first: PICTURES, none, 0..=0, Linear, |tape, x, _| tape.channels_first(x[0]);
    channels_last: PICTURES, none, 0..=0, Linear, |tape, x, _| tape.channels_last(x[0]);
    avg_pool2d: PICTURES, none, 0..=0, Linear, |tape, x, _| tape.avg_pool2d(x[0], WINDOW, false);
    max_pool2d: PICTURES, none, 0..=0, Where(one_maximum_a_window), |tape, x, _| tape.max_pool2d(x[0], WINDOW);
    mse: PAIR, none, 0..=0, Everywhere, |tape, x, _| tape.mse(x[0], x[1]);
    bce_with_logits: PAIR, none, 0..=0, Everywhere, |tape, x, _| tape.bce_with_logits(x[0], x[1]);
    gaussian_kl: PAIR, none, 0..=0, Everywhere, |tape, x, _| tape.gaussian_kl(x[0], x[1]);
    reparameterize: TRIPLE, none, 0..=0, Everywhere, |tape, x, _| tape.reparameterize_with(x[0], x[1], x[2]);
    layer_norm: NORMED, eps, 1..=1, Everywhere, |tape, x, a| tape.layer_norm(x[0], x[1], x[2], a[0]);
    batch_norm: NORMED, eps, 1..=1, Everywhere, |tape, x, a| {
        let statistics = tape.batch_norm_statistics(x[0])?;
        tape.batch_norm(x[0], statistics, x[1], x[2], a[0])
    };
    matmul: PRODUCT, transposed, 2..=2, Everywhere, |tape, x, a| {
        tape.matmul_with(x[0], x[1], Transposed { a: a[0] != 0.0, b: a[1] != 0.0 })
    };
    linear: LINEAR, none, 0..=0, Everywhere, |tape, x, _| tape.linear(x[0], x[1], x[2]);
    linear_without_bias: LINEAR_ALONE, none, 0..=0, Everywhere, |tape, x, _| tape.linear_without_bias(x[0], x[1]);
    conv2d: CONV, none, 0..=0, Everywhere, |tape, x, _| {
        tape.conv2d(x[0], x[1], x[2], Conv { stride: (1, 1), padding: (1, 1), relu: false })
    };
    conv_transpose2d: CONV_TRANSPOSE, none, 0..=0, Everywhere, |tape, x, _| {
        let conv = ConvTranspose { stride: (2, 1), padding: (1, 0), output_padding: (1, 0), relu: false };
        tape.conv_transpose2d(x[0], x[1], x[2], conv)
    };
    lstm: LSTM, none, 0..=0, Everywhere, |tape, x, _| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], None, false);
    gru: GRU, none, 0..=0, Everywhere, |tape, x, _| tape.gru(x[0], [x[1], x[2], x[3], x[4]], None, false);
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
