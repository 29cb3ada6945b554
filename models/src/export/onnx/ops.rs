//! Each operation of the engine in ONNX's operators: <https://onnx.ai/onnx/operators/>.

use super::super::graph::{CHANNELS_FIRST, Node, Source, refusal};
use super::super::layouts::{Form, identity};
use super::proto::Attr;
use super::{Builder, Type};
use crate::Result;

/// `TensorProto.DataType` for `Cast`.
const FLOAT: i64 = Type::Float as i64;
const INT64: i64 = Type::Int64 as i64;

/// Whether `user` takes the value `node` as indices of rows or classes alone.
pub(super) fn looks_up(user: &Node, node: usize) -> bool {
    let by_index = ["embedding", "softmax_cross_entropy", "correct"];
    let is_lookup = matches!(&user.source, Source::Op(op) if by_index.contains(&op.as_str()));
    is_lookup && user.inputs.iter().position(|&x| x == node) == Some(1) && user.inputs[0] != node
}

fn pair(name: &'static str, (vertical, horizontal): (usize, usize)) -> Attr {
    Attr::Ints(name, vec![vertical as i64, horizontal as i64])
}

/// Padding before and after.
fn pads((vertical, horizontal): (usize, usize)) -> Attr {
    Attr::Ints("pads", [vertical, horizontal, vertical, horizontal].map(|pad| pad as i64).to_vec())
}

