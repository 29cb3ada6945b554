//! The names that a model of one's own needs, the engine's among them: `use inkgrad_models::prelude::*;`.

pub use inkgrad_engine::prelude::{Compile, Float, Param, Params, Plan, Pool, Tape, Team, Tensor, nn};

pub use crate::data::{Dataset, Examples, Extents, Images, write_course};
pub use crate::model::config::{Config, Overrides};
pub use crate::model::{Classification, Decoding, Encoding, Kind, Model, ModelOption, Models, Prior, Training};
pub use crate::trainer::{Observer, Trainer};
pub use crate::{Error, Result};
