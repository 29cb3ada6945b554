//! Latents that are made of codes of a codebook: how often each code stands at each place.

use std::collections::BTreeMap;

/// A distribution of codes for each place of a latent, independent of each other: the shares that codes have there among the latents of
/// training drawings, which make these most likely. Dependence between places is left out; van den Oord et al. (2017) fit a network
/// for that.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    /// Numbers of a code.
    pub(super) width: usize,
    /// `(M, width)`: the codes that were met, each once.
    pub(super) codes: Vec<f32>,
    /// `(places, M)`: their shares at each place, which add up to 1.
    pub(super) shares: Vec<f32>,
}

impl Codes {
    /// Those of `latents: (N, places·width)`, N at least 1.
    pub(super) fn new(width: usize, places: usize, latents: &[f32]) -> Self {
        let mut counts: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
        for latent in latents.chunks_exact(places * width) {
            for (place, code) in latent.chunks_exact(width).enumerate() {
                let key = code.iter().map(|number| number.to_bits()).collect();
                counts.entry(key).or_insert_with(|| vec![0; places])[place] += 1;
            }
        }
        let n = (latents.len() / (places * width)) as f32;
        let share = |place: usize| counts.values().map(move |counts| counts[place] as f32 / n);
        Codes {
            width,
            shares: (0..places).flat_map(share).collect(),
            codes: counts.keys().flatten().map(|&bits| f32::from_bits(bits)).collect(),
        }
    }

    /// The places of a latent.
    pub(super) fn places(&self) -> usize {
        self.shares.len() / (self.codes.len() / self.width)
    }

    /// Fills `latent` with the codes at the shares `choices`, one a place, uniform on [0, 1).
    pub(super) fn place(&self, choices: &[f64], latent: &mut [f32]) {
        let met = self.codes.len() / self.width;
        let places = latent.chunks_exact_mut(self.width).zip(self.shares.chunks_exact(met)).zip(choices);
        for ((piece, shares), &choice) in places {
            let mut end = 0.0;
            let found = shares.iter().position(|&share| {
                end += f64::from(share);
                choice < end
            });
            // Rounding may leave the shares short of 1.
            let last = || shares.iter().rposition(|&share| share > 0.0).unwrap_or(0);
            piece.copy_from_slice(&self.codes[found.unwrap_or_else(last) * self.width..][..self.width]);
        }
    }
}
