//! The graphs that a model records, and what around it may be read from them.

use inkgrad_engine::Tensor;

use super::Scheduled;

/// The most terms that a training step reports beside its loss.
pub const MAX_TERMS: usize = 7;

/// The keys that every record of a run may have, see [`Record`](crate::run::records::Record); no term is called so.
pub(crate) const RECORD_KEYS: [&str; 6] = ["step", "epoch", "split", "loss", "lr", "seconds"];

/// A number that a training step reports under a name: a part of the loss, or something else worth watching.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Its name in records, figures and checkpoints, such as `kl`.
    pub name: &'static str,
    /// The scalar.
    pub tensor: Tensor,
    /// The divisor that makes the reported number of the scalar: the batch size where it is a sum over pictures, 1
    /// where it is their mean already.
    pub per: f64,
}

/// The recorded graph of a training step.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Pictures in [0, 1], `(B, height, width, channels)`.
    pub images: Tensor,
    /// Classes as whole numbers, `(B)`, for models that see them.
    pub labels: Option<Tensor>,
    /// The scalar that is differentiated.
    pub loss: Term,
    /// Numbers that are reported beside the loss, at most [`MAX_TERMS`].
    pub terms: Vec<Term>,
    /// Scalar inputs that change from step to step.
    pub scheduled: Vec<Scheduled>,
    /// Sums over the drawings that [`Model::track`](super::Model::track) is given after a step.
    pub statistics: Vec<Tensor>,
}

impl Training {
    /// The graph of a loss that is a mean over `images`.
    pub fn mean(images: Tensor, loss: Tensor) -> Self {
        Self::new(images, loss, 1.0)
    }

    /// The graph of a loss that is a sum over `batch` pictures.
    pub fn sum(images: Tensor, loss: Tensor, batch: usize) -> Self {
        Self::new(images, loss, batch as f64)
    }

    fn new(images: Tensor, loss: Tensor, per: f64) -> Self {
        Training {
            images,
            labels: None,
            loss: Term { name: "loss", tensor: loss, per },
            terms: Vec::new(),
            scheduled: Vec::new(),
            statistics: Vec::new(),
        }
    }

    /// The same with an input of labels.
    pub fn labels(self, labels: impl Into<Option<Tensor>>) -> Self {
        Training { labels: labels.into(), ..self }
    }

    /// The same with a scalar that is reported beside the loss, a mean or a sum as the loss is.
    pub fn term(self, name: &'static str, tensor: Tensor) -> Self {
        let per = self.loss.per;
        self.term_per(name, tensor, per)
    }

    /// The same with a scalar that is divided by `per` and reported beside the loss.
    pub fn term_per(mut self, name: &'static str, tensor: Tensor, per: f64) -> Self {
        self.terms.push(Term { name, tensor, per });
        self
    }

    /// The same with a scalar input that changes from step to step, where there is one.
    pub fn scheduled(mut self, input: impl Into<Option<Scheduled>>) -> Self {
        self.scheduled.extend(input.into());
        self
    }

    /// The same with sums over the drawings that parameters are moved by which no gradient moves.
    pub fn statistics(mut self, statistics: impl IntoIterator<Item = Tensor>) -> Self {
        self.statistics.extend(statistics);
        self
    }

    /// The loss and the terms.
    pub fn reported(&self) -> impl Iterator<Item = &Term> {
        [&self.loss].into_iter().chain(&self.terms)
    }

    /// The values that a plan has to keep so that loss, terms and statistics can be read.
    pub fn kept(&self) -> Vec<Tensor> {
        self.reported().map(|term| term.tensor).chain(self.statistics.iter().copied()).collect()
    }
}

/// The recorded graph of an encoder.
#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    /// Pictures in [0, 1], `(B, height, width, channels)`.
    pub images: Tensor,
    /// Classes, for encoders that see them.
    pub labels: Option<Tensor>,
    /// The latent, or its mean: `(B, latent)`.
    pub mu: Tensor,
    /// Its log-variance, where latents are distributed around their mean and have a prior: N(0, I), or a [`Prior`].
    pub logvar: Option<Tensor>,
}

/// The recorded graph of a prior that is learnt: a mixture of K Gaussians of the same weight, without an input.
#[derive(Debug, Clone, Copy)]
pub struct Prior {
    /// The means, `(K, latent)`.
    pub mu: Tensor,
    /// The log-variances, `(K, latent)`.
    pub logvar: Tensor,
}

/// The recorded graph of a decoder.
#[derive(Debug, Clone, Copy)]
pub struct Decoding {
    /// `(B, latent)`.
    pub latents: Tensor,
    /// Classes, for decoders that see them.
    pub labels: Option<Tensor>,
    /// Pictures, `(B, height, width, channels)`; values outside [0, 1] are cut off.
    pub images: Tensor,
}

/// The recorded graph of a classifier.
#[derive(Debug, Clone, Copy)]
pub struct Classification {
    /// Pictures in [0, 1], `(B, height, width, channels)`.
    pub images: Tensor,
    /// The last hidden layer, `(B, features)`.
    pub features: Tensor,
    /// `(B, classes)`.
    pub logits: Tensor,
}

/// The class that a row of logits or probabilities is largest for, the first of equal ones.
pub fn argmax<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}
