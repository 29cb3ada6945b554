//! A run made of weights that another program has saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::state::{fill, save_weights};
use crate::model::{Kind, Models, Network, Sizes, Spec, Value};
use crate::run::checkpoint::Tensors;
use crate::run::config::Config;
use crate::run::folder::{Created, RunFolder};
use crate::weights::{self, Loaded};
use crate::{Error, Result};

/// The outcome of [`import`].
#[derive(Debug)]
pub struct Imported {
    /// The run's folder.
    pub folder: RunFolder,
    /// Its settings.
    pub config: Config,
    /// The network with its weights.
    pub network: Network<f32>,
    /// Where an earlier run was moved to.
    pub moved: Option<PathBuf>,
    /// Remarks on how the weights were found.
    pub notes: Vec<String>,
}

/// Makes a run of the weights in a `.safetensors` or PyTorch `.pth` file, of the dictionary called `key` where that is
/// given, for the model that `config` describes: in the sizes that the weights have, as far as the model has options for them
/// and `config` does not give them.
///
/// # Errors
/// If the weights do not fit the model, or have other sizes than those given; nothing is written then. If the folder cannot be made, or a file written.
pub fn import(
    models: &Models,
    mut config: Config,
    file: &Path,
    key: Option<&str>,
    out: &Path,
    force: bool,
) -> Result<Imported> {
    let from = file.canonicalize().unwrap_or_else(|_| file.to_owned()).display().to_string();
    if config.data_sha256.is_none() {
        // Their training data is not known.
        config.data.clone_from(&from);
    }
    config.imported = Some(from);
    let Loaded { tensors, mut notes } = weights::load(file, key)?;
    let spec = models.get(&config.model)?;
    let sizes = sizes(&spec, &config, &shapes(&tensors));
    sizes.check_given(file)?;
    let (sized, image) = (sizes.applied(), sizes.image());
    if let Some(image) = image.filter(|_| config.data_sha256.is_none()) {
        notes.push(format!("taken to be for pictures of {image}; --data names others"));
        config.image = image;
    }
    config.options = sized.options;
    let mut network = models.build(&config)?;
    let hint = hint(models, &config, &network.layout(), &tensors);
    fill(&mut network, tensors).map_err(|error| match (error, hint) {
        (Error::Input { place, problem }, Some(hint)) => Error::Input { place, problem: format!("{problem} ({hint})") },
        (error, _) => error,
    })?;
    let Created { folder, moved } = RunFolder::create(out, force, |folder| {
        save_weights(&folder.model(), &config, &network)?;
        config.save(&folder.config())
    })?;
    Ok(Imported { folder, config, network, moved, notes })
}

/// The names and shapes of weights.
fn shapes(tensors: &Tensors) -> Layout<'_> {
    tensors.iter().map(|(name, tensor)| (name, tensor.shape.as_slice())).collect()
}

/// The sizes of weights, as `spec` reads them.
fn sizes<'a>(spec: &Spec, config: &'a Config, shapes: &Layout<'a>) -> Sizes<'a> {
    let mut sizes = Sizes::new(shapes.iter().map(|(&name, &shape)| (name, shape)), config);
    (spec.sizes)(&mut sizes);
    sizes
}

/// Names and shapes.
type Layout<'a> = BTreeMap<&'a str, &'a [usize]>;

fn by_name(layout: &[(String, Vec<usize>)]) -> Layout<'_> {
    layout.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
}

/// The model that the weights look like instead, where they do not fit.
pub(super) fn hint(
    models: &Models,
    config: &Config,
    expected: &[(String, Vec<usize>)],
    tensors: &Tensors,
) -> Option<String> {
    let found: Layout<'_> = tensors.iter().map(|(name, tensor)| (name, tensor.shape.as_slice())).collect();
    let expected = by_name(expected);
    if found == expected {
        return None;
    }
    let guess = models.iter().find_map(|spec| guess(models, spec, config, &found));
    guess.map(|guess| format!("looks like {guess}")).or_else(|| {
        let (prefix, _) = found.keys().next()?.split_once('.')?;
        let prefix = format!("{prefix}.");
        let all = found.keys().all(|name| name.starts_with(&prefix));
        (all && !expected.keys().any(|name| name.starts_with(&prefix)))
            .then(|| format!("all names start with `{prefix}`"))
    })
}

