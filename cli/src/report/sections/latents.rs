//! The latents' chapters.

use inkgrad_models::run::plot::{Estimate, Figure as Plot, Marks, Panel};

use super::super::chart::Points;
use super::super::document::{Block, Cell, Content, Definition, Figure, Section, Table};
use super::super::material::{Examined, Material};
use super::super::measured::{Measured, plain};
use super::super::metric;
use crate::output::thousands;

/// Definitions of scores that have no floor.
pub(super) fn definitions(names: &[&str]) -> Block {
    let one = |name: &&str| Definition { metric: metric::known(name), floor: String::new() };
    Block::Definitions(names.iter().map(one).collect())
}

/// A row a run: each with its estimate and interval.
pub(super) fn intervals(
    title: &str,
    label: &str,
    values: &[(String, Measured)],
    mark: Option<(String, f64)>,
) -> Option<Figure> {
    let scale = |measured: &Measured| if measured.share { 100.0 } else { 1.0 };
    let rows = values.iter().filter_map(|(name, measured)| {
        let (interval, scale) = (measured.interval()?, scale(measured));
        let [value, low, high] = [measured.value, interval.low, interval.high].map(|v| scale * v);
        Some(Estimate { label: name.clone(), value, low, high })
    });
    let rows: Vec<Estimate> = rows.collect();
    let told: Vec<String> = values.iter().map(|(name, measured)| format!("{name} {}", measured.text())).collect();
    (rows.len() > 1).then(|| {
        let caption = "dots are values, lines their 95 % intervals".to_owned();
        let panels = vec![Panel { label: label.to_owned(), marks: Marks::Intervals { rows, mark } }];
        let content =
            Plot { title: title.to_owned(), caption: caption.clone(), x_label: label.to_owned(), whole: false, panels };
        let alt = format!("{title}: {}.", told.join("; "));
        Figure { file: title.to_owned(), title: title.to_owned(), caption, alt, content: Content::Chart(content) }
    })
}

pub fn maps(material: &Material) -> Section {
    let with: Vec<_> = material.runs.iter().filter_map(|e| Some((e, e.evaluation.map.as_ref()?))).collect();
    if with.is_empty() {
        return Section { id: "maps", title: "Latents in the plane", blocks: Vec::new() };
    }
    let mut table = Table::new("How far the maps can be believed", &["run", "drawings", "perplexity"]);
    for (examined, map) in &with {
        let perplexity = Cell::number(map.perplexity, plain(map.perplexity));
        table.row([examined.label().into(), Cell::count(map.points.len()), perplexity]);
    }
    let column = |of: &dyn Fn(usize) -> Measured| (0..with.len()).map(|i| Some(of(i))).collect::<Vec<_>>();
    table.measured(metric::known("map_kl"), &column(&|i| Measured::bare(with[i].1.kl)), false);
    table.measured(metric::known("trustworthiness"), &column(&|i| Measured::bare(with[i].1.trustworthiness)), false);
    let accuracy = column(&|i| Measured::share(with[i].1.knn_accuracy, with[i].1.points.len()));
    table.measured(metric::known("knn_accuracy"), &accuracy, true);
    let figures = with.iter().map(|(examined, map)| {
        let label = examined.label();
        let n = thousands(map.points.len() as u64);
        let caption = format!("t-SNE: N = {n}, perplexity {}, KL {:.3}", plain(map.perplexity), map.kl);
        let classes = material.dataset.classes.clone();
        let alt = format!(
            "Map of the latents of {label}: {n} test drawings as points, coloured by {} classes; {} of them lie among \
             drawings of their own class.",
            classes.len(),
            Measured::share(map.knn_accuracy, map.points.len()).short()
        );
        let points = Points { points: map.points.clone(), labels: map.labels.clone(), classes };
        Figure {
            file: label.clone(),
            title: format!("{label}: latents"),
            caption,
            alt,
            content: Content::Points(points),
        }
    });
    let text = "t-SNE of the latents of test drawings (the means, of a variational model): a point a drawing, which shows \
                itself when it is pointed at, or by arrow keys. Distances between clusters, and their sizes, mean nothing.";
    let blocks = vec![
        Block::Text(text.into()),
        Block::Figures(figures.collect()),
        Block::Table(table),
        definitions(&["map_kl", "trustworthiness", "knn_accuracy"]),
    ];
    Section { id: "maps", title: "Latents in the plane", blocks }
}

