//! Numbers of a warp's lanes in few characters.
//!
//! Most registers hold the same in all lanes, or rise by as much from lane to lane. So values are a number, or the first with its
//! rise `[first, step]`, or base64 of their bytes, low byte first. Pages read them in `trace.js`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Larger whole numbers are none to JavaScript.
const EXACT: u64 = 1 << 53;

/// Values of `bytes` bytes each.
pub fn numbers(values: &[u64], bytes: usize) -> Value {
    let plain = values.iter().all(|value| *value < EXACT);
    match values {
        [] => json!(0),
        [first, rest @ ..] if plain && rest.iter().all(|value| value == first) => json!(first),
        [first, second, ..] if plain && rises(values) => json!([first, *second as i64 - *first as i64]),
        _ => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(bytes));
            json!(STANDARD.encode(bytes.collect::<Vec<u8>>()))
        }
    }
}

/// Whether each is as far from the one before as the second from the first.
fn rises(values: &[u64]) -> bool {
    let step = (values[1] as i64) - (values[0] as i64);
    values.windows(2).all(|pair| pair[1] as i64 - pair[0] as i64 == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_few_characters() {
        assert_eq!(numbers(&[7; 32], 4), json!(7));
        assert_eq!(numbers(&[8, 6, 4], 4), json!([8, -2]));
        assert_eq!(numbers(&[0, 1, 3], 4), json!("AAAAAAEAAAADAAAA"));
        assert_eq!(numbers(&[u64::MAX; 2], 8), json!("/////////////////////w=="));
        assert_eq!((numbers(&[], 4), numbers(&[5], 8)), (json!(0), json!(5)));
    }
}
