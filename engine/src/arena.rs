//! One allocation for everything that a plan computes, divided by lifetime.

use std::ops::Range;

use inkgrad_kernels::Float;

/// Buffers start at multiples of this many elements, so that vectors never straddle a cache line without need.
const ALIGNMENT: usize = 16;

/// A buffer to be placed: its length in elements, and the first and last moment at which its content matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) len: usize,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

impl Lifetime {
    fn overlaps(&self, other: &Lifetime) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Gives each buffer a range so that no two that live at the same moment overlap; returns the ranges and the total.
///
/// Largest first, each at the lowest place that is free for all of its life: within a few percent of optimal for
/// networks (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
pub(crate) fn place(buffers: &[Lifetime]) -> (Vec<Range<usize>>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(buffers[i].len), i));
    let mut ranges = vec![0..0; buffers.len()];
    // Placed buffers by start.
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for i in order {
        let len = buffers[i].len;
        if len == 0 {
            continue;
        }
        let mut start = 0;
        for &other in placed.iter().filter(|&&other| buffers[other].overlaps(&buffers[i])) {
            if start + len <= ranges[other].start {
                break;
            }
            start = start.max(ranges[other].end.next_multiple_of(ALIGNMENT));
        }
        ranges[i] = start..start + len;
        total = total.max(start + len);
        let position = placed.partition_point(|&other| ranges[other].start < start);
        placed.insert(position, i);
    }
    (ranges, total)
}

/// The allocation. Touched once when it is made, since the first touch of a page costs as much as a small GEMM.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    memory: Vec<T>,
    /// Elements to skip so that the first buffer is aligned.
    skip: usize,
}

impl<T: Float> Arena<T> {
    pub(crate) fn new(len: usize) -> Self {
        let mut memory = Vec::with_capacity(len + ALIGNMENT);
        ask_for_huge_pages(&memory);
        memory.resize(len + ALIGNMENT, T::from_f64(f64::NAN));
        let skip = memory.as_ptr().align_offset(ALIGNMENT * size_of::<T>()).min(ALIGNMENT);
        Arena { memory, skip }
    }

    /// No memory yet.
    pub(crate) const fn empty() -> Self {
        Arena { memory: Vec::new(), skip: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.memory.len().saturating_sub(ALIGNMENT)
    }

    pub(crate) fn get(&self, range: &Range<usize>) -> &[T] {
        &self.memory[self.skip + range.start..self.skip + range.end]
    }

    pub(crate) fn get_mut(&mut self, range: &Range<usize>) -> &mut [T] {
        &mut self.memory[self.skip + range.start..self.skip + range.end]
    }

    pub(crate) fn region(&mut self) -> Region<'_, T> {
        Region::new(&mut self.memory[self.skip..])
    }
}

/// Asks Linux to back memory that has not been touched by pages of 2 MiB where it can: kernels walk pictures and sequences that
/// lie far apart, and a core remembers few pages.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages<T>(memory: &Vec<T>) {
    const HUGE: usize = 2 << 20;
    let start = memory.as_ptr().addr();
    let (first, end) = (start.next_multiple_of(HUGE), (start + memory.capacity() * size_of::<T>()) / HUGE * HUGE);
    if first < end {
        let at = memory.as_ptr().cast_mut().cast::<libc::c_void>().wrapping_byte_add(first - start);
        // SAFETY: whole pages of an allocation of ours; the advice leaves their content alone, and where it is not taken nothing
        // changes.
        unsafe { libc::madvise(at, end - first, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages<T>(_: &Vec<T>) {}

/// A mutable slice from which one operation borrows several ranges at once.
pub(crate) struct Region<'a, T> {
    start: *mut T,
    len: usize,
    _borrow: std::marker::PhantomData<&'a mut [T]>,
}

impl<'a, T> Region<'a, T> {
    pub(crate) fn new(memory: &'a mut [T]) -> Self {
        Region { start: memory.as_mut_ptr(), len: memory.len(), _borrow: std::marker::PhantomData }
    }

    /// A range to read.
    ///
    /// # Safety
    /// No live mutable borrow from this region overlaps it.
    pub(crate) unsafe fn get(&self, range: &Range<usize>) -> &'a [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the borrowed slice; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// A range to write.
    ///
    /// # Safety
    /// No other live borrow from this region overlaps it.
    pub(crate) unsafe fn get_mut(&self, range: &Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the borrowed slice; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::property::cases(256))]

        #[test]
        fn buffers_alive_together_never_overlap(
            buffers in prop::collection::vec((0usize..200, 0usize..30, 0usize..30), 0..40),
        ) {
            let buffers: Vec<Lifetime> = buffers
                .into_iter()
                .map(|(len, a, b)| Lifetime { len, first: a.min(b), last: a.max(b) })
                .collect();
            let (ranges, total) = place(&buffers);
            for (i, range) in ranges.iter().enumerate() {
                prop_assert_eq!(range.len(), buffers[i].len);
                prop_assert!(range.end <= total && (range.is_empty() || range.start % ALIGNMENT == 0));
                for j in 0..i {
                    let apart = range.end <= ranges[j].start || ranges[j].end <= range.start;
                    prop_assert!(apart || range.is_empty() || ranges[j].is_empty() || !buffers[i].overlaps(&buffers[j]));
                }
            }
        }
    }

    #[test]
    fn buffers_that_never_meet_share_their_place() {
        let one = Lifetime { len: 64, first: 0, last: 1 };
        let two = Lifetime { len: 64, first: 2, last: 3 };
        assert_eq!(place(&[one, two]), (vec![0..64, 0..64], 64));
    }
}
