//! Schedules of the learning rate.

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Rises linearly for `warmup` steps, then not at all.
    WarmUp {
        /// Steps of the rise.
        warmup: u64,
    },
    /// Rises linearly for `warmup` steps, then falls as half a cosine to zero at `total`.
    Cosine {
        /// Steps of the rise.
        warmup: u64,
        /// Steps of the run.
        total: u64,
    },
}

impl Schedule {
    /// The learning rate of step `step` (from 0), given its peak.
    pub fn rate(&self, peak: f64, step: u64) -> f64 {
        match *self {
            Schedule::WarmUp { warmup } | Schedule::Cosine { warmup, .. } if step < warmup => {
                peak * (step + 1) as f64 / warmup as f64
            }
            Schedule::Constant | Schedule::WarmUp { .. } => peak,
            Schedule::Cosine { warmup, total } => {
                let done = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
                peak * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_peaks_and_ends_at_zero() {
        let schedule = Schedule::Cosine { warmup: 10, total: 110 };
        assert_eq!(schedule.rate(1.0, 0), 0.1);
        assert_eq!(schedule.rate(1.0, 9), 1.0);
        assert_eq!(schedule.rate(1.0, 10), 1.0);
        assert!((schedule.rate(1.0, 60) - 0.5).abs() < 1e-12);
        assert!(schedule.rate(1.0, 110) < 1e-12 && schedule.rate(1.0, 500) < 1e-12);
        assert_eq!(Schedule::Constant.rate(0.3, 7), 0.3);
        let rates = [0, 3, 4].map(|step| Schedule::WarmUp { warmup: 4 }.rate(1.0, step));
        assert_eq!(rates, [0.25, 1.0, 1.0]);
    }
}
