//! Instructions that a warp's lanes execute together: shuffles, votes, products of matrix tiles.

use super::inst::{Atomic, Mma, Reg, Shuffle, Vote};
use super::machine::Machine;
use super::memory::Problem;
use super::transactions::lanes;
use super::warp::Warp;
use crate::launch::Check;

impl Machine<'_, '_> {
    /// `shfl.sync`: c holds the last lane that may be read and, from bit 8 on, the mask of the segment.
    pub fn shuffle(
        &self,
        warp: &mut Warp,
        f: Shuffle,
        (d, p): (Reg, Option<Reg>),
        (a, b, c): (Reg, Reg, Reg),
        named: Reg,
        mask: u32,
    ) -> Result<(), Problem> {
        let named = warp.n(named)[mask.trailing_zeros() as usize];
        self.together(warp, named, mask, "shfl.sync", Check::Convergence)?;
        let (values, by, clamp) = (*warp.n(a), *warp.n(b), *warp.n(c));
        let (mut out, mut found) = (values, 0);
        for lane in lanes(mask) {
            let (by, segment, bound) = (by[lane] & 31, clamp[lane] >> 8 & 31, clamp[lane] & 31);
            let here = lane as u32;
            let last = here & segment | bound & !segment;
            let first = here & segment;
            let (from, inside) = match f {
                Shuffle::Up => (here.wrapping_sub(by), here.wrapping_sub(by).cast_signed() >= last.cast_signed()),
                Shuffle::Down => (here + by, here + by <= last),
                Shuffle::Butterfly => (here ^ by, here ^ by <= last),
                Shuffle::Index => (first | by & !segment, first | by & !segment <= last),
            };
            if !inside {
                continue;
            }
            if mask >> from & 1 == 0 {
                let text = format!("shfl.sync reads lane {from}, which does not execute it");
                return Err(Problem { check: Check::Convergence, lane: here, text });
            }
            out[lane] = values[from as usize];
            found |= 1 << lane;
        }
        warp.set_n(d, &out, mask);
        if let Some(p) = p {
            warp.set_p(p, found, mask);
        }
        Ok(())
    }

    /// `vote.sync`.
    pub fn vote(&self, warp: &mut Warp, f: Vote, d: Reg, a: (Reg, bool), named: Reg, mask: u32) -> Result<(), Problem> {
        let named = warp.n(named)[mask.trailing_zeros() as usize];
        self.together(warp, named, mask, "vote.sync", Check::Convergence)?;
        let votes = warp.p(a) & mask;
        let told = |yes: bool| if yes { u32::MAX } else { 0 };
        match f {
            Vote::Ballot => warp.set_n(d, &[votes; 32], mask),
            Vote::All => warp.set_p(d, told(votes == mask), mask),
            Vote::Any => warp.set_p(d, told(votes != 0), mask),
            Vote::Uniform => warp.set_p(d, told(votes == mask || votes == 0), mask),
        }
        Ok(())
    }

    /// `redux.sync`.
    pub fn reduce(&self, warp: &mut Warp, f: Atomic, d: Reg, a: Reg, named: Reg, mask: u32) -> Result<(), Problem> {
        let named = warp.n(named)[mask.trailing_zeros() as usize];
        self.together(warp, named, mask, "redux.sync", Check::Convergence)?;
        let values = lanes(mask).map(|lane| warp.n(a)[lane]);
        let total = values.reduce(|x, y| super::access::combine(f, x.into(), y.into(), 0, false) as u32);
        warp.set_n(d, &[total.unwrap_or(0); 32], mask);
        Ok(())
    }
}

/// `mma.sync.m16n8k{4,8}` in tf32: D = A·B + C, A of 16×k, B of k×8, C and D of 16×8. Lane 4g + t holds
///
/// - of A: rows g and g + 8 of column t, then of column t + 4;
/// - of B: rows t and t + 4 of column g;
/// - of C and D: columns 2t and 2t + 1 of row g, then of row g + 8.
///
/// A and B lose the 13 low bits that tf32 does not have. Products are summed in f32, k rising.
pub fn mma(warp: &mut Warp, mma: &Mma) {
    let tf32 = |bits: u32| f32::from_bits(bits & !0x1fff);
    let (mut a, mut b) = ([[0f32; 8]; 16], [[0f32; 8]; 8]);
    for lane in 0..32 {
        let (g, t) = (lane / 4, lane % 4);
        for half in 0..mma.k / 4 {
            a[g][t + 4 * half] = tf32(warp.n(mma.a[2 * half])[lane]);
            a[g + 8][t + 4 * half] = tf32(warp.n(mma.a[2 * half + 1])[lane]);
            b[t + 4 * half][g] = tf32(warp.n(mma.b[half])[lane]);
        }
    }
    let mut out = [[0u32; 32]; 4];
    for (part, out) in out.iter_mut().enumerate() {
        let c = warp.n(mma.c[part]);
        for lane in 0..32 {
            let (row, column) = (lane / 4 + 8 * (part / 2), 2 * (lane % 4) + part % 2);
            let sum = (0..mma.k).fold(f32::from_bits(c[lane]), |sum, k| sum + a[row][k] * b[k][column]);
            out[lane] = sum.to_bits();
        }
    }
    for (d, out) in mma.d.into_iter().zip(&out) {
        warp.set_n(d, out, u32::MAX);
    }
}
