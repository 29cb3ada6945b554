//! The inputs that operations take: which shapes fit each other, and how one that fits is drawn.

use std::ops::RangeInclusive;

use crate::ops::{Draw, Transposed};
use crate::{MAX_RANK, Shape};

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
pub(super) const ANY: Operands = Operands { count: 1..=1, fits: |_| true, next: |_, sizes| sizes.shape() };

/// Two tensors of one shape.
pub(super) const PAIR: Operands = Operands {
    count: 2..=2,
    fits: |x| x.iter().all(|shape| *shape == x[0]),
    next: |x, sizes| x.first().copied().unwrap_or_else(|| sizes.shape()),
};

/// Three of one shape.
pub(super) const TRIPLE: Operands = Operands { count: 3..=3, ..PAIR };

/// Any one tensor with an axis.
pub(super) const WITH_AXES: Operands = Operands {
    count: 1..=1,
    fits: |x| x[0].rank() > 0,
    next: |_, sizes| match sizes.shape() {
        Shape::SCALAR => sizes.extents::<1>(),
        shape => shape,
    },
};

/// Two tensors whose axes, counted from the right, are equal or 1.
pub(super) const STRETCHED: Operands = Operands {
    count: 2..=2,
    fits: |x| match x {
        [a, b] => a.dims().iter().rev().zip(b.dims().iter().rev()).all(|(&m, &n)| m == n || m == 1 || n == 1),
        _ => true,
    },
    next: |x, sizes| match x.first() {
        None => sizes.shape(),
        Some(first) => {
            let mut dims = first.dims().to_vec();
            for n in &mut dims {
                *n = if *n == 1 {
                    sizes.draw.whole(1, 2)
                } else if sizes.draw.coin() {
                    1
                } else {
                    *n
                };
            }
            Shape::try_from(&dims[sizes.draw.whole(0, dims.len())..]).expect("at most as many axes")
        }
    },
};

/// Two batches of matrices that can be multiplied, as they are or transposed.
pub(super) const PRODUCT: Operands = Operands {
    count: 2..=2,
    fits: |x| match x {
        [a, b] => !products(a, b).is_empty(),
        _ => x[0].rank() >= 2,
    },
    next: |x, sizes| match x.first() {
        None if sizes.draw.coin() => sizes.extents::<2>(),
        None => sizes.extents::<3>(),
        Some(a) => {
            let mut dims = a.dims().to_vec();
            let rank = dims.len();
            let k = dims[sizes.draw.whole(rank - 2, rank - 1)];
            let pair = if sizes.draw.coin() { [k, sizes.extent()] } else { [sizes.extent(), k] };
            dims[rank - 2..].copy_from_slice(&pair);
            Shape::try_from(&dims[..]).expect("as many axes")
        }
    },
};

/// Which of two batches of matrices may be transposed so that they can be multiplied.
pub(super) fn products(a: &Shape, b: &Shape) -> Vec<Transposed> {
    let mut found = Vec::new();
    if a.rank() == b.rank() && a.rank() >= 2 && a.dims()[..a.rank() - 2] == b.dims()[..b.rank() - 2] {
        for [i, j] in [[false, false], [false, true], [true, false], [true, true]] {
            let columns = a.dims()[a.rank() - if i { 2 } else { 1 }];
            let rows = b.dims()[b.rank() - if j { 1 } else { 2 }];
            found.extend((columns == rows).then_some(Transposed { a: i, b: j }));
        }
    }
    found
}

/// x (…, C), weight (C), bias (C).
pub(super) const NORMED: Operands = Operands {
    count: 3..=3,
    fits: |x| x[0].rank() >= 2 && x[1..].iter().all(|shape| shape.dims() == [x[0].last()]),
    next: |x, sizes| match x.first() {
        None if sizes.draw.coin() => sizes.extents::<2>(),
        None => sizes.extents::<4>(),
        Some(x) => [x.last()].into(),
    },
};

/// A matrix.
pub(super) const MATRIX: Operands =
    Operands { count: 1..=1, fits: |x| x[0].rank() == 2, next: |_, sizes| sizes.extents::<2>() };

/// A sequence, (batch, time, features).
pub(super) const SEQUENCE: Operands =
    Operands { count: 1..=1, fits: |x| x[0].rank() == 3, next: |_, sizes| sizes.extents::<3>() };

/// Pictures, (batch, height, width, channels).
pub(super) const PICTURES: Operands =
    Operands { count: 1..=1, fits: |x| x[0].rank() == 4, next: |_, sizes| sizes.extents::<4>() };

/// Tensors whose axes but for the last are equal.
pub(super) const JOINED: Operands = Operands {
    count: 1..=4,
    fits: |x| x.iter().all(|shape| shape.rank() > 0 && outer(shape) == outer(&x[0])),
    next: |x, sizes| match x.first() {
        None => sizes.extents::<2>(),
        Some(first) => with_last(first, sizes.extent()),
    },
};

/// x (B, I), weight (O, I), bias (O).
pub(super) const LINEAR: Operands = Operands {
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

/// x (B, I), weight (O, I).
pub(super) const LINEAR_ALONE: Operands = Operands { count: 2..=2, ..LINEAR };

/// x (B, H, W, C), weight (O, C, 2, 2), bias (O).
pub(super) const CONV: Operands = Operands {
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

/// x (B, H, W, C), weight (C, O, 2, 2), bias (O).
pub(super) const CONV_TRANSPOSE: Operands = Operands {
    count: 3..=3,
    fits: |x| match x.iter().map(Shape::dims).collect::<Vec<_>>()[..] {
        [[_, _, _, _]] => true,
        [[_, _, _, c], [d, _, 2, 2]] => c == d,
        [[_, _, _, c], [d, o, 2, 2], [n]] => c == d && o == n,
        _ => false,
    },
    next: |x, sizes| match *x {
        [] => sizes.extents::<4>(),
        [x] => [x.last(), sizes.extent(), 2, 2].into(),
        _ => [x[1].dims()[1]].into(),
    },
};

/// x (B, T, I), weight_ih (4·H, I), weight_hh (4·H, H), bias_ih (4·H), bias_hh (4·H).
pub(super) const LSTM: Operands =
    Operands { count: 5..=5, fits: |x| recurrent_fits(4, x), next: |x, sizes| next_of_recurrent(4, x, sizes) };

/// The same with three gates.
pub(super) const GRU: Operands =
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
