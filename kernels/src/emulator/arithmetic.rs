//! Opcodes that work lane by lane in registers: arithmetic, bits, comparisons, choices, moves.

use super::decode::Decoder;
use super::expression::evaluate;
use super::inst::{Cmp, F1, F2, F3, Logic, Op, Reg, Shift, Type, W1, W2, W3};
use super::opcode::{Opcode, Result};

/// A function for operands of 32 bits, and one for 64: of whole numbers, and of floats.
type By<F> = [Option<F>; 2];

impl Decoder {
    /// The type, and the function that there is for it in one of the register files.
    fn function<N: Copy, W: Copy>(&self, o: &Opcode, narrow: By<N>, wide: By<W>) -> Result<(Type, Either<N, W>)> {
        let ty = o.ty()?;
        let float = usize::from(ty.float());
        let found = match ty.bytes() {
            4 => narrow[float].map(Either::Narrow),
            8 => wide[float].map(Either::Wide),
            _ => None,
        };
        Ok((ty, found.ok_or_else(|| o.unknown())?))
    }

    /// The target, operand 0, and the sources behind it.
    fn lanes<const N: usize>(&mut self, o: &Opcode, ty: Type) -> Result<(Reg, [Reg; N])> {
        let (d, mut sources) = (self.target(o.operands[0], ty)?, [0; N]);
        for (source, text) in sources.iter_mut().zip(&o.operands[1..]) {
            *source = self.source(text, ty)?;
        }
        Ok((d, sources))
    }

    pub(super) fn map1(&mut self, o: &Opcode, narrow: By<F1>, wide: By<W1>) -> Result<Op> {
        let (ty, f) = self.function(o, narrow, wide)?;
        let (d, [a]) = self.lanes(o, ty)?;
        Ok(match f {
            Either::Narrow(f) => Op::Map1 { f, d, a },
            Either::Wide(f) => Op::Wide1 { f, d, a },
        })
    }

    pub(super) fn map2(&mut self, o: &Opcode, narrow: By<F2>, wide: By<W2>) -> Result<Op> {
        let (ty, f) = self.function(o, narrow, wide)?;
        let (d, [a, b]) = self.lanes(o, ty)?;
        Ok(match f {
            Either::Narrow(f) => Op::Map2 { f, d, a, b },
            Either::Wide(f) => Op::Wide2 { f, d, a, b },
        })
    }

    pub(super) fn map3(&mut self, o: &Opcode, narrow: By<F3>, wide: By<W3>) -> Result<Op> {
        let (ty, f) = self.function(o, narrow, wide)?;
        let (d, [a, b, c]) = self.lanes(o, ty)?;
        Ok(match f {
            Either::Narrow(f) => Op::Map3 { f, d, a, b, c },
            Either::Wide(f) => Op::Wide3 { f, d, a, b, c },
        })
    }

    /// `mul.wide` and `mad.wide`: factors of 32 bits, the rest of 64.
    pub(super) fn multiply_wide(&mut self, o: &Opcode) -> Result<Op> {
        let ty = o.ty()?;
        if ty.bytes() != 4 || ty.float() {
            return Err(o.unknown());
        }
        let d = self.target(o.operands[0], Type::B64)?;
        let (a, b) = (self.source(o.operands[1], ty)?, self.source(o.operands[2], ty)?);
        let c = o.operands.get(3).map(|text| self.source(text, Type::B64)).transpose()?;
        Ok(Op::MulWide { signed: ty.signed(), d, a, b, c })
    }

    /// A distance has 32 bits, whatever is shifted.
    pub(super) fn shift(&mut self, o: &Opcode, narrow: F2, wide: Shift) -> Result<Op> {
        let (ty, f) = self.function(o, [Some(narrow), None], [Some(wide), None])?;
        let (d, a) = (self.target(o.operands[0], ty)?, self.source(o.operands[1], ty)?);
        let b = self.source(o.operands[2], Type::U32)?;
        Ok(match f {
            Either::Narrow(f) => Op::Map2 { f, d, a, b },
            Either::Wide(f) => Op::WideShift { f, d, a, b },
        })
    }

    pub(super) fn funnel(&mut self, o: &Opcode) -> Result<Op> {
        match (o.has("wrap"), o.has("l") != o.has("r")) {
            (true, true) => self.map3(o, [Some(F3::Funnel { left: o.has("l") }), None], [None, None]),
            _ => Err(o.unknown()),
        }
    }

    pub(super) fn insert(&mut self, o: &Opcode) -> Result<Op> {
        let ty = o.ty()?;
        if ty.bytes() != 4 || ty.float() {
            return Err(o.unknown());
        }
        let (d, [a, b, position, length]) = self.lanes(o, ty)?;
        Ok(Op::Insert { d, a, b, position, length })
    }

    /// `lop3`: the last operand is the table of results.
    pub(super) fn lookup(&mut self, o: &Opcode) -> Result<Op> {
        let table = evaluate(o.operands[4], &|_| None)?;
        let table = u8::try_from(table).map_err(|_| format!("found the table {table}, expected a byte"))?;
        self.map3(o, [Some(F3::Lop3(table)), None], [None, None])
    }

    /// And, or, exclusive or: of predicates or of bits.
    pub(super) fn bits(&mut self, o: &Opcode, logic: Logic, narrow: F2, wide: W2) -> Result<Op> {
        if o.ty()? != Type::Pred {
            return self.map2(o, [Some(narrow), None], [Some(wide), None]);
        }
        let p = self.target_predicate(o.operands[0])?;
        Ok(Op::Predicate { logic, p, a: self.predicate(o.operands[1])?, b: self.predicate(o.operands[2])? })
    }

