//! Launches around a step that is replayed (`step.ptx`): its record, and the sums that it adds to.

use super::launches::{Launches, NONE, Span, int};
use crate::launch::Arg;

/// Words of a step's record (`optimizer.ptx` lists them).
pub const RECORD: usize = 8;

/// How many sums [`tally`] adds to at most.
pub const SUMS: usize = 8;

/// Makes the next row of `window` the step's `record`.
pub fn begin_step(launches: &mut Launches, window: Span, record: Span) {
    launches.block("begin_step", RECORD, [window.read(), record.write()]);
}

/// Adds numbers to the sums of `window`, each times its weight, and a count of drawings; goes on to the next row. Where the
/// first number is not finite, the step of `record` is noted.
///
/// # Panics
/// If there are no numbers or more than [`SUMS`].
pub fn tally(launches: &mut Launches, window: Span, record: Span, numbers: &[(Span, f64)], drawings: usize) {
    assert!((1..=SUMS).contains(&numbers.len()), "{} sums, expected 1 to {SUMS}", numbers.len());
    let mut args = vec![window.update(), record.read()];
    args.extend((0..SUMS).map(|i| numbers.get(i).map_or(NONE, |(span, _)| span.read())));
    args.extend((0..SUMS).map(|i| Arg::F32(numbers.get(i).map_or(0.0, |&(_, weight)| weight as f32))));
    args.push(int(drawings));
    launches.block("tally", SUMS, args);
}
