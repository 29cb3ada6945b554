//! How numbers are distributed, in buckets of one width.

/// Buckets of a histogram.
const BUCKETS: usize = 64;

/// A histogram of some numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The smallest number.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many numbers.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_squares: f64,
    /// The upper end of each bucket; the lower end of the first is `min`.
    pub limits: Vec<f64>,
    /// How many numbers lie in each.
    pub buckets: Vec<f64>,
}

impl Histogram {
    /// The histogram of `values`, in 64 buckets from the smallest to the largest; `None` where there are none, or one is not finite.
    ///
    /// ```
    /// use inkgrad_models::run::histogram::Histogram;
    ///
    /// let found = Histogram::of(&[-1.0, 0.0, 3.0, 3.0]).expect("finite numbers");
    /// assert_eq!((found.min, found.max, found.sum), (-1.0, 3.0, 5.0));
    /// assert_eq!((found.buckets[0], found.buckets[63]), (1.0, 2.0));
    /// ```
    pub fn of(values: &[f32]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let wide = || values.iter().map(|&value| f64::from(value));
        let (min, max) = (wide().fold(f64::INFINITY, f64::min), wide().fold(f64::NEG_INFINITY, f64::max));
        // Numbers that are all the same have a bucket of their own width.
        let width = if max > min { (max - min) / BUCKETS as f64 } else { f64::from(f32::EPSILON) * max.abs().max(1.0) };
        let mut buckets = vec![0.0; BUCKETS];
        for value in wide() {
            buckets[(((value - min) / width) as usize).min(BUCKETS - 1)] += 1.0;
        }
        let mut limits: Vec<f64> = (1..=BUCKETS).map(|i| min + width * i as f64).collect();
        limits[BUCKETS - 1] = limits[BUCKETS - 1].max(max);
        let (sum, sum_squares) = (wide().sum(), wide().map(|value| value * value).sum());
        Some(Histogram { min, max, count: values.len() as u64, sum, sum_squares, limits, buckets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_number_once() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 / 7.0 - 3.0).collect();
        let found = Histogram::of(&values).unwrap();
        assert!(found.limits.is_sorted() && found.limits.len() == BUCKETS);
        let mut below = found.min;
        for (&limit, &count) in found.limits.iter().zip(&found.buckets) {
            // A number within rounding of a limit may be on either side of it.
            let within = |slack: f64| {
                values.iter().filter(|&&v| f64::from(v) >= below - slack && f64::from(v) < limit + slack).count() as f64
            };
            assert!(count <= within(1e-9), "{count} below {limit}");
            below = limit;
        }
        assert_eq!(found.buckets.iter().sum::<f64>(), 1000.0);
    }

    #[test]
    fn numbers_that_are_the_same_and_numbers_that_are_none() {
        let found = Histogram::of(&[2.5; 3]).unwrap();
        assert_eq!((found.buckets[0], found.min, found.max, found.sum_squares), (3.0, 2.5, 2.5, 18.75));
        assert!(found.limits.is_sorted_by(|a, b| a < b));
        assert_eq!([&[][..], &[f32::NAN], &[1.0, f32::INFINITY]].map(Histogram::of), [None, None, None]);
    }
}
