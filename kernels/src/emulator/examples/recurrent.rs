//! LSTM and GRU layers over three steps of four sequences, and of as many as are asked for by clusters.

use super::{Example, Output, Result, Workshop};
use crate::cpu::recurrent::RecurrentShape;
use crate::gpu::lstm::{Gradients, Inputs};
use crate::gpu::{gru, lstm};
use crate::ptx::CLUSTERS_FROM;

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        entry: "lstm_forward",
        about: "an LSTM over three steps of four sequences",
        size: "units",
        n: 16,
        prepare: |workshop, n| lstm(shape(n), workshop, false),
    },
    Example {
        entry: "lstm_backward",
        about: "an LSTM's gradient back through three steps of four sequences",
        size: "units",
        n: 16,
        prepare: |workshop, n| lstm(shape(n), workshop, true),
    },
    Example {
        entry: "gru_forward",
        about: "a GRU over three steps of four sequences",
        size: "units",
        n: 16,
        prepare: |workshop, n| gru(shape(n), workshop, false),
    },
    Example {
        entry: "gru_backward",
        about: "a GRU's gradient back through three steps of four sequences",
        size: "units",
        n: 16,
        prepare: |workshop, n| gru(shape(n), workshop, true),
    },
    Example {
        entry: "lstm_small_forward",
        about: "an LSTM of 28 units over three steps, on tensor cores",
        size: "sequences",
        n: 4,
        prepare: |workshop, n| lstm(small(n), workshop.with_tensor_cores(), false),
    },
    Example {
        entry: "lstm_small_backward",
        about: "the gradient of an LSTM of 28 units back through three steps, on tensor cores",
        size: "sequences",
        n: 4,
        prepare: |workshop, n| lstm(small(n), workshop.with_tensor_cores(), true),
    },
    Example {
        entry: "lstm_cluster_forward",
        about: "an LSTM of 64 units over three steps, by clusters of two blocks",
        size: "sequences",
        n: 8,
        prepare: |workshop, n| lstm(clustered(workshop, n), workshop, false),
    },
    Example {
        entry: "lstm_cluster_backward",
        about: "the gradient of an LSTM of 64 units back through three steps, by clusters of two blocks",
        size: "sequences",
        n: 8,
        prepare: |workshop, n| lstm(clustered(workshop, n), workshop, true),
    },
    Example {
        entry: "gru_cluster_forward",
        about: "a GRU of 64 units over three steps, by clusters of two blocks",
        size: "sequences",
        n: 8,
        prepare: |workshop, n| gru(clustered(workshop, n), workshop, false),
    },
    Example {
        entry: "gru_cluster_backward",
        about: "the gradient of a GRU of 64 units back through three steps, by clusters of two blocks",
        size: "sequences",
        n: 8,
        prepare: |workshop, n| gru(clustered(workshop, n), workshop, true),
    },
];

fn shape(hidden: usize) -> RecurrentShape {
    RecurrentShape { batch: 4, time: 3, input: 8, hidden, reverse: false, repeated: false }
}

/// A layer whose weights registers hold, over so many sequences.
fn small(batch: usize) -> RecurrentShape {
    RecurrentShape { batch, ..shape(28) }
}

/// A layer for clusters over so many sequences, with an H100's shared memory.
fn clustered(workshop: &mut Workshop, batch: usize) -> RecurrentShape {
    (workshop.launches.architecture, workshop.launches.shared) = (CLUSTERS_FROM, 227 << 10);
    RecurrentShape { batch, ..shape(64) }
}

fn inputs(workshop: &mut Workshop, shape: &RecurrentShape, gates: usize) -> Result<Inputs> {
    let &RecurrentShape { batch, time, input, hidden, .. } = shape;
    Ok(Inputs {
        x: workshop.normal(batch * time * input)?,
        w_ih: workshop.normal(gates * hidden * input)?,
        w_hh: workshop.normal(gates * hidden * hidden)?,
        b_ih: workshop.normal(gates * hidden)?,
        b_hh: workshop.normal(gates * hidden)?,
        h0: None,
        c0: None,
    })
}

/// None: the kernels' own result, the gates' gradients, is what is looked at.
const GRADIENTS: Gradients = Gradients { x: None, w_ih: None, w_hh: None, b_ih: None, b_hh: None, h0: None, c0: None };

fn lstm(shape: RecurrentShape, workshop: &mut Workshop, backward: bool) -> Result<Output> {
    let states = shape.batch * shape.time * shape.hidden;
    let inputs = inputs(workshop, &shape, 4)?;
    let (out, saved) = (workshop.empty(states)?, workshop.empty(lstm::saved_len(&shape))?);
    let scratch = workshop.empty(lstm::forward_scratch_len(&shape))?;
    lstm::forward(&mut workshop.launches, &shape, &inputs, out, saved, scratch);
    if !backward {
        return Ok(Output::Singles(out));
    }
    let (dout, scratch) = (workshop.normal(states)?, workshop.empty(lstm::backward_scratch_len(&shape))?);
    lstm::backward(&mut workshop.launches, &shape, &inputs, out, dout, saved, scratch, &GRADIENTS);
    Ok(Output::Singles(scratch.part(0, 4 * states)))
}

fn gru(shape: RecurrentShape, workshop: &mut Workshop, backward: bool) -> Result<Output> {
    let states = shape.batch * shape.time * shape.hidden;
    let inputs = inputs(workshop, &shape, 3)?;
    let (out, saved) = (workshop.empty(states)?, workshop.empty(gru::saved_len(&shape))?);
    let scratch = workshop.empty(gru::forward_scratch_len(&shape))?;
    gru::forward(&mut workshop.launches, &shape, &inputs, out, saved, scratch);
    if !backward {
        return Ok(Output::Singles(out));
    }
    let (dout, scratch) = (workshop.normal(states)?, workshop.empty(gru::backward_scratch_len(&shape))?);
    gru::backward(&mut workshop.launches, &shape, &inputs, out, dout, saved, scratch, &GRADIENTS);
    Ok(Output::Singles(scratch.part(0, 3 * states)))
}
