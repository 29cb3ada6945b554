//! Faults on purpose: one change of a kernel's text, to see whether its tests and the emulator's checks notice.

use std::ops::Range;

use super::parse::{Instruction, Kind, Statement, blank_comments, brief, entry_name, statements};

/// One change of one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutation<'a> {
    /// The beginning of the instruction's opcode.
    pub opcode: &'a str,
    /// Which of the entry point's instructions with that opcode, in the order of the text, from 0.
    pub nth: usize,
    /// The change.
    pub change: Change<'a>,
}

/// A change of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// It goes.
    Delete,
    /// Its guard goes: all lanes execute it.
    Unguard,
    /// Its guard asks for the opposite.
    NegateGuard,
    /// It gets another opcode.
    Opcode(&'a str),
    /// Two of its operands change places.
    Swap(usize, usize),
    /// An operand becomes another.
    Operand(usize, &'a str),
}

/// A kernel's module with one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The change in words: `bar.sync 0; deleted`.
    pub name: String,
    /// The line of the change, from 1.
    pub line: usize,
    /// The module's text after it.
    pub source: String,
}

impl Mutation<'_> {
    /// The module with this change in the entry point `entry`.
    ///
    /// # Errors
    /// If the text has no such entry point, the entry point no such instruction, or the instruction no such part.
    pub fn apply(&self, source: &str, entry: &str) -> Result<Mutant, String> {
        let blank = blank_comments(source);
        let places = instructions(&blank, entry)?;
        let matching: Vec<&Place> =
            places.iter().filter(|place| place.instruction.opcode.starts_with(self.opcode)).collect();
        let Some(place) = matching.get(self.nth) else {
            return Err(format!("{entry}: found {} of `{}`, expected over {}", matching.len(), self.opcode, self.nth));
        };
        place.changed(source, self.change)
    }
}

/// All mutants of an entry point by fixed rules, in the order of the text:
/// - each barrier, fence, wait and zeroing `mov` deleted;
/// - each comparison off by one (`lt` for `le`, …);
/// - each guard of a load, a store or a copy removed;
/// - each second and third factor or summand of an integer `mad` swapped, each `sub` turned around;
/// - each load, store and copy 4 bytes further on.
///
/// Some may compute the same as the original: a bound that no size of the tests reaches, a barrier that orders nothing.
///
/// # Errors
/// If the text has no such entry point.
pub fn mutants(source: &str, entry: &str) -> Result<Vec<Mutant>, String> {
    let blank = blank_comments(source);
    let mut found = Vec::new();
    for place in instructions(&blank, entry)? {
        let Instruction { guard, opcode, operands } = &place.instruction;
        let mut push = |change: Change| found.extend(place.changed(source, change));
        let is = |names: &[&str]| names.iter().any(|name| opcode.starts_with(name));
        let memory = is(&["ld.global", "ld.shared", "st.", "cp.async.c", "red.", "atom."]);
        let zero = || operands.get(1).is_some_and(|value| ["0", "0.0", "0f00000000"].contains(value));
        if is(&["bar.", "barrier.", "cp.async.wait"]) || (is(&["mov."]) && zero()) {
            push(Change::Delete);
        }
        if is(&["setp."]) {
            for (from, to) in [(".lt.", ".le."), (".le.", ".lt."), (".gt.", ".ge."), (".ge.", ".gt.")] {
                if opcode.contains(from) {
                    push(Change::Opcode(&opcode.replacen(from, to, 1)));
                }
            }
        }
        if memory && guard.is_some() {
            push(Change::Unguard);
        }
        if is(&["mad.lo"]) && operands.len() == 4 && operands[2] != operands[3] {
            push(Change::Swap(2, 3));
        }
        if is(&["sub.s", "sub.u"]) {
            push(Change::Swap(1, 2));
        }
        if let (true, Some(at)) = (memory, operands.iter().position(|operand| operand.ends_with(']'))) {
            push(Change::Operand(at, &format!("{} + 4]", &operands[at][..operands[at].len() - 1])));
        }
    }
    Ok(found)
}

struct Place<'a> {
    instruction: Instruction<'a>,
    span: Range<usize>,
    line: usize,
}

impl Place<'_> {
    fn changed(&self, source: &str, change: Change) -> Result<Mutant, String> {
        let Instruction { guard, opcode, operands } = &self.instruction;
        let (mut guard, mut opcode, mut operands) = (*guard, *opcode, operands.clone());
        let missing =
            |what: &str| brief(&format!("line {}: `{}` has no {what}", self.line, &source[self.span.clone()]));
        let what = match change {
            Change::Delete => "deleted".to_owned(),
            Change::Unguard => {
                guard = guard.map(|_| None).ok_or_else(|| missing("guard"))?;
                "unguarded".to_owned()
            }
            Change::NegateGuard => {
                let (predicate, negated) = guard.ok_or_else(|| missing("guard"))?;
                guard = Some((predicate, !negated));
                "guard negated".to_owned()
            }
            Change::Opcode(to) => {
                opcode = to;
                format!("made {to}")
            }
            Change::Swap(a, b) if a.max(b) < operands.len() => {
                operands.swap(a, b);
                format!("operands {a} and {b} swapped")
            }
            Change::Operand(at, to) if at < operands.len() => {
                operands[at] = to;
                format!("operand {at} made {to}")
            }
            Change::Swap(..) | Change::Operand(..) => return Err(missing("such operand")),
        };
        let guard = match guard {
            None => String::new(),
            Some((predicate, negated)) => format!("@{}{predicate} ", if negated { "!" } else { "" }),
        };
        // Line breaks of the original stay, so that lines keep their numbers.
        let breaks = "\n".repeat(source[self.span.clone()].matches('\n').count());
        let text = match change {
            Change::Delete => breaks,
            _ => format!("{guard}{opcode} {};{breaks}", operands.join(", ")),
        };
        let before: Vec<&str> = source[self.span.clone()].split_whitespace().collect();
        Ok(Mutant {
            name: format!("{} {what}", before.join(" ")),
            line: self.line,
            source: [&source[..self.span.start], &text, &source[self.span.end..]].concat(),
        })
    }
}

/// The instructions of an entry point in a text without comments.
fn instructions<'a>(blank: &'a str, entry: &str) -> Result<Vec<Place<'a>>, String> {
    let statements = statements(blank).map_err(|(line, problem)| brief(&format!("line {line}: {problem}")))?;
    let is_entry = |kind: &Kind| matches!(kind, Kind::Open(header) if entry_name(header) == Some(entry));
    let first = statements
        .iter()
        .position(|statement| is_entry(&statement.kind))
        .ok_or_else(|| format!("found no entry point `{entry}`"))?;
    let (mut found, mut depth) = (Vec::new(), 0);
    for Statement { kind, span, line } in statements.into_iter().skip(first) {
        match kind {
            Kind::Open(_) => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Instruction(instruction) => found.push(Place { instruction, span, line }),
            Kind::Label(_) | Kind::Directive(_) => {}
        }
        if depth == 0 {
            break;
        }
    }
    Ok(found)
}
