//! One thread's steps, and values of registers as a person reads them.

use super::Step;
use super::inst::Type;
use super::kernel::{Name, Slot};
use super::watch::Moment;

impl Moment<'_> {
    /// The step of one lane; `None` where it did not stand here.
    pub(super) fn of_lane(&self, lane: usize) -> Option<Step> {
        let Moment { kernel, state: warp, instruction, active, executed: mask, .. } = *self;
        if active >> lane & 1 == 0 {
            return None;
        }
        let value = |slot: Slot| {
            let (name, text) = match slot {
                Slot::Narrow(r) => (&kernel.narrow[r as usize], narrow(&kernel.narrow[r as usize], warp.n(r)[lane])),
                Slot::Wide(r) => (&kernel.wide[r as usize], wide(&kernel.wide[r as usize], warp.w(r)[lane])),
                Slot::Predicate(r) => {
                    (&kernel.predicates[r as usize], (warp.p((r, false)) >> lane & 1 != 0).to_string())
                }
            };
            (name.name.clone(), text)
        };
        let uses = &kernel.uses[instruction];
        let executed = mask >> lane & 1 != 0;
        let writes = if executed { uses.writes.as_slice() } else { &[] };
        let reads = uses.narrow.iter().map(|r| Slot::Narrow(*r)).chain(uses.wide.iter().map(|r| Slot::Wide(*r)));
        let reads = reads.chain(uses.predicates.iter().map(|r| Slot::Predicate(*r)));
        let reads = reads.filter(|slot| executed && warp.is_set(*slot, lane) && !writes.contains(slot));
        let line = kernel.code[instruction].line as usize;
        Some(Step {
            line,
            text: kernel.lines.get(line - 1).cloned().unwrap_or_default(),
            executed,
            active: mask.count_ones(),
            reads: reads.map(value).collect(),
            writes: writes.iter().map(|slot| value(*slot)).collect(),
        })
    }
}

/// A 32-bit register's value. Untyped ones (`.b32`) are shown as a number, and as a float too where that looks like one.
pub fn narrow(name: &Name, bits: u32) -> String {
    match name.ty {
        Type::F32 => float(f32::from_bits(bits)),
        ty if ty.signed() => bits.cast_signed().to_string(),
        Type::B32 if (0x3000_0000..0x5000_0000).contains(&(bits & 0x7fff_ffff)) => {
            format!("{bits:#x} ({})", float(f32::from_bits(bits)))
        }
        _ => bits.to_string(),
    }
}

/// A 64-bit register's value; addresses in hexadecimal.
pub fn wide(name: &Name, bits: u64) -> String {
    match name.ty {
        Type::F64 => format!("{:?}", f64::from_bits(bits)),
        Type::S64 => bits.cast_signed().to_string(),
        _ if bits >= 1 << 32 => format!("{bits:#x}"),
        _ => bits.to_string(),
    }
}

fn float(x: f32) -> String {
    format!("{x:?}")
}
