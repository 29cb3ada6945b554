//! One direction of the algorithm: how a row of pixels is cut into short segments, each with few products.
//!
//! Big pixel `b` of residue ρ, `b + padding = 2m + ρ`, is `y[m] = s[m − 1]·a + s[m]·b` with the taps `a = W[2 + ρ]` and
//! `b = W[ρ]`. For `0 < m < n` both small pixels exist, whatever ρ is; these outputs are cut into segments of three (four
//! products instead of six), and the rest of one or two. For `m = 0` and `m = n` one pixel is outside, and one product is left.
//!
//! | segment | points: data · weights | outputs |
//! |---|---|---|
//! | three | (d₀ − d₂)·a, (d₁ + d₂)·(a + b)/2, (d₂ − d₁)·(a − b)/2, (d₃ − d₁)·b | p₀ + p₁ + p₂, p₁ − p₂, p₁ + p₂ + p₃ |
//! | two | (d₀ − d₁)·a, 2d₁·(a + b)/2, (d₂ − d₁)·b | p₀ + p₁, p₁ + p₃ |
//! | one | d₀·a, d₁·b | p₀ + p₃ |
//! | first (m = 0) | s₀·b | p₃ |
//! | last (m = n) | sₙ₋₁·a | p₀ |
//!
//! All weights are of four *classes*: a, (a + b)/2, (a − b)/2 and b. Points of one class share their weights.
//!
//! A kernel of three taps and stride 1 has one residue, `y[m] = s[m − 2]·a + s[m − 1]·b + s[m]·c` with a = W[2], b = W[1], c = W[0], and
//! the classes a, (a + b + c)/2, (a − b + c)/2 and c. All outputs are cut into pairs, four products instead of six, whose data transform is
//! that of a segment of three; small pixels outside the picture are zero:
//!
//! | segment | points: data · weights | outputs |
//! |---|---|---|
//! | pair | (d₀ − d₂)·a, (d₁ + d₂)·(a + b + c)/2, (d₂ − d₁)·(a − b + c)/2, (d₃ − d₁)·c | p₀ + p₁ + p₂, p₁ − p₂ + p₃ |
//! | half | the first three | p₀ + p₁ + p₂ |

use std::ops::Range;

/// Kinds of weights in one direction.
pub(super) const CLASSES: usize = 4;

/// A segment's formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Three,
    Two,
    One,
    First,
    Last,
    Pair,
    Half,
}

impl Kind {
    /// Small pixels that it reads.
    #[inline(always)]
    pub(super) fn inputs(self) -> usize {
        match self {
            Kind::Three | Kind::Pair => 4,
            Kind::Two | Kind::Half => 3,
            Kind::One => 2,
            Kind::First | Kind::Last => 1,
        }
    }

    /// Outputs of each residue.
    #[inline(always)]
    pub(super) fn outputs(self) -> usize {
        match self {
            Kind::Three => 3,
            Kind::Two | Kind::Pair => 2,
            Kind::One | Kind::First | Kind::Last | Kind::Half => 1,
        }
    }

    /// Whether some of its small pixels may be outside the picture, and zero.
    #[inline(always)]
    pub(super) fn reaches_out(self) -> bool {
        matches!(self, Kind::Pair | Kind::Half)
    }

    /// Whether it has one of its two small pixels outside, and its one point behind those of inner segments.
    #[inline(always)]
    pub(super) fn edge(self) -> bool {
        matches!(self, Kind::First | Kind::Last)
    }

    /// The classes of its points.
    #[inline(always)]
    pub(super) fn classes(self) -> &'static [usize] {
        match self {
            Kind::Three | Kind::Pair => &[0, 1, 2, 3],
            Kind::Half => &[0, 1, 2],
            Kind::Two => &[0, 1, 3],
            Kind::One => &[0, 3],
            Kind::First => &[3],
            Kind::Last => &[0],
        }
    }
}

/// A segment of an [`Axis`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) kind: Kind,
    /// Its first small pixel; before the picture, it wraps.
    pub(super) small: usize,
    /// Its first output.
    pub(super) m: usize,
    /// Its number among the points of a class.
    pub(super) index: usize,
}

/// One direction of a geometry with kernel 4 and stride 2, or kernel 3 and stride 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    /// Small pixels.
    pub(super) small: usize,
    /// Big pixels.
    pub(super) big: usize,
    pub(super) padding: usize,
    pub(super) stride: usize,
}

