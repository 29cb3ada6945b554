//! The table of opcodes: from `mad.lo.u32` and its operands to an [`Op`].

use super::decode::Decoder;
use super::inst::{Cmp, F1, F2, F3, Logic, Narrow, Op, Round, Shift, Shuffle, Type, Vote, W1, W2, W3, Widen};
use super::transfers::function;

type Result<T> = std::result::Result<T, String>;

/// The suffixes that change nothing here: rounding that is the only one computed, cache hints, memory order of single
/// accesses, aligned forms.
pub(super) const IGNORED: [&str; 22] = [
    "rn",
    "approx",
    "full",
    "uni",
    "aligned",
    "to",
    "lu",
    "cs",
    "ca",
    "cg",
    "wb",
    "wt",
    "relaxed",
    "acquire",
    "release",
    "acq_rel",
    "gpu",
    "cta",
    "sync",
    "volatile",
    "L1::no_allocate",
    "weak",
];

impl Decoder {
    /// Decodes an instruction.
    pub fn op(&mut self, opcode: &str, operands: &[&str]) -> Result<Op> {
        let mut words = opcode.split('.');
        let name = words.next().unwrap_or_default();
        let suffixes: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let has = |word: &str| suffixes.contains(&word);
        let ty = suffixes.iter().rev().find_map(|word| Type::parse(word));
        let unknown = || format!("found `{opcode}`, which is not emulated");
        if has("ftz") || has("rz") || has("rm") || has("rp") || has("sat") && !(name == "cvt" || name == "fma") {
            return Err(unknown());
        }
        let count = |expected: std::ops::RangeInclusive<usize>| {
            if expected.contains(&operands.len()) {
                return Ok(());
            }
            Err(format!("found {} operands of `{opcode}`, expected {}", operands.len(), expected.end()))
        };
        match name {
            "ret" | "exit" => Ok(Op::Exit),
            "bra" => {
                count(1..=1)?;
                Ok(self.jump(operands[0]))
            }
            "bar" | "barrier" if has("warp") => {
                count(1..=1)?;
                Ok(Op::WarpBarrier { mask: self.source(operands[0], Type::B32)? })
            }
            "bar" | "barrier" if suffixes.iter().all(|word| ["sync", "cta", "aligned"].contains(word)) => {
                count(1..=2)?;
                let id = self.source(operands[0], Type::U32)?;
                let threads = operands.get(1).map(|text| self.source(text, Type::U32)).transpose()?;
                Ok(Op::Barrier { id, threads })
            }
            "membar" | "fence" => Ok(Op::Nothing),
            "activemask" => {
                count(1..=1)?;
                Ok(Op::ActiveMask { d: self.target(operands[0], Type::B32)? })
            }
            "ld" | "ldu" | "st" => self.memory(name, &suffixes, operands, ty.ok_or_else(unknown)?, opcode),
            "atom" | "red" => self.atomic(name, &suffixes, operands, ty.ok_or_else(unknown)?, opcode),
            "cp" if has("async") => self.copy(&suffixes, operands, opcode),
            "shfl" => {
                count(5..=5)?;
                let f = [
                    ("up", Shuffle::Up),
                    ("down", Shuffle::Down),
                    ("bfly", Shuffle::Butterfly),
                    ("idx", Shuffle::Index),
                ]
                .into_iter()
                .find_map(|(word, f)| has(word).then_some(f))
                .ok_or_else(unknown)?;
                let (d, p) = self.pair(operands[0])?;
                let [a, b, c, mask] = [1, 2, 3, 4].map(|at| self.source(operands[at], Type::B32));
                let (d, p) = (self.target(d, Type::B32)?, p.map(|p| self.target_predicate(p)).transpose()?);
                Ok(Op::Shuffle { f, d, p, a: a?, b: b?, c: c?, mask: mask? })
            }
            "vote" => {
                count(3..=3)?;
                let f = [("all", Vote::All), ("any", Vote::Any), ("uni", Vote::Uniform), ("ballot", Vote::Ballot)]
                    .into_iter()
                    .find_map(|(word, f)| has(word).then_some(f))
                    .ok_or_else(unknown)?;
                let d = self.target(operands[0], if f == Vote::Ballot { Type::B32 } else { Type::Pred })?;
                Ok(Op::Vote { f, d, a: self.predicate(operands[1])?, mask: self.source(operands[2], Type::B32)? })
            }
            "redux" => {
                count(3..=3)?;
                let f = function(&suffixes, ty.ok_or_else(unknown)?).ok_or_else(unknown)?;
                let d = self.target(operands[0], Type::B32)?;
                Ok(Op::Reduce {
                    f,
                    d,
                    a: self.source(operands[1], Type::B32)?,
                    mask: self.source(operands[2], Type::B32)?,
                })
            }
            "mma" => self.mma(&suffixes, operands, opcode),
            "setp" => self.setp(&suffixes, operands, ty.ok_or_else(unknown)?, opcode),
            "selp" => {
                count(4..=4)?;
                let ty = ty.ok_or_else(unknown)?;
                let d = self.target(operands[0], ty)?;
                let (a, b) = (self.source(operands[1], ty)?, self.source(operands[2], ty)?);
                Ok(Op::Select { wide: ty.wide(), d, a, b, p: self.predicate(operands[3])? })
            }
            "cvta" => {
                count(2..=2)?;
                self.map1(F1::Mov, W1::Mov, operands, ty.ok_or_else(unknown)?)
            }
            "cvt" => self.convert(&suffixes, operands, opcode),
            "mov" => self.mov(operands, ty.ok_or_else(unknown)?),
            _ if ty == Some(Type::Pred) => self.logic(name, operands).ok_or_else(unknown)?,
            _ => {
                let known = |word: &&str| {
                    IGNORED.contains(word)
                        || Type::parse(word).is_some()
                        || ["lo", "hi", "wide", "sat", "wrap", "l", "r"].contains(word)
                };
                if !(name == "lop3" || suffixes.iter().all(known)) {
                    return Err(unknown());
                }
                self.arithmetic(name, &suffixes, operands, ty.ok_or_else(unknown)?, opcode)
            }
        }
    }

