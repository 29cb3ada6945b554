//! A fitted sampler in the folder of its run.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Aggregate, Codes, Density, Fitted, Mixture, Sampler};
use crate::run::checkpoint::{Tensors, load_tensors, save_with_sum};
use crate::{Error, Result};

/// The newest layout of the file. Files of the first had no checksum.
const FORMAT: u32 = 2;

/// All that a fitted sampler depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The sampler.
    pub sampler: Sampler,
    /// The SHA-256 of the network's weights.
    pub weights_sha256: String,
    /// The fingerprint of the data whose latents it is fitted on.
    pub data_sha256: String,
    /// Where its randomness starts.
    pub seed: u64,
}

impl Source {
    /// The name of its file in a run's folder; each of a run's weights has its own.
    pub fn file_name(&self) -> String {
        let name = self.sampler.to_string().replace(':', "-");
        format!("sampler-{name}-{:.8}.safetensors", self.weights_sha256)
    }

    fn metadata(&self) -> [(&'static str, String); 5] {
        [
            ("format", FORMAT.to_string()),
            ("sampler", self.sampler.to_string()),
            ("weights_sha256", self.weights_sha256.clone()),
            ("data_sha256", self.data_sha256.clone()),
            ("seed", self.seed.to_string()),
        ]
    }
}

impl Fitted {
    /// Writes it to `path`, atomically.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path, source: &Source) -> Result<()> {
        let mut metadata: BTreeMap<String, String> =
            source.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        metadata.insert("drawings".to_owned(), self.drawings.to_string());
        metadata.insert("densities".to_owned(), self.densities.len().to_string());
        let mut tensors: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
        let d = self.width;
        for (i, density) in self.densities.iter().enumerate() {
            let mut add =
                |name: &str, shape: &[usize], values| tensors.push((format!("{i}.{name}"), shape.to_vec(), values));
            match density {
                Density::Mixture(Mixture { weights, means, factors, .. }) => {
                    let k = weights.len();
                    add("weights", &[k], weights);
                    add("means", &[k, d], means);
                    add("factors", &[k, d, d], factors);
                }
                Density::Codes(codes) => {
                    let met = codes.codes.len() / codes.width;
                    add("codes", &[met, codes.width], &codes.codes);
                    add("shares", &[d / codes.width, met], &codes.shares);
                }
                Density::Aggregate(Aggregate { centres, spread, factor, .. }) => {
                    let n = centres.len() / d;
                    add("centres", &[n, d], centres);
                    if spread.is_empty() {
                        add("factor", &[d, d], factor);
                    } else {
                        add("spread", &[n, d], spread);
                    }
                }
            }
        }
        let tensors: Vec<(&str, &[usize], &[f32])> =
            tensors.iter().map(|(name, shape, values)| (name.as_str(), &shape[..], *values)).collect();
        save_with_sum(path, &tensors, metadata)
    }

    /// Reads one of `densities` densities of `width` dimensions: one of all latents, or one of each class. `None` where the file is of
    /// other weights, other data or another seed.
    ///
    /// # Errors
    /// If it cannot be read, or is not what [`Fitted::save`] wrote.
    pub fn load(path: &Path, source: &Source, width: usize, densities: usize) -> Result<Option<Self>> {
        let tensors = load_tensors(path)?;
        tensors.check_format(FORMAT)?;
        if source.metadata().iter().any(|(key, value)| tensors.metadata(key) != Some(value)) {
            return Ok(None);
        }
        tensors.check_sum()?;
        let (drawings, count): (usize, usize) = (tensors.parse("drawings")?, tensors.parse("densities")?);
        if count != densities {
            return Err(Error::input(path.display(), format!("{count} densities, expected {densities}")));
        }
        let densities = (0..count).map(|i| density(&tensors, i, source.sampler, width));
        let densities: Result<Vec<Density>> = densities.collect();
        let densities = densities.map_err(|error| error.at(path.display()))?;
        Ok(Some(Fitted { sampler: source.sampler, width, drawings, densities }))
    }
}

/// The density number `i` of a file.
fn density(tensors: &Tensors, i: usize, sampler: Sampler, width: usize) -> Result<Density> {
    let values = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
        let name = format!("{i}.{name}");
        let tensor = tensors.get(&name)?;
        let good = tensor.shape == shape && tensor.values.iter().all(|value| value.is_finite());
        let problem = || format!("{name} is {:?}, expected finite values of {shape:?}", tensor.shape);
        if good { Ok(tensor.values.clone()) } else { Err(Error::input("sampler", problem())) }
    };
    match sampler {
        Sampler::Prior | Sampler::Vamp => Err(Error::input("sampler", format!("{sampler}, which has no file"))),
        Sampler::Gmm(k, _) => Ok(Density::Mixture(Mixture {
            width,
            weights: values("weights", &[k])?,
            means: values("means", &[k, width])?,
            factors: values("factors", &[k, width, width])?,
        })),
        Sampler::Codes => {
            let shape = &tensors.get(&format!("{i}.codes"))?.shape;
            let (met, code) = match shape[..] {
                [met, code] if met > 0 && code > 0 && width.is_multiple_of(code) => (met, code),
                _ => {
                    let problem = format!("{i}.codes is {shape:?}, expected (M, D) with D a divisor of {width}");
                    return Err(Error::input("sampler", problem));
                }
            };
            let (codes, shares) = (values("codes", &[met, code])?, values("shares", &[width / code, met])?);
            Ok(Density::Codes(Codes { width: code, codes, shares }))
        }
        Sampler::Aggregate => {
            let n = tensors.get(&format!("{i}.centres"))?.shape.first().copied().unwrap_or(0);
            if n == 0 {
                return Err(Error::input("sampler", format!("{i}.centres is empty, expected latents")));
            }
            let centres = values("centres", &[n, width])?;
            let (spread, factor) = match tensors.get(&format!("{i}.spread")) {
                Ok(_) => (values("spread", &[n, width])?, Vec::new()),
                Err(_) => (Vec::new(), values("factor", &[width, width])?),
            };
            Ok(Density::Aggregate(Aggregate { width, centres, spread, factor }))
        }
    }
}
