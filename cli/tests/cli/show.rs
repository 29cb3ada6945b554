//! Drawings on the terminal.

use std::process::{Command, Stdio};

use crate::{Ended, Place};

const SAMPLE: [&str; 7] = ["sample", "--run", "vae", "--n", "7", "--out", "s.npy"];

/// Runs the program on a terminal of so many columns, where util-linux's `script` can make one; gives what it shows.
fn on_terminal(place: &Place, columns: usize, variables: &[(&str, &str)], args: &[&str]) -> Option<String> {
    let words: Vec<String> = args.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("stty cols {columns}; '{}' {}", env!("CARGO_BIN_EXE_inkgrad"), words.join(" "));
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(place.path("")).stdin(Stdio::null());
    for name in ["TMUX", "STY", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "COLORTERM", "NO_COLOR"] {
        command.env_remove(name);
    }
    let Ok(output) = command.env("TERM", "xterm").envs(variables.iter().copied()).output() else {
        eprintln!("not checked: no script here to make a terminal");
        return None;
    };
    let ended = Ended::new(output);
    assert_eq!(ended.status, 0, "{}{}", ended.stdout, ended.stderr);
    Some(ended.stdout)
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let place = Place::with_run();
    let plain = place.ok(&SAMPLE);
    for show in ["--show", "--show=blocks", "--show=kitty"] {
        let ended = place.run(&[&SAMPLE[..], &[show]].concat());
        assert_eq!((ended.status, &ended.stdout), (0, &plain));
        assert!(ended.stderr.contains("--show: standard output is no terminal"), "{}", ended.stderr);
    }
    place.refused(&[&SAMPLE[..], &["--show=vt100"]].concat(), &["vt100", "kitty, iterm2, sixel or blocks"]);
    place.in_conflict(&[&SAMPLE[..], &["--show", "--json"]].concat(), ["--show", "--json"]);
    let train = ["train", "cnn-vae", "--show", "--seeds", "1,2", "--out", "S"];
    place.in_conflict(&train, ["--seeds", "--show"]);
    place.in_conflict(&["train", "cnn-vae", "--show", "--lr-find"], ["--lr-find", "--show"]);
}

#[test]
fn samples_are_drawn_as_the_terminal_takes_them() {
    let place = Place::with_run();
    let show = [&SAMPLE[..], &["--show"]].concat();
    let Some(blocks) = on_terminal(&place, 80, &[("COLORTERM", "truecolor")], &show) else { return };
    // Five drawings of 15 columns to a row.
    let rows: Vec<&str> = blocks.lines().filter(|line| line.contains('▀')).collect();
    assert_eq!(rows[0].matches('▀').count(), 5 * 15, "{rows:?}");
    assert!(blocks.contains("\x1b[38;2;"));
    let wide = on_terminal(&place, 120, &[("NO_COLOR", "1")], &show).unwrap();
    assert!(!wide.contains("\x1b[38"));
    let kitty = on_terminal(&place, 80, &[("TERM", "xterm-kitty")], &show).unwrap();
    assert!(kitty.contains("\x1b_Ga=T,f=100") && !kitty.contains('▀'));
    let iterm = on_terminal(&place, 80, &[("TERM_PROGRAM", "iTerm.app")], &show).unwrap();
    assert!(iterm.contains("\x1b]1337;File=inline=1"));
    let sixel = on_terminal(&place, 80, &[("TERM", "foot")], &show).unwrap();
    assert!(sixel.contains("\x1bPq\"1;1;"));
    let dumb = on_terminal(&place, 80, &[("TERM", "dumb")], &show).unwrap();
    assert!(dumb.contains("--show: TERM says") && !dumb.contains('▀'));
}

#[test]
fn a_run_ends_with_its_drawings() {
    let place = Place::with_run();
    let train = |model: &'static str| {
        ["train", model, "--data", "d", "--steps", "1", "--batch-size", "8", "--out", model, "--show"]
    };
    // Five drawings in a row of each of five classes: seven lines and a half of 15 pixels.
    let Some(shown) = on_terminal(&place, 80, &[], &train("cvae")) else { return };
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains('▀')).collect();
    assert!(lines.len() == 5 * 8 && lines.iter().all(|line| line.matches('▀').count() == 5 * 15), "{lines:?}");
    // Pairs are not parted where five would fit: four of 19 columns.
    let shown = on_terminal(&place, 80, &[], &train("cnn-ae")).unwrap();
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains('▀')).collect();
    assert!(!lines.is_empty() && lines[0].matches('▀').count() == 4 * 19, "{lines:?}");
    // Its other lines stay, and a resumed run draws, too.
    assert!(shown.contains("cnn-ae on d, finished"), "{shown}");
    let resumed = on_terminal(&place, 80, &[], &["train", "--resume", "cvae", "--show=kitty"]).unwrap();
    assert!(resumed.contains("\x1b_Ga=T,f=100"), "{resumed}");
    assert!(on_terminal(&place, 80, &[], &train("classifier")).unwrap().contains("--show: classifier draws nothing"));
}

#[test]
fn reconstructions_are_drawn() {
    let place = Place::with_run();
    let reconstruct =
        ["reconstruct", "--run", "vae", "--images", "d/test_images.npy", "--out", "r.npy", "--show=blocks"];
    let Some(shown) = on_terminal(&place, 80, &[], &reconstruct) else { return };
    assert!(shown.contains('▀'));
}
