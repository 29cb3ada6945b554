//! A recorded tape as JSON: what a page's interpreter replays.

use inkgrad_engine::inspect::{Attribute, Role};
use inkgrad_engine::ops::OPS;
use inkgrad_engine::{Float, Tape};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One recorded value. `inputs` are indices of earlier nodes.
#[derive(Debug, Serialize)]
pub struct Node {
    /// The operation's name; `input`, `param` or `view` for what is none.
    pub op: String,
    /// The name that it was declared with, for inputs and parameters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The formula.
    pub formula: &'static str,
    /// The nodes that it is computed from.
    pub inputs: Vec<usize>,
    /// The extents of its value.
    pub shape: Vec<usize>,
    /// The settings that it was recorded with.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Floating-point operations of its forward.
    pub flops: u64,
}

/// The nodes of a tape in order.
pub fn nodes<T: Float>(tape: &Tape<T>) -> Vec<Node> {
    tape.tensors()
        .map(|tensor| {
            let node = tape.node(tensor);
            let (op, name, formula) = match node.role {
                Role::Input(name) => ("input", name, "filled in before each run"),
                Role::Param(param) => ("param", param.name.as_str(), "trained"),
                Role::View => ("view", "", "y = x under another shape"),
                Role::Detached => ("detach", "", "y = x, as a constant: no gradient goes back"),
                Role::Op(op) => (op, "", OPS.iter().find(|spec| spec.name == op).map_or("", |spec| spec.formula)),
            };
            Node {
                op: op.to_owned(),
                name: name.to_owned(),
                formula,
                inputs: node.inputs.iter().map(|x| x.index()).collect(),
                shape: node.shape.dims().to_vec(),
                attributes: node
                    .attributes
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), attribute(value)))
                    .collect(),
                flops: node.flops,
            }
        })
        .collect()
}

fn attribute(value: &Attribute) -> Value {
    match value {
        Attribute::Flag(on) => json!(on),
        Attribute::Whole(n) => json!(n),
        Attribute::Pair(vertical, horizontal) => json!([vertical, horizontal]),
        Attribute::Number(x) => json!(x),
        Attribute::List(numbers) => json!(numbers),
    }
}
