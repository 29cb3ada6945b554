//! The cost of a warp's access to memory: sectors and cache lines touched, bank conflicts.

/// Accesses of a warp to global memory, in the units in which hardware moves it.
pub fn units(addresses: &[u64; 32], active: u32, bytes: u64, unit: u64) -> u32 {
    let (mut count, mut next, mut ordered) = (0, 0, true);
    for lane in lanes(active) {
        let (first, end) = (addresses[lane] / unit, (addresses[lane] + bytes - 1) / unit + 1);
        ordered &= end >= next;
        count += end.saturating_sub(first.max(next));
        next = end.max(next);
    }
    if ordered {
        return count as u32;
    }
    let mut all: Vec<u64> =
        lanes(active).flat_map(|lane| addresses[lane] / unit..=(addresses[lane] + bytes - 1) / unit).collect();
    all.sort_unstable();
    all.dedup();
    all.len() as u32
}

/// The passes beyond the first that a warp's access to shared memory takes: 32 banks of 4 bytes, each serving one word a
/// pass; accesses of 8 and 16 bytes go by half and quarter warps.
pub fn bank_conflicts(addresses: &[u64; 32], active: u32, bytes: u64) -> u32 {
    let group = (128 / bytes.max(4)) as usize;
    let mut extra = 0;
    for first in (0..32).step_by(group) {
        let mut words = [u64::MAX; 32];
        let (mut clash, mask) = (false, active & (((1u64 << group) - 1) << first) as u32);
        for lane in lanes(mask) {
            for word in addresses[lane] / 4..=(addresses[lane] + bytes - 1) / 4 {
                let held = &mut words[(word % 32) as usize];
                clash |= *held != u64::MAX && *held != word;
                *held = word;
            }
        }
        if clash {
            let mut all: Vec<u64> =
                lanes(mask).flat_map(|lane| addresses[lane] / 4..=(addresses[lane] + bytes - 1) / 4).collect();
            all.sort_unstable();
            all.dedup();
            let mut load = [0u32; 32];
            all.iter().for_each(|word| load[(word % 32) as usize] += 1);
            extra += load.iter().max().copied().unwrap_or(1).saturating_sub(1);
        }
    }
    extra
}

/// The lanes of a mask, rising.
pub fn lanes(mask: u32) -> impl Iterator<Item = usize> + Clone {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let lane = rest.trailing_zeros();
        rest &= rest.wrapping_sub(1);
        (lane < 32).then_some(lane as usize)
    })
}
