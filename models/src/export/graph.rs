//! A network's graphs as one that other programs can run: recorded for two numbers of pictures, so that axes which grow with the
//! batch show; encoder and decoder joined at the latents; only the values that outputs need.

use inkgrad_engine::inspect::{Attribute, Role};
use inkgrad_engine::{Tape, Tensor};

use crate::model::{Classification, Decoding, Encoding, Network, choice};
use crate::{Error, Result};

choice! {
    /// A part of a network.
    Part("part") {
        /// Pictures to latents.
        Encoder = "encoder",
        /// Latents to pictures.
        Decoder = "decoder",
        /// Pictures to reconstructions by way of the latents' means, or to classes.
        Whole = "whole",
    }
}

/// Why the operation `op` cannot be written, in the format of this name, which it "has no …" in.
pub(super) fn refusal(format: &str, op: &str, has_no: &str) -> Error {
    let problem = match op {
        "dropout" | "reparameterize" => {
            "draws at random, expected one that gives the same for the same input".to_owned()
        }
        _ => format!("has no {has_no}, expected the engine's own but for frozen_conv2d"),
    };
    Error::input(format, format_args!("operation `{op}` {problem}"))
}

/// The numbers of pictures that graphs are recorded for.
const BATCHES: [usize; 2] = [2, 3];

/// An extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dim {
    Fixed(usize),
    /// So many times the number of pictures.
    Batch(usize),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Input,
    /// The parameter of this name.
    Param(String),
    /// The elements of its only input, row-major, under another shape.
    View,
    /// An operation of the engine; or `clamp`, which keeps a picture within [0, 1].
    Op(String),
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) source: Source,
    /// Indices of earlier nodes.
    pub(super) inputs: Vec<usize>,
    pub(super) dims: Vec<Dim>,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

impl Node {
    /// A setting of an operation of the engine, which has it.
    pub(super) fn setting(&self, name: &str) -> &Attribute {
        let found = self.attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| value);
        found.unwrap_or_else(|| panic!("{:?} has no setting `{name}`", self.source))
    }

    pub(super) fn whole(&self, name: &str) -> usize {
        match self.setting(name) {
            Attribute::Whole(n) => *n,
            other => panic!("`{name}` is {other:?}, expected a whole number"),
        }
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        match self.setting(name) {
            Attribute::Number(x) => *x,
            other => panic!("`{name}` is {other:?}, expected a number"),
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        match self.setting(name) {
            Attribute::Flag(on) => *on,
            other => panic!("`{name}` is {other:?}, expected a flag"),
        }
    }

    pub(super) fn pair(&self, name: &str) -> (usize, usize) {
        match self.setting(name) {
            Attribute::Pair(vertical, horizontal) => (*vertical, *horizontal),
            other => panic!("`{name}` is {other:?}, expected a pair"),
        }
    }

    pub(super) fn list(&self, name: &str) -> &[usize] {
        match self.setting(name) {
            Attribute::List(list) => list,
            other => panic!("`{name}` is {other:?}, expected a list"),
        }
    }
}

/// A value that goes in or comes out.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) name: &'static str,
    pub(super) node: usize,
    /// A line for those who use the file.
    pub(super) meaning: String,
}

#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

/// The axes of a picture `(B, H, W, C)`, as the engine has it, in the order of other programs: `(B, C, H, W)`.
pub(super) const CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];
/// The way back.
pub(super) const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];

const PICTURES: &str = "pictures in [0, 1]: (batch, channels, height, width)";
const LATENTS: &str = "latents: (batch, latent)";
const LABELS: &str = "the number of each picture's class, from 0: (batch)";

