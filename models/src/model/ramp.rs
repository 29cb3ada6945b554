//! Weights that change over a training.

use std::fmt;
use std::str::FromStr;

use inkgrad_engine::Tensor;

use super::choice::choice;

choice! {
    /// How a weight rises.
    Form("form of a warm-up") {
        /// Evenly, from 0 to its end over the epochs (Bowman et al. 2016, with a straight line).
        Linear = "linear",
        /// Evenly over the first half of the epochs, at its end over the second, and again (Fu et al. 2019, R = ½).
        Cyclic = "cyclic",
        /// Along σ(12·t/N − 6), which is nearly 0 at first and nearly 1 in the end (Bowman et al. 2016).
        Sigmoid = "sigmoid",
    }
}

/// A rise over `epochs`: `10:linear` on a command line, or `10`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmUp {
    /// Epochs of the rise, or of a cycle.
    pub epochs: f64,
    /// How it rises.
    pub form: Form,
}

impl WarmUp {
    /// From 0 to 1 after so many epochs; 1 at infinity.
    pub fn at(&self, epoch: f64) -> f64 {
        if epoch.is_infinite() {
            return 1.0;
        }
        let t = epoch / self.epochs;
        match self.form {
            Form::Linear => t.min(1.0),
            Form::Cyclic => (2.0 * t.fract()).min(1.0),
            Form::Sigmoid if t >= 1.0 => 1.0,
            Form::Sigmoid => 1.0 / (1.0 + (6.0 - 12.0 * t).exp()),
        }
    }
}

impl FromStr for WarmUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (epochs, form) = text.split_once(':').unwrap_or((text, Form::Linear.name()));
        let epochs = epochs.parse().ok().filter(|&epochs: &f64| epochs.is_finite() && epochs > 0.0);
        Ok(WarmUp { epochs: epochs.ok_or("expected epochs above 0")?, form: form.parse()? })
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epochs, self.form)
    }
}

/// A scalar input of a training step that changes from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheduled {
    /// The input.
    pub tensor: Tensor,
    /// Its value in the end.
    pub most: f64,
    /// How it gets there.
    pub warm_up: WarmUp,
}

impl Scheduled {
    /// Its value after so many epochs; in the end, at infinity.
    pub fn at(&self, epoch: f64) -> f64 {
        self.most * self.warm_up.at(epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, epochs: &[f64]) -> Vec<f64> {
        let warm_up: WarmUp = text.parse().unwrap();
        epochs.iter().map(|&epoch| warm_up.at(epoch)).collect()
    }

    #[test]
    fn weights_rise_as_their_papers_have_it() {
        assert_eq!(at("10", &[0.0, 2.5, 10.0, 11.0, f64::INFINITY]), [0.0, 0.25, 1.0, 1.0, 1.0]);
        assert_eq!(at("4:cyclic", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, f64::INFINITY]), [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]);
        let sigmoid = at("2:sigmoid", &[0.0, 1.0, 1.999, 2.0]);
        assert!(sigmoid[0] < 0.0025 && sigmoid[1] == 0.5 && sigmoid[2] > 0.997 && sigmoid[3] == 1.0, "{sigmoid:?}");
    }

    #[test]
    fn a_warm_up_is_read_and_written() {
        for (text, written) in [("10", "10:linear"), ("2.5:cyclic", "2.5:cyclic"), ("3:sigmoid", "3:sigmoid")] {
            assert_eq!(text.parse::<WarmUp>().unwrap().to_string(), written);
        }
        assert_eq!("0".parse::<WarmUp>(), Err("expected epochs above 0".to_owned()));
        assert_eq!("x:linear".parse::<WarmUp>(), Err("expected epochs above 0".to_owned()));
        let expected = "unknown form of a warm-up `cosine`, expected one of linear, cyclic, sigmoid";
        assert_eq!("3:cosine".parse::<WarmUp>(), Err(expected.to_owned()));
    }
}
