//! All that a person meets at the prompt: the greeting, help, completions, pages of the manual, lists of models and of runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Place;

/// Where a program of this name is, or a line that says what is not checked without it.
fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        eprintln!("not checked: there is no {program} here");
    }
    there
}

/// Runs a shell with a script, in a place that has `inkgrad.SHELL`, its completions.
fn shell(place: &Place, words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).current_dir(place.path(".")).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_name_alone_shows_the_first_three_commands() {
    let place = Place::new();
    let ended = place.run(&[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    for part in [
        "inkgrad: trains autoencoders",
        "inkgrad models",
        "inkgrad train cnn-vae --quick",
        "inkgrad sample --run",
        "inkgrad explain",
    ] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ended.stdout);
}

#[test]
fn help_tells_defaults_and_whose_they_are() {
    let place = Place::new();
    let help = place.ok(&["train", "--help"]);
    for part in ["lstm-ae     --steps", "cnn-vae     --epochs 50 --batch-size 128 --lr 0.001", "--beta", "--arch"] {
        assert!(help.contains(part), "no `{part}` in {help}");
    }
    let help = place.ok(&["train", "cvae", "--help"]);
    assert!(help.starts_with("Train cvae: ") && help.contains("one of latent, both"), "{help}");
    assert!(!help.contains("--arch") && !help.contains("lstm-ae     --steps"), "{help}");
}

#[test]
fn models_are_listed_with_defaults_and_options() {
    let place = Place::new();
    let listed = place.json(&["models"]);
    let models = listed["models"].as_array().unwrap();
    let of = |name: &str| models.iter().find(|model| model["name"] == name).unwrap();
    assert_eq!(models.len(), 6);
    assert!(of("cvae")["options"].as_array().unwrap().iter().any(|own| own["name"] == "condition"), "{listed}");
    assert_eq!((&of("cnn-vae")["latent"], &of("cnn-vae")["samples"]), (&32.into(), &true.into()));
    assert_eq!(
        (&of("lstm-ae")["defaults"]["batch_size"], &of("classifier")["classifier"]),
        (&256.into(), &true.into())
    );
    assert!(models.iter().all(|model| model["parameters"].as_u64().unwrap() > 1_000), "{listed}");
    let one = place.ok(&["models", "classifier"]);
    assert!(one.contains("--arch") && one.contains("one of mlp, cnn [default: mlp]"), "{one}");
    place.refused(&["models", "vae"], &["MODEL: unknown model `vae`, expected one of lstm-ae"]);
}

#[test]
fn bash_completes_commands_options_and_models() {
    let place = Place::new();
    place.write("inkgrad.bash", place.ok(&["completions", "bash"]).as_bytes());
    if !installed("bash") {
        return;
    }
    let complete = |words: &str, at: usize| {
        let script = format!(
            "source ./inkgrad.bash; COMP_WORDS=({words}); COMP_CWORD={at}; _inkgrad inkgrad \"${{COMP_WORDS[{at}]}}\" \
             \"${{COMP_WORDS[$(({at} - 1))]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        shell(&place, &["bash", "--norc", "-c", &script])
    };
    assert_eq!(complete("inkgrad trai", 1).trim(), "train");
    assert!(complete("inkgrad train --che", 2).contains("--checkpoint-minutes"));
    assert!(complete("inkgrad train --device ''", 3).contains("cpu cuda emulated"));
    assert!(complete("inkgrad train cnn", 2).contains("cnn-vae"));
}

#[test]
fn fish_completes_commands_options_and_models() {
    let place = Place::new();
    place.write("inkgrad.fish", place.ok(&["completions", "fish"]).as_bytes());
    if !installed("fish") {
        return;
    }
    let complete = |line: &str| {
        shell(&place, &["fish", "--no-config", "-c", &format!("source inkgrad.fish; complete -C '{line}'")])
    };
    assert!(complete("inkgrad tr").starts_with("train\tTrain a model"), "{}", complete("inkgrad tr"));
    assert!(complete("inkgrad train --che").contains("--checkpoint-minutes"));
    assert!(complete("inkgrad train --schedule ").contains("cosine"));
    let models = complete("inkgrad graph cnn");
    assert!(models.contains("cnn-vae"), "{models}");
}

#[test]
#[ignore = "slow"]
fn zsh_completes_commands_options_and_models() {
    let place = Place::new();
    place.write("_inkgrad", place.ok(&["completions", "zsh"]).as_bytes());
    if !installed("zsh") {
        return;
    }
    // A shell in a terminal of its own, in which the key Tab is pressed.
    place.write(
        "tab.zsh",
        br#"zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; bindkey '^I' complete-word"
zpty -w shell 'inkgrad() { print called $@ }; print READ""Y'
until zpty -r shell line && [[ $line == *READY* ]]; do done
zpty -w -n shell "$1"$'\t'
sleep 1
zpty -w -n shell $'\n'
repeat 100; do
    sleep 0.1
    zpty -r -t shell line && print -rn -- $line
    [[ $line == *called* ]] && break
done
zpty -d shell
"#,
    );
    for (typed, completed) in [
        ("inkgrad trai", "called train"),
        ("inkgrad train --che", "called train --checkpoint-minutes"),
        ("inkgrad train cnn-v", "called train cnn-vae"),
        ("inkgrad completions po", "called completions powershell"),
    ] {
        let shown = shell(&place, &["zsh", "-f", "tab.zsh", typed]);
        assert!(shown.contains(completed), "{typed}: {shown}");
    }
}

#[test]
fn powershell_gets_a_script_and_other_shells_are_refused() {
    let place = Place::new();
    let script = place.ok(&["completions", "powershell"]);
    assert!(script.contains("Register-ArgumentCompleter") && script.contains("'--batch-size'"));
    assert_eq!(place.json(&["completions", "bash"])["shell"], "bash");
    let ended = place.run(&["completions", "tcsh"]);
    assert!(
        ended.status == 2 && ended.stderr.contains("[possible values: bash, zsh, fish, powershell]"),
        "{}",
        ended.stderr
    );
}

#[test]
fn pages_of_the_manual_are_written_for_every_command() {
    let place = Place::new();
    let page = place.ok(&["man"]);
    assert!(page.contains(".TH inkgrad 1") && page.contains(".SH EXAMPLES"), "{page}");
    let written = place.json(&["man", "--out", "man1"]);
    let pages = written["pages"].as_array().unwrap().len();
    let files = place.files("man1");
    assert!(files.len() == pages && files.len() > 28 && files.contains(&"inkgrad-data-info.1".to_owned()), "{files:?}");
    let train = String::from_utf8(place.read("man1/inkgrad-train.1")).unwrap();
    assert!(train.contains("batch\\-size") && train.contains(".SH \"DEFAULTS OF EACH MODEL\""), "{train}");
    // Again, over its own pages; not over somebody else's.
    place.ok(&["man", "--out", "man1"]);
    place.write("man1/inkgrad-train.1", b"somebody else's");
    place.refused(&["man", "--out", "man1"], &["man1/inkgrad-train.1: is no page of this program's", "--force"]);
    place.ok(&["man", "--out", "man1", "--force"]);
    if installed("man") {
        let shown = shell(&place, &["man", "-l", "man1/inkgrad-train.1"]);
        assert!(shown.contains("inkgrad train cnn-vae --quick --out runs/first"), "{shown}");
    }
}

#[cfg(unix)]
#[test]
fn a_program_of_another_name_speaks_of_itself() {
    let place = Place::with_run();
    let own = place.path("brush");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_inkgrad"), &own).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(&own).args(args).current_dir(place.path(".")).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    for args in [&[][..], &["train", "--help"], &["--help"], &["man"], &["completions", "bash"]] {
        let text = run(args);
        let others = ["inkgrad train", "inkgrad sample", "inkgrad models", "inkgrad --", "inkgrad\\-"];
        assert!(text.contains("brush") && others.iter().all(|other| !text.contains(other)), "{args:?}: {text}");
    }
    assert!(run(&["--version"]).starts_with("brush with inkgrad "));
    fs::remove_file(place.path("vae/state.safetensors")).unwrap();
    let hint = run(&["train", "--resume", "vae"]);
    assert!(hint.contains("brush train --init vae"), "{hint}");
}

#[test]
fn errors_name_options_as_they_were_typed_and_once() {
    let place = Place::with_run();
    let train = |rest: &[&'static str]| [&["train", "cnn-vae", "--data", "d", "--out", "new"], rest].concat();
    place.refused(&train(&["--set", "beta=-1"]), &["error: --set beta: -1, expected a number of at least 0"]);
    place.refused(&train(&["--beta", "-1"]), &["error: --beta: -1, expected"]);
    place.refused(&train(&["--set", "lr=-1"]), &["error: --set lr: -1, expected a number above 0"]);
    place.refused(
        &train(&["--set", "latent-size=9"]),
        &["error: --set latent_size: unknown field", "expected one of beta"],
    );
    place.refused(&["train", "vae", "--out", "new"], &["error: MODEL: unknown model `vae`"]);
    place.refused(&["bench", "--model", "vae"], &["error: --model: unknown model `vae`"]);
    place.refused(
        &["import", "--model", "vae", "--weights", "w.pth", "--out", "new"],
        &["error: --model: unknown model"],
    );
    place.write("F.toml", b"model = \"vae\"\n");
    place.refused(&["train", "--config", "F.toml", "--out", "new"], &["error: F.toml:1: model: unknown model `vae`"]);
    place.refused(&["data", "download", "--classes", "cat,cat", "--out", "new"], &["error: --classes: \"cat\" twice"]);
    place.refused(&train(&["--data-changed"]), &["error: --data-changed: given for a new run"]);
}

/// `train` on the drawings in `d`, for a moment.
fn train<'a>(out: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["train", "cnn-vae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", out], rest].concat()
}

#[test]
#[ignore = "slow"]
fn a_run_s_own_file_trains_it_again() {
    let place = Place::with_run();
    place.ok(&train("first", &["--beta", "2", "--lr", "0.01", "--seed", "7", "--init", "vae", "--threads", "1"]));
    fs::create_dir(place.path("elsewhere")).unwrap();
    let again = ["train", "--config", "../first/config.toml", "--out", "../again"];
    let ended = place.run_in("elsewhere", &again);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    for file in ["config.toml", "model.safetensors"] {
        assert!(place.read(&format!("first/{file}")) == place.read(&format!("again/{file}")), "{file}");
    }
    // Settings beside it come first.
    place.ok(&["train", "--config", "first/config.toml", "--steps", "3", "--out", "longer"]);
    assert!(String::from_utf8(place.read("longer/config.toml")).unwrap().contains("steps = 3\n"));
    // Other drawings, or other weights to begin with, are another run.
    let mut images = place.read("d/train_images.npy");
    let last = images.len() - 1;
    images[last] ^= 0xff;
    place.write("d/train_images.npy", &images);
    let changed = ["train", "--config", "first/config.toml", "--out", "changed"];
    place.refused(&changed, &["holds other drawings than this run began with", "--data-changed"]);
    place.ok(&[&changed[..], &["--data-changed"]].concat());
    fs::copy(place.path("first/model.safetensors"), place.path("vae/model.safetensors")).unwrap();
    let other = ["train", "--config", "first/config.toml", "--data-changed", "--out", "other"];
    place.refused(&other, &["vae/model.safetensors", "other weights", "than the run began with"]);
}

#[test]
fn a_run_whose_settings_changed_says_so_when_trained_again() {
    let place = Place::with_run();
    place.ok(&["train", "--resume", "vae", "--steps", "3", "--lr", "0.02"]);
    let ended = place.run(&["train", "--config", "vae/config.toml", "--out", "again"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("lr was 0.001 up to step 2 and 0.02 from there on"), "{}", ended.stderr);
}

#[test]
fn runs_below_a_folder_are_listed_side_by_side() {
    let place = Place::with_run();
    fs::create_dir_all(place.path("runs/deep")).unwrap();
    place.ok(&train("runs/deep/a", &["--beta", "4"]));
    place.ok(&train("runs/b", &["--val-fraction", "0.25"]));
    fs::rename(place.path("vae"), place.path("runs/vae")).unwrap();
    fs::create_dir(place.path("runs/broken")).unwrap();
    place.write("runs/broken/config.toml", b"format = 1\n");
    let listed = place.json(&["runs", "runs"]);
    let names: Vec<&str> = listed["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!(names, ["runs/b", "runs/deep/a", "runs/vae"]);
    let a = &listed["runs"][1];
    assert!(a["differs"].to_string().contains(r#"{"setting":"beta","value":"4.0"}"#), "{a}");
    assert_eq!((&a["step"], &a["steps"], &a["model"]), (&2.into(), &2.into(), &"cnn-vae".into()));
    assert_eq!((&a["best"]["split"], &listed["runs"][0]["best"]["split"]), (&"test".into(), &"val".into()));
    assert_eq!(listed["unreadable"][0]["path"], "runs/broken");
    let text = place.ok(&["runs", "runs"]);
    assert!(text.contains("deep/a") && text.contains("beta 4.0") && text.contains("2/2 steps"), "{text}");
    assert!(text.contains("not read: runs/broken") && text.contains("missing field"), "{text}");
    assert!(place.ok(&["runs", "d"]).contains("no runs"));

    let found = place.json(&["runs", "runs", "--csv", "r.csv"]);
    assert_eq!(found["csv"], "r.csv");
    let table = String::from_utf8(place.read("r.csv")).unwrap();
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns[..8], ["run", "model", "step", "epoch", "split", "loss", "lr", "seconds"]);
    let mut records = 0;
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), columns.len(), "{line}");
        assert!(names.iter().any(|name| Path::new(name).ends_with(fields[0])), "{line}");
        assert!(fields[5].parse::<f64>().is_ok(), "{line}");
        records += 1;
    }
    let logged = names.iter().map(|name| String::from_utf8(place.read(&format!("{name}/metrics.jsonl"))).unwrap());
    assert_eq!(records, logged.map(|text| text.lines().count()).sum::<usize>());
    place.ok(&["runs", "runs", "--csv", "r.csv"]);
    place.write("mine.csv", b"a,b\n1,2\n");
    place.refused(&["runs", "runs", "--csv", "mine.csv"], &["mine.csv: is there already"]);
    place.refused(&["runs", "nowhere"], &["nowhere: no such folder, expected a folder with runs"]);
    assert!(Path::new(&place.path("runs/b")).is_dir());
}
