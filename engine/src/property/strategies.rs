//! Strategies for shapes, values and tensors.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::strategy::Strategy;

use crate::ops::CaseInput;
use crate::{MAX_RANK, Shape};

/// Shapes with a number of axes in `rank`, none of 0, and at most `elements` elements. They shrink to fewer axes and smaller
/// extents.
///
/// # Panics
/// If `rank` is empty or goes beyond [`MAX_RANK`], or `elements` is 0.
pub fn shapes(rank: RangeInclusive<usize>, elements: usize) -> impl Strategy<Value = Shape> + Clone {
    assert!(
        !rank.is_empty() && *rank.end() <= MAX_RANK,
        "shapes of rank {rank:?}, expected a range within 0 to {MAX_RANK}"
    );
    assert!(elements > 0, "shapes of at most 0 elements, expected at least 1");
    vec(1..=elements.min(16), rank).prop_map(move |mut dims| {
        // The largest extent gives way, so that no axis is always 1.
        while dims.iter().product::<usize>() > elements {
            let largest = dims.iter_mut().max().expect("an axis: an empty product is 1");
            *largest = largest.div_ceil(2);
        }
        Shape::try_from(&dims[..]).expect("a rank within the limit")
    })
}

/// Numbers within (−2, 2), none within 0.01 of zero, where |x| and max(x, 0) have no derivative. They shrink towards 0.01, to
/// the smallest that fails.
pub fn values() -> impl Strategy<Value = f64> + Clone {
    // Of whole numbers, since proptest halves their distance, but makes the smallest of a floating-point number or nothing.
    const GRID: u32 = 1 << 20;
    (0..GRID, any::<bool>()).prop_map(|(n, negative)| {
        let x = 0.01 + 1.99 * f64::from(n) / f64::from(GRID);
        if negative { -x } else { x }
    })
}

/// Differentiable tensors of these shapes, their values drawn by [`values`].
pub fn tensors(shapes: impl Into<Vec<Shape>>) -> impl Strategy<Value = Vec<CaseInput>> + Clone {
    tensors_of(shapes, values())
}

/// Differentiable tensors of these shapes with values of one's choosing, such as `0.5..2.0` for a logarithm.
pub fn tensors_of<S: Strategy<Value = f64> + Clone>(
    shapes: impl Into<Vec<Shape>>,
    values: S,
) -> impl Strategy<Value = Vec<CaseInput>> + Clone {
    let shapes = shapes.into();
    shapes
        .iter()
        .map(|&shape| {
            let all = vec(values.clone(), shape.len());
            all.prop_map(move |values| CaseInput { shape, values, differentiable: true })
        })
        .collect::<Vec<_>>()
}

/// `n` differentiable tensors of one shape, of rank 0 to 6 and at most 32 elements. They shrink to a smaller shape first, then to
/// smaller values.
pub fn alike(n: usize) -> impl Strategy<Value = Vec<CaseInput>> + Clone {
    const ELEMENTS: usize = 32;
    let all = vec(vec(values(), ELEMENTS), n);
    (shapes(0..=MAX_RANK, ELEMENTS), all).prop_map(|(shape, all)| {
        let first = |values: &Vec<f64>| values[..shape.len()].to_vec();
        all.iter().map(|values| CaseInput { shape, values: first(values), differentiable: true }).collect()
    })
}
