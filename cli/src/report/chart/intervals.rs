//! A row an estimate: its name and value above, below a dot with its interval.

use inkgrad_models::run::plot::{Estimate, Panel};
use maud::{Markup, html};

use super::{Axis, WIDTH, short};
use crate::report::measured::plain;

/// The height of a row.
const ROW: f64 = 34.0;
const TOP: f64 = 16.0;

pub(super) fn svg(panel: &Panel, rows: &[Estimate], mark: Option<&(String, f64)>, alt: &str) -> Markup {
    let finite = |row: &&Estimate| [row.low, row.value, row.high].iter().all(|v| v.is_finite());
    let rows: Vec<&Estimate> = rows.iter().filter(finite).collect();
    let ends = rows.iter().flat_map(|row| [row.low, row.value, row.high]);
    let across = Axis::over(ends.chain(mark.map(|mark| mark.1)), (8.0, WIDTH - 8.0), 5, false);
    let bottom = TOP + ROW * rows.len() as f64 + 4.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", bottom + 40.0)) role="img" aria-label=(alt) {
            @for (value, _) in &across.ticks {
                @let at = short(across.at(*value));
                line.grid x1=(at) x2=(at) y1=(TOP) y2=(short(bottom)) {}
            }
            @if let Some((name, value)) = mark.filter(|mark| mark.1.is_finite()) {
                @let at = across.at(*value);
                // Beside the dots alone, so that it crosses no name.
                @for y in (0..rows.len()).map(|i| TOP + ROW * i as f64) {
                    line.mark x1=(short(at)) x2=(short(at)) y1=(short(y + 16.0)) y2=(short(y + 30.0)) {}
                }
                text.tick x=(short(at.clamp(60.0, WIDTH - 60.0))) y="11" text-anchor="middle" { (name) " " (plain(*value)) }
            }
            @for (i, row) in rows.iter().enumerate() {
                @let y = TOP + ROW * i as f64;
                text.name x="8" y=(short(y + 12.0)) { (row.label) }
                text.tick x=(WIDTH - 8.0) y=(short(y + 12.0)) text-anchor="end" { (plain(row.value)) }
                g.c0 {
                    line.reach x1=(short(across.at(row.low))) x2=(short(across.at(row.high))) y1=(short(y + 23.0)) y2=(short(y + 23.0)) {}
                    circle.dot cx=(short(across.at(row.value))) cy=(short(y + 23.0)) r="4.5" {
                        title { (row.label) ": " (plain(row.value)) " [" (plain(row.low)) ", " (plain(row.high)) "]" }
                    }
                }
            }
            line.axis x1="8" x2=(WIDTH - 8.0) y1=(short(bottom)) y2=(short(bottom)) {}
            @for (value, name) in &across.ticks {
                text.tick x=(short(across.at(*value))) y=(short(bottom + 15.0)) text-anchor="middle" { (name) }
            }
            text.label x=(WIDTH / 2.0) y=(short(bottom + 32.0)) text-anchor="middle" { (panel.label) }
        }
    }
}
