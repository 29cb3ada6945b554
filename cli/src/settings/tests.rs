use clap::FromArgMatches;

use super::*;
use crate::commands::Command as Subcommand;
use crate::{Cli, help};

/// The configuration of the new run that a command line asks for.
fn resolved(models: &Models, words: &[String]) -> Result<Config, String> {
    let matches = help::command(models, None).try_get_matches_from(words).map_err(|error| error.to_string())?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    let Subcommand::Train(train) = cli.command else { panic!("{words:?}") };
    train.overrides().and_then(|options| train.new_run(models, options, 1)).map_err(|error| error.to_string())
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Options without which a setting would not be heeded.
fn company(name: &str) -> &'static [&'static str] {
    match name {
        "weight_decay" => &["--optimizer", "adamw"],
        "momentum" => &["--optimizer", "sgd"],
        "log_every" => &["--steps", "40"],
        "precision" => &["--device", "emulated"],
        "patience" => &["--val-fraction", "0.3"],
        "importance_samples" | "dreg" => &["--objective", "iwae"],
        "pseudo_inputs" => &["--objective", "vamp"],
        "top_latent" => &["--objective", "ladder"],
        "codes" => &["--objective", "vq"],
        "code_width" => &["--objective", "vq"],
        _ => &[],
    }
}

/// Checks that `option` with one of `values` is no default, is in the file, and is in the command that trains such a run, which
/// asks for the same run.
fn goes_round(models: &Models, model: &str, name: &str, option: &[String]) -> bool {
    let start = ["inkgrad", "train", model, "--out", "r"].map(str::to_owned);
    let without: Vec<String> = start.into_iter().chain(company(name).iter().map(|&word| word.to_owned())).collect();
    let default = resolved(models, &without).unwrap();
    let with: Vec<String> = without.iter().chain(option).cloned().collect();
    let Ok(config) = resolved(models, &with) else { return false };
    if config == default {
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    config.save(&path).unwrap();
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(file.lines().any(|line| line.starts_with(&format!("{name} = "))), "{name} is not in\n{file}");
    // The file alone asks for the same run.
    let replayed = resolved(models, &words(&format!("inkgrad train --config {} --out r", path.display()))).unwrap();
    assert_eq!(replayed, config, "{name}");
    let command = training_command(models, &help::train(models), &config, "r");
    let (_program, rest) = command.split_once(' ').unwrap();
    assert!(rest.contains(&format!("--{}", name.replace('_', "-"))), "{name} is not in {command}");
    assert_eq!(resolved(models, &words(&format!("inkgrad {rest}"))).unwrap(), config, "{command}");
    true
}

#[test]
#[ignore = "slow"]
fn every_setting_is_in_the_file_and_in_the_command_that_trains_such_a_run() {
    let models = Models::builtin();
    for setting in Config::SETTINGS {
        let option = setting.option();
        let tried =
            ["3", "7", "0.3", "0.7", "32", "drawings"].iter().chain(setting.choices).map(|value| value.to_string());
        let mut ways: Vec<Vec<String>> = match setting.rule.value_name {
            Some(_) => tried.map(|value| vec![option.clone(), value]).collect(),
            None => vec![vec![option.clone()]],
        };
        // By `--set` too.
        let set = |way: &Vec<String>| {
            let value = way.get(1).map_or("true", String::as_str);
            vec!["--set".to_owned(), format!("{}={value}", setting.name)]
        };
        let by_set: Vec<Vec<String>> = ways.iter().map(set).collect();
        assert!(by_set.iter().any(|way| goes_round(&models, "cnn-vae", setting.name, way)), "--set {}", setting.name);
        ways.retain(|way| goes_round(&models, "cnn-vae", setting.name, way));
        assert!(!ways.is_empty(), "no value of {option} that was tried is valid and no default");
    }
}

#[test]
#[ignore = "slow"]
fn so_is_every_option_of_every_model() {
    let models = Models::builtin();
    for spec in models.iter() {
        for own in spec.options {
            let mut tried: Vec<&str> = vec!["3", "0.3", "2", "16", "8,16", "8,16,32", "yes", "no", "1:linear"];
            if let Kind::OneOf(names) = own.kind.bare() {
                tried.extend(*names);
            }
            let way = |value: &&&str| {
                let given = match own.kind.bare() {
                    Kind::Flag { .. } => vec![format!("{}={value}", option(own.name))],
                    _ => vec![option(own.name), value.to_string()],
                };
                goes_round(&models, spec.name, own.name, &given)
            };
            assert!(
                tried.iter().find(way).is_some(),
                "no value of {}'s {} that was tried will do",
                spec.name,
                own.name
            );
        }
    }
}

#[test]
fn settings_given_twice_are_refused() {
    let models = Models::builtin();
    let refused = |line: &str| {
        let matches = help::command(&models, None).try_get_matches_from(words(line)).unwrap();
        Cli::from_arg_matches(&matches).unwrap_err().to_string()
    };
    let twice = refused("inkgrad train cnn-vae --out r --lr 0.1 --set lr=0.2");
    assert!(twice.contains("--set lr: given as --lr too"), "{twice}");
    let twice = refused("inkgrad train cnn-vae --out r --beta 2 --set beta=3");
    assert!(twice.contains("--set beta: given twice"), "{twice}");
    let wrong = refused("inkgrad train cnn-vae --out r --set lr=fast");
    assert!(wrong.contains("--set lr: fast, expected a number"), "{wrong}");
}
