//! The line of [`Copy`](crate::ops::Copy) in the table of operations.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`
//! - PyTorch: none, it moves values as they are

use super::case::{Spec, case};
use crate::copy::{Copy, NAME};

pub(super) const SPEC: Spec = Spec {
    name: NAME,
    formula: "y = x",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.record(Copy, x))
    },
};
