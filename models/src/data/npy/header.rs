//! The header of a `.npy` file.
//!
//! The text is read here and not by npyz, whose parser recurses as deep as the text nests and multiplies a
//! shape without a check; a hostile file must end in an error.
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::ops::Range;

use npyz::{Endianness, TypeChar, TypeStr};

/// Bytes of a file that are enough for [`text_range`].
pub(in crate::data) const PREAMBLE: usize = 12;

/// Where the header's text lies in a file that begins with `start`.
pub(in crate::data) fn text_range(start: &[u8]) -> Result<Range<u64>, String> {
    let [0x93, b'N', b'U', b'M', b'P', b'Y', major, minor, rest @ ..] = start else {
        return Err("not a .npy array (it does not start with NumPy's magic bytes)".to_owned());
    };
    let (text_start, length) = match (major, minor, rest) {
        (1, 0, &[a, b, ..]) => (10, u64::from(u16::from_le_bytes([a, b]))),
        (2 | 3, 0, &[a, b, c, d, ..]) => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
        (1..=3, 0, _) => return Err(format!("{} bytes, too few for a header: the file is truncated", start.len())),
        _ => return Err(format!("npy version {major}.{minor}, expected 1.0, 2.0 or 3.0")),
    };
    Ok(text_start..text_start + length)
}

/// A header's description of the values that follow it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data) struct Header {
    pub(in crate::data) element: Element,
    pub(in crate::data) big_endian: bool,
    pub(in crate::data) fortran_order: bool,
    pub(in crate::data) shape: Vec<usize>,
    /// The type as it is written, for errors.
    pub(in crate::data) descr: String,
}

/// Type of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::data) enum Element {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

impl Element {
    fn new(kind: TypeChar, size: u64) -> Option<Self> {
        Some(match (kind, size) {
            (TypeChar::Bool, 1) => Self::Bool,
            (TypeChar::Uint, 1) => Self::U8,
            (TypeChar::Uint, 2) => Self::U16,
            (TypeChar::Uint, 4) => Self::U32,
            (TypeChar::Uint, 8) => Self::U64,
            (TypeChar::Int, 1) => Self::I8,
            (TypeChar::Int, 2) => Self::I16,
            (TypeChar::Int, 4) => Self::I32,
            (TypeChar::Int, 8) => Self::I64,
            (TypeChar::Float, 2) => Self::F16,
            (TypeChar::Float, 4) => Self::F32,
            (TypeChar::Float, 8) => Self::F64,
            _ => return None,
        })
    }

    /// Whether values are floats.
    pub(in crate::data) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// Bytes of one value.
    pub(in crate::data) fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

impl Header {
    /// Reads the text: a Python dictionary with exactly the keys `descr`, `fortran_order` and `shape`.
    pub(in crate::data) fn parse(text: &str) -> Result<Self, String> {
        let mut cursor = Cursor { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        cursor.expect("{")?;
        while !cursor.take("}") {
            let key = cursor.string()?;
            cursor.expect(":")?;
            match key {
                "descr" => descr = Some(cursor.string()?),
                "fortran_order" => fortran_order = Some(cursor.boolean()?),
                "shape" => shape = Some(cursor.shape()?),
                _ => return Err(format!("unknown key {key:?} in the header")),
            }
            if !cursor.take(",") {
                cursor.expect("}")?;
                break;
            }
        }
        if !cursor.rest.trim().is_empty() {
            return Err("text after the header's dictionary".to_owned());
        }
        let missing = |key| format!("the header has no {key:?}");
        let descr = descr.ok_or_else(|| missing("descr"))?;
        let scalar: TypeStr = descr.parse().map_err(|_| format!("unknown type {descr:?}"))?;
        Ok(Self {
            element: Element::new(scalar.type_char(), scalar.size_field())
                .ok_or_else(|| format!("type {descr:?}, expected integers or floats"))?,
            big_endian: scalar.endianness() == Endianness::Big,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            descr: descr.to_owned(),
        })
    }

    /// Number of values, and of bytes that they take; `None` when that many cannot be counted.
    pub(in crate::data) fn sizes(&self) -> Option<(usize, usize)> {
        let count = self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
        Some((count, count.checked_mul(self.element.size())?))
    }
}

/// The rest of the header's text.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(&format!("{token:?}"))) }
    }

    fn unexpected(&self, expected: &str) -> String {
        let found: String = self.rest.trim_start().chars().take(12).collect();
        format!("the header goes on with {found:?}, expected {expected}")
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = match () {
            () if self.take("'") => '\'',
            () if self.take("\"") => '"',
            () => return Err(self.unexpected("a quoted name (a structured type cannot be read)")),
        };
        let (string, rest) = self.rest.split_once(quote).ok_or("a quote in the header is never closed")?;
        self.rest = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match () {
            () if self.take("True") => Ok(true),
            () if self.take("False") => Ok(false),
            () => Err(self.unexpected("True or False")),
        }
    }

    /// `()`, `(n,)` or `(n, m, …)`; Python 2 wrote numbers as `28L`.
    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            self.rest = self.rest.trim_start();
            let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.rest.split_at(digits);
            if number.is_empty() {
                return Err(self.unexpected("a size in the shape"));
            }
            shape.push(number.parse().map_err(|_| format!("size {number} in the shape is too large"))?);
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_numpy_writes() {
        let header = Header::parse("{'descr': '>f8', 'fortran_order': True, 'shape': (5, 784), }   \n").unwrap();
        assert_eq!((header.element, header.big_endian, header.fortran_order), (Element::F64, true, true));
        assert_eq!(header.shape, [5, 784]);
        assert_eq!(header.sizes(), Some((5 * 784, 5 * 784 * 8)));
        let python_2 = Header::parse(r#"{"shape": (3L,), "fortran_order": False, "descr": "|u1"}"#).unwrap();
        assert_eq!((python_2.element, python_2.shape), (Element::U8, vec![3]));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, problem) in [
            ("", "expected \"{\""),
            ("{'descr': [('a', '<i4')], 'shape': ()}", "a structured type cannot be read"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "type \"|O\", expected integers or floats"),
            ("{'descr': 'x', 'fortran_order': False, 'shape': (1,)}", "unknown type \"x\""),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "True or False"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "a size in the shape"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
                "in the shape is too large",
            ),
            ("{'descr': '<f4', 'fortran_order': False}", "no \"shape\""),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "text after"),
            ("{'descr", "never closed"),
        ] {
            let error = Header::parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn a_shape_too_large_to_count_has_no_size() {
        let text = "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2)}";
        assert_eq!(Header::parse(text).unwrap().sizes(), None);
        let deep = "(".repeat(60_000);
        assert!(Header::parse(&format!("{{'descr': '<f8', 'shape': {deep}")).is_err());
    }

    proptest! {
        #![proptest_config(crate::property::cases(256))]

        #[test]
        fn never_panics(text in r#"[{}()\[\]',: "<>|a-zA-Z0-9é\n]{0,80}"#, at in 0usize..60, byte in any::<u8>()) {
            let _ = Header::parse(&text);
            let mut valid = b"{'descr': '<f4', 'fortran_order': False, 'shape': (12, 784), }".to_vec();
            valid[at] = byte;
            let _ = Header::parse(&String::from_utf8_lossy(&valid));
        }
    }
}
