//! The live terminal of `train --tui`, on terminals that util-linux's `script` makes.

use crate::Place;

const TRAIN: [&str; 9] = ["train", "cnn-vae", "--data", "d", "--epochs", "2", "--batch-size", "8", "--out"];

#[test]
fn without_a_terminal_it_is_refused() {
    let place = Place::with_run();
    let expected = if cfg!(feature = "tui") { "no terminal" } else { "--features tui" };
    place.refused(&[&TRAIN[..], &["r", "--tui"]].concat(), &["--tui: ", expected]);
    place.in_conflict(&[&TRAIN[..], &["r", "--tui", "--seeds", "1,2"]].concat(), ["--tui", "--seeds"]);
    place.in_conflict(&["train", "cnn-vae", "--tui", "--lr-find"], ["--tui", "--lr-find"]);
}

#[cfg(feature = "tui")]
mod live {
    use std::fs;
    use std::io::Write;
    use std::process::{Child, Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use serde_json::Value;

    use super::TRAIN;
    use crate::{Ended, Place};

    /// The second screen, and back.
    const TAKEN: &str = "\x1b[?1049h";
    const GIVEN_BACK: &str = "\x1b[?1049l";

    /// A long run, of which each step is recorded.
    const LONG: [&str; 11] =
        ["train", "cnn-vae", "--data", "d", "--steps", "100000", "--log-every", "1", "--batch-size", "4", "--out"];

    /// A terminal on which the program runs.
    struct Terminal<'a> {
        place: &'a Place,
        child: Child,
    }

    impl Drop for Terminal<'_> {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// How it was at the end.
    struct After {
        status: i32,
        /// All that was written to the terminal.
        shown: String,
        /// The text of its first screen.
        log: String,
        /// Its standard output, where that was sent to a file.
        stdout: String,
    }

    impl<'a> Terminal<'a> {
        /// Starts the program on `columns` × `rows` characters; `more` follows its arguments in a shell. `None` where there is no `script`.
        fn start(
            place: &'a Place,
            (columns, rows): (usize, usize),
            variables: &[(&str, &str)],
            args: &[&str],
            more: &str,
        ) -> Option<Self> {
            let words: Vec<String> = args.iter().map(|word| format!("'{word}'")).collect();
            let program = format!("'{}' {} {more}", env!("CARGO_BIN_EXE_inkgrad"), words.join(" "));
            let line = format!(
                "stty cols {columns} rows {rows}; stty -a > before; sh -c 'echo $$ > pid; exec \"$@\"' sh {program}; \
                 echo $? > status; stty -a > after"
            );
            let mut command = Command::new("script");
            command.args(["-qec", &line, "/dev/null"]).current_dir(place.path(""));
            for name in ["TMUX", "STY", "COLORTERM", "NO_COLOR"] {
                command.env_remove(name);
            }
            command.env("TERM", "xterm-256color").envs(variables.iter().copied());
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            match child {
                Ok(child) => Some(Terminal { place, child }),
                Err(_) => {
                    eprintln!("not checked: no script here to make a terminal");
                    None
                }
            }
        }

        /// Waits for the first record of a run.
        fn wait_for_record(&mut self, run: &str) {
            let deadline = Instant::now() + Duration::from_secs(1200);
            let records = self.place.path(run).join("metrics.jsonl");
            while !fs::read_to_string(&records).is_ok_and(|text| text.contains('\n')) {
                assert!(self.child.try_wait().unwrap().is_none(), "it ended before its first record");
                assert!(Instant::now() < deadline, "no record within twenty minutes");
                thread::sleep(Duration::from_millis(2));
            }
        }

        fn press(&mut self, keys: &[u8]) {
            self.child.stdin.as_mut().unwrap().write_all(keys).unwrap();
        }

        fn signal(&self, signal: &str) {
            let pid = String::from_utf8(self.place.read("pid")).unwrap();
            assert!(Command::new("kill").args([signal, pid.trim()]).status().unwrap().success());
        }