    /// Add, multiply and the rest of what works lane by lane.
    fn arithmetic(&mut self, name: &str, suffixes: &[&str], operands: &[&str], ty: Type, opcode: &str) -> Result<Op> {
        let has = |word: &str| suffixes.contains(&word);
        let unknown = || Err(format!("found `{opcode}`, which is not emulated"));
        let (signed, high) = (ty.signed(), has("hi"));
        if ty.bytes() < 4 {
            return unknown();
        }
        let needed = match name {
            "bfi" => 5,
            "mad" | "fma" | "lop3" | "prmt" | "bfe" | "shf" | "slct" => 4,
            "not" | "neg" | "abs" | "popc" | "clz" | "brev" | "rcp" | "sqrt" | "rsqrt" | "ex2" | "lg2" | "tanh"
            | "sin" | "cos" => 2,
            _ => 3,
        } + usize::from(name == "lop3");
        if operands.len() != needed {
            return Err(format!("found {} operands of `{opcode}`, expected {needed}", operands.len()));
        }
        if has("wide") {
            let d = self.target(operands[0], Type::B64)?;
            let (a, b) = (self.source(operands[1], ty)?, self.source(operands[2], ty)?);
            let c = operands.get(3).map(|text| self.source(text, Type::B64)).transpose()?;
            return Ok(Op::MulWide { signed, d, a, b, c });
        }
        let float = ty.float();
        match name {
            "shl" | "shr" if ty.wide() => {
                let f = if name == "shl" { Shift::Left } else { Shift::Right { signed } };
                let (d, a) = (self.target(operands[0], ty)?, self.source(operands[1], ty)?);
                return Ok(Op::WideShift { f, d, a, b: self.source(operands[2], Type::U32)? });
            }
            "bfi" if !ty.wide() => {
                let d = self.target(operands[0], ty)?;
                let [a, b, position, length] = [1, 2, 3, 4].map(|at| self.source(operands[at], Type::B32));
                return Ok(Op::Insert { d, a: a?, b: b?, position: position?, length: length? });
            }
            _ => {}
        }
        let one = |f1: Option<F1>, w1: Option<W1>| (f1, w1);
        let (f1, w1) = match name {
            "not" => one(Some(F1::Not), Some(W1::Not)),
            "neg" if float => one(Some(F1::FNeg), Some(W1::DNeg)),
            "neg" => one(Some(F1::Neg), Some(W1::Neg)),
            "abs" if float => one(Some(F1::FAbs), Some(W1::DAbs)),
            "abs" => one(Some(F1::Abs), None),
            "popc" => one(Some(F1::Popc), None),
            "clz" => one(Some(F1::Clz), None),
            "brev" => one(Some(F1::Brev), None),
            "rcp" => one(Some(F1::Rcp), Some(W1::DRcp)),
            "sqrt" => one(Some(F1::Sqrt), Some(W1::DSqrt)),
            "rsqrt" => one(Some(F1::Rsqrt), None),
            "ex2" => one(Some(F1::Ex2), None),
            "lg2" => one(Some(F1::Lg2), None),
            "tanh" => one(Some(F1::Tanh), None),
            "sin" => one(Some(F1::Sin), None),
            "cos" => one(Some(F1::Cos), None),
            _ => (None, None),
        };
        match (ty.wide(), f1, w1) {
            (false, Some(f), _) => return self.map1(f, W1::Mov, operands, ty),
            (true, _, Some(f)) => return self.map1(F1::Mov, f, operands, ty),
            _ => {}
        }
        if ty.wide() {
            let f = match (name, float) {
                ("mad", false) if !high => return self.wide3(W3::Mad, operands, ty),
                ("fma", true) => return self.wide3(W3::DFma, operands, ty),
                ("add", true) => W2::DAdd,
                ("sub", true) => W2::DSub,
                ("mul", true) => W2::DMul,
                ("div", true) => W2::DDiv,
                ("min", true) => W2::DMin,
                ("max", true) => W2::DMax,
                ("add", false) => W2::Add,
                ("sub", false) => W2::Sub,
                ("mul", false) if !high => W2::Mul,
                ("mul", false) if !signed => W2::MulHigh,
                ("div", false) => W2::Div { signed },
                ("rem", false) => W2::Rem { signed },
                ("min", false) => W2::Min { signed },
                ("max", false) => W2::Max { signed },
                ("and", false) => W2::And,
                ("or", false) => W2::Or,
                ("xor", false) => W2::Xor,
                _ => return unknown(),
            };
            let d = self.target(operands[0], ty)?;
            return Ok(Op::Wide2 { f, d, a: self.source(operands[1], ty)?, b: self.source(operands[2], ty)? });
        }
        let f = match (name, float) {
            ("add", true) => F2::FAdd,
            ("sub", true) => F2::FSub,
            ("mul", true) => F2::FMul,
            ("div", true) => F2::FDiv,
            ("min", true) => F2::FMin,
            ("max", true) => F2::FMax,
            ("copysign", true) => F2::CopySign,
            ("add", false) => F2::Add,
            ("sub", false) => F2::Sub,
            ("mul", false) if high => F2::MulHigh { signed },
            ("mul", false) => F2::Mul,
            ("div", false) => F2::Div { signed },
            ("rem", false) => F2::Rem { signed },
            ("min", false) => F2::Min { signed },
            ("max", false) => F2::Max { signed },
            ("and", false) => F2::And,
            ("or", false) => F2::Or,
            ("xor", false) => F2::Xor,
            ("shl", false) => F2::Shl,
            ("shr", false) => F2::Shr { signed },
            _ => {
                let f = match name {
                    "mad" | "fma" if float => F3::Fma,
                    "mad" if high => F3::MadHigh { signed },
                    "mad" => F3::Mad,
                    "prmt" => F3::Prmt,
                    "bfe" => F3::Bfe { signed },
                    "shf" if has("wrap") || opcode.contains(".wrap") => F3::Funnel { left: has("l") },
                    "lop3" => {
                        let table = super::parse::evaluate(operands[4], &|_| None)?;
                        F3::Lop3(u8::try_from(table).map_err(|_| format!("found the table {table}, expected a byte"))?)
                    }
                    "slct" => {
                        let kind = suffixes.last().and_then(|word| Type::parse(word));
                        return self.slct(operands, kind == Some(Type::F32));
                    }
                    _ => return unknown(),
                };
                return self.map3(f, operands, ty);
            }
        };
        let second = if matches!(f, F2::Shl | F2::Shr { .. }) { Type::U32 } else { ty };
        let (d, a) = (self.target(operands[0], ty)?, self.source(operands[1], ty)?);
        Ok(Op::Map2 { f, d, a, b: self.source(operands[2], second)? })
    }

