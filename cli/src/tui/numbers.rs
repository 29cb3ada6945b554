//! The numbers of the moment: speed, learning rate, norm of the gradient, and the last records.

use inkgrad_models::run::records::Split;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Widget};

use super::state::State;
use super::theme::Theme;
use super::view;
use crate::output::thousands;
use crate::progress::number;

/// Columns of a number in the table of records.
const COLUMN: usize = 7;

/// The name of the last row above the table.
const NORM: &str = "gradient norm";

/// Draws them one below the other, what fits.
pub fn draw(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let inner = view::panel(Line::styled(" now ", theme.title()), area, theme, buffer);
    let mut lines = pace(state);
    lines.push((Line::raw(NORM), Line::raw(norm(state))));
    let records = records(state, inner.width.into(), theme);
    let (rows, table) = (lines.len() as u16, records.len() as u16);
    for ((name, value), y) in lines.into_iter().zip(inner.y..inner.bottom()) {
        let row = Rect { y, height: 1, ..inner };
        name.render(row, buffer);
        Paragraph::new(value).alignment(Alignment::Right).render(row, buffer);
    }
    // The norms over time take what the table leaves, or stand between the name and the last of them.
    let left = inner.height.saturating_sub(rows + table);
    let high = if state.norms.is_empty() { 0 } else { left.min(4) };
    if high > 0 {
        sparkline(state, Rect { y: inner.y + rows, height: high, ..inner }, theme, buffer);
    } else if let Some(between) = inner.width.checked_sub(NORM.len() as u16 + 11).filter(|_| rows <= inner.height) {
        let x = inner.x + NORM.len() as u16 + 1;
        sparkline(state, Rect { x, y: inner.y + rows - 1, width: between, height: 1 }, theme, buffer);
    }
    let below = rows + high + u16::from(left > high);
    for (line, y) in records.into_iter().zip(inner.y + below..inner.bottom()) {
        line.render(Rect { y, height: 1, ..inner }, buffer);
    }
}

fn pace(state: &State) -> Vec<(Line<'static>, Line<'static>)> {
    let now = &state.now;
    let row = |name: &'static str, value: String| (Line::raw(name), Line::raw(value));
    let rate = |value: f64| match value {
        100.0.. => thousands(value.round() as u64),
        _ => format!("{value:.1}"),
    };
    vec![
        row("drawings/s", rate(now.images_per_second)),
        row("steps/s", rate(now.steps_per_second)),
        row("learning rate", if state.rate > 0.0 { format!("{:.2e}", state.rate) } else { "–".to_owned() }),
    ]
}

/// The last norm of the gradient.
pub fn norm(state: &State) -> String {
    state.norms.back().map_or_else(|| "–".to_owned(), |&norm| number(norm))
}

/// Norms over time, on a scale of their own: from the smallest to the largest.
fn sparkline(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let shown = usize::from(area.width).min(state.norms.len());
    let norms: Vec<f64> =
        state.norms.iter().skip(state.norms.len() - shown).copied().filter(|x| x.is_finite()).collect();
    let (low, high) = norms.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &x| (low.min(x), high.max(x)));
    let scaled = |norm: f64| (1.0 + 99.0 * (norm - low) / (high - low).max(f64::MIN_POSITIVE)) as u64;
    Sparkline::default().data(norms.into_iter().map(scaled)).max(100).style(theme.training()).render(area, buffer);
}

/// A number in a column.
fn short(value: f64) -> String {
    let text = number(value);
    if text.len() <= COLUMN { text } else { format!("{value:.0}") }
}

/// The last records of each split, a row a number.
fn records(state: &State, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let shown = state.shown();
    let splits = [
        ("train", Split::Train, theme.training()),
        ("val", Split::Val, theme.validation()),
        ("test", Split::Test, theme.test()),
    ];
    let splits =
        splits.into_iter().filter(|(_, split, _)| shown.first().is_some_and(|curve| !curve.of(*split).is_empty()));
    let longest = shown.iter().map(|curve| curve.name.chars().count()).max().unwrap_or_default();
    let fitting = width.saturating_sub(longest) / (COLUMN + 1);
    let splits: Vec<_> = splits.take(fitting.max(1)).collect();
    if splits.is_empty() {
        return Vec::new();
    }
    let name = width.saturating_sub(splits.len() * (COLUMN + 1));
    let cut = |text: &str| text.chars().take(name).collect::<String>();
    let mut lines = Vec::with_capacity(shown.len() + 1);
    let mut head = vec![Span::raw(format!("{:name$}", ""))];
    head.extend(splits.iter().map(|(title, _, style)| Span::styled(format!(" {:>COLUMN$.COLUMN$}", title), *style)));
    lines.push(Line::from(head));
    for curve in &shown {
        let mut row = vec![Span::raw(format!("{:name$}", cut(&curve.name)))];
        for (_, split, style) in &splits {
            let value = curve.of(*split).last().map_or_else(String::new, |(_, value)| short(*value));
            row.push(Span::styled(format!(" {value:>COLUMN$}"), *style));
        }
        lines.push(Line::from(row));
    }
    lines
}
