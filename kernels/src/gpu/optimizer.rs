//! Moving all parameters at once, and the gradients' clipping (`optimizer.ptx`). Rates and corrections stand in the step's
//! record ([`step`](super::step)).

use super::launches::{Launches, Span, int, read_or_none};
use super::reduce::squared_norm;
use crate::launch::Arg;

/// Adam with PyTorch's defaults: β₁ 0.9, β₂ 0.999, eps 1e-8. Gradients are scaled by the number `clip` where it is given.
pub fn adam(launches: &mut Launches, clip: Option<Span>, record: Span, params: Span, grads: Span, m: Span, v: Span) {
    let (n, clip) = (int(params.len), read_or_none(clip));
    let args = [params.update(), grads.read(), m.update(), v.update(), clip, record.read(), n];
    launches.each("adam", params.len, args);
}

/// Gradient descent with momentum. Gradients are scaled by the number `clip` where it is given.
pub fn sgd(
    launches: &mut Launches,
    momentum: f32,
    clip: Option<Span>,
    record: Span,
    params: Span,
    grads: Span,
    velocity: Span,
) {
    let (n, clip) = (int(params.len), read_or_none(clip));
    let args = [params.update(), grads.read(), velocity.update(), clip, record.read(), n, Arg::F32(momentum)];
    launches.each("sgd", params.len, args);
}

/// clip = min(1, max / ‖grads‖). `norm`: one number; `scratch`: that of a sum over `grads`.
pub fn clip_scale(launches: &mut Launches, grads: Span, max: f32, norm: Span, clip: Span, scratch: Span) {
    squared_norm(launches, grads, norm, scratch);
    launches.block("clip_scale", 1, [norm.read(), clip.write(), Arg::F32(max)]);
}
