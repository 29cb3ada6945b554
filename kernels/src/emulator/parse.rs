//! PTX text as statements: what stands where, before anything is decoded.

use std::ops::Range;

/// A piece of a module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'a> {
    /// What it is.
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
        } else if tail.starts_with("/*") {
            tail.find("*/").map_or(tail.len(), |end| end + 2)
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

/// The statements of a text without comments ([`blank_comments`]).
///
/// # Errors
/// With the line of a statement that does not end, or of an instruction without an opcode.
pub fn statements(text: &str) -> Result<Vec<Statement<'_>>, Problem> {
    let bytes = text.as_bytes();
    let (mut found, mut start, mut line, mut start_line) = (Vec::new(), 0, 1, 1);
    // Braces within a statement: vectors of registers, initial values.
    let mut depth = 0usize;
    for (at, &byte) in bytes.iter().enumerate() {
        let so_far = text[start..at].trim();
        if so_far.is_empty() && !byte.is_ascii_whitespace() {
            (start, start_line) = (at, line);
        }
        let kind = match byte {
            b'\n' => {
                line += 1;
                // `.version`, `.target` and `.address_size` end with their line.
                let ends = [".version", ".target", ".address_size"].iter().any(|name| so_far.starts_with(name));
                ends.then_some(Kind::Directive(so_far))
            }
            b'{' if so_far.is_empty() || so_far.contains(".entry") => Some(Kind::Open(so_far)),
            b'{' => {
                depth += 1;
                None
            }
            b'}' if so_far.is_empty() => Some(Kind::Close),
            b'}' if depth == 0 => return Err((start_line, format!("found `{so_far}`, expected it to end with `;`"))),
            b'}' => {
                depth -= 1;
                None
            }
            b':' if is_name(so_far) && bytes.get(at + 1) != Some(&b':') => Some(Kind::Label(so_far)),
            b';' if depth == 0 => Some(statement(so_far).map_err(|problem| (start_line, problem))?),
            _ => None,
        };
        if let Some(kind) = kind {
            found.push(Statement { kind, span: start..at + 1, line: start_line });
            start = at + 1;
        }
    }
    match text[start..].trim() {
        "" => Ok(found),
        rest => Err((start_line, format!("found `{rest}`, expected it to end with `;`"))),
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
    let first = |byte: u8| byte.is_ascii_alphabetic() || b"_$%".contains(&byte);
    text.bytes().next().is_some_and(first)
        && text.bytes().skip(1).all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte))
}

/// The value of a constant expression of integers: numbers, names that `symbol` knows, `+ - * / % << >> & | ^ ~ ( )`.
///
/// # Errors
/// What was found and what was expected.
pub fn evaluate(text: &str, symbol: &dyn Fn(&str) -> Option<i64>) -> Result<i64, String> {
    let mut expression = Expression { rest: text.trim(), symbol };
    let value = expression.binary(0)?;
    match expression.rest {
        "" => Ok(value),
        rest => Err(format!("found `{rest}` in `{text}`, expected an operator")),
    }
}

/// The value of a literal number: decimal, `0x`, `0b`, octal, with an optional `U`.
pub fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('U').unwrap_or(text);
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    u64::from_str_radix(digits, radix).ok().map(u64::cast_signed)
}

struct Expression<'a> {
    rest: &'a str,
    symbol: &'a dyn Fn(&str) -> Option<i64>,
}

/// Operators by rising strength of binding.
const LEVELS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "%"]];

impl Expression<'_> {
    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.rest.starts_with(**operator)) {
            self.rest = self.rest[operator.len()..].trim_start();
            let right = self.binary(level + 1)?;
            left = match *operator {
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "<<" => left.wrapping_shl(right as u32),
                ">>" => left.wrapping_shr(right as u32),
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                "*" => left.wrapping_mul(right),
                "/" => left.checked_div(right).ok_or("found a division by zero in a constant")?,
                _ => left.checked_rem(right).ok_or("found a division by zero in a constant")?,
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix(['-', '~', '+']) {
            let operator = self.rest.as_bytes()[0];
            self.rest = rest.trim_start();
            let value = self.unary()?;
            return Ok(match operator {
                b'-' => value.wrapping_neg(),
                b'~' => !value,
                _ => value,
            });
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest.trim_start();
            let value = self.binary(0)?;
            self.rest = self.rest.strip_prefix(')').ok_or("found `(`, expected a `)` for it")?.trim_start();
            return Ok(value);
        }
        // A name may begin with `%`, which elsewhere is an operator.
        let part = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
        let end = self.rest.char_indices().find(|&(at, c)| !part(c) && (at, c) != (0, '%'));
        let (word, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        let value = if word.starts_with(|c: char| c.is_ascii_digit()) { integer(word) } else { (self.symbol)(word) };
        self.rest = rest.trim_start();
        value.ok_or_else(|| format!("found `{word}`, expected a number or a known name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_statements() {
        let text = ".version 7.0\n.entry k(.param .u64 x) /* two\nlines */ {\n{ .reg .f32 %f<2>;\nloop: @!%p ld.global.v2.f32 {%f0, %f1}, [%rd + 8]; // load; twice\n} ret; }";
        let blank = blank_comments(text);
        assert_eq!(blank.len(), text.len());
        let found = statements(&blank).unwrap();
        let lines: Vec<usize> = found.iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [1, 2, 4, 4, 5, 5, 6, 6, 6]);
        assert_eq!(found[1].kind, Kind::Open(".entry k(.param .u64 x)"));
        assert_eq!(found[4].kind, Kind::Label("loop"));
        let Kind::Instruction(load) = &found[5].kind else { panic!("{found:?}") };
        assert_eq!(load.guard, Some(("%p", true)));
        assert_eq!((load.opcode, &load.operands[..]), ("ld.global.v2.f32", &["{%f0, %f1}", "[%rd + 8]"][..]));
        assert_eq!(&text[found[5].span.clone()], "@!%p ld.global.v2.f32 {%f0, %f1}, [%rd + 8];");
    }

    #[test]
    fn what_does_not_end_is_named_with_its_line() {
        assert_eq!(statements(".entry k() {\nret\n}").unwrap_err().0, 2);
        assert_eq!(statements(".entry k() {\n}\nmov").unwrap_err().0, 3);
    }

    #[test]
    fn constants_are_computed() {
        let symbol = |name: &str| (name == "tile").then_some(1024);
        for (text, value) in
            [("1 + 2*3", 7), ("(1+2)*3", 9), ("0x10|1<<2", 20), ("-4", -4), ("tile + 4*(8-1)", 1052), ("7/2%2", 1)]
        {
            assert_eq!(evaluate(text, &symbol), Ok(value), "{text}");
        }
        assert!(evaluate("1/0", &symbol).is_err());
        assert!(evaluate("tiles", &symbol).unwrap_err().contains("tiles"));
        assert!(evaluate("1 2", &symbol).is_err());
    }
}