/// How `spec` has to be set to have the layout that was found: as it is by default, in the sizes that the weights tell, or with one
/// option otherwise.
fn guess(models: &Models, spec: &Spec, config: &Config, found: &Layout<'_>) -> Option<String> {
    let base = Config { classes: config.classes.clone(), image: config.image, ..Config::defaults(spec) };
    let fits = |config: &Config| models.build::<f32>(config).is_ok_and(|network| by_name(&network.layout()) == *found);
    let network = models.build::<f32>(&base).ok()?;
    let layout = network.layout();
    let same_names = layout.len() == found.len() && layout.iter().all(|(name, _)| found.contains_key(name.as_str()));
    if same_names && by_name(&layout) == *found {
        return Some(format!("{} as it is by default", spec.name));
    }
    let sizes = sizes(spec, &base, found);
    let sized = Config { image: sizes.image().unwrap_or(base.image), ..sizes.applied() };
    if fits(&sized) {
        let options: Vec<String> = sizes.options().map(|(name, value)| format!("{name} {value}")).collect();
        let pictures = sizes.image().map(|image| format!("pictures of {image}"));
        let with: Vec<String> = options.into_iter().chain(pictures).collect();
        return Some(format!("{} with {}", spec.name, with.join(", ")));
    }
    // Extents that differ are those that the latent, an option or the number of classes set.
    let pairs = layout.iter().filter_map(|(name, shape)| Some((shape, found.get(name.as_str())?)));
    let differing = pairs.flat_map(|(shape, found)| shape.iter().zip(found.iter()).filter(|(a, b)| a != b));
    let differing: BTreeSet<(usize, usize)> = differing.map(|(&expected, &found)| (expected, found)).collect();
    if let (true, Ok(latent), [(expected, found)]) = (same_names, network.latent(), &Vec::from_iter(&differing)[..])
        && *expected == latent
        && spec.option("latent").is_none()
    {
        return Some(format!("{} with latent {found}, where inkgrad's has {latent}", spec.name));
    }
    let extents: BTreeSet<usize> =
        differing.iter().map(|&(_, found)| found).filter(|&extent| extent <= MOST_EXTENT).collect();
    for option in spec.options {
        let values: Vec<Value> = match *option.kind.bare() {
            Kind::OneOf(names) => names.iter().map(|&name| Value::Text(name.to_owned())).collect(),
            Kind::Whole { least, most, .. } if same_names => {
                let within =
                    extents.iter().map(|&extent| extent as u64).filter(|extent| (least..=most).contains(extent));
                within.take(MOST_TRIES).map(Value::Whole).collect()
            }
            _ => Vec::new(),
        };
        for value in values {
            let mut config = base.clone();
            config.options.insert(option.name.to_owned(), value.clone());
            if fits(&config) {
                return Some(format!("{} with {} {value}", spec.name, option.name));
            }
        }
    }
    let counts = (1..=MOST_CLASSES).filter(|count| same_names && extents.contains(count)).take(MOST_TRIES);
    counts
        .map(|count| (count, Config { classes: (0..count).map(|i| i.to_string()).collect(), ..base.clone() }))
        .find(|(_, config)| fits(config))
        .map(|(count, _)| format!("{} with {count} classes", spec.name))
}

