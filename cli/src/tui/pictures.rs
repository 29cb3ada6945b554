//! Drawings of half-blocks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::state::{Sheet, State};
use super::theme::Theme;
use super::view;
use crate::inline::{Colours, blocks};

/// Rows of characters that a drawing has at least, each two pixels high: fewer are not recognised.
const LEAST: u16 = 7;

/// Draws the chosen sheet: as many drawings as fit.
pub fn draw(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let Some(sheet) = state.sheets.get(state.sheet.min(state.sheets.len().saturating_sub(1))) else {
        let inner = view::panel(Line::styled(" drawings ", theme.title()), area, theme, buffer);
        let problem = state.problem.as_deref().unwrap_or_default();
        Paragraph::new(problem).wrap(Wrap { trim: true }).render(inner, buffer);
        return;
    };
    let mut title = vec![Span::styled(format!(" {} ", sheet.title), theme.title())];
    if sheet.together == 2 {
        title.push(Span::styled("right of originals ", theme.dim()));
    }
    let inner = view::panel(Line::from(title), area, theme, buffer);
    place(sheet, inner, theme, buffer);
}

/// The columns and rows of characters of a drawing: of the sizes that cover nearly as much of `area` as any, the smallest, so that
/// many are seen.
fn size(sheet: &Sheet, area: Rect) -> (u16, u16) {
    let (height, width) = (sheet.extents.height.max(1) as u32, sheet.extents.width.max(1) as u32);
    let together = sheet.together as u16;
    let columns = |rows: u16| (u32::from(rows) * 2 * width / height).max(1) as u16;
    let covered = |rows: u16| {
        let group = columns(rows) * together;
        let count = ((area.width + 1) / (group + 1)) * (area.height / rows);
        u32::from(count) * u32::from(group) * u32::from(rows)
    };
    // None is larger than it is, nor so small that it is not recognised, if that fits.
    let largest = (height.div_ceil(2) as u16).min(area.height).max(1);
    let sizes = || LEAST.min(largest)..=largest;
    let most = sizes().map(covered).max().unwrap_or_default();
    let fitting = sizes().find(|&rows| most > 0 && 10 * covered(rows) >= 9 * most);
    let rows = fitting.unwrap_or_else(|| (1..largest).rev().find(|&rows| covered(rows) > 0).unwrap_or(1));
    (columns(rows), rows)
}

fn place(sheet: &Sheet, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let (columns, rows) = size(sheet, area);
    let together = sheet.together as u16;
    // A column is free between groups.
    let group = columns * together + 1;
    let across = ((area.width + 1) / group).max(1);
    let len = sheet.extents.len();
    for (i, values) in sheet.values.chunks_exact(len).enumerate() {
        let (of_group, number) = (i as u16 % together, i as u16 / together);
        let x = area.x + number % across * group + of_group * columns;
        let y = area.y + number / across * rows;
        if x + columns > area.right() || y + rows > area.bottom() {
            break;
        }
        picture(values, sheet, Rect::new(x, y, columns, rows), theme.colours, buffer);
    }
}

fn picture(values: &[f32], sheet: &Sheet, at: Rect, colours: Colours, buffer: &mut Buffer) {
    let (side, rows) = (usize::from(at.width), 2 * usize::from(at.height));
    let pixels = blocks::shrunk(values, sheet.extents, side, rows);
    for (y, two) in (at.y..).zip(pixels.chunks_exact(2 * side)) {
        for (x, (&upper, &lower)) in (at.x..).zip(two[..side].iter().zip(&two[side..])) {
            let Some(cell) = buffer.cell_mut((x, y)) else { continue };
            let colour = |pixel: [f32; 3]| match colours {
                Colours::True => {
                    let [r, g, b] = pixel.map(|value| (value * 255.0).round() as u8);
                    Color::Rgb(r, g, b)
                }
                Colours::Few | Colours::None => Color::Indexed(blocks::indexed(pixel)),
            };
            match colours {
                Colours::None => cell.set_char(blocks::ink(upper, lower)),
                Colours::True | Colours::Few => {
                    cell.set_char('▀').set_style(Style::new().fg(colour(upper)).bg(colour(lower)))
                }
            };
        }
    }
}
