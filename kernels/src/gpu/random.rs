//! Sampling from a normal distribution with given mean and variance, and its gradient (`random.ptx`).

use super::launches::{Launches, Span, Target, int, read_or_none};

/// Elements that a thread owns: a block of the random generator.
const PER_THREAD: usize = 4;

/// Which gradient; the numbers of the kernel.
#[derive(Debug, Clone, Copy)]
enum Gradient {
    /// x / 2, for x = σ·ε
    LogVariance = 0,
    /// e^(x / 2), for x = ln σ²
    Noise = 1,
}

/// z = mu + e^(logvar / 2)·ε with ε of `noise`, or drawn where there is none: then of the key in the step's `record` and
/// `stream`. `saved`: σ·ε, as long as z, for the gradient.
#[allow(clippy::too_many_arguments)]
pub fn reparameterize(
    launches: &mut Launches,
    mu: Span,
    logvar: Span,
    noise: Option<Span>,
    record: Span,
    stream: usize,
    saved: Span,
    z: Span,
) {
    let args = [
        mu.read(),
        logvar.read(),
        read_or_none(noise),
        saved.write(),
        z.write(),
        record.read(),
        int(stream),
        int(z.len),
    ];
    launches.each("reparameterize", z.len.div_ceil(PER_THREAD), args);
}

fn backward(launches: &mut Launches, f: Gradient, x: Span, dz: Span, dx: Target) {
    let args = [x.read(), dz.read(), dx.arg(), int(dz.len), int(f as usize), dx.flag()];
    launches.each("reparameterize_backward", dz.len, args);
}

/// dlogvar = ½·σ·ε·dz, or added; `saved` is what [`reparameterize`] kept.
pub fn reparameterize_backward_logvar(launches: &mut Launches, saved: Span, dz: Span, dlogvar: Target) {
    backward(launches, Gradient::LogVariance, saved, dz, dlogvar);
}

/// dε = e^(logvar / 2)·dz, or added.
pub fn reparameterize_backward_noise(launches: &mut Launches, logvar: Span, dz: Span, dnoise: Target) {
    backward(launches, Gradient::Noise, logvar, dz, dnoise);
}