impl Builder<'_> {
    /// Adds the operators of the operation `op` of a node.
    ///
    /// # Errors
    /// Names an operation that has none.
    pub(super) fn op(&mut self, at: usize, op: &str) -> Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[at];
        let x = &node.inputs[..];
        let last = [Attr::Int("axis", -1)];
        let whole = vec![Attr::Int("keepdims", 0)];
        match op {
            "add" => self.binary(at, "Add"),
            "sub" => self.binary(at, "Sub"),
            "mul" => self.binary(at, "Mul"),
            "div" => self.binary(at, "Div"),
            "scale" => {
                let c = self.number(node.number("c"));
                self.unary(at, |b, x| b.emit("Mul", &[x, &c], vec![]));
            }
            "pow" => {
                let p = self.number(node.number("p"));
                self.unary(at, |b, x| b.emit("Pow", &[x, &p], vec![]));
            }
            "clamp" => {
                let (low, high) = (self.number(0.0), self.number(1.0));
                self.unary(at, |b, x| b.emit("Clip", &[x, &low, &high], vec![]));
            }
            "leaky_relu" => {
                let slope = node.number("slope") as f32;
                self.unary(at, |b, x| b.emit("LeakyRelu", &[x], vec![Attr::Float("alpha", slope)]));
            }
            "neg" => self.simple(at, "Neg"),
            "copy" => self.simple(at, "Identity"),
            "relu" => self.simple(at, "Relu"),
            "sigmoid" => self.simple(at, "Sigmoid"),
            "tanh" => self.simple(at, "Tanh"),
            "softplus" => self.simple(at, "Softplus"),
            "exp" => self.simple(at, "Exp"),
            "ln" => self.simple(at, "Log"),
            "sqrt" => self.simple(at, "Sqrt"),
            "abs" => self.simple(at, "Abs"),
            "gelu" => self.unary(at, Self::gelu),
            "gelu_tanh" => self.unary(at, Self::gelu_tanh),
            "softmax" => self.rows(at, "Softmax", &last),
            "log_softmax" => self.rows(at, "LogSoftmax", &last),
            "logsumexp" => self.rows(at, "ReduceLogSumExp", &[Attr::Ints("axes", vec![-1]), Attr::Int("keepdims", 0)]),
            "layer_norm" => {
                let eps = Attr::Float("epsilon", node.number("eps") as f32);
                self.rows(at, "LayerNormalization", &[Attr::Int("axis", -1), eps]);
            }
            "batch_norm_statistics" => self.statistics(at),
            "batch_norm" => self.batch_norm(at),
            "sum" => {
                let x = self.form(x[0]).name;
                let y = self.emit("ReduceSum", &[&x], whole);
                self.set(at, y);
            }
            "sum_axis" => {
                let (x, axes) = (self.plain(x[0]), self.ints(&[node.whole("axis") as i64]));
                let y = self.emit("ReduceSum", &[&x, &axes], whole);
                self.set(at, y);
            }
            "mean_axis" => self.along(at, "ReduceMean"),
            "max_axis" => self.along(at, "ReduceMax"),
            "mse" => {
                let (a, b) = self.alike(x[0], x[1]);
                let d = self.emit("Sub", &[&a.name, &b.name], vec![]);
                let square = self.emit("Mul", &[&d, &d], vec![]);
                let y = self.emit("ReduceMean", &[&square], whole);
                self.set(at, y);
            }
            "bce_with_logits" => {
                // −t·ln σ(x) − (1 − t)·ln(1 − σ(x)) = ln(1 + eˣ) − x·t
                let (x, t) = self.alike(x[0], x[1]);
                let product = self.emit("Mul", &[&x.name, &t.name], vec![]);
                let above = self.emit("Softplus", &[&x.name], vec![]);
                let each = self.emit("Sub", &[&above, &product], vec![]);
                let y = self.emit("ReduceSum", &[&each], whole);
                self.set(at, y);
            }
            "gaussian_kl" => self.gaussian_kl(at),
            "softmax_cross_entropy" => {
                let (logits, labels) = (self.plain(x[0]), self.labels(x[1]));
                let y =
                    self.emit("SoftmaxCrossEntropyLoss", &[&logits, &labels], vec![Attr::Text("reduction", "mean")]);
                self.set(at, y);
            }
            "correct" => {
                let (logits, labels) = (self.plain(x[0]), self.labels(x[1]));
                let best = self.emit("ArgMax", &[&logits], vec![Attr::Int("axis", -1), Attr::Int("keepdims", 0)]);
                let right = self.emit("Equal", &[&best, &labels], vec![]);
                let counted = self.emit("Cast", &[&right], vec![Attr::Int("to", FLOAT)]);
                let y = self.emit("ReduceSum", &[&counted], whole);
                self.set(at, y);
            }
            "reparameterize" if x.len() == 3 => {
                // z = μ + exp(½ logσ²)·ε
                let [mu, logvar, noise] = [x[0], x[1], x[2]].map(|x| self.plain(x));
                let half = self.number(0.5);
                let half = self.emit("Mul", &[&logvar, &half], vec![]);
                let deviation = self.emit("Exp", &[&half], vec![]);
                let moved = self.emit("Mul", &[&deviation, &noise], vec![]);
                let y = self.emit("Add", &[&mu, &moved], vec![]);
                self.set(at, y);
            }
            "linear" => self.linear(at),
            "matmul" => self.matmul(at),
            "conv2d" => {
                let attributes = vec![pair("strides", node.pair("stride")), pads(node.pair("padding"))];
                self.convolution(at, "Conv", attributes);
            }
            "conv_transpose2d" => {
                let more = pair("output_padding", node.pair("output_padding"));
                let attributes = vec![pair("strides", node.pair("stride")), pads(node.pair("padding")), more];
                self.convolution(at, "ConvTranspose", attributes);
            }
            "avg_pool2d" => {
                let counted = Attr::Int("count_include_pad", i64::from(node.flag("count_padding")));
                self.pool(at, "AveragePool", vec![counted]);
            }
            "max_pool2d" => self.pool(at, "MaxPool", vec![]),
            "lstm" => self.lstm(at),
            "gru" => self.gru(at),
            "transpose" => self.permute(at, &[0, 2, 1]),
            "permute" => self.permute(at, node.list("axes")),
            "slice" => self.slice(at),
            "concat" => self.concat(at),
            "select" => self.select(at),
            "repeat" => {
                let y = self.repeated(x[0], 1, node.whole("steps"));
                self.set(at, y);
            }
            "broadcast" => {
                let x = self.plain(x[0]);
                let extents = self.extents_of(self.dims(at));
                let y = self.emit("Expand", &[&x, &extents], vec![]);
                self.set(at, y);
            }
            "embedding" => {
                let (table, labels) = (self.plain(x[0]), self.labels(x[1]));
                let y = self.emit("Gather", &[&table, &labels], vec![Attr::Int("axis", 0)]);
                self.set(at, y);
            }
            _ => return Err(refusal("onnx", op, "ONNX form")),
        }
        Ok(())
    }

    /// A matrix as often as there are `steps`, along a new axis in this place.
    pub(super) fn repeated(&mut self, node: usize, axis: usize, steps: usize) -> String {
        let (x, axes) = (self.plain(node), self.ints(&[axis as i64]));
        let one = self.emit("Unsqueeze", &[&x, &axes], vec![]);
        let mut times = [1; 3];
        times[axis] = steps as i64;
        let times = self.ints(&times);
        self.emit("Expand", &[&one, &times], vec![])
    }

    /// Labels as whole numbers.
    fn labels(&mut self, node: usize) -> String {
        let labels = self.plain(node);
        match self.kind(node) {
            Type::Int64 => labels,
            Type::Float => self.emit("Cast", &[&labels], vec![Attr::Int("to", INT64)]),
        }
    }

    /// An operation on each element, on the value as it lies.
    fn unary(&mut self, at: usize, emit: impl FnOnce(&mut Self, &str) -> String) {
        let Form { axes, name } = self.form(self.graph.nodes[at].inputs[0]);
        let y = emit(self, &name);
        self.layouts.add(at, axes, y);
    }

    fn simple(&mut self, at: usize, op: &'static str) {
        self.unary(at, |b, x| b.emit(op, &[x], vec![]));
    }

    /// Two values of one shape, in an order of axes that both have.
    fn alike(&mut self, a: usize, b: usize) -> (Form, Form) {
        let common =
            self.layouts.of(a).iter().find_map(|form| Some((form.clone(), self.layouts.get(b, &form.axes)?.clone())));
        common.unwrap_or_else(|| {
            let axes = identity(self.rank(a));
            let form = |name| Form { axes: axes.clone(), name };
            (form(self.plain(a)), form(self.plain(b)))
        })
    }

    fn binary(&mut self, at: usize, op: &'static str) {
        let [a, b] = self.graph.nodes[at].inputs[..] else { unreachable!("two inputs") };
        let (a, b, axes) = match self.dims(a) == self.dims(b) {
            true => {
                let (a, b) = self.alike(a, b);
                (a.name, b.name, a.axes)
            }
            false => (self.plain(a), self.plain(b), identity(self.rank(at))),
        };
        let y = self.emit(op, &[&a, &b], vec![]);
        self.layouts.add(at, axes, y);
    }

    /// An operator on all inputs as the engine has them.
    fn rows(&mut self, at: usize, op: &'static str, attributes: &[Attr]) {
        let inputs: Vec<String> = self.graph.nodes[at].inputs.iter().map(|&x| self.plain(x)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let y = self.emit(op, &inputs, attributes.to_vec());
        self.set(at, y);
    }

    /// A reduction along an axis, which goes.
    fn along(&mut self, at: usize, op: &'static str) {
        let axes = Attr::Ints("axes", vec![self.graph.nodes[at].whole("axis") as i64]);
        self.rows(at, op, &[axes, Attr::Int("keepdims", 0)]);
    }

    /// x·Φ(x) = ½ x·(1 + erf(x / √2))
    fn gelu(&mut self, x: &str) -> String {
        let [root, one, half] = [std::f64::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|c| self.number(c));
        let scaled = self.emit("Mul", &[x, &root], vec![]);
        let erf = self.emit("Erf", &[&scaled], vec![]);
        let above = self.emit("Add", &[&erf, &one], vec![]);
        let product = self.emit("Mul", &[x, &above], vec![]);
        self.emit("Mul", &[&product, &half], vec![])
    }

    /// ½ x·(1 + tanh(√(2/π)·(x + 0.044715 x³)))
    fn gelu_tanh(&mut self, x: &str) -> String {
        let constants = [0.044_715, 1.0, (2.0 / std::f64::consts::PI).sqrt(), 0.5];
        let [cube, one, root, half] = constants.map(|c| self.number(c));
        let square = self.emit("Mul", &[x, x], vec![]);
        let bent = self.emit("Mul", &[&square, &cube], vec![]);
        let factor = self.emit("Add", &[&bent, &one], vec![]);
        let inner = self.emit("Mul", &[x, &factor], vec![]);
        let inner = self.emit("Mul", &[&inner, &root], vec![]);
        let tanh = self.emit("Tanh", &[&inner], vec![]);
        let above = self.emit("Add", &[&tanh, &one], vec![]);
        let product = self.emit("Mul", &[x, &above], vec![]);
        self.emit("Mul", &[&product, &half], vec![])
    }

    /// −½ Σ (1 + logσ² − μ² − e^logσ²)
    fn gaussian_kl(&mut self, at: usize) {
        let [mu, logvar] = self.graph.nodes[at].inputs[..] else { unreachable!("two inputs") };
        let (mu, logvar) = self.alike(mu, logvar);
        let [one, half] = [1.0, -0.5].map(|c| self.number(c));
        let square = self.emit("Mul", &[&mu.name, &mu.name], vec![]);
        let variance = self.emit("Exp", &[&logvar.name], vec![]);
        let above = self.emit("Add", &[&logvar.name, &one], vec![]);
        let less = self.emit("Sub", &[&above, &square], vec![]);
        let each = self.emit("Sub", &[&less, &variance], vec![]);
        let sum = self.emit("ReduceSum", &[&each], vec![Attr::Int("keepdims", 0)]);
        let y = self.emit("Mul", &[&sum, &half], vec![]);
        self.set(at, y);
    }

    /// Mean and variance of each channel over all other axes: (2, C).
    fn statistics(&mut self, at: usize) {
        let x = self.graph.nodes[at].inputs[0];
        let others: Vec<i64> = (0..self.rank(x) as i64 - 1).collect();
        let x = self.plain(x);
        let mean = |b: &mut Self, x: &str| {
            b.emit("ReduceMean", &[x], vec![Attr::Ints("axes", others.clone()), Attr::Int("keepdims", 1)])
        };
        let average = mean(self, &x);
        let d = self.emit("Sub", &[&x, &average], vec![]);
        let square = self.emit("Mul", &[&d, &d], vec![]);
        let variance = mean(self, &square);
        let row = self.ints(&[1, -1]);
        let rows = [average, variance].map(|part| self.emit("Reshape", &[&part, &row], vec![]));
        let y = self.emit("Concat", &[&rows[0], &rows[1]], vec![Attr::Int("axis", 0)]);
        self.set(at, y);
    }

    /// (x − m) / √(v + eps) · weight + bias, with (2, C) of m and v
    fn batch_norm(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let eps = self.number(node.number("eps"));
        let [x, statistics, weight, bias] = node.inputs[..] else { unreachable!("four inputs") };
        let [x, statistics, weight, bias] = [x, statistics, weight, bias].map(|input| self.plain(input));
        let [mean, variance] = [0, 1].map(|row| {
            let row = self.int(row);
            self.emit("Gather", &[&statistics, &row], vec![Attr::Int("axis", 0)])
        });
        let above = self.emit("Add", &[&variance, &eps], vec![]);
        let deviation = self.emit("Sqrt", &[&above], vec![]);
        let d = self.emit("Sub", &[&x, &mean], vec![]);
        let normal = self.emit("Div", &[&d, &deviation], vec![]);
        let scaled = self.emit("Mul", &[&normal, &weight], vec![]);
        let y = self.emit("Add", &[&scaled, &bias], vec![]);
        self.set(at, y);
    }

    fn relu_on_request(&mut self, at: usize, y: String) -> String {
        match self.graph.nodes[at].flag("relu") {
            true => self.emit("Relu", &[&y], vec![]),
            false => y,
        }
    }

    fn linear(&mut self, at: usize) {
        let inputs: Vec<String> = self.graph.nodes[at].inputs.iter().map(|&x| self.plain(x)).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let y = self.emit("Gemm", &inputs, vec![Attr::Int("transB", 1)]);
        let y = self.relu_on_request(at, y);
        self.set(at, y);
    }

    fn matmul(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let sides = [("transposed_a", node.inputs[0]), ("transposed_b", node.inputs[1])].map(|(name, x)| {
            let mut axes = identity(self.rank(x));
            if node.flag(name) {
                let rank = axes.len();
                axes.swap(rank - 2, rank - 1);
            }
            self.turned(x, &axes)
        });
        let y = self.emit("MatMul", &[&sides[0], &sides[1]], vec![]);
        self.set(at, y);
    }

    /// Pictures with channels first; the weights lie as PyTorch's and ONNX's do.
    fn convolution(&mut self, at: usize, op: &'static str, attributes: Vec<Attr>) {
        let x = &self.graph.nodes[at].inputs[..];
        let pictures = self.turned(x[0], &CHANNELS_FIRST);
        let [weight, bias] = [x[1], x[2]].map(|x| self.plain(x));
        let y = self.emit(op, &[&pictures, &weight, &bias], attributes);
        let y = self.relu_on_request(at, y);
        self.layouts.add(at, CHANNELS_FIRST.to_vec(), y);
    }

    fn pool(&mut self, at: usize, op: &'static str, more: Vec<Attr>) {
        let node = &self.graph.nodes[at];
        let pictures = self.turned(node.inputs[0], &CHANNELS_FIRST);
        let window = [pair("kernel_shape", node.pair("kernel")), pair("strides", node.pair("stride"))];
        let attributes = window.into_iter().chain([pads(node.pair("padding"))]).chain(more).collect();
        let y = self.emit(op, &[&pictures], attributes);
        self.layouts.add(at, CHANNELS_FIRST.to_vec(), y);
    }

    /// The same elements: every form of x is one of y.
    fn permute(&mut self, at: usize, permutation: &[usize]) {
        for form in self.layouts.of(self.graph.nodes[at].inputs[0]).to_vec() {
            let Form { axes, name } = form.permuted(permutation);
            self.layouts.add(at, axes, name);
        }
    }

    fn slice(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let form = self.form(node.inputs[0]);
        let axis = form.axis(node.whole("axis"));
        let [start, end, axis] = [node.whole("start"), node.whole("end"), axis].map(|n| self.ints(&[n as i64]));
        let y = self.emit("Slice", &[&form.name, &start, &end, &axis], vec![]);
        self.layouts.add(at, form.axes, y);
    }

    /// Along the last axis, in an order of axes that all inputs have.
    fn concat(&mut self, at: usize) {
        let x = &self.graph.nodes[at].inputs;
        let has = |axes: &[usize]| x.iter().all(|&x| self.layouts.get(x, axes).is_some());
        let common = self.layouts.of(x[0]).iter().find(|form| has(&form.axes)).map(|form| form.axes.clone());
        let axes = common.unwrap_or_else(|| identity(self.rank(at)));
        let parts: Vec<String> = x.iter().map(|&x| self.turned(x, &axes)).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let last = Form { axes, name: String::new() };
        let axis = last.axis(self.rank(at) - 1) as i64;
        let y = self.emit("Concat", &parts, vec![Attr::Int("axis", axis)]);
        self.layouts.add(at, last.axes, y);
    }

    /// y[b] = x[b, step], of (B, T, D)
    fn select(&mut self, at: usize) {
        let node = &self.graph.nodes[at];
        let step = self.int(node.whole("step") as i64);
        let form = self.form(node.inputs[0]);
        let ordered = form.axis(0) < form.axis(2);
        let (name, axis) = match ordered {
            true => (form.name.clone(), form.axis(1)),
            false => (self.plain(node.inputs[0]), 1),
        };
        let y = self.emit("Gather", &[&name, &step], vec![Attr::Int("axis", axis as i64)]);
        self.set(at, y);
    }
}