impl Graph {
    /// The graph of a part of `network`.
    ///
    /// # Errors
    /// If the network has no such part, or its graph depends on the batch by more than the extents of its values.
    pub(super) fn new(network: &Network<f32>, part: Part) -> Result<Graph> {
        let graph = match part {
            Part::Encoder => Self::encoder(network),
            Part::Decoder => Self::decoder(network),
            Part::Whole if network.is_autoencoder() => Self::autoencoder(network),
            Part::Whole if network.is_classifier() => Self::classifier(network),
            Part::Whole => {
                let problem = format!(
                    "{} neither codes pictures nor tells their classes: nothing to export",
                    network.spec().name
                );
                return Err(Error::input("model", problem));
            }
        };
        graph.map(|graph| graph.with_moved_channels().pruned())
    }

    fn encoder(network: &Network<f32>) -> Result<Graph> {
        let (nodes, graph) = recorded("encoder", |tape, batch| network.encoding(tape, batch))?;
        let mut outputs = vec![port("latents", graph.mu, mean_of_latents(&graph))];
        outputs.extend(graph.logvar.map(|logvar| port("logvar", logvar, "their log-variances: (batch, latent)")));
        Ok(Graph { nodes, inputs: encoder_inputs(&graph), outputs })
    }

    fn decoder(network: &Network<f32>) -> Result<Graph> {
        let (nodes, graph) = recorded("decoder", |tape, batch| network.decoding(tape, batch))?;
        let mut inputs = vec![port("latents", graph.latents, LATENTS)];
        inputs.extend(graph.labels.map(|labels| port("labels", labels, LABELS)));
        let mut decoder = Graph { nodes, inputs, outputs: Vec::new() };
        let images = decoder.clamped(graph.images.index());
        decoder.outputs.push(Port { name: "images", node: images, meaning: PICTURES.to_owned() });
        Ok(decoder)
    }

    fn autoencoder(network: &Network<f32>) -> Result<Graph> {
        let (nodes, encoding) = recorded("encoder", |tape, batch| network.encoding(tape, batch))?;
        let (behind, decoding) = recorded("decoder", |tape, batch| network.decoding(tape, batch))?;
        let mut inputs = encoder_inputs(&encoding);
        let offset = nodes.len();
        if let (None, Some(labels)) = (encoding.labels, decoding.labels) {
            inputs.push(Port { node: offset + labels.index(), ..port("labels", labels, LABELS) });
        }
        // The decoder's inputs are values of the encoder's.
        let joined = |i: usize| match (decoding.labels, encoding.labels) {
            _ if i == decoding.latents.index() => encoding.mu.index(),
            (Some(own), Some(labels)) if i == own.index() => labels.index(),
            _ => offset + i,
        };
        let behind =
            behind.into_iter().map(|node| Node { inputs: node.inputs.iter().map(|&i| joined(i)).collect(), ..node });
        let nodes = nodes.into_iter().chain(behind).collect();
        let mut whole = Graph { nodes, inputs, outputs: Vec::new() };
        let images = whole.clamped(offset + decoding.images.index());
        whole.outputs.push(Port { name: "reconstructions", node: images, meaning: PICTURES.to_owned() });
        Ok(whole)
    }

    fn classifier(network: &Network<f32>) -> Result<Graph> {
        let (nodes, graph) = recorded("classifier", |tape, batch| network.classification(tape, batch))?;
        let Classification { images, features, logits } = graph;
        let mut classifier = Graph { nodes, inputs: vec![port("images", images, PICTURES)], outputs: Vec::new() };
        let probabilities = classifier.push("softmax", logits.index());
        classifier.outputs = vec![
            port("logits", logits, "(batch, classes)"),
            Port { name: "probabilities", node: probabilities, meaning: "their softmax: (batch, classes)".to_owned() },
            port("features", features, "the last hidden layer: (batch, features)"),
        ];
        Ok(classifier)
    }

    /// Adds an operation that keeps the shape.
    fn push(&mut self, op: &str, x: usize) -> usize {
        let (source, dims) = (Source::Op(op.to_owned()), self.nodes[x].dims.clone());
        self.nodes.push(Node { source, inputs: vec![x], dims, attributes: Vec::new() });
        self.nodes.len() - 1
    }

