//! What the checks that cross the crates share.

pub mod fixture;