/// A larger extent is none that an option sets.
const MOST_EXTENT: usize = 1 << 14;
/// Networks that are built to compare with, for each option.
const MOST_TRIES: usize = 4;
/// No more classes are guessed.
const MOST_CLASSES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::sized;
    use crate::data::Extents;
    use crate::run::checkpoint::save_tensors;

    /// Imports zeros of these names and shapes for `model`.
    fn imported(model: &str, layout: &[(String, Vec<usize>)]) -> Result<Imported> {
        imported_as(Models::builtin().defaults(model)?, layout)
    }

    /// The same for a model with these settings.
    fn imported_as(config: Config, layout: &[(String, Vec<usize>)]) -> Result<Imported> {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<Vec<f32>> = layout.iter().map(|(_, shape)| vec![0.0; shape.iter().product()]).collect();
        let tensors: Vec<(&str, &[usize], &[f32])> = layout
            .iter()
            .zip(&values)
            .map(|((name, shape), values)| (name.as_str(), &shape[..], &values[..]))
            .collect();
        let file = folder.path().join("w.safetensors");
        save_tensors(&file, &tensors, &BTreeMap::new()).unwrap();
        let models = Models::builtin();
        let config = Config { classes: vec!["cat".to_owned(), "dog".to_owned()], ..config };
        import(&models, config, &file, None, &folder.path().join("run"), false)
    }

    /// The layout of `model` with two classes.
    fn layout(model: &str) -> Vec<(String, Vec<usize>)> {
        let models = Models::builtin();
        let classes = ["cat", "dog"].map(str::to_owned).to_vec();
        let config = Config { classes, ..models.defaults(model).unwrap() };
        models.build::<f32>(&config).unwrap().layout()
    }

    #[test]
    fn sizes_are_read_from_the_weights() {
        let models = Models::builtin();
        for spec in models.iter() {
            for (label, config) in sized(spec) {
                let config = Config { classes: ["cat", "dog"].map(str::to_owned).to_vec(), ..config };
                let network = models.build::<f32>(&config).unwrap();
                // Nothing is told but what weights cannot tell.
                let asked = Config { options: Config::defaults(spec).options, ..config.clone() };
                let asked = config.options.iter().fold(asked, |asked, (name, value)| match value {
                    Value::Text(text) => asked.with_text(name, text),
                    _ => asked,
                });
                let imported = imported_as(asked.clone(), &network.layout()).unwrap();
                assert_eq!(imported.network.layout(), network.layout(), "{label}");
                assert_eq!(imported.config.options, config.options, "{label}");
                assert_eq!(imported.config.image, config.image, "{label}");
            }
        }
    }

    #[test]
    fn an_objective_with_parameters_of_its_own_is_read_from_them() {
        let cases = [("vamp", "pseudo_inputs", 7), ("ladder", "top_latent", 5)];
        for (objective, size, n) in cases {
            let settings = |config: Config| config.with_text("objective", objective).with(size, Value::Whole(n));
            let config = settings(Models::builtin().defaults("cvae").unwrap());
            let config = Config { classes: ["cat", "dog"].map(str::to_owned).to_vec(), ..config };
            let network = Models::builtin().build::<f32>(&config).unwrap();
            let imported = imported("cvae", &network.layout()).unwrap();
            assert_eq!((imported.network.layout(), imported.config.options), (network.layout(), config.options));
        }
    }

    #[test]
    fn pictures_are_read_from_the_weights_as_far_as_they_tell() {
        let models = Models::builtin();
        let image = Extents { height: 32, width: 32, channels: 3 };
        for model in ["cnn-ae", "cnn-vae", "rnn-vae", "cvae"] {
            let classes = ["cat", "dog"].map(str::to_owned).to_vec();
            let config = Config { classes, image, ..models.defaults(model).unwrap() };
            let network = models.build::<f32>(&config).unwrap();
            let imported = imported(model, &network.layout()).unwrap();
            assert_eq!(imported.config.image, image, "{model}");
            assert_eq!(imported.notes, ["taken to be for pictures of 32×32×3; --data names others"], "{model}");
        }
    }

    #[test]
    fn sizes_that_are_given_are_held_against_the_weights() {
        let models = Models::builtin();
        let given = models.defaults("cnn-vae").unwrap().with("latent", Value::Whole(16));
        let problem = imported_as(given, &layout("cnn-vae")).err().unwrap().to_string();
        assert!(
            problem.starts_with("--latent: 16, expected 32 as in ")
                && problem.ends_with(" (encoder.fc_mu.weight is (32, 6272))"),
            "{problem}"
        );
        // Those of another size are named where they start a run, too.
        let narrow = models.defaults("cnn-vae").unwrap().with("latent", Value::Whole(16));
        let narrow = models.build::<f32>(&narrow).unwrap().layout();
        let tensors = narrow.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        let found: Layout<'_> = tensors.collect();
        let spec = models.get("cnn-vae").unwrap();
        let base = models.defaults("cnn-vae").unwrap();
        assert_eq!(guess(&models, &spec, &base, &found), Some("cnn-vae with latent 16".to_owned()));
    }

    #[test]
    fn a_mismatch_ends_in_what_the_weights_look_like() {
        // Not `expect_err`, which would print a network.
        let problem = |layout: &[(String, Vec<usize>)]| match imported("cnn-vae", layout) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("imported what does not fit"),
        };
        let mut torn = layout("cnn-vae");
        let halved = torn.iter_mut().filter(|(name, _)| name.starts_with("encoder.fc_mu"));
        halved.for_each(|(_, shape)| shape[0] = 16);
        // One half of the latent, which no size explains.
        let found = problem(&torn);
        assert!(
            found.contains("encoder.fc_logvar.weight is (32, 6272), expected (16, 6272)")
                && !found.contains("looks like"),
            "{found}"
        );
        let found = problem(&layout("lstm-ae"));
        assert!(found.ends_with(" (looks like lstm-ae as it is by default)"), "{found}");
        let named = |prefix: &str| -> Vec<(String, Vec<usize>)> {
            layout("cnn-vae").into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
        };
        let found = problem(&named("vae."));
        assert!(found.ends_with(" (all names start with `vae.`)"), "{found}");
        assert!(found.matches("; ").count() < 20, "{found}");
        let cut = imported("cnn-vae", &named("module.")).unwrap();
        assert_eq!(cut.notes, ["all names begin with `module.`, which is cut"]);
    }
}
