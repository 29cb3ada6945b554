//! The pictures that a run leaves in its folder.

use super::Trainer;
use crate::Result;
use crate::image::{self, GridOptions, Picture, Png};
use crate::infer::Inference;
use crate::run::{plot, records};
use crate::sampler::Fitted;

/// Drawings of a figure.
const DRAWINGS: usize = 40;
/// Drawings side by side.
const COLUMNS: usize = 10;
/// The most classes that have a row of samples.
const ROWS: usize = 40;

/// Drawings of a network, as a picture and as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// With its titles.
    pub picture: Picture,
    /// (N, height, width, channels) in [0, 1]; reconstructions each behind their original.
    pub values: Vec<f32>,
    /// Drawings of a row, where rows have a meaning.
    pub columns: Option<usize>,
    /// Drawings that belong together: 2 of originals and reconstructions, else 1.
    pub together: usize,
}

impl Trainer {
    /// Curves, reconstructions and samples as PNG, and latents for TensorBoard's projector. A classifier has curves alone.
    pub(super) fn figures(&mut self) -> Result<()> {
        self.folder.check_in_place()?;
        let records = records::read(self.folder.metrics())?;
        plot::save_figures(self.folder.path(), self.network.spec(), &self.config, &records)?;
        let folder = &self.folder;
        self.write_projector()?;
        // Reconstructions are the first and come last: see [`Trainer::is_complete`].
        let pictures = match self.drawn.take() {
            Some((step, pictures)) if step == self.step => pictures,
            _ => self.pictures()?,
        };
        pictures.iter().rev().try_for_each(|(name, picture)| picture.save(folder.file(&format!("{name}.png"))))
    }

    /// Whether all steps are done and the last file that a run writes is there: a process that died between the last step and the
    /// last figure leaves the others to the next.
    pub fn is_complete(&self) -> bool {
        let last = if self.network.is_autoencoder() { "reconstructions.png" } else { "accuracy.png" };
        self.steps_done() == self.total_steps() && self.folder.file(last).exists()
    }

    /// Drawings of the network in its present state: reconstructions, and samples of a variational one; nothing of a
    /// classifier. One thread draws these few, so that it may be done between two steps.
    pub(super) fn pictures(&self) -> Result<Vec<(&'static str, Png)>> {
        let mut pictures = Vec::new();
        if self.network.is_autoencoder() {
            let mut inference = Inference::new(self.network.clone(), 1);
            pictures.push(("reconstructions", self.reconstructions(&mut inference)?.picture.encode()?));
            if self.network.has_prior() {
                pictures.push(("samples", self.samples(&mut inference)?.picture.encode()?));
            }
        }
        Ok(pictures)
    }

    /// The drawings that a person looks at first: samples of a network with a prior, else reconstructions; `None` of a classifier.
    ///
    /// # Errors
    /// If drawings cannot be read, or the network has numbers that are not finite.
    pub fn drawn(&self) -> Result<Option<Drawn>> {
        if !self.network.is_autoencoder() {
            return Ok(None);
        }
        let mut inference = Inference::new(self.network.clone(), 1);
        let drawn = match self.network.has_prior() {
            true => self.samples(&mut inference)?,
            false => self.reconstructions(&mut inference)?,
        };
        Ok(Some(drawn))
    }

    fn reconstructions(&self, inference: &mut Inference) -> Result<Drawn> {
        let (source, which) = self.dataset.examined();
        let count = DRAWINGS.min(source.len());
        let first = source.take(&(0..count).collect::<Vec<_>>())?;
        let labels = inference.network().sees_classes().then_some(&first.labels[..]);
        let reconstructed = inference.reconstruct(&first.images, labels)?;
        let originals = first.images.values();
        let picture = image::pairs_grid(
            &originals,
            &reconstructed,
            COLUMNS,
            &GridOptions {
                image: self.config.image,
                title: &format!("{}: reconstructions", self.config.label()),
                caption: &format!("the first {count} {which} drawings, {}", self.state()),
                ..GridOptions::default()
            },
        );
        let values = image::interleaved(&originals, &reconstructed, self.config.image);
        Ok(Drawn { picture, values, columns: None, together: 2 })
    }

    /// Drawings of latents from the prior; of a network that sees classes a row a class, the
    /// same latents in each, of the first 40 classes.
    fn samples(&self, inference: &mut Inference) -> Result<Drawn> {
        let network = inference.network();
        let seed = self.config.seed;
        let labels = rows(&self.config.classes);
        let names: Vec<&str> = labels.iter().map(String::as_str).collect();
        let sees_classes = network.sees_classes();
        let prior = Fitted::prior(inference)?;
        let (images, row_labels) = if sees_classes {
            let latents = prior.draw(COLUMNS, None, seed).repeat(names.len());
            let labels: Vec<usize> = (0..names.len() * COLUMNS).map(|i| i / COLUMNS).collect();
            (inference.decode(&latents, Some(&labels))?, &names[..])
        } else {
            (inference.decode(&prior.draw(DRAWINGS, None, seed), None)?, &[][..])
        };
        let options = GridOptions {
            image: self.config.image,
            row_labels,
            title: &format!("{}: samples", self.config.label()),
            caption: &format!("{}, seed {seed}, {}", prior.describe(), self.state()),
            ..GridOptions::default()
        };
        let picture = image::grid(&images, COLUMNS, &options);
        Ok(Drawn { picture, values: images, columns: sees_classes.then_some(COLUMNS), together: 1 })
    }

    /// The state that a picture is of.
    fn state(&self) -> String {
        format!("step {} of {}", self.steps_done(), self.total_steps())
    }
}

/// The labels of the classes that have a row: where they are not all, the last says so.
fn rows(classes: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = classes.iter().take(ROWS).cloned().collect();
    if let Some(last) = labels.last_mut().filter(|_| classes.len() > ROWS) {
        *last = format!("{last} ({ROWS} of {} classes)", classes.len());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_at_most_40_rows_and_says_so() {
        let classes: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        assert_eq!(rows(&classes[..40]), &classes[..40]);
        let labels = rows(&classes);
        assert_eq!((labels.len(), labels[38].as_str(), labels[39].as_str()), (40, "38", "39 (40 of 1000 classes)"));
        assert!(rows(&[]).is_empty());
    }
}
