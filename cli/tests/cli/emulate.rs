//! Kernels step by step: on the terminal, and as a page.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Place;

/// Its text with a fault, in which two warps overwrite what the other has yet to read.
const RACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stepper/race.ptx");

fn page(place: &Place, args: &[&str]) -> (Value, String) {
    let written = place.json(&[&["emulate"], args, &["--trace", "--html", "p.html"]].concat());
    let page = String::from_utf8(place.read("p.html")).unwrap();
    assert_eq!(written["page"]["bytes"], page.len());
    (written, page)
}

/// A page's data.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
#[ignore = "slow"]
fn every_kernel_has_a_page_that_needs_no_other() {
    let place = Place::new();
    let list = place.json(&["emulate", "--list"]);
    let kernels = list["kernels"].as_array().unwrap();
    let entries: usize = inkgrad_kernels::ptx::all().map(|(_, text)| text.matches(".visible .entry").count()).sum();
    assert_eq!(kernels.len(), entries);
    for kernel in kernels {
        let name = kernel["name"].as_str().unwrap();
        let (written, page) = page(&place, &[name]);
        assert!(page.len() < 2_000_000, "{name}: {} bytes", page.len());
        assert!(written["page"]["steps"].as_u64().unwrap() > 5, "{written}");
        for outside in ["src=\"http", "href=\"http", "src=\"//", "url(", "@import", "fetch("] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
        assert!(page.contains("default-src 'none'") && page.contains(&format!(".entry {name}(")), "{name}");
    }
}

#[test]
fn a_cluster_tells_what_its_blocks_read_and_write_of_each_other() {
    let place = Place::new();
    let told =
        |kernel: &str| place.ok(&["emulate", kernel]).contains("accesses of warps to other blocks' shared memory");
    assert!(told("lstm_cluster_forward") && !told("lstm_forward"));
    assert!(place.json(&["emulate", "lstm_cluster_forward"])["peer_accesses"].as_u64().unwrap() > 0);
}

#[test]
fn a_page_is_cut_with_a_clear_line() {
    let place = Place::new();
    let (written, page) = page(&place, &["gemm", "--steps", "20", "--skip", "30"]);
    assert_eq!((&written["page"]["steps"], &written["page"]["cut"]), (&20.into(), &true.into()));
    assert!(page.contains("The first 30 steps are left out, and the page ends after 20 more; the warp goes on."));
    let text = place.ok(&["emulate", "gemm", "--trace", "--steps", "20", "--html", "p.html"]);
    assert!(text.contains("20 steps of warp 0 of block 0; it goes on, see --skip"), "{text}");
    place.refused(&["emulate", "axpy", "--trace", "--skip", "99", "--html", "q.html"], &["--skip", "found 99"]);
    let steps = |args: &[&str]| place.json(&[&["emulate", "axpy", "--trace"], args].concat())["steps"].clone();
    assert_eq!(steps(&["--skip", "3", "--steps", "2"])[0], steps(&[])[3]);
}