    fn map1(&mut self, f1: F1, w1: W1, operands: &[&str], ty: Type) -> Result<Op> {
        let (d, a) = (self.target(operands[0], ty)?, self.source(operands[1], ty)?);
        Ok(if ty.wide() { Op::Wide1 { f: w1, d, a } } else { Op::Map1 { f: f1, d, a } })
    }

    fn map3(&mut self, f: F3, operands: &[&str], ty: Type) -> Result<Op> {
        let d = self.target(operands[0], ty)?;
        let [a, b, c] = [1, 2, 3].map(|at| self.source(operands[at], ty));
        Ok(Op::Map3 { f, d, a: a?, b: b?, c: c? })
    }

    fn slct(&mut self, operands: &[&str], float: bool) -> Result<Op> {
        let d = self.target(operands[0], Type::B32)?;
        let (a, b) = (self.source(operands[1], Type::B32)?, self.source(operands[2], Type::B32)?);
        let c = self.source(operands[3], if float { Type::F32 } else { Type::S32 })?;
        Ok(Op::Map3 { f: F3::Slct { float }, d, a, b, c })
    }

    fn wide3(&mut self, f: W3, operands: &[&str], ty: Type) -> Result<Op> {
        let d = self.target(operands[0], ty)?;
        let [a, b, c] = [1, 2, 3].map(|at| self.source(operands[at], ty));
        Ok(Op::Wide3 { f, d, a: a?, b: b?, c: c? })
    }

