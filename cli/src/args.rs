//! Options that several commands share.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::thread;

use clap::Args;
use inkgrad_engine::device;
use inkgrad_models::model::Value;
use inkgrad_models::run::config;
use inkgrad_models::trainer::{Opened, Which};
use inkgrad_models::{Error, Models, Result};

/// The processor or device that computes, and on how many threads.
#[derive(Debug, Args)]
pub struct Compute {
    /// CPU threads; they change the speed, never the result [default: all]
    #[arg(long, value_name = "N", value_parser = within(1..=config::MOST_THREADS))]
    threads: Option<usize>,
    /// The device: cpu, cuda or emulated
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: config::Device,
}

impl Compute {
    /// The number of threads of a command that computes on the processor alone.
    ///
    /// # Errors
    /// If another device is asked for.
    pub fn threads(&self) -> Result<usize> {
        match self.device {
            config::Device::Cpu => Ok(threads(self.threads)),
            other => {
                let problem = format!("{other}: this command computes on the processor alone, expected cpu");
                Err(Error::input("--device", problem))
            }
        }
    }

    /// The device and the processor's threads.
    ///
    /// # Errors
    /// If the device cannot be used.
    pub fn device(&self) -> Result<(config::Device, usize)> {
        require_device(self.device)?;
        Ok((self.device, threads(self.threads)))
    }
}

/// Which of a run's weights a command uses.
#[derive(Debug, Clone, Copy, Args)]
pub struct WeightsArgs {
    /// The run's weights: last or best [default: best where a share was kept for validation]
    #[arg(long, value_name = "WHICH")]
    weights: Option<Which>,
}

impl WeightsArgs {
    /// The weights asked for; `None` for the default.
    pub fn asked(self) -> Option<Which> {
        self.weights
    }

    /// Opens a run with them.
    ///
    /// # Errors
    /// Those of [`Opened::open`].
    pub fn open(self, models: &Models, run: &Path) -> Result<Opened> {
        Opened::open(models, run, self.weights)
    }
}

/// Settings that some models have.
#[derive(Debug, Args)]
pub struct ModelOptions {
    /// The weight of the KL term in a VAE's loss [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    beta: Option<f64>,
    /// The classifier's architecture: mlp or cnn [default: mlp]
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Where the cvae's class goes in: latent, or both (the encoder sees it too) [default: latent]
    #[arg(long, value_name = "NAME")]
    condition: Option<String>,
    /// A setting of the model by its name in config.toml, as often as needed
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, Value)>,
}

impl ModelOptions {
    /// The settings that are given, by their names.
    pub fn given(&self) -> BTreeMap<String, Value> {
        let named = [
            ("beta", self.beta.map(Value::Number)),
            ("arch", self.arch.clone().map(Value::Text)),
            ("condition", self.condition.clone().map(Value::Text)),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        named.chain(self.set.iter().cloned()).collect()
    }
}

/// Parses `KEY=VALUE`.
fn setting(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), Value::parse(value))),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// The number of threads asked for, or as many as there are cores.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Checks that this build and machine have the device.
///
/// # Errors
/// With the reason, and the devices that can be used.
pub fn require_device(device: config::Device) -> Result<()> {
    let usable = |device: &device::Device| device.availability().status.is_ok();
    for candidate in device::Device::ALL {
        if let (true, Err(reason)) = (candidate.name() == device.name(), candidate.availability().status) {
            let known: Vec<&str> = device::Device::ALL.iter().filter(|d| usable(d)).map(|d| d.name()).collect();
            return Err(Error::input("--device", format!("{device}: {reason}, expected {}", known.join(" or "))));
        }
    }
    Ok(())
}

/// Parses a number within a range.
pub fn within(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| {
        let expected = format!("expected a number from {} to {}", range.start(), range.end());
        text.parse().ok().filter(|value| range.contains(value)).ok_or(expected)
    }
}
