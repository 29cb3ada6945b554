//! Each operation of the engine as a line of Python.

use std::collections::HashSet;

use super::super::graph::{CHANNELS_FIRST, Dim, Graph, Node, Source, outer_axes, refusal};
use super::super::layouts::{Form, Layouts, identity};
use super::modules::{Modules, tuple};
use crate::Result;

/// A graph on its way to a method.
pub(super) struct Method<'a> {
    pub(super) graph: &'a Graph,
    pub(super) modules: &'a mut Modules,
    layouts: Layouts,
    lines: Vec<String>,
    /// Values that a module of several layers has made.
    pub(super) done: HashSet<usize>,
}

/// `3`, or `(3, 5)`.
fn pair((vertical, horizontal): (usize, usize)) -> String {
    if vertical == horizontal { vertical.to_string() } else { format!("({vertical}, {horizontal})") }
}

/// `, stride=2`, or nothing where it is what everybody means.
fn unless(default: usize, name: &str, value: (usize, usize)) -> String {
    if value == (default, default) { String::new() } else { format!(", {name}={}", pair(value)) }
}

/// An extent that is known, as those of parameters are.
pub(super) fn fixed(dim: Dim) -> usize {
    match dim {
        Dim::Fixed(extent) => extent,
        Dim::Batch(times) => unreachable!("a parameter with an axis of {times} times the batch"),
    }
}

