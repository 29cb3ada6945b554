//! The command line with its help: the models that the program knows, examples, and where defaults come from.

mod examples;

use std::any::TypeId;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use clap::{Arg, Command, CommandFactory};
use inkgrad_models::model::Spec;
use inkgrad_models::{Models, text};

use self::examples::{EXAMPLES, Example, FIRST};
use crate::settings::{defaults_by_model, kept, model_names, with_model_options};
use crate::{Cli, output};

/// Columns of help on a terminal that is wider.
const WIDEST: usize = 100;

/// A greeting: the program's purpose and its first commands, for whoever types its name alone.
fn welcome() -> String {
    let (program, about) = (text::program(), Cli::command().get_about().map(ToString::to_string).unwrap_or_default());
    let about = format!("{program}: {}", about.to_lowercase().trim_end_matches('.'));
    let mut text = format!("{}\n\nBegin with\n", wrapped(&about, 80).join("\n"));
    for (command, says) in FIRST {
        let _ = writeln!(text, "  {program} {command}\n      {says}");
    }
    let others = [
        (format!("{program} --help"), "all commands"),
        (format!("{program} COMMAND --help"), "one command's options, with two examples"),
        (format!("{program} models"), "the models, with their options and defaults"),
    ];
    let widest = others.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    text.push('\n');
    for (command, says) in others {
        let _ = writeln!(text, "{command:widest$}  {says}");
    }
    text
}

/// The command line; with `focus`, help speaks of that model's options alone.
pub fn command(models: &Models, focus: Option<&Spec>) -> Command {
    let program = text::program();
    let version = match program.as_str() {
        "inkgrad" => env!("CARGO_PKG_VERSION").to_owned(),
        _ => format!("with inkgrad {}", env!("CARGO_PKG_VERSION")),
    };
    let cli = Cli::command().name(program.clone()).bin_name(&program).version(version).max_term_width(WIDEST);
    let widest = models.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
    let table: String = models.iter().map(|spec| format!("  {:widest$}  {}\n", spec.name, spec.summary)).collect();
    let names = model_names(models);
    let cli = cli
        .after_help(format!("Models:\n{table}\n{}", examples(&program, &FIRST)))
        .mut_subcommand("train", |train| train.mut_arg("model", |model| model.help(format!("The model: {names}"))))
        .mut_subcommand("graph", |graph| graph.mut_arg("model", |model| model.help(format!("The model: {names}"))))
        .mut_subcommand("import", |import| {
            import.mut_arg("model", |model| model.help(format!("Whose weights they are: {names}")))
        });
    let cli = each(cli, &mut |path, command| dressed(command, path, &program, models, focus));
    let cli = cli.mut_subcommand("train", |train| {
        let kept = kept(&train);
        let about = focus.map(|spec| format!("Train {}: {}", spec.name, spec.summary));
        let train = train.mut_arg("resume", |resume| resume.conflicts_with_all(kept));
        let all = format!("`{program} train MODEL --help` shows the options of one model alone.");
        match about {
            Some(about) => train.about(about),
            None => train.before_help(all),
        }
    });
    let mut built = cli.clone();
    built.build();
    let usages: Vec<(String, String)> =
        below(&built).into_iter().map(|(path, command)| (path, usage(command))).collect();
    each(cli, &mut |path, command| match usages.iter().find(|(name, usage)| name == path && usage.contains('\n')) {
        Some((_, usage)) => command.override_usage(usage.clone()),
        None => command,
    })
}

/// Every command below a built one, with its path.
fn below(cli: &Command) -> Vec<(String, &Command)> {
    fn descend<'a>(command: &'a Command, path: &str, all: &mut Vec<(String, &'a Command)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name()).trim().to_owned();
            descend(sub, &path, all);
            all.push((path, sub));
        }
    }
    let mut all = Vec::new();
    descend(cli, "", &mut all);
    all
}

/// Columns of a line of usage, behind "Usage: ".
const USAGE: usize = 68;

