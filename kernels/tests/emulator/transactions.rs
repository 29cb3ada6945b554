//! Sectors, lines and bank conflicts of a warp's accesses.

use inkgrad_kernels::emulator::transactions::{bank_conflicts, units};

fn addresses(f: impl Fn(u64) -> u64) -> [u64; 32] {
    std::array::from_fn(|lane| f(lane as u64))
}

#[test]
fn sectors_and_lines_are_counted() {
    let row = addresses(|lane| 1024 + 4 * lane);
    assert_eq!((units(&row, !0, 4, 32), units(&row, !0, 4, 128)), (4, 1));
    let column = addresses(|lane| 4096 - 128 * lane);
    assert_eq!((units(&column, !0, 4, 32), units(&column, 1, 4, 32)), (32, 1));
    let vectors = addresses(|lane| 16 * lane);
    assert_eq!((units(&vectors, !0, 16, 32), units(&vectors, !0, 16, 128)), (16, 4));
    assert_eq!(units(&addresses(|_| 64), !0, 4, 32), 1);
    assert_eq!(units(&addresses(|lane| 28 + lane % 2 * 4), !0, 4, 32), 2);
}

#[test]
fn bank_conflicts_are_counted() {
    assert_eq!(bank_conflicts(&addresses(|lane| 4 * lane), !0, 4), 0);
    assert_eq!(bank_conflicts(&addresses(|_| 8), !0, 4), 0);
    assert_eq!(bank_conflicts(&addresses(|lane| 8 * lane), !0, 4), 1);
    assert_eq!(bank_conflicts(&addresses(|lane| 128 * lane), !0, 4), 31);
    assert_eq!(bank_conflicts(&addresses(|lane| 132 * lane), !0, 4), 0);
    assert_eq!(bank_conflicts(&addresses(|lane| 16 * lane), !0, 16), 0);
    assert_eq!(bank_conflicts(&addresses(|lane| 32 * lane), !0, 16), 4);
}
