//! Where the ticks of an axis stand, and what they say.

/// Ticks over `low..high`, a 1, 2 or 5 apart, about `wanted` of them; on an axis of things that are counted, such as
/// epochs, at whole numbers alone. Each with its name, all of the same decimals.
pub fn ticks(low: f64, high: f64, wanted: usize, whole: bool) -> Vec<(f64, String)> {
    let rough = (high - low) / wanted.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10f64.powf(rough.log10().floor());
    // The smallest step that is no finer than asked for.
    let step = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|&step| step >= rough * (1.0 - 1e-9));
    let step = step.unwrap_or(10.0 * power);
    let step = if whole { step.max(1.0) } else { step };
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let first = (low / step - 1e-9).ceil();
    (0..4 * wanted.max(1) + 4)
        .map(|i| (first + i as f64) * step)
        .take_while(|&value| value <= high + step * 1e-9)
        // Adding 0 turns −0 into 0.
        .map(|value| (value, format!("{:.decimals$}", value + 0.0)))
        .collect()
}

/// From the least value to the greatest and `margin` of that beyond; something to draw on where there is no extent.
pub fn range(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let extent = high - low;
    if !extent.is_finite() {
        (0.0, 1.0)
    } else if extent <= low.abs() * 1e-9 {
        let around = if low == 0.0 { 0.5 } else { low.abs() * 0.5 };
        (low - around, low + around)
    } else {
        (low - extent * margin, high + extent * margin)
    }
}

/// Moves places that are nearer than `gap` to each other apart, within `low..high` where they fit; gives them in the order in
/// which they came. Labels at the ends of lines stay readable so.
pub fn apart(places: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| places[a].total_cmp(&places[b]));
    let mut moved = places.to_vec();
    let mut floor = low;
    for &i in &order {
        moved[i] = moved[i].max(floor);
        floor = moved[i] + gap;
    }
    let mut ceiling = high;
    for &i in order.iter().rev() {
        moved[i] = moved[i].min(ceiling);
        ceiling = moved[i] - gap;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let names = |low, high, whole| {
            let ticks = ticks(low, high, 5, whole);
            ticks.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(0.0, 50.0, false), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(names(141.3, 199.0, false), ["160", "180"]);
        assert_eq!(names(0.011, 0.052, false), ["0.02", "0.03", "0.04", "0.05"]);
        assert_eq!(names(-1.0, 1.0, false), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
        // Epochs are whole.
        assert_eq!(names(0.9, 3.1, true), ["1", "2", "3"]);
        assert_eq!(names(0.0, 50.0, true), ["0", "10", "20", "30", "40", "50"]);
        for (low, high) in [(3.0, 3.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(names(low, high, false).is_empty());
        }
    }

    #[test]
    fn a_range_always_has_an_extent() {
        assert_eq!(range([].into_iter(), 0.1), (0.0, 1.0));
        assert_eq!(range([3.0, f64::NAN].into_iter(), 0.1), (1.5, 4.5));
        assert_eq!(range([0.0, 10.0].into_iter(), 0.1), (-1.0, 11.0));
    }

    #[test]
    fn labels_move_apart_and_stay_inside() {
        assert_eq!(apart(&[5.0, 5.0, 40.0], 10.0, 0.0, 100.0), [5.0, 15.0, 40.0]);
        assert_eq!(apart(&[99.0, 98.0], 10.0, 0.0, 100.0), [100.0, 90.0]);
        assert_eq!(apart(&[], 10.0, 0.0, 100.0), [0.0; 0]);
    }
}
