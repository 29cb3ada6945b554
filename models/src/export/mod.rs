//! Networks on their way to other programs: a part of one as an ONNX file, or all of it as a PyTorch module in readable Python
//! beside its weights.
//!
//! Both walk the tape on which a network is recorded, so that anybody's model travels whose operations have a form there; one that has
//! none is named. Pictures go in and come out with channels first, as those programs have them: `(batch, channels, height, width)`.

mod graph;
mod layouts;
mod onnx;
mod pytorch;
#[cfg(test)]
mod tests;

pub use graph::Part;
pub use onnx::{Onnx, onnx};
pub use pytorch::pytorch;
