//! One number after the other (`elementwise.ptx`): scaling, filling, sums and products.

use super::launches::{Launches, Span, Target, int, read_or_none};
use crate::launch::Arg;

/// y = c·x, or added.
pub fn scale(launches: &mut Launches, x: Span, c: f32, y: Target) {
    launches.each("scale", y.span.len, [x.read(), y.arg(), int(y.span.len), Arg::F32(c), y.flag()]);
}

/// y = x, or added.
pub fn copy(launches: &mut Launches, x: Span, y: Target) {
    scale(launches, x, 1.0, y);
}

/// y = c everywhere, or added.
pub fn fill(launches: &mut Launches, c: f32, y: Target) {
    fill_times(launches, None, c, y);
}

/// y = the one number x everywhere, or added.
pub fn spread(launches: &mut Launches, x: Span, y: Target) {
    fill_times(launches, Some(x), 1.0, y);
}

fn fill_times(launches: &mut Launches, x: Option<Span>, c: f32, y: Target) {
    launches.each("fill", y.span.len, [read_or_none(x), y.arg(), int(y.span.len), Arg::F32(c), y.flag()]);
}

/// y = a + b.
pub fn add(launches: &mut Launches, a: Span, b: Span, y: Span) {
    launches.each("add", y.len, [a.read(), b.read(), y.write(), int(y.len)]);
}

/// y = a·b, or added.
pub fn multiply(launches: &mut Launches, a: Span, b: Span, y: Target) {
    launches.each("multiply", y.span.len, [a.read(), b.read(), y.arg(), int(y.span.len), y.flag()]);
}
