//! The table of opcodes: each mnemonic with how many operands it has, the words that may follow it, and what makes an [`Op`] of
//! it. Others are not emulated.

use std::ops::RangeInclusive;

use super::decode::Decoder;
use super::inst::{F1, F2, F3, Logic, Op, Shift, Shuffle, Type, Vote, W1, W2, W3};
use super::opcode::{Opcode, Result};

/// A line of the table.
struct Line {
    mnemonic: &'static str,
    operands: RangeInclusive<usize>,
    /// Words beside types, in lists.
    words: &'static [&'static [&'static str]],
    decode: fn(&mut Decoder, &Opcode) -> Result<Op>,
}

const fn line(
    mnemonic: &'static str,
    operands: RangeInclusive<usize>,
    words: &'static [&'static [&'static str]],
    decode: fn(&mut Decoder, &Opcode) -> Result<Op>,
) -> Line {
    Line { mnemonic, operands, words, decode }
}

/// Words that change nothing here: rounding that is the only one computed; cache hints and the order of single accesses.
const ROUNDING: &[&str] = &["rn", "approx", "full"];
const ACCESS: &[&str] = &[
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
    "volatile",
    "weak",
    "L1::no_allocate",
];
const WARP: &[&str] = &["sync", "aligned"];

const SPACES: &[&str] = &["global", "shared", "shared::cta", "shared::cluster", "const", "param"];
const CLUSTER: &[&str] = &["cluster", "arrive", "wait", "release", "acquire", "relaxed"];
const HALVES: &[&str] = &["lo", "hi", "wide"];
const NAN: &[&str] = &["NaN"];
const ATOMIC: &[&str] = &["add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"];
const COMPARISONS: &[&str] = &[
    "eq", "ne", "lt", "lo", "le", "ls", "gt", "hi", "ge", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
];
const LOGIC: &[&str] = &["and", "or", "xor"];
const CONVERSIONS: &[&str] = &["rn", "rni", "rzi", "rmi", "rpi", "rna", "tf32", "sat"];
const SHUFFLES: &[(&str, Shuffle)] =
    &[("up", Shuffle::Up), ("down", Shuffle::Down), ("bfly", Shuffle::Butterfly), ("idx", Shuffle::Index)];
const VOTES: &[(&str, Vote)] =
    &[("all", Vote::All), ("any", Vote::Any), ("uni", Vote::Uniform), ("ballot", Vote::Ballot)];

/// Functions lane by lane stand as those of whole numbers and of floats: of 32 bits, then of 64.
#[rustfmt::skip]
const TABLE: &[Line] = &[
    line("add", 3..=3, &[ROUNDING], |d, o| d.map2(o, [Some(F2::Add), Some(F2::FAdd)], [Some(W2::Add), Some(W2::DAdd)])),
    line("sub", 3..=3, &[ROUNDING], |d, o| d.map2(o, [Some(F2::Sub), Some(F2::FSub)], [Some(W2::Sub), Some(W2::DSub)])),
    line("mul", 3..=3, &[ROUNDING, HALVES], |d, o| match (o.has("wide"), o.has("hi"), o.signed()) {
        (true, _, _) => d.multiply_wide(o),
        (_, true, true) => d.map2(o, [Some(F2::MulHigh { signed: true }), None], [None, None]),
        (_, true, false) => d.map2(o, [Some(F2::MulHigh { signed: false }), None], [Some(W2::MulHigh), None]),
        _ => d.map2(o, [Some(F2::Mul), Some(F2::FMul)], [Some(W2::Mul), Some(W2::DMul)]),
    }),
    line("mad", 4..=4, &[ROUNDING, HALVES], |d, o| match (o.has("wide"), o.has("hi")) {
        (true, _) => d.multiply_wide(o),
        (_, true) => d.map3(o, [Some(F3::MadHigh { signed: o.signed() }), None], [None, None]),
        _ => d.map3(o, [Some(F3::Mad), Some(F3::Fma)], [Some(W3::Mad), None]),
    }),
    line("fma", 4..=4, &[ROUNDING], |d, o| d.map3(o, [None, Some(F3::Fma)], [None, Some(W3::DFma)])),
    line("div", 3..=3, &[ROUNDING], |d, o| {
        let signed = o.signed();
        d.map2(o, [Some(F2::Div { signed }), Some(F2::FDiv)], [Some(W2::Div { signed }), Some(W2::DDiv)])
    }),
    line("rem", 3..=3, &[], |d, o| {
        let signed = o.signed();
        d.map2(o, [Some(F2::Rem { signed }), None], [Some(W2::Rem { signed }), None])
    }),
    line("min", 3..=3, &[NAN], |d, o| match (o.has("NaN"), o.signed()) {
        (true, _) => d.map2(o, [None, Some(F2::FMinNan)], [None, None]),
        (_, signed) => d.map2(o, [Some(F2::Min { signed }), Some(F2::FMin)], [Some(W2::Min { signed }), Some(W2::DMin)]),
    }),
    line("max", 3..=3, &[NAN], |d, o| match (o.has("NaN"), o.signed()) {
        (true, _) => d.map2(o, [None, Some(F2::FMaxNan)], [None, None]),
        (_, signed) => d.map2(o, [Some(F2::Max { signed }), Some(F2::FMax)], [Some(W2::Max { signed }), Some(W2::DMax)]),
    }),
    line("neg", 2..=2, &[], |d, o| d.map1(o, [Some(F1::Neg), Some(F1::FNeg)], [Some(W1::Neg), Some(W1::DNeg)])),
    line("abs", 2..=2, &[], |d, o| d.map1(o, [Some(F1::Abs), Some(F1::FAbs)], [None, Some(W1::DAbs)])),
    line("copysign", 3..=3, &[], |d, o| d.map2(o, [None, Some(F2::CopySign)], [None, None])),
    line("rcp", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Rcp)], [None, Some(W1::DRcp)])),
    line("sqrt", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Sqrt)], [None, Some(W1::DSqrt)])),
    line("rsqrt", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Rsqrt)], [None, None])),
    line("ex2", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Ex2)], [None, None])),
    line("lg2", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Lg2)], [None, None])),
    line("tanh", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Tanh)], [None, None])),
    line("sin", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Sin)], [None, None])),
    line("cos", 2..=2, &[ROUNDING], |d, o| d.map1(o, [None, Some(F1::Cos)], [None, None])),
    // Bits.
    line("and", 3..=3, &[], |d, o| d.bits(o, Logic::And, F2::And, W2::And)),
    line("or", 3..=3, &[], |d, o| d.bits(o, Logic::Or, F2::Or, W2::Or)),
    line("xor", 3..=3, &[], |d, o| d.bits(o, Logic::Xor, F2::Xor, W2::Xor)),
    line("not", 2..=2, &[], Decoder::not),
    line("shl", 3..=3, &[], |d, o| d.shift(o, F2::Shl, Shift::Left)),
    line("shr", 3..=3, &[], |d, o| d.shift(o, F2::Shr { signed: o.signed() }, Shift::Right { signed: o.signed() })),
    line("shf", 4..=4, &[&["l", "r", "wrap"]], Decoder::funnel),
    line("popc", 2..=2, &[], |d, o| d.map1(o, [Some(F1::Popc), None], [None, None])),
    line("clz", 2..=2, &[], |d, o| d.map1(o, [Some(F1::Clz), None], [None, None])),
    line("brev", 2..=2, &[], |d, o| d.map1(o, [Some(F1::Brev), None], [None, None])),
    line("bfe", 4..=4, &[], |d, o| d.map3(o, [Some(F3::Bfe { signed: o.signed() }), None], [None, None])),
    line("bfi", 5..=5, &[], Decoder::insert),
    line("prmt", 4..=4, &[], |d, o| d.map3(o, [Some(F3::Prmt), None], [None, None])),
    line("lop3", 5..=5, &[], Decoder::lookup),
    // Predicates, choices, conversions.
    line("setp", 3..=4, &[COMPARISONS, LOGIC], Decoder::compare),
    line("selp", 4..=4, &[], Decoder::select),
    line("slct", 4..=4, &[], Decoder::choose),
    line("mov", 2..=2, &[], Decoder::mov),
    line("cvta", 2..=2, &[&["to"], SPACES], |d, o| d.map1(o, [Some(F1::Mov), None], [Some(W1::Mov), None])),
    line("cvt", 2..=2, &[CONVERSIONS], Decoder::convert),
    // Memory.
    line("ld", 2..=2, &[ACCESS, SPACES, &["nc", "v2", "v4"]], Decoder::load),
    line("ldu", 2..=2, &[SPACES, &["v2", "v4"]], Decoder::load),
    line("st", 2..=2, &[ACCESS, SPACES, &["v2", "v4"]], Decoder::store),
    line("atom", 3..=4, &[ACCESS, SPACES, ATOMIC], |d, o| d.atomic(o, Some(o.operands[0]), &o.operands[1..])),
    line("red", 2..=2, &[ACCESS, SPACES, ATOMIC], |d, o| d.atomic(o, None, o.operands)),
    line("cp", 0..=4, &[SPACES, &["async", "ca", "cg", "commit_group", "wait_group", "wait_all"]], Decoder::copy),
    line("membar", 0..=0, &[&["cta", "gl", "sys"]], |_, _| Ok(Op::Nothing)),
    line("fence", 0..=0, &[&["sc", "acq_rel", "cta", "cluster", "gpu", "sys"]], |_, _| Ok(Op::Nothing)),
    // Threads together.
    line("bar", 1..=2, &[WARP, &["warp", "cta"]], Decoder::barrier),
    line("barrier", 0..=2, &[WARP, &["cta"], CLUSTER], Decoder::barrier),
    line("mapa", 3..=3, &[&["shared::cluster"]], Decoder::peer_address),
    line("shfl", 5..=5, &[WARP, &["up", "down", "bfly", "idx"]], |d, o| d.shuffle(o, o.choose(SHUFFLES)?)),
    line("vote", 3..=3, &[WARP, &["all", "any", "uni", "ballot"]], |d, o| d.vote(o, o.choose(VOTES)?)),
    line("redux", 3..=3, &[WARP, ATOMIC], Decoder::reduce),
    line("activemask", 1..=1, &[], |d, o| Ok(Op::ActiveMask { d: d.target(o.operands[0], Type::B32)? })),
    line("mma", 4..=4, &[WARP, &["m16n8k8", "m16n8k4", "row", "col", "tf32"]], Decoder::mma),
    // Where a thread goes on.
    line("bra", 1..=1, &[&["uni"]], |d, o| Ok(d.jump(o.operands[0]))),
    line("ret", 0..=0, &[&["uni"]], |_, _| Ok(Op::Exit)),
    line("exit", 0..=0, &[], |_, _| Ok(Op::Exit)),
];

/// A mnemonic has one line: a second would never be found.
const _: () = {
    let mut i = 0;
    while i < TABLE.len() {
        let mut j = 0;
        while j < i {
            assert!(!equal(TABLE[i].mnemonic.as_bytes(), TABLE[j].mnemonic.as_bytes()));
            j += 1;
        }
        i += 1;
    }
};

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

impl Decoder {
    /// Decodes an instruction.
    pub fn op(&mut self, text: &str, operands: &[&str]) -> Result<Op> {
        let opcode = Opcode::new(text, operands);
        let line = TABLE.iter().find(|line| line.mnemonic == opcode.mnemonic).filter(|l| opcode.consists_of(l.words));
        let line = line.ok_or_else(|| opcode.unknown())?;
        let (least, most) = (*line.operands.start(), *line.operands.end());
        if !line.operands.contains(&operands.len()) {
            let expected = if least == most { most.to_string() } else { format!("{least} to {most}") };
            return Err(format!("found {} operands of `{text}`, expected {expected}", operands.len()));
        }
        (line.decode)(self, &opcode)
    }
}
