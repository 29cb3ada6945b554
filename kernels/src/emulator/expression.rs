//! Constant expressions of integers.

/// The value of a constant expression of integers: numbers, names that `symbol` knows, `+ - * / % << >> & | ^ ~ ( )`.
///
/// # Errors
/// If the text is no such expression: the part found, and what was expected.
pub fn evaluate(text: &str, symbol: &dyn Fn(&str) -> Option<i64>) -> Result<i64, String> {
    let mut expression = Expression { rest: text.trim(), symbol, depth: 0 };
    let value = expression.binary(0)?;
    match expression.rest {
        "" => Ok(value),
        rest => Err(format!("found `{rest}` in `{text}`, expected an operator")),
    }
}

/// The value of a literal number: decimal, `0x`, `0b`, octal, with an optional `U`.
pub fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('U').unwrap_or(text);
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    u64::from_str_radix(digits, radix).ok().map(u64::cast_signed)
}

struct Expression<'a> {
    rest: &'a str,
    symbol: &'a dyn Fn(&str) -> Option<i64>,
    /// Brackets and signs around what is read now.
    depth: usize,
}

/// The most brackets and signs around a part.
pub const DEEPEST: usize = 64;

/// Operators by rising strength of binding.
const LEVELS: [&[&str]; 6] = [&["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*", "/", "%"]];

impl<'a> Expression<'a> {
    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.rest.starts_with(**operator)) {
            self.rest = self.rest[operator.len()..].trim_start();
            let right = self.binary(level + 1)?;
            left = match *operator {
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "<<" => left.wrapping_shl(right as u32),
                ">>" => left.wrapping_shr(right as u32),
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                "*" => left.wrapping_mul(right),
                "/" => left.checked_div(right).ok_or("found a division by zero in a constant")?,
                _ => left.checked_rem(right).ok_or("found a division by zero in a constant")?,
            };
        }
        Ok(left)
    }

    /// Reads what a bracket or a sign stands before.
    fn within(&mut self, rest: &'a str, read: fn(&mut Self) -> Result<i64, String>) -> Result<i64, String> {
        if self.depth == DEEPEST {
            return Err(format!("found more than {DEEPEST} brackets and signs within each other in a constant"));
        }
        self.rest = rest.trim_start();
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn unary(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix(['-', '~', '+']) {
            let operator = self.rest.as_bytes()[0];
            let value = self.within(rest, Self::unary)?;
            return Ok(match operator {
                b'-' => value.wrapping_neg(),
                b'~' => !value,
                _ => value,
            });
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            let value = self.within(rest, |inner| inner.binary(0))?;
            self.rest = self.rest.strip_prefix(')').ok_or("found `(`, expected a `)` for it")?.trim_start();
            return Ok(value);
        }
        // A name may begin with `%`, which elsewhere is an operator.
        let part = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
        let end = self.rest.char_indices().find(|&(at, c)| !part(c) && (at, c) != (0, '%'));
        let (word, rest) = self.rest.split_at(end.map_or(self.rest.len(), |(at, _)| at));
        let value = if word.starts_with(|c: char| c.is_ascii_digit()) { integer(word) } else { (self.symbol)(word) };
        self.rest = rest.trim_start();
        value.ok_or_else(|| format!("found `{word}`, expected a number or a known name"))
    }
}
