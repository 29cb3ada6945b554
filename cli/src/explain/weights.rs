//! Weights in fewer bytes, and the network that they then are.

use inkgrad_engine::Params;
use inkgrad_models::run::config::Config;
use inkgrad_models::{Error, Models, Result, model::Network};
use serde::Serialize;

use super::half;

/// How a page holds its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Two bytes a weight: IEEE 754 binary16
    F16,
    /// One byte a weight, and a scale for each index of its first axis
    Int8,
}

/// Base64 of f16 weights takes at most this, so that a page stays under 3 MB.
const BUDGET: usize = 2_500_000;

/// All weights, in the order of their declaration.
#[derive(Debug, Serialize)]
pub struct Weights {
    /// How they are held.
    pub numbers: Numbers,
    params: Vec<Stored>,
    /// Base64: halves, or bytes.
    data: String,
    /// Base64 of f32, low byte first: for bytes, the scales.
    scales: String,
}

#[derive(Debug, Serialize)]
struct Stored {
    name: String,
    shape: Vec<usize>,
}

impl Numbers {
    /// Two bytes where a page of them stays small and all weights lie in their range, else one.
    pub fn fitting(params: &Params<f32>) -> Self {
        let small = params.count() * 2 * 4 / 3 <= BUDGET;
        let within = params.values.iter().all(|value| value.abs() <= half::LARGEST);
        if small && within { Numbers::F16 } else { Numbers::Int8 }
    }

    /// Its name, as the page says it.
    pub fn words(self) -> &'static str {
        match self {
            Numbers::F16 => "16-bit floating-point numbers",
            Numbers::Int8 => "8-bit whole numbers with a scale a row",
        }
    }
}

impl Weights {
    /// Characters of all values.
    pub fn len(&self) -> usize {
        self.data.len() + self.scales.len()
    }

    /// The weights of a network in fewer bytes, and a network that has the values which those stand for.
    ///
    /// # Errors
    /// If a weight is not finite, or out of the range of `numbers`.
    pub fn round(
        models: &Models,
        config: &Config,
        network: &Network<f32>,
        numbers: Numbers,
    ) -> Result<(Self, Network<f32>)> {
        let mut rounded = models.build::<f32>(config)?;
        let (mut stored, mut halves, mut bytes, mut scales) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (param, to) in network.list().iter().zip(rounded.list()) {
            let (from, to) = (network.params.value(param), rounded.params.value_mut(&to));
            let refuse = |found: f32, expected: &str| {
                Err(Error::input(&param.name, format!("holds {found}, expected {expected}")))
            };
            if let Some(&found) = from.iter().find(|value| !value.is_finite()) {
                return refuse(found, "finite numbers alone");
            }
            match numbers {
                Numbers::F16 => {
                    if let Some(&found) = from.iter().find(|value| value.abs() > half::LARGEST) {
                        return refuse(found, "at most 65504 for --numbers f16 (or --numbers int8)");
                    }
                    halves.extend_from_slice(from);
                    to.iter_mut().zip(from).for_each(|(to, &x)| *to = half::from_f16(half::f16(x)));
                }
                Numbers::Int8 => {
                    let row = from.len() / param.shape.first();
                    for (from, to) in from.chunks(row).zip(to.chunks_mut(row)) {
                        let scale = half::byte_scale(from);
                        scales.extend(scale.to_le_bytes());
                        for (&x, to) in from.iter().zip(to) {
                            let byte = half::byte(x, scale);
                            bytes.push(byte as u8);
                            *to = f32::from(byte) * scale;
                        }
                    }
                }
            }
            stored.push(Stored { name: param.name.clone(), shape: param.shape.dims().to_vec() });
        }
        let data = match numbers {
            Numbers::F16 => half::f16_base64(halves),
            Numbers::Int8 => half::bytes_base64(bytes),
        };
        Ok((Weights { numbers, params: stored, data, scales: half::bytes_base64(scales) }, rounded))
    }
}
