//! Gzip's members one after the other, and the zeros that may stand behind the last: tapes and block devices fill up with them, and
//! gzip(1) passes over them too.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// How gzip begins.
pub(super) const MAGIC: &[u8] = b"\x1f\x8b";

/// Unpacks all members of a file.
pub(super) struct Members<R> {
    /// The member at hand; `None` once the file has ended.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    /// Begins at the start of a file.
    pub(super) fn new(file: R) -> Self {
        Members { member: Some(GzDecoder::new(file)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(out)?;
            if read > 0 {
                return Ok(read);
            }
            self.member = self.member.take().and_then(|member| next(member.into_inner()).transpose()).transpose()?;
        }
        Ok(0)
    }
}

/// The member that begins here, or none where there are only zeros.
fn next<R: BufRead>(mut file: R) -> io::Result<Option<GzDecoder<R>>> {
    let mut padded = false;
    loop {
        let bytes = file.fill_buf()?;
        let (length, zeros) = (bytes.len(), bytes.iter().take_while(|&&byte| byte == 0).count());
        if length == 0 {
            return Ok(None);
        }
        padded |= zeros > 0;
        if zeros < length {
            // A member's own header says what is wrong with it.
            let other = || io::Error::new(io::ErrorKind::InvalidData, "other bytes behind the zeros that fill it up");
            return if padded { Err(other()) } else { Ok(Some(GzDecoder::new(file))) };
        }
        file.consume(zeros);
    }
}
