//! A decoded entry point, and the names, variables and registers that it declares.

use std::collections::HashMap;

use super::inst::{Inst, Mma, Op, Reg, Type, Vote};

/// A special register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    /// `%tid`, by axis.
    Thread(usize),
    /// `%ntid`.
    Threads(usize),
    /// `%ctaid`.
    Block(usize),
    /// `%nctaid`.
    Blocks(usize),
    /// `%cluster_ctaid`, `%cluster_nctaid`: the block's place in its cluster, and the cluster's extents.
    Member(usize),
    Members(usize),
    /// `%clusterid`, `%nclusterid`.
    Cluster(usize),
    Clusters(usize),
    /// `%cluster_ctarank`, `%cluster_nctarank`.
    Rank,
    Ranks,
    Lane,
    Warp,
    /// Lanes below this one; with it; above it; with it; itself.
    MaskLt,
    MaskLe,
    MaskGt,
    MaskGe,
    MaskEq,
}

impl Special {
    /// From its name in the text.
    pub fn parse(name: &str) -> Option<Special> {
        let axis = |name: &str| ["x", "y", "z"].iter().position(|axis| *axis == name);
        Some(match name.split_once('.') {
            Some(("%tid", end)) => Special::Thread(axis(end)?),
            Some(("%ntid", end)) => Special::Threads(axis(end)?),
            Some(("%ctaid", end)) => Special::Block(axis(end)?),
            Some(("%nctaid", end)) => Special::Blocks(axis(end)?),
            Some(("%cluster_ctaid", end)) => Special::Member(axis(end)?),
            Some(("%cluster_nctaid", end)) => Special::Members(axis(end)?),
            Some(("%clusterid", end)) => Special::Cluster(axis(end)?),
            Some(("%nclusterid", end)) => Special::Clusters(axis(end)?),
            Some(_) => return None,
            None => match name {
                "%cluster_ctarank" => Special::Rank,
                "%cluster_nctarank" => Special::Ranks,
                "%laneid" => Special::Lane,
                "%warpid" => Special::Warp,
                "%lanemask_lt" => Special::MaskLt,
                "%lanemask_le" => Special::MaskLe,
                "%lanemask_gt" => Special::MaskGt,
                "%lanemask_ge" => Special::MaskGe,
                "%lanemask_eq" => Special::MaskEq,
                _ => return None,
            },
        })
    }
}

/// A parameter of an entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub ty: Type,
    /// Where it lies in the parameters' memory.
    pub offset: usize,
}

/// A variable in shared or constant memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub offset: usize,
    /// How many bytes; those of dynamic shared memory come with the launch.
    pub bytes: Option<usize>,
}

/// A register that the text declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    pub ty: Type,
    pub index: Reg,
}

/// A decoded entry point.
#[derive(Debug, Clone)]
pub struct Kernel {
    pub name: String,
    pub module: String,
    /// The module's text by lines, for messages and traces.
    pub lines: std::sync::Arc<[String]>,
    pub params: Vec<Param>,
    pub code: Vec<Inst>,
    pub mmas: Vec<Mma>,
    /// Of each instruction.
    pub uses: Vec<Uses>,
    /// Shared variables, in the order of their offsets, the dynamic ones last.
    pub shared: Vec<Variable>,
    /// The module's constants.
    pub constants: Vec<u8>,
    /// Threads of a block that the text allows or requires.
    pub max_threads: Option<[u32; 3]>,
    pub required_threads: Option<[u32; 3]>,
    /// Blocks of a cluster that the text requires.
    pub required_cluster: Option<[u32; 3]>,
    /// Whether it leaves their number to the launch, which has to name one.
    pub needs_cluster: bool,
    /// The registers of each file, named where the text names them.
    pub narrow: Vec<Name>,
    pub wide: Vec<Name>,
    pub predicates: Vec<Name>,
    /// Registers that hold the same in every lane of every warp.
    pub narrow_constants: Vec<(Reg, u32)>,
    pub wide_constants: Vec<(Reg, u64)>,
    pub specials: HashMap<Special, Reg>,
}

/// A register of any file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Narrow(Reg),
    Wide(Reg),
    Predicate(Reg),
}

/// The registers that an instruction reads, constants left out, and those that it writes.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    pub narrow: Vec<Reg>,
    pub wide: Vec<Reg>,
    pub predicates: Vec<Reg>,
    pub writes: Vec<Slot>,
}

impl Uses {
    fn read(&mut self, slot: Slot) {
        match slot {
            Slot::Narrow(register) => self.narrow.push(register),
            Slot::Wide(register) => self.wide.push(register),
            Slot::Predicate(register) => self.predicates.push(register),
        }
    }

