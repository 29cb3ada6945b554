//! Pooling of channels-last pictures (`pool.ptx`).

use super::launches::{Launches, Span, Target, int};
use crate::cpu::conv::Grid;
use crate::cpu::pool::{Pooling, Window};
use crate::launch::Arg;

/// The kernels' number of a pooling.
fn kind(pooling: Pooling) -> Arg {
    Arg::U32(match pooling {
        Pooling::Mean { count_padding } => u32::from(count_padding),
        Pooling::Max => 2,
    })
}

/// Channels and extents of pictures and of what is made of them, the window.
///
/// # Panics
/// If the window does not fit the picture, or either side has more numbers than 32 bits count.
fn extents(window: &Window, picture: Grid, sides: [Span; 2]) -> [Arg; 11] {
    for side in sides {
        int(side.len);
    }
    let Window { kernel, stride, padding } = *window;
    let (rows, columns) = window.output((picture.height, picture.width)).expect("a window that fits the picture");
    let sides = [picture.channels, picture.height, picture.width, rows, columns];
    let [channels, height, width, rows, columns] = sides.map(int);
    let [ky, kx, sy, sx, py, px] = [kernel.0, kernel.1, stride.0, stride.1, padding.0, padding.1].map(int);
    [channels, height, width, rows, columns, ky, kx, sy, sx, py, px]
}

/// Pools `x: (batch, picture)` into `y: (batch, height', width', channels)`.
///
/// # Panics
/// If the window does not fit the picture, or either side has more numbers than 32 bits count.
pub fn pool(launches: &mut Launches, window: &Window, pooling: Pooling, picture: Grid, x: Span, y: Span) {
    let args = [&[x.read(), y.write(), int(y.len)], &extents(window, picture, [x, y])[..], &[kind(pooling)]].concat();
    launches.each("pool", y.len, args);
}

/// The gradient of [`pool`]'s input; `x` is read for a maximum alone, whose gradient goes to its first place in the window.
///
/// # Panics
/// If the window does not fit the picture, or either side has more numbers than 32 bits count.
pub fn pool_backward(
    launches: &mut Launches,
    window: &Window,
    pooling: Pooling,
    picture: Grid,
    [x, dy]: [Span; 2],
    dx: Target,
) {
    let read = if pooling == Pooling::Max { x.read() } else { super::launches::NONE };
    let pointers = [read, dy.read(), dx.arg(), int(dx.span.len)];
    let args = [&pointers[..], &extents(window, picture, [dx.span, dy]), &[kind(pooling), dx.flag()]].concat();
    launches.each("pool_backward", dx.span.len, args);
}
