//! The messages of `onnx.proto` that a network needs, by their field numbers.
//! <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>

use super::super::graph::Dim;
use crate::protobuf::Message;

/// The version of the file format that goes with the operators.
const IR_VERSION: i64 = 8;
/// The version of the operators.
const OPSET: i64 = 17;

/// `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Float = 1,
    Int64 = 7,
}

/// `AttributeProto`.
#[derive(Debug, Clone)]
pub(super) enum Attr {
    Int(&'static str, i64),
    Ints(&'static str, Vec<i64>),
    Float(&'static str, f32),
    Text(&'static str, &'static str),
}

impl Attr {
    fn message(&self) -> Message {
        // AttributeProto { name = 1, f = 2, i = 3, s = 4, ints = 8, type = 20 }, and of its types FLOAT, INT, STRING, INTS.
        let (name, value, kind) = match self {
            Attr::Float(name, value) => (name, Message::new().float(2, *value), 1),
            Attr::Int(name, value) => (name, Message::new().int(3, *value), 2),
            Attr::Text(name, value) => (name, Message::new().bytes(4, value), 3),
            Attr::Ints(name, values) => (name, values.iter().fold(Message::new(), |m, &value| m.int(8, value)), 7),
        };
        Message::new().bytes(1, name).join(value).varint(20, kind)
    }
}

/// `NodeProto`: an operator with one output.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) op: &'static str,
    /// Names of values; the empty name is an input that is left out.
    pub(super) inputs: Vec<String>,
    pub(super) output: String,
    pub(super) attributes: Vec<Attr>,
}

impl Node {
    /// `NodeProto { input = 1, output = 2, name = 3, op_type = 4, attribute = 5 }`.
    pub(super) fn message(&self) -> Message {
        let message = self.inputs.iter().fold(Message::new(), |message, input| message.bytes(1, input));
        let message = message.bytes(2, &self.output).bytes(3, &self.output).bytes(4, self.op);
        self.attributes.iter().fold(message, |message, attribute| message.message(5, &attribute.message()))
    }
}

/// `TensorProto { dims = 1, data_type = 2, name = 8, raw_data = 9 }`.
fn tensor(name: &str, dims: &[usize], kind: Type, raw: &[u8]) -> Message {
    let dims = dims.iter().fold(Message::new(), |message, &dim| message.varint(1, dim as u64));
    dims.varint(2, kind as u64).bytes(8, name).bytes(9, raw)
}

/// A constant of `f32`.
pub(super) fn floats(name: &str, dims: &[usize], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, dims, Type::Float, &raw)
}

/// A constant of `i64`.
pub(super) fn ints(name: &str, dims: &[usize], values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, dims, Type::Int64, &raw)
}

/// `ValueInfoProto { name = 1, type = 2, doc_string = 3 }` of a tensor, `TypeProto { tensor_type = 1 { elem_type = 1, shape = 2 } }`,
/// whose `TensorShapeProto.Dimension` is a `dim_value` = 1 or a `dim_param` = 2.
pub(super) fn value_info(name: &str, meaning: &str, kind: Type, dims: &[Dim]) -> Message {
    let shape = dims.iter().fold(Message::new(), |shape, dim| {
        let dim = match dim {
            Dim::Fixed(extent) => Message::new().varint(1, *extent as u64),
            Dim::Batch(1) => Message::new().bytes(2, "batch"),
            Dim::Batch(times) => Message::new().bytes(2, format!("{times}*batch")),
        };
        shape.message(1, &dim)
    });
    let tensor = Message::new().varint(1, kind as u64).message(2, &shape);
    Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor)).bytes(3, meaning)
}

/// The parts of a file.
pub(super) struct Model<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) nodes: &'a [Node],
    pub(super) initializers: &'a [Message],
    pub(super) inputs: &'a [Message],
    pub(super) outputs: &'a [Message],
    pub(super) metadata: &'a [(&'a str, String)],
}

impl Model<'_> {
    /// `ModelProto { ir_version = 1, producer_name = 2, producer_version = 3, doc_string = 6, graph = 7, opset_import = 8,
    /// metadata_props = 14 }` with `GraphProto { node = 1, name = 2, initializer = 5, input = 11, output = 12 }`.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let all = |message: Message, field: u64, parts: &[Message]| {
            parts.iter().fold(message, |message, part| message.message(field, part))
        };
        let nodes = self.nodes.iter().fold(Message::new(), |graph, node| graph.message(1, &node.message()));
        let graph = all(nodes.bytes(2, self.name), 5, self.initializers);
        let graph = all(all(graph, 11, self.inputs), 12, self.outputs);
        let model = Message::new().int(1, IR_VERSION).bytes(2, "inkgrad").bytes(3, env!("CARGO_PKG_VERSION"));
        let model = model.bytes(6, self.description).message(7, &graph);
        // OperatorSetIdProto { domain = 1, version = 2 }: the operators of ONNX itself.
        let model = model.message(8, &Message::new().bytes(1, "").int(2, OPSET));
        let props = self.metadata.iter();
        props.fold(model, |m, (key, value)| m.message(14, &Message::new().bytes(1, key).bytes(2, value))).into_bytes()
    }
}
