//! Run folders: what a training run leaves on disk, and how it is read back.
//!
//! Every file but the appended logs is written by [`atomic::write`], so a failure at any moment leaves the earlier
//! version whole; all of them through one door, [`disk`], in which the tests stand. Nothing here knows the engine:
//! parameters come and go as plain slices with names and shapes.

pub mod atomic;
pub mod checkpoint;
mod create;
pub mod disk;
pub mod folder;
pub mod histogram;
mod lines;
pub mod owner;
pub mod plot;
pub mod records;
pub mod sitting;
pub mod tensorboard;

pub use crate::model::config;
