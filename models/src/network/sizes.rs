//! The options that set the networks' sizes, and the need of memory that sizes mean, before any of it is taken.

use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{ModelOption, Value};
use crate::{Error, memory};

/// Larger ones are taken for mistakes.
pub(super) const MOST: u64 = 1 << 16;
/// More layers than this are taken for a mistake.
pub(super) const MOST_LAYERS: u64 = 64;
/// Convolutions one after the other: five leave of 128 pixels at least 4, of 16 at least 1.
pub(super) const MOST_CONVOLUTIONS: usize = 5;

/// An option of a size: a name, its effect, and its kind, in `config.toml` only where it was given.
macro_rules! size {
    (latent, $default:expr) => {
        size!(
            "latent",
            "numbers of a latent",
            $crate::model::Kind::Whole { default: $default, least: 1, most: $crate::network::sizes::MOST }
        )
    };
    (hidden, $default:expr, $help:literal) => {
        size!(
            "hidden",
            $help,
            $crate::model::Kind::Whole { default: $default, least: 1, most: $crate::network::sizes::MOST }
        )
    };
    (layers, $default:expr, $help:literal) => {
        size!(
            "layers",
            $help,
            $crate::model::Kind::Whole { default: $default, least: 1, most: $crate::network::sizes::MOST_LAYERS }
        )
    };
    (bidirectional, $default:expr) => {
        size!(
            "bidirectional",
            "whether the encoder reads rows both ways",
            $crate::model::Kind::Flag { default: $default }
        )
    };
    (channels, $default:expr) => {
        size!(
            "channels",
            "channels after each of the encoder's convolutions; the decoder has them the other way round",
            $crate::model::Kind::List {
                default: $default,
                least: 1,
                most: $crate::network::sizes::MOST,
                longest: $crate::network::sizes::MOST_CONVOLUTIONS,
            }
        )
    };
    ($name:expr, $help:expr, $kind:expr) => {
        $crate::model::ModelOption { name: $name, help: $help, kind: $crate::model::Kind::IfGiven(&$kind) }
    };
}
pub(super) use size;

/// An option that is a whole number.
pub(super) fn whole(config: &Config, option: &ModelOption) -> usize {
    match config.value(option) {
        Value::Whole(n) => n as usize,
        found => unreachable!("{} is {found:?}, which `Kind::check` refuses", option.name),
    }
}

/// An option that is a list of whole numbers.
pub(super) fn list(config: &Config, option: &ModelOption) -> Vec<usize> {
    match config.value(option) {
        Value::List(list) => list.iter().map(|&n| n as usize).collect(),
        found => unreachable!("{} is {found:?}, which `Kind::check` refuses", option.name),
    }
}

/// An option that is yes or no.
pub(super) fn flag(config: &Config, option: &ModelOption) -> bool {
    match config.value(option) {
        Value::Flag(flag) => flag,
        found => unreachable!("{} is {found:?}, which `Kind::check` refuses", option.name),
    }
}

/// Refuses an option that is given where it has no effect; `because` says with which setting it would have one.
///
/// # Errors
/// The option, its value, and `because`.
pub(super) fn refuse(config: &Config, option: &ModelOption, because: &str) -> crate::Result<()> {
    match config.options.get(option.name) {
        None => Ok(()),
        Some(value) => {
            let place = format!("--{}", option.name.replace('_', "-"));
            Err(Error::input(place, format_args!("{value} {because}")))
        }
    }
}

/// The grid that `halvings` halvings leave of a picture, each rounded up, as convolutions of stride 2 with a padding that keeps
/// sides leave it: (height, width).
pub(super) fn grid(image: Extents, halvings: usize) -> (usize, usize) {
    let halved = |side: usize| (0..halvings).fold(side, |side, _| side.div_ceil(2));
    (halved(image.height), halved(image.width))
}

/// `x: (B, H, W, C)` without the rows and columns that are more than a picture has: those that doubling has made of sides that
/// did not halve evenly.
///
/// # Errors
/// None where H and W are at least the picture's.
pub(super) fn crop<T: Float>(tape: &mut Tape<T>, x: Tensor, image: Extents) -> Result<Tensor> {
    let [_, height, width, _] = *tape.shape(x).dims() else { unreachable!("pictures have four axes") };
    let x = if height > image.height { tape.slice(x, 1, 0..image.height)? } else { x };
    if width > image.width { tape.slice(x, 2, 0..image.width) } else { Ok(x) }
}