    fn mov(&mut self, operands: &[&str], ty: Type) -> Result<Op> {
        let [d, a] = operands else {
            return Err(format!("found {} operands of `mov`, expected 2", operands.len()));
        };
        if ty == Type::Pred {
            let p = self.target_predicate(d)?;
            return match *a {
                "0" => Ok(Op::SetPredicate { p, value: false }),
                "1" => Ok(Op::SetPredicate { p, value: true }),
                a => {
                    let a = self.predicate(a)?;
                    Ok(Op::Predicate { logic: Logic::Or, p, a, b: a })
                }
            };
        }
        match (self.parts(d)[..].to_vec(), self.parts(a)[..].to_vec()) {
            (ds, _) if ty.wide() && ds.len() == 2 => {
                let a = self.source(a, ty)?;
                let (low, high) = (self.target(ds[0], Type::B32)?, self.target(ds[1], Type::B32)?);
                Ok(Op::Unpack { low, high, a })
            }
            (_, parts) if ty.wide() && parts.len() == 2 => {
                let (low, high) = (self.source(parts[0], Type::B32)?, self.source(parts[1], Type::B32)?);
                Ok(Op::Pack { d: self.target(d, ty)?, low, high })
            }
            _ => self.map1(F1::Mov, W1::Mov, operands, ty),
        }
    }