/// A command's usage in lines that fit a narrow terminal, which clap does not break.
fn usage(command: &Command) -> String {
    let text = command.clone().render_usage().to_string();
    // An option stays with its value.
    let whole = |line: &str| wrapped(&line.trim().replace(" <", "\u{a0}<"), USAGE).join("\n           ");
    let lines: Vec<String> = text.trim_start_matches("Usage:").trim().lines().map(whole).collect();
    lines.join("\n       ").replace('\u{a0}', " ")
}

/// A text in lines of at most `width` columns, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The command that trains.
pub fn train(models: &Models) -> Command {
    let cli = command(models, None);
    cli.find_subcommand("train").cloned().unwrap_or(cli)
}

/// Changes every command below `cli`; its path is the names of its parents and its own, with spaces between.
pub fn each(cli: Command, change: &mut dyn FnMut(&str, Command) -> Command) -> Command {
    fn descend(command: Command, path: &str, change: &mut dyn FnMut(&str, Command) -> Command) -> Command {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        names.into_iter().fold(command, |command, name| {
            let path = format!("{path} {name}").trim().to_owned();
            command.mut_subcommand(name, |sub| descend(change(&path, sub), &path, change))
        })
    }
    descend(cli, "", change)
}

/// A command with everything that its help says beyond its own options.
fn dressed(command: Command, path: &str, program: &str, models: &Models, focus: Option<&Spec>) -> Command {
    let mut end = String::new();
    if command.get_arguments().any(|arg| arg.get_id() == "epochs") {
        end = defaults_by_model(models, focus) + "\n";
    }
    if let Some((_, own)) = EXAMPLES.iter().find(|(name, _)| *name == path) {
        end += &examples(program, own);
    }
    let command = with_model_options(command, models, focus).after_help(end);
    // A negative number after an option is a value that is out of range, not another option; so is `-.5` or `-inf`.
    command.mut_args(|arg| match arg.get_action().takes_values() {
        true if takes_number(&arg) => arg.allow_hyphen_values(true),
        true => arg.allow_negative_numbers(true),
        false => arg,
    })
}

/// Whether an option's value is a number: by the name of its value, which files have as well.
fn takes_number(arg: &Arg) -> bool {
    let named = arg.get_value_names().is_some_and(|names| names.len() == 1 && ["N", "F"].contains(&names[0].as_str()));
    named && !arg.is_positional() && arg.get_value_parser().type_id() != TypeId::of::<PathBuf>()
}

fn examples(program: &str, examples: &[Example]) -> String {
    let lines = examples.iter().map(|(command, says)| format!("  {program} {command}\n      {says}\n"));
    format!("Examples:\n{}", lines.collect::<String>()).trim_end().to_owned()
}

/// The model that help is asked about: `train MODEL --help`.
pub fn focus(models: &Models, words: &[OsString]) -> Option<Spec> {
    let mut words = words.iter().skip(1).filter_map(|word| word.to_str());
    let (_command, rest) = (words.next()?, words.collect::<Vec<_>>());
    let asks = rest.iter().any(|word| ["--help", "-h"].contains(word));
    let named = rest.iter().map(|word| word.strip_prefix("--model=").unwrap_or(word));
    asks.then(|| named.into_iter().find_map(|word| models.get(word).ok())).flatten()
}

