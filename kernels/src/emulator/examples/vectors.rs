//! One number after the other, losses, sums and random numbers.

use super::{Example, Output, Result, Workshop};
use crate::gpu::{Target, activation, elementwise, loss, random, reduce};
use crate::launch::{Arg, Launch};

/// Classes of the losses' examples.
const CLASSES: usize = 5;

pub(super) const EXAMPLES: &[Example] = &[
    Example { entry: "axpy", about: "y = a*x + y, an element a thread", size: "elements", n: 300, prepare: axpy },
    Example { entry: "scale", about: "y = c*x", size: "elements", n: 300, prepare: scale },
    Example { entry: "fill", about: "y = c everywhere", size: "elements", n: 300, prepare: fill },
    Example { entry: "add", about: "y = a + b", size: "elements", n: 300, prepare: add },
    Example { entry: "multiply", about: "y = a*b", size: "elements", n: 300, prepare: multiply },
    Example { entry: "activation", about: "y = tanh x", size: "elements", n: 300, prepare: tanh },
    Example {
        entry: "activation_backward",
        about: "dx = dy*(1 - y^2), the gradient of tanh",
        size: "elements",
        n: 300,
        prepare: tanh_backward,
    },
    Example {
        entry: "reparameterize",
        about: "z = mu + e^(logvar / 2)*eps, eps drawn by Philox",
        size: "elements",
        n: 300,
        prepare: reparameterize,
    },
    Example {
        entry: "reparameterize_backward",
        about: "dlogvar = sigma*eps*dz / 2",
        size: "elements",
        n: 300,
        prepare: reparameterize_backward,
    },
    Example {
        entry: "loss_backward",
        about: "dx = (sigmoid(x) - t)*dy, the gradient of a cross-entropy",
        size: "elements",
        n: 300,
        prepare: loss_backward,
    },
    Example {
        entry: "softmax_cross_entropy",
        about: "p = softmax(x) of five classes, and -ln p[label]",
        size: "rows",
        n: 40,
        prepare: softmax,
    },
    Example {
        entry: "softmax_cross_entropy_backward",
        about: "dx = (p - onehot(label))*dy / rows",
        size: "rows",
        n: 40,
        prepare: softmax_backward,
    },
    Example {
        entry: "correct",
        about: "whether each row of five scores is largest at its label",
        size: "rows",
        n: 40,
        prepare: correct,
    },
    Example {
        entry: "sum_terms",
        about: "a sum across lanes and warps, in a fixed order",
        size: "elements",
        n: 1000,
        prepare: sum,
    },
];

fn axpy(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y) = (workshop.normal(n)?, workshop.normal(n)?);
    let args = vec![x.read(), y.update(), Arg::U32(n as u32), Arg::F32(2.0)];
    let grid = [n.div_ceil(256) as u32, 1, 1];
    // A kernel to learn from, which nothing else launches.
    workshop.launches.list.push(Launch { entry: "axpy", grid, block: [256, 1, 1], cluster: 1, shared_bytes: 0, args });
    Ok(Output::Singles(y))
}

fn scale(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y) = (workshop.normal(n)?, workshop.empty(n)?);
    elementwise::scale(&mut workshop.launches, x, 0.5, Target::write(y));
    Ok(Output::Singles(y))
}

fn fill(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let y = workshop.empty(n)?;
    elementwise::fill(&mut workshop.launches, 0.5, Target::write(y));
    Ok(Output::Singles(y))
}

fn add(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (a, b, y) = (workshop.normal(n)?, workshop.normal(n)?, workshop.empty(n)?);
    elementwise::add(&mut workshop.launches, a, b, y);
    Ok(Output::Singles(y))
}

fn multiply(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (a, b, y) = (workshop.normal(n)?, workshop.normal(n)?, workshop.empty(n)?);
    elementwise::multiply(&mut workshop.launches, a, b, Target::write(y));
    Ok(Output::Singles(y))
}

fn tanh(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y) = (workshop.normal(n)?, workshop.empty(n)?);
    activation::tanh(&mut workshop.launches, x, y);
    Ok(Output::Singles(y))
}

fn tanh_backward(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, dy, y, dx) = (workshop.normal(n)?, workshop.normal(n)?, workshop.empty(n)?, workshop.empty(n)?);
    activation::tanh(&mut workshop.launches, x, y);
    activation::tanh_backward(&mut workshop.launches, y, dy, Target::write(dx));
    Ok(Output::Singles(dx))
}

fn reparameterize(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (mu, logvar, record) = (workshop.normal(n)?, workshop.normal(n)?, workshop.record(0)?);
    let (saved, z) = (workshop.empty(n)?, workshop.empty(n)?);
    random::reparameterize(&mut workshop.launches, mu, logvar, None, record, 3, saved, z);
    Ok(Output::Singles(z))
}

fn reparameterize_backward(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (saved, dz, dlogvar) = (workshop.normal(n)?, workshop.normal(n)?, workshop.empty(n)?);
    random::reparameterize_backward_logvar(&mut workshop.launches, saved, dz, Target::write(dlogvar));
    Ok(Output::Singles(dlogvar))
}

fn loss_backward(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, t, dy, dx) = (workshop.normal(n)?, workshop.normal(n)?, workshop.floats(&[0.25])?, workshop.empty(n)?);
    loss::bce_with_logits_backward(&mut workshop.launches, x, t, dy, Target::write(dx));
    Ok(Output::Singles(dx))
}

fn softmax(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, labels) = (workshop.normal(n * CLASSES)?, workshop.labels(n, CLASSES)?);
    let (p, y, scratch) =
        (workshop.empty(n * CLASSES)?, workshop.empty(1)?, workshop.empty(loss::rows_scratch_len(n))?);
    loss::softmax_cross_entropy(&mut workshop.launches, x, labels, p, y, scratch);
    Ok(Output::Singles(p))
}

fn softmax_backward(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, labels, dy) = (workshop.normal(n * CLASSES)?, workshop.labels(n, CLASSES)?, workshop.floats(&[1.0])?);
    let (p, y, scratch) =
        (workshop.empty(n * CLASSES)?, workshop.empty(1)?, workshop.empty(loss::rows_scratch_len(n))?);
    let dx = workshop.empty(n * CLASSES)?;
    loss::softmax_cross_entropy(&mut workshop.launches, x, labels, p, y, scratch);
    loss::softmax_cross_entropy_backward(&mut workshop.launches, p, labels, dy, Target::write(dx));
    Ok(Output::Singles(dx))
}

fn correct(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, labels) = (workshop.normal(n * CLASSES)?, workshop.labels(n, CLASSES)?);
    let (y, scratch) = (workshop.empty(1)?, workshop.empty(loss::rows_scratch_len(n))?);
    loss::correct(&mut workshop.launches, x, labels, y, scratch);
    Ok(Output::Singles(scratch.part(0, n)))
}

fn sum(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y, scratch) = (workshop.normal(n)?, workshop.empty(1)?, workshop.empty(reduce::sum_scratch_len(n))?);
    reduce::sum(&mut workshop.launches, x, 1.0, y, scratch);
    Ok(Output::Singles(y))
}
