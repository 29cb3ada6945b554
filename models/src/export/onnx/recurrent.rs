//! Recurrent layers as ONNX's `LSTM` and `GRU`: <https://onnx.ai/onnx/operators/onnx__LSTM.html>.
//!
//! Sequences are `(T, B, I)`, and weights have an axis for the directions in front. The blocks of a weight's rows are input, forget,
//! cell, output gate here, as in PyTorch, and input, output, forget, cell there; of a GRU reset, update, new here, and update, reset,
//! new there. ONNX's GRU has two forms: PyTorch's, n = tanh(aₙ + r·(W·h + b)), is the one of `linear_before_reset`.

use super::super::graph::{Node, Source};
use super::Builder;
use super::proto::{self, Attr};

/// Which block of rows stands where, and the letters of the gates in that order.
struct Order {
    blocks: &'static [usize],
    letters: &'static str,
}

const LSTM: Order = Order { blocks: &[0, 3, 1, 2], letters: "iofc" };
const GRU: Order = Order { blocks: &[1, 0, 2], letters: "zrn" };

/// The places of the weights among the inputs: weight_ih, weight_hh, bias_ih, bias_hh.
const WEIGHTS: std::ops::Range<usize> = 1..5;

/// Whether `user` is a recurrent layer that has the value `node` as a weight.
pub(super) fn takes_as_weight(user: &Node, node: usize) -> bool {
    let recurrent = matches!(&user.source, Source::Op(op) if op == "lstm" || op == "gru");
    recurrent && user.inputs.iter().enumerate().all(|(i, &x)| x != node || WEIGHTS.contains(&i))
}

impl Builder<'_> {
    pub(super) fn lstm(&mut self, at: usize) {
        self.layer(at, "LSTM", &LSTM, vec![]);
    }

    pub(super) fn gru(&mut self, at: usize) {
        self.layer(at, "GRU", &GRU, vec![Attr::Int("linear_before_reset", 1)]);
    }

    fn layer(&mut self, at: usize, op: &'static str, order: &Order, more: Vec<Attr>) {
        let node = &self.graph.nodes[at];
        let hidden = match self.dims(node.inputs[2]) {
            [_, super::Dim::Fixed(hidden)] => *hidden,
            other => unreachable!("weights of the extents {other:?}"),
        };
        let x = match self.rank(node.inputs[0]) {
            2 => self.repeated(node.inputs[0], 0, node.whole("steps")),
            _ => self.turned(node.inputs[0], &[1, 0, 2]),
        };
        let [ih, hh] = [node.inputs[1], node.inputs[2]].map(|weight| self.reordered(&[weight], order));
        let bias = self.reordered(&[node.inputs[3], node.inputs[4]], order);
        let mut inputs = vec![x, ih, hh, bias];
        if node.inputs.len() > WEIGHTS.end {
            // No lengths: all sequences go to their end.
            inputs.push(String::new());
            for &state in &node.inputs[WEIGHTS.end..] {
                let (state, direction) = (self.plain(state), self.ints(&[0]));
                inputs.push(self.emit("Unsqueeze", &[&state, &direction], vec![]));
            }
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let direction = if node.flag("reverse") { "reverse" } else { "forward" };
        let attributes = [Attr::Int("hidden_size", hidden as i64), Attr::Text("direction", direction)];
        let states = self.emit(op, &inputs, attributes.into_iter().chain(more).collect());
        // (T, 1, B, H)
        let direction = self.ints(&[1]);
        let y = self.emit("Squeeze", &[&states, &direction], vec![]);
        self.layouts.add(at, vec![1, 0, 2], y);
    }

    /// Weights or biases with their blocks of rows in ONNX's order, one after the other, and an axis for the direction in front: a
    /// constant where they are parameters.
    fn reordered(&mut self, parts: &[usize], order: &Order) -> String {
        let graph = self.graph;
        let param = |part: &usize| match &graph.nodes[*part].source {
            Source::Param(name) => Some(name.as_str()),
            _ => None,
        };
        let names: Option<Vec<&str>> = parts.iter().map(param).collect();
        let Some(names) = names else { return self.reordered_values(parts, order) };
        let key = format!("{} of {}", order.letters, names.join(", "));
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let mut values = Vec::new();
        for name in &names {
            let (_, from) = self.params[name];
            let block = from.len() / order.blocks.len();
            order.blocks.iter().for_each(|&i| values.extend_from_slice(&from[i * block..][..block]));
        }
        let dims = self.params[names[0]].0;
        let dims: Vec<usize> = [1, parts.len() * dims[0]].into_iter().chain(dims[1..].iter().copied()).collect();
        let name = self.unique(&format!("{}.{}", names.join("+"), order.letters));
        self.initializers.push(proto::floats(&name, &dims, &values));
        self.constants.insert(key, name.clone());
        name
    }

    /// The same of values that are computed.
    fn reordered_values(&mut self, parts: &[usize], order: &Order) -> String {
        let parts: Vec<String> = parts
            .iter()
            .map(|&part| {
                let rows = match self.dims(part)[0] {
                    super::Dim::Fixed(rows) => rows,
                    super::Dim::Batch(_) => unreachable!("weights have no batch"),
                };
                let block = rows / order.blocks.len();
                let places: Vec<i64> =
                    order.blocks.iter().flat_map(|&i| i * block..(i + 1) * block).map(|row| row as i64).collect();
                let (part, places) = (self.plain(part), self.ints(&places));
                self.emit("Gather", &[&part, &places], vec![Attr::Int("axis", 0)])
            })
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let joined = match parts[..] {
            [one] => one.to_owned(),
            _ => self.emit("Concat", &parts, vec![Attr::Int("axis", 0)]),
        };
        let direction = self.ints(&[0]);
        self.emit("Unsqueeze", &[&joined, &direction], vec![])
    }
}
