//! Latents for TensorBoard: how they are distributed, and at the end of a sitting an embedding with its drawings for the projector.
//!
//! The projector looks for `projector_config.pbtxt` in the folder of the events
//! (`tensorboard/plugins/projector/projector_config.proto`), which names a table of vectors, one of labels, and a sprite: all
//! drawings in one square picture, row by row in the order of the vectors.

use std::fs;
use std::io::{self, Write};

use super::Trainer;
use crate::data::Examples;
use crate::image::{GridOptions, grid};
use crate::infer::{Inference, Latents};
use crate::run::atomic;
use crate::run::histogram::Histogram;
use crate::run::tensorboard::EventFile;
use crate::{Error, Result};

/// Drawings of an embedding: enough for a cloud to look at, and a sprite that browsers take.
const EMBEDDED: usize = 500;
/// Drawings of a histogram, which is made between two steps.
const COUNTED: usize = 128;

/// The files.
const CONFIG: &str = "projector_config.pbtxt";
const VECTORS: &str = "latents.tsv";
const LABELS: &str = "latents-classes.tsv";
const SPRITE: &str = "latents-sprite.png";

/// The first line of ours, a comment: other programs leave files of the same name in folders of events.
const OURS: &str = "# By inkgrad: latents of drawings, for TensorBoard's projector.";

impl Trainer {
    /// The first `n` test drawings, or training drawings where there are no others, with their latents; `None` of a classifier.
    fn coded(&self, n: usize) -> Result<Option<(Examples, Latents)>> {
        if !self.network.is_autoencoder() {
            return Ok(None);
        }
        let (source, _) = self.dataset.examined();
        let first = source.take(&(0..n.min(source.len())).collect::<Vec<_>>())?;
        let labels = self.network.encoder_sees_classes().then_some(&first.labels[..]);
        let latents = Inference::new(self.network.clone(), 1).encode(&first.images, labels)?;
        Ok(Some((first, latents)))
    }

    /// Appends how latents of drawings are distributed over all dimensions: their means, and of a VAE their deviations.
    pub(super) fn write_latents(&self, events: &mut EventFile) -> Result<()> {
        let Some((_, latents)) = self.coded(COUNTED)? else { return Ok(()) };
        let (mean, deviation) =
            (Histogram::of(&latents.mu), latents.spread().and_then(|spread| Histogram::of(&spread)));
        for (tag, histogram) in [("latents/mean", mean), ("latents/deviation", deviation)] {
            if let Some(histogram) = histogram {
                events.histogram(self.step, tag, &histogram)?;
            }
        }
        Ok(())
    }

    /// Leaves the embedding in the run's folder, unless it would take the place of somebody else's. Its configuration comes first: it
    /// tells the next sitting whose the tables are, should this one end between them.
    pub(super) fn write_projector(&self) -> Result<()> {
        if !self.may_write_projector()? {
            return Ok(());
        }
        let Some((drawings, Latents { width, mu, .. })) = self.coded(EMBEDDED)? else { return Ok(()) };
        let (n, image) = (drawings.len(), self.config.image);
        let (across, down) = (image.width, image.height);
        atomic::write(self.folder.file(CONFIG), |file| {
            write!(
                file,
                "{OURS}\n\
                 embeddings {{\n\
                 \x20 tensor_name: \"latents\"\n\
                 \x20 tensor_shape: {n}\n\
                 \x20 tensor_shape: {width}\n\
                 \x20 tensor_path: \"{VECTORS}\"\n\
                 \x20 metadata_path: \"{LABELS}\"\n\
                 \x20 sprite {{\n\
                 \x20   image_path: \"{SPRITE}\"\n\
                 \x20   single_image_dim: {across}\n\
                 \x20   single_image_dim: {down}\n\
                 \x20 }}\n\
                 }}\n"
            )
        })?;
        atomic::write(self.folder.file(VECTORS), |file| {
            mu.chunks_exact(width).try_for_each(|latent| writeln!(file, "{}", row(latent)))
        })?;
        atomic::write(self.folder.file(LABELS), |file| {
            drawings.labels.iter().try_for_each(|&label| writeln!(file, "{}", one_line(&self.config.classes[label])))
        })?;
        let side = (n as f64).sqrt().ceil() as usize;
        let mut values = drawings.images.values();
        values.resize(side * side * image.len(), 0.0);
        let options = GridOptions { image, scale: 1, gap: 0, ..GridOptions::default() };
        grid(&values, side, &options).save_png(self.folder.file(SPRITE))
    }

    /// Whether what is there is ours, or nothing is there.
    fn may_write_projector(&self) -> Result<bool> {
        let place = self.folder.file(CONFIG);
        match fs::read(&place) {
            Ok(found) => Ok(found.starts_with(OURS.as_bytes())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok([VECTORS, LABELS, SPRITE].iter().all(|name| !self.folder.file(name).exists()))
            }
            Err(error) => Err(Error::io(place)(error)),
        }
    }
}

/// A row of a table.
fn row(latent: &[f32]) -> String {
    latent.iter().map(f32::to_string).collect::<Vec<_>>().join("\t")
}

/// A class's name as a table of one column can hold it.
fn one_line(name: &str) -> String {
    let shown: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // An empty line would be no row.
    if shown.trim().is_empty() { "(no name)".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_their_lines() {
        assert_eq!(["cat", "ice\tcream\n", " ", ""].map(one_line), ["cat", "ice cream ", "(no name)", "(no name)"]);
        assert_eq!(row(&[0.5, -1e-7, 3.0]), "0.5\t-0.0000001\t3");
    }
}
