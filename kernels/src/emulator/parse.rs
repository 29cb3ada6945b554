//! PTX text as statements: what stands where, before anything is decoded.

use std::ops::Range;

/// A piece of a module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its kind and parts.
    pub kind: Kind<'a>,
    /// The bytes of the text that it takes, its `;` included.
    pub span: Range<usize>,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `{`, with the header that precedes it: of an entry point, or empty.
    Open(&'a str),
    /// `}`.
    Close,
    /// `name:`.
    Label(&'a str),
    /// A directive, without its `;`: begins with a dot.
    Directive(&'a str),
    /// An instruction.
    Instruction(Instruction<'a>),
}

/// An instruction as text: `@!p opcode.suffix.suffix a, b, c;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction<'a> {
    /// The predicate's register and whether the instruction wants it false.
    pub guard: Option<(&'a str, bool)>,
    /// The opcode with all of its suffixes.
    pub opcode: &'a str,
    /// The operands, in order.
    pub operands: Vec<&'a str>,
}

/// A line of the text and what is wrong with it.
pub type Problem = (usize, String);

/// The text with its comments blanked out, byte for byte, so that positions stay.
pub fn blank_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('/') {
        let (code, tail) = rest.split_at(at);
        out.push_str(code);
        let length = if tail.starts_with("//") {
            tail.find('\n').unwrap_or(tail.len())
        } else if let Some(comment) = tail.strip_prefix("/*") {
            comment.find("*/").map_or(tail.len(), |end| end + "/**/".len())
        } else {
            out.push('/');
            rest = &tail[1..];
            continue;
        };
        out.extend(tail[..length].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        rest = &tail[length..];
    }
    out.push_str(rest);
    out
}

/// A statement that has begun: its first byte's place and line, and where the last one so far ends that is not blank.
struct Begun {
    start: usize,
    end: usize,
    line: usize,
    /// Whether it is one identifier so far.
    name: bool,
    /// Whether `.entry` stands in it.
    header: bool,
}

impl Begun {
    fn new(at: usize, byte: u8, line: usize) -> Begun {
        Begun { start: at, end: at + 1, line, name: begins_name(byte), header: false }
    }

    /// Its text so far, without the blanks around it. Both ends are those of characters: what goes before the first byte and
    /// behind the last is a delimiter or a blank, all of them ASCII.
    fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end]
    }

    /// Takes in a byte that is not blank.
    fn extend(&mut self, text: &[u8], at: usize) {
        self.name &= self.end == at && continues_name(text[at]);
        self.end = at + 1;
        self.header |= text[self.start..self.end].ends_with(b".entry");
    }
}

/// The statements of a text without comments ([`blank_comments`]), in one pass over its bytes.
///
/// # Errors
/// With the line of a statement that does not end, or of an instruction without an opcode.
pub fn statements(text: &str) -> Result<Vec<Statement<'_>>, Problem> {
    let bytes = text.as_bytes();
    let (mut found, mut line) = (Vec::new(), 1);
    let mut begun: Option<Begun> = None;
    // Braces within a statement: vectors of registers, initial values.
    let mut depth = 0usize;
    for (at, &byte) in bytes.iter().enumerate() {
        line += usize::from(byte == b'\n');
        let kind = match (byte, &begun) {
            // `.version`, `.target` and `.address_size` end with their line.
            (b'\n', Some(begun)) => {
                let text = begun.text(text);
                let ends = [".version", ".target", ".address_size"].iter().any(|name| text.starts_with(name));
                ends.then_some(Kind::Directive(text))
            }
            (b'{', None) => Some(Kind::Open("")),
            (b'{', Some(begun)) if begun.header => Some(Kind::Open(begun.text(text))),
            (b'{', Some(_)) => {
                depth += 1;
                None
            }
            (b'}', None) => Some(Kind::Close),
            (b'}', Some(begun)) => {
                let unexpected = || (begun.line, format!("found `{}`, expected it to end with `;`", begun.text(text)));
                depth = depth.checked_sub(1).ok_or_else(unexpected)?;
                None
            }
            (b':', Some(begun)) if begun.name && bytes.get(at + 1) != Some(&b':') => {
                Some(Kind::Label(begun.text(text)))
            }
            (b';', None) => return Err((line, "found `;`, expected an instruction".to_owned())),
            (b';', Some(begun)) if depth == 0 => {
                Some(statement(begun.text(text)).map_err(|problem| (begun.line, problem))?)
            }
            _ => None,
        };
        match kind {
            Some(kind) => {
                let (start, line) = begun.take().map_or((at, line), |begun| (begun.start, begun.line));
                found.push(Statement { kind, span: start..at + 1, line });
            }
            None if byte.is_ascii_whitespace() => {}
            None => match &mut begun {
                Some(begun) => begun.extend(bytes, at),
                None => begun = Some(Begun::new(at, byte, line)),
            },
        }
    }
    match begun {
        None => Ok(found),
        Some(begun) => Err((begun.line, format!("found `{}`, expected it to end with `;`", begun.text(text)))),
    }
}

fn statement(text: &str) -> Result<Kind<'_>, String> {
    if text.starts_with('.') {
        return Ok(Kind::Directive(text));
    }
    let (guard, rest) = match text.strip_prefix('@') {
        None => (None, text),
        Some(rest) => {
            let (negated, rest) = match rest.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let (predicate, rest) = rest
                .split_once(char::is_whitespace)
                .ok_or_else(|| format!("found `{text}`, expected an instruction after the predicate"))?;
            (Some((predicate, negated)), rest.trim_start())
        }
    };
    let (opcode, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if opcode.is_empty() {
        return Err("found `;`, expected an instruction".to_owned());
    }
    Ok(Kind::Instruction(Instruction { guard, opcode, operands: split(operands) }))
}

/// The parts between the commas that stand in no bracket, trimmed.
pub fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !list[start..].trim().is_empty() || !parts.is_empty() {
        parts.push(list[start..].trim());
    }
    parts
}

/// The name of the entry point that a header declares: `.visible .entry name ( … )`.
pub fn entry_name(header: &str) -> Option<&str> {
    let rest = header.split_once(".entry")?.1.trim_start();
    let end = rest.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Whether a text is one identifier.
pub fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(begins_name) && text.bytes().skip(1).all(continues_name)
}

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || b"_$%".contains(&byte)
}

fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_$".contains(&byte)
}

/// The most characters that a message quotes of the text in one place.
const QUOTED: usize = 100;

/// The most that a message has in all.
pub const MESSAGE: usize = 400;

/// The beginning of a text that may be long and of several lines, as one line.
pub fn shortened(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// A message, one line, whatever it quotes.
pub fn brief(problem: &str) -> String {
    let parts: Vec<String> = problem.split('`').take(MESSAGE).map(|part| shortened(part, QUOTED)).collect();
    shortened(&parts.join("`"), MESSAGE)
}
