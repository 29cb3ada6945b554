//! Work that ranks share, whose results all of them get in the order of one process.

use std::ops::Range;

use super::{Ranks, agree};
use crate::{Error, Result};

/// Does `count` tasks, of which a rank has each `size`-th, so that tasks that grow or shrink in their order are dealt evenly: `work`
/// is told its own and gives what it finds for each. All get what was found for all tasks, in their order, to the last bit.
///
/// ```
/// use inkgrad_models::ranks::{deal, threads};
///
/// let found = threads::run(3, |rank| deal(&rank, 4, |own| Ok(own.iter().map(|&i| vec![0.1; i]).collect())).unwrap());
/// assert_eq!(found[2], [vec![], vec![0.1], vec![0.1; 2], vec![0.1; 3]]);
/// ```
///
/// # Errors
/// If `work` of one of them has one, as [`agree`] tells it.
///
/// # Panics
/// If `work` gives more or fewer results than it has tasks.
pub fn deal(
    ranks: &dyn Ranks,
    count: usize,
    work: impl FnOnce(&[usize]) -> Result<Vec<Vec<f64>>>,
) -> Result<Vec<Vec<f64>>> {
    let own: Vec<usize> = (ranks.rank()..count).step_by(ranks.size()).collect();
    let found = agree(ranks, work(&own))?;
    assert_eq!(found.len(), own.len(), "a result for each task");
    if ranks.size() == 1 {
        return Ok(found);
    }
    // Each result's length before it.
    let mut numbers = Vec::new();
    for result in &found {
        numbers.push(result.len() as f64);
        numbers.extend(result);
    }
    let all = all_gather_f64(ranks, &numbers);
    let mut rest: Vec<&[f64]> = all.iter().map(Vec::as_slice).collect();
    let mut next = |task: usize| {
        let rest = &mut rest[task % ranks.size()];
        let (result, others) = rest[1..].split_at(rest[0] as usize);
        *rest = others;
        result.to_vec()
    };
    Ok((0..count).map(&mut next).collect())
}

/// The numbers of all, in their order.
pub fn all_gather_f64(ranks: &dyn Ranks, own: &[f64]) -> Vec<Vec<f64>> {
    let bytes: Vec<u8> = own.iter().flat_map(|number| number.to_le_bytes()).collect();
    let all = ranks.all_gather_bytes(&bytes);
    let numbers = |bytes: &Vec<u8>| bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    all.iter().map(numbers).collect()
}

/// Rows that are dealt out together: whole batches of every network, since a smaller batch may round differently.
const DEALT: usize = 128;

/// The rows of each rank. Of fewer batches than ranks the first ranks have one each: rank 0 has rows wherever there are any.
///
/// ```
/// use inkgrad_models::ranks::shares_of_rows;
///
/// assert_eq!(shares_of_rows(300, 2), [0..256, 256..300]);
/// assert_eq!(shares_of_rows(129, 3), [0..128, 128..129, 129..129]);
/// ```
pub fn shares_of_rows(rows: usize, ranks: usize) -> Vec<Range<usize>> {
    let batches = rows.div_ceil(DEALT);
    let first = |rank: usize| rows.min((rank * batches).div_ceil(ranks) * DEALT);
    (0..ranks).map(|rank| first(rank)..first(rank + 1)).collect()
}

/// Makes arrays of `rows` rows of `widths` numbers, each rank its share of the rows: `work` makes those of some neighbours. All get
/// all.
///
/// # Errors
/// If `work` of one of them has one; if there are more numbers than ranks can exchange.
pub fn deal_rows<const N: usize>(
    ranks: &dyn Ranks,
    rows: usize,
    widths: [usize; N],
    work: impl FnOnce(Range<usize>) -> Result<[Vec<f32>; N]>,
) -> Result<[Vec<f32>; N]> {
    if ranks.size() == 1 {
        return work(0..rows);
    }
    check_count(widths.into_iter().max().unwrap_or(0) * rows, ranks)?;
    let shares = shares_of_rows(rows, ranks.size());
    let own = shares[ranks.rank()].clone();
    let made = if own.is_empty() { Ok(std::array::from_fn(|_| Vec::new())) } else { work(own.clone()) };
    let mut made = agree(ranks, made)?.into_iter();
    Ok(widths.map(|width| {
        let mut all = vec![0.0; rows * width];
        all[own.start * width..own.end * width].copy_from_slice(&made.next().unwrap_or_default());
        let shares: Vec<_> = shares.iter().map(|share| share.start * width..share.end * width).collect();
        ranks.all_gather(&mut all, &shares);
        all
    }))
}

