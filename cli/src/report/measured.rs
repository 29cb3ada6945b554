//! Figures with what is known of their precision: it decides their digits, and whether one is better than another.

use inkgrad_models::metrics::classifier::{Interval, Verdict, wilson};
use inkgrad_models::metrics::likelihood::Likelihood;
use inkgrad_models::study::Score;
use serde::Serialize;

use super::metric::Better;

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// How far a value may be off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Nobody measured it.
    Unknown,
    /// The standard deviation over subsets or splits, which is no interval.
    Deviation(f64),
    /// 95 %.
    Interval(Interval),
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The value.
    pub value: f64,
    /// Its precision.
    pub spread: Spread,
    /// Whether it is a share, which is told in percent.
    pub share: bool,
}

impl Measured {
    /// A value of which nothing more is known.
    pub fn bare(value: f64) -> Self {
        Measured { value, spread: Spread::Unknown, share: false }
    }

    /// A share of `n`, with Wilson's interval.
    pub fn share(value: f64, n: usize) -> Self {
        let interval = wilson((value * n as f64).round() as usize, n);
        Measured { value, spread: Spread::Interval(interval), share: true }
    }

    /// The share of drawings that a classifier recognises.
    pub fn accuracy(verdict: &Verdict) -> Self {
        Measured { value: verdict.accuracy, spread: Spread::Interval(verdict.accuracy_interval), share: true }
    }

    /// The classifier's mean confidence.
    pub fn confidence(verdict: &Verdict) -> Self {
        Measured { value: verdict.confidence, spread: Spread::Interval(verdict.confidence_interval), share: true }
    }

    /// −ln p, normal over drawings.
    pub fn nll(found: &Likelihood) -> Self {
        // Of a single drawing the error is not known.
        let reach = Z * found.standard_error;
        let interval = Interval { low: found.nll - reach, high: found.nll + reach };
        let spread = if found.n > 1 { Spread::Interval(interval) } else { Spread::Unknown };
        Measured { value: found.nll, spread, share: false }
    }

    /// A score as evaluations keep it: shares of drawings get Wilson's interval, the other side taken as it is.
    pub fn score(score: &Score) -> Option<Self> {
        let (value, passport) = (score.value?, &score.passport);
        Some(match super::metric::base(&score.name) {
            "precision" => Measured::share(value, passport.n_generated),
            "recall" | "coverage" => Measured::share(value, passport.n_real),
            _ => match score.std {
                Some(std) => Measured { value, spread: Spread::Deviation(std), share: false },
                None => Measured::bare(value),
            },
        })
    }

    /// Its 95 % interval, where there is one.
    pub fn interval(&self) -> Option<Interval> {
        if let Spread::Interval(interval) = self.spread { Some(interval) } else { None }
    }

    /// As `93.4 % [91.2, 95.1]`, `0.0123 ± 0.0014` or `12.3`.
    pub fn text(&self) -> String {
        let scale = if self.share { 100.0 } else { 1.0 };
        let unit = if self.share { "\u{a0}%" } else { "" };
        let value = scale * self.value;
        match self.spread {
            Spread::Unknown => plain(value) + unit,
            // Subsets that are all the same say nothing.
            Spread::Deviation(std) if std <= 1e-6 * self.value.abs() => plain(value) + unit,
            Spread::Deviation(std) => {
                let decimals = decimals(scale * std, value);
                format!("{}\u{a0}±\u{a0}{}{unit}", fixed(value, decimals), fixed(scale * std, decimals))
            }
            Spread::Interval(Interval { low, high }) => {
                let decimals = decimals(scale * (high - low) / 2.0, value);
                let [value, low, high] = [value, scale * low, scale * high].map(|v| fixed(v, decimals));
                format!("{value}{unit} [{low},\u{a0}{high}]")
            }
        }
    }

    /// A floor, of which nothing more than its value is known, in the unit of the score.
    pub fn floor_text(&self) -> String {
        let scale = if self.share { 100.0 } else { 1.0 };
        plain(scale * self.value) + if self.share { "\u{a0}%" } else { "" }
    }

    /// The value alone, in the same digits.
    pub fn short(&self) -> String {
        let text = self.text();
        text.split([' ', '\u{a0}']).next().unwrap_or_default().to_owned() + if self.share { "\u{a0}%" } else { "" }
    }
}

