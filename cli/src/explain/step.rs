//! One real training step of a single drawing, with the gradient of every value on its tape.

use inkgrad_engine::inspect::Role;
use inkgrad_engine::{Clock, Compile, Tape, Team, Tensor};
use inkgrad_kernels::cpu::rng;
use inkgrad_models::Result;
use inkgrad_models::model::{Network, Term};
use serde::Serialize;

use super::drawings::Drawings;
use super::half;
use super::tape::{self, Node};

/// Which drawing of the page is trained on.
const DRAWING: usize = 0;
/// Gradients of more numbers than this are shown as a picture of the largest of each cell of a grid of at most that side:
/// parameters sooner than what lies between them, which is a picture already.
const MOST_OF_PARAM: usize = 4_096;
const MOST_OF_VALUE: usize = 26_000;
const SIDE: usize = 64;

/// The tape of a training step.
#[derive(Debug, Serialize)]
pub struct Training {
    /// Its nodes.
    pub nodes: Vec<Node>,
    images: usize,
    labels: Option<usize>,
    /// The loss, then the terms that are reported beside it.
    terms: Vec<Reported>,
    step: Step,
}

#[derive(Debug, Serialize)]
struct Reported {
    name: &'static str,
    node: usize,
    per: f64,
}

/// Where the engine stood after forward and backward.
#[derive(Debug, Serialize)]
struct Step {
    /// The drawing's number on the page.
    drawing: usize,
    /// The engine's loss and terms.
    values: Vec<f32>,
    /// For each node that draws noise: its index, and base64 of halves.
    noise: Vec<(usize, String)>,
    /// One for each node; none where nobody needs it, and for a view, which shares that of its input.
    gradients: Vec<Option<Gradient>>,
}

#[derive(Debug, Serialize)]
struct Gradient {
    /// √Σg².
    norm: f64,
    /// max |g|.
    largest: f32,
    /// The extents of what `data` holds: the value's own, or a grid's.
    shape: Vec<usize>,
    /// Base64 of bytes, of −127 to 127 for −largest to largest.
    data: String,
}

/// Takes the step. The parameters keep their values; their gradients are not live afterwards.
///
/// # Errors
/// If the graph cannot be recorded.
pub fn take(network: &mut Network<f32>, drawings: &Drawings, seed: u64) -> Result<Training> {
    let (team, clock) = (Team::solo(), Clock { seed, step: 0 });
    let mut tape = Tape::new();
    let graph = network.training(&mut tape, 1)?;
    let nodes = tape::nodes(&tape);
    let tensors: Vec<Tensor> = tape.tensors().collect();
    let params: Vec<_> = tensors
        .iter()
        .map(|&x| match tape.node(x).role {
            Role::Param(param) => Some(param.clone()),
            _ => None,
        })
        .collect();
    let mut plan = tape.compile(Compile { loss: Some(graph.loss.tensor), debug: true, ..Compile::default() });
    plan.fill(graph.images, &drawings.images.image(DRAWING))?;
    if let Some(labels) = graph.labels {
        plan.fill(labels, &[drawings.labels[DRAWING] as f32])?;
    }
    plan.forward(&network.params, &team, clock);
    let values = graph.reported().map(|term| plan.value(term.tensor)[0]).collect();
    plan.backward(&mut network.params, &team);
    let gradients = tensors
        .iter()
        .zip(&params)
        .zip(&nodes)
        .map(|((&tensor, param), node)| {
            let (gradient, most) = match param {
                Some(param) => (network.params.is_live(param).then(|| network.params.grad(param)), MOST_OF_PARAM),
                None if node.op == "view" => (None, 0),
                None => (plan.gradient(tensor), MOST_OF_VALUE),
            };
            gradient.map(|gradient| Gradient::of(gradient, &node.shape, most))
        })
        .collect();
    network.params.discard_gradients();
    // The noise that an operation without a third input drew, by the same function of seed, step and node.
    let draws = |node: &Node| node.op == "reparameterize" && node.inputs.len() == 2;
    let noise = nodes.iter().enumerate().filter(|(_, node)| draws(node)).map(|(i, node)| {
        let mut noise = vec![0.0f32; node.shape.iter().product()];
        rng::fill_normal(&team, clock.key(), i as u64, 0, &mut noise);
        (i, half::f16_base64(noise))
    });
    let noise = noise.collect();
    let reported = |term: &Term| Reported { name: term.name, node: term.tensor.index(), per: term.per };
    Ok(Training {
        nodes,
        images: graph.images.index(),
        labels: graph.labels.map(Tensor::index),
        terms: graph.reported().map(reported).collect(),
        step: Step { drawing: DRAWING, values, noise, gradients },
    })
}

impl Gradient {
    fn of(gradient: &[f32], shape: &[usize], most: usize) -> Self {
        let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let (shape, shown) = match gradient.len() <= most {
            true => (shape.to_vec(), gradient.to_vec()),
            false => coarse(gradient, shape[0]),
        };
        let scale = half::byte_scale(&shown);
        let data = half::bytes_base64(shown.iter().map(|&g| half::byte(g, scale) as u8));
        Gradient { norm, largest: scale * 127.0, shape, data }
    }
}

/// A matrix of `rows` rows as a grid of at most [`SIDE`] × [`SIDE`] cells, each with its number of largest magnitude.
fn coarse(values: &[f32], rows: usize) -> (Vec<usize>, Vec<f32>) {
    let columns = values.len() / rows;
    let (height, width) = (rows.min(SIDE), columns.min(SIDE));
    let mut grid = vec![0.0f32; height * width];
    for (i, row) in values.chunks(columns).enumerate() {
        for (j, &value) in row.iter().enumerate() {
            let cell = &mut grid[i * height / rows * width + j * width / columns];
            if value.abs() > cell.abs() {
                *cell = value;
            }
        }
    }
    (vec![height, width], grid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_picture_has_the_largest_of_each_cell() {
        let mut values = vec![0.0; 200 * 300];
        (values[0], values[5], values[200 * 300 - 1]) = (1.0, -3.0, 2.0);
        let (shape, grid) = coarse(&values, 200);
        assert_eq!(shape, [64, 64]);
        assert_eq!((grid[0], grid[1], grid[64 * 64 - 1]), (1.0, -3.0, 2.0));
    }
}
