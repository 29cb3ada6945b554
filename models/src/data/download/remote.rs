//! The file on the server, as its first bytes and the answer's headers describe it.

use serde::{Deserialize, Serialize};

use super::ROW;
use super::http::{Answer, Failure};
use crate::data::npy::Shape;
use crate::data::npy::header::{Element, Header, text_range};
use crate::error::Error;

/// Bytes to ask for first. NumPy's header of a matrix takes 80 or 128.
pub(super) const HEADER_ROOM: u64 = 1024;

/// Of wrong content, how much an error shows.
const SHOWN: usize = 24;

/// The origin of a `.part` file's rows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Remote {
    pub(super) url: String,
    /// Changes when the file does: its strong `ETag`, or when it was last modified.
    pub(super) validator: Option<String>,
    /// Bytes of the file, if the server says.
    length: Option<u64>,
    /// Number of drawings.
    pub(super) rows: usize,
    /// Where the first drawing begins.
    data_start: u64,
}

impl Remote {
    /// Reads the header at the start of `answer`, which can still be read from its start afterwards, and checks it
    /// against the file's length.
    pub(super) fn read(url: &str, answer: &mut Answer) -> Result<Self, Failure> {
        let start = answer.peek(HEADER_ROOM)?;
        let fatal = |problem: String| Failure::Fatal(Error::input(url, problem));
        let (header, data_start) = parse(&start).map_err(|problem| {
            let found = String::from_utf8_lossy(&start[..start.len().min(SHOWN)]);
            let kind = answer.content_type().unwrap_or("no content type");
            fatal(format!("{problem}: begins with {found:?} ({kind}), expected a .npy array"))
        })?;

        let rows = match header.shape[..] {
            [rows, ROW] if header.element == Element::U8 && !header.fortran_order => rows,
            _ => {
                let order = if header.fortran_order { "Fortran" } else { "C" };
                let (shape, descr) = (Shape(&header.shape), &header.descr);
                return Err(fatal(format!(
                    "shape {shape} of {descr:?} in {order} order, expected (N, {ROW}) of \"|u1\" in C order"
                )));
            }
        };
        if rows == 0 {
            return Err(fatal("no drawings, expected at least one".to_owned()));
        }
        let expected = header.sizes().and_then(|(_, bytes)| data_start.checked_add(bytes as u64));
        let Some(expected) = expected else { return Err(fatal(format!("{rows} drawings, too many to count"))) };
        match answer.length() {
            Some(length) if length != expected => Err(fatal(format!(
                "{length} bytes, expected {expected} for the {rows} drawings that its header announces"
            ))),
            length => {
                let validator = answer.validator().map(str::to_owned);
                Ok(Self { url: url.to_owned(), validator, length, rows, data_start })
            }
        }
    }

    /// Where a drawing begins, in bytes from the start of the file.
    pub(super) fn row_start(&self, row: usize) -> u64 {
        self.data_start + (row * ROW) as u64
    }

    /// Whether `answer` is about the same file, as far as the server says.
    pub(super) fn is_source_of(&self, answer: &Answer) -> bool {
        self.validator.as_deref() == answer.validator() && self.length == answer.length()
    }
}

/// The header, and where the data begins.
fn parse(start: &[u8]) -> Result<(Header, u64), String> {
    let range = text_range(start)?;
    let text = start.get(range.start as usize..range.end as usize).ok_or_else(|| {
        format!("a header of {} bytes, expected it in the first {}", range.end - range.start, start.len())
    })?;
    Ok((Header::parse(&String::from_utf8_lossy(text))?, range.end))
}