pub fn likelihoods(runs: &[Examined]) -> Section {
    let with: Vec<_> = runs.iter().filter_map(|e| Some((e, e.evaluation.likelihood.as_ref()?))).collect();
    let mut blocks = Vec::new();
    if !with.is_empty() {
        let mut table = Table::new("Likelihood of test drawings, nats a drawing", &["run", "drawings", "samples of z"]);
        for (examined, found) in &with {
            table.row([examined.label().into(), Cell::count(found.n), Cell::count(found.samples)]);
        }
        let values: Vec<_> = with.iter().map(|(e, found)| (e.label(), Measured::nll(found))).collect();
        let nll: Vec<_> = values.iter().map(|(_, value)| Some(*value)).collect();
        table.measured(metric::known("nll"), &nll, true);
        let elbo: Vec<_> = with.iter().map(|(_, found)| Some(Measured::bare(-found.elbo))).collect();
        table.measured(metric::known("elbo"), &elbo, false);
        blocks.push(Block::Table(table));
        blocks.push(definitions(&["nll", "elbo"]));
        blocks.push(Block::Text(
            "Intervals are of 95 %, normal over drawings. The BCE of grey pixels is no likelihood.".into(),
        ));
        let title = "Likelihood of test drawings";
        blocks.extend(
            intervals(title, "−ln p(x) (nats a drawing)", &values, None).map(|figure| Block::Figures(vec![figure])),
        );
    }
    Section { id: "likelihood", title: "Likelihood", blocks }
}

pub fn usage(runs: &[Examined]) -> Section {
    let mut table = Table::new("Use of the latents", &["run", "dimensions", "active", "KL (nats)", "largest (nats)"]);
    let mut figures = Vec::new();
    for Examined { run, evaluation, .. } in runs {
        let Some(latents) = &evaluation.latents else { continue };
        let mut kl = latents.kl.clone();
        kl.sort_by(|a, b| b.total_cmp(a));
        let (largest, sum) = (kl.first().copied().unwrap_or(0.0), kl.iter().sum::<f64>());
        table.row([
            run.label().into(),
            Cell::count(kl.len()),
            Cell::count(latents.active),
            Cell::number(sum, plain(sum)),
            Cell::number(largest, plain(largest)),
        ]);
        let title = format!("{}: KL of each dimension", run.label());
        let alt = format!(
            "{title}: {} of {} are active; the largest tells {} nats, all together {}.",
            latents.active,
            kl.len(),
            plain(largest),
            plain(sum)
        );
        // A prior that is learnt has no divergence by dimension: its components are not independent.
        let from = match run.inference.network().components() {
            Some(_) => " from N(0, 1), not from the prior that was learnt",
            None => "",
        };
        let caption =
            format!("over test drawings, largest first{from}; {} of {} dimensions active", latents.active, kl.len());
        let panels = vec![Panel { label: "nats".to_owned(), marks: Marks::Bars(kl) }];
        let x_label = "dimension by KL".to_owned();
        let content = Plot { title: title.clone(), caption: caption.clone(), x_label, whole: true, panels };
        figures.push(Figure { file: run.label(), title, caption, alt, content: Content::Chart(content) });
    }
    let mut blocks = Vec::new();
    if !figures.is_empty() {
        blocks = vec![Block::Table(table), definitions(&["active", "kl"]), Block::Figures(figures)];
    }
    Section { id: "latents", title: "Use of the latents", blocks }
}
