//! Opcodes that move data: loads and stores, atomics, asynchronous copies.

use super::decode::Decoder;
use super::expression::evaluate;
use super::inst::{Atomic, Op, Reg, Space, Type};
use super::opcode::{Opcode, Result};

impl Decoder {
    pub(super) fn load(&mut self, o: &Opcode) -> Result<Op> {
        let ty = o.ty()?;
        let (place, parts) = (self.place(o.operands[1], space(o)?)?, self.values(o, o.operands[0])?);
        let mut d: [Reg; 4] = [0; 4];
        for (register, part) in d.iter_mut().zip(&parts) {
            *register = self.target(part, ty.in_register())?;
        }
        Ok(Op::Load { place, ty, count: parts.len() as u8, d, constant: o.has("nc") })
    }

    pub(super) fn store(&mut self, o: &Opcode) -> Result<Op> {
        let (ty, space) = (o.ty()?, space(o)?);
        if matches!(space, Space::Const | Space::Param) {
            return Err(format!("found `{}`, expected a writable space", o.text));
        }
        let (place, parts) = (self.place(o.operands[0], space)?, self.values(o, o.operands[1])?);
        let mut a: [Reg; 4] = [0; 4];
        for (register, part) in a.iter_mut().zip(&parts) {
            *register = self.source(part, ty.in_register())?;
        }
        Ok(Op::Store { place, ty, count: parts.len() as u8, a })
    }

    /// The values of an access: as many as the opcode says, of 16 bytes at most.
    fn values<'t>(&self, o: &Opcode, text: &'t str) -> Result<Vec<&'t str>> {
        let count = o.choose(&[("v4", 4), ("v2", 2)]).unwrap_or(1);
        let parts = self.parts(text);
        if parts.len() != count || count * o.ty()?.bytes() > 16 {
            return Err(format!("found {} values of `{}`, expected {count}", parts.len(), o.text));
        }
        Ok(parts)
    }

    /// `operands`: the place, then the values, of which an exchange under a condition has two.
    pub(super) fn atomic(&mut self, o: &Opcode, d: Option<&str>, operands: &[&str]) -> Result<Op> {
        let ty = o.ty()?;
        let f = o.words.iter().find_map(|word| Atomic::parse(word, ty.signed())).ok_or_else(|| o.unknown())?;
        if operands.len() != if f == Atomic::Cas { 3 } else { 2 } || ty.bytes() < 4 || ty.float() {
            return Err(o.unknown());
        }
        let space = space(o)?;
        if space == Space::Cluster {
            return Err(o.unknown());
        }
        let place = self.place(operands[0], space)?;
        let (a, b) = (self.source(operands[1], ty)?, self.source(operands[operands.len() - 1], ty)?);
        Ok(Op::Atomic { f, place, ty, d: d.map(|d| self.target(d, ty)).transpose()?, a, b })
    }

    /// `mapa`: the address of a variable of another block of the cluster.
    pub(super) fn peer_address(&mut self, o: &Opcode) -> Result<Op> {
        if o.words != ["shared::cluster", "u32"] {
            return Err(o.unknown());
        }
        let d = self.target(o.operands[0], Type::U32)?;
        Ok(Op::PeerAddress {
            d,
            a: self.source(o.operands[1], Type::U32)?,
            rank: self.source(o.operands[2], Type::U32)?,
        })
    }

    pub(super) fn copy(&mut self, o: &Opcode) -> Result<Op> {
        let number = |text: &str| {
            let value = evaluate(text, &|_| None)?;
            u32::try_from(value).map_err(|_| format!("found {value}, expected a number from 0 on"))
        };
        match (&o.words[..], o.operands) {
            (["async", "commit_group"], []) => Ok(Op::CopyCommit),
            (["async", "wait_group"], [pending]) => Ok(Op::CopyWait { pending: number(pending)? }),
            (["async", "wait_all"], []) => Ok(Op::CopyWait { pending: 0 }),
            (["async", "ca" | "cg", "shared" | "shared::cta", "global"], [to, from, bytes, source @ ..]) => {
                let (to, from) = (self.place(to, Space::Shared)?, self.place(from, Space::Global)?);
                let bytes = number(bytes)?;
                if ![4, 8, 16].contains(&bytes) {
                    return Err(format!("found {bytes} bytes, expected 4, 8 or 16"));
                }
                let source = source.first().map(|text| self.source(text, Type::U32)).transpose()?;
                Ok(Op::CopyAsync { to, from, bytes, source })
            }
            _ => Err(o.unknown()),
        }
    }
}

fn space(o: &Opcode) -> Result<Space> {
    let spaces = [
        ("global", Space::Global),
        ("shared", Space::Shared),
        ("shared::cta", Space::Shared),
        ("shared::cluster", Space::Cluster),
        ("const", Space::Const),
        ("param", Space::Param),
    ];
    o.choose(&spaces).map_err(|_| format!("found `{}`, expected .global, .shared, .const or .param", o.text))
}
