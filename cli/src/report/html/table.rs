//! Tables of a page: sorted by a click, and folded into a card a row where the screen is narrow, so that no column is hidden.

use maud::{Markup, html};

use crate::report::document::{Cell, Column, Table, WORDS};

/// A table of more columns is folded on a narrow screen.
const NARROW: usize = 3;

/// The table. Roles are written out: folded rows would lose theirs.
pub(super) fn table(table: &Table) -> Markup {
    let words = table.of_words();
    let row = |row: &Vec<Cell>| {
        html! { tr role="row" {
            @for (i, cell) in row.iter().enumerate() {
                @let name = &table.head[i].name;
                @if i == 0 {
                    th scope="row" role="rowheader" { bdi { (cell.text) } }
                } @else {
                    @let (long, none) = (cell.text.chars().count() > WORDS, cell.text.is_empty());
                    td.words[words[i]].long[long].none[none].best[cell.best] role="cell" data-head=(name) data-key=[cell.key] {
                        bdi { (cell.text) } @if cell.best { span.unseen { " (best)" } }
                    }
                }
            }
        } }
    };
    html! {
        table.fold[table.head.len() > NARROW] role="table" {
            caption { (table.title) }
            thead role="rowgroup" { tr role="row" {
                @for (Column { name, better }, &words) in table.head.iter().zip(&words) {
                    th.words[words] scope="col" role="columnheader" {
                        (name) @if let Some(better) = better {
                            "\u{a0}" span aria-hidden="true" { (better.arrow()) } span.unseen { ", " (better.words()) }
                        }
                    }
                }
            } }
            tbody role="rowgroup" { @for cells in &table.rows { (row(cells)) } }
            @if !table.foot.is_empty() { tfoot role="rowgroup" { @for cells in &table.foot { (row(cells)) } } }
        }
    }
}
