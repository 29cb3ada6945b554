//! Where everything stands on screens of any size.

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Widget, Wrap};

use super::state::State;
use super::theme::Theme;
use super::{bars, curves, numbers, pictures};
use crate::output::{duration, thousands};
use crate::progress::number;

/// On less than this there is one line.
const SMALLEST: (u16, u16) = (40, 12);
/// From here on drawings and numbers stand beside the curves.
const WHOLE: (u16, u16) = (64, 20);
/// Columns of the numbers.
const NUMBERS: u16 = 32;
/// Columns that a chart has at least, where several are side by side.
const CHART: u16 = 44;

/// Draws the state on all of `area`.
pub fn draw(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let (width, height) = (area.width, area.height);
    if width < SMALLEST.0 || height < SMALLEST.1 {
        too_small(state, area, buffer);
    } else if width < WHOLE.0 || height < WHOLE.1 {
        compact(state, area, theme, buffer);
    } else {
        whole(state, area, theme, buffer);
    }
    if state.help && width >= SMALLEST.0 && height >= SMALLEST.1 {
        help(area, theme, buffer);
    }
}

/// A border with a title; gives what it encloses.
pub fn panel(title: Line, area: Rect, theme: Theme, buffer: &mut Buffer) -> Rect {
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(theme.dim()).title(title);
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

fn too_small(state: &State, area: Rect, buffer: &mut Buffer) {
    let now = &state.now;
    let (width, height) = SMALLEST;
    let text = format!(
        "step {}/{}, loss {}; {width}x{height} would show more; q stops",
        now.step,
        now.total,
        number(now.loss)
    );
    Paragraph::new(text).wrap(Wrap { trim: true }).render(area, buffer);
}

/// Head, one chart, a line of numbers, keys.
fn compact(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let rows = [Constraint::Length(2), Constraint::Min(6), Constraint::Length(2), Constraint::Length(1)];
    let [top, chart, line, keys] = Layout::vertical(rows).areas(area);
    head(state, top, theme, buffer);
    curves::draw(state, 0, chart, theme, buffer);
    let now = &state.now;
    let mut first = format!("loss {}, {:.0} drawings/s", number(now.loss), now.images_per_second);
    if let Some(usage) = &state.usage {
        first += &format!(", {} of {} active", usage.active, usage.kl.len());
    }
    let second = match state.log.last().filter(|_| state.stopping) {
        Some(last) => last.clone(),
        None => format!("rate {:.2e}, gradient norm {}", state.rate, numbers::norm(state)),
    };
    Paragraph::new(vec![Line::raw(first), Line::raw(second)]).render(line, buffer);
    foot(state, keys, theme, buffer);
}

fn whole(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    // Beyond what drawings need, rows go to the log.
    let log = if area.height >= 30 { 4 } else { 1 };
    let body = area.height - 3 - log;
    let lower = (body / 2).min(24);
    let rows = [
        Constraint::Length(2),
        Constraint::Length(body - lower),
        Constraint::Length(lower),
        Constraint::Length(log),
        Constraint::Length(1),
    ];
    let [top, upper, lower, log, keys] = Layout::vertical(rows).areas(area);
    head(state, top, theme, buffer);
    let [charts, figures] = Layout::horizontal([Constraint::Min(CHART - 12), Constraint::Length(NUMBERS)]).areas(upper);
    numbers::draw(state, figures, theme, buffer);
    // Without drawings, the next curve stands below the first.
    let below = usize::from(!state.draws());
    let of_loss = state.shown().len().max(1);
    let across = usize::from((charts.width / CHART).max(1)).min(of_loss.saturating_sub(below).max(1));
    let cells = Layout::horizontal(vec![Constraint::Fill(1); across]).split(charts);
    for (i, cell) in cells.iter().enumerate() {
        curves::draw(state, i, *cell, theme, buffer);
    }
    match (state.draws(), &state.usage) {
        (true, Some(usage)) => {
            // A bar a dimension, where that leaves drawings room.
            let wanted = (usage.kl.len() + 2).min(60) as u16;
            let share = wanted.clamp(NUMBERS, (lower.width * 3 / 7).max(NUMBERS));
            let [left, right] = Layout::horizontal([Constraint::Min(1), Constraint::Length(share)]).areas(lower);
            pictures::draw(state, left, theme, buffer);
            bars::draw(usage, right, theme, buffer);
        }
        (true, None) => pictures::draw(state, lower, theme, buffer),
        (false, _) => curves::draw(state, across, lower, theme, buffer),
    }
    let lines: Vec<Line> =
        state.log.iter().rev().take(log.height.into()).rev().map(|line| line.as_str().into()).collect();
    Paragraph::new(lines).style(theme.dim()).render(log, buffer);
    foot(state, keys, theme, buffer);
}

/// The model, its data and the run's folder; below, how far it has come.
fn head(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let mut line = vec![Span::styled(state.title.clone(), theme.title())];
    if !state.run.is_empty() {
        line.push(Span::styled(format!("  {}", state.run), theme.dim()));
    }
    Line::from(line).render(first, buffer);
    let elapsed = duration(state.now.elapsed);
    let taken = state.title.chars().count() + state.run.chars().count() + 2;
    if taken + elapsed.chars().count() + 2 <= first.width.into() {
        Paragraph::new(elapsed).alignment(Alignment::Right).render(first, buffer);
    }

    let now = &state.now;
    let place = format!("epoch {:.2}, step {}/{} ", now.epoch, thousands(now.step), thousands(now.total));
    let left = if now.step == 0 { " starting".to_owned() } else { format!(" {} left", duration(now.left)) };
    let (before, after) = (place.chars().count() as u16, left.chars().count() as u16);
    buffer.set_stringn(second.x, second.y, &place, second.width.into(), theme.title());
    let Some(bar) = second.width.checked_sub(before + after).filter(|&bar| bar >= 4) else { return };
    let share = now.step as f64 / now.total.max(1) as f64;
    let done = (share * f64::from(bar)).round() as u16;
    let x = second.x + before;
    buffer.set_string(x, second.y, "━".repeat(done.into()), theme.training());
    buffer.set_string(x + done, second.y, "─".repeat((bar - done).into()), theme.dim());
    buffer.set_string(x + bar, second.y, left, theme.title());
}

/// The keys.
fn foot(state: &State, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let mut keys = vec![("q", if state.stopping { "end at once" } else { "stop and save" }), ("?", "help")];
    if state.shown().len() > 1 {
        keys.push(("tab", "next curve"));
    }
    if state.sheets.len() > 1 {
        keys.push(("s", "next drawings"));
    }
    let (mut spans, mut left) = (Vec::new(), usize::from(area.width));
    for (key, does) in keys {
        let columns = key.len() + does.len() + 4;
        if columns <= left + 1 {
            spans.push(Span::styled(format!(" {key} "), theme.key()));
            spans.push(Span::raw(format!(" {does} ")));
        }
        left = left.saturating_sub(columns);
    }
    Line::from(spans).render(area, buffer);
}

/// The keys and what the panels show.
const HELP: [&str; 12] = [
    "q, Ctrl-C  stop and save; once more",
    "           ends at once",
    "tab        next curve: loss, terms",
    "s          samples, reconstructions",
    "",
    "steps      losses between records",
    "KL         of q(z|x) to N(0, 1), nats,",
    "           of 128 drawings; active",
    "           where the mean varies",
    "samples    of the same latents",
    "",
    "The log is printed at the end.",
];

fn help(area: Rect, theme: Theme, buffer: &mut Buffer) {
    let width = HELP.iter().map(|line| line.chars().count()).max().unwrap_or_default() as u16 + 4;
    let (width, height) = (width.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let at = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    Clear.render(at, buffer);
    let inner = panel(Line::styled(" help ", theme.title()), at, theme, buffer);
    let inner = Rect { x: inner.x + u16::from(inner.width > 4), ..inner };
    Paragraph::new(HELP.map(Line::raw).to_vec()).render(inner.intersection(at), buffer);
}
