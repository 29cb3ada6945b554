//! The pictures that a run leaves in its folder.

use super::Trainer;
use crate::data::{self, Images};
use crate::image::{self, GridOptions};
use crate::infer::Inference;
use crate::run::config::Model;
use crate::run::{metrics, plot};
use crate::{Error, Result, sample};

/// Drawings of a figure.
const DRAWINGS: usize = 40;
/// Drawings side by side.
const COLUMNS: usize = 10;

impl Trainer {
    /// Curves, reconstructions and samples as PNG. A classifier has curves alone.
    pub(super) fn figures(&self) -> Result<()> {
        plot::save_figures(self.folder.path(), &self.config, &metrics::read(self.folder.metrics())?)?;
        if self.config.model == Model::Classifier {
            return Ok(());
        }
        let mut inference = Inference::new(self.network.clone(), self.config.threads);
        self.reconstructions(&mut inference)?;
        if self.config.model.is_vae() {
            self.samples(&mut inference)?;
        }
        Ok(())
    }

    fn reconstructions(&self, inference: &mut Inference) -> Result<()> {
        let source = if self.dataset.test.is_empty() { &self.dataset.train } else { &self.dataset.test };
        let count = DRAWINGS.min(source.len());
        let mut originals = vec![0.0; count * data::PIXELS];
        source.gather(&(0..count).collect::<Vec<_>>(), &mut originals);
        let images = Images::from_f32(originals.clone()).map_err(|problem| Error::input("data", problem))?;
        let labels = inference.network().sees_classes().then(|| &source.labels[..count]);
        let reconstructed = inference.reconstruct(&images, labels)?;
        image::pairs_grid(&originals, &reconstructed, COLUMNS, &GridOptions::default())
            .save_png(self.folder.file("reconstructions.png"))
    }

    /// Drawings of latents from the prior; of a network that sees classes a row a class, the same latents in each.
    fn samples(&self, inference: &mut Inference) -> Result<()> {
        let network = inference.network();
        let (width, seed) = (network.latent()?, self.config.seed);
        let names: Vec<&str> = self.config.classes.iter().map(String::as_str).collect();
        let (images, row_labels) = if network.sees_classes() {
            let latents = sample::prior(COLUMNS, width, seed).repeat(names.len());
            let labels: Vec<usize> = (0..names.len() * COLUMNS).map(|i| i / COLUMNS).collect();
            (inference.decode(&latents, Some(&labels))?, &names[..])
        } else {
            (inference.decode(&sample::prior(DRAWINGS, width, seed), None)?, &[][..])
        };
        let options = GridOptions { row_labels, ..GridOptions::default() };
        image::grid(&images, COLUMNS, &options).save_png(self.folder.file("samples.png"))
    }
}
