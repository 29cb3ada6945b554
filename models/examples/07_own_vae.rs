//! A variational autoencoder of your own, for 32×32 pictures in colour: trained, resumed, sampled. `tests/outside` is a crate
//! that hands such a model to the whole command line, with its report.
//!
//!     cargo run --release -p inkgrad-models --example 07_own_vae

use inkgrad_models::prelude::*;

#[derive(Debug)]
struct ColourVae {
    image: Extents,
    latent: usize,
    encoder: nn::Mlp,
    decoder: nn::Mlp,
}

impl Model for ColourVae {
    const NAME: &'static str = "colour-vae";
    const SUMMARY: &'static str = "two layers to a latent, two back";
    const OPTIONS: &'static [ModelOption] = &[ModelOption::whole("latent", "numbers of a latent", 8, 1..=512)];

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, latent) = (config.image, config.whole("latent"));
        let encoder = nn::Mlp::new(params, "encoder", &[image.len(), 128, 2 * latent]); // μ beside log σ²
        let decoder = nn::Mlp::new(params, "decoder", &[latent, 128, image.len()]);
        Ok(ColourVae { image, latent, encoder, decoder })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Encoding { images, mu, logvar, .. } = self.encoding(tape, batch)?.expect("an encoder, see below");
        let logvar = logvar.expect("log σ² beside μ");
        let z = tape.reparameterize(mu, logvar)?;
        let logits = self.decoder.forward(tape, z)?;
        let targets = tape.flatten(images);
        let (bce, kl) = (tape.bce_with_logits(logits, targets)?, tape.gaussian_kl(mu, logvar)?);
        let loss = tape.add(bce, kl)?;
        Ok(Training::sum(images, loss, batch).term("bce", bce).term("kl", kl))
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let images = tape.input("images", self.image.batch(batch)); // (B, 32, 32, 3)
        let heads = self.encoder.forward(tape, images)?;
        let [mu, logvar] = tape.chunk(heads, 1)?;
        Ok(Some(Encoding { images, labels: None, mu, logvar: Some(logvar) }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, self.latent]);
        let logits = self.decoder.forward(tape, latents)?;
        let pixels = tape.sigmoid(logits)?;
        Ok(Some(Decoding { latents, labels: None, images: tape.reshape(pixels, self.image.batch(batch))? }))
    }
}

/// Discs on black, each of one of six colours and at a place of its own.
fn discs(n: usize) -> Images {
    Images::from_fn([32, 32, 3], n, |i, y, x, channel| {
        let (angle, hue) = (i as f32 * 0.7, i as f32 * 0.37 + channel as f32 * 2.1);
        let (dy, dx) = (y as f32 - 16.0 - 6.0 * angle.sin(), x as f32 - 16.0 - 6.0 * angle.cos());
        if dy * dy + dx * dx < 64.0 && hue.cos() > 0.0 { 255 } else { 0 }
    })
}

fn main() -> Result<()> {
    let root = std::env::temp_dir().join(format!("inkgrad-own-vae-{}", std::process::id()));
    let (data, run) = (root.join("discs").display().to_string(), root.join("run"));
    write_course(&Dataset::unlabelled("discs", discs(512), discs(40))?, &data)?;
    let models = Models::builtin().with::<ColourVae>();
    let config = Config { data, epochs: Some(20), batch_size: 16, ..models.defaults(ColourVae::NAME)? };
    Trainer::start(&models, config, &run, false)?.0.run(&mut ())?;
    let mut resumed = Trainer::resume(&models, &run, &Overrides { epochs: Some(40), ..Overrides::default() })?;
    println!("resumed at step {} of {}", resumed.steps_done(), resumed.total_steps());
    resumed.run(&mut ())?;
    let records = resumed.records()?;
    let (first, last) = (&records[0], &records[records.len() - 1]);
    println!("loss per picture: {:.1} after the first epoch, {:.1} on test pictures at the end", first.loss, last.loss);
    assert!(last.loss < first.loss / 2.0);
    println!("samples, reconstructions and curves: {}", resumed.folder().path().display());
    Ok(())
}
