//! The same by several ranks, each whole batches of the rows. All get all, to the last bit what one process gets.

use std::ops::Range;

use super::{Inference, Latents};
use crate::activations::Activations;
use crate::data::Images;
use crate::ranks::{Ranks, deal_rows};
use crate::{Result, memory};

impl Inference {
    /// [`Inference::encode`] by several ranks.
    ///
    /// # Errors
    /// As [`Inference::encode`], of whichever rank.
    pub fn encode_among(&mut self, images: &Images, labels: Option<&[usize]>, ranks: &dyn Ranks) -> Result<Latents> {
        if ranks.size() == 1 {
            return self.encode(images, labels);
        }
        let width = self.network().latent()?;
        // A rank without rows does not see whether there are log-variances: each row says so.
        let [mu, logvar, there] = deal_rows(ranks, images.len(), [width, width, 1], |rows| {
            let Latents { mu, logvar, .. } = self.encode(&images.part(&rows), part_of(labels, &rows))?;
            let there = vec![f32::from(u8::from(logvar.is_some())); rows.len()];
            let logvar = logvar.unwrap_or_else(|| vec![0.0; mu.len()]);
            Ok([mu, logvar, there])
        })?;
        Ok(Latents { width, mu, logvar: (there.first() == Some(&1.0)).then_some(logvar) })
    }

    /// [`Inference::decode`] by several ranks.
    ///
    /// # Errors
    /// As [`Inference::decode`], of whichever rank.
    pub fn decode_among(&mut self, latents: &[f32], labels: Option<&[usize]>, ranks: &dyn Ranks) -> Result<Vec<f32>> {
        let (width, values) = (self.network().latent()?, self.network().image().len());
        if ranks.size() == 1 || !latents.len().is_multiple_of(width) {
            return self.decode(latents, labels);
        }
        let n = latents.len() / width;
        let [images] = deal_rows(ranks, n, [values], |rows| {
            memory::check((n * values * size_of::<f32>()) as u64, format_args!("{n} drawings"))?;
            Ok([self.decode(&latents[rows.start * width..rows.end * width], part_of(labels, &rows))?])
        })?;
        Ok(images)
    }

    /// [`Inference::features`] by several ranks.
    ///
    /// # Errors
    /// As [`Inference::features`], of whichever rank.
    pub fn features_among(&mut self, images: &Images, ranks: &dyn Ranks) -> Result<Activations> {
        let (width, classes) = (self.network().features()?, self.network().classes());
        let [values, logits] = deal_rows(ranks, images.len(), [width, classes], |rows| {
            let Activations { values, logits, .. } = self.features(&images.part(&rows))?;
            Ok([values, logits])
        })?;
        Ok(Activations { width, values, logits })
    }
}

/// The labels of some neighbouring rows; of too few those that there are, which is refused.
fn part_of<'a>(labels: Option<&'a [usize]>, rows: &Range<usize>) -> Option<&'a [usize]> {
    labels.map(|labels| labels.get(rows.clone()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::builtin;
    use crate::prelude::*;
    use crate::ranks::threads;
    use crate::sample;

    #[test]
    fn rows_are_the_same_whoever_makes_them() {
        let (data, models) = (builtin(300, 1).unwrap(), Models::builtin());
        let (images, labels) = (&data.train.images, &data.train.labels[..]);
        let of = |model: &str| {
            let config = Config { classes: data.classes.clone(), ..models.defaults(model).unwrap() };
            let mut network = models.build(&config).unwrap();
            network.initialise(42);
            Inference::new(network, 1)
        };
        for model in ["cvae", "cnn-ae"] {
            let mut alone = of(model);
            let seen = Some(labels).filter(|_| alone.network().sees_classes());
            let to_encoder = seen.filter(|_| alone.network().encoder_sees_classes());
            let z = sample::prior(images.len(), alone.network().latent().unwrap(), 7);
            let expected = (alone.encode(images, to_encoder).unwrap(), alone.decode(&z, seen).unwrap());
            for ranks in [1, 2, 3] {
                let found = threads::run(ranks, |rank| {
                    let mut inference = of(model);
                    let latents = inference.encode_among(images, to_encoder, &rank).unwrap();
                    (latents, inference.decode_among(&z, seen, &rank).unwrap())
                });
                assert!(found.iter().all(|found| *found == expected), "{model}, {ranks} ranks");
            }
        }
        let expected = of("classifier").features(images).unwrap();
        for ranks in [1, 2, 3] {
            let found = threads::run(ranks, |rank| of("classifier").features_among(images, &rank).unwrap());
            assert!(found.iter().all(|found| *found == expected), "{ranks} ranks");
        }
    }

    #[test]
    fn a_label_that_lacks_is_an_error_of_all() {
        let (data, models) = (builtin(300, 1).unwrap(), Models::builtin());
        let config = Config { classes: data.classes.clone(), ..models.defaults("cvae").unwrap() };
        let network = models.build(&config).unwrap();
        let z = sample::prior(data.train.len(), network.latent().unwrap(), 7);
        let labels = &data.train.labels[..data.train.len() - 1];
        let failed = threads::run(2, |rank| {
            let mut inference = Inference::new(network.clone(), 1);
            inference.decode_among(&z, Some(labels), &rank).is_err()
        });
        assert_eq!(failed, [true; 2]);
    }
}
