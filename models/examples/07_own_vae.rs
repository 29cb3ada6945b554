//! A variational autoencoder of your own, for 32×32 pictures in colour: trained, resumed, sampled.
//!
//!     cargo run --release -p inkgrad-models --example 07_own_vae
//!
//! `impl Model` is all that trainer, checkpoints, curves and samples need; `tests/outside` is a crate that hands a
//! convolutional one to the whole command line, with its report.

use inkgrad_engine::nn::Linear;
use inkgrad_engine::{Float, Params, Tape};
use inkgrad_models::data::{Dataset, Extents, Images, Origin, Pixels, Examples, write_course};
use inkgrad_models::model::{Decoding, Encoding, Kind, Model, ModelOption, Training};
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::trainer::Trainer;
use inkgrad_models::{Models, Result};

#[derive(Debug)]
struct ColourVae {
    image: Extents,
    latent: usize,
    encoder: Linear,
    heads: [Linear; 2],
    decoder: [Linear; 2],
}

impl Model for ColourVae {
    const NAME: &'static str = "colour-vae";
    const SUMMARY: &'static str = "two layers to a latent, two back";
    const OPTIONS: &'static [ModelOption] = &[ModelOption {
        name: "latent",
        help: "numbers of a latent",
        kind: Kind::Whole { default: 8, least: 1, most: 512 },
    }];

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, latent) = (config.image, config.whole("latent"));
        let encoder = Linear::new(params, "encoder", image.len(), 128);
        let heads = ["mu", "logvar"].map(|name| Linear::new(params, name, 128, latent));
        let decoder = [("decoder", latent, 128), ("pixels", 128, image.len())];
        let decoder = decoder.map(|(name, inputs, outputs)| Linear::new(params, name, inputs, outputs));
        Ok(ColourVae { image, latent, encoder, heads, decoder })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Some(Encoding { images, mu, logvar: Some(logvar), .. }) = self.encoding(tape, batch)? else {
            unreachable!()
        };
        let z = tape.reparameterize(mu, logvar)?;
        let hidden = self.decoder[0].forward_relu(tape, z)?;
        let logits = self.decoder[1].forward(tape, hidden)?;
        let targets = tape.flatten(images);
        let (bce, kl) = (tape.bce_with_logits(logits, targets)?, tape.gaussian_kl(mu, logvar)?);
        let loss = tape.add(bce, kl)?;
        Ok(Training::sum(images, loss, batch).term("bce", bce).term("kl", kl))
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let images = tape.input("images", self.image.batch(batch)); // (B, 32, 32, 3)
        let x = tape.flatten(images);
        let x = self.encoder.forward_relu(tape, x)?;
        let (mu, logvar) = (self.heads[0].forward(tape, x)?, self.heads[1].forward(tape, x)?);
        Ok(Some(Encoding { images, labels: None, mu, logvar: Some(logvar) }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, self.latent]);
        let hidden = self.decoder[0].forward_relu(tape, latents)?;
        let logits = self.decoder[1].forward(tape, hidden)?;
        let pixels = tape.sigmoid(logits)?;
        Ok(Some(Decoding { latents, labels: None, images: tape.reshape(pixels, self.image.batch(batch))? }))
    }
}

/// Discs on black, each of one of six colours and at a place of its own.
fn discs(n: usize) -> Examples {
    let extents = Extents { height: 32, width: 32, channels: 3 };
    let value = |i: usize, y: usize, x: usize, channel: usize| {
        let (angle, hue) = (i as f32 * 0.7, i as f32 * 0.37 + channel as f32 * 2.1);
        let (dy, dx) = (y as f32 - 16.0 - 6.0 * angle.sin(), x as f32 - 16.0 - 6.0 * angle.cos());
        if dy * dy + dx * dx < 64.0 { 255 * u8::from(hue.cos() > 0.0) } else { 0 }
    };
    let pixels = (0..n * extents.len()).map(|at| value(at / 3072, at / 96 % 32, at / 3 % 32, at % 3)).collect();
    Examples { images: Images::new(extents, Pixels::U8(pixels)).expect("whole pictures"), labels: vec![0; n] }
}

fn main() -> Result<()> {
    let root = std::env::temp_dir().join(format!("inkgrad-own-vae-{}", std::process::id()));
    let (classes, origin) = (vec!["disc".to_owned()], Origin::Builtin { seed: 0 });
    let dataset = Dataset { name: "discs".into(), classes, train: discs(512), test: discs(40), origin };
    write_course(&dataset, root.join("discs"))?;

    let models = Models::builtin().with::<ColourVae>();
    let data = root.join("discs").display().to_string();
    let config = Config { data, epochs: Some(20), batch_size: 16, ..models.defaults(ColourVae::NAME)? };
    Trainer::start(&models, config, &root.join("run"), false)?.0.run(&mut ())?;
    // Another twenty epochs, from the checkpoint.
    let longer = Overrides { epochs: Some(40), ..Overrides::default() };
    let mut resumed = Trainer::resume(&models, &root.join("run"), &longer)?;
    println!("resumed at step {} of {}", resumed.steps_done(), resumed.total_steps());
    resumed.run(&mut ())?;

    let records = inkgrad_models::run::records::read(resumed.folder().metrics())?;
    let (first, last) = (&records[0], &records[records.len() - 1]);
    println!("loss per picture: {:.1} after the first epoch, {:.1} on test pictures at the end", first.loss, last.loss);
    assert!(last.loss < first.loss / 2.0);
    println!("samples, reconstructions and curves: {}", resumed.folder().path().display());
    Ok(())
}
