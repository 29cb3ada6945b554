//! The page on which a GPU's kernel is stepped through: what one warp does in the emulator, recorded, and a script that goes back
//! and forth in it.

mod code;
mod page;
mod record;

pub use self::page::{MADE_BY, Page};
pub use self::record::Recorder;
