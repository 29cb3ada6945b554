//! From statements to decoded kernels: scopes, registers, operands.

use std::collections::HashMap;
use std::sync::Arc;

use super::expression::evaluate;
use super::inst::{Inst, Op, Place, Reg, Space, Type};
use super::kernel::{Kernel, Name, Param, Register, Special, Uses};
use super::parse::{Instruction, Kind, Problem, blank_comments, entry_name, is_name, split, statements};
use super::variables::{Symbol, Variables, literal, variable};

/// Limits, so that a short text does not ask for all memory: entry points of a module, registers of an entry point and its
/// blocks within each other.
const ENTRIES: usize = 1024;
const REGISTERS: usize = 1 << 16;
const BLOCKS: usize = 64;

/// Decodes all entry points of a module.
///
/// # Errors
/// With the line of what is not understood.
pub fn module(name: &str, text: &str) -> Result<Vec<Kernel>, Problem> {
    let lines: Arc<[String]> = text.lines().map(str::to_owned).collect();
    let blank = blank_comments(text);
    let statements = statements(&blank)?;
    let (mut globals, mut kernels) = (Variables::default(), Vec::new());
    let mut rest = statements.as_slice();
    while let [statement, tail @ ..] = rest {
        rest = tail;
        let at = |problem: String| (statement.line, problem);
        match &statement.kind {
            Kind::Directive(text) => {
                globals.declare(text).map_err(at)?;
            }
            Kind::Open(_) if kernels.len() == ENTRIES => {
                return Err(at(format!("found more than {ENTRIES} entry points in a module")));
            }
            Kind::Open(header) if kernels.iter().any(|other: &Kernel| entry_name(header) == Some(&other.name)) => {
                let name = entry_name(header).unwrap_or_default();
                return Err(at(format!("found the entry point `{name}` a second time, expected each name once")));
            }
            Kind::Open(header) if entry_name(header).is_some() => {
                let mut decoder = Decoder::new(name, header, lines.clone(), globals.clone()).map_err(at)?;
                let mut open = true;
                while let ([statement, tail @ ..], true) = (rest, open) {
                    rest = tail;
                    decoder.kernel_line = statement.line as u32;
                    open = decoder.statement(&statement.kind).map_err(|problem| (statement.line, problem))?;
                }
                if open {
                    return Err((statement.line, "found no `}` for this entry point".to_owned()));
                }
                kernels.push(decoder.finish()?);
            }
            _ => return Err(at("found code outside an entry point, expected `.entry`".to_owned())),
        }
    }
    Ok(kernels)
}

/// Decodes one entry point.
pub struct Decoder {
    pub kernel: Kernel,
    /// The line of the statement at hand.
    kernel_line: u32,
    scopes: Vec<Scope>,
    /// Scopes that are closed, for branches into their surroundings.
    scope_count: usize,
    labels: HashMap<(usize, String), u32>,
    branches: Vec<Jump>,
    narrow_constants: HashMap<u32, Reg>,
    wide_constants: HashMap<u64, Reg>,
    variables: Variables,
}

struct Scope {
    id: usize,
    symbols: HashMap<String, Symbol>,
}

/// A branch whose label may still come: the instruction, the label and the scopes around.
struct Jump {
    at: usize,
    label: String,
    scopes: Vec<usize>,
}

