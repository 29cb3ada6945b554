//! All of inkgrad's commands with a model of one's own beside the six, `outside train two-layer-vae --quick --out run`, and an
//! operation of one's own, `outside gradcheck --op cube`.

use std::ops::RangeInclusive;
use std::process::ExitCode;

use inkgrad_engine::nn::Linear;
use inkgrad_engine::ops::Spec;
use inkgrad_engine::prelude::{Backward, Forward, Op, Reads, Shape, put};
use inkgrad_engine::{Float, Params, Tape, Tensor};
use inkgrad_models::data::Extents;
use inkgrad_models::model::{Decoding, Encoding, Kind, Model, ModelOption, Training};
use inkgrad_models::run::config::Config;
use inkgrad_models::{Models, Result};

#[derive(Debug)]
struct TwoLayerVae {
    image: Extents,
    latent: usize,
    hidden: Linear,
    heads: [Linear; 2],
    back: [Linear; 2],
}

impl Model for TwoLayerVae {
    const NAME: &'static str = "two-layer-vae";
    const SUMMARY: &'static str = "dense layers to a latent and back";
    const OPTIONS: &'static [ModelOption] = &[
        ModelOption { name: "latent", help: "a latent's numbers", kind: Kind::Whole { default: 6, least: 1, most: 99 } },
        ModelOption { name: "width", help: "hidden units", kind: Kind::Whole { default: 48, least: 1, most: 999 } },
    ];

    fn defaults(config: &mut Config) {
        config.epochs = Some(3);
    }

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let (image, latent, width) = (config.image, config.whole("latent"), config.whole("width"));
        Ok(TwoLayerVae {
            image,
            latent,
            hidden: Linear::new(params, "hidden", image.len(), width),
            heads: ["mu", "logvar"].map(|name| Linear::new(params, name, width, latent)),
            back: [("back.0", latent, width), ("back.1", width, image.len())]
                .map(|(name, inputs, out)| Linear::new(params, name, inputs, out)),
        })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let (images, [mu, logvar]) = self.encode(tape, batch)?;
        let z = tape.reparameterize(mu, logvar)?;
        let logits = self.logits(tape, z)?;
        let (bce, kl) = (tape.bce_with_logits(logits, images)?, tape.gaussian_kl(mu, logvar)?);
        let loss = tape.add(bce, kl)?;
        // Watched, not trained by: how far means are from the origin.
        let square = tape.mul(mu, mu)?;
        let distance = tape.sum(square)?;
        Ok(Training::sum(images, loss, batch).term("bce", bce).term("kl", kl).term("mean_square", distance))
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let (images, [mu, logvar]) = self.encode(tape, batch)?;
        Ok(Some(Encoding { images, labels: None, mu, logvar: Some(logvar) }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        let latents = tape.input("latents", [batch, self.latent]);
        let logits = self.logits(tape, latents)?;
        Ok(Some(Decoding { latents, labels: None, images: tape.sigmoid(logits)? }))
    }
}

impl TwoLayerVae {
    fn encode<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<(Tensor, [Tensor; 2])> {
        let images = tape.input("images", self.image.batch(batch));
        let x = tape.flatten(images);
        let h = self.hidden.forward_relu(tape, x)?;
        let [mu, logvar] = &self.heads;
        Ok((images, [mu.forward(tape, h)?, logvar.forward(tape, h)?]))
    }

    fn logits<T: Float>(&self, tape: &mut Tape<T>, z: Tensor) -> Result<Tensor> {
        let [first, second] = &self.back;
        let h = first.forward_relu(tape, z)?;
        let x = second.forward(tape, h)?;
        Ok(tape.reshape(x, self.image.batch(tape.shape(z).first()))?)
    }
}

/// y = x³.
#[derive(Debug)]
struct Cube;

impl<T: Float> Op<T> for Cube {
    fn name(&self) -> &'static str {
        CUBE.name
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn shape(&self, inputs: &[Shape]) -> inkgrad_engine::Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0])
    }

    fn forward(&self, run: Forward<'_, T>) {
        run.y.iter_mut().zip(run.x[0]).for_each(|(y, &x)| *y = x * x * x);
    }

    /// dx = 3x² · dy
    fn backward(&self, mut run: Backward<'_, T>) {
        let Some(dx) = run.dx.take(0) else { return };
        let of = dx.values.iter_mut().zip(run.x[0]).zip(run.dy);
        of.for_each(|((d, &x), &dy)| put(d, T::from_f64(3.0) * x * x * dy, dx.add));
    }
}

const CUBE: Spec = Spec {
    name: "cube",
    formula: "y = x³",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent()];
        inkgrad_engine::case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.record(Cube, x))
    },
};

fn main() -> ExitCode {
    inkgrad::main(&Models::builtin().with::<TwoLayerVae>().with_operation(CUBE))
}
