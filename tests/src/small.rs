//! A model for tests of what surrounds a model.

use inkgrad_engine::nn::Linear;
use inkgrad_engine::{Float, Params, Tape, Tensor};
use inkgrad_models::Result;
use inkgrad_models::model::{Decoding, Encoding, Model, Training};
use inkgrad_models::run::config::Config;

/// An autoencoder of 4,706 parameters: the files of a run are what counts here.
#[derive(Debug)]
pub struct Small {
    encoder: Linear,
    decoder: Linear,
    config: Config,
}

const LATENT: usize = 2;

impl Model for Small {
    const NAME: &'static str = "small";
    const SUMMARY: &'static str = "two numbers for a drawing";

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let pixels = config.image.len();
        let (encoder, decoder) =
            (Linear::new(params, "encoder", pixels, LATENT), Linear::new(params, "decoder", LATENT, pixels));
        Ok(Small { encoder, decoder, config: config.clone() })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Encoding { images, mu, .. } = self.encoding(tape, batch)?.expect("it encodes");
        let reconstruction = self.decode(tape, mu)?;
        let mse = tape.mse(reconstruction, images)?;
        Ok(Training::mean(images, mse).term("mse", mse))
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let images = tape.input("images", self.config.image.batch(batch));
        let flat = tape.flatten(images); // (B, 784)
        let mu = self.encoder.forward(tape, flat)?;
        Ok(Some(Encoding { images, labels: None, mu, logvar: None }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, LATENT]);
        Ok(Some(Decoding { latents, labels: None, images: self.decode(tape, latents)? }))
    }
}

impl Small {
    fn decode<T: Float>(&self, tape: &mut Tape<T>, latents: Tensor) -> Result<Tensor> {
        let flat = self.decoder.forward(tape, latents)?;
        let images = tape.reshape(flat, self.config.image.batch(tape.shape(latents).first()))?;
        Ok(tape.sigmoid(images)?)
    }
}
