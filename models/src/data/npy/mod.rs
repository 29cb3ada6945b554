//! NumPy's `.npy` arrays: reading images, labels and matrices, writing results.
//!
//! Versions 1 to 3, C and Fortran order, either byte order. Nothing is allocated before the header has been
//! held against the length of the file.

mod array;
pub(super) mod header;
mod npz;
pub(super) mod values;

use std::path::Path;

use npyz::WriterBuilder;

pub(super) use self::array::{Array, Shape};
use self::header::Element;
pub(in crate::data) use self::npz::names as npz_names;

use super::{Images, Pixels};
use crate::error::{Error, Result};
use crate::run::atomic;

/// Loads pictures for `--images`: (N, 784), (N, H, W), (N, H, W, C) or (N, C, H, W) with sides of 16 to 128 and 1 or 3
/// channels; `uint8`, `bool`, other integers of 0 to 255, or floats in [0, 1]. A `.npz` file does where it has one array;
/// `FILE.npz:NAME` names one of several.
///
/// # Errors
/// When the file cannot be read, is no such array, or holds a value outside its type's range.
pub fn load_images(path: impl AsRef<Path>) -> Result<Images> {
    Array::open(path.as_ref())?.into_images()
}

/// Loads labels: (N,) or (N, 1), integers of any type, none negative.
///
/// # Errors
/// When the file cannot be read, is no such array, or holds a negative label.
pub fn load_labels(path: impl AsRef<Path>) -> Result<Vec<usize>> {
    Array::open(path.as_ref())?.into_labels()
}

/// Loads a matrix of floats (latents, features): rows, columns, and the values (rows, columns).
///
/// # Errors
/// When the file cannot be read, is no such array, or holds a value that is not finite.
pub fn load_matrix(path: impl AsRef<Path>) -> Result<(usize, usize, Vec<f32>)> {
    let (array, rows, columns) = open_matrix(path.as_ref())?;
    let path = array.path.clone();
    if array.header.element == Element::F64 {
        let values = array.values(f64::from_le_bytes)?;
        // Of doubles one may be finite and yet no f32.
        check_finite(&path, &values, columns, |v| (v as f32).is_finite(), "finite numbers up to 3.4e38")?;
        check_differences(&path, &values, columns)?;
        return Ok((rows, columns, values.into_iter().map(|v| v as f32).collect()));
    }
    let values = array.floats("floats")?;
    check_finite(&path, &values, columns, |v| v.is_finite(), FINITE)?;
    Ok((rows, columns, values))
}

/// The share of the rows' differences that rounding may take.
const MOST_ROUNDED: f64 = 0.01;

/// Refuses doubles whose rows differ by so little, beside their size, that rounding to f32 takes the differences away.
fn check_differences(path: &Path, values: &[f64], columns: usize) -> Result<()> {
    let (mut spread, mut rounded) = ((0.0, 0), (0.0, 0));
    for column in 0..columns {
        let (mut least, mut most, mut error) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
        for &v in values.iter().skip(column).step_by(columns) {
            (least, most) = (v.min(least), v.max(most));
            error = error.max((v - f64::from(v as f32)).abs());
        }
        if most - least > spread.0 {
            spread = (most - least, column);
        }
        // Of a column without differences none is lost.
        if most > least && error > rounded.0 {
            rounded = (error, column);
        }
    }
    if rounded.0 <= MOST_ROUNDED * spread.0 {
        return Ok(());
    }
    let (error, column) = rounded;
    let problem = format_args!(
        "float64 whose rows differ by {:.3e} at most, of which rounding to float32 takes {error:.3e} (column {column}), expected \
         numbers whose differences float32 can hold: shifted to a mean of 0, or scaled",
        spread.0
    );
    Err(Error::input(path.display(), problem))
}

/// The same without rounding: values of a file of f64 stay as they are.
///
/// # Errors
/// As [`load_matrix`].
pub fn load_precise_matrix(path: impl AsRef<Path>) -> Result<(usize, usize, Floats)> {
    let (array, rows, columns) = open_matrix(path.as_ref())?;
    if array.header.element != Element::F64 {
        drop(array);
        return load_matrix(path).map(|(rows, columns, values)| (rows, columns, Floats::F32(values)));
    }
    let path = array.path.clone();
    let values = array.values(f64::from_le_bytes)?;
    check_finite(&path, &values, columns, |v| v.is_finite(), FINITE)?;
    Ok((rows, columns, Floats::F64(values)))
}

/// Floats in the precision in which they were kept; half precision counts as single.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Floats {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// An array of shape (rows, columns).
fn open_matrix(path: &Path) -> Result<(Array, usize, usize)> {
    let array = Array::open(path)?;
    match *array.shape() {
        [rows, columns] if columns > 0 => Ok((array, rows, columns)),
        _ => Err(array.unexpected_shape("(N, d)")),
    }
}

const FINITE: &str = "finite numbers";

fn check_finite<T: Copy + std::fmt::Debug>(
    path: &Path,
    values: &[T],
    columns: usize,
    is_finite: impl Fn(T) -> bool,
    expected: &str,
) -> Result<()> {
    match values.iter().position(|&v| !is_finite(v)) {
        Some(at) => {
            let problem = format_args!("row {} holds {:?}, expected {expected}", at / columns, values[at]);
            Err(Error::input(path.display(), problem))
        }
        None => Ok(()),
    }
}

/// Writes `values` as an array of `shape` in C order; the file appears whole or not at all.
///
/// # Errors
/// When the system refuses to write.
///
/// # Panics
/// When `shape` is not the shape of that many values.
pub fn save_npy<T>(path: impl AsRef<Path>, shape: &[usize], values: &[T]) -> Result<()>
where
    T: npyz::AutoSerialize + npyz::Serialize + Copy,
{
    assert_eq!(shape.iter().product::<usize>(), values.len(), "shape {shape:?} of another number of values");
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    atomic::write(path, |file| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}

impl Images {
    /// Writes the images as they are stored, (N, height, width) or (N, height, width, channels).
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let shape = self.extents().array(self.len());
        match self.pixels() {
            Pixels::U8(pixels) => save_npy(path, &shape, pixels),
            Pixels::F32(pixels) => save_npy(path, &shape, pixels),
        }
    }
}
