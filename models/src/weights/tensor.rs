//! A tensor as a `.pth` describes it: a view, by offset and strides, into a storage of one type.

use super::Found;
use crate::run::checkpoint::f16_to_f32;

/// A tensor with more axes is refused; so do most of PyTorch's operations.
pub(super) const MAX_AXES: usize = 64;

/// The type of a storage's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// The type of `torch.{name}`, the class of a storage.
    pub(super) fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// How to read value number `index` of a storage's little-endian bytes.
    fn reader(self) -> fn(&[u8], usize) -> f32 {
        match self {
            Self::F64 => |bytes, index| f64::from_le_bytes(bytes.as_chunks().0[index]) as f32,
            Self::F32 => |bytes, index| f32::from_le_bytes(bytes.as_chunks().0[index]),
            Self::F16 => |bytes, index| f16_to_f32(u16::from_le_bytes(bytes.as_chunks().0[index])),
            Self::Bf16 => {
                |bytes, index| f32::from_bits(u32::from(u16::from_le_bytes(bytes.as_chunks().0[index])) << 16)
            }
            Self::I64 => |bytes, index| i64::from_le_bytes(bytes.as_chunks().0[index]) as f32,
            Self::I32 => |bytes, index| i32::from_le_bytes(bytes.as_chunks().0[index]) as f32,
            Self::I16 => |bytes, index| f32::from(i16::from_le_bytes(bytes.as_chunks().0[index])),
            Self::I8 => |bytes, index| f32::from(bytes[index] as i8),
            Self::U8 => |bytes, index| f32::from(bytes[index]),
            Self::Bool => |bytes, index| f32::from(bytes[index] != 0),
        }
    }
}

/// Values in a row in the file, that several tensors may share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    /// Its name in the file.
    pub(super) key: &'a str,
    pub(super) dtype: Dtype,
    /// How many values it says to have.
    pub(super) len: usize,
    /// The same in bytes.
    pub(super) bytes: usize,
}

impl<'a> Storage<'a> {
    pub(super) fn new(key: &'a str, dtype: Dtype, len: usize) -> Found<Self> {
        let bytes = len.checked_mul(dtype.size()).ok_or_else(|| format!("a storage says to have {len} values"))?;
        Ok(Self { key, dtype, len, bytes })
    }
}

/// A tensor before its values are read.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    offset: usize,
    /// Extent and stride of each axis; a stride of 0 repeats values.
    axes: Vec<(usize, usize)>,
    /// How many values it has: the product of the extents.
    pub(super) len: usize,
}

impl<'a> View<'a> {
    /// Checks that all values lie in the storage as it is declared; nothing is allocated for them.
    pub(super) fn new(storage: Storage<'a>, offset: usize, shape: &[usize], strides: &[usize]) -> Found<Self> {
        if shape.len() != strides.len() {
            return Err(format!("a tensor has sizes {shape:?} and strides {strides:?}, expected as many"));
        }
        let outside = || {
            let place = format!("sizes {shape:?}, strides {strides:?} and offset {offset}");
            format!("a tensor of {place} reaches outside its storage of {} values", storage.len)
        };
        let axes: Vec<_> = shape.iter().copied().zip(strides.iter().copied()).collect();
        // Extents of 0 are left out at first: whoever multiplies the shape later must not overflow on its way to 0.
        let mut filled = shape.iter().filter(|&&extent| extent > 0);
        let len = filled.try_fold(1usize, |len, &extent| len.checked_mul(extent)).ok_or_else(outside)?;
        let len = if shape.contains(&0) { 0 } else { len };
        if len > 0 {
            let last = axes
                .iter()
                .try_fold(offset, |last, &(extent, stride)| last.checked_add((extent - 1).checked_mul(stride)?));
            last.filter(|&last| last < storage.len).ok_or_else(outside)?;
        }
        Ok(Self { storage, offset, axes, len })
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|&(extent, _)| extent).collect()
    }

    /// The values in row-major order, from the storage's `bytes`: as many as it says.
    pub(super) fn values(&self, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.len);
        if self.len > 0 {
            let read = self.storage.dtype.reader();
            gather(&self.axes, self.offset, &mut |index| values.push(read(bytes, index)));
        }
        values
    }
}

/// Visits the index of every value of a view that has some; as deep as there are axes.
fn gather(axes: &[(usize, usize)], start: usize, visit: &mut impl FnMut(usize)) {
    match axes {
        [] => visit(start),
        [(extent, stride), inner @ ..] => (0..*extent).for_each(|step| gather(inner, start + step * stride, visit)),
    }
}
