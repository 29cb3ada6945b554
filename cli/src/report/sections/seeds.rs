//! Numbers over seeds.

use super::super::document::{Block, Cell, Section, Table};
use super::super::measured::{Measured, Spread};
use super::super::seeds::Group;

/// A table for each group of runs that differ in their seeds alone.
pub fn seeds(groups: &[Group]) -> Section {
    let mut blocks = Vec::new();
    for Group { model, seeds, numbers, .. } in groups {
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        let title = format!("{model}: {} runs, seeds {}", seeds.len(), seeds.join(", "));
        let mut table = Table::new(title, &["number", "mean ± standard deviation", "runs"]);
        for number in numbers {
            let measured = Measured { value: number.mean, spread: Spread::Deviation(number.std), share: false };
            table.row([number.label().into(), Cell::from(&measured), Cell::count(number.n)]);
        }
        blocks.push(Block::Table(table));
    }
    if !blocks.is_empty() {
        let text = "Runs that differ in nothing but their seeds tell what chance does: the standard deviation, divisor N − 1, is \
                    over runs. A difference between models that is not well above it may be chance.";
        blocks.insert(0, Block::Text(text.into()));
    }
    Section { id: "seeds", title: "Over seeds", blocks }
}
