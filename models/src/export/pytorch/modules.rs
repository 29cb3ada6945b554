//! The modules of a network by the names of its parameters: `encoder.fc.weight` is the `weight` of a module `fc` of `encoder`.

use std::collections::BTreeMap;

use super::quoted;
use crate::{Error, Result};

/// The tree of modules.
pub(super) struct Modules {
    /// Each parameter's extents, in the order of their declaration.
    params: Vec<(String, Vec<usize>)>,
    /// The call that makes each layer, by its name.
    layers: BTreeMap<String, String>,
}

/// Names that a module has already.
const TAKEN: &[&str] = &[
    "add_module",
    "apply",
    "bfloat16",
    "buffers",
    "call_super_init",
    "children",
    "classify",
    "compile",
    "cpu",
    "cuda",
    "decode",
    "double",
    "dump_patches",
    "encode",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "get_buffer",
    "get_extra_state",
    "get_parameter",
    "get_submodule",
    "half",
    "ipu",
    "load_state_dict",
    "modules",
    "mtia",
    "named_buffers",
    "named_children",
    "named_modules",
    "named_parameters",
    "parameters",
    "register_buffer",
    "register_module",
    "register_parameter",
    "requires_grad_",
    "set_extra_state",
    "set_submodule",
    "share_memory",
    "state_dict",
    "to",
    "to_empty",
    "train",
    "training",
    "type",
    "xpu",
    "zero_grad",
    "clear",
    "items",
    "keys",
    "pop",
    "update",
    "values",
];

/// Words that Python keeps for itself.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

fn is_name(part: &str) -> bool {
    let letters = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    letters && part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !KEYWORDS.contains(&part)
}

impl Modules {
    pub(super) fn new<'a>(params: impl Iterator<Item = (&'a str, &'a [usize])>) -> Self {
        let params = params.map(|(name, dims)| (name.to_owned(), dims.to_vec())).collect();
        Modules { params, layers: BTreeMap::new() }
    }

    pub(super) fn dims(&self, param: &str) -> &[usize] {
        let found = self.params.iter().find(|(name, _)| name == param);
        found.map_or(&[], |(_, dims)| dims)
    }

    /// The layer that `params`, as (place within the layer, name), are all of: `weight` of `fc.weight`. `make` is the call that
    /// makes it. `None` where they stand under other names, or the module of that name is another.
    pub(super) fn layer(&mut self, params: &[(&str, &str)], make: &str) -> Option<String> {
        let (place, first) = params.first()?;
        let name = first.strip_suffix(place)?.strip_suffix('.')?;
        if !params.iter().all(|(place, param)| param.strip_prefix(name) == Some(&format!(".{place}")[..])) {
            return None;
        }
        let under = format!("{name}.");
        // A module has the parameters of its kind and no others.
        let all = self.params.iter().filter(|(param, _)| param.starts_with(&under)).count();
        if all != params.len() || self.layers.get(name).is_some_and(|known| known != make) {
            return None;
        }
        self.layers.insert(name.to_owned(), make.to_owned());
        Some(self.path(name))
    }

    /// How a method reaches a parameter or a module.
    pub(super) fn path(&self, name: &str) -> String {
        let parts: Vec<&str> = name.split('.').collect();
        let mut path = "self".to_owned();
        for depth in 0..parts.len() {
            path = self.child(&path, &parts[..depth].join("."), parts[depth]);
        }
        path
    }

    fn child(&self, path: &str, parent: &str, part: &str) -> String {
        match self.is_dict(parent) {
            true => format!("{path}[{}]", quoted(part)),
            false => format!("{path}.{part}"),
        }
    }

    /// The names directly under a module.
    fn children(&self, parent: &str) -> Vec<&str> {
        let under = if parent.is_empty() { String::new() } else { format!("{parent}.") };
        let below = self.params.iter().filter_map(|(name, _)| name.strip_prefix(&under));
        let parts = below.map(|rest| rest.split('.').next().unwrap_or(rest));
        parts.fold(Vec::new(), |mut children, part| {
            if !children.contains(&part) {
                children.push(part);
            }
            children
        })
    }

    /// Whether modules under it are reached by keys, since one has a name that is none of Python's: a number, in most cases.
    fn is_dict(&self, parent: &str) -> bool {
        !parent.is_empty() && !self.children(parent).into_iter().all(is_name)
    }

    /// The lines that declare all modules and parameters.
    ///
    /// # Errors
    /// Names a parameter that cannot be called so.
    pub(super) fn declared(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        self.declare("", &mut lines)?;
        Ok(lines)
    }

    fn declare(&self, parent: &str, lines: &mut Vec<String>) -> Result<()> {
        for part in self.children(parent) {
            let name = if parent.is_empty() { part.to_owned() } else { format!("{parent}.{part}") };
            let refuse =
                |problem: &str| Err(Error::input(&name, format!("{problem}, expected another name for PyTorch")));
            if TAKEN.contains(&part) {
                return refuse("a parameter's name that modules of PyTorch have already");
            }
            let in_dict = self.is_dict(parent);
            if !in_dict && !is_name(part) {
                return refuse("a parameter's name that is no word of Python");
            }
            let place = self.path(&name);
            if let Some(layer) = self.layers.get(&name) {
                lines.push(format!("{place} = {layer}"));
                continue;
            }
            if self.params.iter().any(|(param, _)| *param == name) {
                if in_dict {
                    return refuse("a parameter beside a module that has a number for its name");
                }
                lines.push(format!("{place} = nn.Parameter(torch.empty({}))", tuple(self.dims(&name))));
                continue;
            }
            let kind = if self.is_dict(&name) { "nn.ModuleDict()" } else { "nn.Module()" };
            lines.push(format!("{place} = {kind}"));
            self.declare(&name, lines)?;
        }
        Ok(())
    }
}

/// `(2, 3)`, `(2,)`.
pub(super) fn tuple(dims: &[usize]) -> String {
    match dims {
        [one] => format!("({one},)"),
        _ => format!("({})", dims.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}
