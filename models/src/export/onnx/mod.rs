//! ONNX: a part of a network as a file that onnxruntime and others run, of the operators of opset 17.
//!
//! Whatever network is on the tape travels, its own or somebody else's, as long as each of its operations has a form in
//! `ops.rs`. Weights are initializers under their own names; the batch is an axis of any extent.

mod ops;
mod proto;
mod recurrent;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use inkgrad_engine::Params;

use self::proto::{Attr, Model, Node, Type};
use super::graph::{Dim, Graph, Part, Port, Source, outer_axes};
use super::layouts::{Form, Layouts, identity};
use crate::model::Network;
use crate::model::config::Config;
use crate::protobuf::Message;
use crate::{Error, Result};

/// The most bytes of one message: a protobuf's length is an `int32` to most readers.
const MOST_BYTES: usize = i32::MAX as usize;

/// An ONNX file, and what goes in and comes out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Onnx {
    /// The file.
    pub bytes: Vec<u8>,
    /// Name and extents of each input: `batch` where there is one for each picture.
    pub inputs: Vec<(String, Vec<String>)>,
    /// The same of each output.
    pub outputs: Vec<(String, Vec<String>)>,
    /// The tensors of the network that it holds.
    pub tensors: usize,
    /// Their numbers.
    pub parameters: usize,
}

/// A part of `network` as an ONNX file of opset 17: deterministic, with the means of a variational autoencoder's latents in place of
/// draws, and pictures `(batch, channels, height, width)`.
///
/// ```
/// use inkgrad_models::export::{Part, onnx};
/// use inkgrad_models::prelude::*;
///
/// let models = Models::builtin();
/// let config = models.defaults("cnn-vae")?;
/// let mut network = models.build(&config)?;
/// network.initialise(1);
/// let decoder = onnx(&network, &config, Part::Decoder)?;
/// assert_eq!(decoder.inputs, [("latents".to_owned(), vec!["batch".to_owned(), "32".to_owned()])]);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// If the network has no such part, an operation has no ONNX form, a parameter is not finite, or the file would be of 2 GiB.
pub fn onnx(network: &Network<f32>, config: &Config, part: Part) -> Result<Onnx> {
    let graph = Graph::new(network, part)?;
    let metadata = [
        ("model", config.model.clone()),
        ("label", config.label()),
        ("part", part.name().to_owned()),
        ("inkgrad", env!("CARGO_PKG_VERSION").to_owned()),
        ("classes", serde_json::to_string(&config.classes).expect("names are JSON")),
        ("inputs", names(&graph.inputs)),
        ("outputs", names(&graph.outputs)),
    ];
    let name = format!("{part} of {}", config.model);
    file(&graph, &network.params, &name, &(network.spec().describe)(config), &metadata)
}

/// A graph as a file.
fn file(
    graph: &Graph,
    params: &Params<f32>,
    name: &str,
    description: &str,
    metadata: &[(&str, String)],
) -> Result<Onnx> {
    let mut builder = Builder::new(graph, params)?;
    (0..graph.nodes.len()).try_for_each(|node| builder.record(node))?;
    let inputs: Vec<Message> = graph.inputs.iter().map(|port| builder.declared(port)).collect();
    let outputs: Vec<Message> = graph.outputs.iter().map(|port| builder.declared(port)).collect();
    builder.name_outputs();
    let bytes: usize = builder.initializers.iter().map(|tensor| tensor.as_bytes().len()).sum();
    if bytes > MOST_BYTES {
        let problem = format!("{bytes} bytes of weights, expected at most {MOST_BYTES} (or --format safetensors)");
        return Err(Error::input("onnx", problem));
    }
    let model = Model {
        name,
        description,
        nodes: &builder.nodes,
        initializers: &builder.initializers,
        inputs: &inputs,
        outputs: &outputs,
        metadata,
    };
    let shown = |ports: &[Port]| ports.iter().map(|port| (port.name.to_owned(), builder.extents(port))).collect();
    let (inputs, outputs) = (shown(&graph.inputs), shown(&graph.outputs));
    let (tensors, parameters) = (builder.used.len(), builder.parameters());
    Ok(Onnx { bytes: model.into_bytes(), inputs, outputs, tensors, parameters })
}

fn names(ports: &[Port]) -> String {
    ports.iter().map(|port| port.name).collect::<Vec<_>>().join(",")
}

