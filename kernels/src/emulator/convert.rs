//! `cvt`: from each type to each.

use super::decode::Decoder;
use super::inst::{F1, Narrow, Op, Round, Type, W1, Widen};
use super::opcode::{Opcode, Result};

impl Decoder {
    pub(super) fn convert(&mut self, o: &Opcode) -> Result<Op> {
        let (d, a) = (o.operands[0], o.operands[1]);
        if o.words == ["rna", "tf32", "f32"] {
            return Ok(Op::Map1 { f: F1::Tf32, d: self.target(d, Type::B32)?, a: self.source(a, Type::F32)? });
        }
        let types: Vec<Type> = o.words.iter().filter_map(|word| Type::parse(word)).collect();
        let (&[to, from], false) = (&types[..], o.has("rna") || o.has("tf32")) else { return Err(o.unknown()) };
        let modes = [("rni", Round::Nearest), ("rzi", Round::Zero), ("rmi", Round::Down), ("rpi", Round::Up)];
        let round = || o.choose(&modes);
        if o.has("sat") && (to, from) != (Type::F32, Type::F32) {
            return Err(o.unknown());
        }
        // A value of a narrow type may stand in a wider register.
        let (d, a) = (self.target(d, to.in_register())?, self.source(a, from.in_register())?);
        let map1 = |f| Ok(Op::Map1 { f, d, a });
        match (to, from) {
            (Type::F32, Type::F32) if o.has("sat") => map1(F1::FSaturate),
            (Type::F32, Type::F32) => map1(F1::Round(round()?)),
            (Type::F64, Type::F64) => Ok(Op::Wide1 { f: W1::DRound(round()?), d, a }),
            (Type::F64, Type::F32) => Ok(Op::Widen { f: Widen::Float, d, a }),
            (Type::F32, Type::F64) => Ok(Op::Narrow { f: Narrow::Float, d, a }),
            (Type::F32, from) if from.wide() => Ok(Op::Narrow { f: Narrow::ToF32 { signed: from.signed() }, d, a }),
            // Narrower registers hold their value extended.
            (Type::F32, from) => map1(F1::ToF32 { signed: from.signed() }),
            (Type::F64, from) if from.wide() => Ok(Op::Wide1 { f: W1::ToF64 { signed: from.signed() }, d, a }),
            (Type::F64, from) => Ok(Op::Widen { f: Widen::ToF64 { signed: from.signed() }, d, a }),
            (to, Type::F32) if to.bytes() == 4 => map1(F1::FromF32 { signed: to.signed(), round: round()? }),
            (to, Type::F64) if to.bytes() == 4 => {
                Ok(Op::Narrow { f: Narrow::FromF64 { signed: to.signed(), round: round()? }, d, a })
            }
            (to, Type::F64) if to.wide() => {
                Ok(Op::Wide1 { f: W1::FromF64 { signed: to.signed(), round: round()? }, d, a })
            }
            (_, from) if from.float() => Err(o.unknown()),
            (to, from) if to.wide() && from.wide() => Ok(Op::Wide1 { f: W1::Mov, d, a }),
            (to, from) if to.wide() => Ok(Op::Widen { f: if from.signed() { Widen::Sign } else { Widen::Zero }, d, a }),
            (_, from) if from.wide() => Ok(Op::Narrow { f: Narrow::Low, d, a }),
            (to, from) if to.bytes().min(from.bytes()) == 4 => map1(F1::Mov),
            (to, from) => {
                let narrower = if from.bytes() <= to.bytes() { from } else { to };
                map1(F1::Extend { bits: 8 * narrower.bytes() as u32, signed: narrower.signed() })
            }
        }
    }
}