impl Decoder {
    fn new(module: &str, header: &str, lines: Arc<[String]>, variables: Variables) -> Result<Self, String> {
        let name = entry_name(header).unwrap_or_default().to_owned();
        if !is_name(&name) {
            return Err(format!("found `{name}`, expected an entry point's name"));
        }
        let mut kernel = Kernel {
            name,
            module: module.to_owned(),
            lines,
            params: Vec::new(),
            code: Vec::new(),
            mmas: Vec::new(),
            uses: Vec::new(),
            shared: Vec::new(),
            constants: Vec::new(),
            max_threads: None,
            required_threads: None,
            required_cluster: None,
            needs_cluster: false,
            narrow: Vec::new(),
            wide: Vec::new(),
            predicates: Vec::new(),
            narrow_constants: Vec::new(),
            wide_constants: Vec::new(),
            specials: HashMap::new(),
        };
        let mut symbols = variables.symbols.clone();
        let (params, directives) = match (header.find('('), header.rfind(')')) {
            (Some(open), Some(close)) if open < close => (&header[open + 1..close], &header[close + 1..]),
            _ => ("", header.split_once(kernel.name.as_str()).map_or("", |(_, rest)| rest)),
        };
        let mut offset = 0usize;
        for param in split(params) {
            let declaration =
                param.strip_prefix(".param").ok_or_else(|| format!("found `{param}`, expected .param"))?;
            let (ty, _, name, count) = variable(declaration.trim())?;
            if count != Some(1) || ty.bytes() < 4 {
                return Err(format!("found `{param}`, expected a number of 32 or 64 bits"));
            }
            offset = offset.next_multiple_of(ty.bytes());
            symbols.insert(name.to_owned(), Symbol::Param(offset));
            kernel.params.push(Param { name: name.to_owned(), ty, offset });
            offset += ty.bytes();
        }
        let mut directives = directives.split('.');
        if let Some(other) = directives.next().filter(|text| !text.trim().is_empty()) {
            return Err(format!("found `{}`, expected a directive or `{{`", other.trim()));
        }
        for directive in directives {
            let (name, numbers) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            let (numbers, mut extent) = (split(numbers.trim()), [1; 3]);
            let problem = || format!("found `.{directive}`, expected up to three numbers up to 65535");
            if numbers.len() > extent.len() {
                return Err(problem());
            }
            for (extent, number) in extent.iter_mut().zip(numbers) {
                *extent = number.parse::<u16>().map_err(|_| problem())?.into();
            }
            match name.trim() {
                "maxntid" => kernel.max_threads = Some(extent),
                "reqntid" => kernel.required_threads = Some(extent),
                "reqnctapercluster" => kernel.required_cluster = Some(extent),
                "explicitcluster" => kernel.needs_cluster = true,
                "minnctapersm" | "maxnreg" => {}
                other => return Err(format!("found `.{other}`, which is not emulated")),
            }
        }
        Ok(Decoder {
            kernel,
            kernel_line: 0,
            scopes: vec![Scope { id: 0, symbols }],
            scope_count: 1,
            labels: HashMap::new(),
            branches: Vec::new(),
            narrow_constants: HashMap::new(),
            wide_constants: HashMap::new(),
            variables,
        })
    }

    /// Takes a statement in; false once the entry point is closed.
    fn statement(&mut self, kind: &Kind) -> Result<bool, String> {
        match kind {
            Kind::Open(header) if !header.is_empty() => {
                return Err(format!("found `{header}` within an entry point, expected `}}` before it"));
            }
            Kind::Open(_) if self.scopes.len() == BLOCKS => {
                return Err(format!("found more than {BLOCKS} blocks within each other"));
            }
            Kind::Open(_) => {
                self.scopes.push(Scope { id: self.scope_count, symbols: HashMap::new() });
                self.scope_count += 1;
            }
            Kind::Close => {
                self.scopes.pop();
            }
            Kind::Label(name) => {
                let id = self.scopes.last().map_or(0, |scope| scope.id);
                if self.labels.insert((id, (*name).to_owned()), self.kernel.code.len() as u32).is_some() {
                    return Err(format!("found the label `{name}` twice"));
                }
            }
            Kind::Directive(text) => match text.strip_prefix(".reg") {
                Some(rest) => self.registers(rest.trim())?,
                None => {
                    if let Some(name) = self.variables.declare(text)? {
                        let scope = self.scopes.last_mut().expect("the entry point's scope is open");
                        scope.symbols.insert(name.to_owned(), self.variables.symbols[name]);
                    }
                }
            },
            Kind::Instruction(instruction) => self.instruction(instruction)?,
        }
        Ok(!self.scopes.is_empty())
    }

