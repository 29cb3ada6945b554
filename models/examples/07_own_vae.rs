//! A variational autoencoder of your own, for 32×32 pictures in colour: trained, interrupted, resumed bit for bit, sampled.
//!
//!     cargo run --release -p inkgrad-models --example 07_own_vae
//!
//! Forty lines make it a model; trainer, checkpoints, curves and samples come with that. `tests/outside` hands one to the
//! whole command line, with its report.

use std::cell::Cell;
use std::f32::consts::TAU;

use inkgrad_engine::nn::{Conv2d, ConvTranspose2d, Linear};
use inkgrad_engine::{Float, Params, Tape, Tensor};
use inkgrad_models::data::{Dataset, Extents, Images, Origin, Pixels, Split, write_course};
use inkgrad_models::model::{Decoding, Encoding, Kind, Model, ModelOption, Training};
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::trainer::{Observer, Outcome, Progress, Trainer};
use inkgrad_models::{Models, Result};

#[derive(Debug)]
struct ColourVae {
    image: Extents,
    latent: usize,
    conv1: Conv2d,
    conv2: Conv2d,
    heads: [Linear; 2],
    fc: Linear,
    deconv1: ConvTranspose2d,
    deconv2: ConvTranspose2d,
}

impl Model for ColourVae {
    const NAME: &'static str = "colour-vae";
    const SUMMARY: &'static str = "two convolutions to a latent, two transposed ones back";
    const OPTIONS: &'static [ModelOption] = &[ModelOption {
        name: "latent",
        help: "numbers of a latent",
        kind: Kind::Whole { default: 8, least: 1, most: 512 },
    }];

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, latent) = (config.image, config.whole("latent"));
        let features = 32 * (image.height / 4) * (image.width / 4);
        Ok(ColourVae {
            image,
            latent,
            conv1: Conv2d::new(params, "conv1", (image.channels, 16), 3, 2, 1),
            conv2: Conv2d::new(params, "conv2", (16, 32), 3, 2, 1),
            heads: ["mu", "logvar"].map(|name| Linear::new(params, name, features, latent)),
            fc: Linear::new(params, "fc", latent, features),
            deconv1: ConvTranspose2d::new(params, "deconv1", (32, 16), 4, 2, 1, 0),
            deconv2: ConvTranspose2d::new(params, "deconv2", (16, image.channels), 4, 2, 1, 0),
        })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Encoding { images, mu, logvar, .. } = self.encode(tape, batch)?;
        let logvar = logvar.expect("a VAE's");
        let z = tape.reparameterize(mu, logvar)?;
        let logits = self.logits(tape, z)?;
        let (bce, kl) = (tape.bce_with_logits(logits, images)?, tape.gaussian_kl(mu, logvar)?);
        let loss = tape.add(bce, kl)?;
        Ok(Training::sum(images, loss, batch).term("bce", bce).term("kl", kl))
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        self.encode(tape, batch).map(Some)
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, self.latent]);
        let logits = self.logits(tape, latents)?;
        Ok(Some(Decoding { latents, labels: None, images: tape.sigmoid(logits)? }))
    }
}

impl ColourVae {
    fn encode<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Encoding> {
        let images = tape.input("images", self.image.batch(batch)); // (B, 32, 32, 3)
        let x = self.conv1.forward_relu(tape, images)?;
        let x = self.conv2.forward_relu(tape, x)?; // (B, 8, 8, 32)
        let x = tape.flatten(x);
        let [mu, logvar] = &self.heads;
        Ok(Encoding { images, labels: None, mu: mu.forward(tape, x)?, logvar: Some(logvar.forward(tape, x)?) })
    }

    fn logits<T: Float>(&self, tape: &mut Tape<T>, z: Tensor) -> Result<Tensor> {
        let x = self.fc.forward_relu(tape, z)?;
        let x = tape.reshape(x, [tape.shape(z).first(), self.image.height / 4, self.image.width / 4, 32])?;
        let x = self.deconv1.forward_relu(tape, x)?;
        Ok(self.deconv2.forward(tape, x)?)
    }
}

/// Discs on black, each of one of six colours and at a place of its own.
fn discs(n: usize) -> Split {
    let extents = Extents { height: 32, width: 32, channels: 3 };
    let value = |i: usize, y: usize, x: usize, channel: usize| {
        let (angle, hue) = (i as f32 * 0.7, i as f32 * 0.37 + channel as f32 * TAU / 3.0);
        let (dy, dx) = (y as f32 - 16.0 - 6.0 * angle.sin(), x as f32 - 16.0 - 6.0 * angle.cos());
        if dy * dy + dx * dx < 64.0 { 255 * u8::from(hue.cos() > 0.0) } else { 0 }
    };
    let pixels = (0..n * extents.len()).map(|at| value(at / 3072, at / 96 % 32, at / 3 % 32, at % 3)).collect();
    let images = Images::new(extents, Pixels::U8(pixels)).expect("whole pictures");
    Split { labels: vec![0; images.len()], images }
}

/// Stops a run after so many steps, as Ctrl-C would.
struct StopAfter(u64, Cell<u64>);

impl Observer for StopAfter {
    fn step(&mut self, progress: &Progress) {
        self.1.set(progress.step);
    }

    fn stop(&self) -> bool {
        self.1.get() >= self.0
    }
}

fn main() -> Result<()> {
    let root = std::env::temp_dir().join(format!("inkgrad-own-vae-{}", std::process::id()));
    let data = root.join("discs");
    let (classes, origin) = (vec!["disc".to_owned()], Origin::Builtin { seed: 0 });
    write_course(&Dataset { name: "discs".into(), classes, train: discs(512), test: discs(40), origin }, &data)?;

    let models = Models::builtin().with::<ColourVae>();
    let defaults = models.defaults(ColourVae::NAME)?;
    let config = Config { data: data.display().to_string(), epochs: Some(40), batch_size: 16, lr: 1e-3, ..defaults };
    let (mut whole, _) = Trainer::start(&models, config.clone(), &root.join("whole"), false)?;
    whole.run(&mut ())?;

    let (mut stopped, _) = Trainer::start(&models, config, &root.join("run"), false)?;
    assert_eq!(stopped.run(&mut StopAfter(77, Cell::new(0)))?, Outcome::Stopped);
    drop(stopped); // a run's folder has one owner at a time
    let mut resumed = Trainer::resume(&models, &root.join("run"), &Overrides::default())?;
    println!("resumed at step {} of {}", resumed.steps_done(), resumed.total_steps());
    resumed.run(&mut ())?;
    assert!(resumed.network().params.values == whole.network().params.values, "other weights than without a stop");

    let records = inkgrad_models::run::metrics::read(resumed.folder().metrics())?;
    let (first, last) = (&records[0], &records[records.len() - 1]);
    println!("loss per picture: {:.1} after the first epoch, {:.1} on test pictures at the end", first.loss, last.loss);
    assert!(last.loss < first.loss / 10.0);
    println!("samples, reconstructions and curves: {}", resumed.folder().path().display());
    Ok(())
}
