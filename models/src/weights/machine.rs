//! The stack machine that reads a pickle.

use std::collections::HashMap;

use super::pickle::{Function, Node, Value, refuse_opcode};
use super::tensor::{MAX_AXES, Storage, View};
use super::{Found, plain};

/// Names in messages for things of which nothing is read.
const OBJECT: &str = "an object";
const OTHER_TENSOR: &str = "a tensor of a type that is not read";

/// The machine in the middle of a pickle.
pub(super) struct Machine<'a> {
    /// The bytes not read yet.
    pub(super) rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// How deep the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    /// All that was made so far.
    pub(super) nodes: Vec<Node<'a>>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), nodes: Vec::new() }
    }

    /// Executes one opcode; returns what the pickle made where that one ends it.
    pub(super) fn step(&mut self) -> Found<Option<Value<'a>>> {
        let opcode = self.byte()?;
        match opcode {
            // STOP
            b'.' => return self.pop().map(Some),
            // PROTO
            0x80 => match self.byte()? {
                2..=5 => {}
                version => return Err(format!("a pickle of protocol {version}, expected 2 to 5")),
            },
            // FRAME: a length, for those who read from a stream.
            0x95 => {
                self.take(8)?;
            }
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = self.byte()?;
                self.stack.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(value.into()));
            }
            0x8a => {
                let length = self.byte()?;
                let bytes = self.take(length.into())?;
                match long(bytes) {
                    Some(value) => self.stack.push(Value::Int(value)),
                    None => self.make(Node::Inert(OBJECT)),
                }
            }
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Float);
            }
            // SHORT_BINUNICODE, BINUNICODE
            0x8c => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            // MARK
            b'(' => self.marks.push(self.stack.len()),
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.make(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.make(Node::Tuple(items));
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.make(Node::Tuple(items));
            }
            // EMPTY_LIST, APPEND, APPENDS
            b']' => self.make(Node::List(Vec::new())),
            b'a' => {
                let items = self.pop_many(1)?;
                self.extend_list(items)?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            // EMPTY_DICT, SETITEM, SETITEMS
            b'}' => self.make(Node::Dict(Vec::new())),
            b's' => {
                let items = self.pop_many(2)?;
                self.extend_dictionary(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dictionary(&items)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' => {
                let index = self.byte()?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            // BINGET, LONG_BINGET
            b'h' => {
                let index = self.byte()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)?;
            }
            // NEWOBJ: an object of a class, made without its constructor.
            0x81 => {
                let made = self.pop_many(2)?;
                match made[..] {
                    [Value::Function(Function::Inert | Function::OrderedDict), _] => self.make(Node::Inert(OBJECT)),
                    _ => return Err(refuse_opcode(opcode)),
                }
            }
            // EMPTY_SET, ADDITEMS, FROZENSET, BINBYTES, SHORT_BINBYTES, BINBYTES8, LONG4: nothing of use here.
            0x8f => self.make(Node::Inert(OBJECT)),
            0x90 => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            0x91 => {
                self.pop_to_mark()?;
                self.make(Node::Inert(OBJECT));
            }
            b'B' | 0x8b => {
                let length = u32::from_le_bytes(self.array()?);
                self.step_over(length.into())?;
            }
            b'C' => {
                let length = self.byte()?;
                self.step_over(length.into())?;
            }
            0x8e => {
                let length = u64::from_le_bytes(self.array()?);
                self.step_over(length)?;
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let [Value::Text(module), Value::Text(name)] = names[..] else {
                    return Err("the pickle calls something whose name is no string".to_owned());
                };
                self.name(module, name)?;
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            _ => return Err(refuse_opcode(opcode)),
        }
        Ok(None)
    }

    fn take(&mut self, count: usize) -> Found<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("the pickle ends early")?;
        self.rest = rest;
        Ok(taken)
    }

    /// Passes over bytes of no use, and leaves an object in their place.
    fn step_over(&mut self, length: u64) -> Found<()> {
        self.take(usize::try_from(length).map_err(|_| "the pickle ends early")?)?;
        self.make(Node::Inert(OBJECT));
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Found<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("the pickle ends early")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Found<u8> {
        self.array().map(|[byte]| byte)
    }

    fn line(&mut self) -> Found<&'a str> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or("the pickle ends early")?;
        let line = self.take(end)?;
        self.take(1)?;
        utf8(line)
    }

    fn text(&mut self, length: usize) -> Found<()> {
        let text = utf8(self.take(length)?)?;
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn make(&mut self, node: Node<'a>) {
        self.stack.push(Value::Node(self.nodes.len()));
        self.nodes.push(node);
    }

    /// How much of the stack lies below the last mark: out of reach until the mark is taken away.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop_many(&mut self, count: usize) -> Found<Vec<Value<'a>>> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        Ok(self.stack.split_off(start.ok_or("the pickle takes from an empty stack")?))
    }

    fn pop_to_mark(&mut self) -> Found<Vec<Value<'a>>> {
        let start = self.marks.pop().ok_or("the pickle takes from the stack up to a mark that it never made")?;
        Ok(self.stack.split_off(start))
    }

    fn top(&self) -> Found<Value<'a>> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| "the pickle takes from an empty stack".to_owned())
    }

    fn pop(&mut self) -> Found<Value<'a>> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn top_node(&mut self) -> Found<Option<&mut Node<'a>>> {
        Ok(match self.top()? {
            Value::Node(node) => Some(&mut self.nodes[node]),
            _ => None,
        })
    }

    fn extend_list(&mut self, items: Vec<Value<'a>>) -> Found<()> {
        match self.top_node()? {
            Some(Node::List(list)) => list.extend(items),
            // Its contents are of no use either.
            Some(Node::Inert(_)) => {}
            _ => return Err("the pickle appends to something that is no list".to_owned()),
        }
        Ok(())
    }

    fn extend_dictionary(&mut self, items: &[Value<'a>]) -> Found<()> {
        let (pairs, []) = items.as_chunks() else {
            return Err("the pickle gives a dictionary a key without a value".to_owned());
        };
        match self.top_node()? {
            Some(Node::Dict(entries)) => entries.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Some(Node::Inert(_)) => {}
            _ => return Err("the pickle sets an entry of something that is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Found<()> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Found<()> {
        let value = self.memo.get(&index).ok_or("the pickle recalls what it never remembered")?;
        self.stack.push(*value);
        Ok(())
    }

    /// Pushes the function or class `module.name`, if it is one of those allowed.
    fn name(&mut self, module: &str, name: &str) -> Found<()> {
        let function = Function::named(module, name).ok_or_else(|| {
            let name = plain(&format!("{module}.{name}"));
            format!("the pickle calls {name}, expected only tensors in dictionaries")
        })?;
        self.stack.push(Value::Function(function));
        Ok(())
    }

    /// REDUCE: what calling a function with a tuple of arguments makes.
    fn reduce(&mut self) -> Found<()> {
        let arguments = self.pop()?;
        let function = self.pop()?;
        let arguments = self.tuple(arguments).ok_or("the pickle calls something without a tuple of arguments")?;
        match (function, arguments) {
            // Of what is not read a tensor cannot be made.
            (Value::Function(Function::RebuildTensor), &[Value::Node(node), ..])
                if matches!(self.nodes[node], Node::Inert(_)) =>
            {
                self.make(Node::Inert(OTHER_TENSOR));
            }
            (Value::Function(Function::OrderedDict), []) => self.make(Node::Dict(Vec::new())),
            (Value::Function(Function::RebuildTensor), &[storage, offset, shape, strides, _gradient, _hooks]) => {
                let view = self.view(storage, offset, shape, strides)?;
                self.make(Node::Tensor(view));
            }
            (Value::Function(Function::RebuildParameter), &[tensor, _gradient, _hooks]) => self.stack.push(tensor),
            (Value::Function(Function::Inert), _) => self.make(Node::Inert(OBJECT)),
            (Value::Function(Function::OtherTensor), _) => self.make(Node::Inert(OTHER_TENSOR)),
            (Value::Function(function), arguments) => {
                let (name, count) = (function.name(), arguments.len());
                return Err(format!("the pickle calls {name} with {count} unexpected arguments"));
            }
            _ => return Err("the pickle calls something that is no function".to_owned()),
        }
        Ok(())
    }

    /// BUILD: gives an object its attributes; `_metadata` for an `OrderedDict`, which says nothing about tensors.
    fn build(&mut self) -> Found<()> {
        self.pop()?;
        match self.top_node()? {
            Some(Node::Dict(_) | Node::Inert(_)) => Ok(()),
            _ => Err("the pickle sets attributes of something that is no dictionary".to_owned()),
        }
    }

    /// BINPERSID: a storage, `("storage", class, key, device, length)`, and in older files an unused sixth, None.
    fn persistent(&mut self) -> Found<()> {
        let id = self.pop()?;
        let storage = match self.tuple(id) {
            Some(
                &[Value::Text("storage"), Value::Function(Function::Storage(dtype)), Value::Text(key), _, length]
                | &[
                    Value::Text("storage"),
                    Value::Function(Function::Storage(dtype)),
                    Value::Text(key),
                    _,
                    length,
                    Value::None,
                ],
            ) => Storage::new(key, dtype, natural(length)?)?,
            // Of a type that is not read.
            Some([Value::Text("storage"), Value::Function(Function::Inert), ..]) => {
                self.make(Node::Inert(OTHER_TENSOR));
                return Ok(());
            }
            _ => return Err("the pickle has a persistent id that is not one of a storage".to_owned()),
        };
        self.make(Node::Storage(storage));
        Ok(())
    }

    fn tuple(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Node(node) => match &self.nodes[node] {
                Node::Tuple(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    fn view(&self, storage: Value<'a>, offset: Value<'a>, shape: Value<'a>, strides: Value<'a>) -> Found<View<'a>> {
        let storage = match storage {
            Value::Node(node) => &self.nodes[node],
            _ => return Err("the pickle makes a tensor of no storage".to_owned()),
        };
        let &Node::Storage(storage) = storage else {
            return Err("the pickle makes a tensor of no storage".to_owned());
        };
        let naturals = |value| -> Found<Vec<usize>> {
            let items = self.tuple(value).ok_or("the sizes or strides of a tensor are no tuple")?;
            if items.len() > MAX_AXES {
                return Err(format!("a tensor has {} axes, expected at most {MAX_AXES}", items.len()));
            }
            items.iter().map(|&item| natural(item)).collect()
        };
        View::new(storage, natural(offset)?, &naturals(shape)?, &naturals(strides)?)
    }
}

/// A two's complement integer of up to 16 little-endian bytes; `None` of more.
fn long(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut whole = [sign; 16];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i128::from_le_bytes(whole))
}

/// A size, stride, offset or length.
fn natural(value: Value<'_>) -> Found<usize> {
    let Value::Int(int) = value else {
        return Err("the pickle has a size, stride or offset that is no integer".to_owned());
    };
    let natural = isize::try_from(int).ok().and_then(|int| usize::try_from(int).ok());
    natural.ok_or_else(|| format!("the pickle has a size, stride or offset of {int}, expected 0 to {}", isize::MAX))
}

fn utf8(bytes: &[u8]) -> Found<&str> {
    std::str::from_utf8(bytes).map_err(|_| "the pickle has a string that is not UTF-8".to_owned())
}