impl Axis {
    /// Outputs of kernel 4 that have both their small pixels.
    fn inner(self) -> usize {
        self.small - 1
    }

    /// Segments of inner outputs; all of kernel 3.
    fn inner_segments(self) -> usize {
        if self.stride == 1 { self.big.div_ceil(2) } else { self.inner().div_ceil(3) }
    }

    /// All segments, those of inner outputs first.
    #[inline(always)]
    pub(super) fn segments(self) -> impl Iterator<Item = Segment> {
        let n = self.inner_segments();
        (0..n + 2).filter_map(move |i| {
            Some(match i {
                _ if i < n && self.stride == 1 => {
                    let (kind, m) = (if 2 * i + 1 < self.big { Kind::Pair } else { Kind::Half }, 2 * i + self.padding);
                    Segment { kind, small: m.wrapping_sub(2), m, index: i }
                }
                _ if i < n => {
                    let kind = match self.inner() - 3 * i {
                        1 => Kind::One,
                        2 => Kind::Two,
                        _ => Kind::Three,
                    };
                    Segment { kind, small: 3 * i, m: 3 * i + 1, index: i }
                }
                _ if i == n && self.has_edge(3) => Segment { kind: Kind::First, small: 0, m: 0, index: n },
                _ if i > n && self.has_edge(0) => {
                    Segment { kind: Kind::Last, small: self.small - 1, m: self.small, index: n }
                }
                _ => return None,
            })
        })
    }

    /// Points of a class in the inner segments.
    #[inline(always)]
    pub(super) fn inner_points(self, class: usize) -> usize {
        if self.stride == 1 {
            // Of an odd number of big pixels, the last is half a pair.
            return self.big.div_ceil(2) - usize::from(class == 3 && self.big % 2 == 1);
        }
        let (threes, rest) = (self.inner() / 3, self.inner() % 3);
        threes
            + match class {
                0 | 3 => usize::from(rest > 0),
                1 => usize::from(rest == 2),
                _ => 0,
            }
    }

    /// Whether the output that a class has at the edge (the last one for class 0, the first one for class 3) exists for a
    /// residue.
    #[inline(always)]
    pub(super) fn edge_of(self, class: usize, residue: usize) -> bool {
        match class {
            0 if self.stride == 2 => self.big_pixel(self.small, residue).is_some(),
            3 if self.stride == 2 => self.big_pixel(0, residue).is_some(),
            _ => false,
        }
    }

    /// The residues for which a class has an edge: the first one and how many.
    #[inline(always)]
    pub(super) fn edge_residues(self, class: usize) -> (usize, usize) {
        let exists = |residue| self.edge_of(class, residue);
        match (exists(0), exists(1)) {
            (true, true) => (0, 2),
            (true, false) => (0, 1),
            (false, true) => (1, 1),
            (false, false) => (0, 0),
        }
    }

    #[inline(always)]
    pub(super) fn has_edge(self, class: usize) -> bool {
        self.edge_residues(class).1 > 0
    }

    /// Big pixel `stride · m + residue − padding`, if there is one.
    #[inline(always)]
    pub(super) fn big_pixel(self, m: usize, residue: usize) -> Option<usize> {
        (self.stride * m + residue).checked_sub(self.padding).filter(|&b| b < self.big)
    }

    /// The outputs of a segment that have a big pixel of a residue.
    #[inline(always)]
    pub(super) fn outputs(self, segment: Segment, residue: usize) -> Range<usize> {
        let (first, count) = (self.stride * segment.m + residue, segment.kind.outputs());
        // Output i has pixel first + i · stride − padding.
        let from = |pixel: usize| (pixel + self.padding).saturating_sub(first).div_ceil(self.stride).min(count);
        from(0)..from(self.big)
    }

    /// The inputs of a segment that are small pixels of the picture.
    #[inline(always)]
    pub(super) fn inputs(self, segment: Segment) -> Range<usize> {
        if !segment.kind.reaches_out() {
            return 0..segment.kind.inputs();
        }
        // Input i is pixel m − 2 + i.
        2usize.saturating_sub(segment.m)..(self.small + 2).saturating_sub(segment.m).min(segment.kind.inputs())
    }

    /// Products of one residue.
    pub(super) fn products(self, residue: usize) -> usize {
        (0..CLASSES).map(|class| self.inner_points(class) + usize::from(self.edge_of(class, residue))).sum()
    }
}
