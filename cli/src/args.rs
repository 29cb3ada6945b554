//! Options that several commands share.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use inkgrad_engine::device;
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
    device: config::DeviceKind,
}

impl Compute {
    /// The number of threads of a command that computes on the processor alone.
    ///
    /// # Errors
    /// If another device is asked for.
    pub fn threads(&self) -> Result<usize> {
        match self.device {
            config::DeviceKind::Cpu => Ok(threads(self.threads)),
            other => {
                let problem = format!("{other}: this command computes on the processor alone, expected cpu");
                Err(Error::input("--device", problem))
            }
        }
    }

    /// The number of threads, where one is asked for.
    pub fn asked_threads(&self) -> Option<usize> {
        self.threads
    }

    /// The device and the processor's threads.
    ///
    /// # Errors
    /// If the device cannot be used.
    pub fn device(&self) -> Result<(config::DeviceKind, usize)> {
        require_device(self.device)?;
        Ok((self.device, threads(self.threads)))
    }
}

/// Which of a run's weights a command uses.
#[derive(Debug, Clone, Copy, Args)]
pub struct WeightsArgs {
    /// The run's weights: last, best or ema [default: best where a share was kept for validation]
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

/// The number of threads asked for, or as many as there are cores.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Checks that this build and machine have the device.
///
/// # Errors
/// With the reason, and the devices that can be used.
pub fn require_device(device: config::DeviceKind) -> Result<()> {
    device.kind().availability().status.map(drop).map_err(|reason| {
        let usable = device::Kind::ALL.iter().filter(|kind| kind.availability().status.is_ok());
        let usable: Vec<&str> = usable.map(|kind| kind.name()).collect();
        Error::input("--device", format!("{device}: {reason}, expected {}", usable.join(" or ")))
    })
}

/// Parses a number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|&f: &f64| f > 0.0 && f.is_finite());
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// Endings that say what a file holds.
const ENDINGS: [&str; 16] =
    ["png", "jpg", "jpeg", "gif", "svg", "pdf", "npy", "npz", "json", "csv", "onnx", "pth", "pt", "py", "html", "md"];

/// Whether a name ends as that of a file of another kind than `kind` does.
pub fn is_of_another_kind(path: &Path, kind: &str) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ending != kind && ENDINGS.contains(&ending.as_str()))
}

/// Parses a result's name: one that says that another kind of file is there is refused.
pub fn ends_in(kind: &'static str) -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(move |path: PathBuf| match is_of_another_kind(&path, kind) {
        true => Err(format!("expected a name that ends in .{kind}")),
        false => Ok(path),
    })
}

/// Parses a number within a range.
pub fn within(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| {
        let expected = format!("expected a number from {} to {}", range.start(), range.end());
        text.parse().ok().filter(|value| range.contains(value)).ok_or(expected)
    }
}
