//! What goes around a step that is replayed (`step.ptx`).

use super::launches::{Launches, Span, int, read_or_none};
use crate::launch::Arg;

/// Words of a step's record (`optimizer.ptx` lists them).
pub const RECORD: usize = 8;

/// Makes the next row of `window` the step's `record`.
pub fn begin_step(launches: &mut Launches, window: Span, record: Span) {
    launches.block("begin_step", RECORD, [window.read(), record.write()]);
}

/// Adds a batch's losses to the sums of `window`, each times `weight`, and right answers and drawings as they are; goes on
/// to the next row.
pub fn tally(
    launches: &mut Launches,
    window: Span,
    record: Span,
    [loss, bce, kl, mse, right]: [Option<Span>; 5],
    weight: f32,
    drawings: usize,
) {
    let [loss, bce, kl, mse, right] = [loss, bce, kl, mse, right].map(read_or_none);
    let args = [window.update(), record.read(), loss, bce, kl, mse, right, Arg::F32(weight), int(drawings)];
    launches.block("tally", 1, args);
}
