//! NumPy's legacy generator, `numpy.random.RandomState`, as far as scores draw from it, number for number: MT19937
//! (Matsumoto and Nishimura, "Mersenne Twister", 1998) with NumPy's masked rejection sampling.

/// Words of the state.
const N: usize = 624;
const M: usize = 397;

/// `numpy.random.RandomState(seed)`.
#[derive(Debug, Clone)]
pub struct RandomState {
    state: [u32; N],
    /// The next word to give; N where all are used up.
    at: usize,
}

impl RandomState {
    /// Knuth's initialisation, `init_genrand` of the authors.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let last = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        RandomState { state, at: N }
    }

    /// The numbers below `n` in a random order: `permutation(n)`.
    ///
    /// # Panics
    /// If `n` exceeds 2³².
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.at_most(i));
        }
        order
    }

    /// `size` different numbers below `n`: `choice(n, size, replace=False)`, which is the start of a permutation.
    ///
    /// # Panics
    /// If `size` exceeds `n`.
    pub fn choice(&mut self, n: usize, size: usize) -> Vec<usize> {
        assert!(size <= n, "{size} different numbers below {n}");
        let mut order = self.permutation(n);
        order.truncate(size);
        order
    }

    /// A number from 0 to `max`: the lowest bits of a word, again until they do not exceed it.
    fn at_most(&mut self, max: usize) -> usize {
        let max = u32::try_from(max).expect("fewer than 2^32 things to order");
        let mask = u32::MAX.checked_shr(max.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.word() & mask;
            if value <= max {
                return value as usize;
            }
        }
    }

    /// The next 32 bits.
    fn word(&mut self) -> u32 {
        if self.at == N {
            self.twist();
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// The next state.
    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.at = 0;
    }
}
