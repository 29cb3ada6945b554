//! Opcodes that move data: loads and stores, atomics, asynchronous copies, and tensor cores with their fragments.

use super::decode::Decoder;
use super::inst::{Atomic, Mma, Op, Reg, Space, Type};
use super::opcodes::{IGNORED, widest};

type Result<T> = std::result::Result<T, String>;

impl Decoder {
    pub(super) fn memory(
        &mut self,
        name: &str,
        suffixes: &[&str],
        operands: &[&str],
        ty: Type,
        opcode: &str,
    ) -> Result<Op> {
        let has = |word: &str| suffixes.contains(&word);
        let [first, second] = operands else {
            return Err(format!("found {} operands of `{opcode}`, expected 2", operands.len()));
        };
        let known = |word: &&str| {
            IGNORED.contains(word)
                || Type::parse(word).is_some()
                || space_of(word).is_some()
                || ["nc", "v2", "v4"].contains(word)
        };
        let space = suffixes.iter().find_map(|word| space_of(word)).filter(|_| suffixes.iter().all(known));
        let space = space.ok_or_else(|| format!("found `{opcode}`, expected .global, .shared, .const or .param"))?;
        let count = if has("v4") {
            4
        } else if has("v2") {
            2
        } else {
            1u8
        };
        let (value, place) = if name == "st" { (*second, *first) } else { (*first, *second) };
        let place = self.place(place, space)?;
        let parts = self.parts(value);
        if parts.len() != usize::from(count) || usize::from(count) * ty.bytes() > 16 {
            return Err(format!("found {} values of `{opcode}`, expected {count}", parts.len()));
        }
        let mut registers: [Reg; 4] = [0; 4];
        for (register, part) in registers.iter_mut().zip(&parts) {
            *register = if name == "st" { self.source(part, widest(ty))? } else { self.target(part, widest(ty))? };
        }
        match name {
            "st" if matches!(space, Space::Const | Space::Param) => {
                Err(format!("found `{opcode}`, expected a writable space"))
            }
            "st" => Ok(Op::Store { place, ty, count, a: registers }),
            _ => Ok(Op::Load { place, ty, count, d: registers, constant: has("nc") }),
        }
    }

    pub(super) fn atomic(
        &mut self,
        name: &str,
        suffixes: &[&str],
        operands: &[&str],
        ty: Type,
        opcode: &str,
    ) -> Result<Op> {
        let unknown = || format!("found `{opcode}`, which is not emulated");
        let f = function(suffixes, ty).filter(|_| !ty.float()).ok_or_else(unknown)?;
        let space = suffixes.iter().find_map(|word| space_of(word)).ok_or_else(unknown)?;
        let (d, rest) = if name == "atom" {
            operands.split_first().map(|(d, rest)| (Some(*d), rest))
        } else {
            Some((None, operands))
        }
        .ok_or_else(unknown)?;
        if rest.len() != if f == Atomic::Cas { 3 } else { 2 } || ty.bytes() < 4 {
            return Err(unknown());
        }
        let place = self.place(rest[0], space)?;
        let (a, b) = (self.source(rest[1], ty)?, self.source(rest[rest.len() - 1], ty)?);
        Ok(Op::Atomic { f, place, ty, d: d.map(|d| self.target(d, ty)).transpose()?, a, b })
    }

    pub(super) fn copy(&mut self, suffixes: &[&str], operands: &[&str], opcode: &str) -> Result<Op> {
        let number = |text: &str| {
            let value = super::parse::evaluate(text, &|_| None)?;
            u32::try_from(value).map_err(|_| format!("found {value}, expected a number from 0 on"))
        };
        match (suffixes.get(1), operands) {
            (Some(&"commit_group"), []) => Ok(Op::CopyCommit),
            (Some(&"wait_group"), [pending]) => Ok(Op::CopyWait { pending: number(pending)? }),
            (Some(&"wait_all"), []) => Ok(Op::CopyWait { pending: 0 }),
            (Some(&("ca" | "cg")), [to, from, bytes, source @ ..]) if source.len() < 2 => {
                let (to, from) = (self.place(to, Space::Shared)?, self.place(from, Space::Global)?);
                let bytes = number(bytes)?;
                if ![4, 8, 16].contains(&bytes) {
                    return Err(format!("found {bytes} bytes, expected 4, 8 or 16"));
                }
                let source = source.first().map(|text| self.source(text, Type::U32)).transpose()?;
                Ok(Op::CopyAsync { to, from, bytes, source })
            }
            _ => Err(format!("found `{opcode}`, which is not emulated")),
        }
    }

    pub(super) fn mma(&mut self, suffixes: &[&str], operands: &[&str], opcode: &str) -> Result<Op> {
        let k = match suffixes {
            ["sync", "aligned", shape, "row", "col", "f32", "tf32", "tf32", "f32"] => match *shape {
                "m16n8k8" => 8,
                "m16n8k4" => 4,
                _ => 0,
            },
            _ => 0,
        };
        let [d, a, b, c] = operands else { return Err(format!("found {} operands, expected 4", operands.len())) };
        if k == 0 {
            return Err(format!("found `{opcode}`, which is not emulated"));
        }
        let d = self.fragment(d, 4, true)?;
        let (a, b) = (self.fragment(a, k / 2, false)?, self.fragment(b, k / 4, false)?);
        let mma = Mma { k, a, b: [b[0], b[1]], c: self.fragment(c, 4, false)?, d };
        self.kernel.mmas.push(mma);
        Ok(Op::Mma { index: self.kernel.mmas.len() as u32 - 1 })
    }

    fn fragment(&mut self, text: &str, count: usize, written: bool) -> Result<[Reg; 4]> {
        let parts = self.parts(text);
        if parts.len() != count {
            return Err(format!("found {} registers in `{text}`, expected {count}", parts.len()));
        }
        let mut registers = [0; 4];
        for (register, part) in registers.iter_mut().zip(parts) {
            *register = if written { self.target(part, Type::F32)? } else { self.source(part, Type::F32)? };
        }
        Ok(registers)
    }
}

fn space_of(word: &str) -> Option<Space> {
    Some(match word {
        "global" => Space::Global,
        "shared" | "shared::cta" => Space::Shared,
        "const" => Space::Const,
        "param" => Space::Param,
        _ => return None,
    })
}

pub(super) fn function(suffixes: &[&str], ty: Type) -> Option<Atomic> {
    let signed = ty.signed();
    suffixes.iter().find_map(|word| {
        Some(match *word {
            "add" => Atomic::Add,
            "min" => Atomic::Min { signed },
            "max" => Atomic::Max { signed },
            "and" => Atomic::And,
            "or" => Atomic::Or,
            "xor" => Atomic::Xor,
            "exch" => Atomic::Exch,
            "cas" => Atomic::Cas,
            "inc" => Atomic::Inc,
            "dec" => Atomic::Dec,
            _ => return None,
        })
    })
}