/// A remark on pictures whose sides `halvings` halvings do not divide evenly, where these are such.
pub(super) fn padding(image: Extents, halvings: usize) -> Option<String> {
    let (height, width) = grid(image, halvings);
    let padded = Extents { height: height << halvings, width: width << halvings, ..image };
    (padded != image).then(|| {
        format!(
            "pictures of {image} do not halve evenly {halvings} times: the encoder pads them to {padded} on its way, and what it \
             decodes is cropped to {image}"
        )
    })
}

/// The extents of pictures that leave `cells` cells of a grid after `halvings` halvings: those of `image`, or else the largest
/// square ones.
pub(super) fn pictures(image: Extents, halvings: usize, cells: usize, channels: usize) -> Option<Extents> {
    let (height, width) = grid(image, halvings);
    if height * width == cells {
        return Some(Extents { channels, ..image });
    }
    let side = cells.isqrt();
    let whole = (side << halvings).min(*crate::data::SIDES.end());
    let square = Extents { height: whole, width: whole, channels };
    (side * side == cells && crate::data::SIDES.contains(&whole) && grid(square, halvings) == (side, side))
        .then_some(square)
}

/// Parameters of layers, counted before they are declared: an allocation that fails aborts the process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count(u64);

impl Count {
    fn add(self, numbers: u64) -> Self {
        Count(self.0.saturating_add(numbers))
    }

    /// Of a dense layer.
    pub(super) fn linear(self, inputs: usize, out: usize) -> Self {
        self.conv(inputs, out, 1)
    }

    /// Of a convolution or a transposed one, with a square kernel.
    pub(super) fn conv(self, inputs: usize, out: usize, kernel: usize) -> Self {
        let weights = (inputs as u64).saturating_mul(out as u64).saturating_mul((kernel * kernel) as u64);
        self.add(weights.saturating_add(out as u64))
    }

    /// Of a table of one row a class.
    pub(super) fn embedding(self, classes: usize, features: usize) -> Self {
        self.add((classes as u64).saturating_mul(features as u64))
    }

    /// Of `depth` recurrent layers with `gates` blocks of weights each.
    pub(super) fn recurrent(
        self,
        gates: usize,
        (inputs, hidden): (usize, usize),
        depth: usize,
        bidirectional: bool,
    ) -> Self {
        let (gates, hidden, directions) = (gates as u64, hidden as u64, 1 + u64::from(bidirectional));
        (0..depth).fold(self, |count, layer| {
            let inputs = if layer == 0 { inputs as u64 } else { directions * hidden };
            let row = inputs.saturating_add(hidden).saturating_add(2);
            count.add(directions.saturating_mul(gates * hidden).saturating_mul(row))
        })
    }

    /// Checks that the parameters and their gradients can be had.
    ///
    /// # Errors
    /// One line with the need and what is free.
    pub(super) fn check<T: Float>(self, config: &Config) -> crate::Result<Self> {
        let bytes = self.0.saturating_mul(2 * size_of::<T>() as u64);
        memory::check(bytes, format_args!("{} of these sizes ({} parameters)", config.model, self.0))?;
        Ok(self)
    }

    /// Holds the count against what was declared, in tests: a run is worth more than a count that is out.
    pub(super) fn settle<T: Float>(self, params: &Params<T>) {
        if cfg!(test) {
            assert_eq!(self.0, params.count() as u64, "parameters as counted before they were declared");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_that_do_not_halve_are_padded_and_cropped() {
        let image = Extents { height: 30, width: 17, channels: 3 };
        assert_eq!(grid(image, 2), (8, 5));
        let padding = padding(image, 2).unwrap();
        assert!(padding.starts_with("pictures of 30×17×3 do not halve evenly 2 times"), "{padding}");
        assert!(padding.contains("to 32×20×3 on its way"), "{padding}");
        assert_eq!(super::padding(Extents::DRAWING, 2), None);
    }

    #[test]
    fn pictures_are_those_of_the_settings_or_square() {
        let drawing = Extents::DRAWING;
        assert_eq!(pictures(drawing, 2, 49, 1), Some(drawing));
        assert_eq!(pictures(drawing, 2, 64, 3), Some(Extents { height: 32, width: 32, channels: 3 }));
        assert_eq!(pictures(drawing, 2, 48, 1), None);
        let wide = Extents { height: 16, width: 48, channels: 1 };
        assert_eq!(pictures(wide, 2, 48, 1), Some(wide));
    }
}