    /// `%d|%p`.
    fn pair<'t>(&self, text: &'t str) -> Result<(&'t str, Option<&'t str>)> {
        Ok(text.split_once('|').map_or((text, None), |(d, p)| (d.trim(), Some(p.trim()))))
    }

    fn logic(&mut self, name: &str, operands: &[&str]) -> Option<Result<Op>> {
        let logic = match name {
            "and" => Logic::And,
            "or" => Logic::Or,
            "xor" => Logic::Xor,
            "not" => Logic::Or,
            _ => return None,
        };
        let mut decode = || {
            if operands.len() != if name == "not" { 2 } else { 3 } {
                return Err(format!("found {} operands of `{name}.pred`", operands.len()));
            }
            let (p, a) = (self.target_predicate(operands[0])?, self.predicate(operands[1])?);
            if name == "not" {
                let opposite = (a.0, !a.1);
                return Ok(Op::Predicate { logic, p, a: opposite, b: opposite });
            }
            Ok(Op::Predicate { logic, p, a, b: self.predicate(operands[2])? })
        };
        Some(decode())
    }

    fn setp(&mut self, suffixes: &[&str], operands: &[&str], ty: Type, opcode: &str) -> Result<Op> {
        let unknown = || format!("found `{opcode}`, which is not emulated");
        let cmp = match *suffixes.first().ok_or_else(unknown)? {
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
            _ => return Err(unknown()),
        };
        let logic = match suffixes[1..] {
            [_] => None,
            ["and", _] => Some(Logic::And),
            ["or", _] => Some(Logic::Or),
            ["xor", _] => Some(Logic::Xor),
            _ => return Err(unknown()),
        };
        let expected = 3 + usize::from(logic.is_some());
        if operands.len() != expected || ty.bytes() < 4 {
            return Err(format!("found {} operands of `{opcode}`, expected {expected}", operands.len()));
        }
        let (p, q) = self.pair(operands[0])?;
        let (p, q) = (self.target_predicate(p)?, q.map(|q| self.target_predicate(q)).transpose()?);
        let (a, b) = (self.source(operands[1], ty)?, self.source(operands[2], ty)?);
        let with = match logic {
            None => None,
            Some(logic) => {
                let (r, negated) = self.predicate(operands[3])?;
                Some((logic, r, negated))
            }
        };
        Ok(Op::Compare { cmp, ty, p, q, a, b, with })
    }

    fn convert(&mut self, suffixes: &[&str], operands: &[&str], opcode: &str) -> Result<Op> {
        let unknown = || format!("found `{opcode}`, which is not emulated");
        let [d, a] = operands else { return Err(format!("found {} operands of `cvt`, expected 2", operands.len())) };
        if suffixes == ["rna", "tf32", "f32"] {
            return Ok(Op::Map1 { f: F1::Tf32, d: self.target(d, Type::B32)?, a: self.source(a, Type::F32)? });
        }
        let types: Vec<Type> = suffixes.iter().filter_map(|word| Type::parse(word)).collect();
        let [to, from] = types[..] else { return Err(unknown()) };
        let round = suffixes.iter().find_map(|word| match *word {
            "rni" => Some(Round::Nearest),
            "rzi" => Some(Round::Zero),
            "rmi" => Some(Round::Down),
            "rpi" => Some(Round::Up),
            _ => None,
        });
        // A value of a narrow type may stand in a wider register.
        let (d, a) = (self.target(d, widest(to))?, self.source(a, widest(from))?);
        let map1 = |f| Ok(Op::Map1 { f, d, a });
        match (to, from) {
            (Type::F32, Type::F32) if suffixes.contains(&"sat") => map1(F1::FSaturate),
            (Type::F32, Type::F32) => map1(F1::Round(round.ok_or_else(unknown)?)),
            (Type::F64, Type::F64) => Ok(Op::Wide1 { f: W1::DRound(round.ok_or_else(unknown)?), d, a }),
            (Type::F64, Type::F32) => Ok(Op::Widen { f: Widen::Float, d, a }),
            (Type::F32, Type::F64) => Ok(Op::Narrow { f: Narrow::Float, d, a }),
            (Type::F32, from) if from.wide() => Ok(Op::Narrow { f: Narrow::ToF32 { signed: from.signed() }, d, a }),
            // Narrower registers hold their value extended.
            (Type::F32, from) => map1(F1::ToF32 { signed: from.signed() }),
            (Type::F64, from) if from.wide() => Ok(Op::Wide1 { f: W1::ToF64 { signed: from.signed() }, d, a }),
            (Type::F64, from) => Ok(Op::Widen { f: Widen::ToF64 { signed: from.signed() }, d, a }),
            (to, Type::F32) if to.bytes() == 4 => {
                map1(F1::FromF32 { signed: to.signed(), round: round.ok_or_else(unknown)? })
            }
            (to, Type::F64) if to.bytes() == 4 => {
                let round = round.ok_or_else(unknown)?;
                Ok(Op::Narrow { f: Narrow::FromF64 { signed: to.signed(), round }, d, a })
            }
            (to, Type::F64) if to.wide() => {
                Ok(Op::Wide1 { f: W1::FromF64 { signed: to.signed(), round: round.ok_or_else(unknown)? }, d, a })
            }
            (_, from) if from.float() => Err(unknown()),
            (to, from) if to.wide() && from.wide() => Ok(Op::Wide1 { f: W1::Mov, d, a }),
            (to, from) if to.wide() => Ok(Op::Widen { f: if from.signed() { Widen::Sign } else { Widen::Zero }, d, a }),
            (_, from) if from.wide() => Ok(Op::Narrow { f: Narrow::Low, d, a }),
            (to, from) if to.bytes().min(from.bytes()) == 4 => map1(F1::Mov),
            (to, from) => {
                let (narrower, signed) =
                    if from.bytes() <= to.bytes() { (from, from.signed()) } else { (to, to.signed()) };
                map1(F1::Extend { bits: 8 * narrower.bytes() as u32, signed })
            }
        }
    }
}

/// The type of the register file's slot that a value of a narrow type takes.
pub(super) fn widest(ty: Type) -> Type {
    if ty.bytes() < 4 { Type::B8 } else { ty }
}