    pub(super) fn not(&mut self, o: &Opcode) -> Result<Op> {
        if o.ty()? != Type::Pred {
            return self.map1(o, [Some(F1::Not), None], [Some(W1::Not), None]);
        }
        let (p, (a, negated)) = (self.target_predicate(o.operands[0])?, self.predicate(o.operands[1])?);
        Ok(Op::Predicate { logic: Logic::Or, p, a: (a, !negated), b: (a, !negated) })
    }

    /// `setp.cmp.type p|q, a, b` and `setp.cmp.logic.type p|q, a, b, r`.
    pub(super) fn compare(&mut self, o: &Opcode) -> Result<Op> {
        let ty = o.ty()?;
        let cmp = match *o.words.first().unwrap_or(&"") {
            "eq" => Cmp::Eq,
            "ne" => Cmp::Ne,
            "lt" | "lo" => Cmp::Lt,
            "le" | "ls" => Cmp::Le,
            "gt" | "hi" => Cmp::Gt,
            "ge" | "hs" => Cmp::Ge,
            "equ" => Cmp::Equ,
            "neu" => Cmp::Neu,
            "ltu" => Cmp::Ltu,
            "leu" => Cmp::Leu,
            "gtu" => Cmp::Gtu,
            "geu" => Cmp::Geu,
            "num" => Cmp::Num,
            "nan" => Cmp::Nan,
            _ => return Err(o.unknown()),
        };
        let logic = match o.words[1..] {
            [_] => None,
            ["and", _] => Some(Logic::And),
            ["or", _] => Some(Logic::Or),
            ["xor", _] => Some(Logic::Xor),
            _ => return Err(o.unknown()),
        };
        let expected = 3 + usize::from(logic.is_some());
        if o.operands.len() != expected {
            return Err(format!("found {} operands of `{}`, expected {expected}", o.operands.len(), o.text));
        }
        if ty.bytes() < 4 {
            return Err(o.unknown());
        }
        let (p, q) = self.pair(o.operands[0]);
        let (p, q) = (self.target_predicate(p)?, q.map(|q| self.target_predicate(q)).transpose()?);
        let (a, b) = (self.source(o.operands[1], ty)?, self.source(o.operands[2], ty)?);
        let with = match logic {
            None => None,
            Some(logic) => {
                let (r, negated) = self.predicate(o.operands[3])?;
                Some((logic, r, negated))
            }
        };
        Ok(Op::Compare { cmp, ty, p, q, a, b, with })
    }

    pub(super) fn select(&mut self, o: &Opcode) -> Result<Op> {
        let ty = o.ty()?;
        let d = self.target(o.operands[0], ty)?;
        let (a, b) = (self.source(o.operands[1], ty)?, self.source(o.operands[2], ty)?);
        Ok(Op::Select { wide: ty.wide(), d, a, b, p: self.predicate(o.operands[3])? })
    }

    /// `slct.type.kind d, a, b, c`: by the sign of c, of the type `kind`.
    pub(super) fn choose(&mut self, o: &Opcode) -> Result<Op> {
        let kind = o.ty()?;
        if !matches!(kind, Type::S32 | Type::F32) {
            return Err(o.unknown());
        }
        let d = self.target(o.operands[0], Type::B32)?;
        let (a, b) = (self.source(o.operands[1], Type::B32)?, self.source(o.operands[2], Type::B32)?);
        Ok(Op::Map3 { f: F3::Slct { float: kind.float() }, d, a, b, c: self.source(o.operands[3], kind)? })
    }

    pub(super) fn mov(&mut self, o: &Opcode) -> Result<Op> {
        let (ty, d, a) = (o.ty()?, o.operands[0], o.operands[1]);
        if ty == Type::Pred {
            let p = self.target_predicate(d)?;
            return match a {
                "0" => Ok(Op::SetPredicate { p, value: false }),
                "1" => Ok(Op::SetPredicate { p, value: true }),
                a => {
                    let a = self.predicate(a)?;
                    Ok(Op::Predicate { logic: Logic::Or, p, a, b: a })
                }
            };
        }
        match (&self.parts(d)[..], &self.parts(a)[..]) {
            (&[low, high], _) if ty.wide() => {
                let a = self.source(a, ty)?;
                Ok(Op::Unpack { low: self.target(low, Type::B32)?, high: self.target(high, Type::B32)?, a })
            }
            (_, &[low, high]) if ty.wide() => {
                let (low, high) = (self.source(low, Type::B32)?, self.source(high, Type::B32)?);
                Ok(Op::Pack { d: self.target(d, ty)?, low, high })
            }
            _ => {
                let (d, a) = (self.target(d, ty)?, self.source(a, ty)?);
                Ok(if ty.wide() { Op::Wide1 { f: W1::Mov, d, a } } else { Op::Map1 { f: F1::Mov, d, a } })
            }
        }
    }

    /// `%d|%p`.
    pub(super) fn pair<'t>(&self, text: &'t str) -> (&'t str, Option<&'t str>) {
        text.split_once('|').map_or((text, None), |(d, p)| (d.trim(), Some(p.trim())))
    }
}

/// A function of one of the register files.
enum Either<N, W> {
    Narrow(N),
    Wide(W),
}
