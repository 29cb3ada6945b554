//! SHA-256 digests of files, in hexadecimal.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use inkgrad_kernels::cpu::bytes::little_endian;
use sha2::{Digest, Sha256};

use crate::{Error, Result, file};

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    file::check(path, "one")?;
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hexadecimal(digest)),
            Ok(n) => digest.update(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path)(error)),
        }
    }
}

/// The SHA-256 of tensors: of each its name, shape and little-endian values, in the order of names.
pub(crate) fn of_tensors<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>) -> String {
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by_key(|(name, ..)| *name);
    let mut digest = Sha256::new();
    for (name, shape, values) in tensors {
        digest.update(format!("{name} {shape:?}\n"));
        little_endian(values).for_each(|bytes| digest.update(bytes));
    }
    hexadecimal(digest)
}

/// A finished digest in hexadecimal.
pub(crate) fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
