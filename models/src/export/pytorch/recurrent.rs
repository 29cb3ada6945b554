//! Recurrent layers as `nn.LSTM` and `nn.GRU`: a stack of them is one module there, and many operations on the tape.

use super::super::graph::{Node, Source};
use super::super::layouts::identity;
use super::ops::{Method, fixed};
use crate::{Error, Result};

/// A stack of recurrent layers.
struct Stack {
    x: usize,
    /// The steps that all have the same x.
    steps: Option<usize>,
    y: usize,
    /// The values of all layers.
    made: Vec<usize>,
    /// The module.
    path: String,
}

impl Method<'_> {
    /// All layers of a stack as one module; each is an operation of its own on the tape, as is the way back.
    pub(super) fn recurrent(&mut self, at: usize, op: &str) -> Result<()> {
        let Some(stack) = self.stack(at, op) else {
            let problem = format!(
                "operation `{op}` is none of a whole stack of layers from zero states, expected one as nn.{} has it",
                op.to_uppercase()
            );
            return Err(Error::input("pytorch", problem));
        };
        let mut x = self.plain(stack.x);
        if let Some(steps) = stack.steps {
            x = format!("{x}[:, None].expand(-1, {steps}, -1)");
        }
        self.line(stack.y, identity(3), &format!("{}({x})[0]", stack.path));
        self.done.extend(stack.made);
        Ok(())
    }

    fn stack(&mut self, at: usize, op: &str) -> Option<Stack> {
        let graph = self.graph;
        let name = self.param(graph.nodes[at].inputs[1])?.rsplit_once('.')?.0.to_owned();
        let has = |part: &str| !self.modules.dims(&format!("{name}.{part}")).is_empty();
        let back = has("weight_ih_l0_reverse");
        let layers = (0..).take_while(|layer| has(&format!("weight_ih_l{layer}"))).count();
        let first = graph.nodes[at].inputs[0];
        let (mut x, mut made, mut params) = (first, Vec::new(), Vec::new());
        for layer in 0..layers {
            let mut direction = |x: usize, suffix: &str, reverse: bool| {
                let places =
                    ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map(|part| format!("{part}_l{layer}{suffix}"));
                let is_layer = |node: &Node| {
                    let named = node.inputs.len() == 5
                        && node.inputs[0] == x
                        && node.inputs[1..].iter().zip(&places).all(|(&param, place)| {
                            self.param(param).and_then(|param| param.strip_prefix(&name)?.strip_prefix('.'))
                                == Some(place)
                        });
                    named && matches!(&node.source, Source::Op(own) if own == op) && node.flag("reverse") == reverse
                };
                let found = graph.nodes.iter().position(is_layer)?;
                params.extend(places.into_iter().zip(graph.nodes[found].inputs[1..].iter().copied()));
                Some(found)
            };
            let ahead = direction(x, "", false)?;
            let behind = if back { Some(direction(x, "_reverse", true)?) } else { None };
            made.push(ahead);
            x = ahead;
            if let Some(back) = behind {
                let is_both = |node: &Node| {
                    node.inputs == [ahead, back] && matches!(&node.source, Source::Op(op) if op == "concat")
                };
                let both = graph.nodes.iter().position(is_both)?;
                made.extend([back, both]);
                x = both;
            }
        }
        // Between the layers nobody else looks.
        let alone = |&value: &usize| {
            let inside = |node: &(usize, &Node)| !node.1.inputs.contains(&value) || made.contains(&node.0);
            value == x
                || graph.nodes.iter().enumerate().all(|node| inside(&node))
                    && graph.outputs.iter().all(|port| port.node != value)
        };
        if layers == 0 || !made.iter().all(alone) {
            return None;
        }
        let (&input, repeated) = (graph.nodes[first].dims.last()?, graph.nodes[first].dims.len() == 2);
        let steps = repeated.then(|| graph.nodes[at].whole("steps"));
        let hidden = *self.modules.dims(&format!("{name}.weight_hh_l0")).get(1)?;
        let depth = if layers > 1 { format!(", num_layers={layers}") } else { String::new() };
        let both = if back { ", bidirectional=True" } else { "" };
        let kind = op.to_uppercase();
        let make = format!("nn.{kind}({}, {hidden}{depth}{both}, batch_first=True)", fixed(input));
        let params: Vec<(&str, usize)> = params.iter().map(|(place, node)| (place.as_str(), *node)).collect();
        Some(Stack { x: first, steps, y: x, made, path: self.layer(&params, &make)? })
    }
}