/// Decimals by the Particle Data Group's rule: of a spread two digits count where they are up to 35, else one; of no spread, those
/// of [`plain`].
fn decimals(spread: f64, value: f64) -> usize {
    let digits = |of: f64, count: f64| (count - 1.0 - of.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    match (spread > 0.0 && spread.is_finite(), value != 0.0 && value.is_finite()) {
        (true, _) => {
            let leading = spread / 10f64.powf(spread.log10().floor());
            digits(spread, if leading < 3.55 { 2.0 } else { 1.0 })
        }
        (false, true) => digits(value, 3.0),
        (false, false) => 0,
    }
}

fn fixed(value: f64, decimals: usize) -> String {
    // No −0.
    let text = format!("{value:.decimals$}");
    let text = if text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.')) { text.replace('-', "") } else { text };
    text.replace('-', "−")
}

/// Three digits that count, and all before the point: a value of unknown precision.
pub fn plain(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "not a number".to_owned() } else { format!("{value}").replace('-', "−") };
    }
    fixed(value, decimals(0.0, value))
}

/// Which of several values is the best.
#[derive(Clone, Debug, PartialEq)]
pub enum Best {
    /// There are fewer than two, or one's interval is not known.
    Unknown,
    /// One whose interval overlaps with no other's.
    One(usize),
    /// The best value first, then those whose intervals overlap with its.
    Tied(Vec<usize>),
}

/// The best of values that can be compared, `None` being one that was not measured.
pub fn best(values: &[Option<Measured>], better: Better) -> Best {
    let known: Vec<(usize, &Measured)> =
        values.iter().enumerate().filter_map(|(i, value)| Some((i, value.as_ref()?))).collect();
    let intervals: Option<Vec<Interval>> = known.iter().map(|(_, value)| value.interval()).collect();
    let Some(intervals) = intervals.filter(|intervals| intervals.len() > 1) else { return Best::Unknown };
    let first = leader(known.iter().map(|(_, value)| value.value), better).unwrap_or(0);
    let overlaps = |a: Interval, b: Interval| a.low <= b.high && b.low <= a.high;
    let mut tied = vec![known[first].0];
    tied.extend(
        (0..known.len()).filter(|&i| i != first && overlaps(intervals[i], intervals[first])).map(|i| known[i].0),
    );
    if let [only] = tied[..] { Best::One(only) } else { Best::Tied(tied) }
}

/// Where the first of the best values stands, whatever their precision.
pub fn leader(values: impl Iterator<Item = f64>, better: Better) -> Option<usize> {
    let sign = if better == Better::Higher { 1.0 } else { -1.0 };
    let finite = values.enumerate().filter(|(_, value)| value.is_finite());
    finite.reduce(|a, b| if sign * b.1 > sign * a.1 { b } else { a }).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(low: f64, value: f64, high: f64) -> Option<Measured> {
        Some(Measured { value, spread: Spread::Interval(Interval { low, high }), share: false })
    }

    #[test]
    fn precision_decides_the_digits() {
        let with = |value, std| Measured { value, spread: Spread::Deviation(std), share: false }.text();
        assert_eq!(with(0.0123456, 0.00142), "0.0123\u{a0}±\u{a0}0.0014");
        assert_eq!(with(123.456, 12.0), "123\u{a0}±\u{a0}12");
        assert_eq!(with(-0.00001, 0.012), "0.000\u{a0}±\u{a0}0.012");
        assert_eq!([with(1.5, 0.0), with(168.933196109, 1e-9)], ["1.50", "169"]);
        assert_eq!([with(156.31, 3.7), with(45.678, 0.41)], ["156\u{a0}±\u{a0}4", "45.7\u{a0}±\u{a0}0.4"]);
        assert_eq!(within(121.13, 123.456, 125.7).unwrap().text(), "123.5 [121.1,\u{a0}125.7]");
        assert_eq!([0.0123456, 12.3456, 1234.56, 0.0, -4.5678].map(plain), ["0.0123", "12.3", "1235", "0", "−4.57"]);
        assert_eq!(plain(f64::NAN), "not a number");
        let share = Measured::share(0.9, 100);
        assert_eq!(share.text(), "90\u{a0}% [83,\u{a0}94]");
        assert_eq!(share.short(), "90\u{a0}%");
        assert_eq!(within(121.13, 123.456, 125.7).unwrap().short(), "123.5");
    }

    #[test]
    fn only_a_value_whose_interval_is_apart_is_best() {
        let values = [within(0.0, 1.0, 2.0), None, within(2.5, 3.0, 3.5), within(3.2, 4.0, 5.0)];
        assert_eq!(best(&values, Better::Lower), Best::One(0));
        assert_eq!(best(&values, Better::Higher), Best::Tied(vec![3, 2]));
        // Ends that touch overlap.
        assert_eq!(best(&[within(0.0, 1.0, 2.0), within(2.0, 3.0, 4.0)], Better::Lower), Best::Tied(vec![0, 1]));
        // One by itself, or one of unknown precision.
        assert_eq!(best(&values[..2], Better::Lower), Best::Unknown);
        assert_eq!(best(&[values[0], Some(Measured::bare(9.0))], Better::Lower), Best::Unknown);
        assert_eq!(leader([2.0, f64::NAN, 1.0, 1.0].into_iter(), Better::Lower), Some(2));
    }
}
