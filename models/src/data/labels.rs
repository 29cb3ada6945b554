//! The classes of very many drawings in little memory.

use super::split::Order;

/// The class of each drawing, an index into [`Dataset::classes`](super::Dataset::classes). Where each class has a file it follows from
/// the drawing's place and takes no memory; else a byte, or two where there are more than 256 classes.
///
/// ```
/// use inkgrad_models::data::Labels;
///
/// let labels: Labels = [0, 2, 1].into_iter().collect();
/// assert_eq!((labels.len(), labels.at(1)), (3, 2));
/// assert!(labels.iter().eq([0, 2, 1]));
/// ```
#[derive(Clone, Debug)]
pub struct Labels(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Bytes(Vec<u8>),
    Shorts(Vec<u16>),
    /// Of a file with numbers that are no class.
    Words(Vec<usize>),
    /// The number of each picture's file.
    Files(Order),
}

impl Labels {
    /// Those of pictures in files that each have a class.
    pub(super) fn of_files(order: Order) -> Self {
        Labels(Kept::Files(order))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Bytes(bytes) => bytes.len(),
            Kept::Shorts(shorts) => shorts.len(),
            Kept::Words(words) => words.len(),
            Kept::Files(order) => order.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of drawing `index`.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn at(&self, index: usize) -> usize {
        match &self.0 {
            Kept::Bytes(bytes) => usize::from(bytes[index]),
            Kept::Shorts(shorts) => usize::from(shorts[index]),
            Kept::Words(words) => words[index],
            Kept::Files(order) => order.file_at(index),
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    /// Those of drawings that come behind these.
    pub(super) fn append(&mut self, others: &Labels) {
        *self = self.iter().chain(others.iter()).collect();
    }
}

impl FromIterator<usize> for Labels {
    fn from_iter<I: IntoIterator<Item = usize>>(labels: I) -> Self {
        let mut kept = Kept::Bytes(Vec::new());
        for label in labels {
            // Those before a label that is too large for them become wider.
            match &kept {
                Kept::Bytes(bytes) if u8::try_from(label).is_err() => {
                    kept = Kept::Shorts(bytes.iter().map(|&byte| byte.into()).collect());
                }
                _ => {}
            }
            match &kept {
                Kept::Shorts(shorts) if u16::try_from(label).is_err() => {
                    kept = Kept::Words(shorts.iter().map(|&short| short.into()).collect());
                }
                _ => {}
            }
            match &mut kept {
                Kept::Bytes(bytes) => bytes.push(label as u8),
                Kept::Shorts(shorts) => shorts.push(label as u16),
                Kept::Words(words) => words.push(label),
                Kept::Files(_) => unreachable!("labels that are collected are kept"),
            }
        }
        match &mut kept {
            Kept::Bytes(bytes) => bytes.shrink_to_fit(),
            Kept::Shorts(shorts) => shorts.shrink_to_fit(),
            Kept::Words(words) => words.shrink_to_fit(),
            Kept::Files(_) => {}
        }
        Labels(kept)
    }
}

/// Classes by the numbers of drawings, however they are kept.
pub trait LabelsOf: Sync {
    /// The class of drawing `index`.
    fn label(&self, index: usize) -> usize;
}

impl LabelsOf for Labels {
    fn label(&self, index: usize) -> usize {
        self.at(index)
    }
}

impl LabelsOf for Vec<usize> {
    fn label(&self, index: usize) -> usize {
        self[index]
    }
}

#[cfg(test)]
mod tests {
    use super::super::split::Plan;
    use super::*;

    #[test]
    fn labels_are_kept_whatever_their_size() {
        for all in [vec![], vec![0, 255, 7], vec![1, 255, 256, 3], vec![9, 65_536, 2], vec![usize::MAX; 2]] {
            let labels: Labels = all.iter().copied().collect();
            assert!(labels.iter().eq(all.iter().copied()) && labels.len() == all.len(), "{all:?}");
            let mut twice = labels.clone();
            twice.append(&labels);
            assert!(twice.iter().eq(all.iter().chain(&all).copied()), "{all:?}");
        }
    }

    #[test]
    fn labels_of_files_are_those_of_the_order() {
        for most in [0, 100] {
            let Plan { train, .. } = Plan::with_lists(&[5, 9], 0.2, 1, most);
            let labels = Labels::of_files(train.clone());
            assert!(labels.iter().eq(train.iter().map(|place| place.file as usize)));
            assert_eq!((labels.len(), labels.iter().sum::<usize>()), (11, 7));
        }
    }
}