#[test]
fn a_race_is_an_error_and_has_a_page() {
    let place = Place::new();
    place.write("race.ptx", &fs::read(RACE).unwrap());
    let ended = place.run(&["emulate", "add", "--n", "64", "--ptx", "race.ptx", "--trace", "--html", "p.html"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    assert!(
        ended.stderr.contains("p.html: the ") && ended.stderr.contains("error: add: race.ptx:"),
        "{}",
        ended.stderr
    );
    let page = String::from_utf8(place.read("p.html")).unwrap();
    let fault = &data(&page)["fault"];
    assert_eq!((&fault["check"], fault["text"].as_str().unwrap().contains("written by warp")), (&"race".into(), true));
    let store =
        1 + fs::read_to_string(RACE).unwrap().lines().position(|line| line.contains("nobody waits here")).unwrap();
    assert!(page.contains(&format!("wrote that in line {store}.")), "line {store}");
}

#[test]
fn what_cannot_be_a_page_is_refused() {
    let place = Place::new();
    place.write("mine.html", b"<p>mine");
    place.write("bad.ptx", b".version 7.0\nnonsense");
    place.write("other.ptx", b".version 7.0\n.visible .entry other()\n{\n    ret;\n}");
    let html = ["--trace", "--html", "p.html"];
    place.refused(&["emulate", "axpy", "--trace", "--html", "mine.html"], &["mine.html", "--force"]);
    place.refused(&["emulate", "axpy", "--trace", "--html", "no/p.html"], &["no"]);
    place.refused(&[&["emulate", "axpy", "--ptx", "bad.ptx"], &html[..]].concat(), &["bad.ptx:2"]);
    place.refused(&[&["emulate", "axpy", "--ptx", "other.ptx"], &html[..]].concat(), &["no entry point `axpy`"]);
    place.refused(&[&["emulate", "axpy", "--ptx", "none.ptx"], &html[..]].concat(), &["none.ptx"]);
    place
        .refused(&[&["emulate", "axpy", "--block", "9"], &html[..]].concat(), &["found block 9, expected one below 2"]);
    place.refused(&[&["emulate", "axpy", "--warp", "9"], &html[..]].concat(), &["found warp 9, expected one below 8"]);
}

/// The numbers that a page's own scripts make of its data: sectors and conflicts over all steps, and the registers at the end.
const USE: &str = "
const byId = () => null;
const {buffers, pages} = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(pages.map(data => {
  const trace = new Trace(data), sums = {sectors: 0, conflicts: 0, global: 0, shared: 0, lanes: 0, steps: trace.steps.length};
  trace.steps.forEach((step, i) => {
    const lanes = lanesOf(step.executed);
    sums.lanes += lanes.length;
    for (const {memory, addresses, bytes} of lanes.length ? trace.at(i).accesses : []) {
      sums[memory]++;
      if (memory === 'global') sums.sectors += units(addresses, lanes, bytes, 32);
      else sums.conflicts += banks(addresses, lanes, bytes).extra;
    }
  });
  return sums;
})));
";

#[test]
#[ignore = "slow"]
fn pages_count_what_the_emulator_counts() {
    let place = Place::new();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stepper");
    let script = ["trace.js", "memory.js"].map(|name| fs::read_to_string(scripts.join(name)).unwrap()).concat() + USE;
    let pitch = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernels/ptx/layout.ptx")).unwrap();
    place.write("conflicts.ptx", pitch.replace("[4224]", "[4096]").replace(", 33, ", ", 32, ").as_bytes());
    let launches: [&[&str]; 8] = [
        &["axpy", "--n", "77"],
        &["transpose", "--n", "32"],
        &["transpose", "--n", "32", "--ptx", "conflicts.ptx"],
        &["sum_terms", "--n", "300"],
        &["gemm", "--n", "20"],
        &["lstm_small_forward", "--n", "3"],
        &["lstm_forward", "--n", "8"],
        &["conv_weight_single", "--n", "5"],
    ];
    for launch in launches {
        // All warps of the one block.
        let (ran, first) = page(&place, launch);
        assert_eq!(ran["grid"], json!([1, 1, 1]), "{launch:?}");
        let threads = data(&first)["threads"].as_u64().unwrap();
        let pages: Vec<Value> = (0..threads.div_ceil(32))
            .map(|warp| data(&page(&place, &[launch, &["--warp", &warp.to_string()]].concat()).1))
            .collect();
        let Some(sums) = node(&script, &json!({ "pages": pages })) else { return };
        let sum = |key: &str| sums.as_array().unwrap().iter().map(|sums| sums[key].as_u64().unwrap()).sum::<u64>();
        for (key, counter) in [
            ("steps", "instructions"),
            ("lanes", "lane_instructions"),
            ("global", "global_accesses"),
            ("sectors", "sectors"),
            ("shared", "shared_accesses"),
            ("conflicts", "bank_conflicts"),
        ] {
            assert_eq!(sum(key), ran[counter].as_u64().unwrap(), "{launch:?}: {key}");
        }
        if launch.contains(&"conflicts.ptx") {
            assert!(ran["bank_conflicts"].as_u64().unwrap() > 0, "{launch:?}");
        }
    }
}

/// Runs a script on what it reads; `None` where there is no Node.js.
fn node(script: &str, input: &Value) -> Option<Value> {
    let spawned = Command::new("node").args(["-e", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("not checked: no Node.js here");
        return None;
    };
    let (text, mut stdin) = (input.to_string(), child.stdin.take().unwrap());
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