fn joined(parts: impl IntoIterator<Item = impl ToString>) -> String {
    parts.into_iter().map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

impl<'a> Method<'a> {
    pub(super) fn new(graph: &'a Graph, modules: &'a mut Modules) -> Self {
        let mut layouts = Layouts::new(graph.nodes.len());
        for port in &graph.inputs {
            layouts.add(port.node, outer_axes(graph.nodes[port.node].dims.len()), port.name.to_owned());
        }
        Method { graph, modules, layouts, lines: Vec::new(), done: HashSet::new() }
    }

    /// The method as text.
    ///
    /// # Errors
    /// Names an operation that has no form.
    pub(super) fn written(mut self, name: &str, summary: &str) -> Result<String> {
        (0..self.graph.nodes.len()).try_for_each(|node| self.record(node))?;
        let graph = self.graph;
        let outputs: Vec<String> =
            graph.outputs.iter().map(|port| self.turned(port.node, &outer_axes(self.rank(port.node)))).collect();
        let inputs = joined(graph.inputs.iter().map(|port| port.name));
        let mut text = format!("    def {name}(self, {inputs}):\n        \"\"\"{summary}\"\"\"\n");
        self.lines.iter().for_each(|line| text.extend(["        ", line, "\n"]));
        text.extend(["        return ", &outputs.join(", "), "\n"]);
        Ok(text)
    }

    fn record(&mut self, node: usize) -> Result<()> {
        match &self.graph.nodes[node].source {
            _ if self.done.contains(&node) => {}
            Source::Input => {}
            Source::Param(name) => {
                let (rank, path) = (self.rank(node), self.modules.path(name));
                self.layouts.add(node, identity(rank), path);
            }
            Source::View => self.view(node),
            Source::Op(op) => self.op(node, op)?,
        }
        Ok(())
    }

    fn rank(&self, node: usize) -> usize {
        self.graph.nodes[node].dims.len()
    }

    /// Writes a line that gives a value a name, its axes in this order.
    pub(super) fn line(&mut self, node: usize, axes: Vec<usize>, value: &str) -> String {
        let name = format!("h{}", self.lines.len() + 1);
        let extents = axes.iter().map(|&axis| match self.graph.nodes[node].dims[axis] {
            Dim::Fixed(extent) => extent.to_string(),
            Dim::Batch(1) => "B".to_owned(),
            Dim::Batch(times) => format!("{times}·B"),
        });
        self.lines.push(format!("{name} = {value}  # ({})", joined(extents)));
        self.layouts.add(node, axes, name.clone());
        name
    }

    /// The same of a value as the engine has it.
    fn plain_line(&mut self, node: usize, value: &str) {
        self.line(node, identity(self.rank(node)), value);
    }

    fn turned(&mut self, node: usize, axes: &[usize]) -> String {
        if let Some(form) = self.layouts.get(node, axes) {
            return form.name.clone();
        }
        let form = self.form(node);
        let value = format!("{}.permute({})", form.name, joined(form.turn_to(axes)));
        self.line(node, axes.to_vec(), &value)
    }

    pub(super) fn plain(&mut self, node: usize) -> String {
        self.turned(node, &identity(self.rank(node)))
    }

    fn form(&self, node: usize) -> Form {
        self.layouts.of(node)[0].clone()
    }

    fn view(&mut self, node: usize) {
        let x = self.graph.nodes[node].inputs[0];
        let (from, to) = (&self.graph.nodes[x].dims, &self.graph.nodes[node].dims);
        if from == to {
            for form in self.layouts.of(x).to_vec() {
                self.layouts.add(node, form.axes, form.name);
            }
            return;
        }
        // Axes of 1 may stand anywhere without moving an element.
        let moves = |form: &Form| !form.axes.iter().filter(|&&axis| from[axis] != Dim::Fixed(1)).is_sorted();
        let lies = self.layouts.of(x).iter().find(|form| !moves(form)).map(|form| form.name.clone());
        let x = lies.unwrap_or_else(|| self.plain(x));
        let value = match to[..] {
            [Dim::Batch(1), Dim::Fixed(_)] => format!("{x}.flatten(1)"),
            _ => format!("{x}.reshape({})", self.extents(to, true)),
        };
        self.plain_line(node, &value);
    }

    /// Extents as arguments; where one alone grows with the batch, it may be what is left over.
    fn extents(&self, dims: &[Dim], left_over: bool) -> String {
        let growing = dims.iter().filter(|dim| matches!(dim, Dim::Batch(_))).count();
        let batch = format!("len({})", self.graph.inputs[0].name);
        joined(dims.iter().map(|dim| match *dim {
            Dim::Fixed(extent) => extent.to_string(),
            Dim::Batch(_) if growing == 1 && left_over => "-1".to_owned(),
            Dim::Batch(1) => batch.clone(),
            Dim::Batch(times) => format!("{times} * {batch}"),
        }))
    }

    fn op(&mut self, at: usize, op: &str) -> Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[at];
        let x = &node.inputs[..];
        match op {
            "add" => self.binary(at, "+"),
            "sub" => self.binary(at, "-"),
            "mul" => self.binary(at, "*"),
            "div" => self.binary(at, "/"),
            "scale" => self.unary(at, |x| format!("{:?} * {x}", node.number("c"))),
            "pow" => self.unary(at, |x| format!("{x} ** {:?}", node.number("p"))),
            "neg" => self.unary(at, |x| format!("-{x}")),
            "copy" => self.permute(at, &identity(self.rank(at))),
            "clamp" => self.unary(at, |x| format!("{x}.clamp(0, 1)")),
            "relu" => self.unary(at, |x| format!("F.relu({x})")),
            "leaky_relu" => self.unary(at, |x| format!("F.leaky_relu({x}, {:?})", node.number("slope"))),
            "sigmoid" | "tanh" | "exp" | "sqrt" | "abs" => self.unary(at, |x| format!("torch.{op}({x})")),
            "ln" => self.unary(at, |x| format!("torch.log({x})")),
            "softplus" => self.unary(at, |x| format!("F.softplus({x})")),
            "gelu" => self.unary(at, |x| format!("F.gelu({x})")),
            "gelu_tanh" => self.unary(at, |x| format!("F.gelu({x}, approximate=\"tanh\")")),
            "softmax" | "log_softmax" => self.rows(at, |x| format!("F.{op}({}, dim=-1)", x[0])),
            "logsumexp" => self.rows(at, |x| format!("torch.logsumexp({}, dim=-1)", x[0])),
            "layer_norm" => self.layer_norm(at),
            "batch_norm_statistics" => {
                let dims = tuple(&identity(self.rank(x[0]) - 1));
                self.rows(at, |x| {
                    format!("torch.stack(({x}.mean({dims}), {x}.var({dims}, unbiased=False)))", x = x[0])
                });
            }
            "batch_norm" => {
                let eps = node.number("eps");
                self.rows(at, |x| {
                    let [x, s, weight, bias] = x else { unreachable!("four inputs") };
                    format!("({x} - {s}[0]) / torch.sqrt({s}[1] + {eps:?}) * {weight} + {bias}")
                });
            }
            "sum" => self.rows(at, |x| format!("{}.sum()", x[0])),
            "sum_axis" => self.rows(at, |x| format!("{}.sum({})", x[0], node.whole("axis"))),
            "mean_axis" => self.rows(at, |x| format!("{}.mean({})", x[0], node.whole("axis"))),
            "max_axis" => self.rows(at, |x| format!("{}.amax({})", x[0], node.whole("axis"))),
            "mse" => self.rows(at, |x| format!("F.mse_loss({}, {})", x[0], x[1])),
            "bce_with_logits" => {
                self.rows(at, |x| format!("F.binary_cross_entropy_with_logits({}, {}, reduction=\"sum\")", x[0], x[1]))
            }
            "gaussian_kl" => self.rows(at, |x| {
                let (mu, logvar) = (&x[0], &x[1]);
                format!("-0.5 * (1 + {logvar} - {mu} ** 2 - torch.exp({logvar})).sum()")
            }),
            "softmax_cross_entropy" => {
                let labels = self.labels(x[1]);
                self.rows(at, |x| format!("F.cross_entropy({}, {labels})", x[0]));
            }
            "correct" => {
                let labels = self.labels(x[1]);
                self.rows(at, |x| format!("({}.argmax(-1) == {labels}).sum().float()", x[0]));
            }
            "reparameterize" if x.len() == 3 => {
                self.rows(at, |x| format!("{} + torch.exp(0.5 * {}) * {}", x[0], x[1], x[2]));
            }
            "linear" => self.linear(at),
            "matmul" => {
                let side =
                    |transposed: &str, x: &str| if node.flag(transposed) { format!("{x}.mT") } else { x.to_owned() };
                self.rows(at, |x| format!("{} @ {}", side("transposed_a", &x[0]), side("transposed_b", &x[1])));
            }
            "conv2d" | "conv_transpose2d" => self.convolution(at, op),
            "avg_pool2d" => {
                let counted = if node.flag("count_padding") { "" } else { ", count_include_pad=False" };
                self.pool(at, "F.avg_pool2d", counted);
            }
            "max_pool2d" => self.pool(at, "F.max_pool2d", ""),
            "lstm" | "gru" => self.recurrent(at, op)?,
            "transpose" => self.permute(at, &[0, 2, 1]),
            "permute" => self.permute(at, node.list("axes")),
            "slice" => {
                let form = self.form(x[0]);
                let all = ":, ".repeat(form.axis(node.whole("axis")));
                let value = format!("{}[{all}{}:{}]", form.name, node.whole("start"), node.whole("end"));
                self.line(at, form.axes, &value);
            }
            "concat" => self.concat(at),
            "select" => self.rows(at, |x| format!("{}[:, {}]", x[0], node.whole("step"))),
            "repeat" => self.rows(at, |x| format!("{}[:, None].expand(-1, {}, -1)", x[0], node.whole("steps"))),
            "broadcast" => {
                let extents = self.extents(&node.dims, false);
                self.rows(at, |x| format!("{}.expand({extents})", x[0]));
            }
            "embedding" => self.embedding(at),
            _ => return Err(refusal("pytorch", op, "form in PyTorch")),
        }
        Ok(())
    }

    /// Labels as whole numbers.
    fn labels(&mut self, node: usize) -> String {
        let labels = self.plain(node);
        if self.graph.is_labels(node) { labels } else { format!("{labels}.long()") }
    }

    fn unary(&mut self, at: usize, value: impl FnOnce(&str) -> String) {
        let Form { axes, name } = self.form(self.graph.nodes[at].inputs[0]);
        self.line(at, axes, &value(&name));
    }

    fn binary(&mut self, at: usize, sign: &str) {
        let [a, b] = self.graph.nodes[at].inputs[..] else { unreachable!("two inputs") };
        let alike = self.graph.nodes[a].dims == self.graph.nodes[b].dims;
        let common = self.layouts.of(a).iter().find(|form| alike && self.layouts.get(b, &form.axes).is_some());
        let axes = common.map_or_else(|| identity(self.rank(at)), |form| form.axes.clone());
        let side = |method: &mut Self, x: usize| match alike {
            true => method.turned(x, &axes),
            false => method.plain(x),
        };
        let (a, b) = (side(self, a), side(self, b));
        self.line(at, axes, &format!("{a} {sign} {b}"));
    }

    /// A line of all inputs as the engine has them.
    fn rows(&mut self, at: usize, value: impl FnOnce(&[String]) -> String) {
        let inputs: Vec<String> = self.graph.nodes[at].inputs.iter().map(|&x| self.plain(x)).collect();
        self.plain_line(at, &value(&inputs));
    }

    fn permute(&mut self, at: usize, permutation: &[usize]) {
        for form in self.layouts.of(self.graph.nodes[at].inputs[0]).to_vec() {
            let Form { axes, name } = form.permuted(permutation);
            self.layouts.add(at, axes, name);
        }
    }

    fn concat(&mut self, at: usize) {
        let x = &self.graph.nodes[at].inputs;
        let has = |axes: &[usize]| x.iter().all(|&x| self.layouts.get(x, axes).is_some());
        let common = self.layouts.of(x[0]).iter().find(|form| has(&form.axes)).map(|form| form.axes.clone());
        let axes = common.unwrap_or_else(|| identity(self.rank(at)));
        let parts: Vec<String> = x.iter().map(|&x| self.turned(x, &axes)).collect();
        let last = Form { axes, name: String::new() };
        let parts = if parts.len() == 1 { format!("{},", parts[0]) } else { parts.join(", ") };
        let value = format!("torch.cat(({parts}), dim={})", last.axis(self.rank(at) - 1));
        self.line(at, last.axes, &value);
    }

    /// The name of a value that is a parameter.
    pub(super) fn param(&self, node: usize) -> Option<&'a str> {
        match &self.graph.nodes[node].source {
            Source::Param(name) => Some(name),
            _ => None,
        }
    }

    /// The layer that has these values as its parameters, where it has them under their usual names.
    pub(super) fn layer(&mut self, params: &[(&str, usize)], make: &str) -> Option<String> {
        let named: Option<Vec<(&str, &str)>> =
            params.iter().map(|&(place, node)| Some((place, self.param(node)?))).collect();
        self.modules.layer(&named?, make)
    }

    fn on_request(node: &Node, value: String) -> String {
        if node.flag("relu") { format!("F.relu({value})") } else { value }
    }

    fn linear(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let (weight, bias) = (node.inputs[1], node.inputs.get(2).copied());
        let [out, inputs] = self.graph.nodes[weight].dims[..] else { unreachable!("a matrix") };
        let without = if bias.is_none() { ", bias=False" } else { "" };
        let params: Vec<(&str, usize)> =
            [("weight", weight)].into_iter().chain(bias.map(|bias| ("bias", bias))).collect();
        let layer = self.layer(&params, &format!("nn.Linear({}, {}{without})", fixed(inputs), fixed(out)));
        self.rows(at, |x| {
            let value =
                layer.map_or_else(|| format!("F.linear({})", x.join(", ")), |layer| format!("{layer}({})", x[0]));
            Self::on_request(node, value)
        });
    }

    fn convolution(&mut self, at: usize, op: &str) {
        let node = &self.graph.nodes[at];
        let [x, weight, bias] = node.inputs[..] else { unreachable!("three inputs") };
        let [first, second, kh, kw] = self.graph.nodes[weight].dims[..] else { unreachable!("four axes") };
        let [first, second, kh, kw] = [first, second, kh, kw].map(fixed);
        let mut settings = unless(1, "stride", node.pair("stride")) + &unless(0, "padding", node.pair("padding"));
        let transposed = op == "conv_transpose2d";
        if transposed {
            settings += &unless(0, "output_padding", node.pair("output_padding"));
        }
        // (out, in, kh, kw), of a transposed convolution (in, out, kh, kw)
        let (kind, inputs, out) =
            if transposed { ("ConvTranspose2d", first, second) } else { ("Conv2d", second, first) };
        let make = format!("nn.{kind}({inputs}, {out}, {}{settings})", pair((kh, kw)));
        let layer = self.layer(&[("weight", weight), ("bias", bias)], &make);
        let pictures = self.turned(x, &CHANNELS_FIRST);
        let value = match layer {
            Some(layer) => format!("{layer}({pictures})"),
            None => format!("F.{op}({pictures}, {}, {}{settings})", self.plain(weight), self.plain(bias)),
        };
        self.line(at, CHANNELS_FIRST.to_vec(), &Self::on_request(node, value));
    }

    fn pool(&mut self, at: usize, function: &str, more: &str) {
        let node = &self.graph.nodes[at];
        let pictures = self.turned(node.inputs[0], &CHANNELS_FIRST);
        let [kernel, stride, padding] = ["kernel", "stride", "padding"].map(|name| pair(node.pair(name)));
        let value = format!("{function}({pictures}, {kernel}, stride={stride}, padding={padding}{more})");
        self.line(at, CHANNELS_FIRST.to_vec(), &value);
    }

    fn layer_norm(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let [x, weight, bias] = node.inputs[..] else { unreachable!("three inputs") };
        let (width, eps) = (fixed(self.graph.nodes[weight].dims[0]), node.number("eps"));
        let layer = self.layer(&[("weight", weight), ("bias", bias)], &format!("nn.LayerNorm({width}, eps={eps:?})"));
        let value = match layer {
            Some(layer) => format!("{layer}({})", self.plain(x)),
            None => {
                let [x, weight, bias] = [x, weight, bias].map(|x| self.plain(x));
                format!("F.layer_norm({x}, ({width},), {weight}, {bias}, eps={eps:?})")
            }
        };
        self.plain_line(at, &value);
    }

    fn embedding(&mut self, at: usize) {
        let [weight, labels] = self.graph.nodes[at].inputs[..] else { unreachable!("two inputs") };
        let [classes, width] = self.graph.nodes[weight].dims[..] else { unreachable!("a matrix") };
        let labels = self.labels(labels);
        let layer = match [classes, width] {
            [Dim::Fixed(classes), Dim::Fixed(width)] => {
                self.layer(&[("weight", weight)], &format!("nn.Embedding({classes}, {width})"))
            }
            _ => None,
        };
        let value = match layer {
            Some(layer) => format!("{layer}({labels})"),
            None => format!("F.embedding({labels}, {})", self.plain(weight)),
        };
        self.plain_line(at, &value);
    }
}