        /// Waits for the end. The terminal has to be as it was before.
        fn end(mut self) -> After {
            let stdin = self.child.stdin.take();
            let mut shown = String::new();
            std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut shown).unwrap();
            drop(stdin);
            self.child.wait().unwrap();
            let text = |name: &str| String::from_utf8(self.place.read(name)).unwrap();
            assert_eq!(text("before"), text("after"), "{shown:?}");
            let log = shown.rsplit(GIVEN_BACK).next().unwrap().replace('\r', "");
            let status = text("status").trim().parse().unwrap();
            let stdout = fs::read_to_string(self.place.path("stdout")).unwrap_or_default();
            After { status, shown, log, stdout }
        }
    }

    /// A run on a terminal, from its beginning to its end.
    fn watched(place: &Place, size: (usize, usize), variables: &[(&str, &str)], args: &[&str]) -> Option<After> {
        Terminal::start(place, size, variables, args, "").map(Terminal::end)
    }

    /// The records of a run, without the time they took.
    fn records(place: &Place, run: &str) -> Vec<Value> {
        let text = String::from_utf8(place.read(&format!("{run}/metrics.jsonl"))).unwrap();
        let record = |line: &str| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("seconds");
            record
        };
        text.lines().map(record).collect()
    }

    #[test]
    fn a_run_that_is_watched_is_the_same_run_with_the_same_log() {
        let place = Place::with_run();
        let Some(after) = watched(&place, (100, 30), &[], &[&TRAIN[..], &["seen", "--tui"]].concat()) else { return };
        assert_eq!(after.status, 0, "{}", after.log);
        let Ended { status, stdout, stderr } = place.run(&[&TRAIN[..], &["plain"]].concat());
        assert_eq!(status, 0);
        assert_eq!(place.read("seen/model.safetensors"), place.read("plain/model.safetensors"));
        assert_eq!(records(&place, "seen"), records(&place, "plain"));
        assert_eq!(place.files("seen").len(), place.files("plain").len());
        assert_eq!(after.shown.matches(TAKEN).count(), 1);
        // The screen had drawings, and the lines come after it.
        assert!(after.shown.contains("samples") && after.shown.contains('▀'), "{}", after.shown);
        let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("step ")).collect();
        assert!(lines.len() >= 4, "{stderr}");
        let logged: Vec<&str> = after.log.lines().filter(|line| line.starts_with("step ")).collect();
        assert_eq!(logged, lines);
        assert!(stdout.starts_with("cnn-vae on d, finished") && after.log.contains("cnn-vae on d, finished"));
    }

    #[test]
    fn keys_and_signals_stop_a_run_that_goes_on_later() {
        let place = Place::with_run();
        let ways: [(&str, &[u8], &str); 4] =
            [("q", b"q", ""), ("c", b"\x03", ""), ("t", b"", "-TERM"), ("h", b"", "-HUP")];
        for (run, keys, signal) in ways {
            let args = [&LONG[..], &[run, "--tui"]].concat();
            let Some(mut terminal) = Terminal::start(&place, (80, 24), &[], &args, "") else { return };
            terminal.wait_for_record(run);
            if signal.is_empty() {
                terminal.press(keys)
            } else {
                terminal.signal(signal)
            }
            let after = terminal.end();
            assert_eq!(after.status, 130, "{run}: {}", after.log);
            let said = ["finishing this step and saving", "stopped after step", "resume with"];
            assert!(said.iter().all(|part| after.log.contains(part)), "{run}: {}", after.log);
            let step = records(&place, run).last().unwrap()["step"].as_u64().unwrap() + 3;
            let (resumed, step) = (format!("{run}/model.safetensors"), step.to_string());
            place.ok(&["train", "--resume", run, "--steps", &step]);
            place.ok(&[&LONG[..5], &[&step], &LONG[6..], &["whole", "--force"]].concat());
            assert!(place.read(&resumed) == place.read("whole/model.safetensors"), "{run}");
        }
    }

    #[test]
    fn asking_twice_ends_at_once_and_gives_the_terminal_back() {
        let place = Place::with_run();
        let args = [&LONG[..], &["r", "--tui"]].concat();
        let Some(mut terminal) = Terminal::start(&place, (80, 24), &[], &args, "") else { return };
        terminal.wait_for_record("r");
        terminal.press(b"qq");
        let after = terminal.end();
        assert_eq!(after.status, 130, "{}", after.log);
        assert!(after.log.contains("finishing this step"), "{}", after.log);
    }

    #[test]
    fn an_error_gives_the_terminal_back_and_is_seen() {
        let place = Place::with_run();
        let args = [&TRAIN[..], &["r", "--lr", "1e30", "--tui"]].concat();
        let Some(after) = watched(&place, (80, 24), &[], &args) else { return };
        assert_eq!(after.status, 2, "{}", after.log);
        assert!(after.shown.contains(TAKEN) && after.log.contains("error: r: step "), "{}", after.log);
    }

    #[test]
    fn terminals_of_any_kind() {
        let place = Place::with_run();
        let train = |run| [&TRAIN[..], &[run, "--tui"]].concat();
        let Some(dumb) = watched(&place, (80, 24), &[("TERM", "dumb")], &train("dumb")) else { return };
        assert_eq!(dumb.status, 2);
        assert!(dumb.log.contains("error: --tui: TERM is `dumb`") && !place.path("dumb").exists(), "{}", dumb.log);
        let plain = watched(&place, (80, 24), &[("NO_COLOR", "1")], &train("plain")).unwrap();
        assert_eq!(plain.status, 0, "{}", plain.log);
        assert!(!plain.shown.contains("\x1b[38") && !plain.shown.contains("[48;"), "{}", plain.shown);
        for (run, size) in [("small", (30, 8)), ("none", (0, 0))] {
            let after = watched(&place, size, &[], &train(run)).unwrap();
            assert_eq!(after.status, 0, "{run}: {}", after.log);
            assert!(run == "none" || after.shown.contains("40x12"), "{}", after.shown);
        }
        let args = [&train("json")[..], &["--json"]].concat();
        let after = Terminal::start(&place, (80, 24), &[], &args, "> stdout").unwrap().end();
        assert_eq!(after.status, 0, "{}", after.log);
        assert!(after.shown.contains(TAKEN) && after.stdout.lines().count() == 1, "{}", after.stdout);
        assert_eq!(serde_json::from_str::<Value>(&after.stdout).unwrap()["outcome"], "finished");
    }
}
