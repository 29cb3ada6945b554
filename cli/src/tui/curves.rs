//! Losses and terms over the epochs.

use inkgrad_models::run::records::Split;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph, Widget};

use super::state::{Curve, State};
use super::theme::Theme;
use super::view;
use crate::inline::Colours;
use crate::progress::number;

/// The points of one line, their name, and how they are drawn.
struct Drawn<'a> {
    name: &'static str,
    points: &'a [(f64, f64)],
    style: Style,
    graph: GraphType,
    marker: Marker,
    /// The marker in the legend.
    sign: &'static str,
}

/// Draws the chosen curve, or that number of places behind it.
pub fn draw(state: &State, offset: usize, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let shown = state.shown();
    let empty = Curve { name: "loss".to_owned(), ..Curve::default() };
    let at = if shown.is_empty() { 0 } else { (state.curve + offset) % shown.len() };
    let curve = shown.get(at).copied().unwrap_or(&empty);
    let recent = if at == 0 { &state.recent.points[..] } else { &[] };
    let drawn = lines(curve, recent, theme);

    let mut title = vec![Span::styled(format!(" {} ", curve.name), theme.title())];
    for Drawn { name, style, sign, .. } in drawn.iter().filter(|drawn| !drawn.points.is_empty()) {
        title.push(Span::styled(format!("{sign} {name} "), *style));
    }
    let inner = view::panel(Line::from(title), area, theme, buffer);
    let Some((x, y)) = bounds(drawn.iter().map(|drawn| drawn.points), state.now.epoch) else {
        Paragraph::new("the first record is still to come").style(theme.dim()).render(inner, buffer);
        return;
    };
    let middle = (y[0] + y[1]) / 2.0;
    let values = if inner.height >= 7 { vec![y[0], middle, y[1]] } else { y.to_vec() };
    let digits = if x[1] < 10.0 { 2 } else { usize::from(x[1] < 100.0) };
    let datasets = drawn.iter().filter(|drawn| !drawn.points.is_empty()).map(|drawn| {
        let dataset = Dataset::default().data(drawn.points).style(drawn.style);
        dataset.graph_type(drawn.graph).marker(drawn.marker)
    });
    let axis = |bounds| Axis::default().bounds(bounds).style(theme.dim());
    Chart::new(datasets.collect())
        .legend_position(None)
        .x_axis(axis(x).labels([format!("{:.0}", x[0]), format!("epoch {:.digits$}", x[1])]))
        .y_axis(axis(y).labels(values.into_iter().map(number)))
        .render(inner, buffer);
}

/// The lines of a curve, the least important first: later ones are drawn over them.
fn lines<'a>(curve: &'a Curve, recent: &'a [(f64, f64)], theme: Theme) -> [Drawn<'a>; 4] {
    // Without colours, lines are told apart by what they are made of.
    let colours = theme.colours != Colours::None;
    let line = |name, points, style, marker, sign| {
        let (graph, marker, sign) = match colours {
            true => (GraphType::Line, Marker::Braille, "━"),
            false => (GraphType::Scatter, marker, sign),
        };
        Drawn { name, points, style, graph, marker, sign }
    };
    let steps = GraphType::Scatter;
    [
        Drawn { name: "steps", points: recent, style: theme.dim(), graph: steps, marker: Marker::Braille, sign: "⠂" },
        line("test", curve.of(Split::Test), theme.test(), Marker::Custom('x'), "x"),
        Drawn {
            graph: GraphType::Line,
            ..line("train", curve.of(Split::Train), theme.training(), Marker::Braille, "━")
        },
        line("validation", curve.of(Split::Val), theme.validation(), Marker::Custom('o'), "o"),
    ]
}

/// The extents of what is shown: all epochs, and the values but for those of the first tenth where they would flatten the
/// rest. `None` where there is no point.
fn bounds<'a>(lines: impl Iterator<Item = &'a [(f64, f64)]> + Clone, epoch: f64) -> Option<([f64; 2], [f64; 2])> {
    let points = || lines.clone().flatten().copied();
    let first = points().map(|(x, _)| x).reduce(f64::min)?;
    let last = points().map(|(x, _)| x).fold(epoch, f64::max);
    // A run that goes on from the middle begins there; one from its beginning, at 0.
    let x = [if first < 1.5 { 0.0 } else { first }, if last > first { last } else { first + 1.0 }];
    let from = if points().count() > 10 { x[0] + 0.1 * (x[1] - x[0]) } else { x[0] };
    let (low, high) = points()
        .filter(|(at, _)| *at >= from)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, y)| (low.min(y), high.max(y)));
    let (low, high) = if low <= high { (low, high) } else { points().next().map(|(_, y)| (y, y))? };
    let margin = if high > low { 0.05 * (high - low) } else { 0.05 * high.abs().max(1e-3) };
    Some((x, [low - margin, high + margin]))
}