/// Prints the greeting.
///
/// # Errors
/// If standard output cannot be written.
pub fn greet() -> std::io::Result<()> {
    output::raw(welcome().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command below the program with its path.
    fn commands(models: &Models, focus: Option<&Spec>) -> Vec<(String, Command)> {
        let mut cli = command(models, focus).bin_name("inkgrad").name("inkgrad");
        cli.build();
        let all = below(&cli)
            .into_iter()
            .map(|(path, command)| (path, command.clone()))
            .chain([(String::new(), cli.clone())]);
        all.map(|(path, command)| (path, command.term_width(80))).collect()
    }

    /// The text of a command's `--help` in a terminal of some width; 0 for one without end.
    fn printed(models: &Models, focus: Option<&Spec>, path: &str, width: usize) -> String {
        let cli = command(models, focus).term_width(width).max_term_width(width);
        let words = std::iter::once("inkgrad").chain(path.split_whitespace()).chain(["--help"]);
        cli.try_get_matches_from(words).unwrap_err().to_string()
    }

    #[test]
    #[ignore = "slow"]
    fn help_fits_80_columns_and_breaks_no_word() {
        let models = Models::builtin();
        for focus in std::iter::once(None).chain(models.iter().map(Some)) {
            for (path, _) in commands(&models, focus) {
                let (text, wide) = (printed(&models, focus, &path, 80), printed(&models, focus, &path, 0));
                for line in text.lines() {
                    assert!(line.chars().count() <= 80, "{path}: {} columns: {line}", line.chars().count());
                }
                assert!(text.split_whitespace().eq(wide.split_whitespace()), "{path}");
            }
        }
    }

    /// Somebody else's model has these commands too, and pictures of other sizes. The judge is known by its name.
    #[test]
    fn options_speak_of_no_model_by_name_and_of_no_size_of_pictures() {
        let models = Models::builtin();
        let named = models.iter().map(|spec| spec.name).filter(|name| *name != "classifier");
        let words: Vec<String> = named.map(|name| format!("a {name}")).chain(["28, 28".to_owned()]).collect();
        for (path, command) in commands(&models, None) {
            for argument in command.get_arguments() {
                let help =
                    argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
                let found = words.iter().find(|word| help.contains(*word));
                assert_eq!(found, None, "{path} {}: {help}", argument.get_id());
            }
        }
    }

    #[test]
    fn every_command_has_two_examples_that_parse() {
        let models = Models::builtin();
        let paths: Vec<String> =
            commands(&models, None).into_iter().map(|(path, _)| path).filter(|path| !path.is_empty()).collect();
        let with_examples: Vec<&str> = EXAMPLES.iter().map(|(path, _)| *path).collect();
        let missing: Vec<&String> = paths.iter().filter(|path| !with_examples.contains(&path.as_str())).collect();
        assert!(missing.is_empty() && paths.len() == EXAMPLES.len(), "{missing:?}");
        for (path, examples) in EXAMPLES.iter().map(|(path, both)| (*path, &both[..])).chain([("", &FIRST[..])]) {
            for (line, says) in examples {
                assert!(line.starts_with(path) && !says.is_empty(), "{line}");
                // A shell takes the rest.
                let own = line.split(['|', '>']).next().unwrap_or_default().replace('\'', "");
                let words = std::iter::once("inkgrad").chain(own.split_whitespace());
                let words: Vec<String> = words.map(str::to_owned).collect();
                let joined = if own.contains("ice cream") { two_words(&words) } else { words };
                command(&models, None).try_get_matches_from(joined).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    /// `ice cream` as the one word that a shell makes of it.
    fn two_words(words: &[String]) -> Vec<String> {
        words.join("\n").replace("ice\ncream", "ice cream").split('\n').map(str::to_owned).collect()
    }

    #[test]
    fn help_about_a_model_shows_its_own_options_and_defaults() {
        let models = Models::builtin();
        let of = |focus: &str| {
            let spec = models.get(focus).unwrap();
            let all = commands(&models, Some(&spec));
            all.into_iter().find(|(path, _)| path == "train").unwrap().1.render_long_help().to_string()
        };
        let (cvae, autoencoder) = (of("cvae"), of("lstm-ae"));
        assert!(cvae.contains("--condition") && cvae.contains("one of latent, both [default: latent]"), "{cvae}");
        assert!(!cvae.contains("--arch") && !autoencoder.contains("--condition"), "{autoencoder}");
        assert!(
            autoencoder.contains("Drawings a step: the minibatch [default: 256]")
                && cvae.contains("Drawings a step: the minibatch [default: 128]")
        );
        let asked = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            focus(&models, &words).map(|spec| spec.name)
        };
        assert_eq!(asked("inkgrad train cvae --help"), Some("cvae"));
        assert_eq!(asked("inkgrad import --model=cvae -h"), Some("cvae"));
        assert_eq!([asked("inkgrad train cvae"), asked("inkgrad train --help")], [None; 2]);
    }
}