    /// Decoded pictures are cut off at 0 and 1, of use where nothing else keeps them there.
    fn clamped(&mut self, images: usize) -> usize {
        match &self.nodes[images].source {
            Source::Op(op) if op == "sigmoid" => images,
            _ => self.push("clamp", images),
        }
    }

    /// Channels that move are recorded as a view, a transposition of three axes and another view, or as a view where there is one of
    /// them; each becomes one permutation of four axes, which takes no view of how elements lie.
    fn with_moved_channels(mut self) -> Graph {
        for i in 0..self.nodes.len() {
            if let Some((x, axes)) = self.moved_channels(i) {
                let attributes = vec![("axes", Attribute::List(axes.to_vec()))];
                let node = &mut self.nodes[i];
                (node.source, node.inputs, node.attributes) = (Source::Op("permute".to_owned()), vec![x], attributes);
            }
        }
        self
    }

    /// The four axes whose channels node `i` moves, and in which order it has them.
    fn moved_channels(&self, i: usize) -> Option<(usize, [usize; 4])> {
        let node = self.is_view(i)?;
        let permuted = |x: usize| {
            let from: [Dim; 4] = self.nodes[x].dims.clone().try_into().ok()?;
            [CHANNELS_FIRST, CHANNELS_LAST].into_iter().find(|axes| axes.map(|axis| from[axis]) == node.dims[..])
        };
        let before = node.inputs[0];
        let one = Dim::Fixed(1);
        if self.nodes[before].dims.len() == 4 {
            // One channel, last or first: the elements lie alike.
            let (from, to) = (&self.nodes[before].dims, &node.dims);
            let axes = permuted(before)?;
            let channel =
                if axes == CHANNELS_FIRST { from[3] == one && to[1] == one } else { from[1] == one && to[3] == one };
            return channel.then_some((before, axes));
        }
        let turned = &self.nodes[before];
        if !matches!(&turned.source, Source::Op(op) if op == "transpose") {
            return None;
        }
        let flat = self.is_view(turned.inputs[0])?;
        let x = flat.inputs[0];
        let axes = permuted(x)?;
        // (B, H·W, C) or (B, C, H·W) between the two.
        let dims = &self.nodes[x].dims;
        let kept = if axes == CHANNELS_FIRST { flat.dims[2] == dims[3] } else { flat.dims[1] == dims[1] };
        (flat.dims.len() == 3 && flat.dims[0] == dims[0] && kept).then_some((x, axes))
    }

    fn is_view(&self, i: usize) -> Option<&Node> {
        Some(&self.nodes[i]).filter(|node| node.source == Source::View)
    }

    /// The same without values that no output needs; inputs stay.
    fn pruned(self) -> Graph {
        let mut needed = vec![false; self.nodes.len()];
        self.outputs.iter().chain(&self.inputs).for_each(|port| needed[port.node] = true);
        for i in (0..self.nodes.len()).rev() {
            if needed[i] {
                self.nodes[i].inputs.iter().for_each(|&x| needed[x] = true);
            }
        }
        let mut place = vec![0; self.nodes.len()];
        let mut nodes = Vec::new();
        for (i, mut node) in self.nodes.into_iter().enumerate().filter(|&(i, _)| needed[i]) {
            node.inputs.iter_mut().for_each(|x| *x = place[*x]);
            place[i] = nodes.len();
            nodes.push(node);
        }
        let moved = |ports: Vec<Port>| ports.into_iter().map(|port| Port { node: place[port.node], ..port }).collect();
        Graph { nodes, inputs: moved(self.inputs), outputs: moved(self.outputs) }
    }

    /// Whether a value is an input that holds labels, by its name.
    pub(super) fn is_labels(&self, node: usize) -> bool {
        self.inputs.iter().any(|port| port.node == node && port.name == "labels")
    }
}