    /// Of one instruction.
    pub fn of(op: &Op, mmas: &[Mma]) -> Uses {
        use Slot::{Narrow as N, Predicate as P, Wide as W};
        let mut uses = Uses::default();
        let sized = |wide: bool, register: Reg| if wide { W(register) } else { N(register) };
        let (reads, writes): (Vec<Slot>, Vec<Slot>) = match *op {
            Op::Map1 { d, a, .. } => (vec![N(a)], vec![N(d)]),
            Op::Map2 { d, a, b, .. } => (vec![N(a), N(b)], vec![N(d)]),
            Op::Map3 { d, a, b, c, .. } => (vec![N(a), N(b), N(c)], vec![N(d)]),
            Op::Insert { d, a, b, position, length } => (vec![N(a), N(b), N(position), N(length)], vec![N(d)]),
            Op::Wide1 { d, a, .. } => (vec![W(a)], vec![W(d)]),
            Op::Wide2 { d, a, b, .. } => (vec![W(a), W(b)], vec![W(d)]),
            Op::Wide3 { d, a, b, c, .. } => (vec![W(a), W(b), W(c)], vec![W(d)]),
            Op::WideShift { d, a, b, .. } => (vec![W(a), N(b)], vec![W(d)]),
            Op::MulWide { d, a, b, c, .. } => (vec![N(a), N(b)].into_iter().chain(c.map(W)).collect(), vec![W(d)]),
            Op::Widen { d, a, .. } => (vec![N(a)], vec![W(d)]),
            Op::Narrow { d, a, .. } => (vec![W(a)], vec![N(d)]),
            Op::Pack { d, low, high } => (vec![N(low), N(high)], vec![W(d)]),
            Op::Unpack { low, high, a } => (vec![W(a)], vec![N(low), N(high)]),
            Op::Compare { ty, p, q, a, b, with, .. } => {
                let reads = [sized(ty.wide(), a), sized(ty.wide(), b)];
                let with = with.map(|(_, r, _)| P(r));
                (reads.into_iter().chain(with).collect(), [p].into_iter().chain(q).map(P).collect())
            }
            Op::Select { wide, d, a, b, p } => (vec![sized(wide, a), sized(wide, b), P(p.0)], vec![sized(wide, d)]),
            Op::Predicate { p, a, b, .. } => (vec![P(a.0), P(b.0)], vec![P(p)]),
            Op::SetPredicate { p, .. } => (Vec::new(), vec![P(p)]),
            Op::Load { place, ty, count, d, .. } => {
                let writes = d[..usize::from(count)].iter().map(|d| sized(ty.wide(), *d)).collect();
                (vec![sized(place.wide, place.base)], writes)
            }
            Op::Store { place, ty, count, a } => {
                let values = a[..usize::from(count)].iter().map(|a| sized(ty.wide(), *a));
                ([sized(place.wide, place.base)].into_iter().chain(values).collect(), Vec::new())
            }
            Op::Atomic { place, ty, d, a, b, .. } => (
                vec![sized(place.wide, place.base), sized(ty.wide(), a), sized(ty.wide(), b)],
                d.map(|d| sized(ty.wide(), d)).into_iter().collect(),
            ),
            Op::CopyAsync { to, from, source, .. } => {
                let places = [sized(to.wide, to.base), sized(from.wide, from.base)];
                (places.into_iter().chain(source.map(N)).collect(), Vec::new())
            }
            Op::Barrier { id, threads } => ([id].into_iter().chain(threads).map(N).collect(), Vec::new()),
            Op::WarpBarrier { mask } => (vec![N(mask)], Vec::new()),
            Op::PeerAddress { d, a, rank } => (vec![N(a), N(rank)], vec![N(d)]),
            Op::Shuffle { d, p, a, b, c, mask, .. } => {
                (vec![N(a), N(b), N(c), N(mask)], [N(d)].into_iter().chain(p.map(P)).collect())
            }
            Op::Vote { f, d, a, mask } => (vec![P(a.0), N(mask)], vec![if f == Vote::Ballot { N(d) } else { P(d) }]),
            Op::Reduce { d, a, mask, .. } => (vec![N(a), N(mask)], vec![N(d)]),
            Op::ActiveMask { d } => (Vec::new(), vec![N(d)]),
            Op::Mma { index } => {
                let Mma { k, a, b, c, d } = mmas[index as usize];
                let reads = a[..k / 2].iter().chain(&b[..k / 4]).chain(&c);
                (reads.copied().map(N).collect(), d.map(N).to_vec())
            }
            Op::CopyCommit | Op::CopyWait { .. } | Op::Branch { .. } | Op::Exit | Op::Nothing => Default::default(),
            Op::ClusterArrive { .. } | Op::ClusterWait => Default::default(),
        };
        reads.into_iter().for_each(|slot| uses.read(slot));
        uses.writes = writes;
        uses
    }
}

/// A register's name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub name: String,
    pub ty: Type,
}

impl Kernel {
    /// A line of the text without its comment.
    pub fn code_at(&self, line: u32) -> &str {
        let text = self.lines.get(line as usize - 1).map_or("", String::as_str);
        text.split("//").next().unwrap_or_default().trim()
    }
}