/// A graph of ONNX operators under construction.
struct Builder<'a> {
    graph: &'a Graph,
    /// Each parameter's extents and values.
    params: HashMap<&'a str, (&'a [usize], &'a [f32])>,
    layouts: Layouts,
    nodes: Vec<Node>,
    initializers: Vec<Message>,
    /// Constants by their values.
    constants: HashMap<String, String>,
    /// Names of values so far.
    taken: HashSet<String>,
    /// The parameters that it uses.
    used: HashSet<&'a str>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a Graph, params: &'a Params<f32>) -> Result<Self> {
        for param in params.iter() {
            if let Some(found) = params.value(param).iter().find(|value| !value.is_finite()) {
                return Err(Error::input(&param.name, format!("holds {found}, expected finite numbers alone")));
            }
        }
        let params = params.iter().map(|p| (p.name.as_str(), (p.shape.dims(), params.value(p)))).collect();
        let mut builder = Builder {
            graph,
            params,
            layouts: Layouts::new(graph.nodes.len()),
            nodes: Vec::new(),
            initializers: Vec::new(),
            constants: HashMap::new(),
            taken: graph.inputs.iter().chain(&graph.outputs).map(|port| port.name.to_owned()).collect(),
            used: HashSet::new(),
        };
        for port in &graph.inputs {
            builder.layouts.add(port.node, outer_axes(builder.rank(port.node)), port.name.to_owned());
        }
        Ok(builder)
    }

    /// Adds what makes the value of a node.
    fn record(&mut self, node: usize) -> Result<()> {
        match &self.graph.nodes[node].source {
            Source::Input => {}
            Source::Param(name) => self.param(node, name),
            Source::View => self.view(node),
            Source::Op(op) => self.op(node, op)?,
        }
        Ok(())
    }

    fn rank(&self, node: usize) -> usize {
        self.graph.nodes[node].dims.len()
    }

    fn dims(&self, node: usize) -> &'a [Dim] {
        &self.graph.nodes[node].dims
    }

    /// A parameter as an initializer under its own name. Recurrent layers take another layout, made of it where it is used, so
    /// the parameter is added only when somebody asks for it as it is.
    fn param(&mut self, node: usize, name: &'a str) {
        self.used.insert(name);
        let users = self.graph.nodes.iter().filter(|user| user.inputs.contains(&node));
        let reordered = users.clone().all(|user| recurrent::takes_as_weight(user, node));
        if reordered && users.count() > 0 {
            return;
        }
        let (dims, values) = self.params[name];
        let own = self.unique(name);
        self.initializers.push(proto::floats(&own, dims, values));
        self.layouts.add(node, identity(dims.len()), own);
    }

    /// The elements under another shape.
    fn view(&mut self, node: usize) {
        let x = self.graph.nodes[node].inputs[0];
        let dims = self.dims(node);
        if self.dims(x) == dims {
            for form in self.layouts.of(x).to_vec() {
                self.layouts.add(node, form.axes, form.name);
            }
            return;
        }
        // Axes of 1 may stand anywhere without moving an element.
        let from = self.dims(x);
        let moves = |form: &Form| !form.axes.iter().filter(|&&axis| from[axis] != Dim::Fixed(1)).is_sorted();
        let lies = self.layouts.of(x).iter().find(|form| !moves(form)).map(|form| form.name.clone());
        let x = lies.unwrap_or_else(|| self.plain(x));
        let shape = self.shape(dims);
        let y = self.emit("Reshape", &[&x, &shape], vec![]);
        self.set(node, y);
    }

    /// A value with its axes in this order.
    fn turned(&mut self, node: usize, axes: &[usize]) -> String {
        if let Some(form) = self.layouts.get(node, axes) {
            return form.name.clone();
        }
        let form = self.form(node);
        let order = form.turn_to(axes).iter().map(|&axis| axis as i64).collect();
        let name = self.emit("Transpose", &[&form.name], vec![Attr::Ints("perm", order)]);
        self.layouts.add(node, axes.to_vec(), name.clone());
        name
    }

    /// A value as the engine has it.
    fn plain(&mut self, node: usize) -> String {
        self.turned(node, &identity(self.rank(node)))
    }

    /// A value as it was made.
    fn form(&self, node: usize) -> Form {
        self.layouts.of(node)[0].clone()
    }

    fn set(&mut self, node: usize, name: String) {
        self.layouts.add(node, identity(self.rank(node)), name);
    }

    /// Adds an operator and names its output.
    fn emit(&mut self, op: &'static str, inputs: &[&str], attributes: Vec<Attr>) -> String {
        let output = self.unique(&op.to_lowercase());
        let inputs = inputs.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(Node { op, inputs, output: output.clone(), attributes });
        output
    }

    /// A name that nothing has yet.
    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut n = 1;
        while !self.taken.insert(name.clone()) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        name
    }

    /// A constant list of whole numbers.
    fn ints(&mut self, values: &[i64]) -> String {
        self.constant(format!("{values:?}"), |name| proto::ints(name, &[values.len()], values))
    }

    /// A constant whole number.
    fn int(&mut self, value: i64) -> String {
        self.constant(value.to_string(), |name| proto::ints(name, &[], &[value]))
    }

    /// A constant number.
    fn number(&mut self, value: f64) -> String {
        self.constant(format!("{value:?}f"), |name| proto::floats(name, &[], &[value as f32]))
    }

    fn constant(&mut self, key: String, make: impl FnOnce(&str) -> Message) -> String {
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.unique("constant");
        self.initializers.push(make(&name));
        self.constants.insert(key, name.clone());
        name
    }

    /// A shape for `Reshape`: the one axis that grows with the batch is what is left over.
    fn shape(&mut self, dims: &[Dim]) -> String {
        let growing = dims.iter().filter(|dim| matches!(dim, Dim::Batch(_))).count();
        if growing > 1 {
            return self.extents_of(dims);
        }
        let extent = |dim: &Dim| match *dim {
            Dim::Fixed(extent) => extent as i64,
            Dim::Batch(_) => -1,
        };
        let extents: Vec<i64> = dims.iter().map(extent).collect();
        self.ints(&extents)
    }

    /// Extents, those that grow with the batch computed from the first input's first axis.
    fn extents_of(&mut self, dims: &[Dim]) -> String {
        if dims.iter().all(|dim| matches!(dim, Dim::Fixed(_))) {
            return self.shape(dims);
        }
        let input = self.graph.inputs[0].name;
        let batch = self.emit("Shape", &[input], vec![Attr::Int("start", 0), Attr::Int("end", 1)]);
        let parts: Vec<String> = dims
            .iter()
            .map(|dim| match *dim {
                Dim::Fixed(extent) => self.ints(&[extent as i64]),
                Dim::Batch(1) => batch.clone(),
                Dim::Batch(times) => {
                    let times = self.ints(&[times as i64]);
                    self.emit("Mul", &[&batch, &times], vec![])
                }
            })
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.emit("Concat", &parts, vec![Attr::Int("axis", 0)])
    }

    /// The type of an input: labels that nothing but a table's rows or a loss are looked up with are whole numbers.
    fn kind(&self, node: usize) -> Type {
        let whole =
            self.graph.nodes.iter().filter(|user| user.inputs.contains(&node)).all(|user| ops::looks_up(user, node));
        if self.graph.nodes[node].source == Source::Input && self.graph.is_labels(node) && whole {
            Type::Int64
        } else {
            Type::Float
        }
    }

    /// An input or output as the file declares it; outputs are brought into their outer order of axes.
    fn declared(&mut self, port: &Port) -> Message {
        let axes = outer_axes(self.rank(port.node));
        self.turned(port.node, &axes);
        let dims: Vec<Dim> = axes.iter().map(|&axis| self.dims(port.node)[axis]).collect();
        proto::value_info(port.name, &port.meaning, self.kind(port.node), &dims)
    }

    fn extents(&self, port: &Port) -> Vec<String> {
        let dims = self.dims(port.node);
        let extent = |axis: &usize| match dims[*axis] {
            Dim::Fixed(extent) => extent.to_string(),
            Dim::Batch(1) => "batch".to_owned(),
            Dim::Batch(times) => format!("{times}*batch"),
        };
        outer_axes(dims.len()).iter().map(extent).collect()
    }

    /// Gives the values that come out their names: where an operator makes one for this alone, the operator's output is called so.
    fn name_outputs(&mut self) {
        let mut named = HashSet::new();
        for port in &self.graph.outputs {
            let axes = outer_axes(self.rank(port.node));
            let found = self.layouts.get(port.node, &axes).expect("declared before").name.clone();
            let made = self.nodes.iter().any(|node| node.output == found);
            if !made || named.contains(&found) {
                let (inputs, output) = (vec![found], port.name.to_owned());
                self.nodes.push(Node { op: "Identity", inputs, output, attributes: Vec::new() });
                continue;
            }
            for name in self.nodes.iter_mut().flat_map(|node| node.inputs.iter_mut().chain([&mut node.output])) {
                if *name == found {
                    port.name.clone_into(name);
                }
            }
            named.insert(port.name.to_owned());
            self.rename(&found, port.name);
        }
    }

    /// Calls a value otherwise in the forms that are still to be looked up.
    fn rename(&mut self, from: &str, to: &str) {
        for node in 0..self.graph.nodes.len() {
            self.layouts.rename(node, from, to);
        }
    }

    /// Numbers of the parameters that it uses.
    fn parameters(&self) -> usize {
        self.used.iter().map(|name| self.params[name].1.len()).sum()
    }
}
