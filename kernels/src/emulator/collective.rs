//! Opcodes by which threads work together: barriers, shuffles, votes, and tensor cores with their fragments.

use super::decode::Decoder;
use super::inst::{Atomic, Mma, Op, Reg, Shuffle, Type, Vote};
use super::opcode::{Opcode, Result};

impl Decoder {
    pub(super) fn barrier(&mut self, o: &Opcode) -> Result<Op> {
        if o.has("cluster") {
            return match o.words.iter().filter(|word| **word != "aligned").copied().collect::<Vec<&str>>()[..] {
                ["cluster", "arrive"] | ["cluster", "arrive", "release"] => Ok(Op::ClusterArrive { relaxed: false }),
                ["cluster", "arrive", "relaxed"] => Ok(Op::ClusterArrive { relaxed: true }),
                ["cluster", "wait"] | ["cluster", "wait", "acquire"] => Ok(Op::ClusterWait),
                _ => Err(o.unknown()),
            }
            .and_then(|op| if o.operands.is_empty() { Ok(op) } else { Err(o.unknown()) });
        }
        if o.operands.is_empty() {
            return Err(format!("found no operands of `{}`, expected 1 or 2", o.text));
        }
        match (o.has("warp"), o.operands) {
            (true, [mask]) => Ok(Op::WarpBarrier { mask: self.source(mask, Type::B32)? }),
            (true, _) => Err(format!("found {} operands of `{}`, expected 1", o.operands.len(), o.text)),
            (false, _) => {
                let id = self.source(o.operands[0], Type::U32)?;
                let threads = o.operands.get(1).map(|text| self.source(text, Type::U32)).transpose()?;
                Ok(Op::Barrier { id, threads })
            }
        }
    }

    pub(super) fn shuffle(&mut self, o: &Opcode, f: Shuffle) -> Result<Op> {
        let (d, p) = self.pair(o.operands[0]);
        let (d, p) = (self.target(d, Type::B32)?, p.map(|p| self.target_predicate(p)).transpose()?);
        let [a, b, c, mask] = [1, 2, 3, 4].map(|at| self.source(o.operands[at], Type::B32));
        Ok(Op::Shuffle { f, d, p, a: a?, b: b?, c: c?, mask: mask? })
    }

    pub(super) fn vote(&mut self, o: &Opcode, f: Vote) -> Result<Op> {
        let d = self.target(o.operands[0], if f == Vote::Ballot { Type::B32 } else { Type::Pred })?;
        Ok(Op::Vote { f, d, a: self.predicate(o.operands[1])?, mask: self.source(o.operands[2], Type::B32)? })
    }

    pub(super) fn reduce(&mut self, o: &Opcode) -> Result<Op> {
        let signed = o.ty()?.signed();
        let f = o.words.iter().find_map(|word| Atomic::parse(word, signed)).ok_or_else(|| o.unknown())?;
        let d = self.target(o.operands[0], Type::B32)?;
        let (a, mask) = (self.source(o.operands[1], Type::B32)?, self.source(o.operands[2], Type::B32)?);
        Ok(Op::Reduce { f, d, a, mask })
    }

    pub(super) fn mma(&mut self, o: &Opcode) -> Result<Op> {
        let k = match o.words[..] {
            ["sync", "aligned", "m16n8k8", "row", "col", "f32", "tf32", "tf32", "f32"] => 8,
            ["sync", "aligned", "m16n8k4", "row", "col", "f32", "tf32", "tf32", "f32"] => 4,
            _ => return Err(o.unknown()),
        };
        let d = self.fragment(o.operands[0], 4, true)?;
        let (a, b) = (self.fragment(o.operands[1], k / 2, false)?, self.fragment(o.operands[2], k / 4, false)?);
        let mma = Mma { k, a, b: [b[0], b[1]], c: self.fragment(o.operands[3], 4, false)?, d };
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