/// For a picture's order of axes where it goes in or out, and any other value's own.
pub(super) fn outer_axes(rank: usize) -> Vec<usize> {
    if rank == 4 { CHANNELS_FIRST.to_vec() } else { (0..rank).collect() }
}

fn port(name: &'static str, node: Tensor, meaning: impl Into<String>) -> Port {
    Port { name, node: node.index(), meaning: meaning.into() }
}

fn mean_of_latents(graph: &Encoding) -> String {
    if graph.logvar.is_some() { format!("the means of {LATENTS}") } else { LATENTS.to_owned() }
}

fn encoder_inputs(graph: &Encoding) -> Vec<Port> {
    let labels = graph.labels.map(|labels| port("labels", labels, LABELS));
    [port("images", graph.images, PICTURES)].into_iter().chain(labels).collect()
}

/// Records a graph for both numbers of pictures and makes one of the two.
fn recorded<G>(what: &str, record: impl Fn(&mut Tape<f32>, usize) -> Result<G>) -> Result<(Vec<Node>, G)> {
    let [mut few, mut more] = [Tape::new(), Tape::new()];
    let graph = record(&mut few, BATCHES[0])?;
    record(&mut more, BATCHES[1])?;
    Ok((merged(what, &few, &more)?, graph))
}

/// The nodes of two tapes that differ by their number of pictures alone.
pub(super) fn merged(what: &str, few: &Tape<f32>, more: &Tape<f32>) -> Result<Vec<Node>> {
    let refuse = |problem: String| Err(Error::input(what, format!("{problem}, expected one graph for any batch")));
    let source = |role: &Role<'_>| match *role {
        Role::Input(_) => Source::Input,
        Role::Param(param) => Source::Param(param.name.clone()),
        Role::View | Role::Detached => Source::View,
        Role::Op(op) => Source::Op(op.to_owned()),
    };
    if few.len() != more.len() {
        return refuse(format!("{} values for one batch and {} for another", few.len(), more.len()));
    }
    let mut nodes = Vec::with_capacity(few.len());
    for (a, b) in few.tensors().zip(more.tensors()) {
        let (a, b) = (few.node(a), more.node(b));
        let (from, inputs) = (source(&a.role), a.inputs.iter().map(|x| x.index()).collect::<Vec<_>>());
        let named = match &from {
            Source::Input => "an input",
            Source::Param(name) => name,
            Source::View => "a view",
            Source::Op(op) => op,
        };
        if source(&b.role) != from || !b.inputs.iter().map(|x| x.index()).eq(inputs.iter().copied()) {
            return refuse(format!("{named} stands where another batch has something else"));
        }
        if let Some(((name, _), _)) = a.attributes.iter().zip(&b.attributes).find(|(a, b)| a != b) {
            return refuse(format!("the {name} of {named} depends on the batch"));
        }
        let dims: Option<Vec<Dim>> = match a.shape.rank() == b.shape.rank() {
            true => a.shape.dims().iter().zip(b.shape.dims()).map(|(&a, &b)| dim([a, b])).collect(),
            false => None,
        };
        let Some(dims) = dims else {
            return refuse(format!("{named} is {} for one batch and {} for another", a.shape, b.shape));
        };
        nodes.push(Node { source: from, inputs, dims, attributes: a.attributes });
    }
    Ok(nodes)
}

/// The extent that is `found` for the numbers of pictures of [`BATCHES`].
fn dim(found: [usize; 2]) -> Option<Dim> {
    if found[0] == found[1] {
        return Some(Dim::Fixed(found[0]));
    }
    let times = found[0] / BATCHES[0];
    (BATCHES.map(|batch| times * batch) == found).then_some(Dim::Batch(times))
}

/// Which graphs a network has: those that become methods of a PyTorch module.
pub(super) fn has_decoder(network: &Network<f32>) -> bool {
    let decoding: Result<Decoding> = network.decoding(&mut Tape::new(), BATCHES[0]);
    decoding.is_ok()
}
