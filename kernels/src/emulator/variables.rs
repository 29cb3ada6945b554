//! Declarations outside the registers: variables in shared and constant memory, parameters; and the bits of constants.

use std::collections::HashMap;

use super::expression::evaluate;
use super::inst::Type;
use super::kernel::{Register, Variable};
use super::parse::{is_name, split};

/// Bytes that no variable owns after each shared variable, so that what runs past one is noticed. A multiple of 128
/// leaves every variable in its banks.
pub const GAP: usize = 128;

/// Limits, so that a short text does not ask for all memory: bytes of a variable, its alignment, bytes of constants as on a
/// GPU, variables.
const VARIABLE: usize = 1 << 24;
const ALIGNMENT: usize = 1 << 12;
const CONSTANTS: usize = 64 << 10;
const VARIABLES: usize = 1024;

/// The meaning of a name.
#[derive(Debug, Clone, Copy)]
pub enum Symbol {
    Register(Register),
    Shared(usize),
    Constant(usize),
    Param(usize),
}

/// Variables outside the registers.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    pub symbols: HashMap<String, Symbol>,
    pub shared: Vec<Variable>,
    pub constants: Vec<u8>,
}

impl Variables {
    /// A declaration that stands outside entry points, or a variable within one, whose name is returned.
    pub fn declare<'t>(&mut self, text: &'t str) -> Result<Option<&'t str>, String> {
        let head = text.split(|c: char| c.is_whitespace() || c == ',').next().unwrap_or_default();
        match head {
            ".version" | ".target" | ".address_size" | ".file" | ".pragma" | ".loc" => return Ok(None),
            ".extern" | ".visible" => return self.declare(text[head.len()..].trim_start()),
            ".shared" | ".const" => {}
            _ => return Err(format!("found `{head}`, which is not emulated")),
        }
        let (declaration, initial) = match text.split_once('=') {
            Some((declaration, initial)) => (declaration, Some(initial.trim())),
            None => (text, None),
        };
        let (ty, align, name, count) = variable(declaration[head.len()..].trim())?;
        let align = align.max(ty.bytes()).max(1);
        let bytes = count.map(|count| count * ty.bytes());
        if self.symbols.len() >= VARIABLES {
            return Err(format!("found more than {VARIABLES} variables"));
        }
        let symbol = if head == ".shared" {
            // Real offsets have no gaps: they are told apart by 128 bytes for each variable before.
            let end = self.shared.iter().map(|v| v.offset + v.bytes.unwrap_or(0)).max().unwrap_or(0);
            let gap = if self.shared.is_empty() { 0 } else { GAP };
            let offset = (end + gap).next_multiple_of(align);
            self.shared.push(Variable { name: name.to_owned(), offset, bytes });
            Symbol::Shared(offset)
        } else {
            let offset = self.constants.len().next_multiple_of(align);
            let bytes = bytes.ok_or("found a constant without a size")?;
            if offset + bytes > CONSTANTS {
                return Err(format!("found {} bytes of constants, expected {CONSTANTS} at most", offset + bytes));
            }
            self.constants.resize(offset + bytes, 0);
            let values = initial.unwrap_or_default().trim_start_matches('{').trim_end_matches('}');
            for (i, value) in split(values).into_iter().enumerate() {
                let value = literal(value, ty, &|_| None)?.to_le_bytes();
                let at = offset + i * ty.bytes();
                let place = self.constants.get_mut(at..at + ty.bytes()).ok_or("found more values than elements")?;
                place.copy_from_slice(&value[..ty.bytes()]);
            }
            Symbol::Constant(offset)
        };
        self.symbols.insert(name.to_owned(), symbol);
        Ok(Some(name))
    }
}

/// `.align 16 .b8 name[64]`: type, alignment, name, and the number of elements, unless it is left to the launch.
pub fn variable(text: &str) -> Result<(Type, usize, &str, Option<usize>), String> {
    let (mut align, mut ty, mut rest) = (1usize, None, text);
    loop {
        rest = rest.trim_start();
        let Some(tail) = rest.strip_prefix('.') else { break };
        let (word, tail) = tail.split_once(char::is_whitespace).ok_or_else(|| format!("found no name in `{text}`"))?;
        rest = tail;
        if word == "align" {
            let (number, tail) = tail.trim_start().split_once(char::is_whitespace).unwrap_or((tail, ""));
            align = number.parse().map_err(|_| format!("found `.align {number}`, expected a number"))?;
            rest = tail;
        } else {
            ty = Some(Type::parse(word).ok_or_else(|| format!("found `.{word}`, expected a type"))?);
        }
    }
    let ty = ty.ok_or_else(|| format!("found no type in `{text}`"))?;
    let (name, mut sizes) = match rest.find('[') {
        Some(at) => (rest[..at].trim(), rest[at..].trim()),
        None => (rest.trim(), ""),
    };
    let mut count = Some(1);
    while let Some(tail) = sizes.strip_prefix('[') {
        let (size, tail) = tail.split_once(']').ok_or_else(|| format!("found no `]` in `{text}`"))?;
        count = match (size.trim(), count) {
            ("", _) => None,
            (size, Some(count)) => {
                let size = evaluate(size, &|_| None)?;
                let all = usize::try_from(size).ok().and_then(|size| size.checked_mul(count));
                let all = all.filter(|all| *all <= VARIABLE / 8);
                Some(all.ok_or_else(|| format!("found `{text}`, expected {} elements at most", VARIABLE / 8))?)
            }
            (_, None) => None,
        };
        sizes = tail.trim();
    }
    if !is_name(name) || !align.is_power_of_two() || align > ALIGNMENT || !sizes.is_empty() {
        return Err(format!("found `{text}`, expected a variable"));
    }
    Ok((ty, align, name, count))
}

/// The bits of a constant of type `ty`.
pub fn literal(text: &str, ty: Type, symbol: &dyn Fn(&str) -> Option<i64>) -> Result<u64, String> {
    let hex = |prefix: &str| {
        let digits = text.get(..2).filter(|start| start.eq_ignore_ascii_case(prefix)).map(|_| &text[2..])?;
        u64::from_str_radix(digits, 16).ok()
    };
    let value = if let Some(bits) = hex("0f") {
        if ty == Type::F64 { f64::from(f32::from_bits(bits as u32)).to_bits() } else { bits }
    } else if let Some(bits) = hex("0d") {
        if ty == Type::F32 { u64::from((f64::from_bits(bits) as f32).to_bits()) } else { bits }
    } else if ty.float() {
        let value: f64 = text.parse().map_err(|_| format!("found `{text}`, expected a number or a register"))?;
        if ty == Type::F32 { u64::from((value as f32).to_bits()) } else { value.to_bits() }
    } else {
        evaluate(text, symbol)?.cast_unsigned()
    };
    Ok(if ty.wide() { value } else { value & 0xffff_ffff })
}
