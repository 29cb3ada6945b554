//! Labelled pictures wherever they are: in memory, or in files that memory has no room for.

use sha2::{Digest, Sha256};

use super::rows::Rows;
use super::{Dataset, Examples, Extents, Images, Labels, Pixels};
use crate::digest::hexadecimal;
use crate::error::Result;
use crate::memory;

/// Labelled pictures, in memory or in their files: one part of a data set.
#[derive(Debug)]
pub struct Drawings {
    /// The pictures, all of the same extents.
    pub images: Stored,
    /// Class of each drawing, an index into [`Dataset::classes`].
    pub labels: Labels,
}

/// Pictures in memory or in files.
#[derive(Debug)]
pub enum Stored {
    /// In memory.
    Memory(Images),
    /// In files, which every use reads.
    Files(Rows),
}

impl Stored {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        match self {
            Stored::Memory(images) => images.len(),
            Stored::Files(rows) => rows.len(),
        }
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Height, width and channels.
    pub fn extents(&self) -> Extents {
        match self {
            Stored::Memory(images) => images.extents(),
            Stored::Files(rows) => rows.extents(),
        }
    }

    /// The pictures at `indices`, in memory.
    ///
    /// # Errors
    /// As [`Rows::read`].
    ///
    /// # Panics
    /// When an index has no picture.
    pub fn take(&self, indices: &[usize]) -> Result<Images> {
        match self {
            Stored::Memory(images) => Ok(images.take(indices)),
            Stored::Files(rows) => rows.read(indices),
        }
    }

    /// Adds others of the same extents, stored alike, at the end.
    ///
    /// # Errors
    /// If their values are of another type: both types.
    pub(super) fn append(&mut self, others: Stored) -> Result<(), String> {
        match (self, others) {
            (Stored::Memory(images), Stored::Memory(others)) => images.append(others),
            (Stored::Files(rows), Stored::Files(others)) => rows.append(others),
            _ => Err("in memory beside others in files, expected all of them in one place".to_owned()),
        }
    }

    fn resized(self, side: usize) -> Result<Self> {
        Ok(match self {
            Stored::Memory(images) => Stored::Memory(images.resized(side)?),
            Stored::Files(rows) => Stored::Files(rows.resized(side)),
        })
    }

    fn into_memory(self) -> Result<Images> {
        match self {
            Stored::Memory(images) => Ok(images),
            Stored::Files(rows) => {
                memory::check(rows.bytes(), format_args!("{} pictures", rows.len()))?;
                rows.read(&(0..rows.len()).collect::<Vec<_>>())
            }
        }
    }

    /// The type of the values, and all of them as a hash sees them.
    fn hash(&self, hash: &mut Sha256, watch: &mut dyn FnMut(usize)) -> Result<()> {
        match self {
            Stored::Memory(images) => images.hash(hash),
            Stored::Files(rows) => {
                let update = |images: Images| {
                    images.hash(hash);
                    Ok(())
                };
                return rows.in_turn(update, watch);
            }
        }
        watch(self.len());
        Ok(())
    }

    /// Bytes that all of them take in memory, or would take.
    pub fn bytes(&self) -> u64 {
        match self {
            Stored::Memory(images) => match images.pixels() {
                Pixels::U8(pixels) => pixels.len() as u64,
                Pixels::F32(pixels) => size_of_val(&pixels[..]) as u64,
            },
            Stored::Files(rows) => rows.bytes(),
        }
    }

    fn pixel_type(&self) -> &'static str {
        match self {
            Stored::Memory(images) => images.pixel_type(),
            Stored::Files(rows) => rows.pixel_type(),
        }
    }
}

impl Drawings {
    /// Number of drawings.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is no drawing.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The drawings at `indices`, in memory.
    ///
    /// # Errors
    /// As [`Rows::read`].
    ///
    /// # Panics
    /// When an index has no drawing.
    pub fn take(&self, indices: &[usize]) -> Result<Examples> {
        let labels = indices.iter().map(|&i| self.labels.at(i)).collect();
        Ok(Examples { images: self.images.take(indices)?, labels })
    }

    /// Adds others of the same extents at the end.
    pub(super) fn append(&mut self, others: Drawings) -> Result<(), String> {
        self.images.append(others.images)?;
        self.labels.append(&others.labels);
        Ok(())
    }

    fn into_memory(self) -> Result<Examples> {
        Ok(Examples { images: self.images.into_memory()?, labels: self.labels.iter().collect() })
    }
}

impl From<Examples> for Drawings {
    fn from(Examples { images, labels }: Examples) -> Self {
        Drawings { images: Stored::Memory(images), labels: labels.into_iter().collect() }
    }
}

impl Dataset<Drawings> {
    /// The SHA-256 of everything that a network is shown, which is the same wherever the pictures are: those in files are all read
    /// for it, some at a time. `watch` is told how many drawings are done, and of how many.
    ///
    /// # Errors
    /// As [`Rows::read`].
    pub fn fingerprint_watched(&self, mut watch: impl FnMut(usize, usize)) -> Result<String> {
        let all = self.train.len() + self.test.len();
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{:?}\n", self.train.images.extents(), self.classes));
        let mut before = 0;
        for split in [&self.train, &self.test] {
            hash.update(format!("{} {}\n", split.len(), split.images.pixel_type()));
            split.images.hash(&mut hash, &mut |done| watch(before + done, all))?;
            split.labels.iter().for_each(|label| hash.update((label as u64).to_le_bytes()));
            before += split.len();
        }
        if self.validation > 0 {
            hash.update(format!("{} held back\n", self.validation));
        }
        Ok(hexadecimal(hash))
    }

    /// Whether some of its pictures are in files.
    pub fn is_stored(&self) -> bool {
        [&self.train, &self.test].iter().any(|part| matches!(part.images, Stored::Files(_)))
    }

    /// The same with the middle square of every picture at `side`×`side` pixels.
    pub(super) fn resized(mut self, side: usize) -> Result<Self> {
        self.train.images = self.train.images.resized(side)?;
        self.test.images = self.test.images.resized(side)?;
        Ok(self)
    }

    /// The same with all of it in memory.
    ///
    /// # Errors
    /// If memory is short, or a file cannot be read.
    pub fn into_memory(self) -> Result<Dataset> {
        let Dataset { name, classes, train, test, validation, origin, left_out } = self;
        let (train, test) = (train.into_memory()?, test.into_memory()?);
        Ok(Dataset { name, classes, train, test, validation, origin, left_out })
    }
}

impl From<Dataset> for Dataset<Drawings> {
    fn from(Dataset { name, classes, train, test, validation, origin, left_out }: Dataset) -> Self {
        Dataset { name, classes, train: train.into(), test: test.into(), validation, origin, left_out }
    }
}
