//! The news that ranks have for each other about the parts of a step that they computed.

use inkgrad_engine::optim::Optimizer;

use super::losses::{Losses, Sums};
use crate::model::MAX_TERMS;
use crate::ranks::Ranks;
use crate::{Error, Result};

/// A rank's message about the parts that it computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    /// Why one could not be computed.
    pub problem: Option<String>,
    /// Whether that is because of the rank's device.
    pub is_device: bool,
    /// The losses of each.
    pub losses: Vec<Losses>,
    /// [`crate::model::Training::statistics`] of each.
    pub statistics: Vec<Vec<Vec<f32>>>,
    /// Which parameters have gradients.
    pub live: Vec<bool>,
}

/// Numbers one after the other.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn count(&mut self, count: usize) {
        self.0.extend((count as u64).to_le_bytes());
    }

    fn number(&mut self, number: f64) {
        self.0.extend(number.to_le_bytes());
    }
}

/// The same being read. A missing number is 0: each rank runs the same program.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn eight(&mut self) -> [u8; 8] {
        match self.0.split_first_chunk() {
            Some((&eight, rest)) => {
                self.0 = rest;
                eight
            }
            None => [0; 8],
        }
    }

    fn count(&mut self) -> usize {
        u64::from_le_bytes(self.eight()) as usize
    }

    fn number(&mut self) -> f64 {
        f64::from_le_bytes(self.eight())
    }
}

impl Losses {
    fn write(&self, to: &mut Bytes) {
        to.number(self.loss);
        self.terms.iter().for_each(|&term| to.number(term));
        to.count(self.drawings);
    }

    fn read(from: &mut Reader) -> Self {
        let loss = from.number();
        let mut terms = [0.0; MAX_TERMS];
        terms.iter_mut().for_each(|term| *term = from.number());
        Losses { loss, terms, drawings: from.count() }
    }
}

impl Said {
    /// A part could not be computed.
    pub(super) fn fail(&mut self, error: &inkgrad_engine::Error) {
        self.problem = Some(error.to_string());
        self.is_device = matches!(error, inkgrad_engine::Error::Device(_));
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut to = Bytes::default();
        let problem = self.problem.as_deref().unwrap_or_default().as_bytes();
        to.count(problem.len());
        to.0.extend(problem);
        to.count(usize::from(self.is_device));
        to.count(self.losses.len());
        self.losses.iter().for_each(|losses| losses.write(&mut to));
        to.count(self.live.len());
        to.0.extend(self.live.iter().map(|&live| u8::from(live)));
        for statistics in &self.statistics {
            to.count(statistics.len());
            for of_tensor in statistics {
                to.count(of_tensor.len());
                of_tensor.iter().for_each(|&value| to.0.extend(value.to_le_bytes()));
            }
        }
        to.0
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut from = Reader(bytes);
        let bytes = |from: &mut Reader, count: usize| {
            let (own, rest) = from.0.split_at(count.min(from.0.len()));
            from.0 = rest;
            own.to_vec()
        };
        let count = from.count();
        let problem = bytes(&mut from, count);
        let problem = (!problem.is_empty()).then(|| String::from_utf8_lossy(&problem).into_owned());
        let is_device = from.count() == 1;
        let parts = from.count();
        let losses = (0..parts).map(|_| Losses::read(&mut from)).collect();
        let count = from.count();
        let live = bytes(&mut from, count).iter().map(|&live| live == 1).collect();
        let statistics = (0..parts).map(|_| {
            let tensors = from.count();
            let of_tensor = |_| {
                let count = from.count();
                bytes(&mut from, count * size_of::<f32>())
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b))
                    .collect()
            };
            (0..tensors).map(of_tensor).collect()
        });
        let statistics = statistics.collect();
        Said { problem, is_device, losses, statistics, live }
    }
}

/// Brings together what all ranks said of a step: the parts' losses and statistics in the order of the parts. `failure` is the error
/// because of which this one could not compute its own.
///
/// # Errors
/// That, or another rank's.
pub(super) fn bring_together(ranks: &dyn Ranks, own: Said, failure: Option<inkgrad_engine::Error>) -> Result<Said> {
    let all = of_all(ranks, own);
    match failure {
        Some(error) => Err(error.into()),
        None => all,
    }
}

fn of_all(ranks: &dyn Ranks, own: Said) -> Result<Said> {
    if ranks.size() == 1 {
        return match own.problem {
            None => Ok(own),
            Some(problem) => Err(Error::input("step", problem)),
        };
    }
    let mut all = Said::default();
    for (rank, bytes) in ranks.all_gather_bytes(&own.to_bytes()).iter().enumerate() {
        let said = Said::from_bytes(bytes);
        if let Some(problem) = said.problem {
            return Err(match said.is_device {
                true => inkgrad_engine::Error::Device(format!("rank {rank}: {problem}")).into(),
                false => Error::input(format_args!("rank {rank}"), problem),
            });
        }
        all.losses.extend(said.losses);
        all.statistics.extend(said.statistics);
        all.live.resize(all.live.len().max(said.live.len()), false);
        all.live.iter_mut().zip(said.live).for_each(|(live, there)| *live |= there);
    }
    Ok(all)
}

/// The mean losses of all ranks' batches, of which each has some in order.
pub(super) fn mean_of_all(ranks: &dyn Ranks, own: &[Losses]) -> Losses {
    let mut bytes = Bytes::default();
    own.iter().for_each(|losses| losses.write(&mut bytes));
    let mut sums = Sums::default();
    for bytes in ranks.all_gather_bytes(&bytes.0) {
        let mut from = Reader(&bytes);
        while !from.0.is_empty() {
            sums.add(&Losses::read(&mut from));
        }
    }
    sums.mean()
}

/// Whether an update needs the whole gradient.
pub(super) fn needs_whole(optimizer: &Optimizer<f32>) -> bool {
    optimizer.settings().1.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rank_says_is_read_as_it_was_said() {
        let losses = |n: usize| Losses { loss: 0.1 * n as f64, terms: [n as f64; MAX_TERMS], drawings: n };
        let statistics = vec![vec![vec![1.0, 2.0], vec![]], vec![vec![3.0, 4.0], vec![5.0]]];
        let said = Said {
            problem: None,
            is_device: false,
            losses: vec![losses(3), losses(4)],
            statistics,
            live: vec![true, false],
        };
        assert_eq!(Said::from_bytes(&said.to_bytes()), said);
        let failed = Said { problem: Some("lost".to_owned()), is_device: true, ..Said::default() };
        assert_eq!(Said::from_bytes(&failed.to_bytes()), failed);
        assert_eq!(Said::from_bytes(&Said::default().to_bytes()), Said::default());
    }
}
