//! PyTorch: a network as an `nn.Module` in readable Python, whose parameters have the names of the safetensors file beside it.
//!
//! Layers become modules where all of their parameters stand under one name, as `nn.Linear` has them; any other parameter is an
//! `nn.Parameter`. Each graph of the network is a method, an operation a line.

mod modules;
mod ops;
mod recurrent;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use self::modules::Modules;
use self::ops::Method;
use super::graph::{Graph, Part, has_decoder};
use crate::model::Network;
use crate::model::config::Config;
use crate::{Error, Result};

/// A network as the text of a Python file, which loads the weights `weights` (a file's name) from its own folder.
///
/// # Errors
/// If the network neither codes pictures nor tells their classes, an operation has no form in PyTorch, or a parameter has a name that
/// Python or `nn.Module` has another use for.
pub fn pytorch(network: &Network<f32>, config: &Config, weights: &str) -> Result<String> {
    let mut modules = Modules::new(network.params.iter().map(|p| (p.name.as_str(), p.shape.dims())));
    let mut methods = Vec::new();
    let add = |name: &str, part: Part, summary: &str, modules: &mut Modules| -> Result<String> {
        let graph = Graph::new(network, part)?;
        Method::new(&graph, modules).written(name, summary)
    };
    let (coder, classifier) = (network.is_autoencoder(), network.is_classifier());
    let classes = |seen: bool| if seen { ", labels" } else { "" };
    let (encoder_sees, decoder_sees) = (network.encoder_sees_classes(), network.sees_classes());
    if coder {
        methods.push(add("encode", Part::Encoder, "Pictures to latents.", &mut modules)?);
        if has_decoder(network) {
            methods.push(add("decode", Part::Decoder, "Latents to pictures.", &mut modules)?);
            let labels = classes(encoder_sees || decoder_sees);
            let (into, out) = (classes(encoder_sees), classes(decoder_sees));
            let first = if network.has_prior() { "[0]" } else { "" };
            methods.push(format!(
                "    def forward(self, images{labels}):\n        \"\"\"Pictures to reconstructions, without noise.\"\"\"\n        \
                 return self.decode(self.encode(images{into}){first}{out})\n"
            ));
        }
    } else if classifier {
        methods.push(add("classify", Part::Whole, "Pictures to logits, probabilities and features.", &mut modules)?);
        methods.push(
            "    def forward(self, images):\n        \"\"\"Pictures to logits.\"\"\"\n        return self.classify(images)[0]\n"
                .to_owned(),
        );
    } else {
        let problem = format!("{} neither codes pictures nor tells their classes: nothing to export", config.model);
        return Err(Error::input("model", problem));
    }
    let class = class_name(&config.model);
    let mut text = String::new();
    let (version, description) = (env!("CARGO_PKG_VERSION"), (network.spec().describe)(config));
    writeln!(
        text,
        r#""""{description}

A {label} of inkgrad {version} as a PyTorch module. Pictures are (batch, channels, height, width) = (batch, {c}, {h}, {w}) in [0, 1].

    from {stem} import load
    network = load()
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

CLASSES = {classes}


class {class}(nn.Module):
    def __init__(self):
        super().__init__()"#,
        description = comment(&description),
        label = comment(&config.label()),
        c = network.image().channels,
        h = network.image().height,
        w = network.image().width,
        stem = comment(weights.trim_end_matches(".safetensors")),
        classes = list(&config.classes),
    )
    .expect("a string");
    modules.declared()?.iter().for_each(|line| text.extend(["        ", line, "\n"]));
    for method in methods {
        text.push('\n');
        text.push_str(&method);
    }
    write!(
        text,
        r#"

def load(path=Path(__file__).with_name({weights}), device="cpu"):
    """The network with the weights of the file beside this one."""
    from safetensors.torch import load_file

    network = {class}()
    network.load_state_dict(load_file(path))
    return network.to(device).eval()
"#,
        weights = quoted(weights),
    )
    .expect("a string");
    Ok(text)
}

/// `cnn-vae` as `CnnVae`.
fn class_name(model: &str) -> String {
    let words = model.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("Network{name}") }
}

/// A string literal of Python: JSON's escapes are among Python's.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn list(names: &[String]) -> String {
    serde_json::to_string(names).expect("names are JSON").replace("\",\"", "\", \"")
}

/// Text within a docstring.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c == '"' || c == '\\' || c.is_control() { '\'' } else { c }).collect()
}
