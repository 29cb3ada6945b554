//! The functions that instructions compute of their operands.

/// Functions of one 32-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum F1 {
    Mov,
    Not,
    Neg,
    Abs,
    Popc,
    Clz,
    Brev,
    FNeg,
    FAbs,
    FSaturate,
    Rcp,
    Sqrt,
    Rsqrt,
    Ex2,
    Lg2,
    Tanh,
    Sin,
    Cos,
    /// To tf32, ties away from zero.
    Tf32,
    ToF32 {
        signed: bool,
    },
    FromF32 {
        signed: bool,
        round: Round,
    },
    Round(Round),
    /// The low 8 or 16 bits, extended.
    Extend {
        bits: u32,
        signed: bool,
    },
}

/// How a float becomes a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    Nearest,
    Zero,
    Down,
    Up,
}

/// Functions of two 32-bit values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum F2 {
    Add,
    Sub,
    Mul,
    MulHigh { signed: bool },
    Min { signed: bool },
    Max { signed: bool },
    Div { signed: bool },
    Rem { signed: bool },
    And,
    Or,
    Xor,
    Shl,
    Shr { signed: bool },
    FAdd,
    FSub,
    FMul,
    FDiv,
    FMin,
    FMax,
    FMinNan,
    FMaxNan,
    CopySign,
}

/// Functions of three 32-bit values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum F3 {
    Mad,
    MadHigh {
        signed: bool,
    },
    Fma,
    Lop3(u8),
    Prmt,
    Bfe {
        signed: bool,
    },
    /// The upper (left) or lower (right) half of a 64-bit shift, the distance modulo 32.
    Funnel {
        left: bool,
    },
    /// a where c ≥ 0, else b.
    Slct {
        float: bool,
    },
}

/// Functions of one 64-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum W1 {
    Mov,
    Not,
    Neg,
    DNeg,
    DAbs,
    DSqrt,
    DRcp,
    DRound(Round),
    ToF64 { signed: bool },
    FromF64 { signed: bool, round: Round },
}

/// Functions of two 64-bit values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum W2 {
    Add,
    Sub,
    Mul,
    MulHigh,
    Min { signed: bool },
    Max { signed: bool },
    Div { signed: bool },
    Rem { signed: bool },
    And,
    Or,
    Xor,
    DAdd,
    DSub,
    DMul,
    DDiv,
    DMin,
    DMax,
}

/// Functions of three 64-bit values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum W3 {
    Mad,
    DFma,
}

/// Shifts of a 64-bit value by a 32-bit distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    Left,
    Right { signed: bool },
}

/// From 32 to 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widen {
    Zero,
    Sign,
    /// An integer to f64.
    ToF64 {
        signed: bool,
    },
    /// f32 to f64.
    Float,
}

/// From 64 to 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrow {
    Low,
    High,
    /// f64 to f32.
    Float,
    /// f64 to an integer.
    FromF64 {
        signed: bool,
        round: Round,
    },
    /// A 64-bit integer to f32.
    ToF32 {
        signed: bool,
    },
}

/// Comparisons. Those with `U` are true where an operand is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    /// Both are numbers.
    Num,
    /// One is NaN.
    Nan,
}

/// How predicates are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

/// Atomic operations; they return what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomic {
    Add,
    Min { signed: bool },
    Max { signed: bool },
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Inc,
    Dec,
}

impl Atomic {
    /// From its name in the text, without the dot.
    pub fn parse(word: &str, signed: bool) -> Option<Atomic> {
        Some(match word {
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
    }
}

/// How `shfl` finds its source lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

/// The questions of `vote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}