    /// `.reg .f32 %f<8>, %sum;`
    fn registers(&mut self, text: &str) -> Result<(), String> {
        let (ty, names) = text.split_once(char::is_whitespace).ok_or("found `.reg`, expected a type and names")?;
        let ty = ty.strip_prefix('.').and_then(Type::parse).ok_or_else(|| format!("found `{ty}`, expected a type"))?;
        for name in split(names) {
            match name.split_once('<') {
                None => self.register(name, ty)?,
                Some((prefix, count)) => {
                    let count = count.strip_suffix('>').and_then(|count| count.trim().parse::<usize>().ok());
                    let count = count.filter(|count| *count <= 4096);
                    for i in 0..count.ok_or_else(|| format!("found `{name}`, expected a count up to 4096"))? {
                        self.register(&format!("{prefix}{i}"), ty)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, name: &str, ty: Type) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("found `{name}`, expected a register's name"));
        }
        if self.kernel.narrow.len() + self.kernel.wide.len() + self.kernel.predicates.len() >= REGISTERS {
            return Err(format!("found more than {REGISTERS} registers"));
        }
        let index = self.add(name, ty);
        let scope = self.scopes.last_mut().ok_or("found a register outside an entry point")?;
        match scope.symbols.insert(name.to_owned(), Symbol::Register(Register { ty, index })) {
            Some(Symbol::Register(_)) => Err(format!("found the register `{name}` twice")),
            _ => Ok(()),
        }
    }

    /// A new register of the file that `ty` lives in.
    fn add(&mut self, name: &str, ty: Type) -> Reg {
        let file = match ty {
            Type::Pred => &mut self.kernel.predicates,
            ty if ty.wide() => &mut self.kernel.wide,
            _ => &mut self.kernel.narrow,
        };
        file.push(Name { name: name.to_owned(), ty });
        file.len() as Reg - 1
    }

    /// A register for what an instruction makes on the way.
    pub fn scratch(&mut self, ty: Type) -> Reg {
        self.add("(between)", ty)
    }

    fn symbol(&self, name: &str) -> Option<Symbol> {
        self.scopes.iter().rev().find_map(|scope| scope.symbols.get(name)).copied()
    }

    /// The declared register of a name.
    pub fn declared(&self, name: &str) -> Result<Register, String> {
        match self.symbol(name) {
            Some(Symbol::Register(register)) => Ok(register),
            _ => Err(format!("found `{name}`, expected a declared register")),
        }
    }

    /// A register that an instruction of type `ty` writes.
    pub fn target(&mut self, name: &str, ty: Type) -> Result<Reg, String> {
        if name == "_" {
            return Ok(self.scratch(ty));
        }
        let register = self.declared(name)?;
        let class = |ty: Type| (ty == Type::Pred, ty.wide());
        if class(register.ty) != class(ty) || (!ty.wide() && register.ty.bytes() < ty.bytes()) {
            return Err(format!("found `{name}` of type {:?}, expected {ty:?}", register.ty));
        }
        Ok(register.index)
    }

    /// A predicate that an instruction writes.
    pub fn target_predicate(&mut self, name: &str) -> Result<Reg, String> {
        self.target(name, Type::Pred)
    }

    /// A value of type `ty`: a register, a special register, a constant, a variable's address.
    pub fn source(&mut self, text: &str, ty: Type) -> Result<Reg, String> {
        if let Some(Symbol::Register(_)) = self.symbol(text) {
            return self.target(text, ty);
        }
        if let Some(special) = Special::parse(text) {
            if ty.wide() {
                return Err(format!("found `{text}`, expected 64 bits"));
            }
            if let Some(&register) = self.kernel.specials.get(&special) {
                return Ok(register);
            }
            let register = self.add(text, Type::U32);
            self.kernel.specials.insert(special, register);
            return Ok(register);
        }
        let value = literal(text, ty, &|name| self.offset(name))?;
        Ok(if ty.wide() { self.wide_constant(value) } else { self.constant(value as u32) })
    }

    fn offset(&self, name: &str) -> Option<i64> {
        match self.symbol(name)? {
            Symbol::Shared(offset) | Symbol::Constant(offset) | Symbol::Param(offset) => Some(offset as i64),
            Symbol::Register(_) => None,
        }
    }

    /// A register that holds a constant.
    pub fn constant(&mut self, value: u32) -> Reg {
        if let Some(&register) = self.narrow_constants.get(&value) {
            return register;
        }
        let register = self.add("(constant)", Type::U32);
        self.narrow_constants.insert(value, register);
        self.kernel.narrow_constants.push((register, value));
        register
    }

    fn wide_constant(&mut self, value: u64) -> Reg {
        if let Some(&register) = self.wide_constants.get(&value) {
            return register;
        }
        let register = self.add("(constant)", Type::U64);
        self.wide_constants.insert(value, register);
        self.kernel.wide_constants.push((register, value));
        register
    }

    /// A predicate that an instruction reads: `%p` or `!%p`.
    pub fn predicate(&mut self, text: &str) -> Result<(Reg, bool), String> {
        let (name, negated) = text.strip_prefix('!').map_or((text, false), |name| (name, true));
        Ok((self.target_predicate(name.trim())?, negated))
    }

    /// `[%rd + 8]`, `[variable + 4*16]`, `[%r]`.
    pub fn place(&mut self, text: &str, space: Space) -> Result<Place, String> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let inner = inner.ok_or_else(|| format!("found `{text}`, expected an address in brackets"))?.trim();
        let end = inner.find(['+', '-']).unwrap_or(inner.len());
        let (base, offset) = (inner[..end].trim(), inner[end..].trim());
        if let Some(Symbol::Register(register)) = self.symbol(base) {
            let offset = offset.strip_prefix('+').unwrap_or(offset).trim();
            let offset = if offset.is_empty() { 0 } else { evaluate(offset, &|name| self.offset(name))? };
            let offset = i32::try_from(offset).map_err(|_| format!("found the offset {offset}, expected 32 bits"))?;
            let wide = register.ty.wide();
            if register.ty.bytes() < 4 || (space == Space::Global && !wide) {
                return Err(format!("found `{base}` of type {:?}, expected an address", register.ty));
            }
            return Ok(Place { space, base: register.index, wide, offset });
        }
        let address = evaluate(inner, &|name| self.offset(name))?;
        Ok(Place { space, base: self.wide_constant(address.cast_unsigned()), wide: true, offset: 0 })
    }

