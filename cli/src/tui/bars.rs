//! KL(q(z|x) ‖ N(0, 1)) of each dimension of the latents, the largest first.

use inkgrad_models::metrics::latent::{ACTIVE, Usage};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use super::view;
use crate::progress::number;

/// Eighths of a character, from none to all.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most columns of a bar, and of the gap behind it.
const WIDEST: u16 = 4;

/// Draws a bar a dimension, with its number below where there is room. Where there are more dimensions than columns, a
/// bar is the mean of neighbours in that order.
pub fn draw(usage: &Usage, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let n = usage.kl.len();
    let name = if area.width < 40 { " KL " } else { " KL per dimension " };
    let title =
        vec![Span::styled(name, theme.title()), Span::styled(format!("{} of {n} active ", usage.active), theme.good())];
    let inner = view::panel(Line::from(title), area, theme, buffer);
    if inner.width < 2 || inner.height < 2 || n == 0 {
        return;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| usage.kl[b].total_cmp(&usage.kl[a]));
    let together = n.div_ceil(inner.width.into());
    let groups: Vec<&[usize]> = order.chunks(together).collect();
    let step = (inner.width / groups.len() as u16).clamp(1, WIDEST);
    let digits = (n - 1).to_string().len() as u16;
    let numbered = together == 1 && step > digits && inner.height > 3;
    let plot = Rect { height: inner.height - u16::from(numbered), ..inner };
    let mean = |group: &[usize]| group.iter().map(|&i| usage.kl[i]).sum::<f64>() / group.len() as f64;
    let top = mean(groups[0]);
    for (group, x) in groups.iter().zip((inner.x..).step_by(step.into())) {
        let active = group.iter().any(|&i| usage.variance[i] > ACTIVE);
        let style = if active { theme.good() } else { theme.dim() };
        // At least an eighth, so that a dimension without KL is seen to be one.
        let height = (mean(group) / top.max(f64::MIN_POSITIVE) * f64::from(8 * plot.height)).clamp(1.0, 1e6) as u16;
        for row in 0..plot.height {
            let eighths = height.saturating_sub(8 * row).min(8);
            for x in x..x + (step - u16::from(step > 1)) {
                if let Some(cell) = buffer.cell_mut((x, plot.bottom() - 1 - row)) {
                    cell.set_char(EIGHTHS[usize::from(eighths)]).set_style(style);
                }
            }
        }
        if numbered {
            buffer.set_stringn(x, plot.bottom(), group[0].to_string(), usize::from(step - 1), theme.dim());
        }
    }
    let mut scale = vec![format!("max {} nats", number(top))];
    if together > 1 {
        scale.push(format!("{together} dimensions a bar"));
    }
    for (text, y) in scale.iter().zip(plot.y..plot.bottom() - 1) {
        // Where bars are low.
        let x = inner.right().saturating_sub(text.len() as u16);
        if x > inner.x + step {
            buffer.set_string(x, y, text, theme.dim());
        }
    }
}