/// Refuses more numbers than ranks exchange at a time, as MPI counts them.
///
/// # Errors
/// If there are as many.
pub fn check_count(count: usize, ranks: &dyn Ranks) -> Result<()> {
    match i32::try_from(count) {
        Ok(_) => Ok(()),
        Err(_) => {
            let problem =
                format!("{count} numbers for {} ranks, expected at most {} at a time", ranks.size(), i32::MAX);
            Err(Error::input("--distributed", problem))
        }
    }
}

/// Gives all of them the numbers of rank 0.
pub fn broadcast(ranks: &dyn Ranks, values: &mut [f32]) {
    let count = values.len();
    let shares: Vec<_> = (0..ranks.size()).map(|rank| if rank == 0 { 0..count } else { count..count }).collect();
    ranks.all_gather(values, &shares);
}

#[cfg(test)]
mod tests {
    use super::super::threads;
    use super::*;

    #[test]
    fn results_come_in_the_order_of_tasks_to_the_last_bit() {
        let result = |task: usize| -> Vec<f64> {
            let numbers = [0.1 * task as f64, -0.0, f64::INFINITY, f64::MIN_POSITIVE / 3.0];
            numbers[..task % 5].to_vec()
        };
        let bits = |found: Vec<Vec<f64>>| -> Vec<Vec<u64>> {
            found.into_iter().map(|result| result.into_iter().map(f64::to_bits).collect()).collect()
        };
        for tasks in [0, 1, 4, 11] {
            let expected = bits((0..tasks).map(result).collect());
            for size in [1, 2, 3, 5] {
                let found = threads::run(size, |ranks| {
                    let work = |own: &[usize]| Ok(own.iter().map(|&task| result(task)).collect());
                    bits(deal(&ranks, tasks, work).unwrap())
                });
                assert!(found.iter().all(|found| *found == expected), "{tasks} tasks, {size} ranks");
            }
        }
    }

    #[test]
    fn an_error_of_one_ends_the_dealing_of_all() {
        let lines = threads::run(3, |ranks| {
            let work = |own: &[usize]| match own.contains(&4) {
                true => Err(Error::input("task 4", "cannot be done")),
                false => Ok(vec![Vec::new(); own.len()]),
            };
            let line = deal(&ranks, 5, work).unwrap_err().to_string();
            assert_eq!(ranks.all_gather_bytes(b"still together").len(), 3);
            line
        });
        let told = "rank 1 on thread 1: task 4: cannot be done";
        assert_eq!(lines, [told, "task 4: cannot be done", told]);
    }

    #[test]
    fn rows_come_in_their_order_whoever_makes_them() {
        for rows in [0, 1, 128, 129, 700] {
            let make = |rows: Range<usize>| {
                Ok([rows.clone().flat_map(|row| [row as f32, 0.5]).collect(), rows.map(|row| -(row as f32)).collect()])
            };
            let expected = make(0..rows).unwrap();
            for size in [1, 2, 3, 5, 8] {
                let found = threads::run(size, |ranks| deal_rows(&ranks, rows, [2, 1], make).unwrap());
                assert!(found.iter().all(|found| *found == expected), "{rows} rows, {size} ranks");
            }
        }
    }

    #[test]
    fn batches_stay_whole() {
        for (rows, ranks) in [(0, 3), (127, 2), (128, 2), (700, 3), (1280, 4)] {
            let shares = shares_of_rows(rows, ranks);
            assert_eq!((shares[0].start, shares[ranks - 1].end), (0, rows));
            assert!(shares.windows(2).all(|two| two[0].end == two[1].start));
            assert!(shares.iter().all(|share| share.start == rows || share.start % DEALT == 0));
        }
    }

    #[test]
    fn all_get_the_numbers_of_the_first() {
        let found = threads::run(3, |ranks| {
            let mut values = [ranks.rank() as f32 + 0.5; 3];
            broadcast(&ranks, &mut values);
            values
        });
        assert_eq!(found, [[0.5; 3]; 3]);
    }
}