    /// Registers of a vector operand `{a, b}`, or the one operand.
    pub fn parts<'t>(&self, text: &'t str) -> Vec<&'t str> {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(inner) => split(inner),
            None => vec![text],
        }
    }

    /// A branch to a label.
    pub fn jump(&mut self, label: &str) -> Op {
        let scopes = self.scopes.iter().rev().map(|scope| scope.id).collect();
        self.branches.push(Jump { at: self.kernel.code.len(), label: label.to_owned(), scopes });
        Op::Branch { target: 0 }
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), String> {
        let guard = instruction.guard.map(|(name, negated)| Ok::<_, String>((self.target_predicate(name)?, negated)));
        let guard = guard.transpose()?;
        let op = self.op(instruction.opcode, &instruction.operands)?;
        self.kernel.code.push(Inst { op, guard, line: self.kernel_line });
        Ok(())
    }

    fn finish(mut self) -> Result<Kernel, Problem> {
        for Jump { at, label, scopes } in &self.branches {
            let inst = &mut self.kernel.code[*at];
            let target = scopes.iter().find_map(|scope| self.labels.get(&(*scope, label.clone())));
            let target = target.ok_or_else(|| (inst.line as usize, format!("found no label `{label}`")))?;
            inst.op = Op::Branch { target: *target };
        }
        // Falling off the end is `ret`.
        self.kernel.code.push(Inst { op: Op::Exit, guard: None, line: self.kernel_line });
        self.kernel.uses = self.kernel.code.iter().map(|inst| Uses::of(&inst.op, &self.kernel.mmas)).collect();
        self.kernel.shared = self.variables.shared;
        self.kernel.constants = self.variables.constants;
        Ok(self.kernel)
    }
}
