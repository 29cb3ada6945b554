//! The table of a sweep, as files: JSON, CSV, Markdown, and a picture.

use std::io::Write;
use std::path::PathBuf;

use inkgrad_models::Result;
use inkgrad_models::run::atomic;
use inkgrad_models::run::plot::{Axis, Parallel, draw_parallel};
use serde::Serialize;

use crate::progress::number;
use crate::report::csv;
use crate::series::Best;

/// The words by which a sweep's table is known.
pub const MADE_BY: &str = "inkgrad sweep";
/// The table's file, which makes a folder a sweep's.
pub const JSON: &str = "sweep.json";
/// All files beside the runs.
pub const FILES: [&str; 4] = [JSON, "sweep.csv", "sweep.md", "sweep.png"];

/// The runs of a sweep, in their order.
#[derive(Debug, Serialize)]
pub struct Table {
    pub made_by: &'static str,
    pub method: &'static str,
    pub out: PathBuf,
    /// The settings in which runs differ.
    pub varied: Vec<String>,
    pub runs: Vec<Row>,
}

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub run: PathBuf,
    /// Of the varied settings, in their order.
    pub values: Vec<String>,
    pub ending: Ending,
    pub best: Option<Best>,
    pub seconds: f64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How a run ended, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Waiting,
    Stopped,
    Finished,
    Converged,
    Failed,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Ending::Waiting => "waiting",
            Ending::Stopped => "stopped",
            Ending::Finished => "finished",
            Ending::Converged => "converged",
            Ending::Failed => "failed",
        }
    }
}

impl Row {
    /// Its values with the settings' names.
    pub fn describe(&self, varied: &[String]) -> String {
        let pairs = varied.iter().zip(&self.values).map(|(name, value)| format!("{name} {value}"));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// The runs that have a loss, from the best, and then the others.
    fn ranked(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.runs.iter().collect();
        let loss = |row: &Row| row.best.map_or(f64::INFINITY, |best| best.loss);
        rows.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
        rows
    }

    /// Header and rows for people, from the best.
    pub fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let row = |row: &Row| {
            let best = row.best.map_or("–".to_owned(), |best| format!("{} {}", best.split.name(), number(best.loss)));
            let name = row.run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            let ends = [best, row.ending.name().to_owned()];
            [name].into_iter().chain(row.values.iter().cloned()).chain(ends).collect()
        };
        let header = ["run"].into_iter().chain(self.varied.iter().map(String::as_str)).chain(["best loss", "ended"]);
        (header.map(str::to_owned).collect(), self.ranked().into_iter().map(row).collect())
    }

    fn csv(&self) -> String {
        let line = |cells: Vec<String>| cells.iter().map(|cell| csv::field(cell)).collect::<Vec<_>>().join(",") + "\n";
        let ends = ["ended", "split", "loss", "step", "seconds"];
        let header = ["run"].into_iter().chain(self.varied.iter().map(String::as_str)).chain(ends);
        let mut text = line(header.map(str::to_owned).collect());
        for row in &self.runs {
            let of = |f: &dyn Fn(Best) -> String| row.best.map_or_else(String::new, f);
            let ends = [
                row.ending.name().to_owned(),
                of(&|best| best.split.name().to_owned()),
                of(&|best| best.loss.to_string()),
                of(&|best| best.step.to_string()),
                row.seconds.to_string(),
            ];
            let run = row.run.display().to_string();
            text += &line([run].into_iter().chain(row.values.iter().cloned()).chain(ends).collect());
        }
        text
    }

    fn markdown(&self) -> String {
        let (header, rows) = self.cells();
        let escaped = |cell: &String| cell.replace('|', "\\|");
        let line = |cells: &Vec<String>| format!("| {} |\n", cells.iter().map(escaped).collect::<Vec<_>>().join(" | "));
        let mut text = line(&header) + &format!("|{}\n", "---|".repeat(header.len()));
        rows.iter().for_each(|row| text += &line(row));
        text
    }

    /// An axis for each setting, and the loss on the right.
    fn picture(&self) -> Parallel {
        let ranked: Vec<(&Row, Best)> = self.ranked().into_iter().filter_map(|row| Some((row, row.best?))).collect();
        let columns = (0..self.varied.len())
            .map(|column| ranked.iter().map(|(row, _)| row.values[column].clone()).collect::<Vec<_>>());
        let mut scales: Vec<Scale> = columns.map(|values| Scale::new(&values)).collect();
        let losses: Vec<f64> = ranked.iter().map(|(_, best)| best.loss).collect();
        scales.push(Scale::of_losses(&losses));
        let mut names = self.varied.clone();
        names.push(match &ranked[..] {
            [(_, best), ..] if ranked.iter().all(|(_, other)| other.split == best.split) => {
                format!("best {} loss", best.split.name())
            }
            _ => "best loss".to_owned(),
        });
        let line = |(row, best): &(&Row, Best)| {
            let values = row.values.iter().zip(&scales).map(|(value, scale)| scale.place(value));
            values.chain(scales.last().map(|scale| scale.at(best.loss))).collect()
        };
        let done = ranked.len();
        Parallel {
            title: format!("{}: {done} of {} runs", self.out.display(), self.runs.len()),
            caption: "a line a run, the strongest with the smallest loss".to_owned(),
            lines: ranked.iter().map(line).collect(),
            axes: names.into_iter().zip(scales).map(|(label, scale)| Axis { label, ticks: scale.ticks }).collect(),
        }
    }

    /// Writes all files anew, each atomically.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn save(&self) -> Result<()> {
        let place = |name: &str| self.out.join(name);
        atomic::write(place(JSON), |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            writeln!(file)
        })?;
        atomic::write(place("sweep.csv"), |file| file.write_all(self.csv().as_bytes()))?;
        atomic::write(place("sweep.md"), |file| file.write_all(self.markdown().as_bytes()))?;
        draw_parallel(&self.picture())?.save_png(place("sweep.png"))
    }
}

