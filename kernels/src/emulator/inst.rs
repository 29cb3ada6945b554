//! Decoded instructions: what the interpreter runs.
//!
//! Registers are indices: one file of 32-bit registers (narrower types live in it too), one of 64-bit registers, one of
//! predicates. Constants and special registers have registers of their own, filled when a warp begins.

pub use super::functions::{Atomic, Cmp, F1, F2, F3, Logic, Narrow, Round, Shift, Shuffle, Vote, W1, W2, W3, Widen};

/// The index of a register in its file.
pub type Reg = u32;

/// A decoded instruction.
#[derive(Debug, Clone, Copy)]
pub struct Inst {
    pub op: Op,
    /// The predicate and whether it has to be false.
    pub guard: Option<(Reg, bool)>,
    /// The line of the module's text, from 1.
    pub line: u32,
}

/// A type as instructions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Pred,
    B8,
    U8,
    S8,
    B16,
    U16,
    S16,
    B32,
    U32,
    S32,
    F32,
    B64,
    U64,
    S64,
    F64,
}

impl Type {
    /// From its name in the text, without the dot.
    pub fn parse(name: &str) -> Option<Type> {
        use Type::{B8, B16, B32, B64, F32, F64, Pred, S8, S16, S32, S64, U8, U16, U32, U64};
        let names =
            ["pred", "b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"];
        let types = [Pred, B8, U8, S8, B16, U16, S16, B32, U32, S32, F32, B64, U64, S64, F64];
        names.iter().position(|known| *known == name).map(|at| types[at])
    }

    /// Its size in memory; a predicate has none.
    pub fn bytes(self) -> usize {
        match self {
            Type::Pred => 0,
            Type::B8 | Type::U8 | Type::S8 => 1,
            Type::B16 | Type::U16 | Type::S16 => 2,
            Type::B32 | Type::U32 | Type::S32 | Type::F32 => 4,
            Type::B64 | Type::U64 | Type::S64 | Type::F64 => 8,
        }
    }

    pub fn signed(self) -> bool {
        matches!(self, Type::S8 | Type::S16 | Type::S32 | Type::S64)
    }

    pub fn float(self) -> bool {
        matches!(self, Type::F32 | Type::F64)
    }

    /// The type of the register that holds a value of this one: narrow ones live in those of any width.
    pub fn in_register(self) -> Type {
        if self.bytes() < 4 { Type::B8 } else { self }
    }

    /// Whether values live in 64-bit registers.
    pub fn wide(self) -> bool {
        self.bytes() == 8
    }
}

/// A kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    Global,
    /// The block's own.
    Shared,
    /// Shared memory of the blocks of a cluster.
    Cluster,
    Const,
    Param,
}

/// Where an access goes: a register's value plus a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub space: Space,
    pub base: Reg,
    /// Whether `base` is a 64-bit register.
    pub wide: bool,
    pub offset: i32,
}

/// The registers of one `mma`: A, B, C and D as its fragments have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mma {
    /// 4 or 8: columns of A, rows of B.
    pub k: usize,
    pub a: [Reg; 4],
    pub b: [Reg; 2],
    pub c: [Reg; 4],
    pub d: [Reg; 4],
}

/// An instruction's operation and its registers.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    Map1 {
        f: F1,
        d: Reg,
        a: Reg,
    },
    Map2 {
        f: F2,
        d: Reg,
        a: Reg,
        b: Reg,
    },
    Map3 {
        f: F3,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
    },
    /// d = b with its bits from `position` on, `length` of them, replaced by a's.
    Insert {
        d: Reg,
        a: Reg,
        b: Reg,
        position: Reg,
        length: Reg,
    },
    Wide1 {
        f: W1,
        d: Reg,
        a: Reg,
    },
    Wide2 {
        f: W2,
        d: Reg,
        a: Reg,
        b: Reg,
    },
    Wide3 {
        f: W3,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
    },
    WideShift {
        f: Shift,
        d: Reg,
        a: Reg,
        b: Reg,
    },
    /// 64-bit d = a · b (+ c), a and b of 32 bits.
    MulWide {
        signed: bool,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Option<Reg>,
    },
    Widen {
        f: Widen,
        d: Reg,
        a: Reg,
    },
    Narrow {
        f: Narrow,
        d: Reg,
        a: Reg,
    },
    Pack {
        d: Reg,
        low: Reg,
        high: Reg,
    },
    Unpack {
        low: Reg,
        high: Reg,
        a: Reg,
    },
    /// p = (a cmp b) logic with; q the same of the opposite of the comparison.
    Compare {
        cmp: Cmp,
        ty: Type,
        p: Reg,
        q: Option<Reg>,
        a: Reg,
        b: Reg,
        with: Option<(Logic, Reg, bool)>,
    },
    Select {
        wide: bool,
        d: Reg,
        a: Reg,
        b: Reg,
        p: (Reg, bool),
    },
    Predicate {
        logic: Logic,
        p: Reg,
        a: (Reg, bool),
        b: (Reg, bool),
    },
    SetPredicate {
        p: Reg,
        value: bool,
    },
    Load {
        place: Place,
        ty: Type,
        count: u8,
        d: [Reg; 4],
        constant: bool,
    },
    Store {
        place: Place,
        ty: Type,
        count: u8,
        a: [Reg; 4],
    },
    Atomic {
        f: Atomic,
        place: Place,
        ty: Type,
        d: Option<Reg>,
        a: Reg,
        b: Reg,
    },
    /// `bytes` from global to shared memory, all but `source` of them zero.
    CopyAsync {
        to: Place,
        from: Place,
        bytes: u32,
        source: Option<Reg>,
    },
    CopyCommit,
    /// Waits until at most `pending` groups are under way.
    CopyWait {
        pending: u32,
    },
    Branch {
        target: u32,
    },
    Exit,
    /// The barrier's number and how many threads it is for.
    Barrier {
        id: Reg,
        threads: Option<Reg>,
    },
    WarpBarrier {
        mask: Reg,
    },
    /// Accesses before it come before those after the wait of others, unless it is relaxed.
    ClusterArrive {
        relaxed: bool,
    },
    ClusterWait,
    /// d = the address in a cluster's shared memory of what lies at a in the block of that rank.
    PeerAddress {
        d: Reg,
        a: Reg,
        rank: Reg,
    },
    Shuffle {
        f: Shuffle,
        d: Reg,
        p: Option<Reg>,
        a: Reg,
        b: Reg,
        c: Reg,
        mask: Reg,
    },
    /// d is a 32-bit register for a ballot, else a predicate.
    Vote {
        f: Vote,
        d: Reg,
        a: (Reg, bool),
        mask: Reg,
    },
    Reduce {
        f: Atomic,
        d: Reg,
        a: Reg,
        mask: Reg,
    },
    ActiveMask {
        d: Reg,
    },
    /// An index into the kernel's list.
    Mma {
        index: u32,
    },
    Nothing,
}
