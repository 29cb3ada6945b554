//! Element-wise functions and their gradients: serial loops, which callers split over threads.
//!
//! A backward form takes what its formula needs, the output `y` where that suffices, and either writes `dx` or adds
//! to it: the first gradient into a buffer writes, later ones add.

use super::simd::Arithmetic;
use crate::{Float, multiversion};

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
#[inline(always)]
pub fn softplus_of<T: Float, A: Arithmetic>(x: T) -> T {
    positive_part(x) + (-x.abs()).exp::<A>().ln_1p::<A>()
}

/// dy where y > 0, else 0.
#[inline(always)]
pub(super) fn where_positive<T: Float>(y: T, dy: T) -> T {
    if y > T::ZERO { dy } else { T::ZERO }
}

/// max(x, 0), NaN kept.
#[inline(always)]
pub fn positive_part<T: Float>(x: T) -> T {
    if x < T::ZERO { T::ZERO } else { x }
}

/// Writes `value` to `place`, or adds it to what is there.
#[inline(always)]
pub(crate) fn put<T: Float>(place: &mut T, value: T, add: bool) {
    *place = if add { *place + value } else { value };
}

/// `fn name(x, y)`: y = f(x), element by element.
macro_rules! forward {
    ($(#[$meta:meta])* $name:ident: |$x:ident| $f:expr) => {
        multiversion! {
            $(#[$meta])*
            ///
            /// # Panics
            /// If the slices differ in length.
            pub fn $name<T: Float, A: Arithmetic>(x: &[T], y: &mut [T]) {
                assert_eq!(x.len(), y.len(), concat!(stringify!($name), ": x and y differ in length"));
                for (y, &$x) in y.iter_mut().zip(x) {
                    *y = $f;
                }
            }
        }
    };
}

/// `fn name(x)`: x = f(x), element by element.
macro_rules! in_place {
    ($(#[$meta:meta])* $name:ident: |$x:ident| $f:expr) => {
        multiversion! {
            $(#[$meta])*
            pub fn $name<T: Float, A: Arithmetic>(x: &mut [T]) {
                for place in x {
                    let $x = *place;
                    *place = $f;
                }
            }
        }
    };
}

/// `fn name(v, dy, dx, add)`: dx = f(v, dy) or dx += f(v, dy), element by element.
macro_rules! backward {
    ($(#[$meta:meta])* $name:ident: |$v:ident, $dy:ident| $f:expr) => {
        multiversion! {
            $(#[$meta])*
            ///
            /// # Panics
            /// If the slices differ in length.
            pub fn $name<T: Float, A: Arithmetic>($v: &[T], dy: &[T], dx: &mut [T], add: bool) {
                assert!(
                    $v.len() == dx.len() && dy.len() == dx.len(),
                    concat!(stringify!($name), ": the slices differ in length")
                );
                for ((dx, &$v), &$dy) in dx.iter_mut().zip($v).zip(dy) {
                    put(dx, $f, add);
                }
            }
        }
    };
}

forward! {
    /// y = max(x, 0), NaN kept.
    relu: |x| positive_part(x)
}

backward! {
    /// dx = dy where y > 0, else 0.
    relu_backward: |y, dy| where_positive(y, dy)
}

in_place! {
    /// x = max(x, 0), NaN kept.
    relu_in_place: |x| positive_part(x)
}

forward! {
    /// y = σ(x) = 1 / (1 + e⁻ˣ).
    sigmoid: |x| x.sigmoid::<A>()
}

backward! {
    /// dx = dy·y·(1 − y).
    sigmoid_backward: |y, dy| dy * y * (T::ONE - y)
}

in_place! {
    /// x = σ(x).
    sigmoid_in_place: |x| x.sigmoid::<A>()
}

forward! {
    /// y = tanh x.
    tanh: |x| x.tanh::<A>()
}

backward! {
    /// dx = dy·(1 − y²).
    tanh_backward: |y, dy| dy * (T::ONE - y * y)
}

forward! {
    /// y = ln(1 + eˣ), computed as max(x, 0) + ln(1 + e^−|x|).
    softplus: |x| softplus_of::<T, A>(x)
}

backward! {
    /// dx = dy·σ(x), from the input x.
    softplus_backward: |x, dy| dy * x.sigmoid::<A>()
}

forward! {
    /// y = eˣ.
    exp: |x| x.exp::<A>()
}

backward! {
    /// dx = dy·y.
    exp_backward: |y, dy| dy * y
}

forward! {
    /// y = ln x.
    ln: |x| x.ln()
}

backward! {
    /// dx = dy / x, from the input x.
    ln_backward: |x, dy| dy / x
}

forward! {
    /// y = √x.
    sqrt: |x| x.sqrt()
}

backward! {
    /// dx = dy / 2y.
    sqrt_backward: |y, dy| dy / (y + y)
}

forward! {
    /// y = |x|.
    abs: |x| x.abs()
}

backward! {
    /// dx = dy·sign(x), from the input x; 0 at 0, NaN kept.
    abs_backward: |x, dy| if x > T::ZERO { dy } else if x < T::ZERO { -dy } else { x }
}
