//! The live page of each run, on which its network runs: sliders for its latents, a canvas to draw on, its graph.

use inkgrad_models::Result;

use super::material::{Examined, Material};
use crate::explain::{self, Numbers, Subject};

/// A run's page, or why there is none.
pub struct Live {
    /// The run.
    pub label: String,
    /// The page, and how many bytes it has.
    pub page: Result<String>,
}

/// The pages of all runs, in order.
pub fn pages(material: &Material) -> Vec<Live> {
    material.runs.iter().map(|examined| Live { label: examined.label(), page: page(material, examined) }).collect()
}

fn page(material: &Material, examined: &Examined) -> Result<String> {
    let run = &examined.run;
    let network = run.inference.network().clone();
    let subject = Subject {
        models: material.models,
        config: &run.config,
        numbers: Numbers::fitting(&network.params),
        network,
        origin: format!("Its weights are those of a run of the report beside, {}.", run.weights),
        dataset: material.dataset,
        threads: material.options.threads,
    };
    explain::render(&subject.explain()?)
}
