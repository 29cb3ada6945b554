//! The L2 cache by pages: those that were used last are in it.
//!
//! ```
//! use inkgrad_kernels::estimate::cache::Level2;
//! use inkgrad_kernels::launch::{Arg, Buffer};
//!
//! let mut cache = Level2::new(1 << 20);
//! let near = Arg::Buffer(Buffer::read(0, 1 << 19));
//! assert!(cache.touch(&[near]).cold[0] && !cache.touch(&[near]).cold[0]);
//! cache.touch(&[Arg::Buffer(Buffer::write(1 << 30, 1 << 20))]);
//! assert_eq!(cache.touch(&[near]).bytes, 1 << 19); // it had to go
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::launch::{Access, Arg};

/// Bytes of a page.
const PAGE: u64 = 1 << 14;

/// Pages in the order of their last use.
#[derive(Debug, Clone)]
pub struct Level2 {
    pages: usize,
    uses: u64,
    used: HashMap<u64, u64>,
    order: BTreeMap<u64, u64>,
}

/// The buffers that a launch reads cold, and its traffic from device memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// For each argument whether it is a buffer that is read and, for the most part, not in the cache.
    pub cold: Vec<bool>,
    /// Bytes that have to come from device memory.
    pub bytes: u64,
}

impl Level2 {
    /// An empty cache of so many bytes.
    pub fn new(bytes: u64) -> Level2 {
        Level2 { pages: (bytes / PAGE) as usize, uses: 0, used: HashMap::new(), order: BTreeMap::new() }
    }

    /// Uses a page; whether it was there.
    fn use_page(&mut self, page: u64) -> bool {
        self.uses += 1;
        let before = self.used.insert(page, self.uses);
        if let Some(before) = before {
            self.order.remove(&before);
        }
        self.order.insert(self.uses, page);
        if self.order.len() > self.pages
            && let Some((_, last)) = self.order.pop_first()
        {
            self.used.remove(&last);
        }
        before.is_some()
    }

    /// Uses the buffers of a launch, each from its beginning to its end.
    pub fn touch(&mut self, args: &[Arg]) -> Touched {
        let mut touched = Touched { cold: vec![false; args.len()], bytes: 0 };
        for (cold, arg) in touched.cold.iter_mut().zip(args) {
            let Arg::Buffer(buffer) = arg else { continue };
            let pages = buffer.address / PAGE..(buffer.address + buffer.bytes).div_ceil(PAGE);
            let all = pages.end - pages.start;
            let missing = pages.filter(|&page| !self.use_page(page)).count() as u64;
            if buffer.access != Access::Write {
                *cold = 2 * missing > all;
                touched.bytes += (missing * PAGE).min(buffer.bytes);
            }
        }
        touched
    }
}