/// Where values lie on an axis.
struct Scale {
    ticks: Vec<(f64, String)>,
    /// Of numbers: the ends, and whether they are logarithms.
    numbers: Option<(f64, f64, bool)>,
}

/// More values than these have no tick each.
const TICKS: usize = 6;
/// Numbers that span more than this factor lie by their logarithms.
const FACTOR: f64 = 20.0;

impl Scale {
    /// That of a setting's values: numbers lie by their sizes, names evenly.
    fn new(values: &[String]) -> Self {
        let mut distinct: Vec<&String> = Vec::new();
        for value in values {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        let numbers: Option<Vec<f64>> = distinct.iter().map(|value| value.parse().ok()).collect();
        let Some(mut numbers) = numbers.filter(|numbers| numbers.iter().all(|x: &f64| x.is_finite())) else {
            distinct.sort_unstable();
            let last = distinct.len().saturating_sub(1).max(1) as f64;
            let ticks = distinct.iter().enumerate().map(|(i, name)| (i as f64 / last, (*name).clone()));
            return Scale { ticks: ticks.collect(), numbers: None };
        };
        numbers.sort_by(f64::total_cmp);
        let (low, high) = (numbers.first().copied().unwrap_or(0.0), numbers.last().copied().unwrap_or(1.0));
        let log = low > 0.0 && high / low > FACTOR;
        let ends = if log { (low.ln(), high.ln(), true) } else { (low, high, false) };
        let mut scale = Scale { ticks: Vec::new(), numbers: Some(ends) };
        let named = if numbers.len() <= TICKS { numbers } else { scale.between() };
        scale.ticks = named.into_iter().map(|x| (scale.at(x), short(x))).collect();
        scale
    }

    fn of_losses(losses: &[f64]) -> Self {
        let low = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let high = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if losses.is_empty() {
            return Scale { ticks: Vec::new(), numbers: Some((0.0, 1.0, false)) };
        }
        let mut scale = Scale { ticks: Vec::new(), numbers: Some((low, high, false)) };
        scale.ticks = scale.between().into_iter().map(|x| (scale.at(x), number(x))).collect();
        scale.ticks.dedup_by(|a, b| a.0 == b.0);
        scale
    }

    /// Values from one end to the other.
    fn between(&self) -> Vec<f64> {
        let (low, high, log) = self.numbers.unwrap_or((0.0, 1.0, false));
        let value = |i: usize| low + (high - low) * i as f64 / (TICKS - 1) as f64;
        (0..TICKS).map(|i| if log { value(i).exp() } else { value(i) }).collect()
    }

    /// The place of a number, from 0 to 1; the middle where all are one.
    fn at(&self, x: f64) -> f64 {
        let (low, high, log) = self.numbers.unwrap_or((0.0, 1.0, false));
        let x = if log { x.ln() } else { x };
        if high > low { (x - low) / (high - low) } else { 0.5 }
    }

    fn place(&self, value: &str) -> f64 {
        match (self.numbers, value.parse()) {
            (Some(_), Ok(x)) => self.at(x),
            _ => self.ticks.iter().find(|(_, name)| name == value).map_or(0.5, |(place, _)| *place),
        }
    }
}

/// A setting's number with as few digits as tell it.
fn short(x: f64) -> String {
    match x.abs() {
        size if size == 0.0 || (1e-3..1e5).contains(&size) => format!("{}", (x * 1e4).round() / 1e4),
        _ => format!("{x:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use inkgrad_models::run::records::Split;

    use super::*;

    fn table() -> Table {
        let row = |n: usize, lr: &str, kind: &str, loss: Option<f64>| Row {
            run: PathBuf::from(format!("s/0{n}")),
            values: vec![lr.to_owned(), kind.to_owned()],
            ending: if loss.is_some() { Ending::Finished } else { Ending::Failed },
            best: loss.map(|loss| Best { split: Split::Val, loss, step: 7 }),
            seconds: 1.5,
            problem: None,
        };
        let runs = vec![row(1, "0.1", "a|b", None), row(2, "0.001", "8,16", Some(3.0)), row(3, "0.01", "x", Some(2.0))];
        Table { made_by: MADE_BY, method: "grid", out: "s".into(), varied: vec!["lr".into(), "kind".into()], runs }
    }

    #[test]
    fn the_table_is_from_the_best_and_files_in_order() {
        let table = table();
        assert_eq!(table.cells().1[0][..3], ["03", "0.01", "x"]);
        assert!(table.markdown().starts_with("| run | lr | kind | best loss | ended |\n|---|---|---|---|---|\n| 03 |"));
        assert!(table.markdown().contains("a\\|b"));
        let csv = table.csv();
        assert!(csv.starts_with("run,lr,kind,ended,split,loss,step,seconds\ns/01,0.1,a|b,failed,,,,1.5\n"), "{csv}");
        assert!(csv.contains("s/02,0.001,\"8,16\",finished,val,3,7,1.5\n"), "{csv}");
    }

    #[test]
    fn the_picture_has_an_axis_for_each_setting_and_the_loss() {
        let Parallel { axes, lines, .. } = table().picture();
        assert_eq!(axes.iter().map(|axis| axis.label.as_str()).collect::<Vec<_>>(), ["lr", "kind", "best val loss"]);
        // From the best: the larger rate, the later name, the smallest loss.
        assert_eq!(lines, [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        let wide = Scale::new(&["1e-4", "0.001", "0.1"].map(str::to_owned));
        assert!((wide.place("0.001") - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(Scale::new(&["5".to_owned()]).place("5"), 0.5);
    }
}
