//! Where a data set comes from, and how that is told.

use std::fmt;
use std::path::PathBuf;

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Drawn by the program: synthetic, not made by people.
    Builtin {
        /// Seed of the drawings.
        seed: u64,
    },
    /// Made by the program that holds it.
    Memory,
    /// A folder in the course layout.
    Course(PathBuf),
    /// A folder of one `.npy` or `.ndjson` file a class, split by the program.
    ClassFiles {
        /// The folder.
        path: PathBuf,
        /// Share of each class that became test drawings.
        test_fraction: f64,
        /// Seed of the split.
        seed: u64,
        /// Drawings that the game did not recognise and that were left out; `None` where all were asked for.
        unrecognized: Option<usize>,
    },
    /// A folder of MNIST-style IDX files.
    Idx(PathBuf),
    /// The binary batches of CIFAR.
    Cifar {
        /// Their folder.
        path: PathBuf,
        /// `CIFAR-10` or `CIFAR-100`.
        name: &'static str,
        /// Files with training pictures.
        batches: usize,
    },
    /// A folder of PNG and JPEG files.
    Pictures {
        /// The folder.
        path: PathBuf,
        /// Share of each class that became test pictures, and the seed of that split; `None` where the folder has its own.
        split: Option<(f64, u64)>,
    },
}

impl Origin {
    /// Whether the data say themselves what is to test on, so that no share is.
    pub fn has_own_test(&self) -> bool {
        match self {
            Self::Builtin { .. } | Self::Course(_) | Self::Idx(_) | Self::Cifar { .. } => true,
            Self::Pictures { split, .. } => split.is_none(),
            Self::Memory | Self::ClassFiles { .. } => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin { seed } => {
                write!(f, "synthetic: strokes drawn by inkgrad itself, not by people (seed {seed})")
            }
            Self::Memory => f.write_str("made by the program that trains on it"),
            Self::Course(path) => write!(f, "course layout in {}", path.display()),
            Self::ClassFiles { path, test_fraction, seed, unrecognized } => {
                write!(f, "one file a class in {} (test fraction {test_fraction}, seed {seed})", path.display())?;
                match unrecognized {
                    Some(count) => write!(f, ", without {count} that the game did not recognise"),
                    None => Ok(()),
                }
            }
            Self::Idx(path) => write!(f, "IDX files in {}", path.display()),
            Self::Cifar { path, name, batches } => {
                let files = if *batches == 1 { "file" } else { "files" };
                write!(f, "{name} in {}, {batches} {files} of training pictures", path.display())
            }
            Self::Pictures { path, split: None } => write!(f, "pictures in {}, split there", path.display()),
            Self::Pictures { path, split: Some((test_fraction, seed)) } => {
                write!(f, "pictures in {} (test fraction {test_fraction}, seed {seed})", path.display())
            }
        }
    }
}
