//! The names that most programs need: `use inkgrad_engine::prelude::*;`.

pub use crate::op::{Backward, Forward, Memory, Op, Reads};
pub use crate::ops::elementwise::put;
pub use crate::ops::{Conv, ConvTranspose};
pub use crate::optim::{Optimizer, Rule, Schedule};
pub use crate::{Clock, Compile, Error, Float, Init, Param, Params, Plan, Pool, Result, Shape, Tape, Team, Tensor, nn};
