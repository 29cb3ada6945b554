//! The encoders of the variational autoencoders: features of a drawing, then μ and logσ².

use inkgrad_engine::nn::{Gru, Linear};
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::convolutions::{Convolutions, Stack};
use super::decoder::{ClassGain, Decoder};
use super::sizes::{Count, flag, size, whole};
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{ModelOption, Sizes, Value};

/// Units of the GRU, in each direction.
pub(super) const HIDDEN: ModelOption = size!(hidden, 256, "units of the encoder's GRU, in each direction");
/// Layers of the GRU.
pub(super) const LAYERS: ModelOption = size!(layers, 1, "layers of the encoder's GRU");
/// Whether the GRU goes both ways.
pub(super) const BIDIRECTIONAL: ModelOption = size!(bidirectional, true);

/// Features of a drawing, then μ and logσ².
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    body: Body,
    /// Where the encoder sees classes: so that what features say of μ and σ can depend on the class, and z need not carry
    /// it.
    gain: Option<ClassGain>,
    fc_mu: Linear,
    /// None where latents are made of codes.
    fc_logvar: Option<Linear>,
}

/// The outputs that an encoder makes of features.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// Numbers of a latent.
    pub(super) latent: usize,
    /// Whether there is a variance of each.
    pub(super) variances: bool,
}

impl Heads {
    /// Adds the parameters of dense layers from `width` features.
    fn count(self, count: Count, width: usize) -> Count {
        let count = count.linear(width, self.latent);
        if self.variances { count.linear(width, self.latent) } else { count }
    }
}

#[derive(Debug, Clone)]
enum Body {
    Cnn(Convolutions),
    /// Both ways over the rows of a drawing.
    Rnn(Gru),
}

/// The sizes of a GRU over the rows of a drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    image: Extents,
    hidden: usize,
    layers: usize,
    bidirectional: bool,
}

impl Rows {
    /// As a configuration has them.
    pub(super) fn new(config: &Config) -> Self {
        let (hidden, layers) = (whole(config, &HIDDEN), whole(config, &LAYERS));
        Rows { image: config.image, hidden, layers, bidirectional: flag(config, &BIDIRECTIONAL) }
    }

    /// Outputs for all rows.
    fn features(&self) -> usize {
        self.image.height * (1 + usize::from(self.bidirectional)) * self.hidden
    }

    /// Reads them from an encoder's weights, and pictures from those and from their `channels`.
    pub(super) fn sizes(sizes: &mut Sizes<'_>, channels: Option<usize>) {
        const FIRST: &str = "encoder.gru.weight_hh_l0";
        const BACK: &str = "encoder.gru.weight_hh_l0_reverse";
        let name = |layer: usize| format!("encoder.gru.weight_hh_l{layer}");
        let layers = (0..).take_while(|&layer| sizes.has(&name(layer))).count();
        let (Some(hidden), true) = (sizes.extent(FIRST, 1), layers > 0) else { return };
        let bidirectional = sizes.has(BACK);
        sizes.found(&HIDDEN, Value::Whole(hidden as u64), FIRST);
        sizes.found(&LAYERS, Value::Whole(layers as u64), &name(layers - 1));
        sizes.found(&BIDIRECTIONAL, Value::Flag(bidirectional), if bidirectional { BACK } else { FIRST });
        let (features, row) = (sizes.extent("encoder.fc_mu.weight", 1), sizes.extent("encoder.gru.weight_ih_l0", 1));
        if let (Some(features), Some(row), Some(channels)) = (features, row, channels) {
            let width = (1 + usize::from(bidirectional)) * hidden;
            sizes.pictures(Extents { height: features / width, width: row / channels, channels });
        }
    }
}

impl Encoder {
    /// Adds the parameters of [`Encoder::cnn`].
    pub(super) fn count_cnn(count: Count, heads: Heads, stack: &Stack, classes: Option<usize>) -> Count {
        let width = stack.features();
        heads.count(stack.count(count).embedding(classes.unwrap_or(0), width), width)
    }

    /// Adds the parameters of [`Encoder::rnn`].
    pub(super) fn count_rnn(count: Count, heads: Heads, rows: &Rows) -> Count {
        let inputs = (rows.image.row(), rows.hidden);
        heads.count(count.recurrent(3, inputs, rows.layers, rows.bidirectional), rows.features())
    }

    /// Convolutions; with `classes`, their features are weighed by class.
    pub(super) fn cnn<T: Float>(params: &mut Params<T>, heads: Heads, stack: &Stack, classes: Option<usize>) -> Self {
        let body = Body::Cnn(Convolutions::new(params, "encoder.", stack));
        Self::with_heads(params, body, classes, stack.features(), heads)
    }

    /// A GRU over the rows of a drawing, all of its outputs as features.
    pub(super) fn rnn<T: Float>(params: &mut Params<T>, heads: Heads, rows: &Rows) -> Self {
        let inputs = (rows.image.row(), rows.hidden);
        let body = Body::Rnn(Gru::new(params, "encoder.gru", inputs, rows.layers, rows.bidirectional));
        Self::with_heads(params, body, None, rows.features(), heads)
    }

    fn with_heads<T: Float>(
        params: &mut Params<T>,
        body: Body,
        classes: Option<usize>,
        width: usize,
        Heads { latent, variances }: Heads,
    ) -> Self {
        let gain = classes.map(|classes| ClassGain::new(params, "encoder.class_gain", classes, width));
        let fc_mu = Linear::new(params, "encoder.fc_mu", width, latent);
        let fc_logvar = variances.then(|| Linear::new(params, "encoder.fc_logvar", width, latent));
        Encoder { body, gain, fc_mu, fc_logvar }
    }

    /// Reads the latent, and the sizes of the decoder that goes with it; gives the pictures' channels.
    pub(super) fn sizes(sizes: &mut Sizes<'_>, latent: &ModelOption) -> Option<usize> {
        const HEAD: &str = "encoder.fc_mu.weight";
        if let Some(found) = sizes.extent(HEAD, 0) {
            sizes.found(latent, Value::Whole(found as u64), HEAD);
        }
        Decoder::sizes(sizes)
    }

    /// Whether it sees classes.
    pub(super) fn sees_classes(&self) -> bool {
        self.gain.is_some()
    }

    /// `images: (B, 28, 28, 1)` and classes to μ and, where there are variances, logσ², `(B, 32)` each.
    pub(super) fn forward<T: Float>(
        &self,
        tape: &mut Tape<T>,
        images: Tensor,
        labels: Option<Tensor>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let features = match &self.body {
            Body::Cnn(convolutions) => convolutions.forward(tape, images)?, // (B, 6272)
            Body::Rnn(gru) => {
                let [batch, height, width, channels] = *tape.shape(images).dims() else { unreachable!("four axes") };
                let rows = tape.reshape(images, [batch, height, width * channels])?;
                let states = gru.forward(tape, rows)?; // (B, 28, 512)
                tape.flatten(states) // (B, 14336)
            }
        };
        let features = match (&self.gain, labels) {
            (Some(gain), Some(labels)) => gain.forward(tape, features, labels)?,
            _ => features,
        };
        let mu = self.fc_mu.forward(tape, features)?;
        let logvar = self.fc_logvar.as_ref().map(|fc_logvar| fc_logvar.forward(tape, features)).transpose()?;
        Ok((mu, logvar))
    }
}
