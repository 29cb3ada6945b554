//! Both convolutions and their gradients.

use super::{Example, Output, Result, Workshop};
use crate::cpu::conv::{Geometry, Grid};
use crate::gpu::Target;
use crate::gpu::conv;
use crate::gpu::gemm::Epilogue;

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        entry: "conv_down",
        about: "a convolution by tiles: 3x3, stride 2, 16 to 32 channels",
        size: "rows of a square picture",
        n: 28,
        prepare: |workshop, n| down(workshop, three(n, 16, 32)),
    },
    Example {
        entry: "conv_down_tensor",
        about: "a convolution on tensor cores: 3x3, stride 2, 16 to 32 channels",
        size: "rows of a square picture",
        n: 28,
        prepare: |workshop, n| down(workshop.with_tensor_cores(), three(n, 16, 32)),
    },
    Example {
        entry: "conv_up",
        about: "a transposed convolution by tiles: 4x4, stride 2, 32 to 16 channels",
        size: "rows of a square picture",
        n: 7,
        prepare: |workshop, n| up(workshop, four(n, 16, 32)),
    },
    Example {
        entry: "conv_up_tensor",
        about: "a transposed convolution on tensor cores: 4x4, stride 2, 32 to 16 channels",
        size: "rows of a square picture",
        n: 7,
        prepare: |workshop, n| up(workshop.with_tensor_cores(), four(n, 16, 32)),
    },
    Example {
        entry: "conv_up_single",
        about: "a transposed convolution to one channel: 4x4, stride 2, of 16 channels",
        size: "rows of a square picture",
        n: 14,
        prepare: |workshop, n| up(workshop, four(n, 1, 16)),
    },
    Example {
        entry: "conv_weight",
        about: "a convolution's weight gradient: 3x3, stride 2, 16 to 32 channels",
        size: "rows of a square picture",
        n: 14,
        prepare: |workshop, n| weight_gradient(workshop, three(n, 16, 32), false),
    },
    Example {
        entry: "conv_weight_single",
        about: "a convolution's weight gradient: 3x3, stride 2, 1 to 32 channels",
        size: "rows of a square picture",
        n: 28,
        prepare: |workshop, n| weight_gradient(workshop, three(n, 1, 32), false),
    },
    Example {
        entry: "conv_weight_tensor",
        about: "a convolution's weight gradient on tensor cores: 3x3, stride 2, 16 to 32 channels",
        size: "rows of a square picture",
        n: 14,
        prepare: |workshop, n| weight_gradient(workshop.with_tensor_cores(), three(n, 16, 32), false),
    },
    Example {
        entry: "conv_weight_sums",
        about: "a weight gradient's slices added, in PyTorch's order: 3x3, 16 to 32 channels",
        size: "rows of a square picture",
        n: 14,
        prepare: |workshop, n| weight_gradient(workshop.with_tensor_cores(), three(n, 16, 32), true),
    },
];

/// 3×3 with stride 2 on a square picture of `n` rows.
fn three(n: usize, big: usize, small: usize) -> Geometry {
    geometry([n, n.div_ceil(2)], [big, small], 3)
}

/// 4×4 with stride 2 from a square picture of `n` rows to one of twice as many.
fn four(n: usize, big: usize, small: usize) -> Geometry {
    geometry([2 * n, n], [big, small], 4)
}

fn geometry([big, small]: [usize; 2], [big_channels, small_channels]: [usize; 2], kernel: usize) -> Geometry {
    Geometry {
        batch: 1,
        small: Grid { height: small, width: small, channels: small_channels },
        big: Grid { height: big, width: big, channels: big_channels },
        kernel: (kernel, kernel),
        stride: (2, 2),
        padding: (1, 1),
    }
}

fn down(workshop: &mut Workshop, geometry: Geometry) -> Result<Output> {
    let (big, w) = (workshop.normal(geometry.big.len())?, workshop.normal(geometry.weights())?);
    let (packed, small) = (workshop.empty(conv::packed_len(&geometry))?, workshop.empty(geometry.small.len())?);
    let launches = &mut workshop.launches;
    let w = conv::pack_weights(launches, &geometry, w, packed);
    conv::down(launches, &geometry, big, w, Epilogue::NONE, Target::write(small));
    Ok(Output::Singles(small))
}

fn up(workshop: &mut Workshop, geometry: Geometry) -> Result<Output> {
    let (small, w) = (workshop.normal(geometry.small.len())?, workshop.normal(geometry.weights())?);
    let (packed, big) = (workshop.empty(conv::packed_len(&geometry))?, workshop.empty(geometry.big.len())?);
    let launches = &mut workshop.launches;
    let w = conv::pack_weights(launches, &geometry, w, packed);
    conv::up(launches, &geometry, small, w, Epilogue::NONE, Target::write(big));
    Ok(Output::Singles(big))
}

/// A weight gradient, of which a slice is looked at if there are some, or the `whole`.
fn weight_gradient(workshop: &mut Workshop, geometry: Geometry, whole: bool) -> Result<Output> {
    let (small, big) = (workshop.normal(geometry.small.len())?, workshop.normal(geometry.big.len())?);
    let (dw, scratch) =
        (workshop.empty(geometry.weights())?, workshop.empty(conv::weight_gradient_scratch_len(&geometry))?);
    conv::weight_gradient(&mut workshop.launches, &geometry, small, big, Target::write(dw), scratch);
    // Sums over many pixels are cut into slices, which a second launch adds.
    let slices = workshop.launches.list.len() > 1 && !whole;
    Ok(Output::Singles(if slices { scratch.part(0, geometry.weights()) } else { dw }))
}
