//! The kinds of blocks of a grid: those at the end of an axis may have less to do than the others.
//!
//! ```
//! use inkgrad_kernels::estimate::blocks::kinds;
//!
//! let kinds = kinds([5, 3, 1]);
//! assert_eq!(kinds.iter().map(|kind| kind.count).sum::<u64>(), 15);
//! assert_eq!(kinds.len(), 4); // inside, at the end of each axis, and of both
//! ```

/// Blocks that have about as much to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// How many.
    pub count: u64,
    /// Some of them, by number (x fastest).
    pub blocks: Vec<u64>,
}

/// How many blocks of a kind are looked at: pictures have edges within a grid too.
const SAMPLES: u64 = 5;

/// The kinds of a grid, each with a few blocks that are spread over it.
pub fn kinds(grid: [u32; 3]) -> Vec<Kind> {
    let extents = grid.map(u64::from);
    let mut found = Vec::new();
    for ends in 0..8u32 {
        let at_end = |axis: usize| ends >> axis & 1 != 0;
        // Along an axis of one block, that block is its end.
        let (mut first, mut len) = ([0; 3], [1; 3]);
        for axis in 0..3 {
            (first[axis], len[axis]) = if at_end(axis) { (extents[axis] - 1, 1) } else { (0, extents[axis] - 1) };
        }
        let count: u64 = len.iter().product();
        if count == 0 {
            continue;
        }
        let samples = SAMPLES.min(count);
        let number = |i: u64| {
            let [x, y, z] = [i % len[0], i / len[0] % len[1], i / len[0] / len[1]];
            (first[0] + x) + extents[0] * ((first[1] + y) + extents[1] * (first[2] + z))
        };
        let blocks = (0..samples).map(|i| number((2 * i + 1) * count / (2 * samples))).collect();
        found.push(Kind { count, blocks });
    }
    found
}
