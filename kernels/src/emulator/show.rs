//! Values of registers as a person reads them.

use super::inst::Type;
use super::kernel::Name;

/// A 32-bit register's value. Untyped ones (`.b32`) are shown as a number, and as a float too where that looks like one.
pub fn narrow(name: &Name, bits: u32) -> String {
    match name.ty {
        Type::F32 => float(f32::from_bits(bits)),
        ty if ty.signed() => bits.cast_signed().to_string(),
        Type::B32 if (0x3000_0000..0x5000_0000).contains(&(bits & 0x7fff_ffff)) => {
            format!("{bits:#x} ({})", float(f32::from_bits(bits)))
        }
        _ => bits.to_string(),
    }
}

/// A 64-bit register's value; addresses in hexadecimal.
pub fn wide(name: &Name, bits: u64) -> String {
    match name.ty {
        Type::F64 => format!("{:?}", f64::from_bits(bits)),
        Type::S64 => bits.cast_signed().to_string(),
        _ if bits >= 1 << 32 => format!("{bits:#x}"),
        _ => bits.to_string(),
    }
}

fn float(x: f32) -> String {
    format!("{x:?}")
}
