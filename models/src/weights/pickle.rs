//! As much of Python's pickle as `torch.save` needs for tensors in dictionaries; nothing it names is ever executed.
//!
//! A pickle is a program for a stack machine. This one knows a few functions by name and only notes what they would
//! have made; any other opcode or name ends it. Everything made lies in one flat list, so that what refers to itself,
//! or is nested however deep, costs no more than the opcodes that made it.
//! Opcodes: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>

use super::Found;
use super::machine::Machine;
use super::tensor::{Dtype, Storage, View};

/// A pickle with more opcodes than this is refused; a tensor takes about 40.
const MAX_STEPS: usize = 1 << 20;

/// A Python object: small ones as they are, the others by where they lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    None,
    Bool,
    Int(i128),
    Float,
    Text(&'a str),
    Function(Function),
    /// An index into [`Pickle::nodes`].
    Node(usize),
}

/// The functions and classes that a pickle may name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A storage's class, which is only named.
    Storage(Dtype),
    /// A `torch.dtype`, which is only named.
    Dtype,
    /// A class or function whose results hold nothing of use here: what is made by it is noted as an object.
    Inert,
    /// A function that makes tensors of kinds that are not read: sparse, quantised.
    OtherTensor,
}

/// Modules whose functions do something to the machine, or make such functions: what calls one is no file of weights, though
/// nothing here would be executed.
const ACTING: [&str; 25] = [
    "os",
    "posix",
    "nt",
    "posixpath",
    "ntpath",
    "sys",
    "subprocess",
    "shutil",
    "socket",
    "pty",
    "importlib",
    "runpy",
    "code",
    "codeop",
    "ctypes",
    "marshal",
    "pickle",
    "types",
    "operator",
    "functools",
    "webbrowser",
    "platform",
    "asyncio",
    "pip",
    // TorchScript's programs.
    "__torch__",
];

/// Of Python's builtins the classes that hold nothing but values.
const HARMLESS: [&str; 10] =
    ["set", "frozenset", "bytearray", "complex", "range", "slice", "list", "tuple", "dict", "object"];

/// The longest name that a class may have.
const MAX_CLASS: usize = 200;

impl Function {
    /// The function or class `module.name`, if it is one of those allowed.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let are_words = name.chars().all(is_word) && module.chars().all(|c| is_word(c) || c == '.');
        if module.len() + name.len() > MAX_CLASS || !are_words {
            return None;
        }
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            (
                "torch",
                "float64" | "float32" | "float16" | "bfloat16" | "int64" | "int32" | "int16" | "int8" | "uint8"
                | "bool",
            ) => Self::Dtype,
            ("torch", name) if Dtype::of_storage(name).is_some() => Self::Storage(Dtype::of_storage(name)?),
            ("torch._utils" | "torch._tensor", name) if name.starts_with("_rebuild") => Self::OtherTensor,
            ("builtins" | "__builtin__", name) if !HARMLESS.contains(&name) => return None,
            // Objects that training scripts keep beside their weights, of classes of theirs too.
            (module, _) => {
                let package = module.split('.').next().unwrap_or(module);
                return (!ACTING.contains(&package)).then_some(Self::Inert);
            }
        })
    }

    /// Its name in Python.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::RebuildTensor => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::Storage(_) => "a storage's class",
            Self::Dtype => "a torch.dtype",
            Self::Inert => "a class without tensors",
            Self::OtherTensor => "what makes tensors of another kind",
        }
    }
}

/// A Python object that holds others.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Storage(Storage<'a>),
    Tensor(View<'a>),
    /// An object that [`Function::Inert`] made, with its name in messages.
    Inert(&'static str),
}

/// An object that a pickle made.
pub(super) struct Pickle<'a> {
    pub(super) root: Value<'a>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle that `bytes` start with; also returns the bytes after it.
    pub(super) fn read(bytes: &'a [u8]) -> Found<(Self, &'a [u8])> {
        let mut machine = Machine::new(bytes);
        for _ in 0..MAX_STEPS {
            if let Some(root) = machine.step()? {
                return Ok((Self { root, nodes: machine.nodes }, machine.rest));
            }
        }
        Err(format!("the pickle is longer than {MAX_STEPS} opcodes"))
    }

    /// The object that `value` stands for, where it is not small.
    fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(node) => Some(&self.nodes[node]),
            _ => None,
        }
    }

    /// The tensor that `value` is.
    pub(super) fn tensor(&self, value: Value<'a>) -> Option<&View<'a>> {
        match self.node(value)? {
            Node::Tensor(view) => Some(view),
            _ => None,
        }
    }

    /// The entries of `value` where it is a dictionary.
    pub(super) fn dictionary(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match self.node(value)? {
            Node::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of `value` where it is a list.
    pub(super) fn list(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.node(value)? {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// All storages that it names, as often as it does.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage<'a>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// The kind of object that `value` is, for messages.
    pub(super) fn kind(&self, value: Value<'_>) -> &'static str {
        match value {
            Value::None => "None",
            Value::Bool => "a bool",
            Value::Int(_) => "an integer",
            Value::Float => "a float",
            Value::Text(_) => "a string",
            Value::Function(_) => "a class",
            Value::Node(node) => match self.nodes[node] {
                Node::Tuple(_) => "a tuple",
                Node::List(_) => "a list",
                Node::Dict(_) => "a dictionary",
                Node::Storage(_) => "a storage",
                Node::Tensor(_) => "a tensor",
                Node::Inert(kind) => kind,
            },
        }
    }
}

/// The message about an opcode that no file of tensors needs.
pub(super) fn refuse_opcode(opcode: u8) -> String {
    let name = match opcode {
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b'P' => "PERSID",
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'U' => "SHORT_BINSTRING",
        b'T' => "BINSTRING",
        _ => return format!("the pickle has the opcode {opcode:#04x}, expected only tensors in dictionaries"),
    };
    format!("the pickle has the opcode {name}, expected only tensors in dictionaries")
}
