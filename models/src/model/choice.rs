//! Settings with a few named values.

use inkgrad_kernels::cpu::{Pool, bf16, simd::isa};
use inkgrad_kernels::gpu;
use inkgrad_kernels::launch::Device;

use super::settings::{Field, fields, problem};
use crate::Error;
use crate::data::augment::Augment;

/// A setting with named values: `name`, `ALL`, `Display`, and a `FromStr` whose error lists what is known.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident($what:literal) { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name of every value.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// Its name in files and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|value| value.name() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|value| value.name()).collect();
                    format!("unknown {} `{text}`, expected one of {}", $what, known.join(", "))
                })
            }
        }
    };
}

pub(crate) use choice;

choice! {
    /// The rules that move parameters.
    Optimizer("optimizer") {
        /// Adam with PyTorch's constants.
        Adam = "adam",
        /// Adam with a weight decay that is decoupled from the gradient (Loshchilov and Hutter 2019).
        AdamW = "adamw",
        /// Stochastic gradient descent with momentum.
        Sgd = "sgd",
    }
}

choice! {
    /// How the learning rate goes over a run.
    Schedule("schedule") {
        /// The same throughout, after the warm-up.
        Constant = "constant",
        /// Down to 0 along half a cosine, after the warm-up.
        Cosine = "cosine",
    }
}

choice! {
    /// The processor or device that computes.
    DeviceKind("device") {
        /// This machine's processor.
        Cpu = "cpu",
        /// An NVIDIA GPU.
        Cuda = "cuda",
        /// The GPU's programs, run by an emulator on the processor.
        Emulated = "emulated",
    }
}

choice! {
    /// The numbers that matrix products compute with. Sums are in fp32.
    Precision("precision") {
        /// Factors of 24 bits of mantissa.
        Fp32 = "fp32",
        /// Factors of 11 bits of mantissa, on a GPU's tensor cores.
        Tf32 = "tf32",
        /// Factors of 8 bits of mantissa, on a processor with AVX-512 BF16; convolutions stay as they are.
        Bf16 = "bf16",
    }
}

/// Beginnings of parameters' names, a comma between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Prefixes(pub Vec<String>);

impl Prefixes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Prefixes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0.join(","))
    }
}

impl std::str::FromStr for Prefixes {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Prefixes(text.split(',').map(|prefix| prefix.trim().to_owned()).collect()))
    }
}

fields! {
    Prefixes: "beginnings of parameters' names";
    Optimizer: "", Optimizer::NAMES;
    Schedule: "", Schedule::NAMES;
    DeviceKind: "", DeviceKind::NAMES;
    Precision: "", Precision::NAMES;
    Augment: "", Augment::NAMES;
}

impl Precision {
    /// A device's precision of this name.
    pub fn kind(self) -> inkgrad_engine::device::Precision {
        match self {
            Self::Fp32 | Self::Bf16 => inkgrad_engine::device::Precision::Fp32,
            Self::Tf32 => inkgrad_engine::device::Precision::Tf32,
        }
    }

    /// Threads that compute with it.
    pub fn pool(self, threads: usize) -> Pool {
        Pool::new(threads).with_bf16(self == Self::Bf16)
    }

    /// Says what is wrong with it on `device`, whatever the machine.
    pub fn problem(self, device: DeviceKind) -> Option<String> {
        match (self, device) {
            (Self::Tf32, DeviceKind::Cpu) => Some("tf32 on the processor, expected fp32 or bf16".into()),
            (Self::Bf16, device) if device != DeviceKind::Cpu => {
                Some(format!("bf16 on {device}, expected fp32 or tf32"))
            }
            _ => None,
        }
    }

    /// Checks that this machine computes with it on `device`.
    ///
    /// # Errors
    /// [`Error::Input`] where it does not.
    pub fn check(self, device: DeviceKind) -> crate::Result<()> {
        let lacks = || {
            let problem = "bf16 on a processor without AVX-512 BF16 in use";
            (self == Self::Bf16 && !bf16::available()).then(|| format!("{problem} ({}), expected fp32", isa().name()))
        };
        match self.problem(device).or_else(lacks) {
            Some(problem) => Err(Error::input("--precision", problem)),
            None => Ok(()),
        }
    }
}

impl DeviceKind {
    /// The engine's device of this name.
    pub fn kind(self) -> inkgrad_engine::device::Kind {
        match self {
            Self::Cpu => inkgrad_engine::device::Kind::Cpu,
            Self::Cuda => inkgrad_engine::device::Kind::Cuda,
            Self::Emulated => inkgrad_engine::device::Kind::Emulated,
        }
    }

    /// Opens the device for kernels in fp32; nothing where the processor computes.
    ///
    /// # Errors
    /// [`Error::Input`] with the reason if it cannot be used.
    pub fn open(self) -> crate::Result<Option<Box<dyn Device>>> {
        self.kind().open(gpu::Precision::Fp32).map_err(|error| Error::input("--device", format!("{self}: {error}")))
    }
}
